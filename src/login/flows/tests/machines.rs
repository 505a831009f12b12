//! Grants without a person, client authentication, refresh and revocation.

use std::io::Write as _;

use serde_json::json;
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::jose::UnverifiedToken;
use crate::login::flows::{FlowError, end_session, log_in, refresh, revoke};
use crate::login::outcome::Ending;
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use crate::login::testing::{CLIENT, FakeProvider, Person, clock};
use crate::login::tokens::{Successor, Tokens};

async fn run(settings: &Settings) -> Result<Tokens, FlowError> {
    let (person, _opened) = Person::new();
    log_in(settings, &person, &clock()).await
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn machine(provider: &FakeProvider, grant: Grant) -> Settings {
    Settings {
        token_kind: TokenKind::AccessToken,
        interactive: false,
        client: ClientAuthentication::Secret(Zeroizing::new("s3cret".to_owned())),
        ..provider.settings(grant)
    }
}

fn gives_access_token(provider: &FakeProvider) {
    let answer = json!({"token_type": "Bearer", "access_token": "opaque", "expires_in": 60});
    provider.will_answer("/token", 200, &answer);
}

#[tokio::test]
async fn without_a_person_the_client_logs_in_itself() {
    let provider = FakeProvider::start().await;
    gives_access_token(&provider);
    let mut settings = machine(&provider, Grant::Auto);
    settings.audience = Some("urn:api:es256".to_owned());
    assert_eq!(run(&settings).await.unwrap().access_token.unwrap().as_str(), "opaque");
    let request = &provider.requests("/token")[0];
    assert_eq!(request.authorization.as_deref(), Some("Basic a3ViZWN0bDpzM2NyZXQ="));
    let form = &request.form;
    assert_eq!((form["grant_type"].as_str(), form["scope"].as_str()), ("client_credentials", "groups"));
    assert_eq!((form["audience"].as_str(), form["resource"].as_str()), ("urn:api:es256", "urn:api:es256"));
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn a_secret_is_posted_where_only_that_is_announced() {
    let provider = FakeProvider::start().await;
    provider.announce("token_endpoint_auth_methods_supported", json!(["client_secret_post"]));
    gives_access_token(&provider);
    run(&machine(&provider, Grant::ClientCredentials)).await.unwrap();
    let request = &provider.requests("/token")[0];
    assert_eq!((request.form["client_secret"].as_str(), &request.authorization), ("s3cret", &None));
}

#[tokio::test]
async fn a_private_key_signs_an_assertion_for_the_issuer_alone() {
    let kinds = [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "ES256"),
        (&rcgen::PKCS_ED25519, "EdDSA"),
        (&rcgen::PKCS_RSA_SHA256, "RS256"),
    ];
    for (kind, name) in kinds {
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let pem = file(&pair.serialize_pem());
        let provider = FakeProvider::start().await;
        gives_access_token(&provider);
        let mut settings = machine(&provider, Grant::ClientCredentials);
        settings.client = ClientAuthentication::PrivateKey { file: pem.path().to_owned(), kid: Some("k9".to_owned()) };
        run(&settings).await.unwrap_or_else(|error| panic!("{name}: {error}"));
        let form = &provider.requests("/token")[0].form;
        let assertion = UnverifiedToken::parse(&form["client_assertion"]).unwrap();
        let header = assertion.header();
        assert_eq!((header.unverified_algorithm_name(), header.unverified_kid()), (name, Some("k9")));
        let claims = assertion.unverified_claims();
        assert_eq!(
            (&claims["iss"], &claims["sub"], &claims["aud"]),
            (&json!(CLIENT), &json!(CLIENT), &json!(provider.issuer))
        );
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
        assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    }
}

#[tokio::test]
async fn an_assertion_file_is_read_at_each_use() {
    let provider = FakeProvider::start().await;
    let assertion = file("first\n");
    let mut settings = machine(&provider, Grant::ClientCredentials);
    settings.client = ClientAuthentication::AssertionFile(assertion.path().to_owned());
    gives_access_token(&provider);
    run(&settings).await.unwrap();
    std::fs::write(assertion.path(), "second").unwrap();
    gives_access_token(&provider);
    run(&settings).await.unwrap();
    let sent: Vec<_> =
        provider.requests("/token").iter().map(|request| request.form["client_assertion"].clone()).collect();
    assert_eq!(sent, ["first", "second"]);
}

#[tokio::test]
async fn a_jwt_is_a_grant() {
    let provider = FakeProvider::start().await;
    let assertion = file("a.b.c");
    let mut settings = machine(&provider, Grant::JwtBearer);
    settings.assertion_file = Some(assertion.path().to_owned());
    gives_access_token(&provider);
    run(&settings).await.unwrap();
    let form = &provider.requests("/token")[0].form;
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(form["assertion"], "a.b.c");
}

#[tokio::test]
async fn a_token_is_exchanged_for_one_for_the_cluster() {
    let provider = FakeProvider::start().await;
    let subject = file("a.b.c");
    let mut settings = machine(&provider, Grant::TokenExchange);
    settings.token_kind = TokenKind::IdToken;
    settings.audience = Some("cluster".to_owned());
    settings.assertion_file = Some(subject.path().to_owned());
    let token = provider.id_token(clock().now()).audience("cluster").mint();
    let answer = json!({
        "token_type": "N_A",
        "issued_token_type": "urn:ietf:params:oauth:token-type:id_token",
        "access_token": token.expose_secret(),
    });
    provider.will_answer("/token", 200, &answer);
    let tokens = run(&settings).await.unwrap();
    assert_eq!(tokens.id_token.unwrap().as_str(), token.expose_secret());
    assert!(tokens.access_token.is_none());
    let form = &provider.requests("/token")[0].form;
    assert_eq!(form["grant_type"], "urn:ietf:params:oauth:grant-type:token-exchange");
    assert_eq!((form["subject_token"].as_str(), form["audience"].as_str()), ("a.b.c", "cluster"));
    assert_eq!(form["subject_token_type"], "urn:ietf:params:oauth:token-type:jwt");
    assert_eq!(form["requested_token_type"], "urn:ietf:params:oauth:token-type:id_token");
    assert!(!form.contains_key("resource"));
}

#[tokio::test]
async fn a_token_file_needs_no_provider() {
    let provider = FakeProvider::start().await;
    let now = clock().now();
    let token = provider.id_token(now).mint();
    let kept = file(&format!("{}\n", token.expose_secret()));
    let mut settings = provider.settings(Grant::TokenFile);
    settings.token_file = Some(kept.path().to_owned());
    let tokens = run(&settings).await.unwrap();
    assert_eq!(tokens.id_token.unwrap().as_str(), token.expose_secret());
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert!(provider.requests("/.well-known/openid-configuration").is_empty());
    let old = provider.id_token(now).claim("exp", 1_700_000_000).mint();
    std::fs::write(kept.path(), old.expose_secret()).unwrap();
    let ended = "the token ended at 2023-11-14T22:13:20Z; see that whoever writes the file still does";
    assert_eq!(run(&settings).await.unwrap_err().to_string(), format!("{}: {ended}", kept.path().display()));
}

#[tokio::test]
async fn a_refresh_keeps_the_old_refresh_token_unless_a_new_one_comes() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    let token = provider.id_token(clock().now()).mint();
    for (given, kept) in [(None, "old"), (Some("new"), "new")] {
        let answer = json!({"token_type": "Bearer", "id_token": token.expose_secret(), "refresh_token": given});
        provider.will_answer("/token", 200, &answer);
        let tokens = refresh(&settings, "old", &clock()).await.unwrap();
        assert_eq!(tokens.refresh_token.unwrap().as_str(), kept);
    }
    let form = &provider.requests("/token")[0].form;
    assert_eq!((form["grant_type"].as_str(), form["refresh_token"].as_str()), ("refresh_token", "old"));
    assert_eq!(form["client_id"], CLIENT);
}

