use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use super::*;
use crate::token::BearerToken;
use crate::wiring::reviewer::ReviewVersion;

fn answered(status: StatusCode, body: &Value) -> (Answer, Judgement) {
    let token = BearerToken::from("token");
    let audiences = ["one".to_owned()];
    let review = Review { version: ReviewVersion::V1, token: &token, audiences: &audiences };
    let body = body.to_string();
    let answer = Answer::new(&review, status, Version::HTTP_2, None, body.as_bytes(), Duration::from_millis(3));
    let judgement = answer.judge(ReviewVersion::V1, &audiences);
    (answer, judgement)
}

fn shown(status: StatusCode, body: &Value) -> String {
    let (answer, judgement) = answered(status, body);
    text(&answer, &judgement, Palette::plain())
}

fn accepting() -> Value {
    json!({"status": {"authenticated": true, "audiences": ["one"], "user": {"username": "alice", "uid": "7",
        "groups": ["a", "b\u{1b}[2J"], "extra": {"example.com/team": ["x", "y"]}}}})
}

#[test]
fn a_yes_says_who_and_what_for() {
    assert_eq!(
        shown(StatusCode::OK, &accepting()),
        "\
accepted as alice
  groups     a, b\\u{1b}[2J
  uid        7
  extra      example.com/team: x, y
  audiences  one
  answer     HTTP/2 200 in 3 ms
"
    );
}

#[test]
fn a_risky_yes_says_what_is_risky() {
    let body = json!({"status": {"authenticated": true, "audiences": ["one"]}});
    assert_eq!(
        shown(StatusCode::OK, &body),
        "\
accepted as (nobody)
  audiences  one
  warning    the user name is empty: kube-apiserver lets a nameless user in, with system:authenticated
  answer     HTTP/2 200 in 3 ms
"
    );
}

#[test]
fn a_no_says_what_follows() {
    assert_eq!(
        shown(StatusCode::CREATED, &json!({"status": {"authenticated": false}})),
        "\
refused
  why        the answer is `authenticated: false`; `countersign explain` and the webhook's log know more
  then       kube-apiserver remembers it (2m, or --authentication-token-webhook-cache-ttl)
  answer     HTTP/2 201 in 3 ms
"
    );
}

#[test]
fn a_no_with_its_reason_says_that_it_is_not_remembered() {
    assert_eq!(
        shown(StatusCode::CREATED, &json!({"status": {"error": "expired"}})),
        "\
refused
  why        the webhook says \"expired\"; `countersign explain` and the webhook's log know more
  then       kube-apiserver remembers no answer with an error text, and asks again with the next request
  answer     HTTP/2 201 in 3 ms
"
    );
}

#[test]
fn a_cannot_tell_says_whether_it_is_tried_again() {
    assert_eq!(
        shown(StatusCode::OK, &json!({"status": {"error": "keys_stale"}})),
        "\
could not tell: keys_stale
  then       kube-apiserver remembers nothing and asks again with the next request
  answer     HTTP/2 200 in 3 ms
"
    );
    assert_eq!(
        shown(StatusCode::TOO_MANY_REQUESTS, &json!({})),
        "\
could not tell: HTTP 429 Too Many Requests
  then       kube-apiserver tries again at once, up to five times in all
  answer     HTTP/2 429 in 3 ms
"
    );
}

#[test]
fn programs_get_the_verdict_and_the_answer() {
    let shown = |status, body: &Value| {
        let (answer, judgement) = answered(status, body);
        serde_json::to_value(document(&answer, &judgement)).unwrap()
    };
    let wire = json!({"httpStatus": 200, "httpVersion": "HTTP/2", "milliseconds": 3});
    let expected = |fields: Value, answer: &Value| {
        let mut expected = wire.clone();
        expected.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        expected["answer"] = answer.clone();
        expected
    };
    assert_eq!(shown(StatusCode::OK, &accepting()), expected(json!({"verdict": "accepted"}), &accepting()));
    let no = json!({"status": {}});
    let why = "the answer is `authenticated: false`";
    assert_eq!(shown(StatusCode::OK, &no), expected(json!({"verdict": "refused", "why": why}), &no));
    let unclear = json!({"status": {"error": "keys_stale"}});
    assert_eq!(
        shown(StatusCode::OK, &unclear),
        expected(json!({"verdict": "undecided", "why": "keys_stale", "retried": false}), &unclear)
    );
}
