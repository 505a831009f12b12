//! What a YAML 1.2 reader takes and kube-apiserver's reader refuses: to it, a file that starts with `{` is JSON, and any
//! other is YAML 1.1.

use serde::de::IgnoredAny;

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
    }
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
    fn a_directive_may_ask_for_yaml_1_1_only() {
        assert_eq!(codes("%YAML 1.1\n---\na: b"), [""; 0]);
        for text in ["%YAML 1.2\n---\na: b", "# comment\n%YAML 1.2\n---\na: b", "%YAML 2.0\n---\na: b"] {
            assert_eq!(codes(text), ["yaml"], "{text}");
        }
    }
}
