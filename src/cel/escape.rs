//! Claim names that are no identifiers, as Kubernetes lets expressions spell them: `kubernetes__dot__io`.

use std::borrow::Cow;

/// Words that no field can be called in an expression, and that are therefore spelt `__word__`.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// The name that is meant; `None` when there is an escape that does not exist.
pub(super) fn undone(name: &str) -> Option<Cow<'_, str>> {
    if !name.contains("__") {
        return Some(Cow::Borrowed(name));
    }
    let mut meant = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, escape, after)) = next_escape(rest) {
        meant.push_str(before);
        meant.push_str(match escape {
            "dash" => "-",
            "dot" => ".",
            "slash" => "/",
            "underscores" => "__",
            word if RESERVED.contains(&word) && name.len() == word.len() + 4 => word,
            _ => return None,
        });
        rest = after;
    }
    meant.push_str(rest);
    Some(Cow::Owned(meant))
}

/// The name that is meant, or the name itself when it has an escape that does not exist.
pub(super) fn undone_or_same(name: &str) -> Cow<'_, str> {
    undone(name).unwrap_or(Cow::Borrowed(name))
}

/// Splits at the first `__word__`, whose word has no underscore: what is before it, the word, what is after it.
fn next_escape(text: &str) -> Option<(&str, &str, &str)> {
    // Where the last run of underscores ended, if it was one of two or more.
    let mut opened = None;
    let mut at = text.find("__")?;
    let bytes = text.as_bytes();
    while let Some(after) = bytes.get(at..) {
        let run = after.iter().take_while(|byte| **byte == b'_').count();
        if let (Some(start), 2..) = (opened, run) {
            return Some((text.get(..start - 2)?, text.get(start..at)?, text.get(at + 2..)?));
        }
        opened = (run >= 2).then_some(at + run);
        at += run + after.get(run..)?.iter().position(|byte| *byte == b'_')?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_unknown_ones_name_nothing() {
        for (name, meant) in [
            ("email", Some("email")),
            ("kubernetes__dot__io", Some("kubernetes.io")),
            ("a__slash__b__dash__c", Some("a/b-c")),
            ("a__underscores__b", Some("a__b")),
            ("__namespace__", Some("namespace")),
            ("___dot__", Some("_.")),
            ("a__b", Some("a__b")),
            ("x__namespace__", None),
            ("__nonsense__", None),
        ] {
            assert_eq!(undone(name).as_deref(), meant, "{name}");
        }
    }
}
