//! `countersign render PLATFORM`: the documents of one platform, to standard output or into a folder.

use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::super::output::Output;
use super::super::{Failure, Outcome, terminal};
use super::refusal::{Refusal, concluded};
use super::webhook::{WebhookFlags, advise};
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::findings::Findings;
use crate::wiring::file::{self, Access};
use crate::wiring::platforms::{
    ClusterApiVersion, Document, KubeadmVersion, Platform, PlatformError, Request, TalosRelease,
};
use crate::wiring::reviewer::ReviewVersion;

/// The flags that every platform has.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhook: WebhookFlags,
    /// The version of the review API (--authentication-token-webhook-version) [default: v1 where it can be set].
    #[arg(long, value_enum)]
    version: Option<ReviewVersion>,
    /// How long API servers remember answers. A revoked token is taken for up to that long, and 10s more.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    cache_ttl: Duration,
    /// Write the documents into this folder instead of printing them.
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    directory: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long, requires = "directory")]
    force: bool,
    /// How to print documents, steps and advice; as text, steps and advice go to standard error.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// The flags of kubeadm.
#[derive(clap::Args)]
pub(crate) struct KubeadmArguments {
    #[command(flatten)]
    common: Arguments,
    /// The version of kubeadm's configuration.
    #[arg(long, value_enum, default_value_t)]
    api_version: KubeadmVersion,
}

/// The flags of Cluster API.
#[derive(clap::Args)]
pub(crate) struct ClusterApiArguments {
    #[command(flatten)]
    common: Arguments,
    /// The version of Cluster API's objects.
    #[arg(long, value_enum, default_value_t)]
    api_version: ClusterApiVersion,
}

/// The flags of Talos Linux.
#[derive(clap::Args)]
pub(crate) struct TalosArguments {
    #[command(flatten)]
    common: Arguments,
    /// The release of Talos Linux: from 1.15 on there is a document for token webhooks.
    #[arg(long, value_name = "RELEASE", default_value = "1.14")]
    talos_version: TalosRelease,
}

pub(crate) fn kubeadm(arguments: &KubeadmArguments) -> Outcome {
    run(&arguments.common, Platform::Kubeadm(arguments.api_version))
}

pub(crate) fn cluster_api(arguments: &ClusterApiArguments) -> Outcome {
    run(&arguments.common, Platform::ClusterApi(arguments.api_version))
}

pub(crate) fn talos(arguments: &TalosArguments) -> Outcome {
    run(&arguments.common, Platform::Talos(arguments.talos_version))
}

pub(crate) fn run(arguments: &Arguments, platform: Platform) -> Outcome {
    concluded(render(arguments, platform), arguments.output)
}

fn render(arguments: &Arguments, platform: Platform) -> Result<(), Refusal> {
    let webhook = arguments.webhook.webhook(SystemClock.now())?;
    let request =
        Request { connection: &webhook.connection, version: arguments.version, cache_ttl: arguments.cache_ttl };
    let wiring =
        platform.wire(&request).map_err(|error: PlatformError| Failure::WrongUse(format!("--version: {error}")))?;
    let mut advice = webhook.advice;
    if platform.resolves_service_names() {
        advice.remove("cluster_dns_name");
    }
    advice.extend(wiring.traps.clone());
    let printed = Printed { documents: &wiring.documents, steps: &wiring.steps, advice: &advice };
    match (&arguments.directory, arguments.output.document(&printed)) {
        (None, Some(document)) => return Ok(terminal::print(&document)?),
        (None, None) => terminal::print(&wiring.to_text())?,
        (Some(directory), _) => terminal::print(&write(directory, &wiring.documents, arguments.force)?)?,
    }
    for step in &wiring.steps {
        terminal::complain(&format!("next  {step}"));
    }
    advise(&advice);
    Ok(())
}

/// Documents, steps and advice for programs.
#[derive(Serialize)]
struct Printed<'a> {
    documents: &'a [Document],
    steps: &'a [String],
    #[serde(flatten)]
    advice: &'a Findings,
}

/// Writes all or, if one cannot be or is there already, none.
fn write(directory: &Path, documents: &[Document], force: bool) -> Result<String, Failure> {
    let paths: Vec<PathBuf> = documents.iter().map(|document| directory.join(document.file)).collect();
    if let Some(taken) = paths.iter().find(|path| !force && path.exists()) {
        return Err(Failure::WrongUse(format!("{}: is there already; --force replaces it", taken.display())));
    }
    if !directory.is_dir() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(|error| Failure::Unknown(format!("{}: cannot be made: {error}", directory.display())))?;
    }
    let files: Vec<_> = paths
        .iter()
        .zip(documents)
        .map(|(path, document)| (path.as_path(), document.content.as_bytes(), document.access))
        .collect();
    file::write_all(&files).map_err(|error| Failure::unknown(&error))?;
    let mut text = String::new();
    for (path, document) in paths.iter().zip(documents) {
        let secret = if document.access == Access::Private { " (holds a secret)" } else { "" };
        let _ = writeln!(text, "{}{secret}  {}", path.display(), document.place);
    }
    Ok(text)
}
