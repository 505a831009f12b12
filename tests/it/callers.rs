//! Who may post reviews, and that nobody else gets anything done.

use std::sync::Arc;
use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::Endpoint;
use countersign::wiring::pki::{Authority, Identity, Validity};
use rustls::{ClientConfig, HandshakeKind};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{
    API_AUDIENCE, Caller, Frame, Raw, Rig, accepted, client_tls, post, review_body, validity, within,
};

const FIRST: &str = "first-0123456789abcdef";
const SECOND: &str = "second-0123456789abcdef";

impl Rig {
    /// A client of the review listener with this certificate, on a connection of its own.
    fn caller_with(&self, identity: Option<&Identity>) -> Caller {
        Caller::new(self.service.review_address, &self.authority.certificate_pem(), identity, &["h2"])
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.file(name), text).unwrap();
    }

    /// Has the service let in other callers from now on.
    fn let_in(&mut self, callers: Value) {
        let outcome = self.reconfigure(|settings| settings.service["server"]["callers"] = callers);
        assert_eq!(outcome, Outcome::Changed);
    }

    /// Counts that move when anything is done with a token: reviews, cache misses, requests to the issuer.
    async fn work(&self) -> [f64; 6] {
        let reviews = ["accept", "reject", "undecided"];
        let reviews = reviews.map(|result| format!("countersign_review_duration_seconds_count{{result=\"{result}\"}}"));
        [
            self.metric(&reviews[0]).await,
            self.metric(&reviews[1]).await,
            self.metric(&reviews[2]).await,
            self.metric("countersign_cache_misses_total").await,
            self.issuer.count(Endpoint::Keys) as f64,
            self.issuer.requests().borrow().connections() as f64,
        ]
    }
}

impl Caller {
    /// Posts a good review with these headers; the answer's code, or `None` when there is no connection.
    async fn try_post(&self, rig: &Rig, headers: &[(&str, &str)]) -> Option<u16> {
        let body = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]);
        let request = self.client.post(format!("{}/authenticate", self.base)).json(&body);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.ok().map(|response| response.status().as_u16())
    }

    async fn try_bearer(&self, rig: &Rig, token: &str) -> Option<u16> {
        self.try_post(rig, &[("authorization", &format!("Bearer {token}"))]).await
    }
}

/// Certificates that are not good, each for one reason.
fn bad_certificates(rig: &Rig) -> Vec<(&'static str, Identity)> {
    let now = SystemClock.now();
    let days = |count: u64| Duration::from_secs(count * 24 * 60 * 60);
    let other = Authority::new("countersign tests", validity(&rig.clock)).unwrap();
    let past = Validity::days(now.saturating_sub(days(10)), 5);
    let future = Validity::days(now.saturating_add(days(5)), 10);
    vec![
        (
            "of another authority with the same name",
            other.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap(),
        ),
        ("expired", rig.authority.client_certificate("kube-apiserver", &[], past).unwrap()),
        ("not yet valid", rig.authority.client_certificate("kube-apiserver", &[], future).unwrap()),
        ("for servers", rig.authority.serving_certificate(&["kube-apiserver"], validity(&rig.clock)).unwrap()),
    ]
}

#[tokio::test]
async fn h6_a_certificate_is_demanded_in_the_handshake_when_nothing_else_lets_in() {
    let rig = Rig::start().await;
    assert_eq!(rig.caller.try_post(&rig, &[]).await, Some(200));
    let before = rig.work().await;
    assert_eq!(rig.caller_with(None).try_post(&rig, &[]).await, None);
    let certificates = bad_certificates(&rig);
    for (what, identity) in &certificates {
        assert_eq!(rig.caller_with(Some(identity)).try_post(&rig, &[]).await, None, "{what}");
    }
    let failed = rig.metric("countersign_tls_handshakes_total{result=\"failed\"}").await;
    assert!(failed >= 1.0 + certificates.len() as f64);
    assert_eq!(rig.work().await, before);
}

#[tokio::test]
async fn h6_a_bad_certificate_is_no_better_than_none_where_none_is_needed() {
    let mut rig = Rig::start().await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"clientCertificateAuthorityFile": "callers-ca.crt", "bearerTokenFiles": ["caller.token"]}));
    let identity = rig.identity("kube-apiserver");
    assert_eq!(rig.caller_with(Some(&identity)).try_post(&rig, &[]).await, Some(200), "the certificate");
    assert_eq!(rig.caller_with(None).try_bearer(&rig, FIRST).await, Some(200), "the token");
    assert_eq!(rig.caller_with(None).try_post(&rig, &[]).await, Some(401), "neither");
    for (what, identity) in bad_certificates(&rig) {
        assert_eq!(rig.caller_with(Some(&identity)).try_bearer(&rig, FIRST).await, None, "{what}");
    }
}

