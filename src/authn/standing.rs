//! What a verdict rests on, so that one that is remembered falls as soon as its ground does.
//!
//! A key source owns a [`Ground`] and moves it on whenever its key set changes; a verdict takes a [`Standing`] from
//! the key set it was given with. Cached verdicts are asked on every hit whether they still hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The state of a key source that verdicts depend on: which generation of keys is in force, and until when it may be
/// used without a refresh.
#[derive(Debug)]
pub struct Ground {
    start: Instant,
    generation: AtomicU64,
    good_for_millis: AtomicU64,
}

impl Ground {
    /// Generation zero, good for nothing: there are no keys yet.
    #[must_use]
    pub fn new(now: Instant) -> Arc<Self> {
        Arc::new(Self { start: now, generation: AtomicU64::new(0), good_for_millis: AtomicU64::new(0) })
    }

    /// The generation in force.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the keys may still be used.
    #[must_use]
    pub fn is_good(&self, now: Instant) -> bool {
        self.millis(now) < self.good_for_millis.load(Ordering::Acquire)
    }

    /// How long the keys may still be used without a refresh.
    #[must_use]
    pub fn good_for(&self, now: Instant) -> Duration {
        Duration::from_millis(self.good_for_millis.load(Ordering::Acquire).saturating_sub(self.millis(now)))
    }

    /// Makes every verdict on older generations fall.
    pub fn advance_to(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
    }

    /// Says until when the keys may be used.
    pub fn extend_to(&self, until: Instant) {
        self.good_for_millis.store(self.millis(until), Ordering::Release);
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }
}

/// A verdict's tie to the generation of keys that it was given with; of several key sets, if several had a part in it.
#[derive(Clone, Debug)]
pub struct Standing {
    ground: Arc<Ground>,
    generation: u64,
    also: Option<Arc<Self>>,
}

impl Standing {
    /// On a certain generation, which need not be the newest any more.
    #[must_use]
    pub const fn on(ground: Arc<Ground>, generation: u64) -> Self {
        Self { ground, generation, also: None }
    }

    /// On this and on the other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let also = match self.also {
            Some(also) => Arc::unwrap_or_clone(also).and(other),
            None => other,
        };
        Self { also: Some(Arc::new(also)), ..self }
    }

    /// Whether the verdict may still be used: the same keys are in force and fresh enough.
    #[must_use]
    pub fn holds(&self, now: Instant) -> bool {
        let holds_itself = self.ground.generation() == self.generation && self.ground.is_good(now);
        holds_itself && self.also.as_ref().is_none_or(|also| also.holds(now))
    }
}

/// The same generations of the same key sets.
impl PartialEq for Standing {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.ground, &other.ground) && self.generation == other.generation && self.also == other.also
    }
}

impl Eq for Standing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_a_verdict_falls_with_the_next_generation_of_keys() {
        let now = Instant::now();
        let ground = Ground::new(now);
        ground.extend_to(now + Duration::from_secs(60));
        let standing = Standing::on(Arc::clone(&ground), 0);
        assert!(standing.holds(now));
        ground.advance_to(1);
        assert!(!standing.holds(now));
    }

    #[test]
    fn g3_a_verdict_falls_when_the_keys_are_too_old() {
        let now = Instant::now();
        let ground = Ground::new(now);
        ground.extend_to(now + Duration::from_secs(60));
        let standing = Standing::on(Arc::clone(&ground), 0);
        assert!(standing.holds(now + Duration::from_secs(59)));
        assert!(!standing.holds(now + Duration::from_secs(60)));
    }

    #[test]
    fn f5_a_verdict_on_several_key_sets_falls_with_the_first_of_them() {
        let now = Instant::now();
        let grounds: Vec<_> = (1..=3)
            .map(|minutes| {
                let ground = Ground::new(now);
                ground.extend_to(now + Duration::from_secs(60 * minutes));
                ground
            })
            .collect();
        let standing =
            || grounds.iter().map(|ground| Standing::on(Arc::clone(ground), 0)).reduce(Standing::and).unwrap();
        assert!(standing().holds(now));
        assert!(!standing().holds(now + Duration::from_secs(60)));
        for (position, ground) in grounds.iter().enumerate() {
            let standing = standing();
            ground.advance_to(1);
            assert!(!standing.holds(now), "{position}");
            ground.advance_to(0);
        }
    }

    #[test]
    fn nothing_stands_on_a_ground_that_never_had_keys() {
        let now = Instant::now();
        assert!(!Standing::on(Ground::new(now), 0).holds(now));
    }
}
