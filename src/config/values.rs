//! Readers for the small values that many sections have. Each reports what is wrong and then returns something
//! harmless, so that the checks go on; a configuration with a reported error is never used.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::file::Scalar;
use super::files::{Content, Files};
use super::report::Report;
use super::{duration, size};
use crate::findings::FieldPath;

/// A duration within its range, or the default when there is none.
pub(super) fn duration(
    value: Option<Scalar>,
    default: Duration,
    allowed: RangeInclusive<Duration>,
    path: &FieldPath,
    report: &mut Report,
) -> Duration {
    let Some(Scalar(text)) = value else { return default };
    match duration::parse(&text) {
        Ok(span) if allowed.contains(&span) => return span,
        Ok(_) => {
            let (least, most) = (duration::format(*allowed.start()), duration::format(*allowed.end()));
            report.error("out_of_range", path, "is out of range", format!("choose something from {least} to {most}"));
        }
        Err(error) => report.error("invalid_duration", path, error.to_string(), error.remedy()),
    }
    default
}

/// A size within its range, or the default when there is none.
pub(super) fn size(
    value: Option<Scalar>,
    default: u64,
    allowed: RangeInclusive<u64>,
    path: &FieldPath,
    report: &mut Report,
) -> u64 {
    let Some(Scalar(text)) = value else { return default };
    match size::parse(&text) {
        Ok(bytes) if allowed.contains(&bytes) => return bytes,
        Ok(_) => {
            let (least, most) = (size::format(*allowed.start()), size::format(*allowed.end()));
            report.error("out_of_range", path, "is out of range", format!("choose something from {least} to {most}"));
        }
        Err(error) => report.error("invalid_size", path, error.to_string(), error.remedy()),
    }
    default
}

/// An address to listen on. `:8443` means every IPv4 interface, as operators of Go programs are used to.
pub(super) fn address(value: Option<String>, default: SocketAddr, path: &FieldPath, report: &mut Report) -> SocketAddr {
    let Some(text) = value else { return default };
    let full = if text.starts_with(':') { format!("0.0.0.0{text}") } else { text };
    full.parse().unwrap_or_else(|_| {
        let remedy = "write an IP address with a port, such as 0.0.0.0:8443, [::]:8443 or :8443; host names do not do";
        report.error("invalid_address", path, "is not an address to listen on", remedy);
        default
    })
}

/// One of a few words, or the default when there is none.
pub(super) fn choice<T: Copy>(
    value: Option<String>,
    default: T,
    words: &[(&str, T)],
    path: &FieldPath,
    report: &mut Report,
) -> T {
    let Some(text) = value else { return default };
    if let Some((_, chosen)) = words.iter().find(|(word, _)| *word == text) {
        return *chosen;
    }
    let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
    report.error("invalid", path, format!("{text:?} is not one of its values"), format!("choose one of {known}"));
    default
}

/// Names of which none may be empty and none may come twice.
pub(super) fn distinct_names(names: &[String], path: &FieldPath, report: &mut Report) {
    let mut seen = HashSet::new();
    for (index, name) in names.iter().enumerate() {
        let path = path.index(index);
        if name.is_empty() {
            report.error("required", &path, "is empty", "write a name or remove the entry");
        } else if !seen.insert(name) {
            report.error("duplicate", &path, format!("{name:?} is there twice"), "keep one of them");
        }
    }
}

/// The content of the file that a field names.
pub(super) fn file(name: &str, path: &FieldPath, files: &mut Files, report: &mut Report) -> Option<Content> {
    if name.is_empty() {
        report.missing(path, "name a file");
        return None;
    }
    let content = files.read(&files.resolve(name));
    content.map_err(|error| report.error(error.code(), path, error.to_string(), error.remedy(files.directory()))).ok()
}
