//! The device grant.

use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::login::flows::{Context, FlowError, device_code};
use crate::login::provider::Provider;
use crate::login::settings::Grant;
use crate::login::testing::{CLIENT, FakeProvider, Person, clock};
use crate::login::tokens::Tokens;

/// Logs in with these answers of the token endpoint; returns the pauses and the lines on the terminal too.
async fn log_in(
    provider: &FakeProvider,
    start: &Value,
    polls: &[(u16, Value)],
) -> (Result<Tokens, FlowError>, Vec<u64>, Vec<String>) {
    provider.will_answer("/device", 200, start);
    for (status, answer) in polls {
        provider.will_answer("/token", *status, answer);
    }
    let (settings, clock, (person, _opened)) = (provider.settings(Grant::DeviceCode), clock(), Person::new());
    let discovered = Provider::discover(&settings.issuer, settings.certificate_authority.as_deref(), &clock);
    let discovered = discovered.await.unwrap();
    let context = Context { settings: &settings, provider: &discovered, prompt: &person, clock: &clock };
    let pauses = Mutex::new(Vec::new());
    let result = device_code::log_in(&context, async |pause: Duration| pauses.lock().unwrap().push(pause.as_secs()));
    let result = result.await;
    (result, pauses.into_inner().unwrap(), person.lines())
}

fn start() -> Value {
    json!({
        "device_code": "secret-device-code",
        "user_code": "GSWZ-CDVP",
        "verification_uri": "https://idp.example/device",
        "verification_uri_complete": "https://idp.example/device?user_code=GSWZ-CDVP",
        "expires_in": 600,
    })
}

fn not_yet(code: &str) -> (u16, Value) {
    (400, json!({"error": code}))
}

#[tokio::test]
async fn a_person_logs_in_on_another_device() {
    let provider = FakeProvider::start().await;
    let token = provider.id_token(clock().now()).mint();
    let done = json!({"token_type": "Bearer", "id_token": token.expose_secret()});
    let polls = [not_yet("authorization_pending"), not_yet("slow_down"), (200, done)];
    let (tokens, pauses, lines) = log_in(&provider, &start(), &polls).await;
    assert_eq!(tokens.unwrap().account.as_deref(), Some("alice@example.test"));
    assert_eq!(pauses, [5, 5, 10]);
    assert!(
        lines[0].ends_with("open https://idp.example/device on any device and enter the code GSWZ-CDVP"),
        "{lines:?}"
    );
    assert!(lines.iter().any(|line| line.contains('█')), "a QR code: {lines:?}");
    assert!(!lines.iter().any(|line| line.contains("secret-device-code")));
    let begun = &provider.requests("/device")[0].form;
    assert_eq!((begun["client_id"].as_str(), begun["scope"].as_str()), (CLIENT, "openid groups"));
    let asked = &provider.requests("/token")[2].form;
    assert_eq!(asked["device_code"], "secret-device-code");
}

#[tokio::test]
async fn a_provider_that_stumbles_is_asked_again_and_less_often() {
    let provider = FakeProvider::start().await;
    provider.will_send("/token", 307, &[("location", "https://elsewhere.example")], "");
    let token = provider.id_token(clock().now()).mint();
    let done = json!({"token_type": "Bearer", "id_token": token.expose_secret()});
    let (tokens, pauses, _) = log_in(&provider, &start(), &[(200, done)]).await;
    tokens.unwrap();
    assert_eq!(pauses, [5, 10]);
}

#[tokio::test]
async fn a_refused_or_expired_code_ends_the_wait() {
    for (code, remedy) in [("access_denied", "cancelled"), ("expired_token", "not entered in time")] {
        let provider = FakeProvider::start().await;
        let (result, _, _) = log_in(&provider, &start(), &[not_yet(code)]).await;
        let error = result.unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains(remedy), "{error}");
    }
}

#[tokio::test]
async fn the_wait_ends_with_the_code() {
    let provider = FakeProvider::start().await;
    let mut short = start();
    (short["expires_in"], short["interval"]) = (json!(7), json!(3));
    let polls = [not_yet("authorization_pending"), not_yet("authorization_pending")];
    let (result, pauses, _) = log_in(&provider, &short, &polls).await;
    assert!(result.unwrap_err().to_string().contains("expired_token"));
    assert_eq!(pauses, [3, 3]);
}

#[tokio::test]
async fn k2_a_code_cannot_drive_the_terminal_and_leads_to_https_only() {
    let provider = FakeProvider::start().await;
    let mut wild = start();
    wild["user_code"] = json!("\x1b]0;x\x07A");
    let (_, _, lines) = log_in(&provider, &wild, &[not_yet("access_denied")]).await;
    assert!(!lines.iter().any(|line| line.contains('\x1b')), "{lines:?}");
    wild["verification_uri"] = json!("http://idp.example/device");
    let (result, _, lines) = log_in(&provider, &wild, &[]).await;
    assert!(matches!(result, Err(FlowError::NotUsable { .. })), "{result:?}");
    assert_eq!(lines, Vec::<String>::new());
}
