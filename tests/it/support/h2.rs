//! HTTP/2 frame by frame (RFC 9113), with no opinion about which of them belong together.

use serde_json::Value;

use super::{Raw, Rig};

/// A connection on which single frames are written and read.
pub(crate) struct H2 {
    raw: Raw,
}

/// A frame, by its numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GO_AWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;

    pub(crate) const END_STREAM: u8 = 1;
    pub(crate) const ACK: u8 = 1;
    pub(crate) const END_HEADERS: u8 = 4;

    pub(crate) const REFUSED_STREAM: u32 = 7;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self { kind, flags, stream, payload: payload.into() }
    }

    /// The head of a review on `/authenticate`; the body is to follow.
    pub(crate) fn review_head(stream: u32) -> Self {
        Self::head(stream, &[(":path", "/authenticate"), ("content-type", "application/json")])
    }

    /// A complete head of a POST.
    pub(crate) fn head(stream: u32, fields: &[(&str, &str)]) -> Self {
        let pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost")];
        Self::new(Self::HEADERS, Self::END_HEADERS, stream, fields_of(pseudo.iter().chain(fields)))
    }

    /// The end of a body.
    pub(crate) fn last_data(stream: u32, body: &Value) -> Self {
        Self::new(Self::DATA, Self::END_STREAM, stream, body.to_string())
    }

    pub(crate) fn reset(stream: u32) -> Self {
        const CANCEL: u32 = 8;
        Self::new(Self::RST_STREAM, 0, stream, CANCEL.to_be_bytes())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap().to_be_bytes();
        let mut bytes = length[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// The error code of RST_STREAM and GOAWAY.
    pub(crate) fn error(&self) -> u32 {
        let at = match self.kind {
            Self::RST_STREAM => 0,
            Self::GO_AWAY => 4,
            _ => panic!("{self:?} has no error code"),
        };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl Rig {
    /// An HTTP/2 connection of a caller that is let in, both preambles done.
    pub(crate) async fn connect_h2(&self) -> H2 {
        H2::over(self.connect(&["h2"]).await).await
    }
}

impl H2 {
    /// Begins HTTP/2 on a connection.
    pub(crate) async fn over(mut raw: Raw) -> Self {
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let mut this = Self { raw };
        this.send(&Frame::new(Frame::SETTINGS, 0, 0, [])).await;
        this.send(&Frame::new(Frame::SETTINGS, Frame::ACK, 0, [])).await;
        this
    }

    pub(crate) async fn send(&mut self, frame: &Frame) {
        self.raw.send(frame.bytes()).await;
    }

    /// Sends frames until the server takes no more of them.
    pub(crate) async fn flood(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let mut batch = Vec::new();
        for frame in frames {
            batch.extend(frame.bytes());
            if batch.len() > 16 * 1024 && self.raw.try_send(std::mem::take(&mut batch)).await.is_err() {
                return;
            }
        }
        let _ = self.raw.try_send(batch).await;
    }

    /// The next frame, or `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        let head = self.raw.take(9).await?;
        let length = usize::try_from(u32::from_be_bytes([0, head[0], head[1], head[2]])).unwrap();
        let stream = u32::from_be_bytes(head[5..9].try_into().unwrap());
        Some(Frame::new(head[3], head[4], stream, self.raw.take(length).await?))
    }

    /// Reads up to a frame of this kind; `None` if the connection ends first.
    pub(crate) async fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// The body of a stream's answer.
    pub(crate) async fn body(&mut self, stream: u32) -> Value {
        let mut body = Vec::new();
        loop {
            let data = self.next(Frame::DATA).await.expect("the connection ended without an answer");
            assert_eq!(data.stream, stream);
            body.extend(&data.payload);
            if data.flags & Frame::END_STREAM != 0 {
                return serde_json::from_slice(&body).unwrap();
            }
        }
    }

    /// The error that the connection ends with: the server's GOAWAY, or `None` when it just hangs up.
    pub(crate) async fn end(&mut self) -> Option<u32> {
        let mut error = None;
        while let Some(frame) = self.frame().await {
            if frame.kind == Frame::GO_AWAY {
                error = Some(frame.error());
            }
        }
        error
    }
}

/// Header fields in HPACK without compression and without a table (RFC 7541, section 6.2.2).
pub(crate) fn fields_of<'f>(fields: impl IntoIterator<Item = &'f (&'f str, &'f str)>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(&mut block, text.len());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// RFC 7541, section 5.1, with a prefix of seven bits and no Huffman coding.
fn integer(block: &mut Vec<u8>, value: usize) {
    const PREFIX: usize = 0x7f;
    if value < PREFIX {
        block.push(value.try_into().unwrap());
        return;
    }
    block.push(0x7f);
    let mut rest = value - PREFIX;
    while rest >= 0x80 {
        block.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
        rest /= 0x80;
    }
    block.push(rest.try_into().unwrap());
}
