use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body::Frame;
use serde_json::{Value, json};

use super::*;
use crate::authn::Authn;
use crate::authn::cache::{self, Cache};
use crate::authn::observed::{Observation, Observer};
use crate::authn::router::Router;
use crate::callers::Settings;
use crate::clock::{ManualClock, UnixTime};
use crate::server::tls;
use crate::wiring::pki::{Authority, Validity};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const REVIEW: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"opaque"}}"#;

/// Hears why requests got no review.
#[derive(Default)]
struct Ear(Mutex<Vec<Turned>>);

impl Events for Ear {
    fn record(&self, event: Event<'_>) {
        if let Event::Turned(why) = event {
            self.0.lock().unwrap().push(why);
        }
    }
}

impl Observer for Ear {
    fn reviewed(&self, _observation: &Observation<'_>) {}
}

/// A gateway that knows no issuer, and lets in everybody or nobody.
fn gateway(everybody: bool, limits: Limits) -> (Gateway, Arc<Ear>) {
    let ear = Arc::new(Ear::default());
    let clock = Arc::new(ManualClock::at(NOW));
    let cache_limits =
        cache::Limits { max_size: 1 << 20, accept_ttl: Duration::from_secs(1), reject_ttl: Duration::from_secs(1) };
    let cache = Cache::new(Router::new([]), cache_limits, Arc::clone(&clock) as _, Arc::default()).unwrap();
    let authn = Arc::new(Authn::new(cache, vec![], Arc::clone(&clock) as _, Arc::clone(&ear) as _));
    let identity = Authority::new("tests", Validity::days(NOW, 2))
        .and_then(|authority| authority.serving_certificate(&["localhost"], Validity::days(NOW, 2)))
        .unwrap();
    let front = Front {
        tls: tls::server_config(identity.certificate_pem().as_bytes(), identity.private_key_pem().as_bytes(), None)
            .unwrap(),
        callers: Arc::new(
            Callers::new(
                &Settings { authority: None, allowed_names: &[], bearer_tokens: vec![], anonymous: everybody },
                clock,
            )
            .unwrap(),
        ),
        reviewer: Arc::new(Reviewer::new(authn, false)),
    };
    (Gateway::new(front, limits, Arc::clone(&ear) as _), ear)
}

/// A body that a test makes up as it goes.
struct Parts<F>(F);

impl<F: FnMut() -> Option<Bytes> + Unpin> http_body::Body for Parts<F> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0().map(|part| Ok(Frame::data(part))))
    }
}

fn whole_in_one(text: &'static str) -> Parts<impl FnMut() -> Option<Bytes> + Unpin> {
    let mut parts = VecDeque::from([Bytes::from_static(text.as_bytes())]);
    Parts(move || parts.pop_front())
}

/// A body that nobody may ask for.
fn untouchable() -> Parts<impl FnMut() -> Option<Bytes> + Unpin> {
    Parts(|| panic!("the body was read"))
}

async fn post<B>(gateway: &Gateway, body: B) -> (u16, Value)
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let request = Request::post("/authenticate").body(body).unwrap();
    let response = gateway.handle(request, &Peer::new(None)).await;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn h11_a_panic_costs_its_own_request() {
    let (gateway, ear) = gateway(true, Limits { in_flight: 1, ..Limits::default() });
    for _ in 0..3 {
        let (status, answer) = post(&gateway, untouchable()).await;
        assert_eq!((status, &answer["reason"]), (500, &json!("InternalError")));
        assert_eq!(gateway.in_flight(), 0);
        assert_eq!(post(&gateway, whole_in_one(REVIEW)).await.0, 200);
    }
    assert_eq!(*ear.0.lock().unwrap(), [Turned::Panic; 3]);
}

#[tokio::test]
async fn h8_the_body_of_a_stranger_is_not_read() {
    let (gateway, ear) = gateway(false, Limits::default());
    assert_eq!(post(&gateway, untouchable()).await.0, 401);
    assert_eq!(*ear.0.lock().unwrap(), [Turned::StrangerUnknown]);
}

#[tokio::test]
async fn the_body_of_a_request_too_many_is_not_read() {
    let (gateway, ear) = gateway(true, Limits { in_flight: 0, ..Limits::default() });
    assert_eq!(post(&gateway, untouchable()).await.0, 503);
    assert_eq!(*ear.0.lock().unwrap(), [Turned::Overload]);
}

#[tokio::test]
async fn c3_a_body_that_is_known_to_be_too_long_is_not_read() {
    struct Announced;

    impl http_body::Body for Announced {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            panic!("the body was read")
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(101)
        }
    }

    let (gateway, ear) = gateway(true, Limits { body_bytes: 100, ..Limits::default() });
    assert_eq!(post(&gateway, Announced).await.0, 413);
    assert_eq!(*ear.0.lock().unwrap(), [Turned::BodyTooLarge]);
}

#[tokio::test]
async fn c3_a_body_without_a_length_is_read_up_to_the_limit() {
    let (gateway, _) = gateway(true, Limits { body_bytes: 100, ..Limits::default() });
    let mut parts = 0;
    let endless = Parts(|| {
        parts += 1;
        Some(Bytes::from_static(b" "))
    });
    assert_eq!(post(&gateway, endless).await.0, 413);
    assert_eq!(parts, 101);
}

#[tokio::test]
async fn h1_a_body_in_tiny_parts_holds_one_buffer_at_a_time() {
    /// A byte in a large buffer, as it comes off a connection.
    struct Buffer(&'static AtomicUsize);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            b" "
        }
    }

    impl Drop for Buffer {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    static ALIVE: AtomicUsize = AtomicUsize::new(0);
    let (gateway, _) = gateway(true, Limits::default());
    let (mut left, mut most) = (10_000, 0);
    let body = Parts(|| {
        left -= 1;
        most = most.max(ALIVE.fetch_add(1, Ordering::SeqCst) + 1);
        (left > 0).then(|| Bytes::from_owner(Buffer(&ALIVE)))
    });
    assert_eq!(post(&gateway, body).await.0, 400);
    assert!(most <= 2, "{most} buffers at once");
}
