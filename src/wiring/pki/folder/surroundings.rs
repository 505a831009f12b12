//! What else is to be known of a folder: who may read its keys, and which callers it has besides those that were ordered.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::pair::{Facts, first, is_signed_by, text};
use super::{AUTHORITY, Contents, SERVER};
use crate::clock::UnixTime;
use crate::findings::{Finding, Findings, Severity};
use crate::wiring::pki::Authority;

/// Keys that others may read, and a folder that others may write to.
pub(super) fn exposure(folder: &Path, contents: &Contents) -> Findings {
    let mut findings = Findings::new();
    let mut warn = |code, path: &Path, message: String, remedy: String| {
        let path = path.display().to_string();
        findings.push(Finding { code, severity: Severity::Warning, path, message, remedy });
    };
    let mode = |path: &Path| fs::metadata(path).map_or(0, |there| there.permissions().mode() & 0o777);
    let entries = [&contents.authority, &contents.server].into_iter().chain(&contents.callers);
    for key in entries.map(|entry| &entry.key) {
        let mode = mode(key);
        if mode & 0o077 != 0 {
            let message = format!("others may use this private key (its mode is {mode:04o})");
            let remedy = format!("chmod 0600 {}; if somebody may have read it, have it made anew", key.display());
            warn("key_open", key, message, remedy);
        }
    }
    let mode = mode(folder);
    if mode & 0o022 != 0 {
        let message = format!("others may put their own files in the place of these (its mode is {mode:04o})");
        warn("folder_open", folder, message, format!("chmod 0700 {}", folder.display()));
    }
    findings
}

/// The names of callers whose certificates are there and good, and were not part of the order.
pub(super) fn other_callers(folder: &Path, authority: &Authority, ordered: &[String], now: UnixTime) -> Vec<String> {
    let mut found: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let is_known = stem == AUTHORITY || stem == SERVER || ordered.iter().any(|name| name == stem);
            path.extension().is_some_and(|extension| extension == "crt") && !is_known
        })
        .filter_map(|path| first(&text(&path).ok()??).ok())
        .filter(|certificate| is_signed_by(certificate, authority))
        .filter_map(|certificate| Facts::of(&certificate).ok())
        .filter(|facts| facts.is_clients && facts.not_after > now)
        .flat_map(|facts| facts.names)
        .collect();
    found.sort_unstable();
    found
}
