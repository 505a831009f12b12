//! Certificates and configuration change on disk while people work.

use serde_json::json;

use crate::support::{
    ApiServer, Countersign, Issuer, Kubectl, Load, OidcProvider, Reviewer, Reviews, Rig, SOON, Settings, Tokens,
    Verdict, eventually,
};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn renewed_certificate_is_served_without_a_failed_call() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let mut people = people(&cluster.kubectl, &provider.tokens);
    let mut reviews = reviews(&countersign.reviewer, &provider.tokens);
    people.goes_on(3, SOON).await;

    let old = countersign.served_certificate(&rig).await;
    countersign.renew_certificate(&rig);
    eventually("the new certificate is served", SOON, async || {
        let served = countersign.served_certificate(&rig).await;
        if served == old { Err("it is the old one".to_owned()) } else { Ok(()) }
    })
    .await;
    people.goes_on(3, SOON).await;
    reviews.goes_on(50, SOON).await;
    people.stop().await;
    reviews.stop().await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn changed_configuration_takes_effect_without_a_failed_call_and_a_broken_one_does_not() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let token = provider.tokens.of("alice").await;
    countersign.reviewer.accepts(&token).await.unwrap();
    let mut people = people(&cluster.kubectl, &provider.tokens);
    let mut reviews = reviews(&countersign.reviewer, &provider.tokens);
    people.goes_on(3, SOON).await;

    countersign.replace_issuers(&[Issuer { prefix: "oidc:".to_owned(), ..provider.issuer() }]);
    eventually("names get the new prefix, also those that were remembered", SOON, async || {
        let verdict = countersign.reviewer.verdict(&token).await;
        if verdict.username() == Some("oidc:alice") { Ok(()) } else { Err(format!("{verdict:?}")) }
    })
    .await;
    reviews.goes_on(50, SOON).await;

    countersign
        .replace_authentication("apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [");
    eventually("the broken configuration is reported", SOON, async || {
        if countersign.failed_reloads().await > 0 { Ok(()) } else { Err("no failed reload is counted".to_owned()) }
    })
    .await;
    reviews.goes_on(50, SOON).await;
    people.goes_on(3, SOON).await;
    assert_eq!(countersign.reviewer.verdict(&token).await.username(), Some("oidc:alice"));

    countersign.replace_issuers(&[Issuer { prefix: "idp:".to_owned(), ..provider.issuer() }]);
    eventually("a good configuration is taken again", SOON, async || {
        let verdict = countersign.reviewer.verdict(&token).await;
        if verdict.username() == Some("idp:alice") { Ok(()) } else { Err(format!("{verdict:?}")) }
    })
    .await;
    people.stop().await;
    reviews.stop().await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn changed_service_configuration_takes_effect_without_a_failed_call() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let token = provider.tokens.with("urn:api:rs256", json!({"sub": "alice"})).await;
    countersign.reviewer.accepts(&token).await.unwrap();
    let mut reviews = reviews(&countersign.reviewer, &provider.tokens);
    reviews.goes_on(10, SOON).await;

    countersign.edit_configuration("keys: {", "signingAlgorithms: [ES256]\n  keys: {");
    eventually("RS256 is taken off the list", SOON, async || match countersign.reviewer.verdict(&token).await {
        Verdict::Refused => Ok(()),
        verdict => Err(format!("{verdict:?}")),
    })
    .await;
    reviews.goes_on(50, SOON).await;
    reviews.stop().await;
}

/// kubectl, over and over, each time with a token that nobody has seen before.
fn people(kubectl: &Kubectl, tokens: &Tokens) -> Load {
    let (kubectl, tokens) = (kubectl.clone(), tokens.clone());
    Load::start(1, move |number| {
        let (kubectl, tokens) = (kubectl.clone(), tokens.clone());
        async move { kubectl.whoami(&tokens.of(&format!("user-{number}")).await).await.map(drop) }
    })
}

/// Reviews over one connection, each of a new token.
fn reviews(reviewer: &Reviewer, tokens: &Tokens) -> Load {
    let (reviewer, tokens) = (reviewer.clone(), tokens.clone());
    Load::start(2, move |number| {
        let (reviewer, tokens) = (reviewer.clone(), tokens.clone());
        async move { reviewer.accepts(&tokens.of(&format!("reviewed-{number}")).await).await }
    })
}
