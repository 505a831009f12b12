//! The language as a whole: what expressions make of claims, and which are refused.

use serde_json::{Value as Json, json};

use super::*;

fn claims() -> Json {
    json!({
        "sub": "alice",
        "email": "alice@example.org",
        "email_verified": true,
        "exp": 1_700_000_000,
        "groups": ["dev", "ops", ""],
        "kubernetes.io": {"node": "n1", "a-b": [{"x.y": 1}]},
        "nothing": null,
        "namespace": "ns",
        "ratio": 0.5,
    })
}

/// The result as `type value`, or why there is none.
fn evaluated(source: &str) -> String {
    let claims = claims();
    let program = match compile(source, Environment::Claims) {
        Ok(program) => program,
        Err(error) => return format!("refused: {}", error.problems.first().map_or("", |problem| &problem.message)),
    };
    match program.evaluate_shown(Subject::Claims(claims.as_object().unwrap()), &mut Meter::new(FULL)) {
        Ok(shown) => format!("{} {}", shown["type"].as_str().unwrap(), plain(&shown["value"])),
        Err(fault) => format!("error: {fault}"),
    }
}

fn plain(shown: &Json) -> String {
    match shown {
        Json::Array(items) => {
            format!("[{}]", items.iter().map(|item| plain(&item["value"])).collect::<Vec<_>>().join(", "))
        }
        Json::String(text) => text.clone(),
        Json::Object(members) if members.contains_key("type") => plain(&members["value"]),
        other => other.to_string(),
    }
}

