use http::{StatusCode, Version, header};
use serde_json::{Value, json};

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::wiring::kubeconfig::Connection;

const DISCOVERY: &str = "/.well-known/openid-configuration";

async fn start(options: IssuerOptions) -> Issuer {
    Issuer::start(options, SystemClock.now()).await.unwrap()
}

/// A client that trusts the issuer's authority alone, follows no redirects and asks for no compression.
fn client(issuer: &Issuer) -> reqwest::Client {
    client_builder(issuer).build().unwrap()
}

fn client_builder(issuer: &Issuer) -> reqwest::ClientBuilder {
    let connection = Connection::to(url::Url::parse(issuer.url()).unwrap(), Some(issuer.ca_pem().into()));
    reqwest::Client::builder()
        .tls_backend_preconfigured(crate::wiring::reviewer::client_config(&connection).unwrap())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
}

async fn get(issuer: &Issuer, path: &str) -> reqwest::Response {
    client(issuer).get(format!("{}{path}", issuer.url())).send().await.unwrap()
}

async fn json(issuer: &Issuer, path: &str) -> Value {
    get(issuer, path).await.json().await.unwrap()
}

fn kids(key_set: &Value) -> Vec<&str> {
    key_set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn discovery_leads_to_the_keys_that_sign() {
    let options = IssuerOptions {
        algorithms: vec![Algorithm::Es256, Algorithm::EdDsa],
        path: "/realms/demo".into(),
        ..Default::default()
    };
    let issuer = start(options).await;
    let discovery = get(&issuer, DISCOVERY).await;
    assert_eq!((discovery.status(), discovery.version()), (StatusCode::OK, Version::HTTP_2));
    let discovery: Value = discovery.json().await.unwrap();
    assert!(issuer.url().starts_with("https://127.0.0.1:") && issuer.url().ends_with("/realms/demo"));
    assert_eq!(discovery["issuer"], issuer.url());
    let keys: Value =
        client(&issuer).get(discovery["jwks_uri"].as_str().unwrap()).send().await.unwrap().json().await.unwrap();
    assert_eq!(keys["keys"][0], issuer.key().jwk());
    assert_eq!(kids(&keys), ["es256-0", "eddsa-1"]);
}

#[tokio::test]
async fn an_issuer_url_keeps_its_slash() {
    let issuer = start(IssuerOptions { path: "/".into(), ..Default::default() }).await;
    let url = issuer.url().trim_end_matches('/').to_owned();
    let discovery: Value = client(&issuer).get(format!("{url}{DISCOVERY}")).send().await.unwrap().json().await.unwrap();
    assert_eq!(discovery["issuer"], format!("{url}/"));
    assert_eq!(discovery["jwks_uri"], format!("{url}/jwks"));
}

#[tokio::test]
async fn a_token_is_good_by_default() {
    use base64::Engine as _;
    let issuer = start(IssuerOptions::default()).await;
    let token = issuer.token(UnixTime::from_seconds(1_800_000_000)).mint();
    let claims = token.expose_secret().split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(
        claims,
        json!({"iss": issuer.url(), "sub": "alice", "aud": "kubernetes", "iat": 1_800_000_000, "nbf": 1_800_000_000,
            "exp": 1_800_003_600, "jti": "token-0", "email": "alice@example.com", "email_verified": true,
            "groups": ["developers"]})
    );
}

#[tokio::test]
async fn requests_are_counted_and_can_be_waited_for() {
    let issuer = start(IssuerOptions::default()).await;
    let client = client(&issuer);
    let second = issuer.wait_for(Endpoint::Keys, 2);
    let url = format!("{}/jwks", issuer.url());
    client.get(&url).header("x-number", "one").send().await.unwrap();
    client.get(&url).header("x-number", "two").send().await.unwrap();
    client.get(format!("{}/elsewhere", issuer.url())).send().await.unwrap();
    second.await;
    let requests = issuer.requests();
    let requests = requests.borrow();
    assert_eq!(requests.last_headers(Endpoint::Keys)["x-number"], "two");
    let counts = [Endpoint::Discovery, Endpoint::Keys, Endpoint::Other].map(|endpoint| requests.count(endpoint));
    assert_eq!((counts, requests.connections()), ([0, 2, 1], 1));
}

#[tokio::test]
async fn rotation_publishes_a_new_key_first_and_dropping_withdraws_the_old_one() {
    let issuer = start(IssuerOptions::default()).await;
    let old = issuer.key();
    let new = issuer.rotate(Algorithm::EdDsa).unwrap();
    assert_eq!(kids(&json(&issuer, "/jwks").await), [new.kid(), old.kid()]);
    assert_eq!(issuer.key().kid(), new.kid());
    issuer.drop_key(old.kid());
    assert_eq!(kids(&json(&issuer, "/jwks").await), [new.kid()]);
    issuer.drop_key(new.kid());
    assert_eq!(kids(&json(&issuer, "/jwks").await), [new.kid()]);
}

#[tokio::test]
async fn any_bytes_can_be_published_as_keys() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.publish("{\"keys\":[1]}");
    assert_eq!(json(&issuer, "/jwks").await, json!({"keys": [1]}));
    issuer.publish_keys();
    assert_eq!(json(&issuer, "/jwks").await, json!({"keys": [issuer.key().jwk()]}));
}

