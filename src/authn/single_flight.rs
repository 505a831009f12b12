//! One piece of work for any number of callers that want the same thing at the same time.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// Flights by key. Whoever waits polls the shared work, so that a leader that goes away takes nothing with it; when
/// nobody waits any more the work is dropped.
pub(super) struct SingleFlight<K, T: Clone, S = RandomState> {
    flights: Arc<Flights<K, T, S>>,
}

type Flights<K, T, S> = Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>, S>>;

impl<K, T: Clone, S: Default> Default for SingleFlight<K, T, S> {
    fn default() -> Self {
        Self { flights: Arc::default() }
    }
}

impl<K, T, S> SingleFlight<K, T, S>
where
    K: Copy + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
    S: BuildHasher + Send + 'static,
{
    /// The flight under way for this key, or a new one made of `start`.
    pub(super) fn join(&self, key: K, start: impl FnOnce() -> BoxFuture<'static, T>) -> Shared<BoxFuture<'static, T>> {
        let mut flights = lock(&self.flights);
        if let Some(flight) = flights.get(&key).and_then(WeakShared::upgrade) {
            return flight;
        }
        let landing = Landing { key, flights: Arc::clone(&self.flights) };
        let work = start();
        let flight = async move {
            let _landing = landing;
            work.await
        }
        .boxed()
        .shared();
        if let Some(weak) = flight.downgrade() {
            flights.insert(key, weak);
        }
        flight
    }
}

/// Takes a flight off the board when its work has ended, by whatever way.
struct Landing<K: Copy + Eq + Hash, T: Clone, S: BuildHasher> {
    key: K,
    flights: Arc<Flights<K, T, S>>,
}

impl<K: Copy + Eq + Hash, T: Clone, S: BuildHasher> Drop for Landing<K, T, S> {
    fn drop(&mut self) {
        lock(&self.flights).remove(&self.key);
    }
}

/// A panic elsewhere leaves the map whole: every change to it is a single call.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    fn counted(started: &Arc<AtomicUsize>, gate: &Arc<Notify>) -> BoxFuture<'static, usize> {
        let (started, gate) = (Arc::clone(started), Arc::clone(gate));
        async move {
            let number = started.fetch_add(1, Ordering::SeqCst) + 1;
            gate.notified().await;
            number
        }
        .boxed()
    }

    #[tokio::test]
    async fn f12_callers_of_the_same_key_share_one_piece_of_work() {
        let (started, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let flights = SingleFlight::<_, _>::default();
        let all: Vec<_> = (0..64).map(|_| flights.join(1, || counted(&started, &gate))).collect();
        gate.notify_one();
        assert_eq!(futures_util::future::join_all(all).await, vec![1; 64]);
        assert!(lock(&flights.flights).is_empty());
    }

    #[tokio::test]
    async fn f12_a_leader_that_goes_away_takes_nothing_with_it() {
        let (started, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let flights = SingleFlight::<_, _>::default();
        let mut leader = flights.join(1, || counted(&started, &gate));
        assert!(futures_util::poll!(&mut leader).is_pending());
        let follower = flights.join(1, || counted(&started, &gate));
        drop(leader);
        gate.notify_one();
        assert_eq!(follower.await, 1);
    }

    #[tokio::test]
    async fn j9_work_that_nobody_waits_for_leaves_nothing_behind() {
        let (started, gate) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let flights = SingleFlight::<_, _>::default();
        let mut only = flights.join(1, || counted(&started, &gate));
        assert!(futures_util::poll!(&mut only).is_pending());
        drop(only);
        assert!(lock(&flights.flights).is_empty());
    }
}
