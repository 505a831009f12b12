//! An issuer's keys over time: the first ones, new ones, withdrawn ones, and those that nobody confirms any more.

use std::sync::Arc;
use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, Endpoint, Fault, SigningKey};
use futures_util::future::join_all;
use http::{HeaderValue, header};
use serde_json::json;

use crate::support::{Answer, Log, Rig, accepted, issuer, refused, tally, undecided, within_reason};

/// Longer than the time between two fetches that unknown keys may cause.
const COOL_DOWN: Duration = Duration::from_secs(31);

#[tokio::test]
async fn g11_reviews_before_the_first_keys_wait_for_them_and_cost_one_fetch() {
    let issuer = issuer().await;
    let tokens: Vec<_> = (0..200).map(|_| issuer.token(SystemClock.now()).mint()).collect();
    issuer.fail(Endpoint::Keys, Fault::Hang);
    let rig = Rig::launch(issuer, |_| {}).await;
    let reviews = join_all(tokens.iter().map(|token| rig.caller.review(token)));
    let release = async {
        rig.issuer.wait_for(Endpoint::Keys, 1).await;
        // Some of them: on a busy machine the first ones would not wait for the last.
        rig.until_in_flight(20).await;
        rig.issuer.heal(Endpoint::Keys);
    };
    let (answers, ()) = tokio::join!(reviews, release);
    assert_eq!(tally(answers), [(accepted("oidc:alice"), 200)]);
    assert_eq!((rig.issuer.count(Endpoint::Discovery), rig.issuer.count(Endpoint::Keys)), (1, 1));
}

#[tokio::test]
async fn g11_a_provider_that_is_down_at_start_is_a_cannot_tell_until_it_comes_back() {
    let mut issuer = issuer().await;
    issuer.go_down().await.unwrap();
    let mut rig = Rig::launch(issuer, |_| {}).await;
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, undecided("keys_unavailable"));
    let (status, text) = rig.admin("/readyz").await;
    assert_eq!(status, 503, "{text}");
    assert!(text.contains(&format!("[-]issuer/{} failed: no usable keys: no answer from", rig.issuer.url())), "{text}");
    assert_eq!(rig.admin("/livez").await.0, 200, "a restart would not bring the provider back");

    rig.issuer.come_back().await.unwrap();
    within_reason("the service is ready", rig.until_ready()).await;
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "nothing remembers the outage");
}

#[tokio::test]
async fn g10_an_outage_is_bridged_with_the_keys_that_are_known() {
    let mut rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    rig.issuer.go_down().await.unwrap();
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "a token that was never seen");
    assert_eq!(rig.admin("/readyz").await, (200, "ok".to_owned()));
    let line = rig.check_of(rig.issuer.url()).await;
    assert!(line.starts_with("[-]issuer/") && line.contains("refreshing its keys fails"), "{line}");
    rig.issuer.come_back().await.unwrap();
    rig.until("the check passes", async || rig.check_of(rig.issuer.url()).await.starts_with("[+]")).await;
}

#[tokio::test]
async fn f7_a_new_key_is_taken_at_once_and_costs_one_fetch() {
    let rig = Rig::start().await;
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let requests = (rig.issuer.count(Endpoint::Discovery), rig.issuer.count(Endpoint::Keys));
    assert_eq!(requests, (1, 2), "the keys alone, once more");
}

