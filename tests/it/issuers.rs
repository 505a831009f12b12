//! Which issuer a token belongs to, where that issuer's keys come from, and that nobody speaks for anybody else.

use std::sync::Arc;

use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, Endpoint, Fault, Issuer, IssuerOptions, SigningKey};
use serde_json::json;

use crate::support::{Rig, accepted, issuer, jwt, refused, undecided};

#[tokio::test]
async fn d9_an_issuer_that_is_only_similar_is_unknown_and_costs_no_request() {
    let rig = Rig::start().await;
    let url = rig.issuer.url().to_owned();
    let host = url.trim_start_matches("https://");
    let similar = [
        format!("{url}/"),
        format!("{url}//"),
        format!("{url}/."),
        format!("{url}#"),
        format!("{url}?"),
        format!("{url}\0"),
        format!("{url}\0.example.com"),
        format!(" {url}"),
        format!("{url} "),
        format!("{url}\n"),
        format!("HTTPS://{host}"),
        format!("http://{host}"),
        format!("https://user@{host}"),
        format!("https://{host}.example.com"),
        url.replace("127.0.0.1", "127.1"),
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "127.0.0.1."),
        url.replace("127.0.0.1", "%31%32%37.0.0.1"),
        url.rsplit_once(':').unwrap().0.to_owned(),
        url.replace(':', "\u{ff1a}"),
        host.to_owned(),
        String::new(),
    ];
    for claim in &similar {
        let token = rig.token().claim("iss", claim.as_str()).mint();
        assert_eq!(rig.caller.review(&token).await, refused(), "{claim:?}");
    }
    let number = f64::from(u32::try_from(similar.len()).unwrap());
    assert_eq!(rig.reviews("reject", "unknown_issuer").await, number);

    for claim in [json!([url]), json!({"url": url}), json!(1), json!(null)] {
        assert_eq!(rig.caller.review(&rig.token().claim("iss", claim.clone()).mint()).await, refused(), "{claim}");
    }
    assert_eq!(rig.caller.review(&rig.token().without_claim("iss").mint()).await, refused());
    let requests = rig.issuer.requests().borrow().clone();
    let counts = [Endpoint::Discovery, Endpoint::Keys, Endpoint::Other].map(|endpoint| requests.count(endpoint));
    assert_eq!(counts, [1, 1, 0], "nothing but the first fetch");
}

