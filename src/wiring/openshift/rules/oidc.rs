//! `oidcProviders`, which are read and reported, not managed: the API server asks them itself, without any webhook.

use serde_json::Value;
use url::Url;

use super::report::Report;
use super::{Authentication, Type};
use crate::findings::FieldPath;

const MAX_URL: usize = 512;
const MAX_CLAIM: usize = 256;
const MAX_AUDIENCES: usize = 10;
const MAX_CLIENTS: usize = 20;

/// Domains that keys of `extra` must not be in.
const RESERVED_DOMAINS: [&str; 3] = ["kubernetes.io", "k8s.io", "openshift.io"];

pub(super) fn check(authentication: &Authentication<'_>, report: &mut Report) {
    let path = FieldPath::root().field("spec").field("oidcProviders");
    let providers = authentication.object.list("/spec/oidcProviders");
    match (authentication.kind, providers.is_empty()) {
        (Type::Oidc, true) => report.error(
            "oidc_without_provider",
            path.to_string(),
            "with the type OIDC and no provider, no token of a user is accepted",
            "add the provider, or set the type to None and use a webhook",
        ),
        (Type::Oidc, false) => report.info(
            "oidc_in_place_of_webhook",
            path.to_string(),
            "the API server asks this provider itself; no webhook and no OAuth metadata is in force",
            "",
        ),
        (_, false) => report.warning(
            "oidc_not_in_force",
            path.to_string(),
            "the providers are not in force because the type is not OIDC",
            "remove them, or set the type to OIDC",
        ),
        (_, true) => {}
    }
    if providers.len() > 1 {
        refused(&path, "there may be one provider at most", report);
    }
    for (index, provider) in providers.iter().enumerate() {
        let provider = Part { value: provider, path: path.index(index) };
        check_provider(&provider, report);
    }
    clients(authentication, &path, report);
}

/// A value and where it is.
struct Part<'a> {
    value: &'a Value,
    path: FieldPath,
}

impl<'a> Part<'a> {
    fn field(&self, name: &str) -> Self {
        Self { value: self.value.get(name).unwrap_or(&Value::Null), path: self.path.field(name) }
    }

    fn items(&self) -> impl Iterator<Item = Self> + '_ {
        let items: &'a [Value] = self.value.as_array().map_or(&[], Vec::as_slice);
        items.iter().enumerate().map(|(index, value)| Self { value, path: self.path.index(index) })
    }

    fn text(&self) -> &'a str {
        self.value.as_str().unwrap_or_default()
    }
}

fn refused(path: &FieldPath, why: &str, report: &mut Report) {
    let message = format!("the API refuses the provider: {why}");
    report.error("oidc_invalid", path.to_string(), message, "see the API's own description of oidcProviders");
}

fn check_provider(provider: &Part<'_>, report: &mut Report) {
    let name = provider.field("name");
    if name.text().is_empty() {
        refused(&name.path, "it needs a name", report);
    }
    let issuer = provider.field("issuer");
    let url = issuer.field("issuerURL");
    https(&url, true, report);
    let discovery = issuer.field("discoveryURL");
    if !discovery.value.is_null() {
        https(&discovery, false, report);
        if discovery.text() == url.text() {
            refused(&discovery.path, "discoveryURL must differ from issuerURL", report);
        }
    }
    let audiences = issuer.field("audiences");
    if !(1..=MAX_AUDIENCES).contains(&audiences.items().count()) {
        refused(&audiences.path, "it takes one to ten audiences", report);
    }
    mappings(&provider.field("claimMappings"), report);
    let clients = provider.field("oidcClients");
    if clients.items().count() > MAX_CLIENTS {
        refused(&clients.path, "there may be twenty clients at most", report);
    }
}

fn https(url: &Part<'_>, is_issuer: bool, report: &mut Report) {
    let why = match Url::parse(url.text()) {
        _ if url.text().is_empty() => "the URL is missing",
        _ if url.text().len() > MAX_URL => "the URL is longer than 512 characters",
        Ok(parsed) if parsed.scheme() != "https" => "the URL must use the https scheme",
        Ok(parsed) if parsed.fragment().is_some() || (is_issuer && parsed.query().is_some()) => {
            "the URL must have no query and no fragment"
        }
        Ok(parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            "the URL must have no user name and no password"
        }
        Ok(_) => return,
        Err(_) => "the URL cannot be parsed",
    };
    refused(&url.path, why, report);
}

fn mappings(mappings: &Part<'_>, report: &mut Report) {
    let username = mappings.field("username");
    if username.value.is_null() {
        refused(&username.path, "claimMappings.username is required", report);
    }
    for claim in [username.field("claim"), mappings.field("groups").field("claim")] {
        if claim.text().len() > MAX_CLAIM {
            refused(&claim.path, "a claim's name has 256 characters at most", report);
        }
    }
    let (policy, prefix) = (username.field("prefixPolicy"), username.field("prefix"));
    if (policy.text() == "Prefix") == prefix.value.is_null() {
        refused(&prefix.path, "prefix and the prefixPolicy Prefix belong together", report);
    }
    for extra in mappings.field("extra").items() {
        let key = extra.field("key");
        let domain = key.text().split_once('/').map_or("", |(domain, _)| domain);
        let is_reserved = RESERVED_DOMAINS.iter().any(|reserved| {
            domain == *reserved || domain.strip_suffix(reserved).is_some_and(|before| before.ends_with('.'))
        });
        if domain.is_empty() || is_reserved {
            refused(&key.path, "keys of extra need a domain of your own, as in example.com/team", report);
        }
    }
}

/// Clients must be known by their component before they are configured.
fn clients(authentication: &Authentication<'_>, path: &FieldPath, report: &mut Report) {
    let known = authentication.object.list("/status/oidcClients");
    // Without a status there is nothing to compare with.
    if known.is_empty() {
        return;
    }
    let text = |value: &Value, name| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = |client: &Value| (text(client, "componentNamespace"), text(client, "componentName"));
    for (index, provider) in authentication.object.list("/spec/oidcProviders").iter().enumerate() {
        let provider = Part { value: provider, path: path.index(index) };
        for client in provider.field("oidcClients").items() {
            if !known.iter().any(|known| id(known) == id(client.value)) {
                refused(&client.path, "no component has announced this client in status.oidcClients", report);
            }
        }
    }
}