#[test]
fn expressions_see_claims_as_the_api_server_does() {
    for (source, result) in [
        ("claims.sub", "string alice"),
        ("claims.exp", "double 1700000000"),
        ("claims.exp == 1700000000", "bool true"),
        ("claims.exp + 1", "error: no such overload"),
        ("string(int(claims.exp))", "string 1700000000"),
        ("claims.nothing == null", "bool true"),
        ("claims.missing", "error: no such key: missing"),
        ("has(claims.missing)", "bool false"),
        ("claims.?missing.orValue('x')", "string x"),
        ("claims.?email.orValue('x')", "string alice@example.org"),
        ("claims.?email.orValue(claims.missing)", "string alice@example.org"),
        ("claims.?email.or(optional.of(claims.missing)).value()", "string alice@example.org"),
        ("claims.?missing.orValue(claims.missing)", "error: no such key: missing"),
        ("has(claims.sub.x)", "bool false"),
        ("has(claims.groups.x)", "error: no such overload"),
        ("claims.sub.x", "error: no such overload"),
        ("claims.sub.?x.hasValue()", "bool false"),
        ("claims.?sub.x.y.hasValue()", "bool false"),
        ("claims.groups.?x", "error: no such overload"),
        ("[{'IP': 1}].map(net, net.IP)[0]", "int 1"),
        ("claims.kubernetes__dot__io.node", "string n1"),
        ("claims['kubernetes.io'].a__dash__b[0].x__dot__y", "double 1"),
        ("claims.__namespace__", "string ns"),
        ("claims.groups[1]", "string ops"),
        ("claims.groups[7]", "error: index out of range"),
        ("claims.groups[?-1.0]", "optional_type null"),
        ("claims.groups[?claims.ratio]", "error: not a whole number in the range of int, and so no index"),
        ("claims.groups[?18446744073709551615u]", "error: not a whole number in the range of int, and so no index"),
        ("claims.groups[?optional.of(1)]", "error: no such overload"),
        ("dyn({'a': 1})[?claims.nothing]", "error: no such overload"),
        ("claims.?missing[claims.missing]", "optional_type null"),
        ("dyn(claims.groups).exists(g, g == 'ops')", "bool true"),
        ("dyn(claims.groups).filter(g, g != '').map(g, 'idp:' + g)", "list [idp:dev, idp:ops]"),
        ("'x' in claims", "error: no such overload"),
        ("size(claims)", "error: no such overload"),
        (
            "claims.groups.exists(g, true)",
            "refused: a claim has no type that could be gone over; write dyn(…) around it",
        ),
        ("claims.missing == 1 || claims.sub == 'alice'", "bool true"),
        ("claims.missing == 1 && claims.sub == 'bob'", "bool false"),
        ("claims.missing == 1 && claims.sub == 'alice'", "error: no such key: missing"),
        ("claims.email_verified ? 'yes' : 'no'", "string yes"),
        ("[1, 2, 3].all(x, x > 0)", "bool true"),
        ("[1, 2, 3].map(x, x > 1, x * 2)", "list [4, 6]"),
        ("[1, 2].exists_one(x, x == 2)", "bool true"),
        ("{'a': 1, 'b': 2}.exists(k, v, k == 'b' && v == 2)", "bool true"),
        ("[5, 6].transformList(i, v, i + v)", "list [5, 7]"),
        ("[5, 6].transformMap(i, v, v)[1]", "int 6"),
        ("{'a': 'x'}.transformMapEntry(k, v, {v: k})['x']", "string a"),
        ("[?claims.?missing, ?claims.?sub]", "list [alice]"),
        ("{?'a': claims.?missing}.size()", "int 0"),
        ("optional.of(1).optMap(x, x + 1).value()", "int 2"),
        ("claims.?sub.optFlatMap(s, optional.none()).hasValue()", "bool false"),
        ("claims.?sub.optFlatMap(s, claims.email)", "string alice@example.org"),
        ("type(claims.sub) == string", "bool true"),
        ("timestamp('2023-01-01T00:00:00Z').getDayOfWeek()", "int 0"),
        ("timestamp('2023-01-01T00:30:00Z').getHours('+05:30')", "int 6"),
        ("timestamp('2023-01-01T00:10:00Z').getHours('-00:30')", "int 23"),
        ("duration('90m') > duration('1h')", "bool true"),
        ("9223372036854775807 + 1", "error: overflow"),
        ("1 / 0", "error: division by zero"),
        ("1.0 / 0.0", "double inf"),
        ("string(1234567.0)", "string 1.234567e+06"),
        ("string(123456.0)", "string 123456"),
        ("claims == claims", "bool true"),
        ("claims == {}", "error: no such overload"),
        ("claims != {}", "bool true"),
        ("claims == claims.nothing", "bool false"),
        ("type(claims) == map", "bool false"),
        ("type(claims)", "type kubernetes.claims"),
        ("1 < 2.5 && 3u > 2", "bool true"),
        ("dyn(1) == dyn(1u)", "bool true"),
        ("string(1e21)", "string 1e+21"),
        ("bytes('é') == b'\\xc3\\xa9'", "bool true"),
    ] {
        assert_eq!(evaluated(source), result, "{source}");
    }
}

#[test]
fn what_cannot_be_right_is_refused() {
    for (source, message) in [
        ("claim.sub", "claim is not known here; there is `claims`"),
        ("nonsense(1)", "there is no function nonsense"),
        ("int(null)", "can never be: no such overload"),
        ("bytes(dyn(1))", "can never be: no such overload"),
        ("bool(dyn([1]))", "can never be: no such overload"),
        ("claims.groups[dyn([1])]", "is of type dyn, which is no index and no key"),
        ("int(dyn('x'))", "can never be: not a whole number"),
        ("claims.groups[[]]", "is of type list(dyn), which is no index and no key"),
        ("claims.groups[?null]", "is of type null_type, which is no index and no key"),
        ("[1].existsOne(i, true)", "there is no function existsOne"),
        ("kubernetes.URL", "kubernetes is not known here; there is `claims`"),
        ("1 + 'a'", "there is no _+_ for (int, string)"),
        ("1 == 1.0", "there is no _==_ for (int, double)"),
        ("[1, 'a']", "is of type string, but what stands before it is of type int"),
        ("{'a': 1, 'b': true}", "is of type bool, but what stands before it is of type int"),
        ("true ? 1 : 'a'", "there is no _?_:_ for (bool, int, string)"),
        ("duration('1 day')", "is no duration: not a duration such as 1h30m"),
        ("timestamp('yesterday')", "is no timestamp: not a timestamp by RFC 3339"),
        ("int('x')", "can never be: not a whole number"),
        ("has(claims)", "has() takes a field, such as has(claims.email)"),
        ("[1].map(x.y, x)", "must be a simple name, the variable for each item"),
        ("'a'.b", "is of type string, which has no fields"),
        ("'a'.all(c, true)", "is of type string, which cannot be gone over"),
        ("!1", "is of type int, and has to be bool"),
    ] {
        let found = evaluated(source);
        assert!(found.starts_with(&format!("refused: {message}")), "{source}: {found}");
    }
}

