//! An issuer's keys: fetched in the background, kept through outages, asked for again when a token names a new one.
//!
//! What must hold: reviews never wait for a provider that is merely slow, only briefly for keys that may just have been
//! published; only a complete, usable set replaces another, and replaces it whole; a key that the provider withdrew is
//! gone with the next fetch; no flood of tokens makes more than one fetch in `REFETCH_COOL_DOWN`. One task owns the
//! fetching; everyone else reads a snapshot.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::fetcher::Fetcher;
use super::snapshot::{self, Kept};
use super::{Context, KeySettings, SetupError};
use crate::authn::standing::Ground;
use crate::authn::{Cause, Deadline, IssuerName, Standing};
use crate::clock::Clock;
use crate::events::{Event, Events, KeysFetched};
use crate::jose::KeySet;
use crate::outbound::{Fetched, chain};
use crate::providers::Health;

/// The time between two fetches that unknown keys may cause. Long enough that a flood of forged tokens is no load on
/// the provider, short enough that a rotation without overlap is soon over.
const REFETCH_COOL_DOWN: Duration = Duration::from_secs(30);

/// After a failure the next attempt comes after this, doubling with each further one up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// `Cache-Control` can have keys fetched sooner than `refreshInterval` says, but not more often than this.
const REFRESH_AT_LEAST: Duration = Duration::from_secs(60);

/// The key sources that are running, for the next configuration to take over.
#[derive(Default)]
pub struct KeySources(Mutex<Vec<Weak<KeySource>>>);

impl KeySources {
    /// The running source with the same settings, or a new one.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    pub fn take_over_or_start(&self, settings: KeySettings, context: &Context) -> Result<Arc<KeySource>, SetupError> {
        let mut running = lock(&self.0);
        running.retain(|source| source.strong_count() > 0);
        let mut sources = running.iter().filter_map(Weak::upgrade);
        // The newest of them: an older one may be alive for a review that has not ended.
        let before = sources.clone().rfind(|source| source.settings.are_for_the_same_place_as(&settings));
        if let Some(source) = sources.find(|source| source.settings == settings) {
            return Ok(source);
        }
        let source = KeySource::start(settings, context, before.as_deref())?;
        running.push(Arc::downgrade(&source));
        Ok(source)
    }
}

/// The keys of one issuer and the task that keeps them fresh. The task ends when the last user is gone.
pub struct KeySource {
    name: IssuerName,
    settings: KeySettings,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
    ground: Arc<Ground>,
    keys: ArcSwapOption<Keys>,
    confirmed_at: Mutex<Option<Instant>>,
    failing: ArcSwap<Option<String>>,
    rounds: watch::Sender<Rounds>,
    wanted: Arc<Notify>,
    throttle: Mutex<Throttle>,
    task: Mutex<Option<AbortHandle>>,
    kept: watch::Sender<Option<Kept>>,
}

/// A set of keys in force, with its number.
#[derive(Debug)]
pub struct Keys {
    set: KeySet,
    generation: u64,
    document: Bytes,
}

impl Keys {
    /// The keys.
    #[must_use]
    pub fn set(&self) -> &KeySet {
        &self.set
    }
}

/// What asking for newer keys brought.
pub enum Refetch {
    /// A set that is newer than the one that lacked the key.
    Done {
        /// The set in force now.
        keys: Arc<Keys>,
        /// Whether it was fetched after the question arose: if so, a key that is not in it does not exist.
        since_asked: bool,
    },
    /// The last such fetch was too recent, or this one failed or took too long.
    NotNow,
}

/// How many rounds of fetching began and ended, and how the last one did.
#[derive(Clone, Copy, Debug, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    last_succeeded: bool,
}

/// When an unknown key may cause the next fetch.
#[derive(Default)]
struct Throttle {
    /// The number of the round that was asked for and has not ended.
    under_way: Option<u64>,
    not_before: Option<Instant>,
}

