use serde_json::json;

use super::*;

const TOKEN: &str = "a-token-that-is-long-enough-to-be-blotted-out";

fn answer(code: u16, retry_after: Option<u64>, body: &[u8]) -> Answer {
    let token = BearerToken::from(TOKEN);
    let review = Review { version: ReviewVersion::V1, token: &token, audiences: &[] };
    let status = StatusCode::from_u16(code).unwrap();
    Answer::new(&review, status, Version::HTTP_2, retry_after, body, Duration::ZERO)
}

/// What is made of a v1 answer with this `status` field, when these audiences were asked for.
fn judged(status: &Value, audiences: &[&str]) -> Judgement {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
    judged_body(&body, audiences)
}

fn judged_body(body: &Value, audiences: &[&str]) -> Judgement {
    let audiences: Vec<String> = audiences.iter().map(ToString::to_string).collect();
    answer(200, None, &serde_json::to_vec(body).unwrap()).judge(ReviewVersion::V1, &audiences)
}

fn undecided(why: &str) -> Judgement {
    Judgement::Undecided(Undecided { why: why.to_owned(), retried: false })
}

fn refused(why: &str, is_remembered: bool) -> Judgement {
    Judgement::Refused(Refused { why: why.to_owned(), is_remembered })
}

fn alice(audiences: &[&str], warnings: &[&'static str]) -> Judgement {
    Judgement::Accepted(Accepted {
        username: "alice".to_owned(),
        audiences: audiences.iter().map(ToString::to_string).collect(),
        warnings: warnings.to_vec(),
        ..Accepted::default()
    })
}

#[test]
fn an_accepted_user_is_taken_with_everything() {
    let status = json!({"authenticated": true, "user": {"username": "alice", "uid": "7", "groups": ["a", "b"],
        "extra": {"example.com/team": ["x"]}}, "audiences": ["two", "other", "one"], "unknown": 1});
    assert_eq!(
        judged(&status, &["one", "two", "three"]),
        Judgement::Accepted(Accepted {
            username: "alice".to_owned(),
            uid: "7".to_owned(),
            groups: vec!["a".to_owned(), "b".to_owned()],
            extra: BTreeMap::from([("example.com/team".to_owned(), vec!["x".to_owned()])]),
            audiences: vec!["one".to_owned(), "two".to_owned()],
            warnings: vec![],
        })
    );
}

#[test]
fn a_plain_no_is_a_refusal() {
    for status in [json!({}), json!(null), json!({"authenticated": false}), json!({"user": {"username": "alice"}})] {
        assert_eq!(judged(&status, &[]), refused("the answer is `authenticated: false`", true), "{status}");
    }
}

#[test]
fn a_no_with_one_of_our_causes_is_undecided() {
    for cause in Cause::ALL {
        let status = json!({"authenticated": false, "error": cause.code()});
        assert_eq!(judged(&status, &["one"]), undecided(cause.code()));
    }
}

#[test]
fn a_no_with_any_other_text_is_a_refusal_that_is_not_remembered() {
    for text in ["expired", "invalid bearer token, \u{1b}[2J", "keys_stale "] {
        let said = format!("the webhook says {text:?}");
        assert_eq!(judged(&json!({"authenticated": false, "error": text}), &["one"]), refused(&said, false));
    }
}

#[test]
fn a_yes_with_an_error_stays_a_yes_with_a_warning() {
    let status = json!({"authenticated": true, "error": "odd", "user": {"username": "alice"}});
    assert_eq!(
        judged(&status, &[]),
        alice(&[], &["status.error is set besides `authenticated: true`: kube-apiserver ignores the error"])
    );
}

#[test]
fn an_empty_user_name_is_let_in_and_warned_about() {
    let Judgement::Accepted(accepted) = judged(&json!({"authenticated": true}), &[]) else { panic!() };
    assert_eq!(
        (accepted.username.as_str(), accepted.warnings.as_slice()),
        ("", &["the user name is empty: kube-apiserver lets a nameless user in, with system:authenticated"][..])
    );
}

#[test]
fn powerful_names_and_lossy_keys_are_warned_about() {
    let status = json!({"authenticated": true, "user": {"username": "alice", "groups": ["system:masters"],
        "extra": {"Team": ["x"]}}});
    let Judgement::Accepted(accepted) = judged(&status, &[]) else { panic!() };
    assert_eq!(
        accepted.warnings,
        [
            "a name starts with `system:`: kube-apiserver takes it as it is, with all its powers",
            "an extra key has capital letters: it does not survive impersonation"
        ]
    );
}

#[test]
fn audiences_are_looked_at_before_anything_else() {
    let foreign = refused("the answer's audiences are none of those that were asked for", true);
    let status = json!({"authenticated": true, "user": {"username": "alice"}, "audiences": ["other"]});
    assert_eq!(judged(&status, &["one"]), foreign);
    assert_eq!(judged(&json!({"error": "lost", "audiences": ["other"]}), &["one"]), foreign);
    assert_eq!(judged(&status, &[]), alice(&[], &[]));
}

#[test]
fn an_answer_without_audiences_counts_for_the_api_server_itself() {
    assert_eq!(
        judged(&json!({"authenticated": true, "user": {"username": "alice"}}), &["one"]),
        alice(
            &[],
            &["the answer names no audiences: kube-apiserver takes the token as good for its own (--api-audiences)"]
        )
    );
}

#[test]
fn version_and_kind_must_be_the_questions_or_absent() {
    let status = json!({"authenticated": true, "user": {"username": "alice"}});
    assert_eq!(judged_body(&json!({"status": status}), &[]), alice(&[], &[]));
    assert_eq!(
        judged_body(&json!({"apiVersion": "authentication.k8s.io/v1beta1", "status": status}), &[]),
        undecided("the answer speaks \"authentication.k8s.io/v1beta1\", the question \"authentication.k8s.io/v1\"")
    );
    assert_eq!(
        judged_body(&json!({"apiVersion": "v1", "kind": "Status", "status": "Failure"}), &[]),
        undecided("the answer is not a TokenReview: an object is expected")
    );
    assert_eq!(
        judged_body(&json!({"kind": "Status"}), &[]),
        undecided("the answer is of the kind \"Status\", not \"TokenReview\"")
    );
}

#[test]
fn what_cannot_be_decoded_is_undecided() {
    for (body, why) in [
        ("", "the answer is empty"),
        ("<html>", "the answer is not JSON"),
        ("[]", "the answer is not a TokenReview: an object is expected"),
        ("{\"status\":[]}", "the answer is not a TokenReview: an object is expected"),
        ("{\"status\":{\"user\":[]}}", "the answer is not a TokenReview: an object is expected"),
        (
            "{\"status\":{\"user\":{\"groups\":\"x\"}}}",
            "the answer is not a TokenReview: invalid type: string \"x\", expected a sequence",
        ),
    ] {
        assert_eq!(answer(200, None, body.as_bytes()).judge(ReviewVersion::V1, &[]), undecided(why), "{body}");
    }
}

#[test]
fn http_errors_are_undecided_and_retried_as_kube_apiserver_does() {
    for (code, retry_after, retried) in [
        (204, None, false),
        (301, None, false),
        (400, None, false),
        (401, None, false),
        (404, None, false),
        (415, None, false),
        (429, None, true),
        (500, None, true),
        (502, None, true),
        (503, None, false),
        (503, Some(1), true),
        (503, Some(0), true),
        (504, None, true),
        (400, Some(5), true),
        (400, Some(0), false),
    ] {
        let judgement = answer(code, retry_after, b"").judge(ReviewVersion::V1, &[]);
        let Judgement::Undecided(undecided) = judgement else { panic!("{code}: {judgement:?}") };
        assert_eq!(undecided.retried, retried, "{code} {retry_after:?}");
    }
}

#[test]
fn a_kubernetes_status_speaks_for_its_http_code() {
    let judged = |code, body: Value| answer(code, None, body.to_string().as_bytes()).judge(ReviewVersion::V1, &[]);
    let status = |reason: &str| json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "message": "overloaded", "reason": reason});
    let expected = |why: &str, retried| Judgement::Undecided(Undecided { why: why.to_owned(), retried });
    assert_eq!(judged(500, status("Forbidden")), expected("HTTP 500 Internal Server Error: overloaded", false));
    assert_eq!(judged(403, status("TooManyRequests")), expected("HTTP 403 Forbidden: overloaded", true));
    let mut with_details = status("ServiceUnavailable");
    with_details["details"] = json!({"retryAfterSeconds": 2});
    assert_eq!(judged(503, with_details), expected("HTTP 503 Service Unavailable: overloaded", true));
}

#[test]
fn an_echoed_token_is_blotted_out_everywhere() {
    let body = json!({"spec": {"token": TOKEN}, "status": {"error": format!("no such token: {TOKEN}"),
        "user": {"extra": {"x": [TOKEN]}}}});
    let answer = answer(200, None, body.to_string().as_bytes());
    assert_eq!(
        answer.document,
        Some(json!({"spec": {"token": "(the token)"}, "status": {"error": "no such token: (the token)",
            "user": {"extra": {"x": ["(the token)"]}}}}))
    );
    assert_eq!(answer.judge(ReviewVersion::V1, &[]), refused("the webhook says \"no such token: (the token)\"", false));
}

#[test]
fn a_short_token_blots_out_no_words() {
    let token = BearerToken::from("a");
    let mut document = json!({"token": "a", "name": "alice"});
    blot_out(&mut document, &token);
    assert_eq!(document, json!({"token": "(the token)", "name": "alice"}));
}