#[test]
fn a_rule_must_be_a_bool_whatever_the_claims_are() {
    assert!(compile_rule("claims.email_verified == true", Environment::Claims).is_ok());
    for source in ["claims.email_verified", "claims.?email_verified.orValue(true)", "'true'"] {
        assert!(compile_rule(source, Environment::Claims).is_err(), "{source}");
    }
}

#[test]
fn errors_show_the_place_under_the_expression() {
    let error = compile("claims.sub == 'é' &&\n  clams.aud == 'x'", Environment::Claims).unwrap_err();
    let shown = error.to_string();
    assert_eq!(shown, "clams is not known here; there is `claims`\n 2 |   clams.aud == 'x'\n       ^",);
}

#[test]
fn failures_show_the_place_under_the_expression() {
    for (source, from_the_mark_on) in [
        ("'idp:' +\n claims.missing", ".missing"),
        ("claims.groups[7] == 'x'", "[7] == 'x'"),
        ("claims.exp + 1 == 2", "+ 1 == 2"),
        ("dyn(claims.groups).map(g, int(g)) == [1]", "(g)) == [1]"),
        // What failed first is not what matters.
        ("(claims.a == 1 || claims.sub == 'alice') && claims.b == 1", ".b == 1"),
        ("[1, 2].exists(x, claims.a == x || x == 2) && claims.b == 1", ".b == 1"),
        ("claims.a == 1 && (claims.b == 1 || true)", ".a == 1 && (claims.b == 1 || true)"),
        ("[1, 2].all(x, claims.a == x || [claims.b].exists(y, true) || true) && claims.c", ".c"),
    ] {
        let (claims, mut meter) = (claims(), Meter::new(FULL));
        let program = compile(source, Environment::Claims).unwrap();
        let fault = program.evaluate_bool(Subject::Claims(claims.as_object().unwrap()), &mut meter).unwrap_err();
        let place = program.failure(fault, &meter).place.unwrap();
        let (line, mark) = place.split_once('\n').unwrap();
        assert_eq!(line.get(mark.trim_end_matches('^').len()..), Some(from_the_mark_on), "{source}");
    }
}

#[test]
fn a_result_of_the_wrong_type_has_no_place() {
    let (claims, mut meter) = (claims(), Meter::new(FULL));
    let program = compile("claims.sub", Environment::Claims).unwrap();
    let fault = program.evaluate_bool(Subject::Claims(claims.as_object().unwrap()), &mut meter).unwrap_err();
    assert_eq!(program.failure(fault, &meter).place, None);
}

#[test]
fn hostile_sources_are_refused_and_end_nothing() {
    let deep = |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    // An even number of these is none at all.
    assert!(compile(&deep("!!", "", 4_900), Environment::Claims).is_ok());
    for source in [
        deep("(", ")", 4_900),
        deep("[", "]", 4_900),
        deep("!", "", 8_999),
        format!("1{}", "+1".repeat(4_900)),
        format!("claims{}", ".a".repeat(4_900)),
        format!("claims{}", "[0]".repeat(3_300)),
        format!("claims{}", ".f()".repeat(2_400)),
        "x".repeat(20_000),
        "[0].map(x, ".repeat(300),
    ] {
        assert!(compile(&source, Environment::Claims).is_err(), "{}", &source[..20]);
    }
}