#[tokio::test]
async fn no_refresh_token_is_spent_while_the_keys_cannot_be_had() {
    let provider = FakeProvider::start().await;
    provider.will_send("/jwks", 503, &[], "busy");
    refresh(&provider.settings(Grant::Auto), "old", &clock()).await.unwrap_err();
    assert_eq!(provider.requests("/token").len(), 0);
}

#[tokio::test]
async fn a_rotated_refresh_token_is_not_lost_with_tokens_that_are_not_good() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    let successor = Some(Successor(Zeroizing::new("canary-new".to_owned())));
    let ended = provider.id_token(clock().now()).claim("exp", 1_700_000_000).mint();
    let bad = [
        json!({"token_type": "Bearer", "id_token": ended.expose_secret(), "refresh_token": "canary-new"}),
        json!({"token_type": "mac", "id_token": ended.expose_secret(), "refresh_token": "canary-new"}),
    ];
    for answer in bad {
        provider.will_answer("/token", 200, &answer);
        let error = refresh(&settings, "old", &clock()).await.unwrap_err();
        assert_eq!((error.successor(), error.is_refusal()), (successor.as_ref(), false), "{error}");
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn a_clock_at_the_token_endpoint_that_is_days_off_costs_no_refresh_token() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    let token = provider.id_token(clock().now()).mint();
    let answer = json!({"token_type": "Bearer", "id_token": token.expose_secret(), "refresh_token": "new"}).to_string();
    let headers = [("content-type", "application/json"), ("date", "Tue, 14 Nov 2023 22:13:20 GMT")];
    provider.will_send("/token", 200, &headers, &answer);
    let tokens = refresh(&settings, "old", &clock()).await.unwrap();
    assert_eq!((tokens.refresh_token.unwrap().as_str(), tokens.clock_offset_seconds), ("new", 0));
}

