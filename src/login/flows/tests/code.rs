//! The authorization code grant: what goes out, what comes back, and who tries to come between.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::clock::{Clock, ManualClock};
use crate::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use crate::login::flows::{FlowError, log_in};
use crate::login::settings::{Grant, Settings, TokenKind};
use crate::login::testing::{Browser, CLIENT, FakeProvider, Person, clock};
use crate::login::tokens::Tokens;

/// A provider, a clock and a person's settings for a login by browser.
struct Scene {
    provider: FakeProvider,
    settings: Settings,
    clock: ManualClock,
    person: Person,
    opened: tokio::sync::mpsc::UnboundedReceiver<Browser>,
}

impl Scene {
    async fn new() -> Self {
        let provider = FakeProvider::start().await;
        let settings = provider.settings(Grant::AuthorizationCode);
        let (person, opened) = Person::new();
        Self { provider, settings, clock: clock(), person, opened }
    }

    /// Logs in while `script` plays the browser.
    async fn plays<T>(
        &mut self,
        script: impl AsyncFnOnce(&FakeProvider, Browser) -> T,
    ) -> (Result<Tokens, FlowError>, T) {
        let Self { provider, settings, clock, person, opened } = self;
        let browser = async {
            let browser = opened.recv().await.unwrap();
            script(provider, browser).await
        };
        tokio::join!(log_in(settings, person, clock), browser)
    }

    /// Logs in with an ID token that `change` makes of a good one with this login's nonce.
    async fn with_token(&mut self, change: impl Fn(TokenBuilder) -> TokenBuilder) -> Result<Tokens, FlowError> {
        let now = self.clock.now();
        let (result, _) = self
            .plays(async |provider, browser| {
                let token = change(provider.id_token(now).claim("nonce", browser.asked("nonce")));
                give(provider, &token, json!({}));
                come_back(provider, &browser).await
            })
            .await;
        result
    }
}

fn give(provider: &FakeProvider, id_token: &TokenBuilder, more: Value) {
    let mut answer = json!({"token_type": "Bearer", "id_token": id_token.mint().expose_secret()});
    answer.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    provider.will_answer("/token", 200, &answer);
}

async fn come_back(provider: &FakeProvider, browser: &Browser) -> String {
    let state = browser.asked("state");
    browser.comes_back(&[("code", "the-code"), ("state", &state), ("iss", &provider.issuer)]).await
}

fn error(result: Result<Tokens, FlowError>) -> String {
    result.expect_err("the login fails").to_string()
}

#[tokio::test]
async fn a_person_logs_in_with_the_browser() {
    let mut scene = Scene::new().await;
    scene.settings.account = Some("alice@example.test".to_owned());
    scene.settings.audience = Some("https://cluster.test".to_owned());
    let now = scene.clock.now();
    let (tokens, (page, asked)) = scene
        .plays(async |provider, browser| {
            let token = provider.id_token(now).claim("nonce", browser.asked("nonce"));
            give(provider, &token, json!({"access_token": "opaque", "refresh_token": "again", "expires_in": 300}));
            let names = ["response_type", "client_id", "scope", "login_hint", "audience", "resource", "tenant"];
            let asked = names.map(|name| browser.asked(name));
            let challenge = (browser.asked("code_challenge_method"), browser.asked("code_challenge"));
            (come_back(provider, &browser).await, (asked, challenge, browser.asked("redirect_uri")))
        })
        .await;
    let tokens = tokens.unwrap();
    let (asked, (method, challenge), redirect_uri) = asked;
    let audience = "https://cluster.test";
    assert_eq!(asked, ["code", CLIENT, "openid groups", "alice@example.test", audience, audience, "a"]);
    let form = &scene.provider.requests("/token")[0].form;
    assert_eq!(method, "S256");
    assert_eq!(challenge, BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, form["code_verifier"].as_bytes())));
    assert_eq!((form["code"].as_str(), form["redirect_uri"].as_str()), ("the-code", redirect_uri.as_str()));
    assert_eq!((form["grant_type"].as_str(), form["client_id"].as_str()), ("authorization_code", CLIENT));
    assert_eq!(tokens.account.as_deref(), Some("alice@example.test"));
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert_eq!(tokens.refresh_token.unwrap().as_str(), "again");
    assert_eq!(tokens.access_token.unwrap().as_str(), "opaque");
    assert_eq!(tokens.id_token_expires_at.unwrap().since(now).as_secs(), 600);
    assert_eq!(tokens.access_token_expires_at.unwrap().since(now).as_secs(), 300);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<dd>alice@example.test</dd>") && page.contains("<dd>production &lt;eu&gt;</dd>"), "{page}");
}

