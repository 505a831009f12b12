//! Remembers verdicts, so that a burst of calls with one token costs one verification.
//!
//! What must hold: an entry never outlives the token's `exp`, the keys it rests on, or the configuration (the cache is
//! made with it and dropped with it). "Cannot tell" is never remembered: an outage must not turn into a refusal.
//! Refusals have a small cache of their own, so that junk pushes out nothing; those that cost no signature are not kept
//! at all. The token itself is not kept: the key is its HMAC under a random key that lives as long as the cache.
//!
//! Every entry is judged again on each hit. moka's own expiry only frees memory, because it is lazy, and a fill that is
//! under way can land after an invalidation; nothing here depends on either.
//!
//! Called by [`Authn`](super::Authn); on a miss, calls [`Router`](super::router::Router).

use std::future::poll_fn;
use std::hash::{BuildHasherDefault, Hasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use moka::notification::RemovalCause;
use moka::sync::Cache as Store;

use super::single_flight::SingleFlight;
use super::{Accepted, Authenticator, Cause, Deadline, Decision, Reason, Rejected, Unavailable};
use crate::clock::{Clock, UnixTime};
use crate::token::BearerToken;

/// How large the cache may grow and how long it may remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of accepted entries, bookkeeping included.
    pub max_size: u64,
    /// How long a good token is remembered; its `exp` may end it sooner.
    pub accept_ttl: Duration,
    /// How long a refusal is remembered.
    pub reject_ttl: Duration,
}

/// Refusals get this part of the size that accepted entries get: enough to absorb a client that repeats itself.
const REFUSALS_SHARE: u64 = 8;

/// What an entry costs beside its strings: moka's nodes, the key, the structures. Measured over a million entries.
const ENTRY_OVERHEAD: u64 = 360;

/// A wall clock that was set by more than this since a verdict makes it be judged again: back, because of `exp`; forward,
/// so that what was refused while the clock was wrong is not refused after it was put right.
const CLOCK_STEP: Duration = Duration::from_secs(5);

/// The longest that one verification may run, whoever waits for it. Longer than any wait within.
const LOOKUP_BUDGET: Duration = Duration::from_secs(10);

/// Running totals, shared by successive caches so that they never go back.
#[derive(Debug, Default)]
pub struct Totals {
    hits: AtomicU64,
    misses: AtomicU64,
    evictions: AtomicU64,
}

impl Totals {
    /// Reviews answered from memory.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::Relaxed)
    }

    /// Reviews that were not.
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.misses.load(Ordering::Relaxed)
    }

    /// Entries pushed out because the cache was full.
    #[must_use]
    pub fn evictions(&self) -> u64 {
        self.evictions.load(Ordering::Relaxed)
    }
}

/// The caching step in front of another authenticator.
pub struct Cache<A> {
    inner: Arc<A>,
    memory: Arc<Memory>,
    flights: SingleFlight<Digest, Decision, ByDigest>,
}

impl<A: Authenticator> Cache<A> {
    /// An empty cache under a fresh random key.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn new(
        inner: A,
        limits: Limits,
        clock: Arc<dyn Clock>,
        totals: Arc<Totals>,
    ) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let memory = Arc::new(Memory::new(limits, clock, totals)?);
        Ok(Self { inner: Arc::new(inner), memory, flights: SingleFlight::default() })
    }

    /// The step behind the cache.
    #[must_use]
    pub fn inner(&self) -> &A {
        &self.inner
    }

    /// Entries and bytes that are held now, as (accepted entries, refused entries, bytes).
    #[must_use]
    pub fn size(&self) -> (u64, u64, u64) {
        let Memory { accepted, refused, .. } = &*self.memory;
        (accepted.entry_count(), refused.entry_count(), accepted.weighted_size() + refused.weighted_size())
    }

    fn lookup(&self, token: BearerToken, digest: Digest) -> BoxFuture<'static, Decision> {
        let (inner, memory) = (Arc::clone(&self.inner), Arc::clone(&self.memory));
        async move {
            let work = AssertUnwindSafe(inner.authenticate(&token, Deadline::within(LOOKUP_BUDGET)));
            match work.catch_unwind().await {
                Ok(decision) => {
                    memory.remember(digest, &decision);
                    decision
                }
                Err(_panic) => Decision::Unavailable(Unavailable { cause: Cause::Internal, issuer: None }),
            }
        }
        .boxed()
    }
}