#[test]
fn an_expression_that_is_nested_too_deeply_is_told_so_and_nothing_else() {
    for (open, close) in [("(", ")"), ("[", "]"), ("[0].map(x, ", ")")] {
        let source = format!("{}1{}", open.repeat(300), close.repeat(300));
        let error = compile(&source, Environment::Claims).unwrap_err();
        assert_eq!(error.to_string(), "is nested more than 250 levels deep", "{open}");
    }
    // What only speaks of it is another mistake.
    let error = compile("1 'Recursion limit of 251 exceeded'", Environment::Claims).unwrap_err();
    assert!(error.to_string().starts_with("syntax error: "), "{error}");
}

#[test]
fn a_text_that_is_no_expression_has_only_so_many_errors() {
    let error = compile(&"é".repeat(9_999), Environment::Claims).unwrap_err();
    assert_eq!(error.problems.len(), 20);
    assert_eq!(error.problems[19].at, Some(19));
    assert!(!error.to_string().contains("Syntax error"), "{error}");
}

#[test]
fn the_deepest_expressions_that_are_taken_are_checked_and_evaluated() {
    // On a thread with no more stack than those have that serve.
    for (open, close, times, result) in [
        ("[", "][0]", 120, "int 1"),
        ("-(", ")", 200, "int 1"),
        ("false ? 2 : ", "", 200, "int 1"),
        ("[1].map(x, ", ")[0]", 60, "int 1"),
        ("(0 + ", ")", 120, "int 1"),
        ("optional.of(", ").value()", 90, "int 1"),
    ] {
        let source = format!("{}1{}", open.repeat(times), close.repeat(times));
        assert_eq!(evaluated(&source), result, "{open}");
    }
}

#[test]
fn loops_and_growth_end_at_the_budget() {
    let numbers = "[0,1,2,3,4,5,6,7,8,9]";
    let nested = (0..12).fold("0".to_owned(), |body, depth| format!("{numbers}.map(x{depth}, {body})"));
    let doubled = (0..40).fold("'0123456789'".to_owned(), |text, _| format!("[{text}].map(s, s + s)[0]"));
    for source in [nested, doubled] {
        assert_eq!(evaluated(&source), "error: the expression costs more than it may");
    }
}

#[test]
fn types_that_double_with_every_name_are_refused_at_once() {
    let doubling = format!("optional.of(1){}", ".optMap(x, {x: x})".repeat(60));
    assert!(evaluated(&doubling).starts_with("refused: has types that are too complicated"));
}

#[test]
fn a_page_of_mistakes_is_no_book() {
    let page = format!("[1].map({}, [{}])", "x".repeat(4_000), "y,".repeat(2_900));
    assert_eq!(compile(&page, Environment::Claims).unwrap_err().problems.len(), 20);
}

#[test]
fn a_page_of_calls_is_not_too_complicated() {
    for call in ["[]+[]", "1==1", "{}[0]", "claims.a+claims.b"] {
        let page = format!("[{}]", vec![call; 9_900 / (call.len() + 1)].join(","));
        assert!(compile(&page, Environment::Claims).is_ok(), "{call}");
    }
}

#[test]
fn whatever_is_done_over_and_over_is_paid_for() {
    let long = "a".repeat(9_000);
    for source in [
        // The keys of a map, listed for a loop that ends in its first round.
        "[lists.range(1000).transformMap(i, v, v)].map(m, lists.range(1000).map(i, m.exists(k, true)))",
        // Comparisons with something empty.
        "[lists.range(1000).map(i, 'a')].map(l, lists.range(1000).map(j, '' in l))",
        "[lists.range(1000).map(i, [i])].map(l, lists.range(1000).map(j, [] in l))",
        // Escapes in a long name.
        &format!("lists.range(10000).map(i, claims[?'{}'])", "__".repeat(4_000)),
        // One text many times in a result.
        &format!("lists.range(10000).map(i, '{long}')"),
    ] {
        let claims = claims();
        let program = compile(source, Environment::Claims).unwrap();
        let mut meter = Meter::new(FULL);
        let outcome = program.evaluate_strings(Subject::Claims(claims.as_object().unwrap()), &mut meter);
        assert_eq!(outcome, Err(Fault::TooExpensive), "{}", &source[..60]);
    }
}

