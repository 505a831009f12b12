//! `countersign render`: prints wiring, one subcommand for each place that it goes to.

mod exec;
mod kubeconfig;
mod openshift;
mod pki;
mod webhook;

use super::Outcome;

/// Prints the wiring for a platform.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    platform: Platform,
}

#[derive(clap::Subcommand)]
enum Platform {
    Kubeconfig(Box<kubeconfig::Arguments>),
    #[command(name = "openshift")]
    OpenShift(Box<openshift::Arguments>),
    Pki(Box<pki::Arguments>),
    Exec(Box<exec::Arguments>),
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    match &arguments.platform {
        Platform::Kubeconfig(arguments) => kubeconfig::run(arguments),
        Platform::OpenShift(arguments) => openshift::run(arguments),
        Platform::Pki(arguments) => pki::run(arguments),
        Platform::Exec(arguments) => exec::run(arguments),
    }
}
