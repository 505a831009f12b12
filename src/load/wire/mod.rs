//! What a conversation with a webhook looks like in bytes, without the socket: questions in, answers out.
//!
//! The generator shares a machine with what it measures, so it must cost less than a server does: questions are bytes that
//! are ready, and of an answer only what counts is read. [`h1`] and [`h2`] speak just enough of their protocols for one
//! kind of request; whatever else a server may send is understood and answered, or ends the conversation.

pub(super) mod h1;
pub(super) mod h2;

use serde::Deserialize;

/// The most bytes that an answer may have.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// What came back for a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// A user.
    Accepted,
    /// The connection or the stream ended before an answer came.
    Lost,
    /// Any other HTTP status, or a body that is no TokenReview.
    Other(u16),
    /// `authenticated: false`, without an error.
    Refused,
    /// Not within the time that a question has.
    TimedOut,
    /// `status.error`: could not tell.
    Undecided,
}

/// The answer to the question with this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) question: u64,
    pub(super) answer: Answer,
}

/// The server said something that does not belong here; the conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server does not speak the protocol: {0}")]
pub(super) struct Violation(pub(super) &'static str);

/// A conversation over one connection.
pub(super) enum Wire {
    H1(h1::Http1),
    H2(h2::Http2),
}

impl Wire {
    /// Whether another question of that size can be asked now.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        match self {
            Self::H1(wire) => wire.has_room(),
            Self::H2(wire) => wire.has_room(bytes),
        }
    }

    /// Whether the server will take no more questions over this connection.
    pub(super) fn is_closing(&self) -> bool {
        match self {
            Self::H1(wire) => wire.is_closing(),
            Self::H2(wire) => wire.is_closing(),
        }
    }

    /// Appends a question to what is to be sent. There must be room for it.
    pub(super) fn ask(&mut self, question: u64, body: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::H1(wire) => wire.ask(question, body, out),
            Self::H2(wire) => wire.ask(question, body, out),
        }
    }

    /// The most bytes of a question that the server takes at once, when it has said so. Nothing here asks more than that.
    pub(super) fn most_bytes(&self) -> Option<usize> {
        match self {
            Self::H1(_) => None,
            Self::H2(wire) => wire.most_bytes(),
        }
    }

    /// Appends to what is to be sent that a question needs no answer any more. False when that cannot be said.
    pub(super) fn take_back(&mut self, question: u64, out: &mut Vec<u8>) -> bool {
        match self {
            Self::H1(_) => false,
            Self::H2(wire) => {
                wire.take_back(question, out);
                true
            }
        }
    }

    /// Takes what came in, appends the answers that are complete, and what the protocol wants to be said back.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        answers: &mut Vec<Answered>,
        out: &mut Vec<u8>,
    ) -> Result<(), Violation> {
        match self {
            Self::H1(wire) => wire.read(bytes, answers),
            Self::H2(wire) => wire.read(bytes, answers, out),
        }
    }
}

/// What a status and a body say.
fn judge(status: u16, body: &[u8]) -> Answer {
    #[derive(Deserialize)]
    struct Review {
        status: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        #[serde(default)]
        authenticated: bool,
        #[serde(default)]
        error: String,
    }
    if !matches!(status, 200 | 201) {
        return Answer::Other(status);
    }
    match serde_json::from_slice(body) {
        Ok(Review { status: Status { authenticated: true, .. } }) => Answer::Accepted,
        Ok(Review { status: Status { error, .. } }) if error.is_empty() => Answer::Refused,
        Ok(_) => Answer::Undecided,
        Err(_) => Answer::Other(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_what_its_status_and_body_say() {
        for (status, body, expected) in [
            (
                200,
                r#"{"kind":"TokenReview","status":{"authenticated":true,"user":{"username":"a"}}}"#,
                Answer::Accepted,
            ),
            (201, r#"{"status":{"authenticated":true}}"#, Answer::Accepted),
            (200, r#"{"status":{"authenticated":false}}"#, Answer::Refused),
            (200, r#"{"status":{}}"#, Answer::Refused),
            (200, r#"{"status":{"error":"keys_stale"}}"#, Answer::Undecided),
            (200, "<html>", Answer::Other(200)),
            (401, r#"{"status":{"authenticated":true}}"#, Answer::Other(401)),
        ] {
            assert_eq!(judge(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
