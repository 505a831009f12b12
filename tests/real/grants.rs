//! Every grant of the credential plugin against providers that other people have written: oidc-provider and glewlwyd.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign::clock::{Clock, SystemClock};
use countersign::login::flows::{FlowError, Prompt, log_in, refresh};
use countersign::login::settings::ClientAuthentication;
use countersign::login::{Grant, Settings, TokenKind, Tokens};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use url::Url;
use zeroize::Zeroizing;

use crate::support::{Glewlwyd, Issuer, OidcProvider, RESOURCE, Rig, free_port};

/// What a person is told and shown, as it comes.
enum Shown {
    Line(String),
    Window(Url),
}

struct Screen(mpsc::UnboundedSender<Shown>);

impl Prompt for Screen {
    fn say(&self, line: &str) {
        let _ = self.0.send(Shown::Line(line.to_owned()));
    }

    fn open(&self, url: &str) {
        self.0.send(Shown::Window(Url::parse(url).unwrap())).unwrap();
    }
}

/// Runs a login while `person` looks at the screen and does something.
async fn with_person(
    settings: &Settings,
    person: impl AsyncFnOnce(mpsc::UnboundedReceiver<Shown>),
) -> Result<Tokens, FlowError> {
    let (screen, shown) = mpsc::unbounded_channel();
    let screen = Screen(screen);
    tokio::join!(log_in(settings, &screen, &SystemClock), person(shown)).0
}

/// The first address that is opened.
async fn window(shown: &mut mpsc::UnboundedReceiver<Shown>) -> Url {
    loop {
        if let Shown::Window(url) = shown.recv().await.unwrap() {
            return url;
        }
    }
}

/// The address with the code in it, of a device login.
async fn device_address(shown: &mut mpsc::UnboundedReceiver<Shown>) -> Url {
    loop {
        if let Shown::Line(line) = shown.recv().await.unwrap()
            && let Some(address) = line.strip_prefix("or open ")
        {
            return Url::parse(address.split(' ').next().unwrap()).unwrap();
        }
    }
}

fn settings(issuer: Issuer, client: &str, grant: Grant) -> Settings {
    Settings {
        issuer: issuer.url,
        client_id: client.to_owned(),
        client: ClientAuthentication::None,
        scopes: Vec::new(),
        audience: None,
        grant,
        token_kind: TokenKind::IdToken,
        account: None,
        certificate_authority: Some(issuer.authority),
        listen: Vec::new(),
        redirect_host: None,
        redirect_path: String::new(),
        browser: None,
        skip_browser: false,
        patience: Duration::from_secs(60),
        extra_parameters: Vec::new(),
        assertion_file: None,
        token_file: None,
        interactive: true,
    }
}

/// Settings of a program that wants an access token for the cluster.
fn machine(issuer: Issuer, grant: Grant, client: ClientAuthentication) -> Settings {
    Settings {
        client,
        audience: Some(RESOURCE.to_owned()),
        token_kind: TokenKind::AccessToken,
        interactive: false,
        ..settings(issuer, "machine", grant)
    }
}

fn by_key(provider: &OidcProvider) -> ClientAuthentication {
    ClientAuthentication::PrivateKey { file: provider.machine_key(), kid: Some("machine".to_owned()) }
}

async fn alone(settings: &Settings) -> Result<Tokens, FlowError> {
    with_person(settings, async |_| ()).await
}