#[tokio::test]
async fn h6_only_allowed_names_are_let_in() {
    let mut rig = Rig::start().await;
    rig.let_in(
        json!({"clientCertificateAuthorityFile": "callers-ca.crt", "allowedNames": ["kube-apiserver", "other"]}),
    );
    for (name, code) in [
        ("kube-apiserver", 200),
        ("other", 200),
        ("kubelet", 403),
        ("Kube-apiserver", 403),
        ("kube-apiserver ", 403),
        ("kube-apiserver\0", 403),
        ("kube-apiserver,other", 403),
        ("", 403),
    ] {
        let identity = rig.identity(name);
        assert_eq!(rig.caller_with(Some(&identity)).try_post(&rig, &[]).await, Some(code), "{name:?}");
    }
    let before = rig.work().await;
    let identity = rig.identity("kubelet");
    let body = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]);
    let response = rig.caller_with(Some(&identity)).post("/authenticate", &body).await;
    assert!(!response.headers().contains_key("www-authenticate"));
    assert_eq!(
        response.json::<Value>().await.unwrap(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "the client certificate has none of the names that this webhook lets in",
            "reason": "Forbidden", "code": 403,
        })
    );
    assert_eq!(rig.work().await, before);
}

#[tokio::test]
async fn h7_each_of_several_tokens_lets_in_and_the_syntax_is_strict() {
    let mut rig = Rig::start().await;
    rig.write("first.token", FIRST);
    rig.write("second.token", &format!("{SECOND}\n"));
    rig.let_in(json!({"bearerTokenFiles": ["first.token", "second.token"]}));
    let caller = rig.caller_with(None);
    for token in [FIRST, SECOND] {
        assert_eq!(caller.try_bearer(&rig, token).await, Some(200));
    }
    let before = rig.work().await;
    let good = rig.token().mint();
    let cut = &FIRST[..FIRST.len() - 1];
    for authorization in [
        format!("Bearer {cut}"),
        format!("Bearer {FIRST}x"),
        format!("Bearer  {FIRST}"),
        format!("Bearer\t{FIRST}"),
        format!("Bearer {FIRST} {SECOND}"),
        format!("Bearer {FIRST},{SECOND}"),
        format!("Bearer {}", FIRST.to_uppercase()),
        format!("Basic {FIRST}"),
        FIRST.to_owned(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
        format!("Bearer {}", good.expose_secret()),
    ] {
        let code = caller.try_post(&rig, &[("authorization", &authorization)]).await;
        assert_eq!(code, Some(401), "{authorization}");
    }
    assert_eq!(caller.try_post(&rig, &[]).await, Some(401));
    assert_eq!(rig.work().await, before);
    let certificate = rig.identity("kube-apiserver");
    assert_eq!(
        rig.caller_with(Some(&certificate)).try_post(&rig, &[]).await,
        Some(401),
        "no authority, no certificates"
    );
}

#[tokio::test]
async fn h7_a_request_with_two_authorizations_has_none() {
    let mut rig = Rig::start().await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"bearerTokenFiles": ["caller.token"]}));
    let caller = rig.caller_with(None);
    let [good, bad] = [format!("Bearer {FIRST}"), "Bearer wrong-0123456789abcdef".to_owned()];
    for two in [[&bad, &good], [&good, &bad], [&good, &good]] {
        let headers = two.map(|value| ("authorization", value.as_str()));
        assert_eq!(caller.try_post(&rig, &headers).await, Some(401), "{two:?}");
    }
}

