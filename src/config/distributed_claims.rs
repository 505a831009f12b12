//! `issuers[].distributedClaims`: where groups may be that are not in the token, and who may sign them.

use super::authentication::{self, Authenticator};
use super::report::Report;
use super::{DistributedClaims, file, values};
use crate::findings::FieldPath;
use crate::mapping::Source;
use crate::providers::oidc::distributed::{AllowedEndpoint, EndpointError};

/// Every issuer that is listed costs a task that fetches its keys for ever.
const MAX_ISSUERS: usize = 16;

/// Reads the section of an issuer, whose entry in Kubernetes' part is `authenticator`, if it has one.
pub(super) fn read(
    section: file::DistributedClaims,
    authenticator: Option<&Authenticator>,
    path: &FieldPath,
    report: &mut Report,
) -> DistributedClaims {
    let (endpoints_path, issuers_path) = (path.field("allowedEndpoints"), path.field("allowedIssuers"));
    let names = section.allowed_endpoints.unwrap_or_default();
    let issuers = section.allowed_issuers.unwrap_or_default();
    values::distinct_names(&names, &endpoints_path, report);
    values::distinct_names(&issuers, &issuers_path, report);
    let allowed_endpoints = names
        .iter()
        .enumerate()
        .filter(|(_, name)| !name.is_empty())
        .filter_map(|(index, name)| endpoint(name, &endpoints_path.index(index), report))
        .collect();
    for (index, issuer) in issuers.iter().enumerate().filter(|(_, issuer)| !issuer.is_empty()) {
        let path = issuers_path.index(index);
        authentication::check_issuer_url(issuer, &path, report);
        if authenticator.is_some_and(|authenticator| authenticator.url == *issuer) {
            report.warning("no_effect", &path, "is the issuer itself, which may always sign them", "remove it");
        }
    }
    if issuers.len() > MAX_ISSUERS {
        let message = format!("has {} entries; at most {MAX_ISSUERS} make sense", issuers.len());
        report.error("too_many", &issuers_path, message, "remove some");
    }
    if names.is_empty() && !issuers.is_empty() {
        let message = "has no effect: no address may be asked";
        report.warning(
            "no_effect",
            &issuers_path,
            message,
            "list the addresses under allowedEndpoints, or remove this",
        );
    }
    let maps_no_claim = authenticator
        .is_some_and(|authenticator| authenticator.mapping.groups.as_ref().and_then(Source::as_claim).is_none());
    if maps_no_claim && !names.is_empty() {
        let message = "has no effect: this issuer's groups do not come from a claim (claimMappings.groups.claim)";
        report.warning("no_effect", &endpoints_path, message, "map groups from a claim, or remove this");
    }
    DistributedClaims { allowed_endpoints, allowed_issuers: issuers }
}

fn endpoint(name: &str, path: &FieldPath, report: &mut Report) -> Option<AllowedEndpoint> {
    let error = match AllowedEndpoint::parse(name) {
        Ok(endpoint) => return Some(endpoint),
        Err(error) => error,
    };
    let remedy = match &error {
        EndpointError::Spelling(plain) => format!("write {plain}"),
        EndpointError::Parts => "remove the user name or what follows the #".to_owned(),
        EndpointError::Path => "name a shorter address that ends in a slash: it stands for all below it".to_owned(),
        EndpointError::Scheme => {
            "write https://host/path for that one address, or https://host/path/ for all below it".to_owned()
        }
    };
    report.error("invalid_url", path, error.to_string(), remedy);
    None
}
