use serde_json::json;

use super::*;
use crate::authn::{Cause, Reason};
use crate::providers::ExplainedStep;

fn step(name: &'static str, outcome: StepOutcome, facts: &str) -> ExplainedStep {
    ExplainedStep { name, outcome, facts: facts.to_owned(), place: None }
}

fn accepted() -> Explanation {
    Explanation {
        steps: vec![step("form", StepOutcome::Passed, "700 bytes"), step("audience", StepOutcome::Passed, "aud \"a\"")],
        outcome: StepOutcome::Passed,
        user: Some(UserInfo { username: "alice".to_owned(), ..UserInfo::default() }),
        audiences: vec!["one".to_owned()],
    }
}

fn stopped(outcome: StepOutcome) -> Explanation {
    let steps = vec![step("form", StepOutcome::Passed, "700 bytes"), step("times", outcome, "exp 1\u{1b}[2J")];
    Explanation { steps, outcome, user: None, audiences: vec![] }
}

#[test]
fn every_step_is_a_line_and_the_verdict_is_the_last() {
    let shown = |explanation| text(&explanation, Palette::plain());
    assert_eq!(shown(accepted()), "  ok  form      700 bytes\n  ok  audience  aud \"a\"\naccepted as alice\n");
    assert_eq!(
        shown(stopped(StepOutcome::Rejected(Reason::Expired))),
        "  ok  form   700 bytes\n  no  times  exp 1\\u{1b}[2J\nrefused: expired – The token's `exp` has passed.\n"
    );
    let sentence = Cause::KeysUnavailable.sentence();
    assert_eq!(
        shown(stopped(StepOutcome::Undecided(Cause::KeysUnavailable))),
        format!("  ok  form   700 bytes\n  ?   times  exp 1\\u{{1b}}[2J\nundecided: keys_unavailable – {sentence}\n")
    );
}

#[test]
fn the_place_in_an_expression_is_below_its_step() {
    let mut explanation = stopped(StepOutcome::Rejected(Reason::ExpressionFailed));
    explanation.steps[1].place = Some(" 2 | claims.\u{1b}x\n           ^".to_owned());
    let shown = text(&explanation, Palette::plain());
    let lines: Vec<_> = shown.lines().skip(2).take(2).collect();
    assert_eq!(lines, ["             2 | claims.\\u{1b}x", "                       ^"]);
    let shown = serde_json::to_value(document(&explanation)).unwrap();
    assert_eq!(shown["steps"][1]["place"], json!(" 2 | claims.\u{1b}x\n           ^"));
}

#[test]
fn programs_get_the_same() {
    let shown = |explanation| serde_json::to_value(document(&explanation)).unwrap();
    let form = json!({"name": "form", "outcome": "passed", "facts": "700 bytes"});
    assert_eq!(
        shown(accepted()),
        json!({"verdict": "accepted", "user": {"username": "alice"}, "audiences": ["one"],
            "steps": [form, {"name": "audience", "outcome": "passed", "facts": "aud \"a\""}]})
    );
    assert_eq!(
        shown(stopped(StepOutcome::Rejected(Reason::Expired))),
        json!({"verdict": "refused", "code": "expired", "why": "The token's `exp` has passed.",
            "steps": [form, {"name": "times", "outcome": "refused", "facts": "exp 1\u{1b}[2J"}]})
    );
}
