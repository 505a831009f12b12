//! What a YAML 1.2 reader takes and kube-apiserver's reader refuses: to it, a file that starts with `{` is JSON, and any
//! other is YAML 1.1.

use serde::de::IgnoredAny;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, options};

use crate::config::report::Report;
use crate::findings::FieldPath;

/// Checks a file's text; whether it can be read at all is found elsewhere.
pub(in crate::config) fn check(bytes: &[u8], report: &mut Report) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let root = FieldPath::root();
    if text.trim_start().starts_with('{') {
        if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
            // The library's message has a place and no text of the file.
            let message = format!("starts with {{, so the API server reads JSON, and it is none: {error}");
            report.error("json", &root, message, "write JSON throughout, or YAML that does not start with {");
        }
    } else if let Some(version) = text.lines().find_map(|line| line.strip_prefix("%YAML")).filter(|v| v.trim() != "1.1")
    {
        let message = format!("the API server reads YAML 1.1 only, not {:?}", version.trim());
        report.error("yaml", &root, message, "remove the line that starts with %YAML");
    } else if let Some((line, problem)) = first_oddity(text) {
        let (message, remedy) = match problem {
            Oddity::Slash => ("the escape \\/", "write / alone"),
            Oddity::Surrogates => ("an escape of half a character (\\ud800 to \\udfff)", "write the character itself"),
        };
        let message = format!("line {line} has {message}, which the API server does not take in YAML");
        report.error("yaml", &root, message, remedy);
    }
}

/// An escape that YAML 1.2 has, or its reader takes, and YAML 1.1 has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oddity {
    Slash,
    Surrogates,
}

/// The first oddity of a text, and its line.
fn first_oddity(text: &str) -> Option<(usize, Oddity)> {
    let mut events = Parser::new_from_str_with_options(text, options! { emit_comments: false }).map_while(Result::ok);
    events.find_map(|(event, span)| {
        let Event::Scalar(_, ScalarStyle::DoubleQuoted, ..) = event else { return None };
        span.slice(text).and_then(odd_escape).map(|oddity| (span.start.line(), oddity))
    })
}

/// The first odd escape of a text in double quotes.
fn odd_escape(quoted: &str) -> Option<Oddity> {
    let mut rest = quoted;
    while let Some((_, escape)) = rest.split_once('\\') {
        let mut after = escape.chars();
        match after.next()? {
            '/' => return Some(Oddity::Slash),
            'u' if escape.get(1..3).is_some_and(is_half) => return Some(Oddity::Surrogates),
            _ => rest = after.as_str(),
        }
    }
    None
}

/// Whether an escape of four digits that starts with these two is half a character.
fn is_half(digits: &str) -> bool {
    u8::from_str_radix(digits, 16).is_ok_and(|high| (0xd8..=0xdf).contains(&high))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<&'static str> {
        let mut report = Report::new();
        check(text.as_bytes(), &mut report);
        report.into_findings().iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn what_starts_as_json_must_be_json_to_its_end() {
        for text in ["{}", " \n{\"a\": [1, \"x\"]}\n", "a: b", "- {", "a: {b: c}", "", "# {\n{a: b}"] {
            assert_eq!(codes(text), [""; 0], "{text}");
        }
        for text in ["{a: b}", "{\"a\": 1}\n...", "{} # comment", "{\"a\": 1:2}", "{\"a\": [<<]}", "{", "{}\n---\n{}"] {
            assert_eq!(codes(text), ["json"], "{text}");
        }
    }

    #[test]
    fn escapes_of_json_are_for_json_only() {
        for text in
            [r#"{"a": "b\/\ud83d\ude00"}"#, r"a: 'b\/'", r"a: b\/", r#"a: "b\\/""#, r#"a: "\ue000/""#, "a: |\n  \\/\n"]
        {
            assert_eq!(codes(text), [""; 0], "{text}");
        }
        for text in [r#"a: "b\/""#, r#""a\/": b"#, r#"a: ["\\\/"]"#, r#"a: "\ud83d\ude00""#, r#"a: "\uD83D\uDE00""#] {
            assert_eq!(codes(text), ["yaml"], "{text}");
        }
    }

    #[test]
    fn a_directive_may_ask_for_yaml_1_1_only() {
        assert_eq!(codes("%YAML 1.1\n---\na: b"), [""; 0]);
        for text in ["%YAML 1.2\n---\na: b", "# comment\n%YAML 1.2\n---\na: b", "%YAML 2.0\n---\na: b"] {
            assert_eq!(codes(text), ["yaml"], "{text}");
        }
    }
}
