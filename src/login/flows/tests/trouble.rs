//! Bad days: each is one line that says what, where and what to do, and none is a refusal.

use std::time::Duration;

use serde_json::json;

use crate::clock::{Clock, ManualClock, SystemClock};
use crate::login::flows::Context;
use crate::login::flows::{FlowError, fitting_grant, log_in, refresh};
use crate::login::provider::Provider;
use crate::login::settings::{ClientAuthentication, Grant};
use crate::login::testing::{FakeProvider, Person, clock};
use crate::outbound::chain;

const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What a refresh says when the provider is like this.
async fn says(provider: &FakeProvider) -> String {
    let error = refresh(&provider.settings(Grant::Auto), "canary-refresh-token", &clock()).await.unwrap_err();
    assert!(!error.is_refusal(), "{error}");
    let line = chain(&error);
    assert!(!line.contains('\n') && !line.contains("canary"), "{line}");
    line
}

#[tokio::test]
async fn a_captive_portal_is_recognised() {
    let provider = FakeProvider::start().await;
    provider.will_send(DISCOVERY, 200, &[("content-type", "text/html")], "<html>pay for wifi</html>");
    let line = says(&provider).await;
    assert!(line.contains("something that is not JSON; is there a sign-in page"), "{line}");
}

#[tokio::test]
async fn e14_redirects_are_not_followed() {
    let provider = FakeProvider::start().await;
    provider.will_send(DISCOVERY, 302, &[("location", "https://portal.example")], "");
    let line = says(&provider).await;
    assert!(line.contains("302 Found; redirects are not followed"), "{line}");
    provider.will_send("/token", 307, &[("location", "https://portal.example")], "");
    let line = says(&provider).await;
    assert!(line.contains("307 Temporary Redirect; redirects are not followed"), "{line}");
}

#[tokio::test]
async fn e10_metadata_of_another_issuer_is_refused() {
    let provider = FakeProvider::start().await;
    provider.announce("issuer", format!("{}/", provider.issuer));
    let line = says(&provider).await;
    assert!(line.ends_with("use the issuer URL exactly as the provider writes it"), "{line}");
}

#[tokio::test]
async fn e12_endpoints_must_be_https() {
    let provider = FakeProvider::start().await;
    provider.announce("token_endpoint", "http://idp.example/token");
    let line = says(&provider).await;
    assert!(line.contains("`token_endpoint` that is no https address"), "{line}");
}

#[tokio::test]
async fn a_provider_that_nobody_vouches_for_is_named() {
    let provider = FakeProvider::start().await;
    let other = FakeProvider::start().await;
    let mut settings = provider.settings(Grant::Auto);
    settings.certificate_authority = other.settings(Grant::Auto).certificate_authority;
    let line = refresh(&settings, "x", &clock()).await.unwrap_err().to_string();
    assert!(line.contains("its certificate is not trusted here: give the authority"), "{line}");
}

#[tokio::test]
async fn a_provider_that_is_down_is_named() {
    let provider = FakeProvider::start().await;
    let mut settings = provider.settings(Grant::Auto);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    settings.issuer = format!("https://{free}");
    let line = chain(&refresh(&settings, "x", &clock()).await.unwrap_err());
    assert!(line.starts_with(&format!("no answer from https://{free}/")), "{line}");
    assert!(line.ends_with("check the network, the proxy settings and the issuer URL, then try again"), "{line}");
}

#[tokio::test]
async fn k7_an_issuer_without_https_is_not_contacted() {
    let provider = FakeProvider::start().await;
    for issuer in ["http://idp.example", "file:///etc", "https://idp.example?x", "nothing"] {
        let mut settings = provider.settings(Grant::Auto);
        settings.issuer = issuer.to_owned();
        let result = refresh(&settings, "x", &clock()).await;
        assert!(matches!(result, Err(FlowError::Settings { .. })), "{issuer}: {result:?}");
    }
}

