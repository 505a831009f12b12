//! What a checker found: the one type that everything reports problems with.
//!
//! A checker collects all problems before it gives up, each with the field it concerns and with what to do about it.
//! Codes are an interface: scripts match on them, so they never change their meaning.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot work, or it is not safe: what was checked is refused.
    Error,
    /// It works, but probably not as meant.
    Warning,
    /// Worth knowing; nothing needs to be done.
    Info,
}

impl Severity {
    /// The name that text and JSON output use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The way from a document's root to one of its fields, written as Kubernetes writes it: `jwt[0].issuer.url`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

/// One step of a [`FieldPath`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a field of an object.
    Field(String),
    /// Into an element of a list.
    Index(usize),
}

impl FieldPath {
    /// The document itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The field of that name in the object that this path leads to.
    #[must_use]
    pub fn field(&self, name: &str) -> Self {
        self.join(Step::Field(name.to_owned()))
    }

    /// The element at that place in the list that this path leads to.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.join(Step::Index(index))
    }

    /// The steps from the root.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The path of what contains this field; none for the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_last().map(|(_, parent)| Self(parent.to_vec()))
    }

    /// Whether this is `other` or something inside it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    fn join(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }
}

impl FromIterator<Step> for FieldPath {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if position == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// One thing that a checker has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The stable code, in `snake_case`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The field that it concerns; empty when it concerns the whole document.
    pub path: String,
    /// What is the matter. Never the content of a secret.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  ", self.severity)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", OneLine(&self.path))?;
        }
        // Some messages show a place in an expression on further lines. Set in, they cannot be taken for a finding.
        for (number, line) in self.message.split('\n').enumerate() {
            let gap = if number == 0 { "" } else { "\n    " };
            write!(f, "{gap}{}", OneLine(line))?;
        }
        if !self.remedy.is_empty() {
            write!(f, "\n  fix: {}", OneLine(&self.remedy))?;
        }
        Ok(())
    }
}

/// All findings of one check, in the order in which they were found.
///
/// `Display` is the text output, one block per finding; `Serialize` is the JSON output, `{"findings": [...]}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    findings: Vec<Finding>,
}

impl Findings {
    /// No findings yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { findings: Vec::new() }
    }

    /// Adds a finding.
    pub fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds what another check found.
    pub fn extend(&mut self, other: Self) {
        self.findings.extend(other.findings);
    }

    /// Takes back the findings with this code, where there is nothing to them.
    pub fn remove(&mut self, code: &str) {
        self.findings.retain(|finding| finding.code != code);
    }

    /// Makes the errors with this code warnings, where they are no reason to refuse.
    pub fn soften(&mut self, code: &str) {
        for finding in self.findings.iter_mut().filter(|finding| finding.code == code) {
            finding.severity = finding.severity.max(Severity::Warning);
        }
    }

    /// Whether something was refused.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// How many findings of that severity there are.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many findings there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// The findings in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.findings.iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self {
            writeln!(f, "{finding}")?;
        }
        Ok(())
    }
}

/// Text that comes from a file and goes to a terminal: what could break the line or drive the terminal is escaped.
struct OneLine<'a>(&'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_is_not_https() -> Finding {
        Finding {
            code: "invalid",
            severity: Severity::Error,
            path: FieldPath::root().field("jwt").index(0).field("issuer").field("url").to_string(),
            message: "the scheme must be https".to_owned(),
            remedy: "write https://".to_owned(),
        }
    }

    #[test]
    fn text_output_is_one_block_per_finding() {
        let mut findings = Findings::new();
        findings.push(url_is_not_https());
        findings.push(Finding {
            severity: Severity::Info,
            path: String::new(),
            remedy: String::new(),
            ..url_is_not_https()
        });
        assert_eq!(
            findings.to_string(),
            "error  jwt[0].issuer.url: the scheme must be https\n  fix: write https://\ninfo  the scheme must be https\n"
        );
    }

    #[test]
    fn json_output_has_the_documented_members() {
        let mut findings = Findings::new();
        findings.push(url_is_not_https());
        assert_eq!(
            serde_json::to_value(&findings).unwrap(),
            serde_json::json!({"findings": [{
                "code": "invalid",
                "severity": "error",
                "path": "jwt[0].issuer.url",
                "message": "the scheme must be https",
                "remedy": "write https://",
            }]})
        );
    }

    #[test]
    fn only_errors_count_as_errors() {
        let mut findings = Findings::new();
        findings.push(Finding { severity: Severity::Warning, ..url_is_not_https() });
        findings.push(Finding { severity: Severity::Info, ..url_is_not_https() });
        assert!(!findings.has_errors());
        findings.push(url_is_not_https());
        assert!(findings.has_errors());
        assert_eq!((findings.count(Severity::Warning), findings.len()), (1, 3));
    }

    #[test]
    fn j2_text_output_cannot_drive_a_terminal_or_forge_a_line() {
        let finding = Finding {
            path: "a\nb".to_owned(),
            message: "\u{1b}[2Jx\u{202e}y\r\nerror  z: w".to_owned(),
            remedy: "né".to_owned(),
            ..url_is_not_https()
        };
        assert_eq!(finding.to_string(), "error  a\\nb: \\u{1b}[2Jx\\u{202e}y\\r\n    error  z: w\n  fix: né");
    }

    #[test]
    fn a_path_knows_what_contains_it() {
        let jwt = FieldPath::root().field("jwt").index(3);
        let url = jwt.field("issuer").field("url");
        assert!(url.is_within(&jwt) && !jwt.is_within(&url));
        assert_eq!(url.parent(), Some(jwt.field("issuer")));
        assert_eq!(FieldPath::root().parent(), None);
        assert_eq!(jwt.index(1).to_string(), "jwt[3][1]");
    }
}
