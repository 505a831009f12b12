//! The text of a kubeconfig, as the YAML of kube-apiserver's library reads it.
//!
//! Of two fields of one name the last counts, of several documents the first. Tabs in the indentation are refused, which
//! our own YAML takes.

use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, options as parser_options};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, options};

/// Where in a text something is, both from 1; 0 if it is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wiring) struct Place {
    pub(in crate::wiring) line: u64,
    pub(in crate::wiring) column: u64,
}

/// What a text says.
#[derive(Debug, PartialEq)]
pub(in crate::wiring) struct Read {
    pub(in crate::wiring) document: Value,
    /// A field that is there twice.
    pub(in crate::wiring) duplicate: Option<Place>,
}

/// Reads a text's first document; the place of the problem if that cannot be done. Never what stands there, which may be a
/// credential.
pub(in crate::wiring) fn read(text: &str) -> Result<Read, Place> {
    if let Some(place) = tab(text) {
        return Err(place);
    }
    let (documents, duplicate) = match parse(text, DuplicateKeyPolicy::Error) {
        Ok(documents) => (documents, None),
        Err(error) if matches!(error, Error::DuplicateMappingKey { .. }) => {
            let documents = parse(text, DuplicateKeyPolicy::LastWins).map_err(|error| place(&error))?;
            (documents, Some(place(&error)))
        }
        Err(error) => return Err(place(&error)),
    };
    Ok(Read { document: documents.into_iter().next().unwrap_or_default(), duplicate })
}

fn parse(text: &str, duplicate_keys: DuplicateKeyPolicy) -> Result<Vec<Value>, Error> {
    serde_saphyr::from_multiple_with_options(text, options! { duplicate_keys: duplicate_keys, with_snippet: false })
}

fn place(error: &Error) -> Place {
    error.location().map_or(Place { line: 0, column: 0 }, |at| Place { line: at.line(), column: at.column() })
}

/// The first tab where a token of a block would have to begin. Inside of texts and of `[]` and `{}` they do no harm.
fn tab(text: &str) -> Option<Place> {
    if !text.contains('\t') || text.trim_start().starts_with('{') {
        return None;
    }
    let lines: Vec<&str> = text.lines().collect();
    let mut is_inside = vec![false; lines.len()];
    let mut exclude = |from: usize, to: usize| {
        is_inside.iter_mut().take(to).skip(from).for_each(|inside| *inside = true);
    };
    let mut opened: Vec<Option<usize>> = Vec::new();
    for (event, span) in
        Parser::new_from_str_with_options(text, parser_options! { emit_comments: false }).map_while(Result::ok)
    {
        let (first, last) = (span.start.line(), span.end.line());
        match event {
            // Lines count from 1, so this is every line after the first. A block's end is the start of what comes next.
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => exclude(first, last.saturating_sub(1)),
            Event::Scalar(..) => exclude(first, last),
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let line = lines.get(first.saturating_sub(1)).copied().unwrap_or_default();
                let is_flow = line.chars().nth(span.start.col()).is_some_and(|begin| matches!(begin, '[' | '{'));
                opened.push(is_flow.then_some(first));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(first) = opened.pop().flatten() {
                    exclude(first, last);
                }
            }
            _ => {}
        }
    }
    lines.iter().zip(is_inside).enumerate().filter(|(_, (_, inside))| !inside).find_map(|(position, (line, _))| {
        let column = leading_tab(line)?;
        Some(Place { line: position as u64 + 1, column: column as u64 + 1 })
    })
}

/// Where the tab is that stands between a line's start, or the marks of list entries there, and its first word.
fn leading_tab(line: &str) -> Option<usize> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches(' ');
        let at = line.len() - rest.len();
        if let Some(after) = rest.strip_prefix('\t') {
            // After a text, what is left of its line and of empty lines is skipped, unless that begins with a tab.
            let is_nothing = after.trim_start().is_empty() || after.trim_start().starts_with('#');
            return (at == 0 || !is_nothing).then_some(at);
        }
        rest = rest.strip_prefix(['-', '?']).filter(|after| after.starts_with([' ', '\t']))?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tabs_in_the_indentation_are_refused() {
        for (text, line, column) in [
            ("a:\n  b: 1\n  \tc: 2\n", 3, 3),
            ("a:\n-\tb: 1\n", 2, 2),
            ("a:\n- \tb: 1\n", 2, 3),
            ("a: 1\n\t\nb: 2\n", 2, 1),
            ("\t# a\nb: 1\n", 1, 1),
            ("a: |\n  text\nb:\n\tc: 1\n", 4, 1),
        ] {
            assert_eq!(read(text), Err(Place { line, column }), "{text:?}");
        }
    }

    #[test]
    fn tabs_elsewhere_are_taken() {
        for (text, expected) in [
            ("a:\t1\nb: 2\t# c\n", json!({"a": 1, "b": 2})),
            ("a: |\n  x\n  \ty\nb: 2\n", json!({"a": "x\n\ty\n", "b": 2})),
            ("a: \"x\n  \ty\"\nb: 2\n", json!({"a": "x y", "b": 2})),
            ("a: [1,\n\t2]\nb: {c:\n\t3}\n", json!({"a": [1, 2], "b": {"c": 3}})),
            ("{\n\t\"a\": 1\n}\n", json!({"a": 1})),
        ] {
            assert_eq!(read(text), Ok(Read { document: expected, duplicate: None }), "{text:?}");
        }
    }

    #[test]
    fn of_two_fields_the_last_and_of_two_documents_the_first_counts() {
        let duplicate = Some(Place { line: 3, column: 1 });
        assert_eq!(read("a: 1\nb: 2\na: 3\n"), Ok(Read { document: json!({"a": 3, "b": 2}), duplicate }));
        assert_eq!(read("a: 1\n---\na: 2\n"), Ok(Read { document: json!({"a": 1}), duplicate: None }));
        assert_eq!(read("a: [\n"), read("a: 1\na: [\n").map_err(|place| Place { line: place.line - 1, ..place }));
    }
}
