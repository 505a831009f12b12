//! `--output text|json|yaml`: one document, three looks.

use serde::Serialize;

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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn json_is_pretty_and_ends_with_a_newline() {
        assert_eq!(Output::Json.document(&json!({"a": [1]})).unwrap(), "{\n  \"a\": [\n    1\n  ]\n}\n");
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