#[tokio::test]
async fn a8_g6_a_key_of_another_issuer_never_verifies_even_under_the_same_name() {
    let other = issuer().await;
    let rig = Rig::launch(issuer().await, |settings| settings.add(&other, "other:")).await;
    rig.until_ready().await;
    assert_eq!(rig.issuer.key().kid(), other.key().kid(), "or this test tests nothing");
    // The attacker's key is the first to be used, if anything remembers keys by name.
    assert_eq!(rig.caller.review(&other.token(rig.now()).mint()).await, accepted("other:alice"));
    let forged = rig.token().signed_by(&other.key()).mint();
    assert_eq!(rig.caller.review(&forged).await, refused());
    assert_eq!(rig.reviews("reject", "bad_signature").await, 1.0);
    let forged = other.token(rig.now()).signed_by(&rig.issuer.key()).mint();
    assert_eq!(rig.caller.review(&forged).await, refused());
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn a8_d10_an_issuer_with_the_very_same_key_speaks_for_its_own_users_only() {
    let other = issuer().await;
    let own = issuer().await;
    other.publish(json!({"keys": [own.key().jwk()]}).to_string());
    let rig = Rig::launch(own, |settings| settings.add(&other, "other:")).await;
    rig.until_ready().await;
    rig.until_refreshes(&other, "changed", 1).await;
    let by_own_key = |issuer: &Issuer| issuer.token(rig.now()).signed_by(&rig.issuer.key()).mint();
    for _ in 0..20 {
        assert_eq!(rig.caller.review(&by_own_key(&rig.issuer)).await, accepted("oidc:alice"));
        assert_eq!(rig.caller.review(&by_own_key(&other)).await, accepted("other:alice"));
    }
    let for_the_other_audience = rig.token().claim("iss", other.url()).audience("nobody").mint();
    assert_eq!(rig.caller.review(&for_the_other_audience).await, refused());
}

#[tokio::test]
async fn a10_nothing_in_a_token_makes_anybody_be_contacted() {
    let lure = issuer().await;
    let rig = Rig::start().await;
    let url = lure.url();
    for header in ["jku", "x5u", "jwk", "kid", "x5c", "x5t"] {
        rig.caller.review(&rig.token().header(header, format!("{url}/jwks")).mint()).await;
    }
    for claim in ["iss", "aud", "sub", "jwks_uri", "endpoint", "groups"] {
        rig.caller.review(&rig.token().claim(claim, format!("{url}/jwks")).mint()).await;
    }
    let distributed = rig
        .token()
        .without_claim("groups")
        .claim("_claim_names", json!({"groups": "src"}))
        .claim("_claim_sources", json!({"src": {"endpoint": format!("{url}/groups")}}))
        .mint();
    assert_eq!(rig.caller.review(&distributed).await, refused(), "no address is allowed");
    assert_eq!(lure.requests().borrow().connections(), 0);
}

#[tokio::test]
async fn e11_the_discovery_document_may_be_elsewhere() {
    let inside = issuer().await;
    let outside = "https://idp.invalid/realms/demo";
    inside.fail(Endpoint::Discovery, Fault::WrongIssuer(outside.to_owned()));
    let discovery = format!("{}/.well-known/openid-configuration", inside.url());
    let rig = Rig::launch(inside, |settings| {
        settings.jwt()["issuer"]["url"] = json!(outside);
        settings.jwt()["issuer"]["discoveryURL"] = json!(discovery);
    })
    .await;
    rig.until_ready().await;
    assert_eq!(rig.caller.review(&rig.token().claim("iss", outside).mint()).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, refused(), "the address is not the name");
}

#[tokio::test]
async fn e10_the_document_at_a_discovery_url_must_be_the_issuers() {
    let inside = issuer().await;
    let discovery = format!("{}/.well-known/openid-configuration", inside.url());
    let rig = Rig::launch(inside, |settings| {
        settings.jwt()["issuer"]["url"] = json!("https://idp.invalid");
        settings.jwt()["issuer"]["discoveryURL"] = json!(discovery);
    })
    .await;
    rig.until("the document was refused", async || {
        rig.check_of("issuer/https://idp.invalid").await.contains("the discovery document is for issuer")
    })
    .await;
    assert_eq!(rig.issuer.count(Endpoint::Keys), 0);
    let token = rig.token().claim("iss", "https://idp.invalid").mint();
    assert_eq!(rig.caller.review(&token).await, undecided("keys_unavailable"));
}

#[tokio::test]
async fn e10_a_document_whose_issuer_is_only_similar_is_not_used() {
    for suffix in ["/", "\0", " ", "#", "/realm"] {
        let issuer = issuer().await;
        issuer.fail(Endpoint::Discovery, Fault::WrongIssuer(format!("{}{suffix}", issuer.url())));
        let rig = Rig::launch(issuer, |_| {}).await;
        rig.until_refreshes(&rig.issuer, "failed", 1).await;
        assert_eq!(rig.issuer.count(Endpoint::Keys), 0, "{suffix:?}");
    }
}

#[tokio::test]
async fn e11_issuers_with_a_path_or_a_trailing_slash_are_found() {
    for path in ["/realms/demo", "/realms/demo/", "/", "/a/b/c"] {
        let options = IssuerOptions { path: path.to_owned(), ..IssuerOptions::default() };
        let issuer = Issuer::start(options, SystemClock.now()).await.unwrap();
        let rig = Rig::launch(issuer, |_| {}).await;
        rig.until_ready().await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{path}");
        let other = rig.issuer.url().strip_suffix('/').map_or_else(|| format!("{}/", rig.issuer.url()), str::to_owned);
        assert_eq!(rig.caller.review(&rig.token().claim("iss", other).mint()).await, refused(), "{path}");
        assert_eq!(rig.issuer.count(Endpoint::Other), 0, "{path}: nobody tries other places");
    }
}

#[tokio::test]
async fn d11_the_scheme_may_be_missing_for_google_alone() {
    let google = issuer().await;
    google.fail(Endpoint::Discovery, Fault::WrongIssuer("https://accounts.google.com".to_owned()));
    let mut entry = jwt(&google, "google:");
    entry["issuer"]["url"] = json!("https://accounts.google.com");
    entry["issuer"]["discoveryURL"] = json!(format!("{}/.well-known/openid-configuration", google.url()));
    let rig = Rig::launch(issuer().await, |settings| {
        settings.authentication["jwt"].as_array_mut().unwrap().push(entry);
    })
    .await;
    rig.until_ready().await;
    google.wait_for(Endpoint::Keys, 1).await;
    let token = |iss: &str| google.token(rig.now()).claim("iss", iss).mint();
    for iss in ["https://accounts.google.com", "accounts.google.com"] {
        assert_eq!(rig.caller.review(&token(iss)).await, accepted("google:alice"), "{iss}");
    }
    for iss in ["http://accounts.google.com", "accounts.google.com/", "Accounts.google.com", "//accounts.google.com"] {
        assert_eq!(rig.caller.review(&token(iss)).await, refused(), "{iss}");
    }
    let bare = rig.issuer.url().trim_start_matches("https://").to_owned();
    assert_eq!(rig.caller.review(&rig.token().claim("iss", bare).mint()).await, refused());
}

#[tokio::test]
async fn d11_the_alias_means_nothing_where_google_is_not_configured() {
    let rig = Rig::start().await;
    let token = rig.token().claim("iss", "accounts.google.com").mint();
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.reviews("reject", "unknown_issuer").await, 1.0);
}

