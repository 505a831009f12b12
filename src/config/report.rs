//! The findings about one file, while it is being checked.

use super::tree::Positions;
use crate::findings::{FieldPath, Finding, Findings, Severity};

/// Collects what is found in one file and adds to each message where in the file it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    file: Option<String>,
    positions: Positions,
    /// Fields that could not be read, and of which something was said already.
    unreadable: Vec<FieldPath>,
    findings: Findings,
}

impl Report {
    /// A report about the main file, whose name the reader knows.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// A report about another file: each message names it.
    pub(super) fn about(file: String) -> Self {
        Self { file: Some(file), ..Self::default() }
    }

    /// A report about the same file, for findings that are kept apart.
    pub(super) fn for_another_part(&self) -> Self {
        Self { findings: Findings::new(), ..self.clone() }
    }

    /// Tells where the fields are, from here on.
    pub(super) fn locate(&mut self, positions: Positions) {
        self.positions = positions;
    }

    /// A field has no readable value: what follows from its absence is no news any more.
    pub(super) fn mark_unreadable(&mut self, path: FieldPath) {
        self.unreadable.push(path);
    }

    /// Whether something in (or around) this field could not be read, so that conclusions about the whole are void.
    pub(super) fn is_incomplete(&self, path: &FieldPath) -> bool {
        self.unreadable.iter().any(|unreadable| unreadable.is_within(path) || path.is_within(unreadable))
    }

    pub(super) fn error(
        &mut self,
        code: &'static str,
        path: &FieldPath,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Error, path, message.into(), remedy.into());
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        path: &FieldPath,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.push(code, Severity::Warning, path, message.into(), remedy.into());
    }

    pub(super) fn info(&mut self, code: &'static str, path: &FieldPath, message: impl Into<String>) {
        self.push(code, Severity::Info, path, message.into(), String::new());
    }

    /// A field that has to be there is not.
    pub(super) fn missing(&mut self, path: &FieldPath, remedy: impl Into<String>) {
        let is_known = self.unreadable.iter().any(|unreadable| unreadable.parent().as_ref() == Some(path));
        if !is_known {
            self.error("required", path, "is required", remedy);
        }
    }

    pub(super) fn into_findings(self) -> Findings {
        self.findings
    }

    fn push(&mut self, code: &'static str, severity: Severity, path: &FieldPath, message: String, remedy: String) {
        if self.unreadable.iter().any(|unreadable| path.is_within(unreadable)) {
            return;
        }
        let message = match (&self.file, self.positions.line_of(path)) {
            (Some(file), Some(line)) => format!("{file}, line {line}: {message}"),
            (Some(file), None) => format!("{file}: {message}"),
            (None, Some(line)) => format!("line {line}: {message}"),
            (None, None) => message,
        };
        let message = shortened(message);
        self.findings.push(Finding { code, severity, path: path.to_string(), message, remedy });
    }
}

/// Messages quote what stands in a file, which may be long.
fn shortened(message: String) -> String {
    const LONGEST: usize = 1000;
    match message.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", message.get(..end).unwrap_or_default()),
        None => message,
    }
}
