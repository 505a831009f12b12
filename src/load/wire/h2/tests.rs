use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

const YES: &str = r#"{"status":{"authenticated":true}}"#;

/// hyper at the other end: it answers with the status that the body asks for.
fn server() -> DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 20);
    tokio::spawn(async move {
        let service = service_fn(|request: Request<Incoming>| async move {
            assert_eq!(request.uri().to_string(), "https://hook:8443/authenticate");
            assert_eq!(request.headers()["x-long"].len(), 300);
            let length: usize = request.headers()["content-length"].to_str().unwrap().parse().unwrap();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body.len(), length);
            let status: u16 = std::str::from_utf8(&body[..3]).unwrap().parse().unwrap();
            let response = Response::builder().status(status).body(Full::new(Bytes::from_static(YES.as_bytes())));
            Ok::<_, Infallible>(response.unwrap())
        });
        let _ = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(server), service).await;
    });
    client
}

struct Client {
    stream: DuplexStream,
    wire: Http2,
    out: Vec<u8>,
}

impl Client {
    fn new(streams: usize) -> Self {
        let mut out = Vec::new();
        let long = "x".repeat(300);
        let wire = Http2::new("hook:8443", "/authenticate", &[("x-long", &long)], streams, &mut out);
        Self { stream: server(), wire, out }
    }

    async fn answers(&mut self, count: usize) -> Vec<Answered> {
        let mut answers = Vec::new();
        let mut buffer = [0; 4096];
        while answers.len() < count {
            self.stream.write_all(&self.out).await.unwrap();
            self.out.clear();
            let length = self.stream.read(&mut buffer).await.unwrap();
            assert!(length > 0, "the server closed the connection");
            self.wire.read(&buffer[..length], &mut answers, &mut self.out).unwrap();
        }
        answers.sort_by_key(|answered| answered.question);
        answers
    }
}

#[tokio::test]
async fn a_real_server_understands_the_questions_and_is_understood() {
    let mut client = Client::new(100);
    let statuses = [200, 201, 400, 401, 404, 500, 503, 429];
    for (question, status) in (0..).zip(statuses) {
        client.wire.ask(question, status.to_string().as_bytes(), &mut client.out);
    }
    let expected = |status| if status < 300 { Answer::Accepted } else { Answer::Other(status) };
    let expected: Vec<_> =
        (0..).zip(statuses).map(|(question, status)| Answered { question, answer: expected(status) }).collect();
    assert_eq!(client.answers(statuses.len()).await, expected);
}

#[tokio::test]
async fn long_bodies_go_in_several_frames_and_wait_for_their_turn() {
    let mut client = Client::new(100);
    let body = "200".to_owned() + &"x".repeat(40_000);
    let mut answered = 0;
    for question in 0..50 {
        while !client.wire.has_room(body.len()) {
            answered += client.answers(1).await.len();
        }
        client.wire.ask(question, body.as_bytes(), &mut client.out);
    }
    answered += client.answers(50 - answered).await.len();
    assert_eq!(answered, 50);
}

#[test]
fn there_is_room_for_as_many_as_both_sides_want() {
    let mut wire = Http2::new("hook", "/", &[], 3, &mut Vec::new());
    for question in 0..3 {
        assert!(wire.has_room(1));
        wire.ask(question, b"x", &mut Vec::new());
    }
    assert!(!wire.has_room(1));
    let mut wire = Http2::new("hook", "/", &[], 3, &mut Vec::new());
    let settings = [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 1];
    let mut out = Vec::new();
    wire.read(&settings, &mut Vec::new(), &mut out).unwrap();
    assert_eq!(out, [0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0]);
    wire.ask(0, b"x", &mut out);
    assert!(!wire.has_room(1));
}

#[test]
fn a_question_that_is_taken_back_makes_room_and_leaves_the_others() {
    let mut wire = Http2::new("hook", "/", &[], 2, &mut Vec::new());
    wire.ask(7, b"x", &mut Vec::new());
    wire.ask(8, b"x", &mut Vec::new());
    let mut out = Vec::new();
    wire.take_back(7, &mut out);
    assert_eq!(out, [0, 0, 4, RESET, 0, 0, 0, 0, 1, 0, 0, 0, 8]);
    assert!(wire.has_room(1));
    // An answer that was on its way is nobody's.
    let mut answers = Vec::new();
    let head = |stream| [0, 0, 1, HEADERS, END_HEADERS | END_STREAM, 0, 0, 0, stream, 0x8d];
    wire.read(&[head(1), head(3)].concat(), &mut answers, &mut Vec::new()).unwrap();
    assert_eq!(answers, [Answered { question: 8, answer: Answer::Other(404) }]);
}

#[test]
fn the_most_that_a_server_takes_is_known_once_it_has_said_so() {
    let mut wire = Http2::new("hook", "/", &[], usize::MAX, &mut Vec::new());
    assert_eq!(wire.most_bytes(), None);
    wire.read(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0], &mut Vec::new(), &mut Vec::new()).unwrap();
    assert_eq!(wire.most_bytes(), Some(65_535));
    let settings = [0, 0, 6, SETTINGS, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 9];
    wire.read(&settings, &mut Vec::new(), &mut Vec::new()).unwrap();
    assert_eq!(wire.most_bytes(), Some(9));
}

#[test]
fn a_ping_is_answered() {
    let mut wire = Http2::new("hook", "/", &[], 1, &mut Vec::new());
    let mut out = Vec::new();
    wire.read(&[0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], &mut Vec::new(), &mut out).unwrap();
    assert_eq!(out, [0, 0, 8, PING, ACK, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_server_that_goes_away_or_resets_loses_what_it_says() {
    let mut wire = Http2::new("hook", "/", &[], 10, &mut Vec::new());
    for question in 0..3 {
        wire.ask(question, b"x", &mut Vec::new());
    }
    let mut answers = Vec::new();
    wire.read(&[0, 0, 4, RESET, 0, 0, 0, 0, 1, 0, 0, 0, 8], &mut answers, &mut Vec::new()).unwrap();
    wire.read(&[0, 0, 8, GO_AWAY, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0], &mut answers, &mut Vec::new()).unwrap();
    let lost = |question| Answered { question, answer: Answer::Lost };
    assert_eq!(answers, [lost(0), lost(2)]);
    assert!(wire.is_closing() && !wire.has_room(1));
}

#[test]
fn frames_that_cannot_be_end_the_conversation() {
    for (bytes, expected) in [
        (&[0, 0x40, 1, DATA, 0, 0, 0, 0, 1][..], "a frame is larger than it may be"),
        (&[0, 0, 1, DATA, PADDED, 0, 0, 0, 1, 9], "a frame is shorter than it says"),
        (&[0, 0, 1, HEADERS, END_HEADERS, 0, 0, 0, 1, 0x82], "the head of an answer does not begin with its status"),
        (&[0, 0, 0, PUSH, 0, 0, 0, 0, 1], "a push that was not wanted"),
    ] {
        let mut wire = Http2::new("hook", "/", &[], 1, &mut Vec::new());
        wire.ask(0, b"x", &mut Vec::new());
        assert_eq!(wire.read(bytes, &mut Vec::new(), &mut Vec::new()), Err(Violation(expected)), "{bytes:?}");
    }
}
