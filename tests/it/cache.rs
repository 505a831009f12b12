//! What is remembered of a verdict, for how long, and what ends it sooner: seen from outside, by what is judged again.

use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::dev::issuer::{Algorithm, Endpoint, Fault, SigningKey};
use futures_util::future::join_all;
use serde_json::json;

use crate::support::{Answer, Rig, accepted, issuer, refused, tally, undecided, within_reason};

#[tokio::test]
async fn a_token_is_judged_once_and_then_remembered_for_every_audience() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    for _ in 0..3 {
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    }
    assert_eq!(rig.caller.review_for(&token, &["foreign"]).await, refused());
    assert_eq!(rig.verifications(&rig.issuer).await, 1.0);
    assert_eq!(rig.metric("countersign_cache_misses_total").await, 1.0);
    assert_eq!(rig.metric("countersign_cache_hits_total").await, 3.0);
}

#[tokio::test]
async fn f1_a_token_that_differs_only_in_its_signature_is_another_one() {
    let rig = Rig::start().await;
    let token = rig.token();
    let good = token.mint();
    assert_eq!(rig.caller.review(&good).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&token.clone().signature(&[7; 64]).mint()).await, refused());
    let (head, signature) = good.expose_secret().rsplit_once('.').unwrap();
    let mut other = signature.to_owned();
    other.replace_range(0..1, if signature.starts_with('A') { "B" } else { "A" });
    assert_eq!(rig.caller.review(&format!("{head}.{other}").as_str().into()).await, refused());
    assert_eq!(rig.caller.review(&good).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn f4_a_remembered_token_ends_with_its_exp() {
    let rig = Rig::start().await;
    let token = rig.token().expires_at(rig.now().saturating_add(Duration::from_secs(60))).mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.clock.advance(Duration::from_secs(59));
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    assert_eq!(rig.verifications(&rig.issuer).await, 1.0, "to its last second, from memory");
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.reviews("reject", "expired").await, 1.0);
}

#[tokio::test]
async fn f4_c5_what_is_good_by_clock_skew_alone_is_not_remembered() {
    let rig = Rig::start_with(|settings| settings.of_issuer()["clockSkew"] = json!("30s")).await;
    let token = rig.token().expires_at(rig.now().saturating_add(Duration::from_secs(60))).mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.clock.advance(Duration::from_secs(60));
    for verifications in [2.0, 3.0] {
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
        assert_eq!(rig.verifications(&rig.issuer).await, verifications);
    }
    rig.clock.advance(Duration::from_secs(30));
    assert_eq!(rig.caller.review(&token).await, refused());
}

#[tokio::test]
async fn a_token_is_judged_again_after_accept_ttl_and_a_refused_one_after_reject_ttl() {
    let rig = Rig::start().await;
    let (good, bad) = (rig.token().mint(), rig.token().signature(&[1; 64]).mint());
    let ask = async || {
        assert_eq!(rig.caller.review(&good).await, accepted("oidc:alice"));
        assert_eq!(rig.caller.review(&bad).await, refused());
        rig.verifications(&rig.issuer).await
    };
    assert_eq!([ask().await, ask().await], [2.0, 2.0]);
    rig.clock.advance(Duration::from_secs(10));
    assert_eq!([ask().await, ask().await], [3.0, 3.0], "the refused one");
    rig.clock.advance(Duration::from_secs(290));
    assert_eq!([ask().await, ask().await], [5.0, 5.0], "both");
}

#[tokio::test]
async fn f5_new_keys_have_every_token_judged_again() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let before = rig.verifications(&rig.issuer).await;
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    assert_eq!(rig.verifications(&rig.issuer).await, before + 1.0);
}

#[tokio::test]
async fn f7_a_token_that_came_before_its_key_is_good_as_soon_as_the_key_is_there() {
    let rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    let early = std::sync::Arc::new(SigningKey::generate(Algorithm::Es256, "early").unwrap());
    let token = |number: u32| rig.token().signed_by(&early).claim("jti", number.to_string()).mint();
    let (first, second, third) = (token(1), token(2), token(3));
    assert_eq!(rig.caller.review(&first).await, refused(), "a set that was fetched for it has no such key");
    assert_eq!(rig.caller.review(&first).await, refused(), "from memory");
    assert_eq!(rig.caller.review(&second).await, undecided("keys_unknown"), "asking again has to wait");

    rig.issuer.publish(json!({"keys": [rig.issuer.key().jwk(), early.jwk()]}).to_string());
    rig.until_refreshes(&rig.issuer, "changed", 2).await;
    // The rig's clock has not moved: whatever remembers a refusal would still do so.
    for token in [first, second, third] {
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    }
}

