//! The admin listener: plain HTTP, loopback by default, read-only. No token is ever accepted here, and no review answered.
//!
//! `/livez` says that the process works, `/readyz` that it should be sent reviews, `/healthz` both; each with `?verbose` in
//! Kubernetes' own form. `/metrics` is Prometheus text, `/` a page for people.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Stage;
use super::places::Places;

/// Scrapers and probes need a few. Beyond it the oldest connection is given up, so that nobody on a port that is open too
/// wide can keep the probes out, and so have the process restarted.
const CONNECTIONS: usize = 64;

/// For a request's head, and for an idle connection.
const IDLE: Duration = Duration::from_secs(30);

/// What the admin listener shows.
pub trait Status: Send + Sync + 'static {
    /// All metrics in Prometheus' text format.
    fn metrics(&self) -> Vec<u8>;

    /// The checks behind readiness, in a fixed order.
    fn checks(&self) -> Vec<Check>;

    /// A page for people.
    fn page(&self) -> String;
}

/// One line of `?verbose`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is looked at, for example `issuer/https://idp.example.com`.
    pub name: String,
    /// Whether it is well enough.
    pub ok: bool,
    /// Whether it can make the whole not ready. Other checks only report.
    pub required: bool,
    /// What there is to say.
    pub detail: String,
}

/// Serves until the stage is [`Stage::Ended`]: while reviews are drained, metrics and readiness still answer.
pub async fn serve(listener: TcpListener, status: Arc<dyn Status>, mut stage: watch::Receiver<Stage>) {
    let places = Arc::new(Places::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            _ = stage.wait_for(|stage| *stage >= Stage::Ended) => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((socket, _address)) = accepted else {
            tokio::time::sleep(super::ACCEPT_BACKOFF).await;
            continue;
        };
        let (places, status, mut stage) = (Arc::clone(&places), Arc::clone(&status), stage.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let response = answer(&request, &*status);
                async { Ok::<_, Infallible>(response) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(IDLE).max_headers(64);
            tokio::select! {
                _ = places.run(builder.serve_connection(TokioIo::new(socket), service)) => {}
                _ = stage.wait_for(|stage| *stage >= Stage::Ended) => {}
            }
        });
    }
}

fn answer<B>(request: &Request<B>, status: &dyn Status) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return respond(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n".into());
    }
    let query = request.uri().query().unwrap_or_default();
    let verbose = query.split('&').any(|part| part == "verbose" || part.starts_with("verbose="));
    match request.uri().path() {
        "/metrics" => respond(StatusCode::OK, METRICS, status.metrics()),
        "/livez" => health("livez", &[], verbose),
        "/readyz" => health("readyz", &status.checks(), verbose),
        "/healthz" => health("healthz", &status.checks(), verbose),
        "/" => respond(StatusCode::OK, HTML, status.page().into_bytes()),
        _ => {
            let message = "there are /metrics, /livez, /readyz, /healthz (each with ?verbose) and /\n";
            respond(StatusCode::NOT_FOUND, TEXT, message.into())
        }
    }
}

/// As kube-apiserver writes it: `ok`, or one line for each check when asked, or when something fails.
fn health(name: &str, checks: &[Check], verbose: bool) -> Response<Full<Bytes>> {
    let ok = checks.iter().all(|check| check.ok || !check.required);
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if ok && !verbose {
        return respond(status, TEXT, b"ok".to_vec());
    }
    let mut text = String::from("[+]ping ok\n");
    for check in checks {
        let (sign, word) = if check.ok { ('+', "ok") } else { ('-', "failed") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{sign}]{} {word}: {}", check.name, check.detail);
    }
    let _ = writeln!(text, "{name} check {}", if ok { "passed" } else { "failed" });
    respond(status, TEXT, text.into_bytes())
}

const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

fn respond(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    struct Fixed(Vec<Check>);

    impl Status for Fixed {
        fn metrics(&self) -> Vec<u8> {
            b"up 1\n".to_vec()
        }

        fn checks(&self) -> Vec<Check> {
            self.0.clone()
        }

        fn page(&self) -> String {
            "<!doctype html>".to_owned()
        }
    }

    fn check(name: &str, ok: bool, required: bool) -> Check {
        Check { name: name.into(), ok, required, detail: "2 keys".into() }
    }

    async fn get(status: &Fixed, method: Method, target: &str) -> (u16, String) {
        let request = Request::builder().method(method).uri(target).body(()).unwrap();
        let response = answer(&request, status);
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (code, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn readiness_is_short_when_well_and_spells_out_what_fails() {
        let well = Fixed(vec![check("issuer/a", true, true)]);
        assert_eq!(get(&well, Method::GET, "/readyz").await, (200, "ok".into()));
        let verbose = "[+]ping ok\n[+]issuer/a ok: 2 keys\nreadyz check passed\n";
        assert_eq!(get(&well, Method::GET, "/readyz?verbose").await, (200, verbose.into()));
        let ill = Fixed(vec![check("issuer/a", false, true)]);
        let spelt_out = "[+]ping ok\n[-]issuer/a failed: 2 keys\nreadyz check failed\n";
        assert_eq!(get(&ill, Method::GET, "/readyz").await, (503, spelt_out.into()));
    }

    #[tokio::test]
    async fn a_check_that_only_reports_does_not_take_readiness_away() {
        let outage = Fixed(vec![check("issuer/a", false, false)]);
        assert_eq!(get(&outage, Method::GET, "/readyz").await, (200, "ok".into()));
        assert!(get(&outage, Method::GET, "/readyz?verbose").await.1.contains("[-]issuer/a failed"));
    }

    #[tokio::test]
    async fn liveness_does_not_depend_on_providers() {
        let ill = Fixed(vec![check("issuer/a", false, true)]);
        assert_eq!(get(&ill, Method::GET, "/livez").await, (200, "ok".into()));
    }

    #[tokio::test]
    async fn h9_no_review_is_answered_here() {
        let status = Fixed(vec![]);
        for path in ["/authenticate", "/apis/authentication.k8s.io/v1/tokenreviews"] {
            assert_eq!(get(&status, Method::POST, path).await.0, 405);
            assert_eq!(get(&status, Method::GET, path).await.0, 404);
        }
    }
}
