//! What takes too long, is too much or too large, and that nobody else notices.
//!
//! The limits are small here, so that reaching them takes no time; each test waits for what reaching them brings about.

use std::time::{Duration, Instant};

use countersign::limits::Limits;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Caller, Frame, H2, Raw, Rig, accepted, client_tls, fields_of, post, within};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

/// No limit in time is met by accident; each test makes one of them short.
fn patient() -> Limits {
    Limits {
        handshake_time: LONG,
        header_time: LONG,
        idle_time: LONG,
        body_time: LONG,
        request_time: LONG,
        ..Limits::default()
    }
}

impl Rig {
    async fn limited(limits: Limits) -> Self {
        Self::start_with(|settings| settings.limits = limits).await
    }

    /// A good caller on a connection of its own gets its answer.
    async fn serves_others(&self) {
        let identity = self.identity("kube-apiserver");
        let authority = self.authority.certificate_pem();
        for alpn in ["h2", "http/1.1"] {
            let caller = Caller::new(self.service.review_address, &authority, Some(&identity), &[alpn]);
            assert_eq!(within(caller.review(&self.token().mint())).await, accepted("oidc:alice"), "over {alpn}");
        }
    }

    /// A TCP connection of somebody who says nothing.
    async fn silent(&self) -> TcpStream {
        TcpStream::connect(self.service.review_address).await.unwrap()
    }
}

/// Waits for the end of a TCP connection.
async fn end(mut socket: TcpStream) {
    let mut answer = Vec::new();
    // An end by reset is an end.
    let _ = within(socket.read_to_end(&mut answer)).await;
}

#[tokio::test]
async fn h2_a_handshake_that_does_not_come_to_its_end_is_given_up() {
    let rig = Rig::limited(Limits { handshake_time: SHORT, ..patient() }).await;
    let silent = rig.silent().await;
    let mut half = rig.silent().await;
    // The head of a record that announces a hello of 512 bytes, and a part of it.
    half.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]).await.unwrap();
    end(silent).await;
    end(half).await;
    rig.until_series("countersign_tls_handshakes_total{result=\"timed_out\"}", 2.0).await;
    rig.until_series("countersign_connections", 0.0).await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h2_strangers_who_say_nothing_keep_no_caller_out() {
    let rig = Rig::limited(Limits { handshakes: 4, ..patient() }).await;
    let mut strangers = Vec::new();
    for _ in 0..16 {
        strangers.push(rig.silent().await);
    }
    rig.serves_others().await;
    // The oldest have made way: all but four, and one for each of the two callers.
    rig.until_series("countersign_tls_handshakes_total{result=\"displaced\"}", 14.0).await;
}

#[tokio::test]
async fn h2_a_connection_without_a_request_is_closed() {
    let rig = Rig::limited(Limits { header_time: SHORT, ..patient() }).await;
    rig.connect(&["http/1.1"]).await.end().await;
    rig.connect(&["h2"]).await.rest().await;
    let mut with_preamble = rig.connect_h2().await;
    with_preamble.send(&Frame::new(Frame::PING, 0, 0, [0; 8])).await;
    with_preamble.end().await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h2_a_slow_request_head_is_given_up_however_it_drips() {
    let rig = Rig::limited(Limits { header_time: SHORT, ..patient() }).await;
    let mut half = rig.connect(&["http/1.1"]).await;
    half.send("POST /authenticate HTTP/1.1\r\nHost: x\r\n").await;
    half.end().await;

    // Also on a connection that was good so far, and with a byte every now and then.
    let mut dripping = rig.connect(&["http/1.1"]).await;
    dripping.send(post(rig.review())).await;
    assert_eq!(dripping.reply().await.status, 200);
    let mut pace = tokio::time::interval(SHORT / 8);
    let mut head = "POST /authenticate HTTP/1.1\r\n".bytes().chain("X: x\r\n".bytes().cycle());
    let started = Instant::now();
    while dripping.try_send([head.next().unwrap()]).await.is_ok() && started.elapsed() < LONG / 10 {
        pace.tick().await;
    }
    assert!(started.elapsed() < LONG / 10, "it goes on for ever");
    rig.serves_others().await;
}

#[tokio::test]
async fn h2_a_slow_body_costs_its_own_request() {
    let rig = Rig::limited(Limits { body_time: SHORT, ..patient() }).await;
    let expected = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "the body did not come in time", "reason": "BadRequest", "code": 408,
    });
    let request = post(rig.review());
    let mut h1 = rig.connect(&["http/1.1"]).await;
    h1.send(&request[..request.len() - 10]).await;
    let reply = h1.reply().await;
    assert_eq!((reply.status, reply.json()), (408, expected.clone()));
    h1.end().await;

    let mut h2 = rig.connect_h2().await;
    h2.send(&Frame::review_head(1)).await;
    h2.send(&Frame::new(Frame::DATA, 0, 1, "{")).await;
    assert_eq!(h2.body(1).await, expected);
    h2.send(&Frame::review_head(3)).await;
    h2.send(&Frame::last_data(3, &rig.review())).await;
    assert_eq!(h2.body(3).await["status"]["authenticated"], json!(true), "the connection goes on");
    rig.serves_others().await;
}

