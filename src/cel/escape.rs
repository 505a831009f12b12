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
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find("__")?;
        let inside = text.get(start + 2..)?;
        let length = inside.find('_')?;
        if length > 0 && inside.get(length..)?.starts_with("__") {
            return Some((text.get(..start)?, inside.get(..length)?, inside.get(length + 2..)?));
        }
        from = start + 1;
    }
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
