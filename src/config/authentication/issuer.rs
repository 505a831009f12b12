//! `jwt[].issuer`: who issues the tokens, and for whom.

use super::url::GoUrl;
use crate::clock::UnixTime;
use crate::config::report::Report;
use crate::config::{certificates, file, values};
use crate::findings::FieldPath;

pub(super) fn check(issuer: &file::Issuer, path: &FieldPath, now: UnixTime, report: &mut Report) {
    check_urls(issuer, path, report);
    check_audiences(issuer, path, report);
    if let Some(pem) = issuer.certificate_authority.as_deref().filter(|pem| !pem.is_empty()) {
        certificates::authorities(pem.as_bytes(), &path.field("certificateAuthority"), now, report);
    }
    check_egress(issuer.egress_selector_type.as_deref().unwrap_or_default(), path, report);
}

fn check_urls(issuer: &file::Issuer, path: &FieldPath, report: &mut Report) {
    let url_path = path.field("url");
    let url = issuer.url.as_deref().unwrap_or_default();
    let discovery_url = issuer.discovery_url.as_deref().unwrap_or_default();
    let mut host = None;
    if url.is_empty() {
        report.missing(&url_path, "write the issuer's URL exactly as its tokens have it in `iss`");
    } else {
        host = host_of_https_url(url, &url_path, report);
    }
    if discovery_url.is_empty() {
        check_reachable(host, &discovery_document(url), &url_path, report);
        return;
    }
    let path = path.field("discoveryURL");
    if url.trim_end_matches('/') == discovery_url.trim_end_matches('/') {
        let message = "is the same as the issuer's URL";
        report.error("invalid_url", &path, message, "remove it, or give the whole address of the discovery document");
    }
    let host = host_of_https_url(discovery_url, &path, report);
    check_reachable(host, discovery_url, &path, report);
}

/// Applies the rules for an issuer's URL where no discovery document is named with it.
pub(in crate::config) fn check_url(url: &str, path: &FieldPath, report: &mut Report) {
    let host = host_of_https_url(url, path, report);
    check_reachable(host, &discovery_document(url), path, report);
}

/// Where the discovery document of an issuer is. One slash is taken off, as the API server does.
fn discovery_document(url: &str) -> String {
    format!("{}/.well-known/openid-configuration", url.strip_suffix('/').unwrap_or(url))
}

/// Applies the API server's rules for URLs. Returns the host if all are kept.
fn host_of_https_url<'a>(text: &'a str, path: &FieldPath, report: &mut Report) -> Option<&'a str> {
    let url = match GoUrl::parse(text) {
        Ok(url) => url,
        Err(error) => {
            report.error("invalid_url", path, format!("is not a URL: {error}"), "write https://host/path");
            return None;
        }
    };
    let problems = [
        (url.scheme != "https", "must start with https://", "write https://host/path"),
        (url.has_user_information, "must not have a user name or password", "remove what stands before the @"),
        (url.has_query, "must not have a query", "remove the question mark and what follows it"),
        (url.has_fragment, "must not have a fragment", "remove the # and what follows it"),
    ];
    let mut is_good = true;
    for (_, message, remedy) in problems.into_iter().filter(|(is_so, ..)| *is_so) {
        report.error("invalid_url", path, message, remedy);
        is_good = false;
    }
    is_good.then_some(url.host)
}

/// Refuses what the API server takes and can then never fetch from: no host, or a URL that only Go can read.
fn check_reachable(host: Option<&str>, document: &str, path: &FieldPath, report: &mut Report) {
    match host {
        Some("") => report.error("invalid_url", path, "has no host", "write https://host/path"),
        Some(_) if ::url::Url::parse(document).is_err() => {
            report.error("invalid_url", path, "names a host that cannot exist", "correct the host and the port");
        }
        _ => {}
    }
}

fn check_audiences(issuer: &file::Issuer, path: &FieldPath, report: &mut Report) {
    let audiences = issuer.audiences.as_deref().unwrap_or_default();
    if audiences.is_empty() {
        let remedy = "name the client id for which the issuer makes the tokens (their `aud`)";
        report.missing(&path.field("audiences"), remedy);
    }
    values::distinct_names(audiences, &path.field("audiences"), report);

    let path = path.field("audienceMatchPolicy");
    match issuer.audience_match_policy.as_deref().unwrap_or_default() {
        "MatchAny" => {}
        "" if audiences.len() <= 1 => {}
        "" => {
            let message = "has to be MatchAny when there are several audiences";
            report.error("invalid", &path, message, "write MatchAny: one of the audiences is enough");
        }
        other => report.error("invalid", &path, format!("{other:?} is not one of its values"), "write MatchAny"),
    }
}

fn check_egress(selector: &str, path: &FieldPath, report: &mut Report) {
    let path = path.field("egressSelectorType");
    match selector {
        // What becomes of it is said where the issuer's proxy is known.
        "" | "controlplane" | "cluster" => {}
        other => {
            let message = format!("{other:?} is not one of its values");
            report.error("invalid", &path, message, "write controlplane or cluster, or remove it");
        }
    }
}