impl<A: Authenticator> Authenticator for Cache<A> {
    async fn authenticate(&self, token: &BearerToken, deadline: Deadline) -> Decision {
        if token.is_oversized() {
            // Whatever it says. Its digest alone would cost more than all else.
            self.memory.totals.misses.fetch_add(1, Ordering::Relaxed);
            return Decision::Reject(Rejected::unclaimed(Reason::Oversized));
        }
        let digest = self.memory.digest(token);
        if let Some(decision) = self.memory.recall(&digest) {
            self.memory.totals.hits.fetch_add(1, Ordering::Relaxed);
            return decision;
        }
        self.memory.totals.misses.fetch_add(1, Ordering::Relaxed);
        let flight = self.flights.join(digest, || self.lookup(token.clone(), digest));
        let flight = async {
            // It may take long from here on, whoever of those that ask the same does it: not in the task of a connection, whose
            // other requests would wait for it.
            requeued().await;
            flight.await
        };
        deadline
            .bound(flight)
            .await
            .unwrap_or(Decision::Unavailable(Unavailable { cause: Cause::Deadline, issuer: None }))
    }
}

/// Pending once. Unlike tokio's own, it waits for nobody but those that are ready now, or busy workers would never come to it.
async fn requeued() {
    let mut has_waited = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// 192 of the HMAC's 256 bits (RFC 2104, section 5): no two tokens will ever share them, and an entry is a size class smaller.
type Digest = [u8; 24];

/// Makes a hash of a [`Digest`] by taking a part of it: it is one already, under a key that nobody outside knows.
#[derive(Clone, Default)]
pub(super) struct DigestHasher(u64);

pub(super) type ByDigest = BuildHasherDefault<DigestHasher>;

impl Hasher for DigestHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().map_or(self.0, |part| u64::from_ne_bytes(*part));
    }

    fn write_usize(&mut self, _length: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The two stores and the rule for what may come out of them.
struct Memory {
    key: hmac::Key,
    accepted: Store<Digest, Entry<Accepted>, ByDigest>,
    refused: Store<Digest, Entry<Rejected>, ByDigest>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    epoch: Epoch,
    totals: Arc<Totals>,
}

#[derive(Clone)]
struct Entry<T> {
    verdict: T,
    judged_at: WallTime,
    good_until: Ticks,
}

/// When the cache was made. Entries have their times from then on, in half the room.
#[derive(Clone, Copy)]
struct Epoch {
    wall: UnixTime,
    monotonic: Instant,
}

/// Seconds since the cache was made, by the wall clock, which may have been set back since.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct WallTime(i32);

/// Tenths of a second since the cache was made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ticks(u32);

impl Epoch {
    fn wall_time(self, moment: UnixTime) -> WallTime {
        let seconds = |time: UnixTime| i64::try_from(time.seconds()).unwrap_or(i64::MAX);
        let passed = seconds(moment).saturating_sub(seconds(self.wall));
        WallTime(i32::try_from(passed).unwrap_or(if passed < 0 { i32::MIN } else { i32::MAX }))
    }

    /// Rounded down, on both sides of a comparison: an entry may end a tick early, and never late.
    fn ticks(self, moment: Instant) -> Ticks {
        let passed = moment.saturating_duration_since(self.monotonic).as_millis() / 100;
        Ticks(u32::try_from(passed).unwrap_or(u32::MAX))
    }
}

impl WallTime {
    const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(if span.as_secs() > u32::MAX as u64 {
            u32::MAX
        } else {
            span.as_secs() as u32
        }))
    }
}

