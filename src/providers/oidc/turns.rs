//! Slow signatures take turns, so that answers from memory never queue behind more than one of them.
//!
//! A worker that is busy looks at its sockets only now and then, counted in tasks, and one signature on P-521 takes as long as
//! dozens of remembered answers. So of those that wait, each core has one in hand, and lets everything else go first that
//! is ready or has come meanwhile.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::yield_now;

use crate::jose::Algorithm;

/// So many may wait. Whoever waits keeps a place among the requests at work, which are for everybody.
const LINE: usize = 512;

/// Those of the process.
pub(super) static TURNS: LazyLock<Turns> =
    LazyLock::new(|| Turns::new(available_parallelism().map_or(1, NonZero::get), LINE));

/// A turn for each core, and a line before them.
pub(super) struct Turns {
    turns: Semaphore,
    line: Semaphore,
}

impl Turns {
    fn new(turns: usize, line: usize) -> Self {
        Self { turns: Semaphore::new(turns), line: Semaphore::new(line) }
    }

    /// Waits for a turn, to be held while a signature of this algorithm is verified. `None`, at once, if that is fast, and
    /// also if the line is full: then so much is asked that the worker had better read no more for the moment.
    pub(super) async fn take(&self, algorithm: Option<Algorithm>) -> Option<SemaphorePermit<'_>> {
        if !algorithm.is_some_and(takes_long) {
            return None;
        }
        let turn = match self.turns.try_acquire() {
            Ok(turn) => turn,
            Err(_) => {
                let _place = self.line.try_acquire().ok()?;
                self.turns.acquire().await.ok()?
            }
        };
        // Goes on when nothing else is ready, and sockets were looked at.
        yield_now().await;
        Some(turn)
    }
}

/// Whether it takes several times as long as most do, by the benches.
const fn takes_long(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Es384 | Algorithm::Es512)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn what_is_fast_waits_for_nobody() {
        let turns = Turns::new(0, 1);
        for algorithm in [None, Some(Algorithm::Rs256), Some(Algorithm::Es256), Some(Algorithm::EdDsa)] {
            assert!(turns.take(algorithm).await.is_none(), "{algorithm:?}");
        }
    }

    #[tokio::test]
    async fn a_slow_signature_waits_until_the_one_before_it_is_done() {
        let turns = Turns::new(1, 1);
        let first = turns.take(Some(Algorithm::Es512)).await;
        let mut second = pin!(turns.take(Some(Algorithm::Es384)));
        assert!(poll!(&mut second).is_pending());
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test]
    async fn whatever_is_ready_goes_before_a_slow_signature() {
        let (turns, has_run) = (Turns::new(1, 1), Arc::<AtomicBool>::default());
        let runs = Arc::clone(&has_run);
        tokio::spawn(async move { runs.store(true, Ordering::Relaxed) });
        let _turn = turns.take(Some(Algorithm::Es512)).await;
        assert!(has_run.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn whoever_finds_the_line_full_does_not_join_it() {
        let turns = Turns::new(1, 0);
        let _first = turns.take(Some(Algorithm::Es512)).await;
        assert!(turns.take(Some(Algorithm::Es512)).await.is_none());
    }
}
