//! Each link broken in turn, with real sockets.

use std::convert::Infallible;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::dev::https;
use crate::wiring::kubeconfig::ClientCertificate;
use crate::wiring::pki::{Authority, Identity, Validity};

/// What a webhook answers to everything.
type Reply = fn() -> (StatusCode, String);

/// For what would never happen.
const SHORT: Duration = Duration::from_millis(50);

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> UnixTime {
    SystemClock.now()
}

fn valid() -> Validity {
    Validity::days(now().saturating_sub(DAY), 300)
}

fn authority() -> Authority {
    Authority::new("hooks", valid()).unwrap()
}

fn refusing() -> (StatusCode, String) {
    (StatusCode::OK, json!({"status": {"authenticated": false}}).to_string())
}

/// A webhook with one answer, and a connection that leads to it and is let in.
struct Webhook {
    connection: Connection,
    _server: JoinSet<Infallible>,
}

impl Webhook {
    async fn start(answer: Reply) -> Self {
        let authority = authority();
        let identity = authority.serving_certificate(&["127.0.0.1"], valid()).unwrap();
        Self::with(&authority, &identity, None, answer).await
    }

    /// With a certificate that nobody may take.
    async fn with_certificate(names: &[&str], validity: Validity) -> Self {
        let authority = authority();
        let identity = authority.serving_certificate(names, validity).unwrap();
        Self::with(&authority, &identity, None, refusing).await
    }

