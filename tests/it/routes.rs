//! What is not a review, and how a review may be spelt: every route, method, media type and body, in both versions of HTTP.

use http::{Method, StatusCode};
use prost::Message;
use serde_json::{Value, json};

use crate::support::{API_AUDIENCE, Caller, Frame, Raw, Rig, client_tls, post, review_body};

const V1: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
const V1BETA1: &str = "/apis/authentication.k8s.io/v1beta1/tokenreviews";

impl Rig {
    /// The rig's caller, once for each version of HTTP.
    fn callers(&self) -> [Caller; 2] {
        let identity = self.identity("kube-apiserver");
        let authority = self.authority.certificate_pem();
        ["h2", "http/1.1"].map(|alpn| Caller::new(self.service.review_address, &authority, Some(&identity), &[alpn]))
    }

    /// Counts that must not move when a request gets no review.
    async fn judged(&self) -> [f64; 3] {
        [
            self.metric("countersign_review_duration_seconds_count{result=\"accept\"}").await,
            self.metric("countersign_review_duration_seconds_count{result=\"reject\"}").await,
            self.metric("countersign_cache_misses_total").await,
        ]
    }
}

impl Caller {
    fn request(&self, method: &Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method.clone(), format!("{}{path}", self.base))
    }

    /// Posts a body as it is.
    async fn post_bytes(&self, path: &str, media_type: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = self.request(&Method::POST, path).header("content-type", media_type);
        request.body(body.into()).send().await.unwrap()
    }
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    })
}

fn bad_request(message: &str) -> Value {
    failure(400, "BadRequest", message)
}

/// Checks a response that is no review, whole.
async fn assert_failure(response: reqwest::Response, expected: &Value, what: &str) {
    assert_eq!(u64::from(response.status().as_u16()), expected["code"].as_u64().unwrap(), "{what}");
    for (name, value) in [("content-type", "application/json"), ("cache-control", "no-store")] {
        assert_eq!(response.headers()[name], value, "{what}");
    }
    for absent in ["location", "retry-after", "server"] {
        assert!(!response.headers().contains_key(absent), "{what}: {absent}");
    }
    assert_eq!(&response.json::<Value>().await.unwrap(), expected, "{what}");
}

#[tokio::test]
async fn h9_other_paths_are_not_found_and_nothing_is_redirected() {
    let rig = Rig::start().await;
    let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]);
    let message = "reviews are posted to /authenticate or /apis/authentication.k8s.io/{v1,v1beta1}/tokenreviews";
    let expected = failure(404, "NotFound", message);
    let paths = [
        "/",
        "/authenticate/",
        "//authenticate",
        "/Authenticate",
        "/authenticate/x",
        "/authenticate%2f",
        "/%61uthenticate",
        "/authenticate%00",
        "/authenticate;x",
        "/metrics",
        "/livez",
        "/readyz",
        "/healthz",
        "/apis",
        "/apis/authentication.k8s.io/v1",
        "/apis/authentication.k8s.io/v1/tokenreviews/",
        "/apis/authentication.k8s.io/v2/tokenreviews",
        "/apis/authentication.k8s.io/V1/tokenreviews",
        "/apis/authentication.k8s.io/v1/tokenreviews/name",
        "/apis/authentication.k8s.io//v1/tokenreviews",
        "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
    ];
    for caller in rig.callers() {
        for path in paths {
            assert_failure(caller.post(path, &review).await, &expected, path).await;
            assert_failure(caller.request(&Method::GET, path).send().await.unwrap(), &expected, path).await;
        }
    }
    assert_eq!(rig.judged().await, [0.0; 3]);
    let refused = rig.metric("countersign_requests_refused_total{reason=\"not_found\"}").await;
    assert_eq!(refused, 4.0 * paths.len() as f64);
}