#[tokio::test]
async fn an_etag_spares_the_body_until_the_keys_change() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.send_etag(Endpoint::Keys);
    issuer.send_header(Endpoint::Keys, header::CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    let first = get(&issuer, "/jwks").await;
    assert_eq!(first.headers()[header::CACHE_CONTROL], "max-age=60");
    let etag = first.headers()[header::ETAG].clone();
    let again = || async {
        let request = client(&issuer).get(format!("{}/jwks", issuer.url())).header(header::IF_NONE_MATCH, etag.clone());
        request.send().await.unwrap()
    };
    let unchanged = again().await;
    assert_eq!((unchanged.status(), unchanged.bytes().await.unwrap().len()), (StatusCode::NOT_MODIFIED, 0));
    issuer.rotate(Algorithm::EdDsa).unwrap();
    let changed = again().await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()[header::ETAG], etag);
}

#[tokio::test]
async fn an_endpoint_answers_as_its_fault_says() {
    let issuer = start(IssuerOptions::default()).await;
    let healthy = get(&issuer, "/jwks").await.bytes().await.unwrap();
    let half = healthy.slice(..healthy.len() / 2);
    for (fault, code, content_type, body) in [
        (Fault::Answer(429, "slow down".into()), 429, "application/json", Bytes::from("slow down")),
        (Fault::Delay(Duration::from_millis(1)), 200, "application/json", healthy.clone()),
        (Fault::Drip(Duration::ZERO), 200, "application/json", healthy.clone()),
        (Fault::EmptyKeys, 200, "application/json", Bytes::from("{\"keys\":[]}")),
        (Fault::Html, 200, "text/html", Bytes::from("<!doctype html><title>Sign in</title>")),
        (Fault::Truncated, 200, "application/json", half),
    ] {
        issuer.fail(Endpoint::Keys, fault.clone());
        let answer = get(&issuer, "/jwks").await;
        let head = (answer.status().as_u16(), answer.headers()[header::CONTENT_TYPE].clone());
        assert_eq!(head, (code, HeaderValue::from_static(content_type)), "{fault:?}");
        assert_eq!(answer.bytes().await.unwrap(), body, "{fault:?}");
    }
    issuer.heal(Endpoint::Keys);
    assert_eq!(get(&issuer, "/jwks").await.bytes().await.unwrap(), healthy);
}

#[tokio::test]
async fn a_discovery_document_can_lie() {
    let issuer = start(IssuerOptions::default()).await;
    let mut expected = json(&issuer, DISCOVERY).await;
    issuer.fail(Endpoint::Discovery, Fault::WrongIssuer("https://other".into()));
    expected["issuer"] = "https://other".into();
    assert_eq!(json(&issuer, DISCOVERY).await, expected);
    issuer.fail(Endpoint::Discovery, Fault::JwksUri("https://other/jwks".into()));
    expected["issuer"] = issuer.url().into();
    expected["jwks_uri"] = "https://other/jwks".into();
    assert_eq!(json(&issuer, DISCOVERY).await, expected);
}