    async fn with(authority: &Authority, identity: &Identity, callers: Option<&Authority>, answer: Reply) -> Self {
        let mut tls = https::tls(identity).unwrap();
        if let Some(callers) = callers {
            tls = with_client_certificates(identity, callers);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Url::parse(&format!("https://{}/authenticate", listener.local_addr().unwrap())).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(https::serve(
            listener,
            Arc::new(tls),
            || (),
            move |_| async move {
                let (status, body) = answer();
                let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
                let mut response = Response::new(body);
                *response.status_mut() = status;
                response
            },
        ));
        let authority_pem = Some(authority.certificate_pem().into_bytes());
        Self { connection: connection(server, authority_pem), _server: tasks }
    }
}

fn connection(server: Url, authority_pem: Option<Vec<u8>>) -> Connection {
    Connection { bearer: Some(BearerToken::from("caller")), ..Connection::to(server, authority_pem) }
}

fn client(authority: &Authority, validity: Validity) -> ClientCertificate {
    ClientCertificate::from(&authority.client_certificate("kube-apiserver", &[], validity).unwrap())
}

fn with_client_certificates(identity: &Identity, callers: &Authority) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(callers.certificate_der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let (chain, key) = identity.to_rustls().unwrap();
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    // As countersign: a client that may send at once loses the alert more often.
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

async fn walk_with(connection: &Connection, question: &Question) -> Walk {
    walk_within(Limits::default(), connection, question).await
}

async fn walk_within(limits: Limits, connection: &Connection, question: &Question) -> Walk {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.kubeconfig");
    fs::write(&file, connection.to_yaml("hook").as_bytes()).unwrap();
    walk(&file, question, now(), &limits).await
}

async fn walk_to(connection: &Connection) -> Walk {
    walk_with(connection, &probing()).await
}

fn probing() -> Question {
    Question::probe(Vec::new(), ReviewVersion::V1)
}

/// Where it broke, and what was said about it.
fn broke(walk: &Walk) -> (Option<Link>, Vec<(&'static str, String)>) {
    let errors = walk.findings.iter().filter(|finding| finding.severity == Severity::Error);
    assert!(errors.clone().all(|finding| !finding.remedy.is_empty()), "{}", walk.findings);
    (walk.broken, errors.map(|finding| (finding.code, finding.path.clone())).collect())
}

fn at_server(code: &'static str) -> Vec<(&'static str, String)> {
    vec![(code, "clusters[0].cluster.server".to_owned())]
}

#[tokio::test]
async fn a_sound_way_is_walked_to_its_end() {
    let webhook = Webhook::start(refusing).await;
    let walk = walk_to(&webhook.connection).await;
    assert_eq!(broke(&walk), (None, Vec::new()));
    assert_eq!(walk.outcome, Outcome::Sound);
    let links: Vec<Link> = walk.passed.iter().map(|(link, _)| *link).collect();
    assert_eq!(links, [Link::Kubeconfig, Link::Dns, Link::Tcp, Link::Tls, Link::Caller, Link::Review]);
    let codes: Vec<_> = walk.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(
        codes,
        [
            "loopback_address",
            "kubeconfig_read",
            "address_found",
            "connected",
            "tls_established",
            "caller_let_in",
            "review_answered"
        ]
    );
    let (_, tls) = walk.passed.iter().find(|(link, _)| *link == Link::Tls).unwrap();
    assert!(tls.starts_with("TLS 1.3, HTTP/2, certificate of CN=127.0.0.1 until "), "{tls}");
}

#[tokio::test]
async fn a_file_that_is_not_there_ends_it_at_once() {
    let walk = walk(Path::new("/nonexistent/webhook.kubeconfig"), &probing(), now(), &Limits::default()).await;
    let found: Vec<_> = walk.findings.iter().map(|found| (found.message.as_str(), found.remedy.is_empty())).collect();
    let message = "/nonexistent/webhook.kubeconfig: cannot be read: No such file or directory (os error 2)";
    assert_eq!((walk.broken, walk.outcome, found), (Some(Link::Kubeconfig), Outcome::Unknown, vec![(message, false)]));
}

#[tokio::test]
async fn a_context_that_leads_nowhere_ends_it_with_its_field() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.kubeconfig");
    fs::write(&file, "current-context: hook\n").unwrap();
    let walk = walk(&file, &probing(), now(), &Limits::default()).await;
    let found: Vec<_> = walk.findings.iter().map(|finding| (finding.code, finding.path.as_str())).collect();
    assert_eq!((walk.broken, found), (Some(Link::Kubeconfig), vec![("kubeconfig_unusable", "current-context")]));
}

#[tokio::test]
async fn an_expired_client_certificate_is_found_before_anything_is_sent() {
    let webhook = Webhook::start(refusing).await;
    let old = Validity::days(now().saturating_sub(DAY * 10), 5);
    let connection = Connection { client: Some(client(&authority(), old)), ..webhook.connection };
    let expected = vec![("certificate_expired", "users[0].user.client-certificate-data".to_owned())];
    assert_eq!(broke(&walk_to(&connection).await), (Some(Link::Kubeconfig), expected));
}

#[tokio::test]
async fn a_name_that_nobody_knows() {
    // Longer than a label may be: resolvers refuse it without asking anybody.
    let url = Url::parse(&format!("https://{}.invalid/authenticate", "a".repeat(64))).unwrap();
    let connection = connection(url, Some(authority().certificate_pem().into_bytes()));
    assert_eq!(broke(&walk_to(&connection).await), (Some(Link::Dns), at_server("name_unknown")));
}

#[tokio::test]
async fn a_port_where_nothing_listens() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = Url::parse(&format!("https://{address}/authenticate")).unwrap();
    let connection = connection(url, Some(authority().certificate_pem().into_bytes()));
    assert_eq!(broke(&walk_to(&connection).await), (Some(Link::Tcp), at_server("connection_refused")));
}

#[tokio::test]
async fn certificates_that_kube_apiserver_would_not_take() {
    let expired = Validity::days(now().saturating_sub(DAY * 3), 1);
    let early = Validity::days(now().saturating_add(DAY), 1);
    for (names, validity, code) in [
        (["127.0.0.1"], expired, "certificate_expired"),
        (["127.0.0.1"], early, "certificate_not_yet_valid"),
        (["hook.example.com"], valid(), "certificate_name"),
    ] {
        let webhook = Webhook::with_certificate(&names, validity).await;
        assert_eq!(broke(&walk_to(&webhook.connection).await), (Some(Link::Tls), at_server(code)), "{code}");
    }
    let webhook = Webhook::start(refusing).await;
    let stranger = Some(authority().certificate_pem().into_bytes());
    let connection = Connection { authority_pem: stranger, ..webhook.connection };
    let expected = vec![("certificate_untrusted", "clusters[0].cluster.certificate-authority-data".to_owned())];
    assert_eq!(broke(&walk_to(&connection).await), (Some(Link::Tls), expected));
}

#[tokio::test]
async fn a_certificate_that_is_not_for_servers_is_told_from_one_that_is_an_authoritys() {
    let authority = authority();
    let caller = authority.client_certificate("127.0.0.1", &["127.0.0.1"], valid()).unwrap();
    let webhook = Webhook::with(&authority, &caller, None, refusing).await;
    let walk = walk_to(&webhook.connection).await;
    assert_eq!(broke(&walk), (Some(Link::Tls), at_server("certificate_refused")));
    assert!(walk.findings.to_string().contains("fix: issue a server's certificate"), "{}", walk.findings);
}

#[tokio::test]
async fn a_token_of_ones_own_is_not_sent_where_others_could_read_it() {
    let webhook = Webhook::start(refusing).await;
    let connection = Connection { insecure: true, authority_pem: None, ..webhook.connection };
    let question = Question { token: BearerToken::from("a token of my own"), is_probe: false, ..probing() };
    let walk = walk_with(&connection, &question).await;
    let codes: Vec<_> = broke(&walk).1.into_iter().map(|(code, _)| code).collect();
    assert_eq!((walk.broken, codes), (Some(Link::Review), vec!["insecure_skip_tls_verify", "token_withheld"]));
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let webhook = Webhook::start(refusing).await;
    let proxy = Some(Url::parse(&format!("http://{closed}")).unwrap());
    let walk = walk_to(&Connection { proxy, ..webhook.connection }).await;
    assert_eq!(broke(&walk), (Some(Link::Tcp), at_server("connection_refused")));
    let text = walk.findings.to_string();
    assert!(text.contains("through the proxy of proxy-url") && text.contains("NO_PROXY"), "{text}");
}

#[tokio::test]
async fn another_name_behind_a_proxy_is_no_fault_of_the_kubeconfig() {
    let webhook = Webhook::start(refusing).await;
    let proxy = Some(Url::parse("http://127.0.0.1:9").unwrap());
    let tls_server_name = Some("hook.example.com".to_owned());
    let walk = walk_to(&Connection { proxy, tls_server_name, ..webhook.connection }).await;
    let expected = vec![("kubeconfig_unusable", "clusters[0].cluster.tls-server-name".to_owned())];
    assert_eq!((broke(&walk), walk.outcome), ((Some(Link::Kubeconfig), expected), Outcome::Unknown));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_taken_under_that_name() {
    let webhook = Webhook::with_certificate(&["hook.example.com"], valid()).await;
    let connection = Connection { tls_server_name: Some("hook.example.com".to_owned()), ..webhook.connection };
    assert_eq!(walk_to(&connection).await.outcome, Outcome::Sound);
}

#[tokio::test]
async fn what_kube_apiserver_takes_and_webpki_does_not_is_taken() {
    // A wildcard in front of a single label, and a certificate that is trusted itself.
    let wildcard = Webhook::with_certificate(&["*.svc"], valid()).await;
    let named = Connection { tls_server_name: Some("hook.svc".to_owned()), ..wildcard.connection };
    assert_eq!(walk_to(&named).await.outcome, Outcome::Sound);
    let authority = authority();
    let identity = authority.serving_certificate(&["127.0.0.1"], valid()).unwrap();
    let webhook = Webhook::with(&authority, &identity, None, refusing).await;
    let pinned = Connection { authority_pem: Some(identity.certificate_pem().into()), ..webhook.connection };
    assert_eq!(walk_to(&pinned).await.outcome, Outcome::Sound);
}

#[tokio::test]
async fn a_certificate_for_another_address_is_taken_under_that_address() {
    let webhook = Webhook::with_certificate(&["10.0.0.7"], valid()).await;
    let connection = Connection { tls_server_name: Some("10.0.0.7".to_owned()), ..webhook.connection };
    assert_eq!(walk_to(&connection).await.outcome, Outcome::Sound);
}

#[tokio::test]
async fn a_certificate_that_ends_soon_is_worth_a_warning() {
    let webhook = Webhook::with_certificate(&["127.0.0.1"], Validity::days(now().saturating_sub(DAY * 97), 100)).await;
    let walk = walk_to(&webhook.connection).await;
    let warnings: Vec<_> =
        walk.findings.iter().filter(|finding| finding.severity == Severity::Warning).map(|found| found.code).collect();
    assert_eq!((walk.outcome, warnings), (Outcome::Sound, vec!["certificate_expires_soon"]));
}

#[tokio::test]
async fn a_webhook_that_wants_another_client_certificate_or_one_at_all() {
    let (serving, callers) = (authority(), authority());
    let identity = serving.serving_certificate(&["127.0.0.1"], valid()).unwrap();
    let expected = vec![("caller_refused", "users[0].user".to_owned())];
    for (shown, is_let_in) in
        [(None, false), (Some(client(&serving, valid())), false), (Some(client(&callers, valid())), true)]
    {
        let webhook = Webhook::with(&serving, &identity, Some(&callers), refusing).await;
        let walk = walk_to(&Connection { client: shown, ..webhook.connection }).await;
        if is_let_in {
            assert_eq!(walk.outcome, Outcome::Sound, "{}", walk.findings);
        } else {
            assert_eq!(broke(&walk), (Some(Link::Caller), expected.clone()), "{}", walk.findings);
        }
    }
}

/// What a port does when it has said what it has to say.
#[derive(Clone, Copy)]
enum Then {
    HangUp,
    Stall,
}

/// A port that reads a greeting and says something.
async fn saying(said: &'static [u8], then: Then) -> (Connection, JoinSet<()>) {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Url::parse(&format!("https://{}/authenticate", listener.local_addr().unwrap())).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // The greeting is read, so that the answer is not lost in a reset.
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(said).await;
        if matches!(then, Then::Stall) {
            std::future::pending::<()>().await;
        }
    });
    (connection(url, Some(authority().certificate_pem().into_bytes())), tasks)
}

