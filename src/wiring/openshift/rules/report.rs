//! Collects findings, each under a code that is listed.

use super::codes;
use crate::findings::{Finding, Findings, Severity};

#[derive(Default)]
pub(super) struct Report {
    findings: Findings,
}

impl Report {
    pub(super) fn error(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Error, path.into(), message.into(), remedy.into());
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Warning, path.into(), message.into(), remedy.into());
    }

    pub(super) fn info(
        &mut self,
        code: &'static str,
        path: impl Into<String>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Info, path.into(), message.into(), remedy.into());
    }

    /// Takes over the findings about an object, whose fields' paths begin with `place`.
    pub(super) fn adopt(&mut self, other: Self, place: &str) {
        for finding in &other.findings {
            self.findings.push(Finding { path: format!("{place}{}", finding.path), ..finding.clone() });
        }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    fn push(&mut self, code: &'static str, severity: Severity, path: String, message: String, remedy: String) {
        debug_assert!(codes::is_listed(code), "{code} is not in the list of codes");
        self.findings.push(Finding { code, severity, path, message, remedy });
    }
}