#[tokio::test]
async fn f7_what_could_not_be_told_is_asked_again_each_time() {
    let rig = Rig::start().await;
    let unknown = rig.token().kid("other").mint();
    assert_eq!(rig.caller.review(&rig.token().kid("first").mint()).await, refused());
    for misses in [2.0, 3.0, 4.0] {
        assert_eq!(rig.caller.review(&unknown).await, undecided("keys_unknown"));
        assert_eq!(rig.metric("countersign_cache_misses_total").await, misses);
    }
    let soon = rig.token().not_before(rig.now().saturating_add(Duration::from_secs(20))).mint();
    assert_eq!(rig.caller.review(&soon).await, undecided("not_yet_valid_soon"));
    rig.clock.advance(Duration::from_secs(20));
    assert_eq!(rig.caller.review(&soon).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn f12_identical_reviews_at_once_cost_one_verification() {
    let issuer = issuer().await;
    issuer.fail(Endpoint::Keys, Fault::Hang);
    let rig = Rig::launch(issuer, |_| {}).await;
    let token = rig.token().mint();
    let release = async {
        rig.until_in_flight(16).await;
        rig.issuer.heal(Endpoint::Keys);
    };
    let (answers, ()) = tokio::join!(join_all((0..64).map(|_| rig.caller.review(&token))), release);
    assert_eq!(tally(answers), [(accepted("oidc:alice"), 64)]);
    assert_eq!(rig.verifications(&rig.issuer).await, 1.0);
}

#[tokio::test]
async fn f12_a_caller_that_goes_away_takes_nobody_with_it() {
    let issuer = issuer().await;
    issuer.fail(Endpoint::Keys, Fault::Hang);
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.issuer.wait_for(Endpoint::Keys, 1).await;
    let token = rig.token().mint();
    let ask = || {
        tokio::spawn({
            let (caller, token) = (rig.caller.clone(), token.clone());
            async move { caller.review(&token).await }
        })
    };
    let leader = ask();
    rig.until_in_flight(1).await;
    let follower = ask();
    rig.until_in_flight(2).await;
    leader.abort();
    rig.until("the leader is gone", async || rig.metric("countersign_requests_in_flight").await == 1.0).await;
    rig.issuer.heal(Endpoint::Keys);
    assert_eq!(within_reason("the follower's answer", follower).await.unwrap(), accepted("oidc:alice"));
}

#[tokio::test]
async fn f9_the_cache_stays_within_its_size_and_says_what_it_holds() {
    let rig = Rig::start_with(|settings| settings.service["cache"] = json!({"maxSize": "1Mi"})).await;
    let many: Vec<String> = (0..200).map(|number| format!("a-group-with-a-rather-long-name-{number}")).collect();
    for _ in 0..150 {
        let token = rig.token().claim("groups", json!(many)).mint();
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    }
    let is_bounded = async || {
        let bytes = rig.metric("countersign_cache_size_bytes").await;
        bytes > 100_000.0 && bytes <= f64::from(1 << 20) && rig.metric("countersign_cache_evictions_total").await > 0.0
    };
    rig.until("the cache is within its size", is_bounded).await;
    assert!(rig.metric("countersign_cache_entries{result=\"accept\"}").await < 150.0);
}

/// The wall clock as a bad time service leaves it. Whatever it does, the answer is the one for the time that it shows,
/// and it is the right one at once when the clock is.
#[tokio::test]
async fn c7_r18_no_jump_of_the_clock_lets_a_token_live_beyond_its_exp() {
    let rig = Rig::start().await;
    let start = rig.now();
    let token =
        || rig.token().issued_at(start).not_before(start).expires_at(start.saturating_add(Duration::from_secs(600)));
    let old = token().mint();
    assert_eq!(rig.caller.review(&old).await, accepted("oidc:alice"));

    let hour = 3600;
    let offsets = [-24 * hour, -hour, -90, -30, 0, 1, 300, 590, 600, 660, hour, 24 * hour];
    let moments: Vec<(i64, UnixTime)> = offsets
        .into_iter()
        .map(|offset| (offset, UnixTime::from_seconds(start.seconds().saturating_add_signed(offset))))
        .chain([(i64::MIN, UnixTime::default()), (i64::MAX, UnixTime::from_seconds(4_294_967_296))])
        .collect();
    let expected = |offset: i64| -> Answer {
        match offset {
            ..-180 | 600.. => refused(),
            -180..0 => undecided("not_yet_valid_soon"),
            0..600 => accepted("oidc:alice"),
        }
    };
    // Every moment after every other one.
    for (_, from) in &moments {
        for (offset, to) in &moments {
            rig.clock.step_to(*from);
            let fresh = token().mint();
            let _ = rig.caller.review(&old).await;
            let _ = rig.caller.review(&fresh).await;
            rig.clock.step_to(*to);
            let what = format!("from {from} to {to}");
            assert_eq!(rig.caller.review(&old).await, expected(*offset), "{what}");
            assert_eq!(rig.caller.review(&fresh).await, expected(*offset), "{what}, first seen before the jump");
        }
    }
}