/// Nothing; the head of a record of 64 bytes; the beginning of a ServerHello in it.
const BEGINNINGS: [&[u8]; 3] = [b"", b"\x16\x03\x03\x00\x40", b"\x16\x03\x03\x00\x40\x02\x00\x00\x3c\x03\x03"];

#[tokio::test]
async fn a_peer_that_stalls_before_or_within_the_handshake_is_not_waited_for() {
    for said in BEGINNINGS {
        let (connection, _tasks) = saying(said, Then::Stall).await;
        let limits = Limits { tls: SHORT, ..Limits::default() };
        let walk = walk_within(limits, &connection, &probing()).await;
        assert_eq!(broke(&walk), (Some(Link::Tls), at_server("tls_timed_out")), "{said:?}");
        let [.., found] = walk.findings.iter().collect::<Vec<_>>()[..] else { panic!("nothing was found") };
        assert_eq!(found.message, "no TLS handshake within 50ms: kube-apiserver gives up then too");
    }
}

#[tokio::test]
async fn a_peer_that_hangs_up_before_or_within_the_handshake_is_told_from_one_that_speaks_something_else() {
    let others: [(&[u8], _); 3] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "not_tls"),
        // Fatal alerts: protocol_version, handshake_failure.
        (b"\x15\x03\x01\x00\x02\x02\x46", "tls_version"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "tls_alert"),
    ];
    for (said, code) in BEGINNINGS.map(|said| (said, "tls_failed")).into_iter().chain(others) {
        let (connection, _tasks) = saying(said, Then::HangUp).await;
        assert_eq!(broke(&walk_to(&connection).await), (Some(Link::Tls), at_server(code)), "{said:?}");
    }
}

