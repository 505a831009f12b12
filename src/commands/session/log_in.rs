//! `countersign login`: the login that `get-token` would do, at a time of one's choice.

use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure, Outcome};
use super::context::{ByHand, ContextFlags};
use super::flags::LoginFlags;
use super::{failure, with_keeper};
use crate::login::exec_credential::rfc3339;
use crate::login::session::Place;

/// Logs in: as the kubeconfig's current context does, or with the flags of get-token.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
    #[command(flatten)]
    context: ContextFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let ByHand { flags, settings, cluster } = arguments.context.settings(&arguments.login)?;
    let store = flags.store.open(true)?;
    if store.folder().is_none() {
        const WHY: &str =
            "--token-cache-storage none: a login is for later runs, and nothing would be kept; leave it out";
        return Err(Failure::WrongUse(WHY.to_owned()));
    }
    let (session, kept) =
        with_keeper(&store, &settings, cluster, flags.store.verbose > 0, |keeper| keeper.log_in(&settings))
            .map_err(|error| failure(&error))?;
    let renewal = if session.refresh_token().is_some() { "renewed by itself" } else { "not renewable" };
    let place = match kept.place {
        Some(Place::Keyring) => "the system's keyring",
        Some(Place::Disk) | None => "a file that only you can read",
    };
    terminal::print(&format!(
        "logged in as {} at {}; token until {}, {renewal}; kept in {place}\n",
        printable(&session.account),
        printable(&settings.issuer),
        rfc3339(session.usable_until(settings.token_kind))
    ))?;
    Ok(Conclusion::Yes)
}