#[tokio::test]
async fn only_post_is_answered() {
    let rig = Rig::start().await;
    let expected = failure(405, "MethodNotAllowed", "only POST is answered here");
    for caller in rig.callers() {
        for path in ["/authenticate", "/authenticate?timeout=30s", V1, V1BETA1] {
            for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW", "post"] {
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                let response = caller.request(&method, path).send().await.unwrap();
                assert_eq!(response.headers()["allow"], "POST", "{method} {path}");
                assert_failure(response, &expected, &format!("{method} {path}")).await;
            }
            let head = caller.request(&Method::HEAD, path).send().await.unwrap();
            assert_eq!(head.status(), StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(head.headers()["allow"], "POST");
            assert!(head.bytes().await.unwrap().is_empty());
        }
    }
    assert_eq!(rig.judged().await, [0.0; 3]);
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let rig = Rig::start().await;
    let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]).to_string();
    let message = "the body must be application/json (or, on the API path, application/vnd.kubernetes.protobuf), \
                   not compressed";
    let expected = failure(415, "UnsupportedMediaType", message);
    let protobuf = "application/vnd.kubernetes.protobuf";
    let rows = [
        ("/authenticate", "text/plain"),
        ("/authenticate", "application/yaml"),
        ("/authenticate", "application/jsonx"),
        ("/authenticate", "application/json-patch+json"),
        ("/authenticate", "text/plain; application/json"),
        ("/authenticate", "application/json, text/plain"),
        ("/authenticate", ""),
        ("/authenticate", protobuf),
        (V1, "application/cbor"),
        (V1, "application/x-www-form-urlencoded"),
    ];
    for caller in rig.callers() {
        for (path, media_type) in rows {
            assert_failure(caller.post_bytes(path, media_type, review.clone()).await, &expected, media_type).await;
        }
        for encoding in ["gzip", "br", "deflate", "identity, gzip"] {
            let request = caller.request(&Method::POST, "/authenticate").header("content-type", "application/json");
            let response = request.header("content-encoding", encoding).body(review.clone()).send().await.unwrap();
            assert_failure(response, &expected, encoding).await;
        }
    }
    assert_eq!(rig.judged().await, [0.0; 3]);
}

