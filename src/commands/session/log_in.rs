//! `countersign login`: the login that `get-token` would do, at a time of one's choice.

use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure, Outcome};
use super::flags::LoginFlags;
use super::{failure, with_keeper};
use crate::login::exec_credential::{LoginConfig, rfc3339};

/// Logs in, with the flags that get-token has in the kubeconfig.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let flags = &arguments.login;
    // Whoever types this is there, even if the terminal does not look like it.
    let settings = flags.settings(&LoginConfig::default(), true)?;
    let store = flags.store.open()?;
    if store.folder().is_none() {
        const WHY: &str =
            "--token-cache-storage none: a login is for later runs, and nothing would be kept; leave it out";
        return Err(Failure::WrongUse(WHY.to_owned()));
    }
    let session = with_keeper(&store, &settings, None, flags.store.verbose > 0, |keeper| keeper.log_in(&settings))
        .map_err(|error| failure(&error))?;
    let renewal = if session.refresh_token().is_some() { "renewed by itself" } else { "not renewable" };
    terminal::print(&format!(
        "logged in as {} at {}; token until {}, {renewal}\n",
        printable(&session.account),
        printable(&settings.issuer),
        rfc3339(session.usable_until(settings.token_kind))
    ))?;
    Ok(Conclusion::Yes)
}