#[tokio::test]
async fn h7_j6_tokens_are_rotated_by_their_files_on_open_connections_too() {
    let mut rig = Rig::start().await;
    rig.write("first.token", FIRST);
    rig.write("second.token", SECOND);
    rig.let_in(json!({"bearerTokenFiles": ["first.token"]}));
    let caller = rig.caller_with(None);
    assert_eq!(caller.try_bearer(&rig, FIRST).await, Some(200));
    assert_eq!(caller.try_bearer(&rig, SECOND).await, Some(401));
    rig.let_in(json!({"bearerTokenFiles": ["first.token", "second.token"]}));
    assert_eq!(caller.try_bearer(&rig, FIRST).await, Some(200));
    assert_eq!(caller.try_bearer(&rig, SECOND).await, Some(200));
    // By content alone, as a mounted secret changes.
    rig.write("first.token", "third-0123456789abcdef");
    assert_eq!(rig.service.reloader().look(), Outcome::Changed);
    assert_eq!(caller.try_bearer(&rig, FIRST).await, Some(401));
    assert_eq!(caller.try_bearer(&rig, SECOND).await, Some(200));
    assert_eq!(caller.try_bearer(&rig, "third-0123456789abcdef").await, Some(200));
    // A file that is half written changes nothing.
    rig.write("second.token", "sec");
    assert!(matches!(rig.service.reloader().look(), Outcome::Refused(_)));
    assert_eq!(caller.try_bearer(&rig, SECOND).await, Some(200));
}

#[tokio::test]
async fn anonymous_callers_are_let_in_by_saying_so_alone() {
    let mut rig = Rig::start().await;
    rig.let_in(json!({"anonymous": true}));
    assert_eq!(rig.caller_with(None).try_post(&rig, &[]).await, Some(200));
    assert_eq!(rig.caller_with(None).try_bearer(&rig, "whatever-0123456789").await, Some(200));
    let nobody = rig.reconfigure(|settings| settings.service["server"]["callers"] = json!({"anonymous": false}));
    assert!(matches!(nobody, Outcome::Refused(_)));
    assert_eq!(rig.caller_with(None).try_post(&rig, &[]).await, Some(200), "the running configuration stays");
}

#[tokio::test]
async fn h6_no_header_makes_a_caller() {
    let mut rig = Rig::start().await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"bearerTokenFiles": ["caller.token"]}));
    for (name, value) in [
        ("x-forwarded-client-cert", "Hash=0;Subject=\"CN=kube-apiserver\""),
        ("x-ssl-client-verify", "SUCCESS"),
        ("x-ssl-client-s-dn", "CN=kube-apiserver"),
        ("x-client-cert", "CN=kube-apiserver"),
        ("x-remote-user", "kube-apiserver"),
        ("x-remote-group", "system:masters"),
        ("x-forwarded-user", "kube-apiserver"),
        ("x-forwarded-access-token", FIRST),
        ("proxy-authorization", "Bearer first-0123456789abcdef"),
        ("cookie", "token=first-0123456789abcdef"),
        ("impersonate-user", "system:admin"),
        ("client-cert", ":MAA=:"),
    ] {
        assert_eq!(rig.caller_with(None).try_post(&rig, &[(name, value)]).await, Some(401), "{name}");
    }
}

#[tokio::test]
async fn h8_a_stranger_gets_nothing_done() {
    let mut rig = Rig::start().await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"bearerTokenFiles": ["caller.token"]}));
    let stranger = rig.caller_with(None);
    let before = rig.work().await;
    let unknown_key = rig.token().kid("unknown").mint();
    // Whatever the request is, the answer is the same, and nothing of it is judged.
    let whole = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]).to_string();
    let fetching = review_body("v1", unknown_key.expose_secret(), &[API_AUDIENCE]).to_string();
    for (body, media_type) in [
        (whole, "application/json"),
        (fetching, "application/json"),
        (String::new(), "application/json"),
        ("{".to_owned(), "application/json"),
        ("{}".to_owned(), "text/plain"),
        ("x".repeat(70_000), "application/json"),
    ] {
        let url = format!("{}/authenticate", stranger.base);
        let response = stranger.client.post(url).header("content-type", media_type).body(body).send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "this webhook wants a client certificate or a bearer token of the caller's own",
                "reason": "Unauthorized", "code": 401,
            })
        );
    }
    assert_eq!(rig.work().await, before);
    assert_eq!(rig.metric("countersign_requests_refused_total{reason=\"unknown_caller\"}").await, 6.0);
    assert_eq!(rig.metric("countersign_requests_refused_total{reason=\"malformed\"}").await, 0.0);
}

#[tokio::test]
async fn h8_a_strangers_body_is_not_even_read() {
    let mut rig = Rig::start().await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"bearerTokenFiles": ["caller.token"]}));
    let config = client_tls(&rig.authority.certificate_pem(), None, &["http/1.1"]);
    let mut raw = Raw::connect(rig.service.review_address, config).await.unwrap();
    raw.send("POST /authenticate HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100\r\n\r\n").await;
    assert_eq!(raw.reply().await.status, 401, "and no 100 before it");
}

