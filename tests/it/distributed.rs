//! Groups that are not in the token but at an address that it names (OpenID Connect Core 1.0 section 5.6.2).

use std::time::Duration;

use countersign::dev::issuer::{Algorithm, Endpoint, Fault, Issuer, TokenBuilder};
use countersign::token::BearerToken;
use serde_json::{Value, json};

use crate::support::{API_AUDIENCE, Answer, HttpProxy, Rig, Settings, accepted, issuer, refused, undecided};

const UNAVAILABLE: &str = "distributed_claim_unavailable";

/// A service whose issuer has the groups at `/claims`, and may have them there.
async fn start() -> Rig {
    start_with(|_| {}).await
}

async fn start_with(deviate: impl FnOnce(&mut Settings)) -> Rig {
    let rig = Rig::start_with(|settings| {
        let url = url(settings);
        settings.of_issuer()["distributedClaims"] = json!({"allowedEndpoints": [format!("{url}/claims")]});
        deviate(settings);
    })
    .await;
    rig.issuer.serve_claims(answer(&rig).mint().expose_secret().to_owned());
    rig
}

fn url(settings: &mut Settings) -> String {
    settings.jwt()["issuer"]["url"].as_str().unwrap().to_owned()
}

/// What the issuer says of alice's groups.
fn answer(rig: &Rig) -> TokenBuilder {
    answer_of(&rig.issuer, rig)
}

fn answer_of(issuer: &Issuer, rig: &Rig) -> TokenBuilder {
    let token = issuer.token(rig.now()).without_claim("sub").without_claim("email").without_claim("jti");
    token.groups(&["admins", "developers"])
}

/// A good token whose groups are at `/claims`.
fn token(rig: &Rig) -> TokenBuilder {
    token_with(rig, json!({"endpoint": format!("{}/claims", rig.issuer.url()), "access_token": "open-sesame"}))
}

fn token_with(rig: &Rig, source: Value) -> TokenBuilder {
    rig.token()
        .without_claim("groups")
        .claim("_claim_names", json!({"groups": "src"}))
        .claim("_claim_sources", json!({ "src": source }))
}

async fn groups_of(rig: &Rig, token: &BearerToken) -> Value {
    let review = rig.caller.review_raw("v1", token.expose_secret(), &[API_AUDIENCE]).await;
    assert_eq!(review["status"]["authenticated"], json!(true), "{review}");
    review["status"]["user"].get("groups").cloned().unwrap_or(Value::Null)
}

/// How often reviews of the rig's issuer were refused for a reason.
async fn refusals(rig: &Rig, reason: &str) -> f64 {
    let issuer = rig.issuer.url();
    let series = format!(
        "countersign_reviews_total{{issuer=\"{issuer}\",reason=\"{reason}\",result=\"reject\",version=\"v1\"}}"
    );
    rig.metric(&series).await
}

async fn outcomes(rig: &Rig, result: &str) -> f64 {
    let issuer = rig.issuer.url();
    rig.metric(&format!("countersign_distributed_claims_total{{issuer=\"{issuer}\",result=\"{result}\"}}")).await
}

#[tokio::test]
async fn d12_groups_at_an_allowed_address_are_fetched_verified_and_mapped() {
    let rig = start().await;
    let token = token(&rig).mint();
    for _ in 0..2 {
        assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]));
    }
    assert_eq!(rig.issuer.count(Endpoint::Claims), 1, "the second answer is remembered with the verdict");
    let requests = rig.issuer.requests();
    let headers = requests.borrow().last_headers(Endpoint::Claims).clone();
    assert_eq!(headers["authorization"], "Bearer open-sesame");
    assert_eq!(outcomes(&rig, "done").await, 1.0);
}

#[tokio::test]
async fn d12_without_an_access_token_there_is_no_authorization() {
    let rig = start().await;
    let token = token_with(&rig, json!({"endpoint": format!("{}/claims", rig.issuer.url())})).mint();
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]));
    let requests = rig.issuer.requests();
    assert_eq!(requests.borrow().last_headers(Endpoint::Claims).get("authorization"), None);
}