#[tokio::test]
async fn a_refused_refresh_is_told_from_trouble() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    provider.will_answer("/token", 400, &json!({"error": "invalid_grant"}));
    assert!(refresh(&settings, "old", &clock()).await.unwrap_err().is_refusal());
    provider.will_answer("/token", 401, &json!({"error": "invalid_client"}));
    assert!(!refresh(&settings, "old", &clock()).await.unwrap_err().is_refusal());
    provider.will_send("/token", 503, &[], "busy");
    assert!(!refresh(&settings, "old", &clock()).await.unwrap_err().is_refusal());
    provider.will_answer("/token", 200, &json!({"token_type": "Bearer", "access_token": "opaque"}));
    assert!(refresh(&settings, "old", &clock()).await.unwrap_err().is_refusal());
}

fn to_be_revoked() -> Tokens {
    let secret = |text: &str| Some(Zeroizing::new(text.to_owned()));
    Tokens {
        id_token: None,
        access_token: secret("access"),
        refresh_token: secret("refresh"),
        id_token_expires_at: None,
        access_token_expires_at: None,
        account: None,
        subject: None,
        clock_offset_seconds: 0,
    }
}

#[tokio::test]
async fn a_provider_that_revokes_nothing_leaves_the_browser_or_says_the_way_out() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    provider.announce("revocation_endpoint", serde_json::Value::Null);
    assert_eq!(revoke(&settings, &to_be_revoked()).await.unwrap(), Ending::InBrowser);
    provider.announce("end_session_endpoint", serde_json::Value::Null);
    let line = revoke(&settings, &to_be_revoked()).await.unwrap_err().to_string();
    assert!(line.ends_with("it cannot end the session; use `logout` without --everywhere"), "{line}");
}

#[tokio::test]
async fn both_tokens_are_revoked() {
    let provider = FakeProvider::start().await;
    let settings = provider.settings(Grant::Auto);
    let tokens = to_be_revoked();
    provider.will_send("/revoke", 200, &[], "");
    provider.will_answer("/revoke", 400, &json!({"error": "unsupported_token_type"}));
    assert_eq!(revoke(&settings, &tokens).await.unwrap(), Ending::Revoked);
    let revoked: Vec<_> = provider.requests("/revoke").iter().map(|request| request.form["token"].clone()).collect();
    assert_eq!(revoked, ["refresh", "access"]);
    provider.will_answer("/revoke", 401, &json!({"error": "invalid_client"}));
    provider.will_send("/revoke", 200, &[], "");
    assert!(matches!(revoke(&settings, &tokens).await, Err(FlowError::Refused { .. })));
    assert_eq!(provider.requests("/revoke").len(), 4);
    let end = end_session(&settings).await.unwrap().unwrap();
    assert_eq!(end.as_str(), format!("{}/end?client_id={CLIENT}", provider.issuer));
}
