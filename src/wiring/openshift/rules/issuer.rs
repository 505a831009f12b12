//! `serviceAccountIssuer`: the names that the API server asks a webhook for, and the issuers that are never the webhook's.

use serde_json::Value;

use super::super::METADATA_KEY;
use super::super::objects::{Kind, Object, Objects};
use super::Authentication;
use super::report::Report;
use crate::clock::UnixTime;
use crate::config::GoUrl;
use crate::wiring::pki::folder::date;

const PATH: &str = "spec.serviceAccountIssuer";

/// What an empty field means.
const DEFAULT: &str = "https://kubernetes.default.svc";

/// More trusted issuers are an error of the operator's controller.
const MAX_TRUSTED: usize = 10;

pub(super) fn check(authentication: &Authentication<'_>, objects: &Objects, now: UnixTime, report: &mut Report) {
    let issuer = authentication.object.text("/spec/serviceAccountIssuer");
    form(issuer, report);
    let api_server = objects.named(Kind::KubeApiServer, "cluster");
    let trusted = api_server.map(|api_server| trusted(api_server, now)).unwrap_or_default();
    if api_server.is_some() {
        change(issuer, &trusted, report);
    }
    let wanted = if issuer.is_empty() { DEFAULT } else { issuer };
    foreign_issuers(authentication, objects, wanted, &trusted, report);
    if !issuer.is_empty() && issuer != DEFAULT {
        report.info(
            "service_account_issuer_custom",
            PATH,
            format!("the API server asks the webhook for the audience {issuer}, and for trusted earlier issuers"),
            "list them in server.apiAudiences of countersign's configuration, with https://kubernetes.default.svc as long as it \
             is trusted",
        );
    }
}

fn form(issuer: &str, report: &mut Report) {
    if !issuer.contains(':') {
        return;
    }
    match GoUrl::parse(issuer) {
        Err(_) => report.error(
            "service_account_issuer_invalid",
            PATH,
            "the API server keeps its former configuration because this is not a URL (ConfigObservationDegraded)",
            "write an https URL, or text without a colon",
        ),
        Ok(url) if url.scheme != "https" => report.warning(
            "service_account_issuer_without_discovery",
            PATH,
            "discovery of service-account keys is switched off because the issuer is not an https URL",
            "write an https URL",
        ),
        Ok(_) => {}
    }
}

/// An issuer that the API server trusts, and until when if it is a former one.
struct Trusted<'a> {
    name: &'a str,
    until: Option<&'a str>,
}

/// Without those whose time is over: the operator takes them out within a minute.
fn trusted(api_server: &Object, now: UnixTime) -> Vec<Trusted<'_>> {
    let now = date(now);
    api_server
        .list("/status/serviceAccountIssuers")
        .iter()
        .map(|entry| Trusted {
            name: entry.get("name").and_then(Value::as_str).unwrap_or_default(),
            until: entry.get("expirationTime").and_then(Value::as_str),
        })
        // Kubernetes writes all times in one form, in which they are in order.
        .filter(|entry| entry.until.is_none_or(|until| until > now.as_str()))
        .collect()
}

fn change(issuer: &str, trusted: &[Trusted<'_>], report: &mut Report) {
    const STATUS: &str = "kubeapiserver/cluster:status.serviceAccountIssuers";
    let is_active = |name: &str| trusted.iter().any(|entry| entry.until.is_none() && entry.name == name);
    let is_default = issuer.is_empty() || issuer == DEFAULT;
    // The default one is active without being listed.
    if is_active(issuer) || (is_default && !trusted.iter().any(|entry| entry.until.is_none())) {
    } else if trusted.len() >= MAX_TRUSTED && !trusted.iter().any(|entry| entry.name == issuer) {
        report.error(
            "service_account_issuers_full",
            STATUS,
            "the new service-account issuer is not honored because ten are trusted already, and there may not be more",
            "wait until former ones expire (24 hours after they were replaced)",
        );
    } else {
        report.info(
            "service_account_issuer_pending",
            PATH,
            "the service-account issuer changes: that is a rollout, and the former one is trusted for 24 hours more",
            "",
        );
    }
    for entry in trusted {
        if let Some(until) = entry.until {
            report.info(
                "service_account_issuer_former",
                STATUS,
                format!(
                    "tokens of {} are trusted until {until}; after that they fall through to the webhook",
                    entry.name
                ),
                "nothing, as long as the webhook has no issuer of this name",
            );
        }
    }
}

/// Whoever controls an identity provider under a service-account issuer's name could pass as any service account.
fn foreign_issuers(
    authentication: &Authentication<'_>,
    objects: &Objects,
    wanted: &str,
    trusted: &[Trusted<'_>],
    report: &mut Report,
) {
    let providers = authentication.object.list("/spec/oidcProviders").iter().enumerate().map(|(index, provider)| {
        let url = provider.pointer("/issuer/issuerURL").and_then(Value::as_str).unwrap_or_default();
        (format!("spec.oidcProviders[{index}].issuer.issuerURL"), url.to_owned())
    });
    let metadata = objects.named(Kind::ConfigMap, authentication.metadata()).and_then(|config_map| {
        let document: Value = serde_json::from_str(config_map.text(&format!("/data/{METADATA_KEY}"))).ok()?;
        let issuer = document.get("issuer")?.as_str()?.to_owned();
        Some((format!("configmap/{}:data.{METADATA_KEY}.issuer", config_map.name()), issuer))
    });
    for (path, url) in providers.chain(metadata) {
        if !url.is_empty() && (url == wanted || trusted.iter().any(|entry| entry.name == url)) {
            let message = "an identity provider must not have the name of a service-account issuer";
            report.error("issuer_of_service_accounts", path, message, "use the provider's own issuer URL");
        }
    }
}
