//! Other providers than the one the other tests use, and several at once.

use serde_json::json;

use crate::support::{
    API_AUDIENCE, ApiServer, Countersign, Glewlwyd, Issuer, OidcProvider, Reviews, Rig, Settings, Verdict,
};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn glewlwyd_tokens_signed_with_rs256_are_judged() {
    judges_tokens_of_glewlwyd("RS256").await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn glewlwyd_tokens_signed_with_es256_are_judged() {
    judges_tokens_of_glewlwyd("ES256").await;
}

async fn judges_tokens_of_glewlwyd(algorithm: &str) {
    let rig = Rig::new();
    let glewlwyd = Glewlwyd::start(&rig, algorithm).await;
    let settings = Settings { issuers: vec![glewlwyd.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;

    let good = glewlwyd.token("https://cluster.test").await;
    let verdict = countersign.reviewer.verdict_for(&good, &[API_AUDIENCE, "https://cluster.test"]).await;
    let Verdict::Accepted { user, audiences } = verdict else { panic!("{verdict:?}") };
    assert_eq!((&user["username"], &user["groups"]), (&json!("svc"), &json!(null)));
    assert_eq!(audiences, json!([API_AUDIENCE, "https://cluster.test"]));

    let foreign = glewlwyd.token("https://elsewhere.test").await;
    assert_eq!(countersign.reviewer.verdict(&foreign).await, Verdict::Refused);
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn each_token_is_judged_by_its_own_issuer() {
    let rig = Rig::new();
    let (provider, glewlwyd) = (OidcProvider::start(&rig).await, Glewlwyd::start(&rig, "RS256").await);
    let settings = Settings {
        issuers: vec![
            Issuer { prefix: "people:".to_owned(), ..provider.issuer() },
            Issuer { prefix: "machines:".to_owned(), ..glewlwyd.issuer() },
        ],
        ..Settings::default()
    };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::AsByDefault).await;

    let person = provider.tokens.of("alice").await;
    let machine = glewlwyd.token("https://cluster.test").await;
    assert_eq!(cluster.kubectl.whoami(&person).await.unwrap()["username"], "people:alice");
    assert_eq!(cluster.kubectl.whoami(&machine).await.unwrap()["username"], "machines:svc");

    // Signed by one provider in the other's name.
    let posing = provider.tokens.with("urn:api:rs256", json!({"sub": "svc", "iss": glewlwyd.issuer().url})).await;
    assert_ne!(countersign.reviewer.verdict(&posing).await.username(), Some("machines:svc"));
    let refusal = cluster.kubectl.whoami(&posing).await.unwrap_err();
    assert!(refusal.contains("Unauthorized"), "{refusal}");
}
