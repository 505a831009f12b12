//! The grants of the credential plugin against oidc-provider.

use std::time::Duration;

use countersign::clock::SystemClock;
use countersign::login::flows::{FlowError, Prompt, log_in, refresh, revoke};
use countersign::login::settings::ClientAuthentication;
use countersign::login::{Grant, Settings, TokenKind, Tokens};
use tokio::sync::mpsc;
use url::Url;
use zeroize::Zeroizing;

use crate::support::{OidcProvider, Rig};

/// A person whose browser is the test.
struct Person(mpsc::UnboundedSender<Url>);

impl Prompt for Person {
    fn say(&self, _: &str) {}

    fn open(&self, url: &str) {
        self.0.send(Url::parse(url).unwrap()).unwrap();
    }
}

fn settings(provider: &OidcProvider, grant: Grant) -> Settings {
    let issuer = provider.issuer();
    Settings {
        issuer: issuer.url,
        client_id: "kubectl".to_owned(),
        client: ClientAuthentication::None,
        scopes: ["email", "groups", "offline_access"].map(str::to_owned).to_vec(),
        audience: None,
        grant,
        token_kind: TokenKind::IdToken,
        account: Some("alice".to_owned()),
        certificate_authority: Some(issuer.authority),
        listen: Vec::new(),
        redirect_host: None,
        redirect_path: String::new(),
        browser: None,
        skip_browser: false,
        patience: Duration::from_secs(30),
        extra_parameters: Vec::new(),
        assertion_file: None,
        token_file: None,
        interactive: true,
    }
}

/// Logs in with the browser; returns the tokens and the page at the end.
async fn with_browser(provider: &OidcProvider, settings: &Settings) -> (Result<Tokens, FlowError>, String) {
    let (browser, mut opened) = mpsc::unbounded_channel();
    let person = Person(browser);
    let browse = async {
        let url = opened.recv().await.unwrap();
        let (_, redirect) = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap();
        let end = provider.tokens.walk(url.clone(), &redirect).await;
        provider.tokens.page(end).await
    };
    tokio::join!(log_in(settings, &person, &SystemClock), browse)
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_person_logs_in_refreshes_and_logs_out() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = settings(&provider, Grant::AuthorizationCode);
    let (tokens, page) = with_browser(&provider, &settings).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.account.as_deref(), Some("alice@example.test"));
    assert!(page.contains("You are logged in") && page.contains("alice@example.test"), "{page}");

    let first = tokens.refresh_token.expect("offline_access was granted");
    let second = refresh(&settings, &first, &SystemClock).await.unwrap();
    assert_eq!(second.subject.as_deref(), Some("alice"));
    assert_ne!(second.refresh_token.as_ref(), Some(&first), "oidc-provider rotates");
    revoke(&settings, &second).await.unwrap();
    let refused = refresh(&settings, second.refresh_token.as_ref().unwrap(), &SystemClock).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn k4_a_refresh_token_that_is_used_twice_kills_the_session() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = settings(&provider, Grant::AuthorizationCode);
    let first = with_browser(&provider, &settings).await.0.unwrap().refresh_token.unwrap();
    let second = refresh(&settings, &first, &SystemClock).await.unwrap().refresh_token.unwrap();
    assert!(refresh(&settings, &first, &SystemClock).await.unwrap_err().is_refusal());
    assert!(refresh(&settings, &second, &SystemClock).await.unwrap_err().is_refusal());
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_person_gets_an_access_token_for_the_cluster() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let mut settings = settings(&provider, Grant::AuthorizationCode);
    settings.audience = Some("urn:api:es256".to_owned());
    settings.token_kind = TokenKind::AccessToken;
    settings.scopes = vec!["openid".to_owned()];
    let (tokens, _) = with_browser(&provider, &settings).await;
    let tokens = tokens.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert_eq!(tokens.access_token.unwrap().split('.').count(), 3, "a JWT");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_client_logs_in_itself() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let mut settings = settings(&provider, Grant::Auto);
    settings.interactive = false;
    settings.client_id = "svc".to_owned();
    settings.client = ClientAuthentication::Secret(Zeroizing::new("not-a-secret-this-is-a-test".to_owned()));
    settings.token_kind = TokenKind::AccessToken;
    settings.scopes = Vec::new();
    settings.audience = Some("urn:api:es256".to_owned());
    let (browser, _opened) = mpsc::unbounded_channel();
    let tokens = log_in(&settings, &Person(browser), &SystemClock).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("svc"));
    settings.audience = Some("urn:api:nobody".to_owned());
    let (browser, _opened) = mpsc::unbounded_channel();
    let error = log_in(&settings, &Person(browser), &SystemClock).await.unwrap_err();
    assert!(error.to_string().contains("invalid_target"), "{error}");
}
