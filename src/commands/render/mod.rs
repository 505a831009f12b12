//! `countersign render`: prints wiring, one subcommand for each place that it goes to.

mod exec;

use super::Outcome;

/// Prints the wiring for a platform.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(clap::Subcommand)]
enum Platform {
    Exec(Box<exec::Arguments>),
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.platform {
        Platform::Exec(arguments) => exec::run(arguments),
    }
}
