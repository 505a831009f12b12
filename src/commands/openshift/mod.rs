//! `countersign openshift`: checks and applies what makes an OpenShift cluster ask a webhook.

mod apply;
mod check;
mod cluster;
mod documents;
mod person;
mod report;
mod revert;
#[cfg(test)]
mod tests;

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
    Apply(apply::Arguments),
    Revert(revert::Arguments),
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
        Command::Apply(arguments) => apply::run(arguments),
        Command::Revert(arguments) => revert::run(arguments),
    }
}
