//! Everything that can go wrong at a provider, and what must not come of it.

use std::time::Duration;

use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, Endpoint, Fault, Issuer, IssuerOptions, SigningKey};
use countersign::wiring::pki::{Authority, Validity};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Proxy, Rig, accepted, issuer, jwt, undecided, within_reason};

/// Answers that look like a key set and are none that could be used.
const BAD_KEY_SETS: &[&str] = &[
    "",
    "null",
    "[]",
    "{}",
    r#"{"keys":{}}"#,
    r#"{"keys":null}"#,
    r#"{"keys":[1,"two",null,[]]}"#,
    r#"{"keys":[{}]}"#,
    r#"{"keys":[],"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    r#"{"keys":[{"kty":"oct","kid":"es256-0","k":"c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}]}"#,
    r#"{"keys":[{"kty":"RSA","kid":"es256-0","e":"AQAB","n":"u1SU1LfVLPHCozMxH2Mo4lgOEePzNm0tRgeLezV6ffAt0gunVTLw7onLRnrq0"}]}"#,
    r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"es256-0","x":"AQAB","y":"AQAB"}]}"#,
    r#"{"keys":[{"kty":"AKP","alg":"ML-DSA-44","kid":"es256-0","pub":"AQAB"}]}"#,
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"enc","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    "\u{feff}{\"keys\":[]}",
];

/// One of each kind of fault, where it leaves nothing good: the match sees to it that a new kind is thought of.
fn faults(endpoint: Endpoint) -> Vec<Fault> {
    let every = [
        Fault::Answer(500, String::new()),
        Fault::Cut,
        Fault::Delay(Duration::from_secs(30)),
        Fault::Drip(Duration::from_millis(50)),
        Fault::EmptyKeys,
        Fault::Endless,
        Fault::Gzip,
        Fault::Hang,
        Fault::Html,
        Fault::JwksUri("http://127.0.0.1:9/jwks".to_owned()),
        Fault::KeyFlood(200),
        Fault::Redirect("https://127.0.0.1:9/".to_owned()),
        Fault::Stall,
        Fault::Truncated,
        Fault::WrongIssuer("https://other.example.com".to_owned()),
    ];
    let is_harmful = |fault: &Fault| match fault {
        Fault::JwksUri(_) | Fault::WrongIssuer(_) => endpoint == Endpoint::Discovery,
        Fault::KeyFlood(_) => endpoint == Endpoint::Keys,
        Fault::Answer(..)
        | Fault::Cut
        | Fault::Delay(_)
        | Fault::Drip(_)
        | Fault::EmptyKeys
        | Fault::Endless
        | Fault::Gzip
        | Fault::Hang
        | Fault::Html
        | Fault::Redirect(_)
        | Fault::Stall
        | Fault::Truncated => true,
    };
    // With a good document, which says nothing under another status than 200.
    let planted = SigningKey::generate(Algorithm::Es256, "planted").unwrap().jwk();
    let document = if endpoint == Endpoint::Keys { json!({"keys": [planted]}).to_string() } else { String::new() };
    let statuses = [201, 203, 206, 301, 304, 400, 401, 404, 429, 500, 503];
    let statuses = statuses.map(|status| Fault::Answer(status, document.clone()));
    let bodies: &[&str] = if endpoint == Endpoint::Keys { BAD_KEY_SETS } else { &["", "null", "[]", "{}"] };
    let bodies = bodies.iter().map(|body| Fault::Answer(200, (*body).to_owned()));
    every.into_iter().filter(is_harmful).chain(statuses).chain(bodies).collect()
}

#[tokio::test]
async fn g4_no_fault_of_the_discovery_document_costs_the_good_keys() {
    join_all(faults(Endpoint::Discovery).into_iter().map(|fault| survive(Endpoint::Discovery, fault))).await;
}