#[tokio::test]
async fn g1_unknown_keys_that_come_together_share_one_fetch() {
    let rig = Rig::start().await;
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.fail(Endpoint::Keys, Fault::Hang);
    let tokens: Vec<_> = (0..50).map(|_| rig.token().mint()).collect();
    let reviews = join_all(tokens.iter().map(|token| rig.caller.review(token)));
    let release = async {
        rig.until_in_flight(10).await;
        rig.issuer.heal(Endpoint::Keys);
    };
    let (answers, ()) = tokio::join!(reviews, release);
    assert_eq!(tally(answers), [(accepted("oidc:alice"), 50)]);
    assert_eq!(rig.issuer.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn g1_a_flood_of_unknown_keys_costs_one_fetch_in_each_cool_down() {
    let rig = Rig::start().await;
    let forged = |number: usize| rig.token().kid(&format!("forged-{number}")).mint();
    assert_eq!(rig.caller.review(&forged(0)).await, refused(), "a fresh set has no such key");
    assert_eq!(rig.issuer.count(Endpoint::Keys), 2);

    let good = rig.token().mint();
    let flood: Vec<_> = (1..500).map(forged).collect();
    let (answers, answer) =
        tokio::join!(join_all(flood.iter().map(|token| rig.caller.review(token))), rig.caller.review(&good));
    assert_eq!(tally(answers), [(undecided("keys_unknown"), 499)]);
    assert_eq!(answer, accepted("oidc:alice"), "those who have nothing to do with it notice nothing");
    assert_eq!(rig.issuer.count(Endpoint::Keys), 2);

    rig.clock.advance(COOL_DOWN);
    assert_eq!(rig.caller.review(&forged(500)).await, refused());
    assert_eq!(rig.caller.review(&forged(501)).await, undecided("keys_unknown"));
    assert_eq!(rig.issuer.count(Endpoint::Keys), 3);
}

#[tokio::test]
async fn g1_a_fetch_that_failed_is_tried_again_soon_and_not_after_the_cool_down() {
    let rig = Rig::start().await;
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.fail(Endpoint::Keys, Fault::Answer(503, String::new()));
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, undecided("keys_unknown"));
    rig.issuer.heal(Endpoint::Keys);
    rig.clock.advance(Duration::from_secs(3));
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn g2_a_bad_signature_by_a_known_key_causes_no_fetch() {
    let rig = Rig::start().await;
    assert_eq!(rig.caller.review(&rig.token().signature(&[1; 64]).mint()).await, refused());
    let impostor = key(rig.issuer.key().kid());
    assert_eq!(rig.caller.review(&rig.token().signed_by(&impostor).mint()).await, refused());
    assert_eq!(rig.reviews("reject", "bad_signature").await, 2.0);
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1);
}

#[tokio::test]
async fn g3_a_key_that_was_withdrawn_is_refused_after_the_next_refresh_also_from_the_cache() {
    let rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    let withdrawn = rig.issuer.key();
    let cached = rig.token().mint();
    let fresh = rig.token().mint();
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.drop_key(withdrawn.kid());
    rig.until_refreshes(&rig.issuer, "changed", 2).await;
    assert_eq!(rig.caller.review(&cached).await, refused());
    assert_ne!(rig.caller.review(&fresh).await, accepted("oidc:alice"));
    rig.clock.advance(COOL_DOWN);
    assert_eq!(rig.caller.review(&fresh).await, refused());
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "by the new key");
}

#[tokio::test]
async fn g3_a_key_that_was_withdrawn_is_gone_with_a_fetch_that_somebody_else_caused() {
    let rig = Rig::start().await;
    let withdrawn = rig.issuer.key();
    let cached = rig.token().mint();
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.drop_key(withdrawn.kid());
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&cached).await, undecided("keys_unknown"), "asking again has to wait");
    rig.clock.advance(COOL_DOWN);
    assert_eq!(rig.caller.review(&cached).await, refused());
}

#[tokio::test]
async fn g3_keys_that_nobody_confirmed_for_too_long_decide_nothing() {
    let mut rig = Rig::start_with(|settings| {
        settings.of_issuer()["keys"] = json!({"refreshInterval": "1s", "maxStaleness": "30m"});
    })
    .await;
    rig.issuer.go_down().await.unwrap();
    let started = rig.token().mint();
    assert_eq!(rig.caller.review(&started).await, accepted("oidc:alice"));
    rig.until_refreshes(&rig.issuer, "failed", 1).await;

    rig.clock.advance(Duration::from_secs(30 * 60 - 1));
    assert_eq!(rig.caller.review(&started).await, accepted("oidc:alice"), "up to the last second");
    let cached = rig.token().mint();
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.caller.review(&cached).await, undecided("keys_stale"), "from the cache");
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_stale"));
    assert_eq!(rig.caller.review(&rig.token().kid("new").mint()).await, undecided("keys_stale"));
    assert_eq!(rig.admin("/readyz").await.0, 503);

    rig.issuer.come_back().await.unwrap();
    within_reason("the service is ready", rig.until_ready()).await;
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn g5_a_set_that_shrank_is_taken_with_a_remark() {
    let log = Log::capture();
    let rig = Rig::start().await;
    let first = rig.issuer.key();
    for _ in 0..2 {
        rig.issuer.rotate(Algorithm::Es256).unwrap();
    }
    let doomed = rig.token().mint();
    assert_eq!(rig.caller.review(&doomed).await, accepted("oidc:alice"));
    let rest = key("the-only-one");
    rig.issuer.publish(json!({"keys": [rest.jwk()]}).to_string());
    rig.clock.advance(COOL_DOWN);
    let by_rest = rig.token().signed_by(&rest).mint();
    assert_eq!(rig.caller.review(&by_rest).await, accepted("oidc:alice"));
    assert!(log.has(&["WARN", "the set shrank from 3 keys to 1", rig.issuer.url()]), "{}", log.text());
    for withdrawn in [doomed, rig.token().signed_by(&first).mint()] {
        assert_eq!(rig.caller.review(&withdrawn).await, undecided("keys_unknown"));
    }
}