#[tokio::test]
async fn d12_a_prefix_allows_what_is_below_it() {
    let rig = start_with(|settings| {
        let url = url(settings);
        settings.of_issuer()["distributedClaims"] = json!({"allowedEndpoints": [format!("{url}/claims/")]});
    })
    .await;
    let at = |path: &str| token_with(&rig, json!({"endpoint": format!("{}{path}", rig.issuer.url())})).mint();
    assert_eq!(groups_of(&rig, &at("/claims/alice?page=1")).await, json!(["oidc:admins", "oidc:developers"]));
    for path in ["/claims", "/claims/../jwks", "/claims/%2e%2e/jwks", "/claims/..%2fjwks", "/claims2/alice"] {
        assert_eq!(rig.caller.review(&at(path)).await, refused(), "{path}");
    }
    assert_eq!(rig.issuer.count(Endpoint::Claims), 1);
    assert_eq!(refusals(&rig, "distributed_endpoint").await, 5.0);
}

#[tokio::test]
async fn d12_an_address_that_is_not_allowed_is_refused_and_not_contacted() {
    let lure = issuer().await;
    let rig = start().await;
    lure.serve_claims(answer(&rig).mint().expose_secret().to_owned());
    let own = rig.issuer.url();
    let endpoints = [
        format!("{}/claims", lure.url()),
        format!("{own}/claims/"),
        format!("{own}/claims?x=y"),
        format!("{own}/claims#x"),
        format!("{own}/jwks"),
        own.replace("https://", "https://user@") + "/claims",
        own.replace("https://", "http://") + "/claims",
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "file:///etc/passwd".to_owned(),
        "claims".to_owned(),
    ];
    for endpoint in &endpoints {
        let token = token_with(&rig, json!({"endpoint": endpoint, "access_token": "x"})).mint();
        assert_eq!(rig.caller.review(&token).await, refused(), "{endpoint}");
    }
    assert_eq!(refusals(&rig, "distributed_endpoint").await, 10.0);
    assert_eq!((rig.issuer.count(Endpoint::Claims), rig.issuer.count(Endpoint::Other)), (0, 0));
    assert_eq!(lure.requests().borrow().connections(), 0);
}

#[tokio::test]
async fn d12_with_no_list_there_is_no_address_that_is_asked() {
    let rig = start_with(|settings| {
        settings.service.as_object_mut().unwrap().remove("issuers");
    })
    .await;
    assert_eq!(rig.caller.review(&token(&rig).mint()).await, refused());
    assert_eq!(refusals(&rig, "distributed_endpoint").await, 1.0);
    assert_eq!(rig.issuer.count(Endpoint::Claims), 0);
}

#[tokio::test]
async fn d12_a_token_that_has_the_claim_or_that_maps_none_makes_nobody_ask() {
    let mut rig = start().await;
    for groups in [json!(["own"]), json!([]), json!(null)] {
        let own = token(&rig).claim("groups", groups.clone()).mint();
        let expected = if groups == json!(["own"]) { json!(["oidc:own"]) } else { Value::Null };
        assert_eq!(groups_of(&rig, &own).await, expected, "{groups}");
    }
    for source in [json!({"JWT": answer(&rig).mint().expose_secret()}), json!({"endpoint": ""})] {
        assert_eq!(
            groups_of(&rig, &token_with(&rig, source.clone()).mint()).await,
            Value::Null,
            "aggregated: {source}"
        );
    }
    let other = token(&rig).claim("_claim_names", json!({"roles": "src"})).mint();
    assert_eq!(groups_of(&rig, &other).await, Value::Null);
    rig.reconfigure(|settings| {
        settings.jwt()["claimMappings"].as_object_mut().unwrap().remove("groups");
    });
    assert_eq!(groups_of(&rig, &token(&rig).mint()).await, Value::Null);
    assert_eq!(rig.issuer.count(Endpoint::Claims), 0);
}