#[tokio::test]
async fn j7_a_replaced_authority_ends_the_open_connections_of_its_callers() {
    let rig = Rig::start().await;
    let (old, token) = (rig.identity("kube-apiserver"), rig.token().mint());
    let review = review_body("v1", token.expose_secret(), &[API_AUDIENCE]);
    let mut open = rig.connect_h2().await;
    open.send(&Frame::review_head(1)).await;
    open.send(&Frame::last_data(1, &review)).await;
    assert_eq!(open.body(1).await["status"]["authenticated"], json!(true));
    let mut open_h1 = rig.connect(&["http/1.1"]).await;
    open_h1.send(post(&review)).await;
    assert_eq!(open_h1.reply().await.status, 200);

    let successor = Authority::new("callers, next year", validity(&rig.clock)).unwrap();
    rig.write("callers-ca.crt", &successor.certificate_pem());
    assert_eq!(rig.service.reloader().look(), Outcome::Changed);

    open.send(&Frame::review_head(3)).await;
    open.send(&Frame::last_data(3, &review)).await;
    assert_eq!(open.body(3).await["code"], json!(401));
    open_h1.send(post(&review)).await;
    assert_eq!(open_h1.reply().await.status, 401);
    assert_eq!(rig.caller_with(Some(&old)).try_post(&rig, &[]).await, None, "nor a new connection");
    let new = successor.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
    assert_eq!(rig.caller_with(Some(&new)).try_post(&rig, &[]).await, Some(200));
}

#[tokio::test]
async fn j7_a_name_that_is_taken_off_the_list_is_refused_on_its_open_connection() {
    let mut rig = Rig::start().await;
    let caller = rig.caller_with(Some(&rig.identity("kube-apiserver")));
    assert_eq!(caller.try_post(&rig, &[]).await, Some(200));
    rig.let_in(json!({"clientCertificateAuthorityFile": "callers-ca.crt", "allowedNames": ["other"]}));
    assert_eq!(caller.try_post(&rig, &[]).await, Some(403));
    rig.let_in(
        json!({"clientCertificateAuthorityFile": "callers-ca.crt", "allowedNames": ["other", "kube-apiserver"]}),
    );
    assert_eq!(caller.try_post(&rig, &[]).await, Some(200));
}

#[tokio::test]
async fn j7_a_certificate_that_expires_is_refused_on_its_open_connection() {
    let rig = Rig::start().await;
    let caller = rig.caller_with(Some(&rig.identity("kube-apiserver")));
    assert_eq!(caller.try_post(&rig, &[]).await, Some(200));
    rig.clock.advance(Duration::from_secs(4 * 24 * 60 * 60));
    assert_eq!(caller.try_post(&rig, &[]).await, Some(401));
}

/// What strangers and old clients may ask of TLS, and what they get. The same before and after any reload.
async fn tls_matrix(rig: &Rig) {
    let identity = rig.identity("kube-apiserver");
    let authority = rig.authority.certificate_pem();
    let address = rig.service.review_address;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        // One store of sessions for both connections, as a client has that would like to resume.
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rig.authority.certificate_der()).unwrap();
        let (chain, key) = identity.to_rustls().unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .unwrap();
        config.enable_early_data = true;
        for attempt in ["first", "second"] {
            let mut raw = Raw::connect(address, config.clone()).await.unwrap();
            raw.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
            assert_eq!(raw.reply().await.status, 404);
            let (_, session) = raw.stream.get_ref();
            assert_eq!(session.protocol_version(), Some(version.version));
            assert_eq!(session.handshake_kind(), Some(HandshakeKind::Full), "{version:?}, {attempt}");
            assert!(!session.is_early_data_accepted());
            assert_eq!(session.tls13_tickets_received(), 0);
            assert_eq!(session.alpn_protocol(), None);
        }
    }
    assert!(Raw::connect(address, client_tls(&authority, Some(&identity), &["spdy/3"])).await.is_err());
    const PROTOCOL_VERSION: u8 = 70;
    const HANDSHAKE_FAILURE: u8 = 40;
    const ECDHE: &[u16] = &[0xc02b, 0xc02f];
    const RSA_CBC_RC4_NULL: &[u16] = &[0x002f, 0x0035, 0x009c, 0x000a, 0x0005, 0xc009, 0xc013, 0x0001, 0x0000];
    assert_eq!(hello(rig, 0x0303, ECDHE).await[0], 22, "what follows is refused for its deviation alone");
    for (name, version) in [("SSL 3", 0x0300), ("TLS 1.0", 0x0301), ("TLS 1.1", 0x0302)] {
        let alert = hello(rig, version, ECDHE).await;
        assert_eq!((alert[0], alert[6]), (21, PROTOCOL_VERSION), "{name}");
    }
    let alert = hello(rig, 0x0303, RSA_CBC_RC4_NULL).await;
    assert_eq!(
        (alert[0], alert[6]),
        (21, HANDSHAKE_FAILURE),
        "suites without forward secrecy or authenticated encryption"
    );
    // No TLS at all.
    for plain in ["POST /authenticate HTTP/1.1\r\nHost: x\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-x\r\n"]
    {
        let answer = exchange(rig, plain.as_bytes()).await;
        assert!(!answer.starts_with(b"HTTP") && answer.len() <= 7, "an alert at most: {answer:?}");
    }
}

