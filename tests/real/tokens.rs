//! Who is let in by a token, and who is not: from kubectl's end and from the API server's.

use serde_json::json;

use crate::support::{
    API_AUDIENCE, ApiServer, Countersign, OidcProvider, RESOURCE, Reviews, Rig, Settings, Verdict, delegate,
};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn kubectl_is_let_in_or_kept_out_by_its_token() {
    judges_tokens(Reviews::V1).await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn kubectl_is_let_in_or_kept_out_by_its_token_with_v1beta1_reviews() {
    judges_tokens(Reviews::AsByDefault).await;
}

async fn judges_tokens(reviews: Reviews) {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), reviews).await;
    let (tokens, kubectl) = (&provider.tokens, &cluster.kubectl);

    let good = tokens.with(RESOURCE, json!({"sub": "alice", "groups": ["dev"], "jti": "first"})).await;
    assert_eq!(
        kubectl.whoami(&good).await,
        Ok(json!({
            "username": "alice",
            "groups": ["dev", "system:authenticated"],
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=first"]},
        }))
    );
    assert_eq!(
        kubectl.run(&good, &["get", "namespace", "kube-system", "--output=name"]).await,
        Ok("namespace/kube-system\n".to_owned())
    );
    let forbidden = kubectl.run(&good, &["get", "secrets", "--namespace=kube-system"]).await.unwrap_err();
    assert!(forbidden.contains(r#"User "alice" cannot list resource "secrets""#), "{forbidden}");

    let id_token = tokens.id_token("bob").await;
    assert_eq!(
        kubectl.whoami(&id_token).await,
        Ok(json!({"username": "bob", "groups": ["dev", "system:authenticated"]}))
    );

    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other_signature = tokens.of("alice").await.rsplit_once('.').unwrap().1.to_owned();
    assert_ne!(signature, other_signature);
    kubectl.admin(&["create", "serviceaccount", "robot"]).await;
    let service_account = kubectl.admin(&["create", "token", "robot"]).await.trim().to_owned();
    let (service_account_signed, _) = service_account.rsplit_once('.').unwrap();
    let kept_out = [
        ("expired", tokens.with(RESOURCE, json!({"sub": "alice", "iat": 1_700_000_000, "exp": 1_700_000_600})).await),
        ("not yet valid", tokens.with(RESOURCE, json!({"sub": "alice", "nbf": 4_000_000_000_u64})).await),
        ("for another audience", tokens.with("urn:api:other", json!({"sub": "alice"})).await),
        ("for a reserved user", tokens.with(RESOURCE, json!({"sub": "system:admin"})).await),
        ("for a reserved group", tokens.with(RESOURCE, json!({"sub": "alice", "groups": ["system:masters"]})).await),
        ("for nobody", tokens.with(RESOURCE, json!({"sub": ""})).await),
        ("of another issuer", tokens.with(RESOURCE, json!({"sub": "alice", "iss": "https://elsewhere.test"})).await),
        ("with another token's signature", format!("{signed}.{other_signature}")),
        ("of a service account, forged", format!("{service_account_signed}.{other_signature}")),
        ("without a signature", format!("{signed}.")),
        ("junk", "junk".to_owned()),
    ];
    for (what, token) in &kept_out {
        let refusal = kubectl.whoami(token).await.expect_err(what);
        assert!(refusal.contains("Unauthorized"), "{what}: {refusal}");
        assert_eq!(countersign.reviewer.verdict(token).await, Verdict::Refused, "{what}");
    }
    // The API server remembers every one of these refusals, so nobody can make it ask over and over.
    let asked = countersign.reviews().await;
    for (what, token) in &kept_out {
        kubectl.whoami(token).await.expect_err(what);
    }
    assert_eq!(countersign.reviews().await, asked);

    let log = countersign.log();
    for (what, token) in kept_out.iter().filter(|(what, _)| *what != "junk") {
        assert!(!log.contains(token), "the token {what} is in the log");
    }
    assert!(!log.contains(&good) && !log.contains(&id_token), "a good token is in the log");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn review_asked_of_the_api_server_holds_only_for_the_audiences_that_the_token_is_for() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let token = provider.tokens.of("alice").await;

    let asked = [
        (vec![API_AUDIENCE], Some(vec![API_AUDIENCE])),
        (vec![RESOURCE], Some(vec![RESOURCE])),
        (vec!["https://elsewhere.test", RESOURCE], Some(vec![RESOURCE])),
        (vec!["https://elsewhere.test"], None),
        (vec!["urn:api:rs256"], None),
    ];
    for (audiences, expected) in asked {
        let flags: Vec<String> = audiences.iter().map(|audience| format!("-audience={audience}")).collect();
        let review = delegate(cluster.kubectl.admin_kubeconfig(), &flags, &token).await.unwrap();
        let vouched_for = match Verdict::of(&review) {
            Verdict::Accepted { audiences, .. } => Some(audiences),
            Verdict::Refused | Verdict::CannotTell(_) => None,
        };
        assert_eq!(vouched_for, expected.map(|audiences| json!(audiences)), "asked for {audiences:?}");
    }
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn tokens_are_accepted_whatever_algorithm_the_provider_signs_with() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    for resource in ["urn:api:rs256", "urn:api:ps256", "urn:api:es256", "urn:api:es384", "urn:api:eddsa"] {
        let token = provider.tokens.with(resource, json!({"sub": "alice", "groups": ["dev"], "jti": resource})).await;
        assert_eq!(
            countersign.reviewer.verdict_for(&token, &[API_AUDIENCE, resource, "https://elsewhere.test"]).await,
            Verdict::Accepted {
                user: json!({
                    "username": "alice",
                    "groups": ["dev"],
                    "extra": {"authentication.kubernetes.io/credential-id": [format!("JTI={resource}")]},
                }),
                audiences: json!([API_AUDIENCE, resource]),
            }
        );
    }
}
