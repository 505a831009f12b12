//! What the functions answer: tables of expressions and of what kube-apiserver makes of them.

mod equality;
mod format;
mod format_library;
mod lists;
mod literals;
mod net;
mod quantity;
mod regex;
mod semver;
mod sets;
mod strings;
mod urls;

use serde_json::{Value as Json, json};

use crate::cel::{Environment, FULL, Meter, Subject, compile};

/// Compares all rows at once: an expression, and its result as text, `refused` or `error`.
fn check(rows: &[(&str, &str)]) {
    let answers: Vec<_> = rows.iter().map(|(expression, _)| (*expression, answer(expression))).collect();
    let wrong: Vec<_> = answers.iter().zip(rows).filter(|((_, answer), (_, wanted))| answer != wanted).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn answer(expression: &str) -> String {
    let claims = json!({
        "l": ["a", 1, {"k": null}],
        "m": {"b__dot__c": 1, "a": 2.5},
        "n": 3,
        "s": "x",
        "u": "é😀z",
        "z": -0.0,
    });
    let Ok(program) = compile(expression, Environment::Claims) else { return "refused".to_owned() };
    match program.evaluate_shown(Subject::Claims(claims.as_object().unwrap()), &mut Meter::new(FULL)) {
        Ok(shown) => text(&shown),
        Err(_) => "error".to_owned(),
    }
}

/// A result as text: strings between quotes, lists in brackets, optionals with their name.
fn text(shown: &Json) -> String {
    let value = &shown["value"];
    match shown["type"].as_str().unwrap() {
        "string" => value.to_string(),
        "list" => format!("[{}]", value.as_array().unwrap().iter().map(text).collect::<Vec<_>>().join(", ")),
        "map" => {
            let entries = value.as_object().unwrap().iter();
            let entries =
                entries.map(|(key, value)| format!("{}: {}", text(&serde_json::from_str(key).unwrap()), text(value)));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
        }
        "optional_type" if value.is_null() => "none".to_owned(),
        "optional_type" => format!("optional {}", text(value)),
        "double" => format!("{:?}", value.as_str().unwrap().parse::<f64>().unwrap()),
        _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
    }
}

#[test]
fn what_is_lax_or_wrong_there_is_refused_here() {
    check(&[
        (r#""%.256f".format([1.5])"#, "refused"),
        (r#"[dyn(quantity("1"))] == [dyn(1)]"#, "error"),
        (r#"[quantity("2")] == [quantity("1").add(1)]"#, "error"),
        ("[2.0, double('NaN'), 1.0].sort()", "error"),
        (r#"semver("18446744073709551615.0.0").major()"#, "error"),
        (r#"quantity("0").sub(-9223372036854775807 - 1).isInteger()"#, "error"),
        (r#"isQuantity("1e101")"#, "error"),
        (r#"isQuantity("1e-101")"#, "error"),
        ("'x'.matches('a(?i)*')", "refused"),
        ("'x'.matches('[[:x]')", "refused"),
        (r"'x'.matches('\\p{latin}')", "refused"),
        ("url('https://a%ff/').getHost()", "error"),
    ]);
}

#[test]
fn large_results_and_endless_searches_run_out_of_budget() {
    for expression in [
        "lists.range(1000).map(x, lists.range(1000)).flatten().size() > 0",
        "lists.range(500000).map(x, 'aaaaaaaaaaaaaaaaaaaa').join().find('a*b') == ''",
        "lists.range(20000).distinct().size() > 0",
        "lists.range(1000).all(x, 'x'.matches('(a{10}){' + string(x + 1) + '}b{900}') || true)",
        "'a'.replace('', 'aaaaaaaaaa').replace('', 'aaaaaaaaaa').replace('', 'aaaaaaaaaa').replace('', 'aaaaaaaaaa')\
         .replace('', 'aaaaaaaaaa').replace('', 'aaaaaaaaaa').replace('', 'aaaaaaaaaa') == ''",
    ] {
        assert_eq!(answer(expression), "error", "{expression}");
    }
}
