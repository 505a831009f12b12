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

    /// Runs a future up to the deadline; `None` when it came first. The future is polled once in each turn, and the timer is
    /// set only if it does not end in the first: most do.
    pub async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            if timer.is_none() {
                timer.set(Some(tokio::time::sleep_until(self.0)));
            }
            let timer = timer.as_mut().as_pin_mut();
            timer.map_or(Poll::Pending, |timer| timer.poll(cx).map(|()| None))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_future_gets_one_turn_at_a_time() {
        let mut turns = 0;
        let future = poll_fn(|cx| {
            turns += 1;
            cx.waker().wake_by_ref();
            if turns < 3 { Poll::Pending } else { Poll::Ready(()) }
        });
        let mut bound = pin!(Deadline::within(Duration::from_secs(5)).bound(future));
        assert!(futures_util::poll!(&mut bound).is_pending());
        assert!(futures_util::poll!(&mut bound).is_pending());
        assert_eq!(futures_util::poll!(&mut bound), Poll::Ready(Some(())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_end_ends_at_the_deadline() {
        let began = Instant::now();
        assert_eq!(Deadline::within(Duration::from_secs(5)).bound(std::future::pending::<()>()).await, None);
        assert_eq!(began.elapsed().as_secs(), 5);
    }
}
