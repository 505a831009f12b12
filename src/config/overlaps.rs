//! Identities that could be mistaken for others: issuers that look the same, issuers that can name each other's users,
//! and prefixes that no name can have.

use std::collections::{BTreeMap, HashSet};

use super::authentication::Authenticator;
use super::report::Report;
use crate::mapping::{Claim, Reserved, Source, names};

/// Issuers are told apart by every byte of their URL. Two that look the same to people are a mistake, unless
/// somebody says of both, in `issuers`, that they are meant.
pub(super) fn check_similar_urls(
    authenticators: &[Authenticator],
    acknowledged: &HashSet<String>,
    report: &mut Report,
) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for Authenticator { url, path, .. } in authenticators.iter().filter(|authenticator| !authenticator.url.is_empty()) {
        let Some(other) = seen.insert(look_of(url), url) else { continue };
        let are_meant = acknowledged.contains(url) && acknowledged.contains(other);
        if other != url && !are_meant {
            let message = format!("differs from the issuer {other:?} only in case, default port or slashes");
            let remedy = "remove the wrong one; if the provider uses both, give both an entry in `issuers`";
            report.error("similar_issuers", &path.field("issuer").field("url"), message, remedy);
        }
    }
}

/// A URL without what people overlook.
fn look_of(url: &str) -> String {
    let lower = url.to_lowercase();
    let (authority, path) = match lower.split_once("://") {
        Some((_, rest)) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", lower.as_str()),
    };
    let path: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    format!("{}/{}", authority.strip_suffix(":443").unwrap_or(authority), path.join("/"))
}

/// An issuer whose prefix starts with another's (or equals it) can name the other's users. The API server takes such
/// files, so this is a warning.
pub(super) fn check_shared_names(authenticators: &[Authenticator], report: &mut Report) {
    for (index, authenticator) in authenticators.iter().enumerate() {
        let earlier = authenticators.iter().take(index);
        let mappings = authenticator.path.field("claimMappings");
        let user_prefix = |authenticator: &Authenticator| prefix_of(Some(&authenticator.mapping.username));
        let group_prefix = |authenticator: &Authenticator| prefix_of(authenticator.mapping.groups.as_ref());
        // What an expression makes is not known here.
        let sharing = |prefix: &dyn Fn(&Authenticator) -> Option<String>| {
            let mine = prefix(authenticator)?;
            earlier.clone().find(|other| prefix(other).is_some_and(|theirs| overlap(&mine, &theirs)))
        };
        if let Some(other) = sharing(&user_prefix) {
            let message = format!("this issuer and {:?} can name the same user", other.url);
            let remedy = "give each issuer a prefix that no other prefix starts with";
            report.warning("shared_user_names", &mappings.field("username").field("prefix"), message, remedy);
        }
        if let Some(other) = sharing(&group_prefix) {
            let message = format!("this issuer and {:?} can name the same group", other.url);
            let remedy =
                "give each issuer a prefix that no other prefix starts with, unless the groups are meant as one";
            report.warning("shared_group_names", &mappings.field("groups").field("prefix"), message, remedy);
        }
    }
}

/// The prefix of names that come from a claim.
fn prefix_of(source: Option<&Source>) -> Option<String> {
    source.and_then(Source::as_claim).filter(|claim| !claim.name.is_empty()).map(|claim| claim.prefix.clone())
}

fn overlap(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// A prefix that makes every name one that [`mapping`](crate::mapping) refuses would refuse every token.
pub(super) fn check_prefixes(authenticator: &Authenticator, reserved: &Reserved, report: &mut Report) {
    let mappings = authenticator.path.field("claimMappings");
    let prefixes =
        [("username", Some(&authenticator.mapping.username)), ("groups", authenticator.mapping.groups.as_ref())];
    for (field, mapping) in prefixes {
        let Some(Claim { prefix, .. }) = mapping.and_then(Source::as_claim) else { continue };
        let path = mappings.field(field).field("prefix");
        let lets_some_through = match reserved {
            Reserved::Allow(names) => names.iter().any(|name| name.starts_with(prefix)),
            Reserved::Reject => false,
        };
        if names::is_reserved(prefix) && !lets_some_through {
            let message = "makes reserved names of all names, so every token would be refused";
            let remedy = "choose another prefix, or list the exact names under `issuers[].reservedIdentities`";
            report.error("reserved_prefix", &path, message, remedy);
        } else if names::check(&[prefix, "x"].concat()).is_err() {
            let message = "starts with a space, is too long, or has characters that cannot be seen, so every token would be \
                           refused";
            report.error("unusable_prefix", &path, message, "type the prefix anew");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn d6_prefixes_that_do_not_overlap_never_make_the_same_name(
            (one, other) in ("[ab:]{0,4}", "[ab:]{0,4}"),
            (claim, other_claim) in ("[ab:]{0,6}", "[ab:]{0,6}"),
        ) {
            let meet = [one.as_str(), &claim].concat() == [other.as_str(), &other_claim].concat();
            prop_assert!(overlap(&one, &other) || !meet);
        }
    }
}
