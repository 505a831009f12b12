//! The provider changes its signing keys while people work.

use std::time::Duration;

use crate::support::{
    ApiServer, Countersign, Load, OidcProvider, OldKey, Reviews, Rig, SOON, Settings, Verdict, eventually,
};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn key_rotation_goes_unnoticed_by_kubectl() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let before = provider.tokens.of("before").await;
    countersign.reviewer.accepts(&before).await.unwrap();

    let (kubectl, tokens) = (cluster.kubectl.clone(), provider.tokens.clone());
    let mut load = Load::start(2, move |number| {
        let (kubectl, tokens) = (kubectl.clone(), tokens.clone());
        async move {
            // A new token each time: the API server remembers those that it has seen.
            let token = tokens.of(&format!("user-{number}")).await;
            kubectl.run(&token, &["get", "--raw=/api/v1/namespaces/default"]).await.map(drop)
        }
    });
    load.goes_on(5, SOON).await;
    provider.rotate("ES256", OldKey::Published).await;
    load.goes_on(10, SOON).await;
    assert_eq!(cluster.kubectl.whoami(&provider.tokens.of("after").await).await.unwrap()["username"], "after");
    countersign.reviewer.accepts(&before).await.unwrap();
    load.stop().await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn tokens_of_a_withdrawn_key_are_refused_even_when_they_were_accepted_before() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let before = provider.tokens.of("before").await;
    countersign.reviewer.accepts(&before).await.unwrap();

    provider.rotate("ES256", OldKey::Withdrawn).await;
    let after = provider.tokens.of("after").await;
    eventually("the new key is known", SOON, async || countersign.reviewer.accepts(&after).await).await;
    eventually("the withdrawn key is forgotten", Duration::from_secs(30), async || {
        match countersign.reviewer.verdict(&before).await {
            Verdict::Accepted { .. } => Err("it is still accepted".to_owned()),
            Verdict::Refused | Verdict::CannotTell(_) => Ok(()),
        }
    })
    .await;
}
