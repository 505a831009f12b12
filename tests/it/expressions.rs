//! Expressions in the whole service: who a token becomes by them, and that no expression holds anybody up.

use countersign::app::reload::Outcome;
use serde_json::json;

use crate::support::{API_AUDIENCE, Rig, Settings, accepted, refused};

/// A loop over a claim that costs more than any evaluation may.
const WITHOUT_END: &str =
    "dyn(claims.list).all(a, dyn(claims.list).all(b, dyn(claims.list).all(c, dyn(claims.list).all(d, a != null))))";

fn by_expression(settings: &mut Settings) {
    settings.jwt()["claimMappings"] = json!({
        "username": {"expression": "'oidc:' + claims.sub.lowerAscii()"},
        "groups": {"expression": "dyn(claims.?roles.orValue([])).filter(r, r.startsWith('k8s-')).map(r, 'oidc:' + r)"},
        "uid": {"expression": "string(int(claims.number))"},
        "extra": [
            {"key": "example.org/team", "valueExpression": "claims.?team.orValue('')"},
            {"key": "example.org/zones", "valueExpression": "claims.zones.split(',')"},
        ],
    });
    settings.jwt()["claimValidationRules"] = json!([{"expression": "claims.number > 10", "message": "too small"}]);
    settings.jwt()["userValidationRules"] =
        json!([{"expression": "user.groups.all(g, g != 'oidc:k8s-banned') && !('example.org/x' in user.extra)"}]);
}

#[tokio::test]
async fn a_token_becomes_who_the_expressions_say() {
    let rig = Rig::start_with(by_expression).await;
    let token = rig
        .token()
        .claim("sub", "Alice")
        .claim("roles", json!(["k8s-dev", "other"]))
        .claim("number", 42)
        .claim("zones", "a,b")
        .without_claim("jti")
        .mint();
    let review = rig.caller.review_raw("v1", token.expose_secret(), &[API_AUDIENCE]).await;
    assert_eq!(
        review["status"]["user"],
        json!({
            "username": "oidc:alice",
            "uid": "42",
            "groups": ["oidc:k8s-dev"],
            "extra": {"example.org/zones": ["a", "b"]},
        })
    );
}

#[tokio::test]
async fn a_rule_that_is_not_true_refuses_the_token_with_its_reason() {
    let rig = Rig::start_with(by_expression).await;
    let good = || rig.token().claim("number", 42).claim("zones", "a");
    assert_eq!(rig.caller.review(&good().mint()).await, accepted("oidc:alice"));
    for (name, value, reason) in [
        ("number", json!(10), "claim_rule"),
        ("number", json!("42"), "expression_failed"),
        ("zones", json!(null), "expression_failed"),
        ("roles", json!(["k8s-banned"]), "user_rule"),
    ] {
        let before = rig.reviews("reject", reason).await;
        let token = good().claim(name, value.clone()).mint();
        assert_eq!(rig.caller.review(&token).await, refused(), "{name}: {value}");
        assert_eq!(rig.reviews("reject", reason).await, before + 1.0, "{name}: {value}");
    }
}

#[tokio::test]
async fn d1_an_expression_cannot_make_a_reserved_name() {
    for (field, expression) in [
        ("username", "claims.sub"),
        ("username", "'sys' + 'tem:' + claims.sub"),
        ("groups", "['system:masters']"),
        ("groups", "'SYSTEM:masters'"),
    ] {
        let rig = Rig::start_with(|settings| {
            settings.jwt()["claimMappings"][field] = json!({"expression": expression});
        })
        .await;
        let token = rig.token().claim("sub", "system:admin").mint();
        assert_eq!(rig.caller.review(&token).await, refused(), "{expression}");
        assert_eq!(rig.reviews("reject", "reserved_identity").await, 1.0, "{expression}");
    }
}

#[tokio::test]
async fn c9_an_expression_without_end_is_refused_and_holds_nobody_up() {
    let rig = Rig::start_with(|settings| {
        settings.jwt()["claimValidationRules"] = json!([{"expression": format!("!has(claims.list) || {WITHOUT_END}")}]);
    })
    .await;
    let list: Vec<_> = (0..200).collect();
    let expensive = (0..2).map(|number| rig.token().claim("list", json!(list)).claim("number", number).mint());
    let expensive: Vec<_> = expensive.collect();
    let flood = futures_util::future::join_all(expensive.iter().map(|token| rig.caller.review(token)));
    let (refusals, accepted_meanwhile) = tokio::join!(flood, async {
        let mut answers = Vec::new();
        for number in 0..20 {
            answers.push(rig.caller.review(&rig.token().claim("number", number).mint()).await);
        }
        answers
    });
    assert_eq!(accepted_meanwhile, vec![accepted("oidc:alice"); 20]);
    assert_eq!(refusals, vec![refused(); 2]);
    assert_eq!(rig.reviews("reject", "expression_failed").await, 2.0);
}

#[tokio::test]
async fn c9_a_hostile_file_changes_nothing_and_ends_nothing() {
    let mut rig = Rig::start().await;
    for hostile in [
        format!("{}1{}", "(".repeat(4_000), ")".repeat(4_000)),
        format!("1{}", "+1".repeat(4_000)),
        format!("claims{}", ".a".repeat(4_000)),
        "[0].map(x, ".repeat(500),
        "x".repeat(100_000),
    ] {
        let outcome = rig.reconfigure(|settings| {
            settings.jwt()["claimValidationRules"] = json!([{"expression": hostile}]);
        });
        let Outcome::Refused(problem) = outcome else { panic!("{outcome:?}") };
        assert!(problem.contains("claimValidationRules[0].expression"), "{problem}");
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    }
}

#[tokio::test]
async fn j4_a_changed_rule_holds_at_once_for_remembered_tokens_too() {
    let mut rig = Rig::start().await;
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    let outcome = rig.reconfigure(|settings| {
        settings.jwt()["userValidationRules"] = json!([{"expression": "user.username != 'oidc:alice'"}]);
    });
    assert_eq!(outcome, Outcome::Changed);
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.reviews("reject", "user_rule").await, 1.0);
}
