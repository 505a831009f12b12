//! The OAuth metadata in the config map: what the API server serves, and does not start with when it is wrong.

use serde_json::{Map, Value};

use super::super::objects::{Kind, Object, Objects};
use super::super::{METADATA_KEY, NAMESPACE};
use super::report::Report;
use super::{Authentication, Type, schema};
use crate::wiring::address;

const PATH: &str = "spec.oauthMetadata.name";

const DIES: &str = "the new revision of kube-apiserver does not start, and the rollout hangs at the first node";

/// The members that kube-apiserver reads, and whether each is a list.
const KNOWN: [(&str, bool); 7] = [
    ("issuer", false),
    ("authorization_endpoint", false),
    ("token_endpoint", false),
    ("scopes_supported", true),
    ("response_types_supported", true),
    ("grant_types_supported", true),
    ("code_challenge_methods_supported", true),
];

/// The members that must be URLs with a scheme and a host.
const URLS: [&str; 3] = ["issuer", "authorization_endpoint", "token_endpoint"];

pub(super) fn check(authentication: &Authentication<'_>, objects: &Objects, report: &mut Report) {
    let name = authentication.metadata();
    match authentication.kind {
        _ if name.is_empty() => {
            if authentication.kind == Type::None && !authentication.webhook().is_empty() {
                let message =
                    "no OAuth metadata is served, so oc login and the console do not find a login by themselves";
                let remedy = "log in with a kubeconfig's exec plugin or oc login --token, or name a config map with the metadata";
                report.info("metadata_none", PATH, message, remedy);
            }
            return;
        }
        Type::Oidc => {
            let message = "the OAuth metadata is not served because the type is OIDC";
            return report.warning("metadata_ignored", PATH, message, "remove spec.oauthMetadata");
        }
        Type::Integrated | Type::None | Type::Unknown => {}
    }
    if let Some(config_map) = objects.named(Kind::ConfigMap, name) {
        namespace(config_map, report);
        check_config_map(config_map, report);
    } else if objects.is_complete {
        let message = format!("the config map {NAMESPACE}/{name} does not exist: {DIES}");
        report.error("metadata_missing", PATH, message, "create the config map first, or correct the name");
    } else {
        let message =
            format!("whether the metadata is served cannot be told: the config map {name} is not among the documents");
        report.warning(
            "metadata_not_given",
            PATH,
            message,
            format!("give it with -f, too: oc get configmap {name} -n {NAMESPACE} -o yaml"),
        );
    }
}

/// Whether a config map is meant to be metadata, also when nothing refers to it.
pub(super) fn looks_like_metadata(config_map: &Object) -> bool {
    !config_map.at(&format!("/data/{METADATA_KEY}")).is_null()
}

fn namespace(config_map: &Object, report: &mut Report) {
    let path = format!("configmap/{}:metadata.namespace", config_map.name());
    let remedy = format!("set metadata.namespace to {NAMESPACE}");
    match config_map.namespace() {
        NAMESPACE => {}
        "" => report.warning(
            "metadata_without_namespace",
            path,
            format!(
                "the config map goes to the namespace of whoever applies it, and operators look in {NAMESPACE} alone"
            ),
            remedy,
        ),
        other => {
            let message = format!("the config map is in {other}, and operators look in {NAMESPACE} alone: {DIES}");
            report.error("metadata_namespace", path, message, remedy);
        }
    }
}