#[tokio::test]
async fn d12_a_token_that_is_not_good_makes_nobody_ask() {
    let rig = start().await;
    let stranger = issuer().await;
    for bad in [
        token(&rig).signature(b"forged").mint(),
        token(&rig).audience("other").mint(),
        token(&rig).expires_at(rig.now()).mint(),
        token(&rig).signed_by(&stranger.key()).kid(rig.issuer.key().kid()).mint(),
    ] {
        assert_eq!(rig.caller.review(&bad).await, refused());
    }
    assert_eq!(rig.issuer.count(Endpoint::Claims), 0);
}

#[tokio::test]
async fn d12_an_answer_that_is_not_good_is_a_no() {
    let stranger = issuer().await;
    let rig = start().await;
    let good = || answer(&rig);
    let long: Vec<String> = (0..3000).map(|number| format!("{number:064}")).collect();
    let answers = [
        ("forged", good().signature(b"forged").mint()),
        ("unsigned", good().unsigned().mint()),
        ("another's", answer_of(&stranger, &rig).mint()),
        ("by a stranger's key", good().signed_by(&stranger.key()).kid(rig.issuer.key().kid()).mint()),
        ("by an unknown key", good().signed_by(&stranger.key()).kid("unknown").mint()),
        ("for others", good().audience("other").mint()),
        ("expired", good().expires_at(rig.now()).mint()),
        ("without exp", good().without_claim("exp").mint()),
        ("without iss", good().without_claim("iss").mint()),
        ("without the claim", good().without_claim("groups").mint()),
        ("with another algorithm", good().algorithm(Algorithm::Es384).mint()),
        ("of a foreign kind", good().header("typ", "logout+jwt").mint()),
        ("about somebody else", good().subject("bob").mint()),
        ("with a member twice", good().raw_claims(br#"{"iss":"a","iss":"b"}"#).mint()),
        ("too long", good().claim("groups", long).mint()),
    ];
    let count = answers.len();
    for (what, answer) in answers {
        rig.issuer.serve_claims(answer.expose_secret().to_owned());
        assert_eq!(rig.caller.review(&token(&rig).mint()).await, refused(), "{what}");
    }
    for status in [401, 403, 404, 410] {
        rig.issuer.fail(Endpoint::Claims, Fault::Answer(status, "{}".to_owned()));
        assert_eq!(rig.caller.review(&token(&rig).mint()).await, refused(), "{status}");
    }
    rig.issuer.heal(Endpoint::Claims);
    assert_eq!(refusals(&rig, "distributed_claim").await, count as f64 + 4.0);
    assert_eq!(stranger.requests().borrow().connections(), 0, "nobody's keys are fetched because an answer names them");

    rig.issuer.serve_claims(answer(&rig).subject("alice").mint().expose_secret().to_owned());
    assert_eq!(groups_of(&rig, &token(&rig).mint()).await, json!(["oidc:admins", "oidc:developers"]));
    rig.issuer.serve_claims(answer(&rig).claim("groups", 1).mint().expose_secret().to_owned());
    assert_eq!(rig.caller.review(&token(&rig).mint()).await, refused());
    assert_eq!(refusals(&rig, "claim_type").await, 1.0, "what is fetched is mapped as what is in the token");
}

#[tokio::test]
async fn d12_a_reserved_group_from_elsewhere_refuses_the_token() {
    let rig = start().await;
    rig.issuer.serve_claims(answer(&rig).groups(&["system:masters"]).mint().expose_secret().to_owned());
    assert_eq!(groups_of(&rig, &token(&rig).mint()).await, json!(["oidc:system:masters"]));
    let rig = start_with(|settings| settings.jwt()["claimMappings"]["groups"]["prefix"] = json!("")).await;
    rig.issuer.serve_claims(answer(&rig).groups(&["system:masters"]).mint().expose_secret().to_owned());
    assert_eq!(rig.caller.review(&token(&rig).mint()).await, refused());
    assert_eq!(refusals(&rig, "reserved_identity").await, 1.0);
}

#[tokio::test]
async fn d12_an_address_in_trouble_is_a_cannot_tell_until_it_is_well() {
    let lure = issuer().await;
    let mut rig = start().await;
    let token = token(&rig).mint();
    let faults = [
        Fault::Answer(500, String::new()),
        Fault::Answer(503, String::new()),
        Fault::Answer(429, String::new()),
        Fault::Answer(400, String::new()),
        Fault::Answer(204, String::new()),
        Fault::Html,
        Fault::Cut,
        Fault::Gzip,
        Fault::Redirect(format!("{}/claims", lure.url())),
    ];
    for fault in faults {
        rig.issuer.fail(Endpoint::Claims, fault.clone());
        assert_eq!(rig.caller.review(&token).await, undecided(UNAVAILABLE), "{fault:?}");
    }
    assert_eq!(outcomes(&rig, "failed").await, 9.0);
    assert_eq!(lure.requests().borrow().connections(), 0, "a redirect is not followed");
    rig.issuer.heal(Endpoint::Claims);
    rig.issuer.go_down().await.unwrap();
    assert_eq!(rig.caller.review(&token).await, undecided(UNAVAILABLE));
    rig.issuer.come_back().await.unwrap();
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]), "nothing was remembered");
}

