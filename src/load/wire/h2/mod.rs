//! HTTP/2 (RFC 9113) for many POSTs at once to one path.
//!
//! The server is told to keep no header table, so that a request's head is the same bytes every time, and an answer's status
//! can be read by itself ([`status`]).

mod status;

use std::collections::HashMap;

use super::{Answer, Answered, MAX_ANSWER_BYTES, Violation, judge};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_BYTES: usize = 9;
/// The largest frame that every receiver takes (RFC 9113 section 4.2), and the largest that this one takes.
const FRAME_BYTES: usize = 16 * 1024;
/// How much each side may send before it is told to go on (section 6.9.2).
const FIRST_WINDOW: i64 = 65_535;
const LARGEST_WINDOW: u32 = i32::MAX as u32;
/// The server is told to go on when this much has come.
const WINDOW_STEP: u32 = 1 << 30;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// The error code of a stream that is not needed any more (section 7).
const CANCEL: u32 = 8;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const MAX_CONCURRENT_STREAMS: u16 = 3;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// A connection, seen from the client.
pub(in crate::load) struct Http2 {
    /// The request's head up to the number of the body's bytes, in HPACK.
    head: Vec<u8>,
    next_stream: u32,
    streams: HashMap<u32, Stream>,
    most_streams: usize,
    /// How many bytes of bodies the server takes now, and how many of each body.
    window: i64,
    stream_window: i64,
    /// Whether the server has said what it wants.
    is_settled: bool,
    received: Vec<u8>,
    received_bodies: u32,
    is_closing: bool,
}

/// A question that waits for its answer.
struct Stream {
    question: u64,
    status: u16,
    body: Vec<u8>,
}

/// A frame that came in.
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

impl Http2 {
    /// A conversation of `most_streams` questions at once that go to `path`; `fields`, in lower case, are sent with each.
    /// What opens it is appended to `out`.
    pub(in crate::load) fn new(
        authority: &str,
        path: &str,
        fields: &[(&str, &str)],
        most_streams: usize,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut head = vec![0x83, 0x87]; // :method POST, :scheme https
        for (name, value) in [(":authority", authority), (":path", path)].iter().chain(fields) {
            literal(&mut head, name, value);
        }
        out.extend_from_slice(PREFACE);
        let settings =
            [(HEADER_TABLE_SIZE, 0), (ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, MAX_ANSWER_BYTES.try_into().unwrap_or(0))];
        frame_head(out, 6 * settings.len(), SETTINGS, 0, 0);
        for (name, value) in settings {
            out.extend_from_slice(&name.to_be_bytes());
            out.extend_from_slice(&u32::to_be_bytes(value));
        }
        window_update(out, LARGEST_WINDOW - u32::try_from(FIRST_WINDOW).unwrap_or(0));
        Self {
            head,
            next_stream: 1,
            streams: HashMap::new(),
            most_streams,
            window: FIRST_WINDOW,
            stream_window: FIRST_WINDOW,
            is_settled: false,
            received: Vec::new(),
            received_bodies: 0,
            is_closing: false,
        }
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        !self.is_closing
            && self.streams.len() < self.most_streams
            && bytes <= self.window
            && bytes <= self.stream_window
    }

    pub(super) const fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// How long a body may be at once, after the server has said so.
    pub(super) fn most_bytes(&self) -> Option<usize> {
        self.is_settled.then(|| usize::try_from(self.stream_window).unwrap_or(usize::MAX))
    }

    /// Cancels a question's stream; the others go on.
    pub(super) fn take_back(&mut self, question: u64, out: &mut Vec<u8>) {
        let cancelled = self.streams.extract_if(|_, stream| stream.question == question);
        for (stream, _) in cancelled {
            frame_head(out, 4, RESET, 0, stream);
            out.extend_from_slice(&CANCEL.to_be_bytes());
        }
    }

