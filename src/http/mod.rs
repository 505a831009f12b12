//! From a request to a reply: route, caller, body, deadline. Everything that is not a review ends here.
//!
//! What must hold: one route table, exact paths, never a redirect; the caller is known before a byte of the body is read;
//! overload is answered with 503 and no `Retry-After`, the one answer that neither client-go nor kube-apiserver repeats;
//! a panic costs the request that it happens in, and no other.

use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use rustls::ServerConfig;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::authn::Deadline;
use crate::callers::{Callers, Peer, Stranger};
use crate::events::{Event, Events, Turned};
use crate::limits::Limits;
use crate::review::wire::Encoding;
use crate::review::{ApiVersion, Reply, Reviewer, TokenReview};
use crate::token::WipedBytes;

/// The body of every response.
pub type Body = Full<Bytes>;

/// One configuration as the listener needs it. Replaced whole, so that no request sees half of two.
pub struct Front {
    /// TLS for new connections.
    pub tls: Arc<ServerConfig>,
    /// Who may ask.
    pub callers: Arc<Callers>,
    /// Who answers.
    pub reviewer: Arc<Reviewer>,
}

/// The service behind the review listener.
pub struct Gateway {
    front: ArcSwap<Front>,
    in_flight: Semaphore,
    limits: Limits,
    events: Arc<dyn Events>,
}

/// What a path is for.
#[derive(Clone, Copy)]
struct Route {
    /// The version that the path names, on the API path.
    version: Option<ApiVersion>,
}

impl Route {
    fn find(path: &str) -> Option<Self> {
        match path {
            "/authenticate" => Some(Self { version: None }),
            "/apis/authentication.k8s.io/v1/tokenreviews" => Some(Self { version: Some(ApiVersion::V1) }),
            "/apis/authentication.k8s.io/v1beta1/tokenreviews" => Some(Self { version: Some(ApiVersion::V1beta1) }),
            _ => None,
        }
    }

    /// Clients of the Kubernetes API send protobuf unasked; webhook clients always send JSON.
    fn encoding(self, headers: &HeaderMap) -> Option<Encoding> {
        let Some(value) = headers.get(CONTENT_TYPE) else { return Some(Encoding::Json) };
        if value == "application/json" {
            return Some(Encoding::Json);
        }
        let media_type = value.to_str().ok()?.split(';').next()?.trim().to_ascii_lowercase();
        match media_type.as_str() {
            "application/json" => Some(Encoding::Json),
            "application/vnd.kubernetes.protobuf" if self.version.is_some() => Some(Encoding::Protobuf),
            _ => None,
        }
    }

    /// What the API server itself answers a successful create with.
    fn success(self) -> StatusCode {
        if self.version.is_some() { StatusCode::CREATED } else { StatusCode::OK }
    }
}

impl Gateway {
    /// A service that begins with this configuration.
    #[must_use]
    pub fn new(front: Front, limits: Limits, events: Arc<dyn Events>) -> Self {
        let in_flight = Semaphore::new(limits.in_flight);
        Self { front: ArcSwap::from_pointee(front), in_flight, limits, events }
    }

    /// Puts another configuration in force, for requests that begin from now on.
    pub fn replace(&self, front: Front) {
        self.front.store(Arc::new(front));
    }

    /// The configuration in force.
    #[must_use]
    pub fn front(&self) -> Arc<Front> {
        self.front.load_full()
    }

    /// How many requests are at work.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.limits.in_flight.saturating_sub(self.in_flight.available_permits())
    }

    /// Answers a request.
    pub async fn handle<B>(&self, request: Request<B>, peer: &Peer) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let is_head = request.method() == Method::HEAD;
        let mut work = pin!(self.review(request, peer));
        let caught = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
        let mut response = match caught.await {
            Ok(Ok(response)) => response,
            Ok(Err(refusal)) => {
                self.events.record(Event::Turned(refusal.why));
                refusal.response
            }
            Err(_panic) => {
                self.events.record(Event::Turned(Turned::Panic));
                let message = "a fault of countersign; its log says where";
                Refusal::new(Turned::Panic, StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message).response
            }
        };
        if is_head {
            // hyper leaves the body out in HTTP/1.1 only; in HTTP/2 it would break the stream.
            *response.body_mut() = Body::default();
        }
        response
    }

    async fn review<B>(&self, request: Request<B>, peer: &Peer) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let arrived = Instant::now();
        let deadline = Deadline::after(arrived, self.limits.request_time);
        let front = self.front.load_full();
        let route = Route::find(request.uri().path()).ok_or_else(Refusal::not_found)?;
        if request.method() != Method::POST {
            return Err(Refusal::method());
        }
        front.callers.judge(peer, request.headers()).map_err(Refusal::stranger)?;
        if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Refusal::media_type());
        }
        let encoding = route.encoding(request.headers()).ok_or_else(Refusal::media_type)?;
        let _place = self.in_flight.try_acquire().map_err(|_| Refusal::overload())?;
        let body = self.body(request.into_body(), Deadline::after(arrived, self.limits.body_time)).await?;
        let review = TokenReview::parse(&body, encoding, route.version)
            .map_err(|malformed| Refusal { why: Turned::Malformed, response: respond(Reply::malformed(malformed)) })?;
        drop(body);
        let mut response = respond(front.reviewer.review(review, deadline).await);
        *response.status_mut() = route.success();
        Ok(response)
    }

    async fn body<B>(&self, body: B, deadline: Deadline) -> Result<Whole, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if body.size_hint().lower() > u64::try_from(self.limits.body_bytes).unwrap_or(u64::MAX) {
            return Err(Refusal::too_large(self.limits.body_bytes));
        }
        let whole = whole(Limited::new(body, self.limits.body_bytes));
        match deadline.bound(whole).await {
            Some(Ok(whole)) => Ok(whole),
            Some(Err(error)) if error.is::<LengthLimitError>() => Err(Refusal::too_large(self.limits.body_bytes)),
            Some(Err(_)) => Err(Refusal::broken_body()),
            None => Err(Refusal::slow_body()),
        }
    }
}

