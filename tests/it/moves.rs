//! Issuers that a reload adds, or whose keys it has come from another place.

use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::dev::issuer::{Endpoint, Fault, Issuer};
use countersign::token::BearerToken;
use serde_json::json;

use crate::support::{Log, Rig, Settings, accepted, issuer, jwt, refused, undecided};

const SECOND: Duration = Duration::from_secs(1);

/// Another place for the keys of the rig's issuer: it speaks in that one's name, and has keys of its own.
async fn another_place(rig: &Rig) -> Issuer {
    let place = issuer().await;
    place.fail(Endpoint::Discovery, Fault::WrongIssuer(rig.issuer.url().to_owned()));
    place
}

/// Has the issuer's keys come from another place.
fn move_to(place: &Issuer, settings: &mut Settings) {
    settings.jwt()["issuer"]["discoveryURL"] = json!(format!("{}/.well-known/openid-configuration", place.url()));
    settings.jwt()["issuer"]["certificateAuthority"] = json!(place.ca_pem());
}

/// A good token of the issuer's, by a key that only the place has.
fn token_by(place: &Issuer, rig: &Rig) -> BearerToken {
    rig.token().signed_by(&place.key()).kid("of-the-place").mint()
}

async fn reloads(rig: &Rig) -> [f64; 4] {
    let mut counts = [0.0; 4];
    for (count, result) in counts.iter_mut().zip(["success", "failure", "pending", "overdue"]) {
        *count = rig.metric(&format!("countersign_reloads_total{{result=\"{result}\"}}")).await;
    }
    counts
}

#[tokio::test]
async fn j4_an_issuer_that_moves_goes_on_with_its_keys_until_it_has_others() {
    let mut rig = Rig::start().await;
    let place = another_place(&rig).await;
    let set = json!({"keys": [place.key().jwk()]}).to_string().replace(place.key().kid(), "of-the-place");
    place.publish(set);
    place.fail(Endpoint::Keys, Fault::Hang);
    let token = rig.token().mint();
    assert_eq!(rig.reconfigure(|settings| move_to(&place, settings)), Outcome::Changed);
    place.wait_for(Endpoint::Keys, 1).await;
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    assert_eq!(reloads(&rig).await, [0.0, 0.0, 1.0, 0.0]);
    let expected = format!(
        "[+]configuration ok: the files are in force; waiting for keys, for 60 s more: {}: the first fetch of its keys is \
         under way",
        rig.issuer.url()
    );
    assert_eq!(rig.check_of("configuration").await, expected);
    let line = rig.check_of("issuer/").await;
    assert!(line.contains("1 keys from where they were before, usable for 60 s more"), "{line}");
    assert_eq!(rig.admin("/readyz").await.0, 200);

    place.heal(Endpoint::Keys);
    rig.until("the new keys are in force", async || reloads(&rig).await == [1.0, 0.0, 1.0, 0.0]).await;
    assert_eq!(rig.check_of("configuration").await, "[+]configuration ok: the files are in force");
    assert_eq!(rig.caller.review(&token_by(&place, &rig)).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&token).await, refused(), "its key is not there, cached or not");
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1, "nothing was asked where the keys had been");
}

#[tokio::test]
async fn j4_keys_from_where_they_were_before_end_with_the_grace() {
    let log = Log::capture();
    let stranger = issuer().await;
    let mut rig = Rig::start_with(|settings| settings.service["reload"] = json!({"grace": "30s"})).await;
    let cached = rig.token().mint();
    rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(stranger.ca_pem()));
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    rig.clock.advance(29 * SECOND);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    rig.clock.advance(SECOND);
    assert_eq!(rig.caller.review(&cached).await, undecided("keys_unavailable"));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"));
    assert_eq!(rig.check_of("configuration").await, "[+]configuration ok: the files are in force");
    assert_eq!(reloads(&rig).await, [0.0, 0.0, 1.0, 1.0]);
    assert!(rig.check_of("issuer/").await.contains("no usable keys"));
    assert!(log.has(&["reload.grace is over", rig.issuer.url(), "certificate"]), "{}", log.text());

    let both = [stranger.ca_pem(), rig.issuer.ca_pem()].concat();
    rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(both));
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    assert_eq!(reloads(&rig).await, [1.0, 0.0, 2.0, 1.0]);
}