#[tokio::test]
async fn json_is_known_by_every_spelling_of_its_name_and_by_none() {
    let rig = Rig::start().await;
    let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]).to_string();
    for caller in rig.callers() {
        for media_type in
            ["application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;"]
        {
            let response = caller.post_bytes("/authenticate", media_type, review.clone()).await;
            assert_eq!(response.status(), StatusCode::OK, "{media_type}");
        }
        let unnamed = caller.request(&Method::POST, "/authenticate").body(review.clone());
        assert_eq!(unnamed.send().await.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn c1_c2_c3_bodies_that_are_no_review_are_told_why() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let token = token.expose_secret();
    let version = "\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"TokenReview\"";
    let json_is = |why: &str| bad_request(&format!("the body is not a TokenReview: {why}"));
    let syntax = json_is("not valid JSON in UTF-8");
    let twice = json_is("an object has the same member twice");
    let no_object = json_is("not a JSON object");
    let too_deep = json_is("objects and arrays are nested too deeply");
    let version_is = bad_request(
        "apiVersion must be authentication.k8s.io/v1 or authentication.k8s.io/v1beta1, and the one of the path",
    );
    let kind = bad_request("kind must be TokenReview");
    let no_token = bad_request("spec.token must not be empty");
    let audiences = bad_request("spec.audiences must be at most 64 strings that are not empty");
    let many = vec!["a"; 65];
    let rows: Vec<(String, &Value)> = vec![
        (String::new(), &syntax),
        ("{".into(), &syntax),
        ("{}x".into(), &syntax),
        (format!("\u{feff}{{{version},\"spec\":{{\"token\":\"{token}\"}}}}"), &syntax),
        (format!("{{{version},\"spec\":{{\"token\":\"{token}\"}}}}{{}}"), &syntax),
        (format!("{{{version},\"spec\":{{\"token\":5}}}}"), &syntax),
        (format!("{{{version},\"spec\":{{\"token\":[\"{token}\"]}}}}"), &syntax),
        (format!("{{{version},\"spec\":{{\"token\":\"{token}\",\"audiences\":\"{API_AUDIENCE}\"}}}}"), &syntax),
        (format!("{{{version},\"spec\":\"{token}\"}}"), &syntax),
        (format!("[\"authentication.k8s.io/v1\",\"TokenReview\",{{\"token\":\"{token}\"}}]"), &syntax),
        (format!("{{{version},\"spec\":[\"{token}\"]}}"), &syntax),
        ("null".into(), &no_object),
        ("7".into(), &syntax),
        (format!("{{{version},{version},\"spec\":{{\"token\":\"{token}\"}}}}"), &twice),
        (format!("{{{version},\"spec\":{{\"token\":\"{token}\",\"tok\\u0065n\":\"x\"}}}}"), &twice),
        (format!("{{{version},\"spec\":{{\"token\":\"x\"}},\"spec\":{{\"token\":\"{token}\"}}}}"), &twice),
        (
            format!("{{{version},\"status\":{}{},\"spec\":{{\"token\":\"{token}\"}}}}", "[".repeat(99), "]".repeat(99)),
            &too_deep,
        ),
        ("{}".into(), &version_is),
        (review_body("v2", token, &[]).to_string(), &version_is),
        (format!("{{\"apiVersion\":\"v1\",\"kind\":\"TokenReview\",\"spec\":{{\"token\":\"{token}\"}}}}"), &version_is),
        (
            format!(
                "{{\"apiVersion\":\"authentication.k8s.io/v1\",\"kind\":\"Pod\",\"spec\":{{\"token\":\"{token}\"}}}}"
            ),
            &kind,
        ),
        (format!("{{{version}}}"), &no_token),
        (format!("{{{version},\"spec\":null}}"), &no_token),
        (review_body("v1", "", &[API_AUDIENCE]).to_string(), &no_token),
        (review_body("v1", token, &[""]).to_string(), &audiences),
        (review_body("v1", token, &many).to_string(), &audiences),
    ];
    for caller in rig.callers() {
        for (body, expected) in &rows {
            let response = caller.post_bytes("/authenticate", "application/json", body.clone()).await;
            assert_failure(response, expected, body).await;
        }
        let other_version = review_body("v1", token, &[]).to_string();
        let response = caller.post_bytes(V1BETA1, "application/json", other_version).await;
        assert_failure(response, &version_is, "v1 on the path of v1beta1").await;
    }
    assert_eq!(rig.judged().await, [0.0; 3]);
}

#[tokio::test]
async fn c3_a_body_may_be_as_long_as_the_limit_and_no_longer() {
    let rig = Rig::start().await;
    let cap = rig.settings.limits.body_bytes;
    let body = |length: usize| {
        let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]).to_string();
        format!("{review}{}", " ".repeat(length - review.len()))
    };
    let expected = failure(413, "RequestEntityTooLarge", &format!("the body is longer than {cap} bytes"));
    for caller in rig.callers() {
        let fits = caller.post_bytes("/authenticate", "application/json", body(cap)).await;
        assert_eq!(fits.status(), StatusCode::OK);
        let announced = caller.post_bytes("/authenticate", "application/json", body(cap + 1)).await;
        assert_failure(announced, &expected, "by Content-Length").await;
        // Without a length: chunked in HTTP/1.1, plain DATA frames in HTTP/2.
        for (length, status) in [(cap, 200), (cap + 1, 413)] {
            let parts: Vec<_> = body(length).as_bytes().chunks(1000).map(<[u8]>::to_vec).collect();
            let parts = parts
                .into_iter()
                .map(|part| Ok::<_, std::io::Error>(hyper::body::Frame::data(bytes::Bytes::from(part))));
            let streamed = reqwest::Body::wrap(http_body_util::StreamBody::new(futures_util::stream::iter(parts)));
            let response = caller.post_bytes("/authenticate", "application/json", streamed).await;
            assert_eq!(response.status(), status, "{length} bytes in parts");
        }
    }
}

