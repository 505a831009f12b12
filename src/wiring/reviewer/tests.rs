use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use rustls::server::WebPkiClientVerifier;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::dev::https::{self, Body};
use crate::token::BearerToken;
use crate::wiring::kubeconfig::ClientCertificate;
use crate::wiring::pki::{Authority, Identity, Validity};

/// What a webhook saw of one request.
#[derive(Debug, PartialEq)]
struct Seen {
    method: Method,
    target: String,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
}

/// A webhook that gives one answer to everything and asks for a client certificate of its authority, if it has one.
struct Webhook {
    url: String,
    authority: Authority,
    seen: mpsc::UnboundedReceiver<Seen>,
    _server: JoinSet<Infallible>,
}

fn validity() -> Validity {
    Validity::days(SystemClock.now().saturating_sub(Duration::from_secs(60)), 1)
}

impl Webhook {
    async fn start(names: &[&str], callers: Option<&Authority>, answer: fn() -> Response<Bytes>) -> Self {
        let authority = Authority::new("serving", validity()).unwrap();
        let identity = authority.serving_certificate(names, validity()).unwrap();
        let mut tls = https::tls(&identity).unwrap();
        if let Some(callers) = callers {
            tls = with_client_certificates(&identity, callers);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/authenticate/?cluster=one", listener.local_addr().unwrap());
        let (sender, seen) = mpsc::unbounded_channel();
        let mut server = JoinSet::new();
        server.spawn(https::serve(
            listener,
            Arc::new(tls),
            || (),
            move |request| reply(request, sender.clone(), answer),
        ));
        Self { url, authority, seen, _server: server }
    }

    fn connection(&self) -> Connection {
        Connection::to(Url::parse(&self.url).unwrap(), Some(self.authority.certificate_pem().into_bytes()))
    }
}

fn with_client_certificates(identity: &Identity, callers: &Authority) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(callers.certificate_der()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let (chain, key) = identity.to_rustls().unwrap();
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .unwrap();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

async fn reply(
    request: Request<Incoming>,
    sender: mpsc::UnboundedSender<Seen>,
    answer: fn() -> Response<Bytes>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let target = parts.uri.path_and_query().unwrap().to_string();
    let _ = sender.send(Seen { method: parts.method, target, version: parts.version, headers: parts.headers, body });
    answer().map(|body| Full::new(body).map_err(|never| match never {}).boxed())
}

fn accepting() -> Response<Bytes> {
    Response::new(Bytes::from_static(b"{\"status\":{\"authenticated\":true,\"user\":{\"username\":\"alice\"}}}"))
}

async fn ask(connection: &Connection) -> Result<Answer, NoAnswer> {
    let token = BearerToken::from("the-token");
    let audiences = ["one".to_owned()];
    let review = Review { version: ReviewVersion::V1, token: &token, audiences: &audiences };
    Reviewer::new(connection).unwrap().post(&review).await
}

fn client_certificate(authority: &Authority) -> ClientCertificate {
    ClientCertificate::from(&authority.client_certificate("kube-apiserver", &[], validity()).unwrap())
}

/// The causes of an error as one text.
fn causes(error: &(dyn Error + 'static)) -> String {
    sources(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_review_is_posted_as_kube_apiserver_posts_it() {
    let mut webhook = Webhook::start(&["127.0.0.1"], None, accepting).await;
    let mut connection = webhook.connection();
    connection.bearer = Some(BearerToken::from("caller-token"));
    let answer = ask(&connection).await.unwrap();
    assert_eq!((answer.status, answer.http_version), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(answer.document, Some(json!({"status": {"authenticated": true, "user": {"username": "alice"}}})));
    let mut seen = webhook.seen.recv().await.unwrap();
    let length = seen.headers.remove(header::CONTENT_LENGTH).unwrap();
    assert_eq!(length, seen.body.len().to_string());
    let headers: HeaderMap = [
        (header::ACCEPT, "application/json, */*"),
        (header::AUTHORIZATION, "Bearer caller-token"),
        (header::CONTENT_TYPE, "application/json"),
        (header::USER_AGENT, concat!("countersign/", env!("CARGO_PKG_VERSION"))),
    ]
    .into_iter()
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
    .collect();
    let body = Bytes::from_static(
        b"{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{},\
          \"spec\":{\"token\":\"the-token\",\"audiences\":[\"one\"]},\"status\":{\"user\":{}}}\n",
    );
    let target = "/authenticate?timeout=30s".to_owned();
    assert_eq!(seen, Seen { method: Method::POST, target, version: Version::HTTP_2, headers, body });
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks_for_it() {
    let callers = Authority::new("callers", validity()).unwrap();
    let webhook = Webhook::start(&["127.0.0.1"], Some(&callers), accepting).await;
    let mut connection = webhook.connection();
    assert!(ask(&connection).await.is_err());
    connection.client = Some(client_certificate(&Authority::new("callers", validity()).unwrap()));
    assert!(ask(&connection).await.is_err());
    connection.client = Some(client_certificate(&callers));
    assert_eq!(ask(&connection).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_that_the_authority_did_not_sign_gets_no_token() {
    let mut webhook = Webhook::start(&["127.0.0.1"], None, accepting).await;
    let mut connection = webhook.connection();
    connection.authority_pem = Some(Authority::new("serving", validity()).unwrap().certificate_pem().into_bytes());
    let error = ask(&connection).await.err().unwrap();
    assert!(causes(&error).contains("certificate"), "{}", causes(&error));
    connection.authority_pem = None;
    connection.insecure = true;
    ask(&connection).await.unwrap();
    // The only request that came is the second one.
    webhook.seen.recv().await.unwrap();
    assert!(webhook.seen.try_recv().is_err());
}

#[tokio::test]
async fn the_certificate_must_have_the_hosts_name_or_the_tls_server_name() {
    let mut webhook = Webhook::start(&["webhook.example"], None, accepting).await;
    let mut connection = webhook.connection();
    let error = ask(&connection).await.err().unwrap();
    assert!(causes(&error).contains("not valid for name"), "{}", causes(&error));
    connection.tls_server_name = Some("webhook.example".to_owned());
    assert_eq!(ask(&connection).await.unwrap().status, StatusCode::OK);
    // Only TLS is about that name: the request is for the server.
    let seen = webhook.seen.recv().await.unwrap();
    assert_eq!(seen.headers.get(header::HOST).unwrap(), connection.server.authority());
}

#[tokio::test]
async fn the_certificate_may_be_for_an_address_that_is_not_the_servers() {
    let mut webhook = Webhook::start(&["10.0.0.7"], None, accepting).await;
    let named = |name: &str| Connection { tls_server_name: Some(name.to_owned()), ..webhook.connection() };
    let error = ask(&named("10.0.0.8")).await.err().unwrap();
    assert!(causes(&error).contains("not valid for name"), "{}", causes(&error));
    let connection = named("10.0.0.7");
    let answer = ask(&connection).await.unwrap();
    assert_eq!((answer.status, answer.http_version), (StatusCode::OK, Version::HTTP_2));
    assert_eq!(webhook.seen.recv().await.unwrap().target, "/authenticate?timeout=30s");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let webhook = Webhook::start(&["127.0.0.1"], None, || {
        Response::builder().status(307).header(header::LOCATION, "/elsewhere").body(Bytes::new()).unwrap()
    });
    let mut webhook = webhook.await;
    let answer = ask(&webhook.connection()).await.unwrap();
    assert_eq!(answer.status, StatusCode::TEMPORARY_REDIRECT);
    webhook.seen.recv().await.unwrap();
    assert!(webhook.seen.try_recv().is_err());
}

#[tokio::test]
async fn retry_after_is_read() {
    let webhook = Webhook::start(&["127.0.0.1"], None, || {
        Response::builder().status(503).header(header::RETRY_AFTER, "3").body(Bytes::new()).unwrap()
    });
    let answer = ask(&webhook.await.connection()).await.unwrap();
    let why = "HTTP 503 Service Unavailable".to_owned();
    assert_eq!(answer.judge(ReviewVersion::V1, &[]), Judgement::Undecided(Undecided { why, retried: true }));
}

#[tokio::test]
async fn a_webhook_that_is_not_there_gives_no_answer_and_no_retry() {
    // A socket that has an address and does not listen: connections are refused, and nobody else takes the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Url::parse(&format!("https://{}/authenticate", socket.local_addr().unwrap())).unwrap();
    let authority_pem = Some(Authority::new("serving", validity()).unwrap().certificate_pem().into_bytes());
    let connection = Connection::to(server, authority_pem);
    let error = ask(&connection).await.err().unwrap();
    let port = connection.server.port().unwrap();
    assert_eq!(error.to_string(), format!("no answer from https://127.0.0.1:{port}/authenticate?timeout=30s"));
    assert!(!error.retried);
    assert!(!causes(&error).contains("the-token"));

    let renamed = Connection { tls_server_name: Some("hook.example.com".to_owned()), ..connection };
    let error = ask(&renamed).await.err().unwrap();
    let said = format!("no answer from https://127.0.0.1:{port}/authenticate?timeout=30s as hook.example.com");
    assert_eq!(error.to_string(), said);
}

#[tokio::test]
async fn plain_http_works_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let connection = Connection::to(server, None);
    let server = async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut start = [0; 23];
        stream.read_exact(&mut start).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        start
    };
    let (answer, start) = tokio::join!(ask(&connection), server);
    assert_eq!((answer.unwrap().http_version, &start), (Version::HTTP_11, b"POST /?timeout=30s HTTP"));
}

#[test]
fn what_cannot_be_used_is_refused_before_anything_is_sent() {
    let authority = Authority::new("serving", validity()).unwrap();
    let pem = || Some(authority.certificate_pem().into_bytes());
    let base = || Connection::to(Url::parse("https://127.0.0.1:1/").unwrap(), pem());
    let refusal = |connection: Connection| Reviewer::new(&connection).err().unwrap().to_string();
    let mismatched = ClientCertificate {
        certificate_pem: client_certificate(&authority).certificate_pem,
        private_key_pem: client_certificate(&authority).private_key_pem,
    };
    assert_eq!(
        refusal(Connection { client: Some(mismatched), ..base() }),
        "client-certificate: the certificate or its key cannot be used; check that they belong together"
    );
    assert_eq!(
        refusal(Connection { tls_server_name: Some("two words".to_owned()), ..base() }),
        "tls-server-name: is neither a DNS name nor an address; give one that the certificate has"
    );
    let (tls_server_name, proxy) =
        (Some("hook.example.com".to_owned()), Some(Url::parse("http://127.0.0.1:9").unwrap()));
    assert_eq!(
        refusal(Connection { tls_server_name, proxy, ..base() }),
        "tls-server-name: together with a proxy it is not supported here"
    );
    assert_eq!(
        refusal(Connection { bearer: Some(BearerToken::from("two\nlines")), ..base() }),
        "token: has characters that no HTTP header can carry; check the file for line breaks"
    );
    let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    let refusal = refusal(Connection { authority_pem: Some(broken), ..base() });
    assert!(refusal.starts_with("certificate-authority: "), "{refusal}");
}