#[tokio::test]
async fn j4_without_grace_an_issuer_that_moves_has_no_keys_until_they_are_fetched() {
    let stranger = issuer().await;
    let mut rig = Rig::start_with(|settings| settings.service["reload"] = json!({"grace": "0s"})).await;
    let cached = rig.token().mint();
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(stranger.ca_pem()));
    assert_eq!(rig.caller.review(&cached).await, undecided("keys_unavailable"));
    assert_eq!(reloads(&rig).await, [1.0, 0.0, 0.0, 0.0], "nothing is waited for");
    let both = [rig.issuer.ca_pem(), stranger.ca_pem()].concat();
    rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(both));
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn j4_one_move_after_another_does_not_prolong_the_grace() {
    let strangers = [issuer().await, issuer().await];
    let mut rig = Rig::start().await;
    let token = rig.token().mint();
    for stranger in &strangers {
        rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(stranger.ca_pem()));
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
        rig.clock.advance(30 * SECOND);
    }
    assert_eq!(rig.caller.review(&token).await, undecided("keys_unavailable"));
}

#[tokio::test]
async fn j4_a_move_that_is_taken_back_costs_no_keys_even_in_an_outage() {
    let strangers = [issuer().await, issuer().await];
    let mut rig = Rig::start().await;
    let own = rig.issuer.ca_pem().to_owned();
    rig.issuer.go_down().await.unwrap();
    for authority in [strangers[0].ca_pem(), strangers[1].ca_pem(), &own] {
        rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(authority));
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
        rig.clock.advance(10 * SECOND);
    }
    rig.clock.advance(3600 * SECOND);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let gauge = format!("countersign_key_set_seconds_until_stale{{issuer=\"{}\"}}", rig.issuer.url());
    assert_eq!(rig.metric(&gauge).await, 82_770.0, "24 hours less the time that has passed");
}

#[tokio::test]
async fn j4_what_is_taken_away_is_gone_at_once_whoever_is_waited_for() {
    let (leaving, mut coming) = (issuer().await, issuer().await);
    let mut rig = Rig::start_with(|settings| settings.add(&leaving, "leaving:")).await;
    let token = rig.token().claim("team", "red").mint();
    let leaver = leaving.token(rig.now()).mint();
    for _ in 0..2 {
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
        assert_eq!(rig.caller.review(&leaver).await, accepted("leaving:alice"));
    }
    coming.go_down().await.unwrap();
    let newcomer = coming.token(rig.now()).mint();
    assert_eq!(rig.caller.review(&newcomer).await, refused());
    rig.reconfigure(|settings| {
        settings.authentication["jwt"][1] = jwt(&coming, "coming:");
        settings.jwt()["claimValidationRules"] = json!([{"claim": "team", "requiredValue": "blue"}]);
    });
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.caller.review(&leaver).await, refused());
    assert_eq!(rig.caller.review(&rig.token().claim("team", "blue").mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&newcomer).await, undecided("keys_unavailable"), "not a no: it is coming");
    assert_eq!(rig.admin("/readyz").await.0, 200);
    rig.until_refreshes(&coming, "failed", 1).await;
    let line = rig.check_of("configuration").await;
    assert!(line.contains(&format!("waiting for keys, for 60 s more: {}: no answer from", coming.url())), "{line}");
    assert_eq!(reloads(&rig).await, [0.0, 0.0, 1.0, 0.0]);

    coming.come_back().await.unwrap();
    rig.until("the newcomer has its keys", async || reloads(&rig).await == [1.0, 0.0, 1.0, 0.0]).await;
    assert_eq!(rig.caller.review(&newcomer).await, accepted("coming:alice"));
}

#[tokio::test]
async fn j4_a_change_that_comes_while_another_is_waited_for_waits_for_both() {
    let mut coming = [issuer().await, issuer().await];
    let mut rig = Rig::start().await;
    for (number, issuer) in coming.iter_mut().enumerate() {
        issuer.go_down().await.unwrap();
        rig.reconfigure(|settings| settings.add(issuer, &format!("{number}:")));
        rig.clock.advance(SECOND);
    }
    let (waited_for, remaining) = rig.service.reloader().waiting().unwrap();
    assert_eq!((waited_for.len(), remaining), (2, 59 * SECOND), "{waited_for:?}");
    rig.reconfigure(|settings| {
        settings.authentication["jwt"].as_array_mut().unwrap().truncate(2);
    });
    let (waited_for, _) = rig.service.reloader().waiting().unwrap();
    assert!(waited_for.len() == 1 && waited_for[0].starts_with(coming[0].url()), "{waited_for:?}");
    rig.reconfigure(|settings| {
        settings.authentication["jwt"].as_array_mut().unwrap().truncate(1);
    });
    assert_eq!(rig.service.reloader().waiting(), None);
    assert_eq!(reloads(&rig).await, [1.0, 0.0, 3.0, 0.0]);
}

#[tokio::test]
async fn j4_a_start_waits_for_no_issuer_and_reports_no_reload() {
    let mut silent = issuer().await;
    silent.go_down().await.unwrap();
    let rig = Rig::launch(silent, |_| {}).await;
    assert_eq!(rig.service.reloader().waiting(), None);
    assert_eq!(reloads(&rig).await, [0.0; 4]);
}
