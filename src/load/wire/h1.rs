//! HTTP/1.1 (RFC 9112) for one POST after the other: no pipelining, bodies by length or in chunks.

use std::fmt::Write as _;

use super::{Answered, MAX_ANSWER_BYTES, Violation, judge};

/// More header lines than any webhook sends.
const MAX_HEADERS: usize = 64;
/// The longest head of an answer, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// A connection, seen from the client.
pub(in crate::load) struct Http1 {
    /// The request's head up to the number of the body's bytes.
    head: String,
    question: Option<u64>,
    received: Vec<u8>,
    is_closing: bool,
}

/// What the head of an answer says.
struct Head {
    bytes: usize,
    status: u16,
    body: Body,
    closes: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Body {
    Chunks,
    Length(usize),
}

impl Http1 {
    /// A conversation whose questions go to `path`; `fields` are sent with each.
    pub(in crate::load) fn new(authority: &str, path: &str, fields: &[(&str, &str)]) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nhost: {authority}\r\n");
        for (name, value) in fields {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("content-length: ");
        Self { head, question: None, received: Vec::new(), is_closing: false }
    }

    pub(super) fn has_room(&self) -> bool {
        self.question.is_none() && !self.is_closing
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    pub(super) fn ask(&mut self, question: u64, body: &[u8], out: &mut Vec<u8>) {
        self.question = Some(question);
        out.extend_from_slice(self.head.as_bytes());
        out.extend_from_slice(body.len().to_string().as_bytes());
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(body);
    }

    pub(super) fn read(&mut self, bytes: &[u8], answers: &mut Vec<Answered>) -> Result<(), Violation> {
        self.received.extend_from_slice(bytes);
        while let Some(head) = head(&self.received)? {
            let rest = self.received.get(head.bytes..).unwrap_or_default();
            // What comes before the answer (100, 103) has no body.
            let is_preliminary = head.status < 200;
            let body = if is_preliminary { Some((0, Vec::new())) } else { body(head.body, rest)? };
            let Some((body_bytes, body)) = body else { return Ok(()) };
            if !is_preliminary {
                let question = self.question.take().ok_or(Violation("an answer to nothing"))?;
                answers.push(Answered { question, answer: judge(head.status, &body) });
                self.is_closing |= head.closes;
            }
            self.received.drain(..head.bytes + body_bytes);
        }
        Ok(())
    }
}

/// The head of an answer, once it is complete.
fn head(bytes: &[u8]) -> Result<Option<Head>, Violation> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let parsed = response.parse(bytes).map_err(|_| Violation("the head of an answer cannot be read"))?;
    let httparse::Status::Complete(length) = parsed else {
        let is_too_long = bytes.len() > MAX_HEAD_BYTES;
        return if is_too_long { Err(Violation("the head of an answer is too long")) } else { Ok(None) };
    };
    let mut head = Head {
        bytes: length,
        status: response.code.unwrap_or_default(),
        body: Body::Length(0),
        closes: response.version == Some(0),
    };
    for field in response.headers.iter() {
        let value = std::str::from_utf8(field.value).unwrap_or_default().trim();
        if field.name.eq_ignore_ascii_case("content-length") {
            let length = value.parse().ok().filter(|length| *length <= MAX_ANSWER_BYTES);
            head.body = Body::Length(length.ok_or(Violation("the body of an answer is too long"))?);
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            head.body = Body::Chunks;
        } else if field.name.eq_ignore_ascii_case("connection") {
            head.closes |= value.eq_ignore_ascii_case("close");
        }
    }
    Ok(Some(head))
}

/// How many bytes a body has on the wire, and its content, once it is complete.
fn body(kind: Body, bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Violation> {
    match kind {
        Body::Length(length) => Ok(bytes.get(..length).map(|body| (length, body.to_vec()))),
        Body::Chunks => chunks(bytes),
    }
}

fn chunks(bytes: &[u8]) -> Result<Option<(usize, Vec<u8>)>, Violation> {
    const BROKEN: Violation = Violation("the chunks of an answer cannot be read");
    const END: &[u8] = b"\r\n";
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let (start, size) = match httparse::parse_chunk_size(rest).map_err(|_| BROKEN)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete((start, size)) => (start, usize::try_from(size).map_err(|_| BROKEN)?),
        };
        if body.len() + size.min(MAX_ANSWER_BYTES + 1) > MAX_ANSWER_BYTES {
            return Err(Violation("the body of an answer is too long"));
        }
        let Some(chunk) = rest.get(start..start + size + END.len()) else { return Ok(None) };
        let content = chunk.strip_suffix(END).ok_or(BROKEN)?;
        body.extend_from_slice(content);
        at += start + chunk.len();
        if size == 0 {
            return Ok(Some((at, body)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Answer;
    use super::*;

    const YES: &str = r#"{"status":{"authenticated":true}}"#;

    fn asked() -> Http1 {
        let mut wire = Http1::new("hook:8443", "/authenticate", &[("content-type", "application/json")]);
        wire.ask(7, b"{}", &mut Vec::new());
        wire
    }

    fn answers(wire: &mut Http1, text: &str) -> Result<Vec<Answered>, Violation> {
        let mut answers = Vec::new();
        wire.read(text.as_bytes(), &mut answers)?;
        Ok(answers)
    }

    fn yes() -> Vec<Answered> {
        vec![Answered { question: 7, answer: Answer::Accepted }]
    }

    #[test]
    fn a_question_is_a_whole_request() {
        let mut wire = Http1::new("hook:8443", "/authenticate", &[("content-type", "application/json")]);
        let mut out = Vec::new();
        wire.ask(1, b"{\"a\":1}", &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "POST /authenticate HTTP/1.1\r\nhost: hook:8443\r\ncontent-type: application/json\r\n\
             content-length: 7\r\n\r\n{\"a\":1}"
        );
        assert!(!wire.has_room());
    }

    #[test]
    fn an_answer_may_come_byte_by_byte() {
        let mut wire = asked();
        let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{YES}", YES.len());
        let (last, first) = text.as_bytes().split_last().unwrap();
        for byte in first {
            assert_eq!(answers(&mut wire, &char::from(*byte).to_string()), Ok(Vec::new()));
        }
        assert_eq!(answers(&mut wire, &char::from(*last).to_string()), Ok(yes()));
        assert!(wire.has_room());
    }

    #[test]
    fn an_answer_may_come_in_chunks_and_after_a_preliminary_one() {
        let mut wire = asked();
        let (one, two) = YES.split_at(10);
        let text = format!(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             a\r\n{one}\r\n{:x};name=value\r\n{two}\r\n0\r\n\r\n",
            two.len()
        );
        assert_eq!(answers(&mut wire, &text), Ok(yes()));
    }

    #[test]
    fn after_connection_close_nothing_more_is_asked() {
        let mut wire = asked();
        let text = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{YES}", YES.len());
        assert_eq!(answers(&mut wire, &text), Ok(yes()));
        assert!(wire.is_closing() && !wire.has_room());
    }

    #[test]
    fn what_is_no_http_ends_the_conversation() {
        assert_eq!(answers(&mut asked(), "SSH-2.0-x\r\n\r\n"), Err(Violation("the head of an answer cannot be read")));
        assert_eq!(
            answers(&mut asked(), "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"),
            Err(Violation("the body of an answer is too long"))
        );
        assert_eq!(
            answers(&mut asked(), "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n"),
            Err(Violation("the body of an answer is too long"))
        );
        let mut unasked = Http1::new("hook", "/", &[]);
        assert_eq!(
            answers(&mut unasked, "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
            Err(Violation("an answer to nothing"))
        );
    }
}
