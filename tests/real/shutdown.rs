//! A replica is told to end while it is being asked.

use crate::support::{
    ApiServer, Countersign, Load, OidcProvider, Reviewer, Reviews, Rig, SOON, Service, Settings, Verdict, webhook,
};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn termination_loses_no_review_in_flight() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let mut countersign = Countersign::start(&rig, &settings).await;
    let token = provider.tokens.of("alice").await;

    let mut http2 = until_refused(&countersign.reviewer, &token);
    let mut http1 = until_refused(&countersign.http1_reviewer(&rig), &token);
    http2.goes_on(200, SOON).await;
    http1.goes_on(200, SOON).await;
    countersign.signal("TERM");
    let status = countersign.ended(SOON).await;
    assert!(status.success(), "{status}");
    http2.stop().await;
    http1.stop().await;
}

/// Reviews one after another by several workers; nobody listening any more is no failure, anything else is.
fn until_refused(reviewer: &Reviewer, token: &str) -> Load {
    let (reviewer, token) = (reviewer.clone(), token.to_owned());
    Load::start(4, move |_| {
        let (reviewer, token) = (reviewer.clone(), token.clone());
        async move {
            match reviewer.try_verdict(&token, &[]).await {
                Ok(Verdict::Accepted { .. }) => Ok(()),
                Ok(verdict) => Err(format!("{verdict:?}")),
                Err(error) if error.is_connect() => Ok(()),
                Err(error) => Err(format!("{error:?}")),
            }
        }
    })
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn replicas_restarted_one_after_the_other_go_unnoticed_by_kubectl() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let mut replicas = Vec::new();
    for name in ["countersign-a", "countersign-b"] {
        let mut replica = Countersign::launch(&rig, name, &settings).await;
        replica.ready().await;
        replicas.push(replica);
    }
    let endpoints = replicas.iter().map(Countersign::endpoint).collect();
    let service = Service::start(&rig, endpoints).await;
    let cluster = ApiServer::start(&rig, &webhook(&rig, service.port()), Reviews::V1).await;

    let (kubectl, tokens) = (cluster.kubectl.clone(), provider.tokens.clone());
    let mut load = Load::start(2, move |number| {
        let (kubectl, tokens) = (kubectl.clone(), tokens.clone());
        async move { kubectl.whoami(&tokens.of(&format!("user-{number}")).await).await.map(drop) }
    });
    // Denser than kubectl can be: there is always a review in flight.
    let (reviewer, tokens) = (service.reviewer(&rig), provider.tokens.clone());
    let mut reviews = Load::start(4, move |number| {
        let (reviewer, tokens) = (reviewer.clone(), tokens.clone());
        async move { reviewer.accepts(&tokens.of(&format!("reviewed-{number}")).await).await }
    });
    load.goes_on(3, SOON).await;
    for replica in &mut replicas {
        replica.signal("TERM");
        assert!(replica.ended(SOON).await.success());
        load.goes_on(3, SOON).await;
        reviews.goes_on(20, SOON).await;
        replica.relaunch().await;
        replica.ready().await;
    }
    load.goes_on(3, SOON).await;
    load.stop().await;
    reviews.stop().await;
}