impl KeySource {
    /// Takes the last good keys from the source that this one replaces or from the state directory, if there are any,
    /// and begins to fetch.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    fn start(settings: KeySettings, context: &Context, before: Option<&Self>) -> Result<Arc<Self>, SetupError> {
        let fetcher = Fetcher::new(&settings)?;
        let source = Arc::new(Self {
            name: IssuerName::new(&settings.issuer),
            clock: Arc::clone(&context.clock),
            events: Arc::clone(&context.events),
            ground: Ground::new(context.clock.monotonic()),
            keys: ArcSwapOption::empty(),
            confirmed_at: Mutex::new(None),
            failing: ArcSwap::default(),
            rounds: watch::Sender::default(),
            wanted: Arc::default(),
            throttle: Mutex::default(),
            task: Mutex::default(),
            kept: watch::Sender::default(),
            settings,
        });
        if !before.is_some_and(|before| source.inherit(before)) {
            source.restore();
        }
        if let Some(directory) = source.settings.state_directory.clone() {
            let (events, name) = (Arc::clone(&source.events), source.name.clone());
            let report = move |problem: &str| events.record(Event::KeysNotKept { issuer: &name, problem });
            tokio::spawn(snapshot::keep(directory, source.kept.subscribe(), report));
        }
        let task = tokio::spawn(run(Arc::downgrade(&source), Arc::clone(&source.wanted), fetcher));
        *lock(&source.task) = Some(task.abort_handle());
        Ok(source)
    }

    /// What this source was made from.
    #[must_use]
    pub fn settings(&self) -> &KeySettings {
        &self.settings
    }

    /// The keys in force.
    ///
    /// # Errors
    ///
    /// [`Cause::KeysUnavailable`] before the first ones, [`Cause::KeysStale`] beyond `maxStaleness`.
    pub fn current(&self, now: Instant) -> Result<Arc<Keys>, Cause> {
        let keys = self.keys.load_full().ok_or(Cause::KeysUnavailable)?;
        if self.ground.is_good(now) { Ok(keys) } else { Err(Cause::KeysStale) }
    }

    /// Waits for the first round of fetching after the start; `None` when it brings nothing in time, or did before.
    pub async fn first(&self, deadline: Deadline) -> Option<Arc<Keys>> {
        let mut rounds = self.rounds.subscribe();
        deadline.bound(rounds.wait_for(|rounds| rounds.ended > 0)).await?.ok()?;
        self.current(self.clock.monotonic()).ok()
    }

    /// What a verdict on these keys rests on.
    #[must_use]
    pub fn standing(&self, keys: &Keys) -> Standing {
        Standing::on(Arc::clone(&self.ground), keys.generation)
    }

    /// Has the keys fetched once more, because `seen` lacks the key that a token names.
    pub async fn refetch(&self, seen: &Keys, deadline: Deadline) -> Refetch {
        let now = self.clock.monotonic();
        match self.current(now) {
            Ok(keys) if keys.generation != seen.generation => return Refetch::Done { keys, since_asked: false },
            _ => {}
        }
        let mut rounds = self.rounds.subscribe();
        let (round, since_asked) = {
            let mut throttle = lock(&self.throttle);
            let begun = rounds.borrow_and_update().begun;
            match throttle.under_way {
                Some(round) => (round, begun < round),
                None if throttle.not_before.is_some_and(|moment| now < moment) => return Refetch::NotNow,
                None => {
                    throttle.under_way = Some(begun + 1);
                    self.wanted.notify_one();
                    (begun + 1, true)
                }
            }
        };
        let ended = deadline.bound(rounds.wait_for(|rounds| rounds.ended >= round)).await;
        match ended {
            Some(Ok(rounds)) if rounds.last_succeeded => {}
            _ => return Refetch::NotNow,
        }
        match self.current(self.clock.monotonic()) {
            Ok(keys) => Refetch::Done { keys, since_asked },
            Err(_) => Refetch::NotNow,
        }
    }

    /// How the keys are doing.
    #[must_use]
    pub fn health(&self, now: Instant) -> Health {
        Health {
            usable: self.current(now).is_ok(),
            keys: self.keys.load().as_ref().map_or(0, |keys| keys.set.len()),
            age_seconds: lock(&self.confirmed_at).map(|at| now.saturating_duration_since(at).as_secs()),
            remaining_seconds: self.ground.good_for(now).as_secs(),
            failing: Option::clone(&self.failing.load()),
        }
    }

    /// Reads the state directory. What is not fit is reported and left out.
    fn restore(&self) {
        let Some(directory) = &self.settings.state_directory else { return };
        let kept = match Kept::load(directory, &self.settings) {
            Ok(Some(kept)) => kept,
            Ok(None) => return,
            Err(error) => return self.not_kept(&chain(&error)),
        };
        let age = self.clock.now().since(kept.confirmed_at());
        let set = match KeySet::parse(kept.key_set()) {
            Ok(set) if age < self.settings.max_staleness => set,
            Ok(_) => return self.not_kept("the keys in the state directory are older than maxStaleness"),
            Err(error) => return self.not_kept(&chain(&error)),
        };
        self.begin_with(set, Bytes::copy_from_slice(kept.key_set()), age);
    }

    /// Takes over the keys of a source that other settings put an end to. Whether there were any.
    fn inherit(&self, before: &Self) -> bool {
        let now = self.clock.monotonic();
        let Ok(keys) = before.current(now) else { return false };
        let age = before.settings.max_staleness.saturating_sub(before.ground.good_for(now));
        match KeySet::parse(&keys.document) {
            Ok(set) if age < self.settings.max_staleness => self.begin_with(set, keys.document.clone(), age),
            _ => return false,
        }
        true
    }

    /// Begins with keys that were confirmed some time ago.
    fn begin_with(&self, set: KeySet, document: Bytes, age: Duration) {
        let now = self.clock.monotonic();
        self.put_in_force(set, document);
        self.ground.extend_to(now + self.settings.max_staleness.saturating_sub(age));
        *lock(&self.confirmed_at) = now.checked_sub(age).or(Some(now));
    }

    /// One round: fetch, judge the set, put it in force. Returns how long to wait for the next.
    async fn round(&self, fetcher: &mut Fetcher, failures: &mut u32, asked_for: bool) -> Duration {
        self.rounds.send_modify(|rounds| rounds.begun += 1);
        let keys_only = asked_for && self.keys.load().is_some();
        let work = async { self.accept(fetcher.fetch(&self.settings, keys_only).await?) };
        // A fault here must not end the task: nobody would notice before the keys are too old to use.
        let outcome = AssertUnwindSafe(work).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_panic| Err("a fault of countersign; its log says where".to_owned()));
        let pause = match &outcome {
            Ok(max_age) => {
                *failures = 0;
                fetcher.settle();
                self.failing.store(Arc::new(None));
                jittered(refresh_after(*max_age, self.settings.refresh_interval))
            }
            Err(problem) => {
                *failures = failures.saturating_add(1);
                fetcher.forget();
                self.failing.store(Arc::new(Some(problem.clone())));
                self.record(KeysFetched::Failed { problem });
                jittered(retry_after(*failures))
            }
        };
        self.end_round(outcome.is_ok(), asked_for, *failures);
        pause
    }

    fn end_round(&self, succeeded: bool, asked_for: bool, failures: u32) {
        {
            let mut throttle = lock(&self.throttle);
            if asked_for {
                let pause = if succeeded { REFETCH_COOL_DOWN } else { retry_after(failures) };
                *throttle = Throttle { under_way: None, not_before: Some(self.clock.monotonic() + pause) };
            }
        }
        self.rounds.send_modify(|rounds| {
            rounds.ended += 1;
            rounds.last_succeeded = succeeded;
        });
    }

    /// Puts what was fetched in force, if it is fit to use.
    fn accept(&self, fetched: Fetched) -> Result<Option<Duration>, String> {
        let (body, max_age) = match fetched {
            Fetched::NotModified { max_age } => (None, max_age),
            Fetched::Document { body, max_age, .. } => (Some(body), max_age),
        };
        let now = self.clock.monotonic();
        let good_until = now + self.settings.max_staleness;
        let before = self.keys.load_full();
        let changed = match &body {
            Some(body) => {
                let set = KeySet::parse(body).map_err(|error| chain(&error))?;
                if before.is_none() {
                    // Whoever meets the first keys in this instant must not find them too old to use.
                    self.ground.extend_to(good_until);
                }
                self.change(before.as_deref(), set, body)
            }
            None => false,
        };
        self.ground.extend_to(good_until);
        *lock(&self.confirmed_at) = Some(now);
        if !changed {
            self.record(KeysFetched::Unchanged);
        }
        self.keep();
        Ok(max_age)
    }

    fn change(&self, before: Option<&Keys>, set: KeySet, document: &Bytes) -> bool {
        if before.is_some_and(|before| before.set == set) {
            return false;
        }
        let skipped = set.skipped().iter().map(ToString::to_string);
        let mut remarks: Vec<String> = set.alarms().iter().map(ToString::to_string).chain(skipped).collect();
        if let Some(before) = before.filter(|before| set.len() * 2 < before.set.len()) {
            remarks.push(format!("the set shrank from {} keys to {}", before.set.len(), set.len()));
        }
        let keys = set.len();
        self.put_in_force(set, document.clone());
        self.record(KeysFetched::Changed { keys, remarks: &remarks });
        true
    }

    fn put_in_force(&self, set: KeySet, document: Bytes) {
        let generation = self.ground.generation() + 1;
        self.keys.store(Some(Arc::new(Keys { set, generation, document })));
        self.ground.advance_to(generation);
    }

    /// Has the confirmed keys written to the state directory, if there is one.
    fn keep(&self) {
        if let (Some(_), Some(keys)) = (&self.settings.state_directory, self.keys.load_full()) {
            self.kept.send_replace(Some(Kept::new(&self.settings, self.clock.now(), &keys.document)));
        }
    }

    fn record(&self, result: KeysFetched<'_>) {
        self.events.record(Event::KeysFetched { issuer: &self.name, result });
    }

    fn not_kept(&self, problem: &str) {
        self.events.record(Event::KeysNotKept { issuer: &self.name, problem });
    }
}