/// Bytes that go on and on, or begin and then never come.
struct Endless {
    begins: bool,
    flows: bool,
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        if !self.begins && !self.flows {
            return std::task::Poll::Pending;
        }
        self.begins = false;
        std::task::Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(&[b' '; 16 * 1024])))))
    }
}

/// A webhook whose answers have such a body; without one, it never answers.
async fn endless(body: Option<fn() -> Endless>) -> (Connection, JoinSet<Infallible>) {
    let authority = authority();
    let identity = authority.serving_certificate(&["127.0.0.1"], valid()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Url::parse(&format!("https://{}/authenticate", listener.local_addr().unwrap())).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(https::serve(
        listener,
        Arc::new(https::tls(&identity).unwrap()),
        || (),
        move |_| async move {
            match body {
                Some(body) => Response::new(body().boxed()),
                None => std::future::pending().await,
            }
        },
    ));
    (connection(server, Some(authority.certificate_pem().into_bytes())), tasks)
}

#[tokio::test]
async fn an_answer_that_never_begins_or_never_ends_is_not_waited_for() {
    let bodies: [Option<fn() -> Endless>; 3] =
        [None, Some(|| Endless { begins: false, flows: false }), Some(|| Endless { begins: true, flows: false })];
    for body in bodies {
        let (connection, _tasks) = endless(body).await;
        let limits = Limits { review: SHORT, tls: Duration::from_millis(500), ..Limits::default() };
        let walk = walk_within(limits, &connection, &probing()).await;
        assert_eq!(broke(&walk), (Some(Link::Review), at_server("no_answer")));
        let text = walk.findings.to_string();
        assert!(text.contains("operation timed out"), "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_cut_off() {
    let (connection, _tasks) = endless(Some(|| Endless { begins: true, flows: true })).await;
    let walk = walk_to(&connection).await;
    assert_eq!((broke(&walk), walk.outcome), ((None, at_server("answer_unusable")), Outcome::Broken));
}

#[tokio::test]
async fn a_file_that_does_not_come_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("webhook.kubeconfig");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let walk = walk(&pipe, &probing(), now(), &Limits { file: SHORT, ..Limits::default() }).await;
    let expected = (Some(Link::Kubeconfig), vec![("kubeconfig_timed_out", String::new())]);
    assert_eq!((broke(&walk), walk.outcome), (expected, Outcome::Unknown));
}

#[tokio::test]
async fn what_only_we_do_not_support_is_not_said_to_stop_an_api_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.kubeconfig");
    let sound = connection(Url::parse("https://127.0.0.1:1/a").unwrap(), None).to_yaml("hook");
    fs::write(&file, sound.replace("token: caller", "username: a")).unwrap();
    let walk = walk(&file, &probing(), now(), &Limits::default()).await;
    let found: Vec<_> = walk.findings.iter().map(|found| (found.code, found.message.as_str())).collect();
    let message = "countersign cannot go on where kube-apiserver would: is not supported here; use a client certificate or a token";
    assert_eq!((walk.outcome, found), (Outcome::Unknown, vec![("kubeconfig_unusable", message)]));
}

#[tokio::test]
async fn answers_that_are_no_reviews() {
    let caller = vec![("caller_refused", "users[0].user".to_owned())];
    let cases: [(Reply, Link, _); 6] = [
        (|| (StatusCode::UNAUTHORIZED, String::new()), Link::Caller, caller.clone()),
        (|| (StatusCode::FORBIDDEN, json!({"message": "not you"}).to_string()), Link::Caller, caller),
        (|| (StatusCode::NOT_FOUND, String::new()), Link::Review, at_server("unknown_route")),
        (|| (StatusCode::FOUND, String::new()), Link::Review, at_server("redirected")),
        (|| (StatusCode::SERVICE_UNAVAILABLE, String::new()), Link::Review, at_server("overloaded")),
        (|| (StatusCode::BAD_GATEWAY, String::new()), Link::Review, at_server("webhook_failed")),
    ];
    for (answer, link, expected) in cases {
        let webhook = Webhook::start(answer).await;
        assert_eq!(broke(&walk_to(&webhook.connection).await), (Some(link), expected));
    }
}

#[tokio::test]
async fn answers_that_kube_apiserver_cannot_use_or_must_not_get() {
    let cases: [(Reply, _); 3] = [
        (|| (StatusCode::OK, "<html>".to_owned()), "answer_unusable"),
        (|| (StatusCode::OK, json!({"apiVersion": "authentication.k8s.io/v1beta1"}).to_string()), "answer_unusable"),
        (
            || (StatusCode::OK, json!({"status": {"authenticated": true, "user": {"username": "a"}}}).to_string()),
            "accepts_anything",
        ),
    ];
    for (answer, code) in cases {
        let webhook = Webhook::start(answer).await;
        let walk = walk_to(&webhook.connection).await;
        assert_eq!((broke(&walk), walk.outcome), ((None, at_server(code)), Outcome::Broken));
    }
}

#[tokio::test]
async fn a_webhook_that_cannot_tell_is_reached_and_gives_no_verdict() {
    let cases: [(Reply, _, _); 2] = [
        (
            || (StatusCode::OK, json!({"status": {"error": "keys_unavailable"}}).to_string()),
            Outcome::Unknown,
            Severity::Warning,
        ),
        (|| (StatusCode::OK, json!({"status": {"error": "malformed"}}).to_string()), Outcome::Sound, Severity::Info),
    ];
    for (answer, outcome, severity) in cases {
        let webhook = Webhook::start(answer).await;
        let walk = walk_to(&webhook.connection).await;
        assert_eq!((broke(&walk), walk.outcome), ((None, Vec::new()), outcome));
        let last = walk.findings.iter().last().map(|finding| (finding.code, finding.severity));
        assert_eq!(last, Some(("error_answered", severity)));
    }
}

#[tokio::test]
async fn a_token_of_ones_own_is_judged_by_its_answer() {
    let question = || Question {
        token: BearerToken::from("a token of my own"),
        is_probe: false,
        audiences: vec!["api".to_owned()],
        version: ReviewVersion::V1,
    };
    let with_reason: Reply = || (StatusCode::OK, json!({"status": {"error": "expired"}}).to_string());
    for answer in [refusing, with_reason] {
        let webhook = Webhook::start(answer).await;
        let walk = walk_with(&webhook.connection, &question()).await;
        assert_eq!((broke(&walk), walk.outcome), ((None, at_server("token_refused")), Outcome::Broken));
    }

    let accepting = || {
        let status = json!({"authenticated": true, "user": {"username": "alice"}, "audiences": ["api"]});
        (StatusCode::OK, json!({ "status": status }).to_string())
    };
    let webhook = Webhook::start(accepting).await;
    let walk = walk_with(&webhook.connection, &question()).await;
    assert_eq!(walk.outcome, Outcome::Sound, "{}", walk.findings);
    let (_, review) = walk.passed.last().unwrap();
    assert!(review.starts_with("the token is accepted as \"alice\" ("), "{review}");
    assert!(!walk.findings.to_string().contains("of my own"), "the token is not repeated");
}

/// As whom the caller was let in, and what is warned of.
fn caller(walk: &Walk) -> (&str, Vec<&'static str>) {
    let (_, let_in) = walk.passed.iter().find(|(link, _)| *link == Link::Caller).unwrap();
    let warnings = walk.findings.iter().filter(|finding| finding.severity == Severity::Warning);
    (let_in, warnings.map(|finding| finding.code).collect())
}

#[tokio::test]
async fn a_client_certificate_that_nobody_asks_for_lets_nobody_in() {
    let callers = authority();
    let certificate = || Some(client(&callers, valid()));
    let webhook = Webhook::start(refusing).await;
    let only = Connection { client: certificate(), bearer: None, ..webhook.connection };
    let walk = walk_to(&only).await;
    let unknown = "let in without being known: no client certificate was asked for";
    assert_eq!(caller(&walk), (unknown, vec!["client_certificate_unasked"]));

    let webhook = Webhook::start(refusing).await;
    let both = Connection { client: certificate(), ..webhook.connection };
    let walk = walk_to(&both).await;
    assert_eq!(caller(&walk), ("let in as the bearer of a token; no client certificate was asked for", Vec::new()));

    let identity = callers.serving_certificate(&["127.0.0.1"], valid()).unwrap();
    let asking = Webhook::with(&callers, &identity, Some(&callers), refusing).await;
    let connection = Connection { client: certificate(), bearer: None, ..asking.connection };
    let walk = walk_to(&connection).await;
    assert_eq!(caller(&walk), ("let in as the bearer of a client certificate", Vec::new()));
}

#[tokio::test]
async fn an_answer_that_takes_long_is_worth_a_warning() {
    let webhook = Webhook::start(refusing).await;
    let limits = Limits { slow: Duration::ZERO, ..Limits::default() };
    let walk = walk_within(limits, &webhook.connection, &probing()).await;
    assert_eq!((caller(&walk).1, walk.outcome), (vec!["answer_slow"], Outcome::Sound));
}

#[tokio::test]
async fn a_file_that_is_no_kubeconfig_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.kubeconfig");
    fs::write(&file, "a: [").unwrap();
    let walk = walk(&file, &probing(), now(), &Limits::default()).await;
    let said = walk.findings.to_string();
    assert!(said.contains(&format!("{}: kube-apiserver would not start: ", file.display())), "{said}");
}