#[tokio::test]
async fn b7_strange_key_names_are_looked_up_byte_for_byte_and_never_logged_raw() {
    let log = crate::support::Log::capture();
    let rig = Rig::start().await;
    let kid = rig.issuer.key().kid().to_owned();
    for strange in [
        kid.to_uppercase(),
        format!("{kid}\0"),
        format!(" {kid}"),
        format!("../{kid}"),
        "\u{1b}[31mred".to_owned(),
        "one\nlevel=ERROR forged".to_owned(),
        "' OR 1=1 --".to_owned(),
        "x".repeat(256),
    ] {
        let answer = rig.caller.review(&rig.token().kid(&strange).mint()).await;
        assert!([refused(), undecided("keys_unknown")].contains(&answer), "{strange:?}: {answer:?}");
    }
    assert_eq!(rig.caller.review(&rig.token().kid(&"x".repeat(257)).mint()).await, refused());
    assert_eq!(rig.issuer.count(Endpoint::Keys), 2);
    for trace in ["\u{1b}", "forged", "1=1", "xxxxxxxx"] {
        assert!(!log.text().contains(trace), "{trace:?} in {}", log.text());
    }
}

#[tokio::test]
async fn b7_a_key_with_a_strange_name_is_usable_and_not_logged_raw() {
    let log = crate::support::Log::capture();
    let issuer = issuer().await;
    let strange = Arc::new(SigningKey::generate(Algorithm::Es256, "\u{1b}[31mred\nforged=1").unwrap());
    let mut broken = strange.jwk();
    broken["x"] = json!("AQAB");
    broken["kid"] = json!("\u{1b}[32mgreen\nforged=2");
    issuer.publish(json!({"keys": [strange.jwk(), broken]}).to_string());
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_ready().await;
    assert_eq!(rig.caller.review(&rig.token().signed_by(&strange).mint()).await, accepted("oidc:alice"));
    assert!(log.has(&["WARN", "green", "the point is not on the curve"]), "{}", log.text());
    assert!(!log.text().contains('\u{1b}') && !log.text().contains("\nforged"), "{}", log.text());
}