#[tokio::test]
async fn k2_an_answer_with_another_state_is_not_used_and_the_wait_goes_on() {
    let mut scene = Scene::new().await;
    let now = scene.clock.now();
    let (tokens, (foreign, missing)) = scene
        .plays(async |provider, browser| {
            let injected = [("code", "stolen"), ("state", "another"), ("iss", provider.issuer.as_str())];
            let foreign = browser.comes_back(&injected).await;
            let missing = browser.comes_back(&[("code", "stolen")]).await;
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            (foreign, missing)
        })
        .await;
    tokens.unwrap();
    assert!(foreign.starts_with("HTTP/1.1 400 ") && missing.starts_with("HTTP/1.1 400 "), "{foreign}{missing}");
    let codes: Vec<_> = scene.provider.requests("/token").iter().map(|request| request.form["code"].clone()).collect();
    assert_eq!(codes, ["the-code"]);
    assert!(scene.person.lines().iter().any(|line| line.contains("belongs to another login")));
}

#[tokio::test]
async fn k2_an_answer_in_another_issuers_name_is_not_used() {
    for iss in [Some("https://evil.example"), None] {
        let mut scene = Scene::new().await;
        let (result, _) = scene
            .plays(async |_, browser| {
                let state = browser.asked("state");
                let mut parameters = vec![("code", "the-code"), ("state", state.as_str())];
                parameters.extend(iss.map(|iss| ("iss", iss)));
                browser.comes_back(&parameters).await
            })
            .await;
        let found = error(result);
        assert!(found.starts_with("the answer to the login came in the name of"), "{found}");
        assert!(scene.provider.requests("/token").is_empty());
    }
}

#[tokio::test]
async fn an_answer_without_issuer_is_fine_where_none_is_announced() {
    let mut scene = Scene::new().await;
    scene.provider.announce("authorization_response_iss_parameter_supported", Value::Null);
    let now = scene.clock.now();
    let (result, _) = scene
        .plays(async |provider, browser| {
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            browser.comes_back(&[("code", "the-code"), ("state", &browser.asked("state"))]).await
        })
        .await;
    result.unwrap();
}

#[tokio::test]
async fn k2_a_parameter_that_comes_twice_makes_no_answer() {
    let mut scene = Scene::new().await;
    let now = scene.clock.now();
    let (result, twice) = scene
        .plays(async |provider, browser| {
            let state = browser.asked("state");
            let twice = browser.comes_back(&[("state", "x"), ("code", "stolen"), ("state", &state)]).await;
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            twice
        })
        .await;
    result.unwrap();
    assert!(twice.starts_with("HTTP/1.1 400 "), "{twice}");
}

#[tokio::test]
async fn k2_after_the_answer_nobody_listens() {
    let mut scene = Scene::new().await;
    let now = scene.clock.now();
    let (result, after) = scene
        .plays(async |provider, browser| {
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            browser.gets("/?code=again", &browser.redirect()).await
        })
        .await;
    result.unwrap();
    assert_eq!(after, None);
    assert_eq!(scene.provider.requests("/token").len(), 1);
}

#[tokio::test]
async fn strangers_on_the_port_change_nothing() {
    let mut scene = Scene::new().await;
    let now = scene.clock.now();
    let (result, answers) = scene
        .plays(async |provider, browser| {
            let host = browser.redirect();
            let icon = browser.gets("/favicon.ico", &host).await.unwrap();
            let bare = browser.gets("/", &host).await.unwrap();
            let state = browser.asked("state");
            let rebound = browser.gets(&format!("/?code=stolen&state={state}"), "evil.example").await.unwrap();
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            [icon, bare, rebound].map(|answer| answer.split(' ').nth(1).unwrap().to_owned())
        })
        .await;
    result.unwrap();
    assert_eq!(answers, ["404", "400", "421"]);
    assert!(!scene.person.lines().iter().any(|line| line.contains("another login")));
}

