//! The provider goes away, for a while or before countersign could ever ask it.

use std::time::Duration;

use crate::support::{ApiServer, Countersign, OidcProvider, Reviews, Rig, SOON, Settings, Verdict, eventually};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn tokens_of_known_keys_are_accepted_while_the_provider_is_down() {
    let rig = Rig::new();
    let mut provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let kubectl = &cluster.kubectl;
    let seen = provider.tokens.of("seen").await;
    let unseen = provider.tokens.of("unseen").await;
    assert_eq!(kubectl.whoami(&seen).await.unwrap()["username"], "seen");

    provider.stop();
    notices_outage(&countersign, &provider).await;
    assert_eq!(kubectl.whoami(&seen).await.unwrap()["username"], "seen");
    assert_eq!(kubectl.whoami(&unseen).await.unwrap()["username"], "unseen");
    assert_eq!(countersign.reviewer.verdict("junk").await, Verdict::Refused);

    provider.restart().await;
    notices_recovery(&countersign, &provider).await;
    let fresh = provider.tokens.of("fresh").await;
    assert_eq!(kubectl.whoami(&fresh).await.unwrap()["username"], "fresh");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn provider_that_answers_nothing_holds_nobody_up() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let mut unseen = Vec::new();
    for number in 0..20 {
        unseen.push(provider.tokens.of(&format!("user-{number}")).await);
    }

    provider.freeze();
    notices_outage(&countersign, &provider).await;
    for token in &unseen {
        let verdict = tokio::time::timeout(Duration::from_secs(2), countersign.reviewer.accepts(token)).await;
        assert_eq!(verdict, Ok(Ok(())));
    }
    provider.thaw();
    notices_recovery(&countersign, &provider).await;
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn token_refused_before_keys_could_be_fetched_is_accepted_right_after() {
    let rig = Rig::new();
    let mut provider = OidcProvider::start(&rig).await;
    let token = provider.tokens.of("alice").await;
    provider.stop();
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::launch(&rig, "countersign", &settings).await;
    // It remembers a refusal for two minutes: longer than this test may take.
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;

    let refusal = cluster.kubectl.whoami(&token).await.unwrap_err();
    assert!(refusal.contains("Unauthorized"), "{refusal}");
    let verdict = countersign.reviewer.verdict(&token).await;
    assert!(matches!(verdict, Verdict::CannotTell(_)), "{verdict:?}");

    provider.restart().await;
    eventually("the keys are fetched", SOON, async || countersign.reviewer.accepts(&token).await).await;
    assert_eq!(cluster.kubectl.whoami(&token).await.unwrap()["username"], "alice");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn restart_during_an_outage_locks_nobody_out() {
    let rig = Rig::new();
    let mut provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], state_directory: true };
    let mut countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let token = provider.tokens.of("alice").await;
    let another = provider.tokens.of("bob").await;

    provider.stop();
    countersign.signal("TERM");
    assert!(countersign.ended(SOON).await.success());
    countersign.relaunch().await;
    countersign.ready().await;
    assert_eq!(cluster.kubectl.whoami(&token).await.unwrap()["username"], "alice");

    // Whoever pulls the plug leaves the same state behind.
    countersign.signal("KILL");
    countersign.ended(SOON).await;
    countersign.relaunch().await;
    countersign.ready().await;
    assert_eq!(cluster.kubectl.whoami(&another).await.unwrap()["username"], "bob");
}

/// Waits until `/readyz?verbose` tells that this provider cannot be reached; it stays a yes, for its keys are known.
async fn notices_outage(countersign: &Countersign, provider: &OidcProvider) {
    let url = provider.issuer().url;
    eventually("readiness tells of the outage", SOON, async || {
        let (ready, text) = countersign.readiness().await?;
        assert!(ready, "not ready, although the keys are known: {text}");
        if complains(&text, &url) { Ok(()) } else { Err(text) }
    })
    .await;
}

/// Waits until `/readyz?verbose` has nothing to say against this provider.
async fn notices_recovery(countersign: &Countersign, provider: &OidcProvider) {
    let url = provider.issuer().url;
    eventually("readiness tells of the recovery", SOON, async || {
        let (ready, text) = countersign.readiness().await?;
        if ready && !complains(&text, &url) { Ok(()) } else { Err(text) }
    })
    .await;
}

fn complains(verbose: &str, url: &str) -> bool {
    verbose.lines().any(|line| line.contains(url) && line.contains("failed"))
}