fn claims(token: &str) -> Value {
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn file(rig: &Rig, name: &str, text: &str) -> std::path::PathBuf {
    let file = rig.folder().join(name);
    std::fs::write(&file, text).unwrap();
    file
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn oidc_provider_logs_a_person_in_on_another_device() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings {
        scopes: vec!["offline_access".to_owned()],
        ..settings(provider.issuer(), "kubectl", Grant::DeviceCode)
    };
    let approve = async |mut shown: mpsc::UnboundedReceiver<Shown>| {
        let page = provider.tokens.approve_device(device_address(&mut shown).await).await;
        assert!(page.contains("Sign-in Success"), "{page}");
    };
    let tokens = with_person(&settings, approve).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    let renewed = refresh(&settings, tokens.refresh_token.as_ref().unwrap(), &SystemClock).await.unwrap();
    assert_eq!(renewed.subject.as_deref(), Some("alice"));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn oidc_provider_takes_a_clients_key_instead_of_a_secret() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let by_its_key = machine(provider.issuer(), Grant::Auto, by_key(&provider));
    assert_eq!(alone(&by_its_key).await.unwrap().subject.as_deref(), Some("machine"));

    let other = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let client =
        ClientAuthentication::PrivateKey { file: file(&rig, "other.pem", &other), kid: Some("machine".to_owned()) };
    let refused = alone(&machine(provider.issuer(), Grant::Auto, client)).await.unwrap_err();
    assert!(refused.to_string().contains("invalid_client"), "{refused}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn oidc_provider_takes_an_assertion_from_a_file_as_the_clients_proof() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let now = SystemClock.now().seconds();
    let assertion = sign(
        &provider.machine_key(),
        &json!({"iss": "machine", "sub": "machine", "aud": provider.issuer().url, "jti": "1", "iat": now, "exp": now + 60}),
    );
    let client = ClientAuthentication::AssertionFile(file(&rig, "assertion", &assertion));
    let tokens = alone(&machine(provider.issuer(), Grant::Auto, client)).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("machine"));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn oidc_provider_exchanges_a_persons_token_for_one_of_the_cluster() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let subject = provider.tokens.id_token("alice").await;
    let mut settings = machine(provider.issuer(), Grant::TokenExchange, by_key(&provider));
    settings.assertion_file = Some(file(&rig, "subject", &subject));
    let tokens = alone(&settings).await.unwrap();
    assert_eq!(tokens.subject.as_deref(), Some("alice"));
    assert_eq!(claims(&tokens.access_token.unwrap())["aud"], RESOURCE);

    settings.assertion_file = Some(file(&rig, "subject", &subject.replace(".eyJ", ".eyK")));
    let refused = alone(&settings).await.unwrap_err();
    assert!(refused.is_refusal() && refused.to_string().contains("invalid_grant"), "{refused}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn oidc_provider_takes_a_service_accounts_token_as_grant() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let key = rcgen::KeyPair::generate().unwrap();
    file(&rig, "service-account.pub", &key.public_key_pem());
    let key = file(&rig, "service-account.key", &key.serialize_pem());
    let mut settings = machine(provider.issuer(), Grant::JwtBearer, by_key(&provider));
    let mut token = json!({"iss": "https://kubernetes.default.svc", "aud": [settings.issuer], "exp": 4_000_000_000_u64,
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "robot"}}});
    settings.assertion_file = Some(file(&rig, "projected", &sign(&key, &token)));
    assert_eq!(alone(&settings).await.unwrap().subject.as_deref(), Some("robot@default"));

    token["aud"] = "https://somebody.else".into();
    settings.assertion_file = Some(file(&rig, "projected", &sign(&key, &token)));
    let refused = alone(&settings).await.unwrap_err();
    assert!(refused.is_refusal(), "{refused}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn glewlwyd_logs_a_person_in_refreshes_and_logs_in_on_another_device() {
    let rig = Rig::new();
    let port = free_port();
    let redirect = format!("http://127.0.0.1:{port}");
    let glewlwyd = Glewlwyd::start_with_people(&rig, &redirect).await;
    let mut settings = settings(glewlwyd.issuer(), "kubectl", Grant::AuthorizationCode);
    settings.listen = vec![(std::net::Ipv4Addr::LOCALHOST, port).into()];

    let browse = async |mut shown: mpsc::UnboundedReceiver<Shown>| {
        let page = glewlwyd.browse(window(&mut shown).await).await;
        assert!(page.contains("You are logged in"), "{page}");
    };
    let tokens = with_person(&settings, browse).await.unwrap();
    let subject = tokens.subject.clone().unwrap();
    // It gives no ID token with a refresh, which OpenID Connect leaves open: access tokens are renewed, ID tokens are not.
    let with_access_token = Settings { token_kind: TokenKind::AccessToken, ..settings.clone() };
    let renewed = refresh(&with_access_token, tokens.refresh_token.as_ref().unwrap(), &SystemClock).await.unwrap();
    assert_eq!(renewed.access_token.unwrap().split('.').count(), 3, "a JWT");
    let refused = refresh(&settings, &renewed.refresh_token.unwrap(), &SystemClock).await.unwrap_err();
    assert!(refused.to_string().contains("no ID token"), "{refused}");

    settings.grant = Grant::DeviceCode;
    let approve = async |mut shown: mpsc::UnboundedReceiver<Shown>| {
        glewlwyd.approve_device(device_address(&mut shown).await).await;
    };
    let tokens = with_person(&settings, approve).await.unwrap();
    assert_eq!(tokens.subject, Some(subject));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn glewlwyd_takes_a_clients_secret() {
    let rig = Rig::new();
    let glewlwyd = Glewlwyd::start(&rig, "ES256").await;
    let secret = Zeroizing::new("not-a-secret-this-is-a-test".to_owned());
    let settings = Settings {
        client_id: "svc".to_owned(),
        scopes: vec!["api".to_owned()],
        audience: Some("https://cluster.test".to_owned()),
        ..machine(glewlwyd.issuer(), Grant::ClientCredentials, ClientAuthentication::Secret(secret))
    };
    let tokens = alone(&settings).await.unwrap();
    assert_eq!(claims(&tokens.access_token.unwrap())["aud"], "https://cluster.test");
}

fn sign(key: &Path, claims: &Value) -> String {
    let key = EncodingKey::from_ec_pem(&std::fs::read(key).unwrap()).unwrap();
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), claims, &key).unwrap()
}