pub(super) fn check_config_map(config_map: &Object, report: &mut Report) {
    let path = format!("configmap/{}:data.{METADATA_KEY}", config_map.name());
    schema::check_config_map(config_map, &format!("configmap/{}:", config_map.name()), report);
    let Some(text) = config_map.at("/data").get(METADATA_KEY).and_then(Value::as_str) else {
        let is_binary = config_map.at("/binaryData").get(METADATA_KEY).is_some();
        let why = if is_binary { "it is in binaryData, which is not used" } else { "the key is missing" };
        let message = format!("there is no metadata in the config map ({why}): {DIES}");
        return report.error(
            "metadata_key_missing",
            path,
            message,
            format!("put the JSON text under data.{METADATA_KEY}"),
        );
    };
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return report.error(
            "metadata_not_json",
            path,
            format!("the metadata is not JSON: {DIES}"),
            "write the document as JSON",
        );
    };
    let Some(members) = document.as_object() else {
        return report.error(
            "metadata_not_json",
            path,
            format!("the metadata is not a JSON object: {DIES}"),
            "write a JSON object",
        );
    };
    types(members, &path, report);
    urls(members, &path, report);
    lists(members, &path, report);
}

fn types(members: &Map<String, Value>, path: &str, report: &mut Report) {
    for (name, is_list) in KNOWN {
        let fits = |value: &Value| match value {
            Value::Null => true,
            Value::String(_) => !is_list,
            Value::Array(items) => is_list && items.iter().all(|item| item.is_string() || item.is_null()),
            _ => false,
        };
        // Go takes a member in any case for the one that it looks for.
        if !members.iter().filter(|(member, _)| member.eq_ignore_ascii_case(name)).all(|(_, value)| fits(value)) {
            let expected = if is_list { "a list of texts" } else { "text" };
            let message = format!("{name} must be {expected}: {DIES}");
            report.error("metadata_wrong_type", format!("{path}.{name}"), message, "write what is expected");
        }
    }
}

fn urls(members: &Map<String, Value>, path: &str, report: &mut Report) {
    for name in URLS {
        let path = format!("{path}.{name}");
        let text = match members.get(name) {
            Some(Value::String(text)) => text.as_str(),
            None | Some(Value::Null) => "",
            Some(_) => continue,
        };
        let Some(url) = address::parse(text) else {
            let message = format!("{name} must be a URL with a scheme and a host: {DIES}");
            report.error("metadata_url", path, message, format!("write the provider's {name}"));
            continue;
        };
        if url.scheme() != "https" {
            let message = format!("{name} is not an https URL, and clients send secrets there");
            report.warning("metadata_not_https", path.clone(), message, "use https");
        }
        if name == "issuer" && (url.query().is_some() || url.fragment().is_some()) {
            let message = "an issuer has no query and no fragment (RFC 8414), and clients refuse it";
            report.warning(
                "metadata_issuer",
                path,
                message,
                "write the issuer exactly as the provider's own document has it",
            );
        }
    }
}

fn lists(members: &Map<String, Value>, path: &str, report: &mut Report) {
    let list = |name: &str| -> Option<Vec<&str>> {
        Some(members.get(name)?.as_array()?.iter().filter_map(Value::as_str).collect())
    };
    let at = |name: &str| format!("{path}.{name}");
    if !list("response_types_supported").is_some_and(|types| types.contains(&"code")) {
        let message = "response_types_supported has no code, which is what oc login --web asks for";
        report.warning(
            "metadata_response_types",
            at("response_types_supported"),
            message,
            "list code, if the provider has it",
        );
    }
    if list("grant_types_supported").is_none() {
        let message = "grant_types_supported is missing, which means authorization_code and implicit";
        report.info("metadata_grant_types", at("grant_types_supported"), message, "write it out");
    }
    if !list("code_challenge_methods_supported").is_some_and(|methods| methods.contains(&"S256")) {
        let message = "code_challenge_methods_supported has no S256, so oc logs in without PKCE";
        let remedy = "list S256 if the provider has it; do not if it has not";
        report.warning("metadata_without_pkce", at("code_challenge_methods_supported"), message, remedy);
    }
    const OPENID: [&str; 3] = ["userinfo_endpoint", "subject_types_supported", "id_token_signing_alg_values_supported"];
    if let Some(name) = OPENID.into_iter().find(|name| members.contains_key(*name)) {
        let message = format!("{name} belongs to OpenID Connect's own document; nobody reads it here");
        report.info("metadata_foreign_member", at(name), message, "leave it out");
    }
}
