//! Slow signatures are verified on a thread that serves nobody meanwhile, so that answers from memory do not queue behind
//! them: one on P-521 takes as long as dozens of those.

use std::num::NonZero;
use std::sync::LazyLock;
use std::thread::available_parallelism;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;

use crate::jose::KeyKind;

/// So many may wait. Whoever waits keeps a place among the requests at work, which are for everybody.
const LINE: usize = 64;

/// That of the process. Half of the cores are for whoever is known already.
pub(super) static APART: LazyLock<Apart> =
    LazyLock::new(|| Apart::new((available_parallelism().map_or(1, NonZero::get) / 2).max(1), LINE));

/// A few threads' worth of slow signatures, and a short line before them.
pub(super) struct Apart {
    turns: Semaphore,
    line: Semaphore,
}

impl Apart {
    fn new(turns: usize, line: usize) -> Self {
        Self { turns: Semaphore::new(turns), line: Semaphore::new(turns + line) }
    }

    /// Does the work, which verifies a signature by a key of this kind: apart if that takes long, unless too many wait
    /// already; then who asks has to do it itself, as with all others.
    pub(super) async fn verified<T>(&self, kind: Option<KeyKind>, work: impl FnOnce() -> T) -> T {
        // A runtime with a single thread has nobody who could go on: there is only one question in it.
        let others_wait =
            Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread);
        if !kind.is_some_and(takes_long) || !others_wait {
            return work();
        }
        let Ok(_place) = self.line.try_acquire() else { return work() };
        let Ok(_turn) = self.turns.acquire().await else { return work() };
        tokio::task::block_in_place(work)
    }
}

/// Whether it takes several times as long as most do, by the benches.
const fn takes_long(kind: KeyKind) -> bool {
    matches!(kind, KeyKind::P384 | KeyKind::P521)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use super::*;

    /// Whether another task of the only worker gets its turn while the work is going on.
    fn others_go_on(apart: Apart, kind: KeyKind, expected: bool) -> bool {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (tell, told) = mpsc::channel();
        // The message ends the wait; only where none can come, it is in vain.
        let patience = if expected { Duration::from_secs(60) } else { Duration::from_millis(200) };
        let work = async move {
            tokio::spawn(async move { tell.send(()) });
            apart.verified(Some(kind), move || told.recv_timeout(patience).is_ok()).await
        };
        runtime.block_on(async { tokio::spawn(work).await.unwrap() })
    }

    #[test]
    fn a_slow_signature_holds_nobody_up() {
        assert!(others_go_on(Apart::new(1, 0), KeyKind::P521, true));
        assert!(others_go_on(Apart::new(1, 0), KeyKind::P384, true));
    }

    #[test]
    fn a_fast_signature_changes_no_thread() {
        assert!(!others_go_on(Apart::new(1, 0), KeyKind::P256, false));
    }

    #[test]
    fn where_too_many_wait_nobody_more_does() {
        assert!(!others_go_on(Apart::new(0, 0), KeyKind::P521, false));
    }

    #[test]
    fn who_is_in_the_line_gets_a_turn_when_one_is_free() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let apart = Arc::new(Apart::new(1, 8));
            let all = (0..8).map(|number| {
                let apart = Arc::clone(&apart);
                tokio::spawn(async move { apart.verified(Some(KeyKind::P521), || number).await })
            });
            let done: Vec<i32> = futures_util::future::join_all(all).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(done, (0..8).collect::<Vec<_>>());
            assert_eq!((apart.turns.available_permits(), apart.line.available_permits()), (1, 9));
        });
    }

    #[tokio::test]
    async fn where_nobody_else_could_go_on_it_is_done_at_once() {
        assert_eq!(Apart::new(0, 1).verified(Some(KeyKind::P521), || 7).await, 7);
    }
}
