//! Slow signatures take turns, so that answers from memory never queue behind a row of them.
//!
//! A worker that is busy looks at its sockets only now and then, counted in tasks, and one signature on P-521 takes as long as
//! dozens of remembered answers. So of those that wait each core has one in hand, which lets everything else go first that is
//! ready or has come meanwhile. And so that they do not starve behind that, as many go then as take about the time for which
//! that one was kept waiting.

use std::num::NonZero;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

use crate::jose::KeyKind;

/// So many may wait: about half a second's worth. Whoever waits keeps a place among the requests at work, which are for
/// everybody.
const LINE: usize = 512;

/// The longest time for which they go together, whatever they were kept waiting for.
const LONGEST: Duration = Duration::from_millis(100);

/// What one takes, until it is known.
const FIRST_GUESS: Duration = Duration::from_millis(1);

/// Those of the process.
pub(super) static TURNS: LazyLock<Turns> =
    LazyLock::new(|| Turns::new(available_parallelism().map_or(1, NonZero::get), LINE));

/// A turn for each core, and a line before them.
pub(super) struct Turns {
    turns: Semaphore,
    line: Semaphore,
    places: usize,
    /// Turns that are there beside those of the cores, for those who go together with another. Each is for one.
    extra: AtomicUsize,
    /// What the last one took, in nanoseconds.
    cost: AtomicU64,
}

/// A turn, to be held while a signature is verified.
pub(super) struct Turn<'t> {
    turns: &'t Turns,
    since: Instant,
    permit: Option<SemaphorePermit<'t>>,
}

impl Turns {
    fn new(turns: usize, line: usize) -> Self {
        Self {
            turns: Semaphore::new(turns),
            line: Semaphore::new(line),
            places: line,
            extra: AtomicUsize::new(0),
            cost: AtomicU64::new(nanoseconds(FIRST_GUESS)),
        }
    }

    /// Waits for a turn if keys of this kind are slow. `None`, at once, if they are fast, and also if the line is full: then so
    /// much is asked that the worker had better read no more for the moment.
    pub(super) async fn take(&self, kind: KeyKind) -> Option<Turn<'_>> {
        if !takes_long(kind) {
            return None;
        }
        let permit = match self.turns.try_acquire() {
            Ok(permit) => permit,
            Err(_) => {
                let _place = self.line.try_acquire().ok()?;
                self.turns.acquire().await.ok()?
            }
        };
        if self.extra.load(Ordering::Relaxed) == 0 {
            let since = Instant::now();
            // Goes on when nothing else is ready, or others have had several tasks' time, and sockets were looked at.
            yield_now().await;
            self.let_others_along(since.elapsed());
        }
        Some(Turn { turns: self, since: Instant::now(), permit: Some(permit) })
    }

    /// As many of those in line as take about this time.
    fn let_others_along(&self, time: Duration) {
        let cost = self.cost.load(Ordering::Relaxed).max(1);
        let affordable = usize::try_from(nanoseconds(time.min(LONGEST)) / cost).unwrap_or(usize::MAX);
        let others = affordable.min(self.places.saturating_sub(self.line.available_permits()));
        self.extra.fetch_add(others, Ordering::Relaxed);
        self.turns.add_permits(others);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.cost.store(nanoseconds(self.since.elapsed()), Ordering::Relaxed);
        let used = self.turns.extra.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |extra| extra.checked_sub(1));
        if let (Ok(_), Some(permit)) = (used, self.permit.take()) {
            permit.forget();
        }
    }
}

fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether one takes several times as long as most do, by the benches.
const fn takes_long(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::P384 | KeyKind::P521)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_fast_waits_for_nobody() {
        let turns = Turns::new(0, 1);
        for kind in [KeyKind::P256, KeyKind::Ed25519, KeyKind::Rsa { bits: 4096 }] {
            assert!(turns.take(kind).await.is_none(), "{kind:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_signature_waits_until_the_one_before_it_is_done() {
        let turns = Turns::new(1, 1);
        let first = turns.take(KeyKind::P521).await;
        let mut second = pin!(turns.take(KeyKind::P384));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.is_some());
    }

    /// Counts, for ever, how often it was somebody else's turn.
    fn busy_others() -> (Arc<AtomicUsize>, impl Future<Output = ()>) {
        let rounds = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&rounds);
        let others = std::future::poll_fn(move |cx| {
            counter.fetch_add(1, Ordering::Relaxed);
            cx.waker().wake_by_ref();
            std::task::Poll::Pending
        });
        (rounds, others)
    }

    #[tokio::test]
    async fn whatever_is_ready_goes_before_a_slow_signature() {
        let turns = Turns::new(1, 1);
        let (rounds, others) = busy_others();
        tokio::spawn(others);
        let _turn = turns.take(KeyKind::P521).await;
        assert!(rounds.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn as_many_go_together_as_take_the_time_that_the_first_was_kept_waiting() {
        let turns = Turns::new(1, 8);
        let first = turns.take(KeyKind::P521).await;
        let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(turns.take(KeyKind::P521))).collect();
        for next in &mut waiting {
            assert!(poll!(next).is_pending());
        }
        turns.cost.store(1_000_000, Ordering::Relaxed);
        turns.let_others_along(Duration::from_micros(2_500));
        let mut along = Vec::new();
        for next in waiting.drain(..2) {
            along.push(next.await);
        }
        assert!(poll!(&mut waiting[0]).is_pending());
        // Their turns end with them, and there is one as before.
        drop((first, along));
        assert_eq!(turns.extra.load(Ordering::Relaxed), 0);
        drop(waiting.remove(0).await);
        drop(waiting.remove(0).await);
        assert_eq!((turns.turns.available_permits(), turns.line.available_permits()), (1, 8));
    }

    #[tokio::test]
    async fn nobody_goes_along_who_does_not_wait() {
        let turns = Turns::new(1, 8);
        turns.let_others_along(Duration::from_secs(1));
        assert_eq!((turns.turns.available_permits(), turns.extra.load(Ordering::Relaxed)), (1, 0));
    }

    #[tokio::test]
    async fn whoever_finds_the_line_full_does_not_join_it() {
        let turns = Turns::new(1, 0);
        let _first = turns.take(KeyKind::P521).await;
        assert!(turns.take(KeyKind::P521).await.is_none());
    }
}