#[test]
fn values_deeper_than_a_stack_are_not_compared() {
    let wrap = format!(".map(a, {}dyn(a){})", "[".repeat(100), "]".repeat(100));
    let compared = |times: usize| evaluated(&format!("[dyn(1)]{}.map(a, a == a)", wrap.repeat(times)));
    assert_eq!(compared(4), "list [true]");
    assert_eq!(compared(40), "error: the expression costs more than it may");
}

#[test]
fn items_of_one_literal_are_of_exactly_one_type() {
    for source in [
        "[claims.sub, 'x']",
        "['idp:' + claims.sub, claims.sub]",
        "[dyn(1), 'a']",
        "[dyn(1), claims.sub]",
        "[[1], [claims.exp]]",
        "{'a': claims.sub, 'b': 1}",
        "{claims.sub: 1, 'b': 2}",
        "[null, duration('1s')]",
        "[int, string]",
        "[?claims.?sub, 'x']",
        "[?claims.sub]",
    ] {
        assert!(evaluated(source).starts_with("refused: is of type "), "{source}: {}", evaluated(source));
    }
    for source in [
        "[[], [1]]",
        "[[1], []]",
        "[claims.sub, claims.exp]",
        "[?claims.?sub, claims.sub]",
        "[optional.none(), optional.of(1)]",
        "[{}, {'a': 1}]",
        "'%s has %d'.format(['a', 1])",
    ] {
        assert!(compile(source, Environment::Claims).is_ok(), "{source}: {}", evaluated(source));
    }
}

#[test]
fn fields_that_are_mentioned_are_known() {
    for source in [
        ".claims.email",
        "has(.claims.email)",
        ".claims.?email",
        "claims.email",
        "has(claims.email)",
        "[1].map(x, claims.?email)",
    ] {
        assert!(compile(source, Environment::Claims).unwrap().mentions("email"), "{source}");
    }
    assert!(!compile("claims['email']", Environment::Claims).unwrap().mentions("email"));
}

#[test]
fn the_documented_expressions_are_in_order() {
    let page = include_str!("../../docs/authentication-configuration.md");
    let table = page.split("## Expressions").nth(1).unwrap().split("What to know").next().unwrap();
    let mut count = 0;
    for row in table.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cells: Vec<_> = row.split(" | ").collect();
        for expression in cells[1].split('`').skip(1).step_by(2) {
            let compiled = match cells[2] {
                place if place.contains("userValidationRules") => compile_rule(expression, Environment::User),
                place if place.contains("Rules") => compile_rule(expression, Environment::Claims),
                _ => compile(expression, Environment::Claims),
            };
            assert!(compiled.is_ok(), "{expression}: {}", compiled.unwrap_err());
            count += 1;
        }
    }
    assert!(count > 10, "only {count} were found");
}

#[test]
fn patterns_are_compiled_when_they_are_known_and_never_in_a_hurry_otherwise() {
    let claims = json!({"s": "straße", "pattern": r"^\pL{1,63}$"});
    let subject = Subject::Claims(claims.as_object().unwrap());
    let evaluate = |source: &str, units| {
        compile(source, Environment::Claims).unwrap().evaluate_bool(subject, &mut Meter::new(units))
    };
    assert_eq!(evaluate(r"claims.s.matches('^\\pL{1,63}$')", 10_000), Ok(true));
    assert_eq!(evaluate("claims.s.matches(claims.pattern)", 10_000), Err(Fault::TooExpensive));
    assert_eq!(evaluate("claims.s.matches(claims.pattern)", FULL), Ok(true));
    let many = vec!["''.matches('a')"; 21].join(" || ");
    assert!(compile(&many, Environment::Claims).is_err());
}
