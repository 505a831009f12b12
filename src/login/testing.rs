//! A provider whose every answer is set by the test, and a person whose browser is the test.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use url::{Url, form_urlencoded};

use crate::clock::{Clock, ManualClock, SystemClock, UnixTime};
use crate::dev::https::{self, Body};
use crate::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use crate::login::flows::Prompt;
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use crate::wiring::pki::{Authority, Validity};

pub(crate) const CLIENT: &str = "kubectl";
pub(crate) type Form = BTreeMap<String, String>;

/// A provider on loopback. An endpoint answers what was queued for it, and 500 when nothing is left.
pub(crate) struct FakeProvider {
    pub(crate) issuer: String,
    pub(crate) key: Arc<SigningKey>,
    ca_pem: String,
    shared: Arc<Shared>,
    _server: JoinSet<Infallible>,
}

#[derive(Default)]
struct Shared {
    metadata: Mutex<Value>,
    keys: Mutex<Value>,
    answers: Mutex<BTreeMap<String, VecDeque<Answer>>>,
    requests: Mutex<Vec<Recorded>>,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// A request as it came.
#[derive(Clone)]
pub(crate) struct Recorded {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) form: Form,
}

impl FakeProvider {
    pub(crate) async fn start() -> Self {
        let now = SystemClock.now();
        let validity = Validity::days(now.saturating_sub(Duration::from_secs(3600)), 2);
        let authority = Authority::new("test provider CA", validity).unwrap();
        let tls = https::tls(&authority.serving_certificate(&["127.0.0.1"], validity).unwrap()).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let issuer = format!("https://{}", listener.local_addr().unwrap());
        let key = Arc::new(SigningKey::generate(Algorithm::Es256, "k1").unwrap());
        let shared = Arc::new(Shared::default());
        *shared.keys.lock().unwrap() = json!({"keys": [key.jwk()]});
        *shared.metadata.lock().unwrap() = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks"),
            "authorization_endpoint": format!("{issuer}/auth?tenant=a"),
            "token_endpoint": format!("{issuer}/token"),
            "device_authorization_endpoint": format!("{issuer}/device"),
            "revocation_endpoint": format!("{issuer}/revoke"),
            "end_session_endpoint": format!("{issuer}/end"),
            "authorization_response_iss_parameter_supported": true,
        });
        let mut server = JoinSet::new();
        let served = Arc::clone(&shared);
        server.spawn(https::serve(listener, Arc::new(tls), || (), move |request| answer(Arc::clone(&served), request)));
        Self { issuer, key, ca_pem: authority.certificate_pem(), shared, _server: server }
    }

    /// Settings for a person with a browser, to be changed by the test.
    pub(crate) fn settings(&self, grant: Grant) -> Settings {
        Settings {
            issuer: self.issuer.clone(),
            client_id: CLIENT.to_owned(),
            client: ClientAuthentication::None,
            scopes: vec!["groups".to_owned()],
            audience: None,
            grant,
            token_kind: TokenKind::IdToken,
            account: None,
            certificate_authority: Some(self.ca_pem.clone()),
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

    /// A good ID token of alice's, to be changed by the test.
    pub(crate) fn id_token(&self, now: UnixTime) -> TokenBuilder {
        TokenBuilder::new(&self.key)
            .issuer(&self.issuer)
            .subject("alice")
            .audience(CLIENT)
            .issued_at(now)
            .expires_at(now.saturating_add(Duration::from_secs(600)))
            .claim("email", "alice@example.test")
    }

    /// Changes a member of the metadata; null takes it out.
    pub(crate) fn announce(&self, name: &str, value: impl Into<Value>) {
        self.shared.metadata.lock().unwrap()[name] = value.into();
    }

    /// Queues an answer in JSON.
    pub(crate) fn will_answer(&self, path: &str, status: u16, body: &Value) {
        self.will_send(path, status, &[("content-type", "application/json")], &body.to_string());
    }

    /// Queues any answer.
    pub(crate) fn will_send(&self, path: &str, status: u16, headers: &[(&'static str, &str)], body: &str) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let answer = Answer { status, headers, body: body.to_owned() };
        self.shared.answers.lock().unwrap().entry(path.to_owned()).or_default().push_back(answer);
    }

    /// The requests that an endpoint had.
    pub(crate) fn requests(&self, path: &str) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().iter().filter(|request| request.path == path).cloned().collect()
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let form = form_urlencoded::parse(&body).into_owned().collect();
    shared.requests.lock().unwrap().push(Recorded { path: path.clone(), authorization, form });
    let queued = shared.answers.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
    let document = |value: &Mutex<Value>| Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: value.lock().unwrap().to_string(),
    };
    let answer = queued.unwrap_or_else(|| match path.as_str() {
        "/.well-known/openid-configuration" => document(&shared.metadata),
        "/jwks" => document(&shared.keys),
        _ => Answer { status: 500, headers: Vec::new(), body: "nothing queued".to_owned() },
    });
    let mut response = Response::builder().status(StatusCode::from_u16(answer.status).unwrap());
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(answer.body)).map_err(|never| match never {}).boxed()).unwrap()
}

/// A person at a terminal: lines are kept, and what is opened in the browser goes to the test.
pub(crate) struct Person {
    lines: Mutex<Vec<String>>,
    browser: mpsc::UnboundedSender<Browser>,
}

impl Person {
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Browser>) {
        let (browser, opened) = mpsc::unbounded_channel();
        (Self { lines: Mutex::default(), browser }, opened)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

impl Prompt for Person {
    fn say(&self, line: &str) {
        self.lines.lock().unwrap().push(line.to_owned());
    }

    fn open(&self, url: &str) {
        self.browser.send(Browser { url: Url::parse(url).unwrap() }).unwrap();
    }

    fn cluster(&self) -> Option<&str> {
        Some("production <eu>")
    }
}

/// A browser on the provider's login page.
pub(crate) struct Browser {
    pub(crate) url: Url,
}

impl Browser {
    /// A parameter of the authorization request.
    pub(crate) fn asked(&self, name: &str) -> String {
        let mut values = self.url.query_pairs().filter(|(found, _)| found == name);
        let value = values.next().unwrap_or_else(|| panic!("no {name} in {}", self.url)).1.into_owned();
        assert!(values.next().is_none(), "{name} twice in {}", self.url);
        value
    }

    /// Host and port of the redirect.
    pub(crate) fn redirect(&self) -> String {
        let address = self.asked("redirect_uri");
        address.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned()
    }

    /// Is sent back with these parameters, and shows the page.
    pub(crate) async fn comes_back(&self, parameters: &[(&str, &str)]) -> String {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let address = self.asked("redirect_uri");
        let path = address.rsplit_once('/').map_or("", |(before, path)| if before.ends_with('/') { "" } else { path });
        self.gets(&format!("/{path}?{query}"), &self.redirect()).await.expect("the redirect is answered")
    }

    /// A plain request to the redirect's port; nothing if the connection is refused.
    pub(crate) async fn gets(&self, target: &str, host: &str) -> Option<String> {
        let mut stream = TcpStream::connect(self.redirect()).await.ok()?;
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        (!answer.is_empty()).then_some(answer)
    }
}

/// A clock that says what the machine's says, when asked for it now.
pub(crate) fn clock() -> ManualClock {
    ManualClock::at(SystemClock.now())
}