#[tokio::test]
async fn a_wrong_clock_does_not_break_a_login_and_is_mentioned() {
    const THREE_HOURS: Duration = Duration::from_secs(3 * 3600);
    let provider = FakeProvider::start().await;
    let real = SystemClock.now();
    let token = provider.id_token(real).mint();
    for wrong in [real.saturating_sub(THREE_HOURS), real.saturating_add(THREE_HOURS)] {
        let clock = ManualClock::at(wrong);
        provider.will_answer("/token", 200, &json!({"token_type": "Bearer", "id_token": token.expose_secret()}));
        let tokens = refresh(&provider.settings(Grant::Auto), "x", &clock).await.unwrap();
        assert!(tokens.clock_offset_seconds.unsigned_abs().abs_diff(THREE_HOURS.as_secs()) <= 30);
        assert_eq!(tokens.clock_offset_seconds > 0, wrong < real);
    }
    let (person, _opened) = Person::new();
    let clock = ManualClock::at(real.saturating_sub(THREE_HOURS));
    let settings = provider.settings(Grant::JwtBearer);
    log_in(&settings, &person, &clock).await.unwrap_err();
    let lines = person.lines();
    assert!(lines[0].starts_with("This machine's clock is 10") && lines[0].contains("seconds behind"), "{lines:?}");
}

#[tokio::test]
async fn a_clock_that_is_days_off_is_an_error() {
    let provider = FakeProvider::start().await;
    let clock = ManualClock::at(SystemClock.now().saturating_add(Duration::from_secs(3 * 24 * 3600)));
    let line = refresh(&provider.settings(Grant::Auto), "x", &clock).await.unwrap_err().to_string();
    assert!(line.contains("71 hours apart") || line.contains("72 hours apart"), "{line}");
}

#[tokio::test]
async fn the_words_of_oauth_come_with_a_remedy() {
    for (code, remedy) in [
        ("invalid_client", "check the client id and how the client proves itself"),
        ("invalid_request", "check the client id, the redirect address"),
    ] {
        let provider = FakeProvider::start().await;
        provider.will_answer("/token", 400, &json!({"error": code, "error_description": "why"}));
        let line = says(&provider).await;
        assert!(line.starts_with(&format!("{} refused: {code} (\"why\"); {remedy}", provider.issuer)), "{line}");
    }
}

#[tokio::test]
async fn nobody_is_asked_where_nobody_is() {
    let provider = FakeProvider::start().await;
    for grant in [Grant::Auto, Grant::AuthorizationCode, Grant::DeviceCode] {
        let mut settings = provider.settings(grant);
        settings.interactive = false;
        let (person, mut opened) = Person::new();
        let result = log_in(&settings, &person, &clock()).await;
        assert!(matches!(result, Err(FlowError::NotInteractive { .. })), "{grant:?}: {result:?}");
        assert!(person.lines().is_empty() && opened.try_recv().is_err());
    }
}

#[tokio::test]
async fn auto_takes_what_fits() {
    let fake = FakeProvider::start().await;
    let mut settings = fake.settings(Grant::Auto);
    let (clock, (person, _opened)) = (clock(), Person::new());
    let discover = async || {
        Provider::discover(&fake.issuer, fake.settings(Grant::Auto).certificate_authority.as_deref(), &clock).await
    };
    let full = discover().await.unwrap();
    fake.announce("device_authorization_endpoint", serde_json::Value::Null);
    let no_device = discover().await.unwrap();
    let fits = |settings: &_, provider: &_, has_browser| {
        let context = Context { settings, provider, prompt: &person, clock: &clock };
        fitting_grant(&context, has_browser).unwrap()
    };
    assert_eq!(fits(&settings, &full, true), Grant::AuthorizationCode);
    assert_eq!(fits(&settings, &full, false), Grant::DeviceCode);
    assert_eq!(fits(&settings, &no_device, false), Grant::AuthorizationCode);
    settings.interactive = false;
    settings.client = ClientAuthentication::AssertionFile("/token".into());
    assert_eq!(fits(&settings, &full, true), Grant::ClientCredentials);
}
