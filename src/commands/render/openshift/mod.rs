//! `countersign render openshift`: the `Authentication`, its secret and its config map, from flags or a configuration.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::output::Output;
use super::super::{Failure, Outcome, block_on, chain, program, terminal};
use super::refusal::{Refusal, concluded};
use super::webhook::{WebhookFlags, advise, deliver};
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::config::{self, Config};
use crate::findings::{Findings, Severity};
use crate::wiring::openshift::INTEGRATED_SECRET;
use crate::wiring::openshift::manifest::{DEFAULT_CONFIG_MAP, DEFAULT_SECRET, Manifest};
use crate::wiring::openshift::metadata::{self, Derived};
use crate::wiring::openshift::rules::{self, Circumstances};
use crate::wiring::{address, file};

/// Discovery documents have a few kilobytes.
const MAX_DOCUMENT: u64 = 1024 * 1024;

/// Prints OpenShift's Authentication, with the webhook's secret and the OAuth metadata.
#[derive(Clone, Default, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    webhook: WebhookFlags,
    /// The secret's name.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_SECRET)]
    secret: String,
    /// The config map's name.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CONFIG_MAP)]
    config_map: String,
    /// The issuer whose metadata OpenShift's clients are to see; without it, the only one of --config.
    #[arg(long, value_name = "URL", conflicts_with = "no_metadata")]
    issuer: Option<String>,
    /// The issuer's discovery document, in place of fetching it; `-` is standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "no_metadata")]
    discovery: Option<PathBuf>,
    /// The PEM certificates of the authority behind the issuer's HTTPS, if it is not one that the system trusts.
    #[arg(long, value_name = "FILE")]
    issuer_certificate_authority: Option<PathBuf>,
    /// Refer to no OAuth metadata: people then log in with a credential plugin or oc login --token.
    #[arg(long)]
    no_metadata: bool,
    /// Write them into this file, readable by its owner alone, instead of printing them (`-` prints them): the secret has a key in it.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Replace the file if it is there.
    #[arg(long, requires = "write")]
    force: bool,
    /// How to print them; as JSON it is a List.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let rendered = render(arguments, SystemClock.now()).and_then(|rendered| {
        advise(&rendered.advice);
        Ok(deliver(&rendered.text, arguments.write.as_deref(), arguments.force)?)
    });
    concluded(rendered, arguments.output)
}

struct Rendered {
    text: Zeroizing<String>,
    advice: Findings,
}

fn render(arguments: &Arguments, now: UnixTime) -> Result<Rendered, Refusal> {
    if arguments.secret == INTEGRATED_SECRET {
        let why = format!("--secret: {INTEGRATED_SECRET} is the authentication operator's own; give another name");
        return Err(Failure::WrongUse(why).into());
    }
    let webhook = arguments.webhook.webhook(now)?;
    let mut advice = webhook.advice;
    let metadata = oauth_metadata(arguments, now)?.map(|derived| {
        advice.extend(derived.advice);
        (arguments.config_map.as_str(), derived.document)
    });
    let kubeconfig = webhook.connection.to_yaml("countersign");
    let manifest = Manifest { secret: &arguments.secret, kubeconfig, metadata };
    // What is printed passes the check that it will be held against.
    let findings = rules::check(&manifest.checked(), &Circumstances { now, served: None });
    let is_error = findings.has_errors();
    for finding in &findings {
        if finding.severity != Severity::Info && !advice.iter().any(|known| known.message == finding.message) {
            advice.push(finding.clone());
        }
    }
    if is_error {
        return Err(Refusal::because(advice, "OpenShift would not honor it"));
    }
    Ok(Rendered { text: text(&manifest, arguments.output), advice })
}

/// The metadata, unless none is wanted or there is nothing to derive it from.
fn oauth_metadata(arguments: &Arguments, now: UnixTime) -> Result<Option<Derived>, Failure> {
    if arguments.no_metadata {
        return Ok(None);
    }
    let config = arguments.webhook.config.as_deref().and_then(|path| Config::load(path, now).config);
    let issuer = issuer(arguments, config.as_ref())?;
    let document = match (&arguments.discovery, &issuer) {
        (Some(path), _) => read(path)?,
        (None, Some(issuer)) => fetch(arguments, issuer)?.into(),
        (None, None) => {
            terminal::complain(
                "note: the documents have no OAuth metadata; give --issuer or --discovery for it, or --no-metadata to say that none is wanted",
            );
            return Ok(None);
        }
    };
    let derived = metadata::derive(&document, issuer.as_ref().map(|issuer| issuer.url.as_str()));
    derived.map(Some).map_err(|error| Failure::Refused(format!("{}; --no-metadata renders the rest", chain(&error))))
}

