//! How long a review may take: one moment, set when the request arrived, handed down to whatever waits.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

/// A moment after which nobody waits any more.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline this far from now.
    #[must_use]
    pub fn within(span: Duration) -> Self {
        Self::after(Instant::now(), span)
    }

    /// A deadline this far from a moment.
    #[must_use]
    pub fn after(moment: Instant, span: Duration) -> Self {
        Self(moment + span)
    }

    /// The earlier of this and `span` from now.
    #[must_use]
    pub fn at_most(self, span: Duration) -> Self {
        Self(self.0.min(Instant::now() + span))
    }

    /// Runs a future up to the deadline; `None` when it came first.
    pub async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        // Most are ready at once, and then no timer is needed.
        if let Poll::Ready(output) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return Some(output);
        }
        tokio::time::timeout_at(self.0, future).await.ok()
    }
}