#[tokio::test]
async fn c3_a_body_that_is_announced_too_long_is_refused_before_it_is_sent() {
    let rig = Rig::start().await;
    let mut raw = rig.connect(&["http/1.1"]).await;
    raw.send(
        "POST /authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9999999\r\n\r\n",
    )
    .await;
    assert_eq!(raw.reply().await.status, 413);
    raw.end().await;
}

#[tokio::test]
async fn the_query_is_ignored() {
    let rig = Rig::start().await;
    let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]);
    for caller in rig.callers() {
        for query in ["?timeout=30s", "?", "?timeout=30s&dryRun=All&fieldManager=x", "?/../../x", "?a?b"] {
            assert_eq!(
                caller.post(&format!("/authenticate{query}"), &review).await.status(),
                StatusCode::OK,
                "{query}"
            );
            assert_eq!(caller.post(&format!("{V1}{query}"), &review).await.status(), StatusCode::CREATED, "{query}");
        }
    }
}

#[tokio::test]
async fn h10_each_path_has_its_status_and_each_version_its_own_answer() {
    let rig = Rig::start().await;
    let token = rig.token().claim("jti", "id-1").mint();
    let bad = rig.token().audience("other").mint();
    for caller in rig.callers() {
        for (path, version, status) in [
            ("/authenticate", "v1", 200),
            ("/authenticate", "v1beta1", 200),
            (V1, "v1", 201),
            (V1BETA1, "v1beta1", 201),
        ] {
            let response = caller.post(path, &review_body(version, token.expose_secret(), &[API_AUDIENCE])).await;
            assert_eq!(response.status(), status, "{path} {version}");
            assert_eq!(response.headers()["content-type"], "application/json");
            assert_eq!(response.headers()["cache-control"], "no-store");
            let api_version = format!("authentication.k8s.io/{version}");
            let user = json!({
                "username": "oidc:alice",
                "groups": ["oidc:developers"],
                "extra": {"authentication.kubernetes.io/credential-id": ["JTI=id-1"]},
            });
            let accepted = json!({
                "kind": "TokenReview", "apiVersion": api_version, "metadata": {}, "spec": {},
                "status": {"authenticated": true, "user": user, "audiences": [API_AUDIENCE]},
            });
            assert_eq!(response.json::<Value>().await.unwrap(), accepted);

            let response = caller.post(path, &review_body(version, bad.expose_secret(), &[API_AUDIENCE])).await;
            assert_eq!(response.status(), status, "a refusal is an answer like any other");
            let refused = json!({
                "kind": "TokenReview", "apiVersion": api_version, "metadata": {}, "spec": {},
                "status": {"authenticated": false},
            });
            assert_eq!(response.json::<Value>().await.unwrap(), refused);
        }
    }
}

