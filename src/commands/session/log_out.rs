//! `countersign logout`: forgets sessions, and ends them at the provider if asked to.

use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure, Outcome};
use super::flags::LoginFlags;
use super::{failure, with_keeper};
use crate::login::exec_credential::LoginConfig;
use crate::login::session::Store;

/// Forgets the stored session of a login (the flags of get-token), or all sessions.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
    /// Also end the session at the provider.
    #[arg(long, conflicts_with = "all")]
    everywhere: bool,
    /// Forget the sessions of all logins on this machine.
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let flags = &arguments.login;
    let store = flags.store.open()?;
    if arguments.all {
        return forget_all(&store);
    }
    let settings = flags.settings(&LoginConfig::default(), true)?;
    let accounts = with_keeper(&store, &settings, None, flags.store.verbose > 0, |keeper| {
        keeper.log_out(&settings, arguments.everywhere)
    })
    .map_err(|error| failure(&error))?;
    let place = if arguments.everywhere { "here and at the provider" } else { "here" };
    report(&settings.issuer, &accounts, place)
}

fn forget_all(store: &Store) -> Outcome {
    for record in store.all().map_err(|error| Failure::unknown(&error))? {
        store.remove(&record.key).map_err(|error| Failure::unknown(&error))?;
        let accounts: Vec<String> = record.sessions.iter().map(|session| session.account.clone()).collect();
        report(&record.key.issuer, &accounts, "here")?;
    }
    Ok(Conclusion::Yes)
}

fn report(issuer: &str, accounts: &[String], place: &str) -> Outcome {
    if accounts.is_empty() {
        terminal::print(&format!("nobody was logged in at {}\n", printable(issuer)))?;
    }
    for account in accounts {
        terminal::print(&format!("logged out {} at {}, {place}\n", printable(account), printable(issuer)))?;
    }
    Ok(Conclusion::Yes)
}
