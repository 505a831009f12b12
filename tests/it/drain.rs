//! Stopping: what is in flight is answered, what is idle is told, nobody new is let in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use countersign::dev::issuer::{Algorithm, Endpoint, Fault, Issuer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Frame, H2, Raw, Rig, accepted, post, within};

/// A service that was told to stop, and everything needed to watch it.
struct Stopping {
    review_address: SocketAddr,
    admin_address: SocketAddr,
    hurry: oneshot::Sender<()>,
    finished: JoinHandle<bool>,
}

impl Stopping {
    /// Tells a service to stop. Its issuer stays.
    fn begin(rig: Rig) -> (Self, Issuer) {
        let (hurry, hurried) = oneshot::channel();
        let Rig { service, issuer, .. } = rig;
        let (review_address, admin_address) = (service.review_address, service.admin_address);
        let until_hurried = async move {
            if hurried.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let finished = tokio::spawn(service.stop(until_hurried));
        (Self { review_address, admin_address, hurry, finished }, issuer)
    }

    /// Waits until connections are refused.
    async fn refuses_connections(&self) {
        within(async {
            while TcpStream::connect(self.review_address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The status of a page of the admin listener; `None` when it is gone.
    async fn admin(&self, path: &str) -> Option<u16> {
        let mut socket = TcpStream::connect(self.admin_address).await.ok()?;
        socket
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .ok()?;
        let mut answer = String::new();
        within(socket.read_to_string(&mut answer)).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// Whether everything was finished, once it has stopped.
    async fn finished(self) -> bool {
        let Self { finished, hurry, .. } = self;
        let finished = within(finished).await.unwrap();
        drop(hurry);
        finished
    }
}

/// One request in each version of HTTP, at work and waiting for the end of its body.
struct Held {
    h1: Raw,
    h2: H2,
    review: Value,
}

impl Held {
    async fn by(rig: &Rig) -> Self {
        let (mut h1, mut h2) = (rig.connect(&["http/1.1"]).await, rig.connect_h2().await);
        let review = rig.review();
        let request = post(&review);
        h1.send(&request[..request.len() - 1]).await;
        h2.send(&Frame::review_head(1)).await;
        rig.until_series("countersign_requests_in_flight", 2.0).await;
        Self { h1, h2, review }
    }
}

fn with_drain(lame_duck: &str, timeout: &str) -> impl FnOnce(&mut crate::support::Settings) {
    let drain = json!({"lameDuck": lame_duck, "timeout": timeout});
    move |settings| settings.service["server"]["drain"] = drain
}

#[tokio::test]
async fn j8_what_is_in_flight_is_answered_and_the_connections_end() {
    let rig = Rig::start().await;
    let Held { mut h1, mut h2, review } = Held::by(&rig).await;
    let (stopping, _issuer) = Stopping::begin(rig);
    stopping.refuses_connections().await;
    let go_away = h2.next(Frame::GO_AWAY).await.expect("a GOAWAY while the request is at work");
    assert_eq!(go_away.error(), 0, "without blame");
    assert_eq!(stopping.admin("/readyz").await, Some(503), "others may look on");
    assert_eq!(stopping.admin("/metrics").await, Some(200));
    assert_eq!(stopping.admin("/livez").await, Some(200), "to be restarted now would be no help");

    h1.send("}").await;
    let reply = h1.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    assert_eq!(reply.json()["status"]["authenticated"], json!(true));
    h1.end().await;

    // Once the client is known to have heard, the last stream that counts is named: the one at work.
    let ping = h2.next(Frame::PING).await.unwrap();
    h2.send(&Frame { flags: Frame::ACK, ..ping }).await;
    let go_away = h2.next(Frame::GO_AWAY).await.unwrap();
    assert_eq!((&go_away.payload[..4], go_away.error()), (&[0, 0, 0, 1][..], 0));
    h2.send(&Frame::last_data(1, &review)).await;
    assert_eq!(h2.body(1).await["status"]["authenticated"], json!(true));
    assert_eq!(h2.end().await, None);
    assert!(stopping.finished().await, "everything was finished");
}

#[tokio::test]
async fn j8_a_review_that_waits_for_the_issuer_is_answered() {
    let rig = Rig::start().await;
    let fetches = rig.issuer.count(Endpoint::Keys);
    rig.issuer.fail(Endpoint::Keys, Fault::Hang);
    let (key, caller) = (rig.issuer.rotate(Algorithm::Es256).unwrap(), rig.caller.clone());
    let token = rig.token().signed_by(&key).mint();
    let answer = tokio::spawn(async move { caller.review(&token).await });
    rig.issuer.wait_for(Endpoint::Keys, fetches + 1).await;
    let (stopping, issuer) = Stopping::begin(rig);
    stopping.refuses_connections().await;
    issuer.heal(Endpoint::Keys);
    assert_eq!(within(answer).await.unwrap(), accepted("oidc:alice"));
    assert!(stopping.finished().await);
}

#[tokio::test]
async fn j8_a_connection_takes_what_was_sent_before_the_client_knew() {
    let rig = Rig::start().await;
    let Held { h1, mut h2, review } = Held::by(&rig).await;
    drop(h1);
    let (stopping, _issuer) = Stopping::begin(rig);
    let go_away = h2.next(Frame::GO_AWAY).await.unwrap();
    assert_eq!(go_away.payload[..4], [0x7f, 0xff, 0xff, 0xff], "no stream is disowned yet");
    // This crosses the GOAWAY on the wire.
    h2.send(&Frame::review_head(3)).await;
    h2.send(&Frame::last_data(3, &review)).await;
    assert_eq!(h2.body(3).await["status"]["authenticated"], json!(true));
    h2.send(&Frame::last_data(1, &review)).await;
    assert_eq!(h2.body(1).await["status"]["authenticated"], json!(true));
    drop(h2);
    assert!(stopping.finished().await);
}

#[tokio::test]
async fn j8_idle_connections_are_told_and_hold_nothing_up() {
    let rig = Rig::start_with(with_drain("0s", "1m")).await;
    let (mut h1, mut h2) = (rig.connect(&["http/1.1"]).await, rig.connect_h2().await);
    h1.send(post(rig.review())).await;
    assert_eq!(h1.reply().await.status, 200);
    h2.send(&Frame::review_head(1)).await;
    h2.send(&Frame::last_data(1, &rig.review())).await;
    h2.body(1).await;
    let never_asked = rig.connect(&["http/1.1"]).await;
    let (stopping, _issuer) = Stopping::begin(rig);
    h1.end().await;
    drop(never_asked);
    let go_away = h2.next(Frame::GO_AWAY).await.expect("a GOAWAY");
    assert_eq!(go_away.error(), 0);
    let ping = h2.next(Frame::PING).await.expect("a PING, to know when the GOAWAY has arrived");
    h2.send(&Frame { flags: Frame::ACK, ..ping }).await;
    assert_eq!(h2.end().await, Some(0));
    assert!(stopping.finished().await);
}

#[tokio::test]
async fn j8_readiness_turns_while_everything_is_still_served() {
    let rig = Rig::start_with(with_drain("1s", "1m")).await;
    let caller = rig.caller.clone();
    let review = rig.review();
    let mut h1 = rig.connect(&["http/1.1"]).await;
    h1.send(post(&review)).await;
    let reply = h1.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, None));
    let (stopping, _issuer) = Stopping::begin(rig);
    within(async {
        while stopping.admin("/readyz").await != Some(503) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The lame duck: a new connection, a whole review.
    let response = within(caller.post("/authenticate", &review)).await;
    assert_eq!(response.status(), 200);
    // Without GOAWAY in HTTP/1.1, a client can only be told with an answer to look for another replica.
    h1.send(post(&review)).await;
    let reply = h1.reply().await;
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
    h1.end().await;
    drop(response);
    drop(caller);
    stopping.refuses_connections().await;
    assert!(stopping.finished().await);
}

#[tokio::test]
async fn j8_whoever_is_in_a_hurry_waits_for_nothing() {
    for lame_duck in ["5m", "0s"] {
        let rig = Rig::start_with(with_drain(lame_duck, "10m")).await;
        let Held { mut h1, mut h2, .. } = Held::by(&rig).await;
        let (stopping, _issuer) = Stopping::begin(rig);
        assert_eq!(stopping.admin("/readyz").await, Some(503));
        let Stopping { hurry, finished, review_address, admin_address } = stopping;
        hurry.send(()).unwrap();
        assert!(!within(finished).await.unwrap(), "something was left unfinished");
        h1.end().await;
        h2.end().await;
        assert!(TcpStream::connect(review_address).await.is_err());
        assert!(TcpStream::connect(admin_address).await.is_err());
    }
}

#[tokio::test]
async fn j8_a_drain_ends_when_its_time_is_up() {
    let rig = Rig::start_with(with_drain("0s", "1s")).await;
    let Held { mut h1, mut h2, .. } = Held::by(&rig).await;
    let (stopping, _issuer) = Stopping::begin(rig);
    let begun = Instant::now();
    assert!(!stopping.finished().await);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    h1.end().await;
    h2.end().await;
}

#[tokio::test]
async fn j8_a_handshake_that_lies_idle_holds_a_stop_up_no_longer_than_its_own_time() {
    let rig = Rig::start_with(|settings| {
        settings.limits.handshake_time = Duration::from_millis(200);
        with_drain("0s", "1m")(settings);
    })
    .await;
    let silent = TcpStream::connect(rig.service.review_address).await.unwrap();
    rig.until_series("countersign_connections", 1.0).await;
    let (stopping, _issuer) = Stopping::begin(rig);
    assert!(stopping.finished().await);
    drop(silent);
}
