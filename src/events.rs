//! Facts that arise in the background, on their way to logs and metrics, so that the code that finds them knows
//! neither.

use std::sync::Arc;
use std::time::Duration;

use crate::authn::IssuerName;

/// Hears of background facts. One listener is passed in from the top.
pub trait Events: Send + Sync + 'static {
    /// Something happened.
    fn record(&self, event: Event<'_>);
}

/// A background fact.
#[derive(Clone, Debug)]
pub enum Event<'e> {
    /// Groups that a good token says are elsewhere were looked for.
    ClaimsFetched {
        /// Whose token.
        issuer: &'e IssuerName,
        /// What came of it.
        result: ClaimsFetched<'e>,
    },
    /// Something about a connection of the review listener.
    Connection(ConnectionEvent<'e>),
    /// A token was judged by a provider.
    Judged {
        /// By whose.
        issuer: &'e IssuerName,
        /// How long finding the key took, waiting for a fetch included.
        key_lookup: Duration,
        /// How long the signature and the claims took.
        verification: Duration,
    },
    /// A fetch of an issuer's keys ended.
    KeysFetched {
        /// Whose keys.
        issuer: &'e IssuerName,
        /// What came of it.
        result: KeysFetched<'e>,
    },
    /// The last good keys could not be written to or read from the state directory.
    KeysNotKept {
        /// Whose keys.
        issuer: &'e IssuerName,
        /// What went wrong.
        problem: &'e str,
    },
    /// A request got no review.
    Turned(Turned),
}

/// What happens to connections.
#[derive(Clone, Copy, Debug)]
pub enum ConnectionEvent<'e> {
    /// `accept` failed, for want of file descriptors or the like.
    AcceptFailed(&'e std::io::Error),
    /// One is over.
    Closed,
    /// A handshake ended.
    Handshake(Handshake<'e>),
    /// One was accepted.
    Opened,
    /// One was closed at once, since there are too many.
    Refused,
}

/// How a TLS handshake ended.
#[derive(Clone, Copy, Debug)]
pub enum Handshake<'e> {
    /// Its place was needed for a newer one.
    Displaced,
    /// Well.
    Done,
    /// The two sides do not agree, or the client's certificate is not good; the error says which.
    Failed(&'e std::io::Error),
    /// It took too long.
    TimedOut,
}

/// Requests that got no review, by why. A metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turned {
    /// The body did not come in time.
    BodyTimeout,
    /// The body is too large.
    BodyTooLarge,
    /// The body is no review.
    Malformed,
    /// Not `POST`.
    Method,
    /// Another media type.
    MediaType,
    /// No such path.
    NotFound,
    /// Too much at once.
    Overload,
    /// A fault of countersign.
    Panic,
    /// A caller whose certificate or bearer token is not good.
    StrangerCredential,
    /// A caller whose certificate is good but has none of the names.
    StrangerName,
    /// A caller that shows nothing.
    StrangerUnknown,
}

impl Turned {
    /// Every value.
    pub const ALL: [Self; 11] = [
        Self::BodyTimeout,
        Self::BodyTooLarge,
        Self::Malformed,
        Self::Method,
        Self::MediaType,
        Self::NotFound,
        Self::Overload,
        Self::Panic,
        Self::StrangerCredential,
        Self::StrangerName,
        Self::StrangerUnknown,
    ];

    /// The stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::Malformed => "malformed",
            Self::Method => "method",
            Self::MediaType => "media_type",
            Self::NotFound => "not_found",
            Self::Overload => "overload",
            Self::Panic => "panic",
            Self::StrangerCredential => "caller_credential",
            Self::StrangerName => "caller_name",
            Self::StrangerUnknown => "unknown_caller",
        }
    }
}

/// What came of looking for groups elsewhere. The problems are in words without secrets and without the address.
#[derive(Clone, Copy, Debug)]
pub enum ClaimsFetched<'e> {
    /// They were fetched and are good.
    Done,
    /// It could not be told.
    Failed {
        /// Why not.
        problem: &'e str,
    },
    /// The address must not be asked, or what it answered is not good.
    Refused {
        /// Why.
        problem: &'e str,
    },
}

/// What came of fetching an issuer's keys.
#[derive(Clone, Debug)]
pub enum KeysFetched<'e> {
    /// A new set is in force: so many keys, and these were left out or are alarming.
    Changed {
        /// How many keys are usable.
        keys: usize,
        /// Keys that were skipped and things that should not be in a public key set, in words.
        remarks: &'e [String],
    },
    /// Nothing could be fetched, or what was fetched is not fit to use; the last good set stays.
    Failed {
        /// Why, in words without secrets.
        problem: &'e str,
    },
    /// The set in force was confirmed.
    Unchanged,
}

/// A listener that hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEvents;

impl Events for NoEvents {
    fn record(&self, _event: Event<'_>) {}
}

/// A shared listener that hears nothing.
#[must_use]
pub fn none() -> Arc<dyn Events> {
    Arc::new(NoEvents)
}