#[tokio::test]
async fn g4_g5_g8_no_fault_of_the_key_set_costs_the_good_keys() {
    join_all(faults(Endpoint::Keys).into_iter().map(|fault| survive(Endpoint::Keys, fault))).await;
}

/// What an operator reads about a fault: that it ended by the limit which is meant for it.
fn what_is_said_of(fault: &Fault) -> &'static str {
    match fault {
        Fault::Answer(200, _) | Fault::EmptyKeys => "refreshing its keys fails",
        Fault::Answer(..) => "answered",
        Fault::Cut => "no answer from",
        Fault::Delay(_) | Fault::Drip(_) | Fault::Hang | Fault::Stall => "timed out",
        Fault::Endless => "is longer than",
        Fault::Gzip => "answered compressed, though asked not to",
        Fault::Html | Fault::Truncated => "JSON",
        Fault::JwksUri(_) => "no `jwks_uri` that is an https address",
        Fault::KeyFlood(_) => "at most 100 are read",
        Fault::Redirect(_) => "answered 302 Found",
        Fault::WrongIssuer(_) => "is for issuer",
    }
}

/// A fault comes, is noticed, harms nobody, goes, and leaves nothing behind.
async fn survive(endpoint: Endpoint, fault: Fault) {
    let what = format!("{fault:?} of {endpoint:?}");
    let problem = what_is_said_of(&fault);
    let rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"})).await;
    let cached = rig.token().mint();
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"), "{what}");

    rig.issuer.fail(endpoint, fault);
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"), "{what}");
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{what}");
    let keys = format!("countersign_key_set_keys{{issuer=\"{}\"}}", rig.issuer.url());
    assert_eq!(rig.metric(&keys).await, 1.0, "{what}");
    assert_eq!(rig.admin("/readyz").await, (200, "ok".to_owned()), "{what}");
    let line = rig.check_of(rig.issuer.url()).await;
    assert!(line.starts_with("[-]issuer/") && line.contains("failed: refreshing its keys fails"), "{what}: {line}");
    assert!(line.contains(problem), "{what}: {line}");

    rig.issuer.heal(endpoint);
    rig.until(&what, async || rig.check_of(rig.issuer.url()).await.starts_with("[+]")).await;
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{what}");
}

#[tokio::test]
async fn e14_a_redirect_is_not_followed() {
    let target = issuer().await;
    for endpoint in [Endpoint::Discovery, Endpoint::Keys] {
        let source = issuer().await;
        let suffix = if endpoint == Endpoint::Keys { "/jwks" } else { "/.well-known/openid-configuration" };
        source.fail(endpoint, Fault::Redirect(format!("{}{suffix}", target.url())));
        let both = [source.ca_pem(), target.ca_pem()].concat();
        let rig = Rig::launch(source, |settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(both)).await;
        rig.until_refreshes(&rig.issuer, "failed", 1).await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"));
        let line = rig.check_of(rig.issuer.url()).await;
        assert!(line.contains("answered 302 Found"), "{line}");
    }
    assert_eq!(target.requests().borrow().connections(), 0);
}

