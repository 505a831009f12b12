//! `countersign logout`: forgets sessions, and ends them at the provider if asked to.

use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure, Outcome};
use super::context::{ByHand, ContextFlags};
use super::flags::LoginFlags;
use super::{failure, with_keeper};
use crate::login::outcome::{Ending, LoggedOut};
use crate::login::session::{Session, Store};

/// Forgets the stored session of a login (of the kubeconfig's context, or the flags of get-token), or all sessions.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
    #[command(flatten)]
    context: ContextFlags,
    /// Also end the session at the provider.
    #[arg(long, conflicts_with = "all")]
    everywhere: bool,
    /// Forget the sessions of all logins on this machine.
    #[arg(long)]
    all: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    if arguments.all {
        return forget_all(&arguments.login.store.open(true)?);
    }
    let ByHand { flags, settings, cluster } = arguments.context.settings(&arguments.login)?;
    let store = flags.store.open(true)?;
    let accounts = with_keeper(&store, &settings, cluster, flags.store.verbose > 0, |keeper| {
        keeper.log_out(&settings, arguments.everywhere)
    })
    .map_err(|error| failure(&error))?;
    report(&settings.issuer, &accounts)
}

fn forget_all(store: &Store) -> Outcome {
    for record in store.all().map_err(|error| Failure::unknown(&error))? {
        store.remove(&record.key).map_err(|error| Failure::unknown(&error))?;
        let here = |session: &Session| LoggedOut { account: session.account.clone(), at_provider: None };
        let accounts: Vec<LoggedOut> = record.sessions.iter().map(here).collect();
        report(&record.key.issuer, &accounts)?;
    }
    Ok(Conclusion::Yes)
}

fn report(issuer: &str, accounts: &[LoggedOut]) -> Outcome {
    if accounts.is_empty() {
        terminal::print(&format!("nobody was logged in at {}\n", printable(issuer)))?;
    }
    for LoggedOut { account, at_provider } in accounts {
        let place = match at_provider {
            None => "here",
            Some(Ending::InBrowser) => {
                "here; the provider revokes no tokens: its refresh and access tokens were not revoked, and are good there \
                 until they end or the session is ended in the browser"
            }
            Some(Ending::Revoked) => "here and at the provider",
        };
        terminal::print(&format!("logged out {} at {}, {place}\n", printable(account), printable(issuer)))?;
    }
    Ok(Conclusion::Yes)
}