/// What comes back for bytes without TLS, up to the end of the connection or a whole record's head and alert.
async fn exchange(rig: &Rig, bytes: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(rig.service.review_address).await.unwrap();
    within(socket.write_all(bytes)).await.unwrap();
    let mut answer = Vec::new();
    while answer.len() < 7 && within(socket.read_buf(&mut answer)).await.is_ok_and(|length| length > 0) {}
    answer
}

/// The beginning of the answer to a ClientHello (RFC 5246, section 7.4.1.2) of this version with these suites.
async fn hello(rig: &Rig, version: u16, suites: &[u16]) -> Vec<u8> {
    let suites: Vec<u8> = suites.iter().flat_map(|suite| suite.to_be_bytes()).collect();
    let length = |bytes: &[u8]| u16::try_from(bytes.len()).unwrap().to_be_bytes();
    let extension = |kind: u16, content: &[u8]| [&kind.to_be_bytes()[..], &length(content), content].concat();
    let extensions = [
        extension(10, &[0, 4, 0, 23, 0, 29]), // supported_groups: secp256r1, x25519
        extension(11, &[1, 0]),               // ec_point_formats: uncompressed
        extension(13, &[0, 8, 4, 3, 5, 3, 8, 4, 4, 1]), // signature_algorithms: ECDSA and RSA
        extension(23, &[]),                   // extended_master_secret
        extension(16, b"\0\x09\x08http/1.1"), // ALPN
    ]
    .concat();
    let body = [
        &version.to_be_bytes()[..],
        &[7; 32],
        &[0],
        &length(&suites),
        &suites,
        &[1, 0],
        &length(&extensions),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &length(&body), &body].concat();
    exchange(rig, &[&[22, 3, 1][..], &length(&message), &message].concat()).await
}

#[tokio::test]
async fn h4_h5_tls_is_as_strict_after_a_reload_as_before() {
    let mut rig = Rig::start().await;
    tls_matrix(&rig).await;
    let renewed = rig.authority.serving_certificate(&["127.0.0.1"], validity(&rig.clock)).unwrap();
    rig.write("tls.crt", renewed.certificate_pem());
    rig.write("tls.key", renewed.private_key_pem());
    assert_eq!(rig.service.reloader().look(), Outcome::Changed);
    tls_matrix(&rig).await;
    rig.write("caller.token", FIRST);
    rig.let_in(json!({"clientCertificateAuthorityFile": "callers-ca.crt", "bearerTokenFiles": ["caller.token"]}));
    tls_matrix(&rig).await;
}

#[tokio::test]
async fn j6_a_renewed_certificate_serves_new_connections_and_cuts_no_old_one() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let mut old = rig.connect(&["http/1.1"]).await;
    let renewed = rig.authority.serving_certificate(&["127.0.0.1"], validity(&rig.clock)).unwrap();
    // Half of a rotation: certificate and key do not belong together yet.
    rig.write("tls.crt", renewed.certificate_pem());
    assert!(matches!(rig.service.reloader().look(), Outcome::Refused(_)));
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.write("tls.key", renewed.private_key_pem());
    assert_eq!(rig.service.reloader().look(), Outcome::Changed);
    let new = rig.connect(&["http/1.1"]).await;
    let (expected, _) = renewed.to_rustls().unwrap();
    let shown = |raw: &Raw| raw.stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_eq!(shown(&new), expected[0]);
    assert_ne!(shown(&old), expected[0]);
    old.send(post(review_body("v1", token.expose_secret(), &[API_AUDIENCE]))).await;
    assert_eq!(old.reply().await.status, 200);
}
