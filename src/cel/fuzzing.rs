//! What fuzzers call: parse, check and evaluate anything, and panic when something that must hold does not.
//!
//! The target in `fuzz/` is one line; the tests below run the same function over arbitrary texts, soups of tokens and deep
//! nestings with every `cargo test`, so that it is exercised where no fuzzer is.

use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use super::{Environment, FULL, Meter, Subject, compile};
use crate::authn::UserInfo;

/// An expression of claims or of a user: it is refused or becomes a program, whose value is of the type that was promised,
/// and the same whenever it is asked for.
pub fn expression(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else { return };
    for subject in [Subject::Claims(&CLAIMS), Subject::User(&USER)] {
        let environment = match subject {
            Subject::Claims(_) => Environment::Claims,
            Subject::User(_) => Environment::User,
        };
        let program = match compile(source, environment) {
            Ok(program) => program,
            Err(error) => {
                assert!(!error.to_string().is_empty(), "a refusal says why");
                continue;
            }
        };
        let value = program.evaluate_shown(subject, &mut Meter::new(FULL));
        assert_eq!(value, program.evaluate_shown(subject, &mut Meter::new(FULL)), "evaluation is repeatable");
        let promised = program.result_type();
        let is_plain = ["bool", "bytes", "double", "int", "string", "uint"].contains(&promised.as_str());
        if let Ok(value) = value.as_ref()
            && is_plain
        {
            let found = value.get("type").and_then(Json::as_str);
            // A claim has no type before it is there, so what was inferred from one may turn out otherwise.
            assert!(
                found == Some(&promised) || source.contains("claims"),
                "{promised} was promised of {source:?}: {value}"
            );
        }
    }
}

static CLAIMS: LazyLock<Map<String, Json>> = LazyLock::new(|| {
    let claims = json!({
        "sub": "alice", "email": "alice@example.org", "email_verified": true, "level": 2.5, "nothing": null,
        "groups": ["dev", "ops", ""], "numbers": [1, 2.5, -3], "nested": {"a.b": ["x"], "name": "y"}, "a.b": "dotted",
    });
    claims.as_object().cloned().unwrap_or_default()
});

static USER: LazyLock<UserInfo> = LazyLock::new(|| UserInfo {
    username: "idp:alice".to_owned(),
    uid: String::new(),
    groups: vec!["dev".to_owned(), "ops".to_owned()],
    extra: [("example.org/a".to_owned(), vec!["x".to_owned()])].into(),
});

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use proptest::prelude::*;

    use super::*;

    const TOKENS: &[&str] = &[
        "claims",
        "user",
        ".",
        "?.",
        ".?",
        "sub",
        "groups",
        "username",
        "extra",
        "nested",
        "numbers",
        "(",
        ")",
        "[",
        "]",
        "[?",
        "{",
        "}",
        ",",
        ":",
        "?",
        "+",
        "-",
        "*",
        "/",
        "%",
        "!",
        "&&",
        "||",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        " in ",
        "1",
        "0u",
        "1.5",
        "'a'",
        "\"b\"",
        "b'c'",
        "r'\\d'",
        "true",
        "false",
        "null",
        "has(",
        "dyn(",
        "size(",
        "string(",
        "int(",
        "type(",
        "optional.of(",
        "optional.none()",
        ".orValue(",
        ".or(",
        ".map(x,",
        ".filter(x,",
        ".all(x,",
        ".exists(i,x,",
        ".transformList(i,x,",
        ".transformMap(k,v,",
        ".sortBy(x,",
        "x",
        "i",
        "k",
        "v",
        ".size()",
        ".split(",
        ".join(",
        ".format(",
        "'%s'",
        ".matches(",
        ".find(",
        "sets.contains(",
        "lists.range(",
        "ip(",
        "cidr(",
        "url(",
        "quantity('1Gi')",
        "semver('1.2.3')",
        "timestamp(0)",
        "duration('1h')",
        "format.uuid()",
        ".validate(",
        "`",
        "\\",
        "\u{0}",
        "ü",
        "\n",
        "//",
    ];

    fn quick(source: &str) {
        let start = Instant::now();
        expression(source.as_bytes());
        // Both environments, each twice, on a busy machine and without optimisation.
        assert!(start.elapsed() < Duration::from_secs(20), "{source:?} took {:?}", start.elapsed());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn arbitrary_texts_are_refused_or_evaluated(source in any::<String>()) {
            quick(&source);
        }

        #[test]
        fn soups_of_tokens_are_refused_or_evaluated(source in proptest::collection::vec(proptest::sample::select(TOKENS), 0..24)) {
            quick(&source.concat());
        }

        #[test]
        fn sound_pieces_in_any_combination_are_refused_or_evaluated(
            pieces in proptest::collection::vec(proptest::sample::select(&[
                "claims.sub", "claims.groups", "dyn(claims.groups)", "claims.level", "user.groups", "user.username", "1", "'a'",
                "[1, 2]", "{'a': 1}", "true", "optional.of(1)", "size(claims.groups)", "dyn(claims.groups).map(x, x)",
                "[1, 2].map(x, [1, 2].map(y, x + y))", "user.groups.exists(g, g == 'dev')", "timestamp(0)",
            ][..]), 1..6),
            operators in proptest::collection::vec(proptest::sample::select(&[
                " + ", " == ", " && ", " || ", " < ", " in ", " ? 'x' : ", " * ", " - ",
            ][..]), 6),
        ) {
            let parts = pieces.iter().zip(std::iter::once("").chain(operators.iter().copied()));
            quick(&parts.flat_map(|(piece, operator)| [operator, *piece]).collect::<String>());
        }
    }

    #[test]
    fn deep_and_long_expressions_end_neither_the_process_nor_the_day() {
        for count in [10, 200, 1000, 9000] {
            for (open, middle, close) in [
                ("(", "1", ")"),
                ("[", "1", "]"),
                ("{1: ", "1", "}"),
                ("!", "true", ""),
                ("-", "1", ""),
                ("dyn(", "1", ")"),
                ("", "claims", ".a"),
                ("", "claims.sub", "[0]"),
                ("", "1", " + 1"),
                ("", "true", " && true"),
                ("", "'a'", ".size()"),
                ("true ? ", "1", " : 1"),
                ("[1].map(x, ", "1", ")"),
                ("", "claims", ".?a"),
                ("has(claims", ".a", ")"),
            ] {
                quick(&format!("{}{middle}{}", open.repeat(count), close.repeat(count)));
            }
        }
    }

    #[test]
    fn loops_within_loops_end_at_the_budget() {
        let numbers = "[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]";
        for depth in [2, 6, 12] {
            let open = format!("{numbers}.map(x, ").repeat(depth);
            quick(&format!("{open}1{}", ")".repeat(depth)));
        }
        let doubled = (0..40).fold("claims.email".to_owned(), |text, _| format!("[{text}].map(x, x + x)[0]"));
        quick(&doubled);
        quick("lists.range(1000000000)");
        quick("'%s'.format([lists.range(20000).map(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')])");
    }
}
