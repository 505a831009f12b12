//! `claimMappings.extra[].key`: names of attributes.

use crate::config::report::Report;
use crate::findings::FieldPath;

pub(super) fn check_key(key: &str, path: &FieldPath, report: &mut Report) {
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
