//! One token, one answer: what each kind of token comes to, over the wire.

use std::time::Duration;

use serde_json::json;

use crate::support::{Answer, Rig, accepted, refused};

#[tokio::test]
async fn a_good_token_is_accepted_with_its_user() {
    let rig = Rig::start().await;
    let token = rig.token().claim("jti", "id-1").mint();
    let review = rig.caller.review_raw("v1", token.expose_secret(), &[crate::support::API_AUDIENCE]).await;
    assert_eq!(
        review,
        json!({
            "kind": "TokenReview",
            "apiVersion": "authentication.k8s.io/v1",
            "metadata": {},
            "spec": {},
            "status": {
                "authenticated": true,
                "user": {
                    "username": "oidc:alice",
                    "groups": ["oidc:developers"],
                    "extra": {"authentication.kubernetes.io/credential-id": ["JTI=id-1"]},
                },
                "audiences": [crate::support::API_AUDIENCE],
            },
        })
    );
}

#[tokio::test]
async fn an_expired_token_is_refused_plainly() {
    let rig = Rig::start().await;
    let token = rig.token().expires_at(rig.now().saturating_sub(Duration::from_secs(1))).mint();
    assert_eq!(rig.caller.review(&token).await, refused());
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let rig = Rig::start().await;
    assert_eq!(rig.caller.review(&rig.token().audience("other").mint()).await, refused());
}

#[tokio::test]
async fn d15_the_answer_names_only_what_was_asked_and_can_be_vouched_for() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let for_client = Answer::Accepted { username: "oidc:alice".into(), audiences: vec!["kubernetes".into()] };
    assert_eq!(rig.caller.review_for(&token, &["foreign", "kubernetes"]).await, for_client);
    assert_eq!(rig.caller.review_for(&token, &["foreign"]).await, refused());
    let unasked = Answer::Accepted { username: "oidc:alice".into(), audiences: vec![] };
    assert_eq!(rig.caller.review_for(&token, &[]).await, unasked);
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "from the cache, for other audiences");
}

#[tokio::test]
async fn a9_one_of_many_configured_audiences_is_enough_and_only_those_are_vouched_for() {
    let rig = Rig::start_with(|settings| {
        settings.jwt()["issuer"]["audiences"] = json!(["first", "second", "third"]);
        settings.jwt()["issuer"]["audienceMatchPolicy"] = json!("MatchAny");
    })
    .await;
    for audience in ["first", "second", "third"] {
        assert_eq!(
            rig.caller.review(&rig.token().audience(audience).mint()).await,
            accepted("oidc:alice"),
            "{audience}"
        );
    }
    assert_eq!(rig.caller.review(&rig.token().audience("fourth").mint()).await, refused());
    let token = rig.token().audiences(&["fourth", "third", "first"]).mint();
    let answer = rig.caller.review_for(&token, &["first", "second", "third", "fourth"]).await;
    let expected = ["first", "third"].map(str::to_owned).to_vec();
    assert_eq!(answer, Answer::Accepted { username: "oidc:alice".to_owned(), audiences: expected });
}
