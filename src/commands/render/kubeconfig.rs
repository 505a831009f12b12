//! `countersign render kubeconfig`: the file that kube-apiserver is given.

use std::path::PathBuf;

use serde_json::Value;

use super::super::output::Output;
use super::super::{Conclusion, Outcome, terminal};
use super::webhook::{WebhookFlags, advise, written};
use crate::clock::{Clock, SystemClock};

/// Prints the kubeconfig for --authentication-token-webhook-config-file, everything inline.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhook: WebhookFlags,
    /// The name of cluster, user and context in it.
    #[arg(long, value_name = "NAME", default_value = "countersign")]
    name: String,
    /// Write it into this file, readable by its owner alone, instead of printing it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "write")]
    force: bool,
    /// How to print it; as JSON it is what a Kubernetes client takes too.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let webhook = arguments.webhook.webhook(SystemClock.now())?;
    let yaml = webhook.connection.to_yaml(&arguments.name);
    advise(&webhook.advice);
    match &arguments.write {
        Some(path) => written(path, &yaml, arguments.force)?,
        None => {
            let document = serde_saphyr::from_str::<Value>(&yaml).unwrap_or_default();
            let text = match arguments.output {
                Output::Json => arguments.output.document(&document).unwrap_or_default(),
                Output::Text | Output::Yaml => yaml.to_string(),
            };
            terminal::print(&text)?;
        }
    }
    Ok(Conclusion::Yes)
}