#[tokio::test]
async fn a_redirect_names_its_target() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::Redirect("http://169.254.169.254/".into()));
    let answer = get(&issuer, "/jwks").await;
    assert_eq!(
        (answer.status(), &answer.headers()[header::LOCATION]),
        (StatusCode::FOUND, &HeaderValue::from_static("http://169.254.169.254/"))
    );
}

#[tokio::test]
async fn a_compressed_answer_says_so() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::Gzip);
    let answer = get(&issuer, "/jwks").await;
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(answer.bytes().await.unwrap()[..3], [0x1f, 0x8b, 8]);
}

#[tokio::test]
async fn a_flood_of_keys_still_has_the_real_one() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::KeyFlood(1000));
    let keys = json(&issuer, "/jwks").await;
    assert_eq!((kids(&keys).len(), kids(&keys)[1000]), (1001, issuer.key().kid()));
}

#[tokio::test]
async fn a_cut_body_is_an_error_and_not_a_short_answer() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::Cut);
    let url = format!("{}/jwks", issuer.url());
    for builder in [client_builder(&issuer), client_builder(&issuer).http1_only()] {
        let answer = builder.build().unwrap().get(&url).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.bytes().await.is_err());
    }
}

#[tokio::test]
async fn an_endless_body_goes_on() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::Endless);
    let mut answer = get(&issuer, "/jwks").await;
    let mut read = 0;
    while read < 4 * 1024 * 1024 {
        read += answer.chunk().await.unwrap().expect("there is no end").len();
    }
}

#[tokio::test]
async fn a_hanging_request_is_answered_when_it_is_released() {
    let issuer = start(IssuerOptions::default()).await;
    issuer.fail(Endpoint::Keys, Fault::Hang);
    let waiting = tokio::spawn(client(&issuer).get(format!("{}/jwks", issuer.url())).send());
    issuer.wait_for(Endpoint::Keys, 1).await;
    issuer.rotate(Algorithm::EdDsa).unwrap();
    assert!(!waiting.is_finished());
    issuer.heal(Endpoint::Keys);
    let keys: Value = waiting.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(kids(&keys)[0], issuer.key().kid());
}

#[tokio::test]
async fn a_stalled_body_is_completed_when_it_is_released() {
    let issuer = start(IssuerOptions::default()).await;
    let whole = get(&issuer, "/jwks").await.bytes().await.unwrap();
    issuer.fail(Endpoint::Keys, Fault::Stall);
    let mut answer = get(&issuer, "/jwks").await;
    let first = answer.chunk().await.unwrap().unwrap();
    assert_eq!(first, whole[..whole.len() / 2]);
    issuer.heal(Endpoint::Keys);
    assert_eq!(answer.bytes().await.unwrap(), whole[whole.len() / 2..]);
}

#[tokio::test]
async fn an_issuer_that_is_down_refuses_connections_and_comes_back_on_the_same_port() {
    let mut issuer = start(IssuerOptions::default()).await;
    let client = client(&issuer);
    let url = format!("{}/jwks", issuer.url());
    client.get(&url).send().await.unwrap();
    issuer.go_down().await.unwrap();
    let error = client.get(&url).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    issuer.come_back().await.unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(issuer.count(Endpoint::Keys), 2);
}

#[tokio::test]
async fn a_foreign_certificate_is_not_trusted() {
    let issuer = start(IssuerOptions::default()).await;
    let stranger = start(IssuerOptions::default()).await;
    let error = client(&issuer).get(format!("{}/jwks", stranger.url())).send().await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(stranger.count(Endpoint::Keys), 0);
}

#[tokio::test]
async fn an_issuer_without_keys_does_not_start() {
    let options = IssuerOptions { algorithms: vec![], ..Default::default() };
    let error = Issuer::start(options, SystemClock.now()).await.err().unwrap();
    assert_eq!(error.to_string(), "the issuer needs at least one algorithm");
}