/// The issuer, as far as it is known.
struct Issuer {
    url: String,
    discovery: Option<String>,
    certificate_authority: Option<String>,
}

fn issuer(arguments: &Arguments, config: Option<&Config>) -> Result<Option<Issuer>, Failure> {
    let known: &[config::Issuer] = config.map_or(&[], |config| &config.issuers);
    let configured = match (&arguments.issuer, known) {
        (Some(url), _) => known.iter().find(|issuer| issuer.url == *url),
        (None, [only]) => Some(only),
        (None, []) => None,
        (None, _) if arguments.discovery.is_some() => None,
        (None, several) => {
            let urls: Vec<&str> = several.iter().map(|issuer| issuer.url.as_str()).collect();
            let urls = urls.join(", ");
            return Err(Failure::WrongUse(format!(
                "--issuer is missing: OpenShift has room for one, and the configuration has several: {urls}"
            )));
        }
    };
    if let Some(url) = &arguments.issuer
        && address::parse(url).is_none_or(|url| url.scheme() != "https")
    {
        return Err(Failure::WrongUse(format!("--issuer: {url:?} is not an https URL")));
    }
    let url = arguments.issuer.clone().or_else(|| configured.map(|issuer| issuer.url.clone()));
    Ok(url.map(|url| Issuer {
        url,
        discovery: configured.and_then(|issuer| issuer.discovery_url.clone()),
        certificate_authority: configured.and_then(|issuer| issuer.certificate_authority.clone()),
    }))
}

fn fetch(arguments: &Arguments, issuer: &Issuer) -> Result<Vec<u8>, Failure> {
    let authority = match &arguments.issuer_certificate_authority {
        Some(path) => Some(String::from_utf8_lossy(&read(path)?).into_owned()),
        None => issuer.certificate_authority.clone(),
    };
    let fetched = metadata::fetch(&issuer.url, issuer.discovery.as_deref(), authority.as_deref());
    block_on(fetched)?.map_err(|error| Failure::unknown(&error))
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let unreadable =
        |error: &io::Error| Failure::WrongUse(format!("{}: cannot be read: {}", path.display(), chain(error)));
    if path.as_os_str() != "-" {
        return file::read(path, MAX_DOCUMENT).map_err(|error| unreadable(&error));
    }
    let mut content = Zeroizing::new(Vec::new());
    io::stdin().lock().take(MAX_DOCUMENT + 1).read_to_end(&mut content).map_err(|error| unreadable(&error))?;
    if content.len() as u64 > MAX_DOCUMENT {
        return Err(Failure::WrongUse(
            "standard input: larger than 1 MiB; a discovery document is far smaller".to_owned(),
        ));
    }
    Ok(content)
}

fn text(manifest: &Manifest<'_>, output: Output) -> Zeroizing<String> {
    let objects = manifest.objects();
    if output == Output::Json {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        return Zeroizing::new(output.document(&list).unwrap_or_default());
    }
    let mut text = Zeroizing::new(heading(manifest));
    for object in &objects {
        text.push_str("---\n");
        text.push_str(comment(object));
        text.push_str(&serde_saphyr::to_string(object).unwrap_or_default());
    }
    text
}

fn heading(manifest: &Manifest<'_>) -> String {
    let program = program();
    let parts = if manifest.metadata.is_some() { "secret, config map" } else { "secret" };
    format!(
        "\
# Apply in this order, which is that of the documents: {parts}, Authentication. Until the last one nothing changes.
#   {program} openshift check -f FILE          says whether it will be honored
#   {program} openshift apply -f FILE          applies it and follows the rollout
#   {program} openshift revert                 goes back to the integrated OAuth server
# What it costs: every change of one of these bytes restarts all API servers, one node after the other: three to six minutes
# each, ten to twenty in all; with a single node the API is away meanwhile.
# What it changes: tokens of the integrated OAuth server (oc login -u, the console) are refused from then on. Keep the
# installer's kubeconfig, whose client certificate needs no webhook.
# To take it away, change the Authentication first and delete the secret only when all nodes have the new revision.
"
    )
}

fn comment(object: &Value) -> &'static str {
    match object.get("kind").and_then(Value::as_str) {
        Some("Secret") => "# The webhook's kubeconfig: whoever can read it can ask the webhook.\n",
        Some("ConfigMap") => "# Served at /.well-known/oauth-authorization-server.\n",
        _ => "",
    }
}

#[cfg(test)]
mod tests;