#[tokio::test]
async fn on_the_api_path_the_version_may_be_left_to_the_path() {
    let rig = Rig::start().await;
    let body = json!({"spec": {"token": rig.token().mint().expose_secret()}});
    for (path, version) in [(V1, "authentication.k8s.io/v1"), (V1BETA1, "authentication.k8s.io/v1beta1")] {
        let response = rig.caller.post(path, &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let review: Value = response.json().await.unwrap();
        assert_eq!((&review["apiVersion"], &review["kind"]), (&json!(version), &json!("TokenReview")));
        assert_eq!(review["status"]["authenticated"], json!(true));
    }
}

/// `k8s.io/apimachinery` `runtime.Unknown`.
#[derive(Message)]
struct Unknown {
    #[prost(message, optional, tag = "1")]
    type_meta: Option<TypeMeta>,
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
    #[prost(string, tag = "3")]
    content_encoding: String,
    #[prost(string, tag = "4")]
    content_type: String,
}

#[derive(Message)]
struct TypeMeta {
    #[prost(string, tag = "1")]
    api_version: String,
    #[prost(string, tag = "2")]
    kind: String,
}

/// `k8s.io/api/authentication` `TokenReview`, with the empty metadata and status that clients send along.
#[derive(Message)]
struct TokenReview {
    #[prost(message, optional, tag = "1")]
    metadata: Option<()>,
    #[prost(message, optional, tag = "2")]
    spec: Option<Spec>,
    #[prost(message, optional, tag = "3")]
    status: Option<()>,
}

#[derive(Message)]
struct Spec {
    #[prost(string, tag = "1")]
    token: String,
    #[prost(string, repeated, tag = "2")]
    audiences: Vec<String>,
}

fn protobuf(version: &str, kind: &str, token: &str, content_encoding: &str) -> Vec<u8> {
    let spec = Spec { token: token.to_owned(), audiences: vec![API_AUDIENCE.to_owned()] };
    let review = TokenReview { metadata: Some(()), spec: Some(spec), status: Some(()) };
    let type_meta = TypeMeta { api_version: format!("authentication.k8s.io/{version}"), kind: kind.to_owned() };
    let envelope = Unknown {
        type_meta: Some(type_meta),
        raw: review.encode_to_vec(),
        content_encoding: content_encoding.to_owned(),
        content_type: String::new(),
    };
    [b"k8s\0", envelope.encode_to_vec().as_slice()].concat()
}

#[tokio::test]
async fn a_review_in_kubernetes_protobuf_is_answered_in_json_on_the_api_path() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let token = token.expose_secret();
    let media_type = "application/vnd.kubernetes.protobuf";
    for caller in rig.callers() {
        for (path, version) in [(V1, "v1"), (V1BETA1, "v1beta1")] {
            let response = caller.post_bytes(path, media_type, protobuf(version, "TokenReview", token, "")).await;
            assert_eq!(response.status(), StatusCode::CREATED);
            assert_eq!(response.headers()["content-type"], "application/json");
            let review: Value = response.json().await.unwrap();
            assert_eq!(review["apiVersion"], json!(format!("authentication.k8s.io/{version}")));
            assert_eq!(review["status"]["user"]["username"], json!("oidc:alice"));
            assert_eq!(review["status"]["audiences"], json!([API_AUDIENCE]));
        }
        let no_protobuf = bad_request("the body is not a TokenReview in Kubernetes' protobuf encoding");
        let whole = protobuf("v1", "TokenReview", token, "");
        let rows = [
            (whole[..whole.len() - 1].to_vec(), &no_protobuf),
            (whole[4..].to_vec(), &no_protobuf),
            (Vec::new(), &no_protobuf),
            (review_body("v1", token, &[]).to_string().into_bytes(), &no_protobuf),
            (protobuf("v1", "TokenReview", token, "gzip"), &no_protobuf),
            (protobuf("v1", "TokenReview", "", ""), &bad_request("spec.token must not be empty")),
            (protobuf("v1", "SubjectAccessReview", token, ""), &bad_request("kind must be TokenReview")),
        ];
        for (body, expected) in rows {
            assert_failure(caller.post_bytes(V1, media_type, body).await, expected, "protobuf").await;
        }
    }
}

#[tokio::test]
async fn h10_no_answer_echoes_the_token() {
    let rig = Rig::start().await;
    let canary = rig.token().claim("canary", "c4n4ry").header("x-canary", "c4n4ry").mint();
    let [_, payload, signature] = canary.expose_secret().split('.').collect::<Vec<_>>().try_into().unwrap();
    let body = review_body("v1", canary.expose_secret(), &[API_AUDIENCE]);
    let mut broken = body.clone();
    broken["kind"] = canary.expose_secret().into();
    let refused = review_body("v1", &format!("{}x", canary.expose_secret()), &[API_AUDIENCE]);
    for caller in rig.callers() {
        for (path, body) in [
            ("/authenticate", &body),
            (V1, &body),
            ("/authenticate", &broken),
            ("/elsewhere", &body),
            ("/authenticate", &refused),
        ] {
            let response = caller.post(path, body).await;
            let headers = format!("{:?}", response.headers());
            let text = response.text().await.unwrap();
            for part in [payload, signature, "c4n4ry"] {
                assert!(!text.contains(part) && !headers.contains(part), "{path}: {headers} {text}");
            }
        }
    }
}

