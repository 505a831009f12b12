//! `countersign render kubeconfig`: the file that kube-apiserver is given.

use std::path::PathBuf;

use serde_json::Value;
use zeroize::Zeroizing;

use super::super::Outcome;
use super::super::output::Output;
use super::refusal::{Refusal, concluded};
use super::webhook::{WebhookFlags, advise, deliver};
use crate::clock::{Clock, SystemClock};

/// Prints the kubeconfig for --authentication-token-webhook-config-file, everything inline.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhook: WebhookFlags,
    /// The name of cluster, user and context in it.
    #[arg(long, value_name = "NAME", default_value = "countersign")]
    name: String,
    /// Write it into this file, readable by its owner alone, instead of printing it; `-` prints it.
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
    concluded(render(arguments), arguments.output)
}

fn render(arguments: &Arguments) -> Result<(), Refusal> {
    let webhook = arguments.webhook.webhook(SystemClock.now())?;
    let yaml = webhook.connection.to_yaml(&arguments.name);
    advise(&webhook.advice);
    let text = match arguments.output {
        Output::Json => {
            let document = serde_saphyr::from_str::<Value>(&yaml).unwrap_or_default();
            Zeroizing::new(arguments.output.document(&document).unwrap_or_default())
        }
        Output::Text | Output::Yaml => yaml,
    };
    Ok(deliver(&text, arguments.write.as_deref(), arguments.force)?)
}