#[tokio::test]
async fn d12_f13_an_address_that_hangs_is_a_cannot_tell_before_the_caller_gives_up() {
    let rig = start().await;
    rig.issuer.fail(Endpoint::Claims, Fault::Hang);
    let started = std::time::Instant::now();
    assert_eq!(rig.caller.review(&token(&rig).mint()).await, undecided(UNAVAILABLE));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[tokio::test]
async fn d12_another_issuer_may_sign_the_answer_only_if_it_is_listed() {
    let other = issuer().await;
    let mut rig = start().await;
    rig.issuer.serve_claims(answer_of(&other, &rig).mint().expose_secret().to_owned());
    let token = token(&rig).mint();
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(other.requests().borrow().connections(), 0);

    rig.reconfigure(|settings| {
        settings.of_issuer()["distributedClaims"]["allowedIssuers"] = json!([other.url()]);
        let both = [settings.jwt()["issuer"]["certificateAuthority"].as_str().unwrap(), other.ca_pem()].concat();
        settings.jwt()["issuer"]["certificateAuthority"] = json!(both);
    });
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]));
    assert_eq!(rig.caller.review(&other.token(rig.now()).mint()).await, refused(), "nobody logs in with its tokens");
    let asked = rig.issuer.count(Endpoint::Claims);

    // The verdict rests on its keys, too: with a new one in use, the answer is asked for again.
    let key = other.rotate(Algorithm::Es256).unwrap();
    rig.issuer.serve_claims(answer_of(&other, &rig).groups(&["new"]).mint().expose_secret().to_owned());
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]), "remembered");
    let fresh = self::token(&rig).mint();
    assert_eq!(groups_of(&rig, &fresh).await, json!(["oidc:new"]), "its new key {} is fetched", key.kid());
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:new"]));
    assert_eq!(rig.issuer.count(Endpoint::Claims), asked + 2);
}

#[tokio::test]
async fn d12_f4_what_was_fetched_ends_with_the_first_of_both_tokens_to_expire() {
    let rig = start().await;
    let minute = Duration::from_secs(60);
    rig.issuer
        .serve_claims(answer(&rig).expires_at(rig.now().saturating_add(minute)).mint().expose_secret().to_owned());
    let token = token(&rig).expires_at(rig.now().saturating_add(3 * minute)).mint();
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:admins", "oidc:developers"]));
    rig.clock.advance(minute);
    rig.issuer.serve_claims(answer(&rig).groups(&["later"]).mint().expose_secret().to_owned());
    assert_eq!(groups_of(&rig, &token).await, json!(["oidc:later"]));
    rig.clock.advance(2 * minute);
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.issuer.count(Endpoint::Claims), 2);
}