#[tokio::test]
async fn k2_an_error_of_the_provider_is_shown_escaped_everywhere() {
    let mut scene = Scene::new().await;
    let (result, page) = scene
        .plays(async |provider, browser| {
            let state = browser.asked("state");
            let description = "<script>x</script>\x1b[2J";
            let parameters = [("error", "access_denied"), ("error_description", description), ("state", &state)];
            let mut parameters = parameters.to_vec();
            parameters.push(("iss", &provider.issuer));
            browser.comes_back(&parameters).await
        })
        .await;
    let result = result.unwrap_err();
    assert!(result.is_refusal());
    let line = result.to_string();
    assert!(line.contains(r#"refused: access_denied ("<script>x</script>\u{1b}[2J")"#), "{line}");
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;"), "{page}");
    assert!(!line.contains('\x1b') && !page.contains('\x1b'));
}

#[tokio::test]
async fn k2_an_id_token_with_a_missing_or_another_nonce_is_refused() {
    let result = Scene::new().await.with_token(|token| token.claim("nonce", "another")).await;
    assert!(matches!(&result, Err(FlowError::TokenBinding { what, .. }) if what.contains("another")), "{result:?}");
    let result = Scene::new().await.with_token(|token| token.without_claim("nonce")).await;
    assert!(matches!(&result, Err(FlowError::TokenBinding { what, .. }) if what.contains("no `nonce`")), "{result:?}");
}

#[tokio::test]
async fn k2_an_id_token_that_is_not_good_is_refused() {
    type Change = fn(TokenBuilder) -> TokenBuilder;
    let changes: [(Change, &str); 6] = [
        (|token| token.audience("another-client"), "audience_mismatch"),
        (|token| token.claim("exp", 1_700_000_000), "expired"),
        (|token| token.issuer("https://evil.example"), "unknown_issuer"),
        (|token| token.signature(&[7; 64]), "bad_signature"),
        (TokenBuilder::unsigned, "algorithm_not_allowed"),
        (|token| token.header("typ", "logout+jwt"), "token_profile"),
    ];
    for (change, code) in changes {
        let result = Scene::new().await.with_token(change).await;
        let Err(FlowError::Token { reason, .. }) = &result else { panic!("{code}: {result:?}") };
        assert_eq!(reason.code(), code);
    }
    let stranger = std::sync::Arc::new(SigningKey::generate(Algorithm::Es256, "stranger").unwrap());
    let result = Scene::new().await.with_token(|token| token.signed_by(&stranger)).await;
    assert!(matches!(&result, Err(FlowError::Token { reason, .. }) if reason.code() == "unknown_key"), "{result:?}");
}

#[tokio::test]
async fn k2_an_id_token_that_was_issued_to_another_party_is_refused() {
    let result = Scene::new().await.with_token(|token| token.claim("azp", "another")).await;
    assert!(matches!(result, Err(FlowError::TokenBinding { .. })), "{result:?}");
    let result = Scene::new().await.with_token(|token| token.audiences(&[CLIENT, "other"])).await;
    assert!(matches!(result, Err(FlowError::TokenBinding { .. })), "{result:?}");
    let named = Scene::new().await.with_token(|token| token.audiences(&[CLIENT, "other"]).claim("azp", CLIENT)).await;
    named.unwrap();
}

#[tokio::test]
async fn k2_an_access_token_that_the_id_token_does_not_vouch_for_is_refused() {
    for (access_token, is_good) in [("the-access-token", true), ("swapped", false)] {
        let mut scene = Scene::new().await;
        let now = scene.clock.now();
        let hash = digest(&SHA256, b"the-access-token");
        let at_hash = BASE64_URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]);
        let (result, _) = scene
            .plays(async |provider, browser| {
                let token = provider.id_token(now).claim("nonce", browser.asked("nonce"));
                give(provider, &token.claim("at_hash", at_hash.as_str()), json!({"access_token": access_token}));
                come_back(provider, &browser).await
            })
            .await;
        assert_eq!(result.is_ok(), is_good, "{access_token}: {result:?}");
    }
}

