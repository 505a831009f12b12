//! `countersign openshift`: checks and applies what makes an OpenShift cluster ask a webhook.

mod check;
mod documents;

use super::Outcome;

/// Checks and applies OpenShift's `Authentication` and what belongs to it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Check(check::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
    }
}