impl Drop for KeySource {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// The owner task: a round at once, then whenever the pause is over or an unknown key asks for one.
async fn run(source: Weak<KeySource>, wanted: Arc<Notify>, mut fetcher: Fetcher) {
    let (mut pause, mut failures) = (Duration::ZERO, 0);
    loop {
        let asked_for = tokio::time::timeout(pause, wanted.notified()).await.is_ok();
        let Some(source) = source.upgrade() else { return };
        pause = source.round(&mut fetcher, &mut failures, asked_for).await;
    }
}

/// When keys that were just fetched are fetched again: as configured, or sooner if the provider says so.
fn refresh_after(max_age: Option<Duration>, interval: Duration) -> Duration {
    max_age.unwrap_or(interval).clamp(REFRESH_AT_LEAST.min(interval), interval)
}

fn retry_after(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_LAST)
}

/// Up to a fifth less, never more, so that replicas do not ask a provider all at once and limits are kept.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.2 * fraction())
}

/// A random number in 0..1. Without randomness, the middle.
fn fraction() -> f64 {
    let mut bytes = [0_u8; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

/// A panic elsewhere leaves these values whole: each is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clock::SystemClock;
    use crate::dev::issuer::{Issuer, IssuerOptions};

    const INTERVAL: Duration = Duration::from_secs(300);

    #[test]
    fn g3_cache_control_has_keys_fetched_sooner_but_neither_later_nor_all_the_time() {
        let seconds = |max_age: Option<u64>| refresh_after(max_age.map(Duration::from_secs), INTERVAL).as_secs();
        assert_eq!(seconds(None), 300);
        assert_eq!(seconds(Some(120)), 120);
        assert_eq!(seconds(Some(86_400)), 300);
        assert_eq!(seconds(Some(0)), 60);
        let short = Duration::from_secs(10);
        assert_eq!(
            refresh_after(Some(Duration::ZERO), short),
            short,
            "an interval below the minimum is the operator's word"
        );
    }

    #[test]
    fn g1_failures_are_tried_again_soon_at_first_and_at_least_every_half_minute() {
        let pauses: Vec<_> = [1, 2, 3, 5, 6, 1000, u32::MAX].map(|failures| retry_after(failures).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 16, 30, 30, 30]);
    }

    #[test]
    fn g12_pauses_are_spread_below_their_limit() {
        let mut pauses: Vec<_> = (0..200).map(|_| jittered(INTERVAL)).collect();
        assert!(pauses.iter().all(|pause| (INTERVAL.mul_f64(0.8)..=INTERVAL).contains(pause)));
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 100, "replicas that start together drift apart: {}", pauses.len());
    }

    /// A fault in our own code: whoever is told first that there are new keys falls over.
    struct PanicsOnce(AtomicBool);

    impl Events for PanicsOnce {
        fn record(&self, event: Event<'_>) {
            let is_change = matches!(event, Event::KeysFetched { result: KeysFetched::Changed { .. }, .. });
            assert!(!is_change || self.0.swap(true, Ordering::SeqCst), "a planted fault");
        }
    }

    #[tokio::test]
    async fn g14_a_fault_in_one_round_is_a_failed_round_and_not_the_last_one() {
        let issuer = Issuer::start(IssuerOptions::default(), SystemClock.now()).await.unwrap();
        let settings = KeySettings {
            issuer: issuer.url().to_owned(),
            discovery_url: None,
            certificate_authority: Some(issuer.ca_pem().to_owned()),
            refresh_interval: INTERVAL,
            max_staleness: INTERVAL,
            state_directory: None,
            on_behalf_of: None,
        };
        let events = Arc::new(PanicsOnce(AtomicBool::new(false)));
        let context = Context { clock: Arc::new(SystemClock), events, sources: Arc::default() };
        let source = context.sources.take_over_or_start(settings, &context).unwrap();
        let mut rounds = source.rounds.subscribe();
        rounds.wait_for(|rounds| rounds.ended == 1).await.unwrap();
        let failing = source.health(Instant::now()).failing;
        assert_eq!(failing.as_deref(), Some("a fault of countersign; its log says where"));
        rounds.wait_for(|rounds| rounds.ended == 2).await.unwrap();
        let health = source.health(Instant::now());
        assert_eq!((health.usable, health.keys, health.failing), (true, 1, None));
    }
}