#[tokio::test]
async fn an_access_token_that_is_sent_is_judged_for_the_wanted_audience() {
    for (audience, is_good) in [("https://cluster.test", true), ("https://other.test", false)] {
        let mut scene = Scene::new().await;
        scene.settings.token_kind = TokenKind::AccessToken;
        scene.settings.audience = Some("https://cluster.test".to_owned());
        let now = scene.clock.now();
        let (result, _) = scene
            .plays(async |provider, browser| {
                let token = provider.id_token(now).audience(audience).header("typ", "at+jwt").mint();
                let answer = json!({"token_type": "bearer", "access_token": token.expose_secret()});
                provider.will_answer("/token", 200, &answer);
                come_back(provider, &browser).await
            })
            .await;
        assert_eq!(result.is_ok(), is_good, "{audience}: {result:?}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_asked_for_with_consent() {
    let mut scene = Scene::new().await;
    scene.settings.scopes = vec!["openid".to_owned(), "offline_access".to_owned()];
    let (_, asked) = scene
        .plays(async |provider, browser| {
            let state = browser.asked("state");
            browser.comes_back(&[("error", "x"), ("state", &state), ("iss", &provider.issuer)]).await;
            [browser.asked("scope"), browser.asked("prompt")]
        })
        .await;
    assert_eq!(asked, ["openid offline_access", "consent"]);
}

#[tokio::test]
async fn k7_extra_parameters_cannot_loosen_the_ties() {
    let mut scene = Scene::new().await;
    scene.settings.extra_parameters = vec![("state".to_owned(), "known".to_owned())];
    let found = error(log_in(&scene.settings, &scene.person, &scene.clock).await);
    assert!(found.starts_with("the parameter state of the login cannot be set"), "{found}");
}

#[tokio::test]
async fn a_taken_port_is_passed_over_and_named_when_all_are() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut scene = Scene::new().await;
    scene.settings.listen = vec![address];
    let found = error(log_in(&scene.settings, &scene.person, &scene.clock).await);
    assert!(found.contains(&format!("on {address}: the port is taken")), "{found}");
    scene.settings.listen.push("127.0.0.1:0".parse().unwrap());
    scene.with_token(|token| token).await.unwrap();
}

#[tokio::test]
async fn k2_only_loopback_is_listened_on() {
    let mut scene = Scene::new().await;
    scene.settings.listen = vec!["0.0.0.0:0".parse().unwrap()];
    let found = error(log_in(&scene.settings, &scene.person, &scene.clock).await);
    assert!(found.starts_with("0.0.0.0:0 is not a loopback address"), "{found}");
}

#[tokio::test]
async fn a_redirect_to_localhost_is_heard() {
    let mut scene = Scene::new().await;
    scene.settings.redirect_host = Some("localhost".to_owned());
    let now = scene.clock.now();
    let (result, host) = scene
        .plays(async |provider, browser| {
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            browser.redirect()
        })
        .await;
    result.unwrap();
    assert!(host.starts_with("localhost:"), "{host}");
}

#[tokio::test]
async fn a_redirect_with_a_path_is_heard_there() {
    let mut scene = Scene::new().await;
    scene.settings.redirect_path = "/callback".to_owned();
    let now = scene.clock.now();
    let (result, redirect) = scene
        .plays(async |provider, browser| {
            give(provider, &provider.id_token(now).claim("nonce", browser.asked("nonce")), json!({}));
            come_back(provider, &browser).await;
            browser.asked("redirect_uri")
        })
        .await;
    result.unwrap();
    assert!(redirect.ends_with("/callback"), "{redirect}");
}

#[tokio::test]
async fn patience_ends() {
    let mut scene = Scene::new().await;
    scene.settings.patience = std::time::Duration::ZERO;
    let found = error(log_in(&scene.settings, &scene.person, &scene.clock).await);
    assert!(found.starts_with("nobody finished the login within 0 seconds"), "{found}");
}