#[tokio::test]
async fn e12_keys_that_move_to_another_host_are_not_followed_and_the_known_ones_stay() {
    let elsewhere = issuer().await;
    let own = issuer().await;
    let both = [own.ca_pem(), elsewhere.ca_pem()].concat();
    let rig = Rig::launch(own, |settings| {
        settings.jwt()["issuer"]["certificateAuthority"] = json!(both);
        settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"});
    })
    .await;
    rig.until_ready().await;
    rig.issuer.fail(Endpoint::Discovery, Fault::JwksUri(format!("{}/jwks", elsewhere.url())));
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    let line = rig.check_of(rig.issuer.url()).await;
    assert!(line.contains("the keys moved from") && line.contains("another host is not followed"), "{line}");
    assert_eq!(elsewhere.requests().borrow().connections(), 0);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let foreign = rig.token().signed_by(&elsewhere.key()).kid("foreign").mint();
    assert_ne!(rig.caller.review(&foreign).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn e12_keys_may_be_at_another_host_from_the_start() {
    let elsewhere = issuer().await;
    let own = issuer().await;
    own.fail(Endpoint::Discovery, Fault::JwksUri(format!("{}/jwks", elsewhere.url())));
    let both = [own.ca_pem(), elsewhere.ca_pem()].concat();
    let rig = Rig::launch(own, |settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(both)).await;
    let token = rig.token().signed_by(&elsewhere.key()).mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    assert_eq!(rig.issuer.count(Endpoint::Keys), 0);
}

#[tokio::test]
async fn e12_a_host_that_never_gave_keys_does_not_keep_the_right_one_out() {
    for fault in [Fault::Answer(404, String::new()), Fault::EmptyKeys] {
        let elsewhere = issuer().await;
        elsewhere.fail(Endpoint::Keys, fault);
        let own = issuer().await;
        own.fail(Endpoint::Discovery, Fault::JwksUri(format!("{}/jwks", elsewhere.url())));
        let both = [own.ca_pem(), elsewhere.ca_pem()].concat();
        let rig = Rig::launch(own, |settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(both)).await;
        rig.until_refreshes(&rig.issuer, "failed", 1).await;
        rig.issuer.heal(Endpoint::Discovery);
        within_reason("the service is ready", rig.until_ready()).await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    }
}

#[tokio::test]
async fn e12_g7_keys_are_fetched_over_https_and_never_from_a_link_local_address() {
    for (address, problem) in [
        ("http://127.0.0.1:9/jwks", "no `jwks_uri` that is an https address"),
        ("file:///etc/passwd", "no `jwks_uri` that is an https address"),
        ("https://169.254.169.254/latest/meta-data", "is a link-local address, which is never contacted"),
        ("https://[fe80::1]/jwks", "is a link-local address, which is never contacted"),
        ("https://[::ffff:169.254.169.254]/jwks", "is a link-local address, which is never contacted"),
    ] {
        let issuer = issuer().await;
        issuer.fail(Endpoint::Discovery, Fault::JwksUri(address.to_owned()));
        let rig = Rig::launch(issuer, |_| {}).await;
        rig.until_refreshes(&rig.issuer, "failed", 1).await;
        let line = rig.check_of(rig.issuer.url()).await;
        assert!(line.contains(problem), "{address}: {line}");
    }
}

#[tokio::test]
async fn g13_a_provider_that_is_not_who_it_should_be_gives_no_keys() {
    let now = SystemClock.now();
    let two_days_ago = now.saturating_sub(Duration::from_secs(2 * 24 * 60 * 60));
    let authority = |name: &str| Authority::new(name, Validity::days(two_days_ago, 4)).unwrap();
    let (trusted, stranger) = (authority("trusted"), authority("stranger"));
    let good = Validity::days(two_days_ago, 4);
    let cases = [
        ("another authority", stranger.serving_certificate(&["127.0.0.1"], good)),
        ("another name", trusted.serving_certificate(&["localhost"], good)),
        ("expired", trusted.serving_certificate(&["127.0.0.1"], Validity::days(two_days_ago, 1))),
        ("made for clients", trusted.client_certificate("127.0.0.1", &[], good)),
    ];
    for (what, certificate) in cases {
        let tls = Some((certificate.unwrap(), trusted.certificate_pem()));
        let issuer = Issuer::start(IssuerOptions { tls, ..IssuerOptions::default() }, now).await.unwrap();
        let rig = Rig::launch(issuer, |_| {}).await;
        rig.until_refreshes(&rig.issuer, "failed", 1).await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"), "{what}");
        let line = rig.check_of(rig.issuer.url()).await;
        assert!(line.contains("certificate"), "{what}: {line}");
        assert_eq!(rig.issuer.count(Endpoint::Discovery), 0, "{what}");
    }
}

#[tokio::test]
async fn g10_connections_that_the_network_forgot_are_not_waited_for_twice() {
    let issuer = issuer().await;
    let host = issuer.url().trim_start_matches("https://").to_owned();
    let proxy = Proxy::to(host.parse().unwrap()).await;
    let near = format!("https://{}", proxy.address);
    issuer.fail(Endpoint::Discovery, Fault::JwksUri(format!("{near}/jwks")));
    let rig = Rig::launch(issuer, |settings| {
        settings.jwt()["issuer"]["discoveryURL"] = json!(format!("{near}/.well-known/openid-configuration"));
        settings.of_issuer()["keys"] = json!({"refreshInterval": "1s"});
    })
    .await;
    rig.until_ready().await;
    proxy.lose_connections();
    let confirmed = rig.refreshes(&rig.issuer, "unchanged").await;
    rig.until("the keys are confirmed again", async || {
        rig.refreshes(&rig.issuer, "unchanged").await > confirmed
            && rig.check_of(rig.issuer.url()).await.starts_with("[+]")
    })
    .await;
    assert!(rig.refreshes(&rig.issuer, "failed").await <= 1.0);
}

#[tokio::test]
async fn g9_an_issuer_that_hangs_does_not_slow_another() {
    let slow = issuer().await;
    slow.fail(Endpoint::Discovery, Fault::Hang);
    let rig = Rig::launch(issuer().await, |settings| settings.add(&slow, "slow:")).await;
    rig.until_ready().await;
    slow.wait_for(Endpoint::Discovery, 1).await;
    let waiting = slow.token(rig.now()).mint();
    let waiting = tokio::spawn({
        let caller = rig.caller.clone();
        async move { caller.review(&waiting).await }
    });
    rig.until_in_flight(1).await;
    for _ in 0..50 {
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    }
    assert!(!waiting.is_finished(), "fifty answers came while the first one waited");
    assert_eq!(within_reason("the slow one's answer", waiting).await.unwrap(), undecided("keys_unavailable"));
    assert_eq!(rig.admin("/readyz").await.0, 200, "most can be judged");
}

#[tokio::test]
async fn g1_a_review_does_not_wait_long_for_a_fetch_that_hangs() {
    let rig = Rig::start().await;
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.fail(Endpoint::Keys, Fault::Hang);
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, undecided("keys_unknown"));
    assert_eq!(rig.refreshes(&rig.issuer, "failed").await, 0.0, "the answer came before the fetch was given up");
    rig.issuer.heal(Endpoint::Keys);
    rig.until("the key is known", async || rig.caller.review(&token).await == accepted("oidc:alice")).await;
}

#[tokio::test]
async fn g4_other_issuers_keys_in_a_table_of_many_stay_apart_when_one_breaks() {
    let others: Vec<Issuer> = join_all((0..4).map(|_| issuer())).await;
    let rig = Rig::launch(issuer().await, |settings| {
        let entries = settings.authentication["jwt"].as_array_mut().unwrap();
        entries.extend(others.iter().enumerate().map(|(number, other)| jwt(other, &format!("other-{number}:"))));
        let fast: Vec<Value> = entries
            .iter()
            .map(|entry| json!({"url": entry["issuer"]["url"], "keys": {"refreshInterval": "1s"}}))
            .collect();
        settings.service["issuers"] = json!(fast);
    })
    .await;
    rig.until_ready().await;
    others[0].fail(Endpoint::Keys, Fault::EmptyKeys);
    rig.until_refreshes(&others[0], "failed", 1).await;
    for (number, other) in others.iter().enumerate() {
        let answer = rig.caller.review(&other.token(rig.now()).mint()).await;
        assert_eq!(answer, accepted(&format!("other-{number}:alice")));
        let expected = if number == 0 { "[-]" } else { "[+]" };
        assert!(rig.check_of(other.url()).await.starts_with(expected));
    }
}