/// A body in one piece.
enum Whole {
    /// As it came.
    One(Bytes),
    /// Put together. Its parts are copied rather than collected: each keeps alive the buffer that it came in, and bodies in
    /// parts of one byte would take up many times what the limit allows.
    Joined(WipedBytes),
}

impl Deref for Whole {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::One(bytes) => bytes,
            Self::Joined(bytes) => bytes,
        }
    }
}

async fn whole<B: http_body::Body<Data = Bytes>>(body: B) -> Result<Whole, B::Error> {
    // What is announced is made room for at once: a buffer that grows leaves copies behind.
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or_default();
    let mut body = pin!(body);
    let mut whole: Option<WipedBytes> = None;
    while let Some(frame) = body.frame().await {
        let Ok(part) = frame?.into_data() else { continue };
        if whole.is_none() && body.is_end_stream() {
            return Ok(Whole::One(part));
        }
        whole.get_or_insert_with(|| WipedBytes::from(Vec::with_capacity(announced))).extend_from_slice(&part);
    }
    Ok(Whole::Joined(whole.unwrap_or_default()))
}

/// A request that gets no review: what it is counted as, and what is sent.
struct Refusal {
    why: Turned,
    response: Response<Body>,
}

impl Refusal {
    fn new(why: Turned, status: StatusCode, reason: &'static str, message: &str) -> Self {
        Self { why, response: respond(Reply::failure(status, reason, message)) }
    }

    fn not_found() -> Self {
        let message = "reviews are posted to /authenticate or /apis/authentication.k8s.io/{v1,v1beta1}/tokenreviews";
        Self::new(Turned::NotFound, StatusCode::NOT_FOUND, "NotFound", message)
    }

    fn method() -> Self {
        let mut refusal =
            Self::new(Turned::Method, StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", "only POST is answered here");
        refusal.response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        refusal
    }

    fn media_type() -> Self {
        let message = "the body must be application/json (or, on the API path, application/vnd.kubernetes.protobuf), \
                       not compressed";
        Self::new(Turned::MediaType, StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    fn stranger(stranger: Stranger) -> Self {
        let (why, status, reason) = match stranger {
            Stranger::Name => (Turned::StrangerName, StatusCode::FORBIDDEN, "Forbidden"),
            Stranger::BearerToken | Stranger::Certificate => {
                (Turned::StrangerCredential, StatusCode::UNAUTHORIZED, "Unauthorized")
            }
            Stranger::Unknown => (Turned::StrangerUnknown, StatusCode::UNAUTHORIZED, "Unauthorized"),
        };
        let mut refusal = Self::new(why, status, reason, &stranger.to_string());
        if status == StatusCode::UNAUTHORIZED {
            refusal.response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        refusal
    }

    fn overload() -> Self {
        let message = "too many reviews at once";
        Self::new(Turned::Overload, StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
    }

    fn too_large(cap: usize) -> Self {
        let message = format!("the body is longer than {cap} bytes");
        Self::new(Turned::BodyTooLarge, StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &message)
    }

    fn broken_body() -> Self {
        Self::new(Turned::Malformed, StatusCode::BAD_REQUEST, "BadRequest", "the body ended before its end")
    }

    fn slow_body() -> Self {
        Self::new(Turned::BodyTimeout, StatusCode::REQUEST_TIMEOUT, "BadRequest", "the body did not come in time")
    }
}

fn respond(reply: Reply) -> Response<Body> {
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
