//! `jwt[].claimValidationRules`, `claimMappings` and `userValidationRules`: what a token must say, and who that makes
//! its bearer.

use std::collections::HashSet;

use super::given;
use crate::config::report::Report;
use crate::config::{ClaimMapping, ClaimRule, Mapping, file};
use crate::findings::FieldPath;

pub(super) fn validation_rules(
    rules: Vec<file::ClaimValidationRule>,
    path: &FieldPath,
    report: &mut Report,
) -> Vec<ClaimRule> {
    let (mut claims, mut expressions) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let path = path.index(index);
        match (given(rule.claim), given(rule.expression)) {
            (Some(_), Some(_)) => both(&path, report),
            (None, None) => report.missing(&path, "set claim and requiredValue"),
            (Some(claim), None) => {
                if given(rule.message).is_some() {
                    let message = "goes with an expression, not with a claim";
                    report.error("invalid", &path.field("message"), message, "remove it");
                }
                if !claims.insert(claim.clone()) {
                    let message = "an earlier rule has the same claim, and both values cannot be there";
                    report.error("duplicate", &path.field("claim"), message, "keep one of the rules");
                }
                kept.push(ClaimRule { claim, required_value: rule.required_value.unwrap_or_default() });
            }
            (None, Some(expression)) => {
                if given(rule.required_value).is_some() {
                    let message = "goes with a claim, not with an expression";
                    report.error("invalid", &path.field("requiredValue"), message, "remove it");
                }
                let path = path.field("expression");
                if !expressions.insert(expression) {
                    report.error("duplicate", &path, "an earlier rule is the same", "keep one of them");
                }
                unsupported(&path, "use claim and requiredValue", report);
            }
        }
    }
    kept
}

pub(super) fn mapping(mappings: file::ClaimMappings, path: &FieldPath, report: &mut Report) -> Mapping {
    let username_path = path.field("username");
    let username = mappings.username.unwrap_or_default();
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    if is_empty(&username.claim) && is_empty(&username.expression) {
        report.missing(&username_path, "set claim and prefix, such as claim: sub and prefix: \"idp:\"");
    }
    let username = prefixed_claim(username, &username_path, report);
    let groups = mappings.groups.and_then(|groups| prefixed_claim(groups, &path.field("groups"), report));
    let uid = mappings.uid.and_then(|uid| uid_claim(uid, &path.field("uid"), report));
    check_extra(mappings.extra.unwrap_or_default(), &path.field("extra"), report);
    Mapping {
        // An absent one was reported.
        username: username.unwrap_or_else(|| ClaimMapping { claim: String::new(), prefix: String::new() }),
        groups,
        uid,
    }
}

pub(super) fn check_user_rules(rules: Vec<file::UserValidationRule>, path: &FieldPath, report: &mut Report) {
    let mut seen = HashSet::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let path = path.index(index).field("expression");
        let Some(expression) = given(rule.expression) else {
            report.missing(&path, "write an expression or remove the rule");
            continue;
        };
        if !seen.insert(expression) {
            report.error("duplicate", &path, "an earlier rule is the same", "keep one of them");
        }
        unsupported(&path, "remove the rule; names that start with system: are refused anyway", report);
    }
}

fn prefixed_claim(
    mapping: file::PrefixedClaimOrExpression,
    path: &FieldPath,
    report: &mut Report,
) -> Option<ClaimMapping> {
    let prefix_path = path.field("prefix");
    match (given(mapping.claim), given(mapping.expression), mapping.prefix) {
        (Some(claim), None, Some(prefix)) => return Some(ClaimMapping { claim, prefix }),
        (Some(_), None, None) => report.missing(&prefix_path, "write a prefix of the issuer's own, or \"\" for none"),
        (Some(_), Some(_), _) => both(path, report),
        (None, Some(_), prefix) => {
            if prefix.is_some() {
                let message = "goes with a claim; an expression makes the whole name";
                report.error("invalid", &prefix_path, message, "remove it");
            }
            unsupported(&path.field("expression"), "use claim and prefix", report);
        }
        (None, None, Some(_)) if !report.is_incomplete(path) => {
            report.info("prefix_ignored", &prefix_path, "has no effect without a claim");
        }
        (None, None, _) => {}
    }
    None
}

fn uid_claim(mapping: file::ClaimOrExpression, path: &FieldPath, report: &mut Report) -> Option<String> {
    match (given(mapping.claim), given(mapping.expression)) {
        (Some(_), Some(_)) => both(path, report),
        (None, Some(_)) => unsupported(&path.field("expression"), "use claim", report),
        (claim, None) => return claim,
    }
    None
}

fn check_extra(mappings: Vec<file::ExtraMapping>, path: &FieldPath, report: &mut Report) {
    let mut seen = HashSet::new();
    for (index, mapping) in mappings.into_iter().enumerate() {
        let path = path.index(index);
        let key_path = path.field("key");
        match given(mapping.key) {
            None => report.missing(&key_path, "write a key such as example.org/department"),
            Some(key) => {
                check_extra_key(&key, &key_path, report);
                if !seen.insert(key) {
                    report.error("duplicate", &key_path, "an earlier entry has the same key", "keep one of them");
                }
            }
        }
        let path = path.field("valueExpression");
        match given(mapping.value_expression) {
            None => report.missing(&path, "write an expression or remove the entry"),
            Some(_) => unsupported(&path, "remove the entry", report),
        }
    }
}

fn check_extra_key(key: &str, path: &FieldPath, report: &mut Report) {
    let example = "write a key such as example.org/department";
    let (domain, name) = match key.split_once('/') {
        Some((domain, name)) if !domain.is_empty() && !name.is_empty() => (domain, name),
        _ => return report.error("invalid_key", path, "must be a domain, a slash and a name", example),
    };
    if !is_dns_subdomain(domain) {
        let message = format!("{domain:?} is not a domain in lower case, of at most 253 characters");
        report.error("invalid_key", path, message, example);
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "/-._~%!$&'()*+,;=:".contains(c)) {
        report.error("invalid_key", path, "the name has characters that a URL's path cannot have", example);
    }
    if key.to_lowercase() != key {
        report.error("invalid_key", path, "must be in lower case", example);
    }
    let is_reserved = |reserved: &str| domain.strip_suffix(reserved).is_some_and(|d| d.is_empty() || d.ends_with('.'));
    if is_reserved("kubernetes.io") || is_reserved("k8s.io") {
        report.error("invalid_key", path, "the domain belongs to Kubernetes", "use a domain of your own");
    }
}

/// RFC 1123, as Kubernetes reads it.
fn is_dns_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn both(path: &FieldPath, report: &mut Report) {
    report.error("mutually_exclusive", path, "claim and expression cannot both be set", "keep one of them");
}

fn unsupported(path: &FieldPath, remedy: &str, report: &mut Report) {
    report.error("expression_not_supported", path, "expressions are not supported yet", remedy);
}
