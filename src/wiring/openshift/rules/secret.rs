//! From the reference to the kubeconfig's text: the secret as the operator takes it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::objects::{Kind, Object, Objects};
use super::super::{KUBECONFIG_KEY, NAMESPACE};
use super::kubeconfig;
use super::report::Report;
use super::schema;
use crate::clock::UnixTime;

/// What is in force when the operator does not take the new webhook.
pub(super) const FORMER: &str = "the configuration that was in force before stays in force";

/// As much as the API takes.
const MAX_BYTES: usize = 1024 * 1024;

pub(super) fn check_reference(name: &str, objects: &Objects, now: UnixTime, report: &mut Report) {
    const PATH: &str = "spec.webhookTokenAuthenticator.kubeConfig.name";
    if let Some(secret) = objects.named(Kind::Secret, name) {
        return check(secret, now, report);
    }
    let mut others = objects.of(Kind::Secret).map(Object::name).collect::<Vec<_>>();
    others.sort_unstable();
    let seen = if others.is_empty() { String::new() } else { format!("; seen: {}", others.join(", ")) };
    if objects.is_complete {
        let message = format!(
            "the webhook is not honored because there is no secret {NAMESPACE}/{name} (failed to get secret); {FORMER}"
        );
        report.error("secret_missing", PATH, message, format!("create the secret first, or correct the name{seen}"));
    } else {
        report.warning(
            "secret_not_given",
            PATH,
            format!("whether the webhook is honored cannot be told: the secret {name} is not among the documents"),
            format!("give it with -f, too: oc get secret {name} -n {NAMESPACE} -o yaml{seen}"),
        );
    }
}

/// Whether a secret is meant to be a webhook's, also when nothing refers to it.
pub(super) fn looks_like_a_webhook(secret: &Object) -> bool {
    ["data", "stringData"].into_iter().any(|field| secret.at(&format!("/{field}/{KUBECONFIG_KEY}")) != &Value::Null)
}

pub(super) fn check(secret: &Object, now: UnixTime, report: &mut Report) {
    let place = format!("secret/{}:", secret.name());
    schema::check_secret(secret, &place, report);
    namespace(secret, &place, report);
    if let Some((text, path)) = text(secret, &place, report) {
        kubeconfig::check(&text, &path, now, report);
    }
}

fn namespace(secret: &Object, place: &str, report: &mut Report) {
    let path = format!("{place}metadata.namespace");
    let remedy = format!("set metadata.namespace to {NAMESPACE}");
    match secret.namespace() {
        NAMESPACE => {}
        "" => report.warning(
            "secret_without_namespace",
            path,
            format!("the secret goes to the namespace of whoever applies it, and operators look in {NAMESPACE} alone"),
            remedy,
        ),
        other => report.error(
            "secret_namespace",
            path,
            format!(
                "the webhook is not honored because the secret is in {other}, and operators look in {NAMESPACE} alone"
            ),
            remedy,
        ),
    }
}

/// The kubeconfig in a secret, if there is one that is text.
#[must_use]
pub fn kubeconfig_text(secret: &Object) -> Option<Zeroizing<String>> {
    text(secret, "", &mut Report::default()).map(|(text, _)| text)
}

/// The kubeconfig's text and where it is.
fn text(secret: &Object, place: &str, report: &mut Report) -> Option<(Zeroizing<String>, String)> {
    let encoded = secret.at("/data").get(KUBECONFIG_KEY);
    let plain = secret.at("/stringData").get(KUBECONFIG_KEY);
    let field = if plain.is_some() { "stringData" } else { "data" };
    let path = format!("{place}{field}.{KUBECONFIG_KEY}");
    let Some(value) = plain.or(encoded) else {
        key_missing(secret, path, report);
        return None;
    };
    // What is no text, or no base64, has been reported with all other fields.
    let text = value.as_str()?;
    let bytes = if plain.is_some() { Some(text.as_bytes().to_vec()) } else { decode(text) };
    let bytes = Zeroizing::new(bytes?);
    if bytes.len() > MAX_BYTES {
        let message = "the API refuses the secret because it has more than 1 MiB";
        report.error("secret_too_large", path.clone(), message, "leave one cluster, one user and one context in it");
    }
    if bytes.is_empty() {
        let message = format!("the webhook is not honored because the '{KUBECONFIG_KEY}' key is empty; {FORMER}");
        report.error("secret_key_empty", path, message, "put the webhook's kubeconfig there");
        return None;
    }
    match String::from_utf8(bytes.to_vec()) {
        Ok(text) => Some((Zeroizing::new(text), path)),
        Err(_) => {
            let message = format!("the webhook is not honored because the kubeconfig is not text; {FORMER}");
            report.error("kubeconfig_unreadable", path, message, "put a kubeconfig there, in YAML or JSON");
            None
        }
    }
}

fn key_missing(secret: &Object, path: String, report: &mut Report) {
    let mut keys: Vec<&str> = ["/data", "/stringData"]
        .into_iter()
        .filter_map(|pointer| secret.at(pointer).as_object())
        .flat_map(|map| map.keys().map(String::as_str))
        .collect();
    keys.sort_unstable();
    let there = if keys.is_empty() { "it has no keys".to_owned() } else { format!("it has: {}", keys.join(", ")) };
    report.error(
        "secret_key_missing",
        path,
        format!("the webhook is not honored because of the missing required '{KUBECONFIG_KEY}' key; {FORMER}"),
        format!("name the key {KUBECONFIG_KEY}, in exactly this spelling; {there}"),
    );
}

/// As Go does: line breaks are overlooked, everything else must be base64.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let compact: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect());
    BASE64_STANDARD.decode(compact.as_bytes()).ok()
}
