//! Places for the TLS handshakes that are under way.
//!
//! Strangers can begin handshakes and let them lie. So a place is never waited for: when all are taken, the oldest
//! handshake gives up its own. A caller needs one for milliseconds, and who says nothing is always the oldest.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

pub(super) struct Handshakes {
    /// Each wakes the handshake that has the place.
    places: Box<[Notify]>,
    begun: AtomicUsize,
}

impl Handshakes {
    pub(super) fn new(places: usize) -> Self {
        Self { places: (0..places.max(1)).map(|_| Notify::new()).collect(), begun: AtomicUsize::new(0) }
    }

    /// Runs a handshake; `None` when its place was needed before it came to an end.
    pub(super) async fn run<F: Future>(&self, handshake: F) -> Option<F::Output> {
        // In turn, so that the place of the next one is the oldest's.
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let place = self.places.get(number % self.places.len())?;
        place.notify_waiters();
        tokio::select! {
            biased;
            result = handshake => Some(result),
            () = place.notified() => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn h2_the_oldest_handshake_makes_way_for_the_newest() {
        let handshakes = Handshakes::new(2);
        let (mut first, mut second) = (pin!(handshakes.run(pending::<()>())), pin!(handshakes.run(pending::<()>())));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(handshakes.run(ready(3)).await, Some(3));
        assert_eq!(first.await, None);
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(handshakes.run(ready(4)).await, Some(4));
        assert_eq!(second.await, None);
    }
}