impl Memory {
    fn new(limits: Limits, clock: Arc<dyn Clock>, totals: Arc<Totals>) -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut secret = zeroize::Zeroizing::new([0_u8; 32]);
        aws_lc_rs::rand::fill(secret.as_mut_slice())?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice());
        let counter = Arc::clone(&totals);
        let accepted = Store::builder()
            .max_capacity(limits.max_size)
            .weigher(|_, entry: &Entry<Accepted>| u32::try_from(entry.verdict.weight()).unwrap_or(u32::MAX))
            .time_to_live(limits.accept_ttl)
            .eviction_listener(move |_, _, cause| {
                if cause == RemovalCause::Size {
                    counter.evictions.fetch_add(1, Ordering::Relaxed);
                }
            })
            .build_with_hasher(ByDigest::default());
        let refused = Store::builder()
            .max_capacity(limits.max_size / REFUSALS_SHARE)
            .weigher(|_, _: &Entry<Rejected>| u32::try_from(ENTRY_OVERHEAD).unwrap_or(u32::MAX))
            .time_to_live(limits.reject_ttl)
            .build_with_hasher(ByDigest::default());
        let epoch = Epoch { wall: clock.now(), monotonic: clock.monotonic() };
        Ok(Self { key, accepted, refused, limits, clock, epoch, totals })
    }

    fn digest(&self, token: &BearerToken) -> Digest {
        let tag = hmac::sign(&self.key, token.expose_secret().as_bytes());
        *tag.as_ref().first_chunk().expect("the tag of SHA-256 is 32 bytes long")
    }

    fn recall(&self, digest: &Digest) -> Option<Decision> {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        if let Some(entry) = self.accepted.get(digest) {
            let accepted = &entry.verdict;
            let is_current = entry.is_current(self.epoch, now, monotonic);
            if is_current && now < accepted.not_after && accepted.basis.standing.holds(monotonic) {
                return Some(Decision::Accept(entry.verdict));
            }
        }
        let entry = self.refused.get(digest)?;
        let holds = entry.verdict.standing.as_ref().is_some_and(|standing| standing.holds(monotonic));
        let is_recent = self.epoch.wall_time(now) <= entry.judged_at.plus(self.limits.reject_ttl).plus(CLOCK_STEP);
        (entry.is_current(self.epoch, now, monotonic) && is_recent && holds).then_some(Decision::Reject(entry.verdict))
    }

    fn remember(&self, digest: Digest, decision: &Decision) {
        let (now, monotonic) = (self.clock.now(), self.clock.monotonic());
        let judged_at = self.epoch.wall_time(now);
        match decision {
            Decision::Accept(accepted) => {
                let ttl = self.limits.accept_ttl.min(accepted.not_after.since(now));
                if !ttl.is_zero() {
                    let good_until = self.epoch.ticks(monotonic + ttl);
                    let entry = Entry { verdict: accepted.clone(), judged_at, good_until };
                    self.accepted.insert(digest, entry);
                }
            }
            Decision::Reject(rejected) if rejected.standing.is_some() && !rejected.reason.passes_with_time() => {
                let good_until = self.epoch.ticks(monotonic + self.limits.reject_ttl);
                self.refused.insert(digest, Entry { verdict: rejected.clone(), judged_at, good_until });
            }
            Decision::NotMine | Decision::Reject(_) | Decision::Unavailable(_) => {}
        }
    }
}

impl<T> Entry<T> {
    fn is_current(&self, epoch: Epoch, now: UnixTime, monotonic: Instant) -> bool {
        epoch.ticks(monotonic) < self.good_until && epoch.wall_time(now).plus(CLOCK_STEP) >= self.judged_at
    }
}

impl Accepted {
    /// About how many bytes an entry for this verdict takes.
    fn weight(&self) -> u64 {
        ENTRY_OVERHEAD + u64::try_from(self.user.bytes()).unwrap_or(u64::MAX / 2)
    }
}

#[cfg(test)]
mod tests;
