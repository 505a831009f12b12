//! Places for what strangers can begin and let lie: TLS handshakes, connections of the admin listener.
//!
//! A place is never waited for: when all are taken, whoever has held his longest gives it up. Who means business needs one
//! for milliseconds, and who says nothing is always the oldest.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

pub(super) struct Places {
    /// Each wakes the work that has the place.
    places: Box<[Notify]>,
    begun: AtomicUsize,
}

impl Places {
    pub(super) fn new(places: usize) -> Self {
        Self { places: (0..places.max(1)).map(|_| Notify::new()).collect(), begun: AtomicUsize::new(0) }
    }

    /// Does some work; `None` when its place was needed before it came to an end.
    pub(super) async fn run<F: Future>(&self, work: F) -> Option<F::Output> {
        // In turn, so that the place of the next one is the oldest's.
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let place = self.places.get(number % self.places.len())?;
        place.notify_waiters();
        tokio::select! {
            biased;
            result = work => Some(result),
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
        let places = Places::new(2);
        let (mut first, mut second) = (pin!(places.run(pending::<()>())), pin!(places.run(pending::<()>())));
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(places.run(ready(3)).await, Some(3));
        assert_eq!(first.await, None);
        assert!(futures_util::poll!(&mut second).is_pending());
        assert_eq!(places.run(ready(4)).await, Some(4));
        assert_eq!(second.await, None);
    }
}