#[tokio::test]
async fn h2_an_idle_connection_is_closed_later_than_one_that_never_asked() {
    let rig = Rig::limited(Limits { header_time: SHORT / 4, idle_time: 3 * SHORT, ..patient() }).await;
    let mut h1 = rig.connect(&["http/1.1"]).await;
    let mut h2 = rig.connect_h2().await;
    h1.send(post(rig.review())).await;
    h2.send(&Frame::review_head(1)).await;
    h2.send(&Frame::last_data(1, &rig.review())).await;
    assert_eq!(h1.reply().await.status, 200);
    h2.body(1).await;
    let answered = Instant::now();
    h1.end().await;
    h2.end().await;
    assert!(answered.elapsed() >= 2 * SHORT, "{:?}", answered.elapsed());
    rig.serves_others().await;
}

#[tokio::test]
async fn h2_a_stranger_holds_a_connection_no_longer_than_it_takes_to_ask() {
    let mut rig = Rig::limited(Limits { header_time: SHORT, ..patient() }).await;
    std::fs::write(rig.file("caller.token"), "caller-0123456789abcdef").unwrap();
    rig.reconfigure(|settings| settings.service["server"]["callers"] = json!({"bearerTokenFiles": ["caller.token"]}));
    let config = client_tls(&rig.authority.certificate_pem(), None, &["http/1.1"]);
    let mut stranger = Raw::connect(rig.service.review_address, config.clone()).await.unwrap();
    for path in ["authenticate", "elsewhere"] {
        stranger.send(format!("POST /{path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!([401, 404].contains(&stranger.reply().await.status));
    }
    stranger.end().await;
    let mut h2 = H2::over(
        Raw::connect(rig.service.review_address, client_tls(&rig.authority.certificate_pem(), None, &["h2"]))
            .await
            .unwrap(),
    )
    .await;
    h2.send(&Frame::review_head(1)).await;
    h2.send(&Frame::last_data(1, &rig.review())).await;
    assert_eq!(h2.body(1).await["code"], json!(401));
    h2.end().await;
}

#[tokio::test]
async fn h2_beyond_the_connection_limit_new_ones_are_closed_at_once() {
    let rig = Rig::limited(Limits { connections: 2, ..patient() }).await;
    let mut first = rig.connect(&["http/1.1"]).await;
    let second = rig.connect(&["http/1.1"]).await;
    end(rig.silent().await).await;
    rig.until_series("countersign_connections_refused_total", 1.0).await;
    first.send(post(rig.review())).await;
    assert_eq!(first.reply().await.status, 200, "those that are open go on");
    drop(second);
    rig.until_series("countersign_connections", 1.0).await;
    let mut third = rig.connect(&["http/1.1"]).await;
    third.send(post(rig.review())).await;
    assert_eq!(third.reply().await.status, 200);
}

#[tokio::test]
async fn h2_strangers_on_the_admin_port_hold_up_no_probe() {
    let rig = Rig::limited(patient()).await;
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(TcpStream::connect(rig.service.admin_address).await.unwrap());
    }
    for path in ["/livez", "/readyz", "/metrics"] {
        let mut probe = TcpStream::connect(rig.service.admin_address).await.unwrap();
        probe.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        within(probe.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn overload_is_answered_with_a_503_that_nobody_repeats() {
    let rig = Rig::limited(Limits { in_flight: 1, ..patient() }).await;
    let request = post(rig.review());
    let mut held = rig.connect(&["http/1.1"]).await;
    held.send(&request[..request.len() - 1]).await;
    rig.until_series("countersign_requests_in_flight", 1.0).await;
    for alpn in ["h2", "http/1.1"] {
        let identity = rig.identity("kube-apiserver");
        let authority = rig.authority.certificate_pem();
        let caller = Caller::new(rig.service.review_address, &authority, Some(&identity), &[alpn]);
        let response = caller.post("/authenticate", &rig.review()).await;
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("retry-after"));
        assert_eq!(
            response.json::<Value>().await.unwrap(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "too many reviews at once", "reason": "ServiceUnavailable", "code": 503,
            })
        );
    }
    held.send(&request[request.len() - 1..]).await;
    assert_eq!(held.reply().await.status, 200, "what was in flight is answered");
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_heads_are_bounded_in_bytes_and_lines() {
    let rig = Rig::limited(patient()).await;
    let long = "x".repeat(20 * 1024);
    let lines = "X-Line: x\r\n".repeat(65);
    for (what, field) in
        [("a long line", format!("X: {long}\r\n")), ("many lines", lines), ("a long name", format!("{long}: x\r\n"))]
    {
        let mut raw = rig.connect(&["http/1.1"]).await;
        raw.send(format!("POST /authenticate HTTP/1.1\r\nHost: x\r\n{field}\r\n")).await;
        assert_eq!(raw.reply().await.status, 431, "{what}");
        raw.rest().await;
    }
    let mut raw = rig.connect(&["http/1.1"]).await;
    raw.send(format!("POST /{long}{long}{long}{long} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
    let status = raw.reply().await.status;
    assert!([414, 431].contains(&status), "{status}");

    let mut h2 = rig.connect_h2().await;
    let long = "x".repeat(15 * 1024);
    let fields = fields_of(&[
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "x"),
        (":path", "/authenticate"),
        ("x", &long),
    ]);
    let more = fields_of(&[("y", &*long)]);
    h2.send(&Frame::new(Frame::HEADERS, Frame::END_STREAM, 1, fields)).await;
    h2.send(&Frame::new(Frame::CONTINUATION, Frame::END_HEADERS, 1, more)).await;
    // HPACK's static table has no 431; whatever it is, it is not a review's answer.
    let answer = h2.next(Frame::HEADERS).await.expect("an answer");
    assert_eq!(answer.flags & Frame::END_STREAM, Frame::END_STREAM, "without a body");
    h2.send(&Frame::review_head(3)).await;
    h2.send(&Frame::last_data(3, &rig.review())).await;
    assert_eq!(h2.body(3).await["status"]["authenticated"], json!(true), "the connection goes on");
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_more_streams_than_announced_are_refused() {
    let rig = Rig::limited(Limits { streams: 4, ..patient() }).await;
    let mut h2 = rig.connect_h2().await;
    for stream in [1, 3, 5, 7, 9] {
        h2.send(&Frame::review_head(stream)).await;
    }
    let refused = h2.next(Frame::RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.error()), (9, Frame::REFUSED_STREAM));
    h2.send(&Frame::last_data(1, &rig.review())).await;
    assert_eq!(h2.body(1).await["status"]["authenticated"], json!(true));
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_rapid_resets_end_the_connection_that_makes_them() {
    let rig = Rig::limited(patient()).await;
    let mut h2 = rig.connect_h2().await;
    let streams = (1..20_000).step_by(2);
    h2.flood(streams.flat_map(|stream| [Frame::review_head(stream), Frame::reset(stream)])).await;
    assert_eq!(h2.end().await, Some(Frame::ENHANCE_YOUR_CALM));
    rig.until_series("countersign_requests_in_flight", 0.0).await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_resets_that_the_client_provokes_end_the_connection() {
    let rig = Rig::limited(patient()).await;
    let mut h2 = rig.connect_h2().await;
    // A window beyond all is an error of its stream (RFC 9113, section 6.9.1): the server resets it.
    let streams = (1..20_000).step_by(2);
    let provoke =
        |stream| [Frame::review_head(stream), Frame::new(Frame::WINDOW_UPDATE, 0, stream, [0x7f, 0xff, 0xff, 0xff])];
    h2.flood(streams.flat_map(provoke)).await;
    assert_eq!(h2.end().await, Some(Frame::ENHANCE_YOUR_CALM));
    rig.until_series("countersign_requests_in_flight", 0.0).await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_heads_without_an_end_end_the_connection() {
    let rig = Rig::limited(patient()).await;
    for payload in [Vec::new(), fields_of(&[("x", "y")]), vec![0; 16 * 1024]] {
        let mut h2 = rig.connect_h2().await;
        h2.send(&Frame::new(Frame::HEADERS, 0, 1, fields_of(&[(":method", "POST")]))).await;
        h2.flood(std::iter::repeat_n(Frame::new(Frame::CONTINUATION, 0, 1, payload), 100_000)).await;
        h2.end().await;
        rig.serves_others().await;
    }
}

#[tokio::test]
async fn h1_a_small_head_that_unpacks_to_a_large_one_is_not_unpacked() {
    let rig = Rig::limited(patient()).await;
    let mut h2 = rig.connect_h2().await;
    let mut block =
        fields_of(&[(":method", "POST"), (":scheme", "https"), (":authority", "x"), (":path", "/authenticate")]);
    // One field that goes into the table, and then ten thousand times its number in it.
    let mut field = fields_of(&[("x", &*"x".repeat(3000))]);
    field[0] = 0x40;
    block.extend(field);
    block.extend([0x80 | 62; 10_000]);
    h2.send(&Frame::new(Frame::HEADERS, Frame::END_HEADERS | Frame::END_STREAM, 1, block)).await;
    let first = within(async {
        loop {
            match h2.frame().await {
                Some(frame) if [Frame::HEADERS, Frame::RST_STREAM, Frame::GO_AWAY].contains(&frame.kind) => {
                    break Some(frame);
                }
                Some(_) => {}
                None => break None,
            }
        }
    })
    .await;
    assert!(first.is_none_or(|frame| frame.kind != Frame::HEADERS || frame.flags & Frame::END_STREAM != 0));
    assert_eq!(
        rig.metric("countersign_requests_refused_total{reason=\"malformed\"}").await,
        0.0,
        "it came to no request"
    );
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_floods_of_control_frames_end_with_their_connection() {
    let rig = Rig::limited(Limits { header_time: SHORT, ..patient() }).await;
    let priority = [0, 0, 0, 0, 15];
    for (what, frame) in [
        ("PING", Frame::new(Frame::PING, 0, 0, [0; 8])),
        ("SETTINGS", Frame::new(Frame::SETTINGS, 0, 0, [])),
        ("SETTINGS with content", Frame::new(Frame::SETTINGS, 0, 0, [0, 3, 0, 0, 0, 100])),
        ("PRIORITY", Frame::new(2, 0, 1, priority)),
        ("WINDOW_UPDATE", Frame::new(Frame::WINDOW_UPDATE, 0, 0, [0, 0, 0, 1])),
        ("an unknown kind", Frame::new(0xf0, 0, 0, [0; 64])),
    ] {
        let mut h2 = rig.connect_h2().await;
        // Without reading a single answer.
        h2.flood(std::iter::repeat_n(frame, 200_000)).await;
        h2.end().await;
        rig.serves_others().await;
        println!("{what}");
    }
}

#[tokio::test]
async fn h1_bodies_in_tiny_frames_are_read_or_refused_at_their_own_cost() {
    let rig = Rig::limited(patient()).await;
    let body = rig.review().to_string();
    let mut h2 = rig.connect_h2().await;
    h2.send(&Frame::review_head(1)).await;
    h2.flood(body.bytes().map(|byte| Frame::new(Frame::DATA, 0, 1, [byte]))).await;
    h2.send(&Frame::new(Frame::DATA, Frame::END_STREAM, 1, [])).await;
    assert_eq!(h2.body(1).await["status"]["authenticated"], json!(true), "a review of a thousand parts is a review");

    let mut h2 = rig.connect_h2().await;
    h2.send(&Frame::review_head(1)).await;
    h2.flood(std::iter::repeat_n(Frame::new(Frame::DATA, 0, 1, []), 200_000)).await;
    assert_eq!(h2.end().await, Some(Frame::ENHANCE_YOUR_CALM), "nothing, over and over");

    let mut h2 = rig.connect_h2().await;
    for stream in (1..200).step_by(2) {
        h2.send(&Frame::review_head(stream)).await;
    }
    let frames = (0..1000).flat_map(|_| (1..200).step_by(2)).map(|stream| Frame::new(Frame::DATA, 0, stream, [b' ']));
    h2.flood(frames).await;
    drop(h2);
    rig.until_series("countersign_requests_in_flight", 0.0).await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_answers_that_nobody_takes_end_with_their_connection() {
    let rig = Rig::limited(Limits { idle_time: SHORT, ..patient() }).await;
    let mut h2 = rig.connect_h2().await;
    // SETTINGS_INITIAL_WINDOW_SIZE = 0: no byte of any answer may be sent.
    h2.send(&Frame::new(Frame::SETTINGS, 0, 0, [0, 4, 0, 0, 0, 0])).await;
    let review = rig.review();
    for stream in (1..200).step_by(2) {
        h2.send(&Frame::review_head(stream)).await;
        h2.send(&Frame::last_data(stream, &review)).await;
    }
    h2.end().await;
    rig.until_series("countersign_connections", 0.0).await;
    rig.serves_others().await;
}

#[tokio::test]
async fn h1_frames_that_break_the_rules_end_the_connection() {
    let rig = Rig::limited(patient()).await;
    let ping = Frame::new(Frame::PING, 0, 0, [0; 8]);
    let table: Vec<(&str, Vec<Frame>)> = vec![
        ("a frame too large", vec![Frame::review_head(1), Frame::new(Frame::DATA, 0, 1, vec![b' '; 16 * 1024 + 1])]),
        ("data on no stream", vec![Frame::new(Frame::DATA, 0, 0, [b' '])]),
        ("data before a head", vec![Frame::new(Frame::DATA, 0, 1, [b' '])]),
        ("a stream of the server's", vec![Frame::review_head(2)]),
        ("another frame within a head", vec![Frame::new(Frame::HEADERS, 0, 1, []), ping]),
        ("a ping of nine bytes", vec![Frame::new(Frame::PING, 0, 0, [0; 9])]),
        ("a window beyond all", vec![Frame::new(Frame::WINDOW_UPDATE, 0, 0, [0x7f, 0xff, 0xff, 0xff])]),
        ("a broken head", vec![Frame::new(Frame::HEADERS, Frame::END_HEADERS, 1, [0xff; 16])]),
        ("settings of five bytes", vec![Frame::new(Frame::SETTINGS, 0, 0, [0; 5])]),
        ("settings on a stream", vec![Frame::new(Frame::SETTINGS, 0, 1, [])]),
    ];
    for (what, frames) in table {
        let mut h2 = rig.connect_h2().await;
        h2.flood(frames).await;
        assert!(h2.end().await.is_some_and(|error| error != 0), "{what}");
    }
    rig.serves_others().await;
}

#[tokio::test]
async fn h3_a_stream_that_is_no_proper_request_gets_no_answer() {
    let rig = Rig::limited(patient()).await;
    let path = (":path", "/authenticate");
    let rows: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("a name in capitals", vec![path, ("X-Name", "x")]),
        ("a field for one connection", vec![path, ("connection", "close")]),
        ("a transfer coding", vec![path, ("transfer-encoding", "chunked")]),
        ("an upgrade", vec![path, ("upgrade", "h2c")]),
        ("no path", vec![]),
        ("two paths", vec![path, path]),
        ("an unknown pseudo field", vec![path, (":other", "x")]),
        ("a pseudo field after the others", vec![("x", "y"), path]),
        ("a line break in a value", vec![path, ("x", "a\r\nb: c")]),
        ("a NUL in a value", vec![path, ("x", "a\0b")]),
        ("a length that is not the body's", vec![path, ("content-length", "3")]),
        ("two lengths", vec![path, ("content-length", "3"), ("content-length", "4")]),
    ];
    for (what, fields) in rows {
        let mut h2 = rig.connect_h2().await;
        h2.flood([Frame::head(1, &fields), Frame::last_data(1, &rig.review())]).await;
        // The stream is reset or the whole connection is over; no head of an answer comes before.
        loop {
            match h2.frame().await {
                Some(frame) if frame.kind == Frame::RST_STREAM || frame.kind == Frame::GO_AWAY => break,
                Some(frame) => assert_ne!(frame.kind, Frame::HEADERS, "{what}"),
                None => break,
            }
        }
    }
    assert_eq!(rig.metric("countersign_review_duration_seconds_count{result=\"accept\"}").await, 0.0);
    rig.serves_others().await;
}