#[tokio::test]
async fn both_versions_of_http_are_agreed_on_by_alpn() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let review = review_body("v1", token.expose_secret(), &[API_AUDIENCE]).to_string();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut raw = rig.connect(offered).await;
        let (_, session) = raw.stream.get_ref();
        assert_eq!(session.alpn_protocol(), agreed.map(str::as_bytes), "{offered:?}");
        if agreed != Some("h2") {
            raw.send(post(&review)).await;
            assert_eq!(raw.reply().await.status, 200, "{offered:?}");
        }
    }
    let identity = rig.identity("kube-apiserver");
    let config = client_tls(&rig.authority.certificate_pem(), Some(&identity), &["spdy/3"]);
    assert!(Raw::connect(rig.service.review_address, config).await.is_err());
    let mut h2 = rig.connect_h2().await;
    h2.send(&Frame::review_head(1)).await;
    h2.send(&Frame::last_data(1, &review_body("v1", token.expose_secret(), &[API_AUDIENCE]))).await;
    assert_eq!(h2.body(1).await["status"]["authenticated"], json!(true));
}

/// What comes back on one connection: the statuses of all responses, after which the server has hung up.
async fn statuses(rig: &Rig, bytes: &[u8]) -> Vec<u16> {
    let mut raw = rig.connect(&["http/1.1"]).await;
    raw.send(bytes).await;
    let mut statuses = Vec::new();
    while let Some(reply) = raw.try_reply().await {
        statuses.push(reply.status);
    }
    statuses
}

#[tokio::test]
async fn h3_requests_with_two_readings_get_one_answer_at_most_and_the_connection_ends() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let review = review_body("v1", token.expose_secret(), &[API_AUDIENCE]).to_string();
    let chunked = format!("{:x}\r\n{review}\r\n0\r\n\r\n", review.len());
    // What an intermediary with the other reading would have let through as a body.
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = "POST /authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let length = review.len();
    let one = "Content-Length: 4\r\n";
    let rows: Vec<(&str, String, &[u16])> = vec![
        ("length, then chunked", format!("{head}{one}Transfer-Encoding: chunked\r\n\r\n{chunked}{smuggled}"), &[200]),
        ("chunked, then length", format!("{head}Transfer-Encoding: chunked\r\n{one}\r\n{chunked}{smuggled}"), &[200]),
        ("two lengths", format!("{head}Content-Length: {length}\r\n{one}\r\n{review}{smuggled}"), &[400]),
        ("a list of lengths", format!("{head}Content-Length: {length}, 4\r\n\r\n{review}{smuggled}"), &[400]),
        ("a signed length", format!("{head}Content-Length: +{length}\r\n\r\n{review}{smuggled}"), &[400]),
        ("a negative length", format!("{head}Content-Length: -1\r\n\r\n{review}{smuggled}"), &[400]),
        ("a hexadecimal length", format!("{head}Content-Length: 0x4\r\n\r\n{review}{smuggled}"), &[400]),
        ("a length beyond all", format!("{head}Content-Length: 18446744073709551616\r\n\r\n{review}"), &[400]),
        ("an unknown coding", format!("{head}Transfer-Encoding: xchunked\r\n\r\n{chunked}{smuggled}"), &[400]),
        ("chunked not last", format!("{head}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}{smuggled}"), &[400]),
        ("a space before the colon", format!("{head}Transfer-Encoding : chunked\r\n\r\n{chunked}{smuggled}"), &[400]),
        ("a folded line", format!("{head}Transfer-Encoding:\r\n chunked\r\n\r\n{chunked}{smuggled}"), &[400]),
        ("a folded first line", format!("POST /authenticate HTTP/1.1\r\n Host: x\r\n\r\n{smuggled}"), &[400]),
        ("a NUL in a value", format!("{head}X: a\0b\r\n\r\n{smuggled}"), &[400]),
        ("a CR in a value", format!("{head}X: a\rTransfer-Encoding: chunked\r\n\r\n{smuggled}"), &[400]),
        ("an empty name", format!("{head}: x\r\n\r\n{smuggled}"), &[400]),
        (
            "chunked in HTTP/1.0",
            format!("{}Transfer-Encoding: chunked\r\n\r\n{chunked}{smuggled}", head.replace("1.1", "1.0")),
            &[400],
        ),
        ("a chunk size with a sign", format!("{head}Transfer-Encoding: chunked\r\n\r\n+{chunked}{smuggled}"), &[400]),
        (
            "a chunk size beyond all",
            format!("{head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{smuggled}"),
            &[400],
        ),
        (
            "a chunk that ends elsewhere",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n4\r\nabcdXX0\r\n\r\n{smuggled}"),
            &[400],
        ),
        ("another version", format!("{}\r\n{smuggled}", head.replace("HTTP/1.1", "HTTP/3.0")), &[400]),
        ("HTTP/2 without agreement", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), &[]),
        ("no request at all", "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), &[400]),
    ];
    for (what, bytes, expected) in &rows {
        assert_eq!(statuses(&rig, bytes.as_bytes()).await, *expected, "{what}");
    }
    assert_eq!(
        rig.metric("countersign_requests_refused_total{reason=\"not_found\"}").await,
        0.0,
        "nothing was smuggled"
    );
}