#[tokio::test]
async fn b15_secrets_in_a_key_set_are_an_alarm_and_no_key() {
    let log = Log::capture();
    let issuer = issuer().await;
    let mut private = issuer.key().jwk();
    private["d"] = json!("AAAA");
    let secret = json!({"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"});
    issuer.publish(json!({"keys": [private, secret]}).to_string());
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_ready().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let confused = rig.token().kid("shared").hmac(b"secret-secret-secret-secret-secret").mint();
    assert_eq!(rig.caller.review(&confused).await, refused());
    assert!(log.has(&["WARN", "es256-0", "the private key is published"]), "{}", log.text());
    assert!(log.has(&["WARN", "shared", "a symmetric key is published"]), "{}", log.text());
}

#[tokio::test]
async fn g12_a_set_that_did_not_change_costs_a_not_modified() {
    let issuer = issuer().await;
    issuer.send_etag(Endpoint::Keys);
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_ready().await;
    assert_eq!(rig.caller.review(&rig.token().kid("unknown").mint()).await, refused());
    let asked_with =
        |rig: &Rig| rig.issuer.requests().borrow().last_headers(Endpoint::Keys).get(header::IF_NONE_MATCH).cloned();
    assert!(asked_with(&rig).is_some());
    assert_eq!(rig.refreshes(&rig.issuer, "unchanged").await, 1.0);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));

    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.clock.advance(COOL_DOWN);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "a changed set comes whole");
}

#[tokio::test]
async fn g4_a_set_that_was_refused_is_never_confirmed_by_a_not_modified() {
    let rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    // Both sets come under one tag, as a server that makes tags of dates would send them.
    rig.issuer.send_header(Endpoint::Keys, header::ETAG, HeaderValue::from_static("\"today\""));
    rig.until_refreshes(&rig.issuer, "unchanged", 1).await;
    rig.issuer.fail(Endpoint::Keys, Fault::EmptyKeys);
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    rig.issuer.fail(Endpoint::Keys, Fault::Answer(304, String::new()));
    let failed = rig.refreshes(&rig.issuer, "failed").await;
    rig.until("another failure", async || rig.refreshes(&rig.issuer, "failed").await > failed).await;
    let asked_with = rig.issuer.requests().borrow().last_headers(Endpoint::Keys).get(header::IF_NONE_MATCH).cloned();
    assert_eq!(asked_with, None);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn g12_an_entity_tag_stays_at_its_own_address() {
    let issuer = issuer().await;
    issuer.send_etag(Endpoint::Keys);
    let rig = Rig::launch(issuer, |settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    rig.until_ready().await;
    rig.until_refreshes(&rig.issuer, "unchanged", 1).await;
    let asked_with = || rig.issuer.requests().borrow().last_headers(Endpoint::Keys).get(header::IF_NONE_MATCH).cloned();
    assert!(asked_with().is_some());
    rig.issuer.fail(Endpoint::Discovery, Fault::JwksUri(format!("{}/jwks?moved", rig.issuer.url())));
    rig.until("asked without a tag", async || asked_with().is_none()).await;
    rig.until("asked with a tag again", async || asked_with().is_some()).await;
    assert_eq!(rig.refreshes(&rig.issuer, "failed").await, 0.0);
}

#[tokio::test]
async fn b6_a_token_without_kid_is_judged_only_if_one_key_can_be_meant() {
    let rig = Rig::start().await;
    let anonymous = || rig.token().without_header("kid").mint();
    assert_eq!(rig.caller.review(&anonymous()).await, accepted("oidc:alice"));
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "by kid, which has it fetched");
    assert_eq!(rig.caller.review(&anonymous()).await, refused(), "two keys would do, and none is tried");
    assert_eq!(rig.reviews("reject", "key_ambiguous").await, 1.0);
}

#[tokio::test]
async fn b5_two_keys_under_one_name_are_not_tried_one_after_the_other() {
    let rig = Rig::start().await;
    let known = rig.issuer.key();
    let double = key(known.kid());
    let other = key("other");
    let jwks = [&known, &double, &other].map(|key| key.jwk());
    rig.issuer.publish(json!({"keys": jwks}).to_string());
    assert_eq!(rig.caller.review(&rig.token().signed_by(&other).mint()).await, accepted("oidc:alice"));
    for key in [&known, &double] {
        let answer = rig.caller.review(&rig.token().signed_by(key).mint()).await;
        assert_eq!(answer, undecided("keys_unknown"), "the issuer's next set may have made it clear");
    }
    rig.issuer.publish_keys();
    rig.clock.advance(COOL_DOWN);
    let answer: Answer = rig.caller.review(&rig.token().signed_by(&known).mint()).await;
    assert_eq!(answer, accepted("oidc:alice"));
}

/// A key that no issuer made.
fn key(kid: &str) -> Arc<SigningKey> {
    Arc::new(SigningKey::generate(Algorithm::Es256, kid).unwrap())
}