#[tokio::test]
async fn d12_f12_identical_reviews_at_once_ask_once() {
    let rig = start().await;
    rig.issuer.fail(Endpoint::Claims, Fault::Hang);
    let token = token(&rig).mint();
    let reviews: Vec<_> = (0..16)
        .map(|_| {
            let (caller, token) = (rig.caller.clone(), token.clone());
            tokio::spawn(async move { caller.review(&token).await })
        })
        .collect();
    rig.issuer.wait_for(Endpoint::Claims, 1).await;
    rig.issuer.heal(Endpoint::Claims);
    for review in reviews {
        let answer: Answer = review.await.unwrap();
        assert_eq!(answer, accepted("oidc:alice"));
    }
    assert_eq!(rig.issuer.count(Endpoint::Claims), 1);
}

#[tokio::test]
async fn d12_f5_an_address_that_leaves_the_list_takes_what_it_gave_with_it() {
    let mut rig = start().await;
    let token = token(&rig).mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.reconfigure(|settings| settings.of_issuer()["distributedClaims"]["allowedEndpoints"] = json!([]));
    assert_eq!(rig.caller.review(&token).await, refused());
    assert_eq!(rig.issuer.count(Endpoint::Claims), 1);
}

#[tokio::test]
async fn g7_everything_on_an_issuers_behalf_goes_through_its_proxy() {
    let proxy = HttpProxy::start().await;
    let other = issuer().await;
    let rig = start_with(|settings| {
        let both = [settings.jwt()["issuer"]["certificateAuthority"].as_str().unwrap(), other.ca_pem()].concat();
        settings.jwt()["issuer"]["certificateAuthority"] = json!(both);
        settings.of_issuer()["distributedClaims"]["allowedIssuers"] = json!([other.url()]);
        settings.of_issuer()["proxy"] = json!(proxy.url);
    })
    .await;
    rig.issuer.serve_claims(answer_of(&other, &rig).mint().expose_secret().to_owned());
    assert_eq!(groups_of(&rig, &token(&rig).mint()).await, json!(["oidc:admins", "oidc:developers"]));
    let tunnels = |issuer: &Issuer| {
        let address = issuer.url().trim_start_matches("https://");
        proxy.targets().iter().filter(|target| *target == address).count()
    };
    assert_eq!((tunnels(&rig.issuer), tunnels(&other)), (3, 2), "discovery and keys of both, and the groups");
    for issuer in [&rig.issuer, &other] {
        assert_eq!(issuer.requests().borrow().connections(), tunnels(issuer) as u64);
    }
}

#[tokio::test]
async fn d12_explain_says_where_the_groups_came_from_and_why_not() {
    let rig = start().await;
    let explain = async |token: BearerToken| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("explain").arg("--config").arg(rig.file("config.yaml")).arg(token.expose_secret());
        // The issuer answers on this test's own thread.
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("open-sesame"), "{text}");
        (output.status.code(), text)
    };
    let place = format!("\"{}/claims\"", rig.issuer.url());
    let (code, text) = explain(token(&rig).mint()).await;
    assert!(code == Some(0) && text.contains(&format!("from {place}: verified")), "{text}");
    assert!(text.contains("oidc:admins"), "{text}");
    rig.issuer.fail(Endpoint::Claims, Fault::Answer(503, String::new()));
    let (code, text) = explain(token(&rig).mint()).await;
    assert!(code == Some(3) && text.contains(&format!("from {place}: the server answered 503")), "{text}");
    let elsewhere = token_with(&rig, json!({"endpoint": format!("{}/keys?secret=open-sesame", rig.issuer.url())}));
    let (code, text) = explain(elsewhere.mint()).await;
    assert!(code == Some(1) && text.contains("is not one of distributedClaims.allowedEndpoints"), "{text}");
}