#[tokio::test]
async fn h3_odd_requests_with_one_reading_are_read_so() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let review = review_body("v1", token.expose_secret(), &[API_AUDIENCE]).to_string();
    let bare = |rest: &str, version: &str| {
        let length = review.len();
        format!("POST {rest} {version}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{review}")
    };
    let rows: Vec<(&str, String, &[u16])> = vec![
        ("absolute form", bare("https://elsewhere.example/authenticate", "HTTP/1.1"), &[200]),
        ("absolute form, other path", bare("https://localhost/authenticate/", "HTTP/1.1"), &[404]),
        ("HTTP/1.0", bare("/authenticate", "HTTP/1.0"), &[200]),
        (
            "equal lengths",
            bare("/authenticate", "HTTP/1.1")
                .replace("Content", &format!("Content-Length: {}\r\nContent", review.len())),
            &[200],
        ),
        ("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), &[404]),
        ("CONNECT", "CONNECT localhost:443 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), &[404]),
        (
            "CONNECT to a path",
            "CONNECT /authenticate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(),
            &[405],
        ),
        ("TRACE", "TRACE /authenticate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_owned(), &[405]),
        ("two requests at once", format!("{}{}", post(&review), bare("/authenticate", "HTTP/1.1")), &[200, 200]),
    ];
    for (what, bytes, expected) in &rows {
        assert_eq!(statuses(&rig, bytes.as_bytes()).await, *expected, "{what}");
    }
}

#[tokio::test]
async fn h3_no_upgrade_is_made() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let review = review_body("v1", token.expose_secret(), &[API_AUDIENCE]).to_string();
    for upgrade in
        ["h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA", "websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
    {
        let mut raw = rig.connect(&["http/1.1"]).await;
        raw.send(
            post(&review).replace("Host: x\r\n", &format!("Host: x\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n")),
        )
        .await;
        let reply = raw.reply().await;
        assert_eq!((reply.status, reply.header("upgrade")), (200, None));
        assert_eq!(reply.json()["status"]["authenticated"], json!(true));
        raw.send(post(&review)).await;
        assert_eq!(raw.reply().await.status, 200, "the connection goes on as it was");
    }
}

#[tokio::test]
async fn a_client_may_ask_whether_to_send_the_body() {
    let rig = Rig::start().await;
    let review = review_body("v1", rig.token().mint().expose_secret(), &[API_AUDIENCE]).to_string();
    let request = post(&review).replace("Host: x\r\n", "Host: x\r\nExpect: 100-continue\r\n");
    let head = request.len() - review.len();
    let mut raw = rig.connect(&["http/1.1"]).await;
    raw.send(&request[..head]).await;
    assert_eq!(raw.reply().await.status, 100);
    raw.send(&request[head..]).await;
    assert_eq!(raw.reply().await.status, 200);
}
