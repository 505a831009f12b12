//! Kubernetes' own `AuthenticationConfiguration`: the rules by which kube-apiserver takes or refuses one.
//!
//! What the API server refuses is refused here, at the same field. What it takes is taken, but for URLs and certificates
//! that could never be used. The result goes to [`issuers`](super::issuers), which adds what Kubernetes' schema has no
//! field for.

mod claims;
mod extra;
pub(super) mod form;
mod issuer;
mod url;

use std::collections::HashSet;

pub(super) use self::issuer::check_url as check_issuer_url;
pub(crate) use self::url::GoUrl;
use super::file;
use super::report::Report;
use crate::clock::UnixTime;
use crate::findings::FieldPath;
use crate::mapping::Mapping;

/// As many issuers as the API server takes.
const MAX_AUTHENTICATORS: usize = 64;

/// One entry of `jwt`.
#[derive(Debug)]
pub(super) struct Authenticator {
    /// Where it stands, for later findings.
    pub(super) path: FieldPath,
    pub(super) url: String,
    pub(super) discovery_url: Option<String>,
    pub(super) certificate_authority: Option<String>,
    pub(super) audiences: Vec<String>,
    /// Whether the API server is told to go another way to the issuer.
    pub(super) has_egress: bool,
    pub(super) mapping: Mapping,
}

/// Checks a whole document, whose fields are below `root`.
pub(super) fn check(
    document: file::AuthenticationConfiguration,
    root: &FieldPath,
    now: UnixTime,
    report: &mut Report,
) -> Vec<Authenticator> {
    check_type(document.api_version.as_deref(), document.kind.as_deref(), root, report);
    check_anonymous(document.anonymous, &root.field("anonymous"), report);

    let path = root.field("jwt");
    let entries = document.jwt.unwrap_or_default();
    if entries.is_empty() {
        report.warning("no_issuers", &path, "there are no issuers, so every token is refused", "add an issuer");
    }
    if entries.len() > MAX_AUTHENTICATORS {
        let message = format!("has {} entries; the API server takes {MAX_AUTHENTICATORS}", entries.len());
        report.error("too_many", &path, message, "remove some");
        report.mark_unreadable(path);
        return Vec::new();
    }
    let authenticators: Vec<_> = entries
        .into_iter()
        .enumerate()
        .map(|(index, entry)| authenticator(entry, path.index(index), now, report))
        .collect();
    check_distinct(&authenticators, report);
    authenticators
}

fn authenticator(entry: file::JwtAuthenticator, path: FieldPath, now: UnixTime, report: &mut Report) -> Authenticator {
    let issuer = entry.issuer.unwrap_or_default();
    issuer::check(&issuer, &path.field("issuer"), now, report);
    let mapping =
        claims::mapping(&path, entry.claim_mappings, entry.claim_validation_rules, entry.user_validation_rules, report);
    Authenticator {
        path,
        url: issuer.url.unwrap_or_default(),
        discovery_url: given(issuer.discovery_url),
        certificate_authority: given(issuer.certificate_authority),
        audiences: issuer.audiences.unwrap_or_default(),
        has_egress: matches!(issuer.egress_selector_type.as_deref(), Some("controlplane" | "cluster")),
        mapping,
    }
}

/// The text of a field that is there and not empty: the API server makes no difference between the two.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn check_type(api_version: Option<&str>, kind: Option<&str>, root: &FieldPath, report: &mut Report) {
    let path = root.field("apiVersion");
    let remedy = "write apiserver.config.k8s.io/v1 (v1beta1 and v1alpha1 will do, too)";
    match api_version.unwrap_or_default() {
        "" => report.missing(&path, remedy),
        "apiserver.config.k8s.io/v1" | "apiserver.config.k8s.io/v1beta1" | "apiserver.config.k8s.io/v1alpha1" => {}
        other => report.error("unknown_version", &path, format!("{other:?} is no version of this file"), remedy),
    }
    let path = root.field("kind");
    match kind.unwrap_or_default() {
        "" => report.missing(&path, "write AuthenticationConfiguration"),
        "AuthenticationConfiguration" => {}
        other => {
            let message = format!("{other:?} is another kind of file");
            report.error("unknown_kind", &path, message, "write AuthenticationConfiguration");
        }
    }
}

fn check_anonymous(anonymous: Option<file::Anonymous>, path: &FieldPath, report: &mut Report) {
    let Some(anonymous) = anonymous else { return };
    if !anonymous.enabled.unwrap_or(false) && anonymous.conditions.is_some_and(|conditions| !conditions.is_empty()) {
        let message = "there are conditions although anonymous requests are not enabled";
        report.error("invalid", &path.field("conditions"), message, "enable them or remove the conditions");
    }
    let message = "is the API server's business: requests without a token never come here; ignored";
    report.info("anonymous_ignored", path, message);
}

fn check_distinct(authenticators: &[Authenticator], report: &mut Report) {
    let (mut urls, mut discovery_urls) = (HashSet::new(), HashSet::new());
    for authenticator in authenticators {
        let path = authenticator.path.field("issuer");
        if !authenticator.url.is_empty() && !urls.insert(&authenticator.url) {
            let remedy = "give each issuer one entry; several client ids are several audiences of it";
            report.error("duplicate", &path.field("url"), "an earlier entry has the same issuer", remedy);
        }
        if authenticator.discovery_url.as_ref().is_some_and(|url| !discovery_urls.insert(url)) {
            let message = "an earlier entry has the same discovery document, and that names one issuer only";
            report.error("duplicate", &path.field("discoveryURL"), message, "give each issuer its own");
        }
    }
}