    pub(super) fn ask(&mut self, question: u64, body: &[u8], out: &mut Vec<u8>) {
        let stream = self.next_stream;
        self.next_stream += 2;
        // Numbers run out after a thousand million questions; a new connection begins anew.
        self.is_closing |= self.next_stream >= LARGEST_WINDOW;
        self.streams.insert(stream, Stream { question, status: 0, body: Vec::new() });
        self.window -= i64::try_from(body.len()).unwrap_or(i64::MAX);
        let length = body.len().to_string();
        let mut tail = Vec::new();
        literal(&mut tail, "content-length", &length);
        let end = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
        frame_head(out, self.head.len() + tail.len(), HEADERS, end, stream);
        out.extend_from_slice(&self.head);
        out.extend_from_slice(&tail);
        let mut parts = body.chunks(FRAME_BYTES).peekable();
        while let Some(part) = parts.next() {
            frame_head(out, part.len(), DATA, if parts.peek().is_none() { END_STREAM } else { 0 }, stream);
            out.extend_from_slice(part);
        }
    }

    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        answers: &mut Vec<Answered>,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        // Most reads end with a whole frame: then nothing is copied but the bytes of this read.
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(bytes);
        let mut rest = received.as_slice();
        while let Some((frame, after)) = frame(rest)? {
            self.take(&frame, answers, out)?;
            rest = after;
        }
        let done = received.len() - rest.len();
        received.drain(..done);
        self.received = received;
        Ok(())
    }

    fn take(&mut self, frame: &Frame<'_>, answers: &mut Vec<Answered>, out: &mut Vec<u8>) -> Result<(), Violation> {
        match frame.kind {
            DATA => {
                self.count_received(frame.payload.len(), out);
                let content = frame.content()?;
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    if stream.body.len() + content.len() > MAX_ANSWER_BYTES {
                        return Err(Violation("the body of an answer is too long"));
                    }
                    stream.body.extend_from_slice(content);
                }
                self.end(frame, answers);
            }
            HEADERS => {
                if let Some(stream) = self.streams.get_mut(&frame.stream) {
                    // A status below 200 is preliminary; a second head is a trailer and has none.
                    if stream.status < 200 {
                        stream.status = status::first(frame.content()?)
                            .ok_or(Violation("the head of an answer does not begin with its status"))?;
                    }
                }
                self.end(frame, answers);
            }
            RESET => {
                if let Some(stream) = self.streams.remove(&frame.stream) {
                    answers.push(Answered { question: stream.question, answer: Answer::Lost });
                }
            }
            SETTINGS if frame.flags & ACK == 0 => {
                for setting in frame.payload.chunks_exact(6) {
                    self.set(setting);
                }
                self.is_settled = true;
                frame_head(out, 0, SETTINGS, ACK, 0);
            }
            PUSH => return Err(Violation("a push that was not wanted")),
            PING if frame.flags & ACK == 0 => {
                frame_head(out, frame.payload.len(), PING, ACK, 0);
                out.extend_from_slice(frame.payload);
            }
            GO_AWAY => {
                self.is_closing = true;
                let last = frame.number().unwrap_or_default();
                // Those after the last that the server has seen will not be answered.
                self.streams.retain(|stream, waiting| {
                    let is_lost = *stream > last;
                    if is_lost {
                        answers.push(Answered { question: waiting.question, answer: Answer::Lost });
                    }
                    !is_lost
                });
            }
            WINDOW_UPDATE if frame.stream == 0 => {
                self.window += i64::from(frame.number().unwrap_or_default() & LARGEST_WINDOW);
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, frame: &Frame<'_>, answers: &mut Vec<Answered>) {
        if frame.flags & END_STREAM != 0
            && let Some(stream) = self.streams.remove(&frame.stream)
        {
            answers.push(Answered { question: stream.question, answer: judge(stream.status, &stream.body) });
        }
    }

    fn set(&mut self, setting: &[u8]) {
        let [a, b, c, d, e, f] = *setting else { return };
        let value = u32::from_be_bytes([c, d, e, f]);
        match u16::from_be_bytes([a, b]) {
            MAX_CONCURRENT_STREAMS => {
                self.most_streams = self.most_streams.min(usize::try_from(value).unwrap_or(usize::MAX));
            }
            INITIAL_WINDOW_SIZE => self.stream_window = i64::from(value),
            _ => {}
        }
    }

    fn count_received(&mut self, bytes: usize, out: &mut Vec<u8>) {
        self.received_bodies += u32::try_from(bytes).unwrap_or(0);
        if self.received_bodies >= WINDOW_STEP {
            window_update(out, self.received_bodies);
            self.received_bodies = 0;
        }
    }
}

impl<'a> Frame<'a> {
    /// The payload without padding and priority.
    fn content(&self) -> Result<&'a [u8], Violation> {
        const BROKEN: Violation = Violation("a frame is shorter than it says");
        let mut content = self.payload;
        if self.flags & PADDED != 0 {
            let (padding, rest) = content.split_first().ok_or(BROKEN)?;
            content = rest.get(..rest.len().wrapping_sub(usize::from(*padding))).ok_or(BROKEN)?;
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            content = content.get(5..).ok_or(BROKEN)?;
        }
        Ok(content)
    }

    /// The first four bytes as a number.
    fn number(&self) -> Option<u32> {
        Some(u32::from_be_bytes(*self.payload.first_chunk()?))
    }
}

/// The first frame, if all of it is here, and what comes after it.
fn frame(bytes: &[u8]) -> Result<Option<(Frame<'_>, &[u8])>, Violation> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD_BYTES>() else { return Ok(None) };
    let [a, b, c, kind, flags, s0, s1, s2, s3] = *head;
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
    if length > FRAME_BYTES {
        return Err(Violation("a frame is larger than it may be"));
    }
    let Some((payload, after)) = rest.split_at_checked(length) else { return Ok(None) };
    let stream = u32::from_be_bytes([s0, s1, s2, s3]) & LARGEST_WINDOW;
    Ok(Some((Frame { kind, flags, stream, payload }, after)))
}

fn frame_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [_, a, b, c] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
}

fn window_update(out: &mut Vec<u8>, bytes: u32) {
    frame_head(out, 4, WINDOW_UPDATE, 0, 0);
    out.extend_from_slice(&bytes.to_be_bytes());
}

/// A field that no table remembers, name and value as they are (RFC 7541 section 6.2.2).
fn literal(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(0);
    for text in [name, value] {
        length(out, text.len());
        out.extend_from_slice(text.as_bytes());
    }
}

/// A text's length, with seven bits in the first byte (section 5.1).
fn length(out: &mut Vec<u8>, length: usize) {
    const FIRST: usize = 0x7f;
    let low = |bits: usize| u8::try_from(bits).unwrap_or(u8::MAX);
    if length < FIRST {
        return out.push(low(length));
    }
    out.push(low(FIRST));
    let mut rest = length - FIRST;
    while rest >= 0x80 {
        out.push(low(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(low(rest));
}

#[cfg(test)]
mod tests;
