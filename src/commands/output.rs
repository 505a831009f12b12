//! `--output text|json|yaml`: one document, three looks.

use serde::Serialize;
use serde_json::{Value, json};

use super::terminal::printable;
use crate::findings::{Findings, Severity};

/// How an answer is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
    /// For programs, and for people who know Kubernetes.
    Yaml,
}

impl Output {
    /// The document as JSON or YAML, or nothing if text was asked for.
    pub(crate) fn document(self, document: &impl Serialize) -> Option<String> {
        match self {
            Self::Text => None,
            Self::Json => serde_json::to_string_pretty(document).ok().map(|text| text + "\n"),
            Self::Yaml => serde_saphyr::to_string(document).ok(),
        }
    }
}

/// JSON for a screen: what fits into a line is in one, so that a review is a handful of lines and not a page.
pub(crate) fn compact(document: &Value, width: usize) -> String {
    let mut text = String::new();
    write_compact(&mut text, document, 0, width);
    text
}

fn write_compact(text: &mut String, value: &Value, indent: usize, width: usize) {
    const STEP: usize = 2;
    let flat = flat(value);
    let used = text.rsplit('\n').next().map_or(0, |line| line.chars().count());
    let members: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (format!("{}: ", json!(name)), value)).collect(),
        Value::Array(entries) => entries.iter().map(|value| (String::new(), value)).collect(),
        _ => Vec::new(),
    };
    // One column for the comma that may follow. The document itself is never in one line.
    if members.is_empty() || (indent > 0 && used + flat.chars().count() < width) {
        text.push_str(&flat);
        return;
    }
    let (open, close) = if value.is_array() { ('[', ']') } else { ('{', '}') };
    text.push(open);
    for (position, (name, member)) in members.iter().enumerate() {
        text.push_str(if position == 0 { "\n" } else { ",\n" });
        text.extend(std::iter::repeat_n(' ', indent + STEP));
        text.push_str(name);
        write_compact(text, member, indent + STEP, width);
    }
    text.push('\n');
    text.extend(std::iter::repeat_n(' ', indent));
    text.push(close);
}

/// A value in one line, with spaces for the eye.
fn flat(value: &Value) -> String {
    let join = |parts: Vec<String>| parts.join(", ");
    match value {
        Value::Object(fields) => {
            let member = |(name, value): (&String, &Value)| format!("{}: {}", json!(name), flat(value));
            format!("{{{}}}", join(fields.iter().map(member).collect()))
        }
        Value::Array(entries) => format!("[{}]", join(entries.iter().map(flat).collect())),
        scalar => scalar.to_string(),
    }
}

/// Findings as text, and under them how many there are of what matters.
pub(super) fn summed_up(subject: &str, findings: &Findings) -> String {
    let count = |severity, word| match findings.count(severity) {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    };
    let counts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let summary = if counts.is_empty() { "no problems".to_owned() } else { counts.join(", ") };
    format!("{findings}{}: {summary}\n", printable(subject))
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn json_is_pretty_and_ends_with_a_newline() {
        assert_eq!(Output::Json.document(&json!({"a": [1]})).unwrap(), "{\n  \"a\": [\n    1\n  ]\n}\n");
    }

    #[test]
    fn compact_json_has_in_one_line_what_fits() {
        let document =
            json!({"a": {"b": [1, "x\"y"], "c": {}}, "d": {"long": "0123456789", "list": ["0123456789"]}, "e": []});
        let expected = "\
{
  \"a\": {\"b\": [1, \"x\\\"y\"], \"c\": {}},
  \"d\": {
    \"list\": [\"0123456789\"],
    \"long\": \"0123456789\"
  },
  \"e\": []
}";
        assert_eq!(compact(&document, 40), expected);
        assert_eq!(serde_json::from_str::<Value>(&compact(&document, 1)).unwrap(), document);
        assert_eq!(compact(&json!({}), 40), "{}");
    }

    #[test]
    fn yaml_keeps_every_value_what_it_is() {
        let document = json!({"yes": "no", "number": "0123", "float": "1e3", "null": "null", "empty": "", "time": "12:30",
            "lines": "a\nb\n", "colon": "a: b", "list": [true, null, 1.5, {}], "anchor": "&a", "star": "*a", "hash": "a #b",
            "long": "word ".repeat(60), "escape": "\u{1b}[0m\u{85}\u{2028}", "quote": "'\"", "spaces": "  a  ", "dash": "- a"});
        let yaml = Output::Yaml.document(&document).unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), document, "{yaml}");
    }
}
