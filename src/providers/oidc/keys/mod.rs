//! An issuer's keys: fetched in the background, kept through outages, asked for again when a token names a new one.
//!
//! What must hold: reviews never wait for a provider that is merely slow, only briefly for keys that may just have been
//! published; only a complete, usable set replaces another, and replaces it whole; a key that the provider withdrew is
//! gone with the next fetch; no flood of tokens makes more than one fetch in `REFETCH_COOL_DOWN`. One task owns the
//! fetching; everyone else reads a snapshot.
//!
//! A source that takes the place of one that asked elsewhere may begin with that one's keys, on loan: until it has its
//! own, and for no longer than the operator's grace. Nothing is fetched from where they came from any more.

mod pace;
mod sources;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

pub use self::sources::KeySources;
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

/// The keys of one issuer and the task that keeps them fresh. The task ends when the last user is gone.
pub struct KeySource {
    name: IssuerName,
    settings: KeySettings,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
    ground: Arc<Ground>,
    keys: ArcSwapOption<Keys>,
    confirmed_at: Mutex<Option<Instant>>,
    loan: Mutex<Option<Loan>>,
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

/// Where keys on loan came from, so that they can go back there.
#[derive(Clone)]
struct Loan {
    from: KeySettings,
    /// How long they would have been good there.
    good_until: Instant,
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
    /// Begins with the last good keys, if there are any: from the source that this one replaces, from the state directory,
    /// or on loan from a source that asks elsewhere for the same issuer's. Then begins to fetch.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    fn start(
        settings: KeySettings,
        context: &Context,
        before: Option<&Self>,
        lender: Option<&Self>,
    ) -> Result<Arc<Self>, SetupError> {
        let fetcher = Fetcher::new(&settings)?;
        let source = Arc::new(Self {
            name: settings.name(),
            clock: Arc::clone(&context.clock),
            events: Arc::clone(&context.events),
            ground: Ground::new(context.clock.monotonic()),
            keys: ArcSwapOption::empty(),
            confirmed_at: Mutex::new(None),
            loan: Mutex::default(),
            failing: ArcSwap::default(),
            rounds: watch::Sender::default(),
            wanted: Arc::default(),
            throttle: Mutex::default(),
            task: Mutex::default(),
            kept: watch::Sender::default(),
            settings,
        });
        let has_own = before.is_some_and(|before| source.inherit(before)) || source.restore();
        if let Some(lender) = lender.filter(|_| !has_own) {
            source.borrow(lender, context.grace);
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

    /// Whether keys that this source has came from where these settings lead.
    fn has_keys_of_the_place(&self, settings: &KeySettings) -> bool {
        let place = lock(&self.loan).as_ref().map_or_else(|| self.settings.clone(), |loan| loan.from.clone());
        place.are_for_the_same_place_as(settings)
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
        match self.ground.is_good(now) {
            true => Ok(keys),
            false if self.is_on_loan() => Err(Cause::KeysUnavailable),
            false => Err(Cause::KeysStale),
        }
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
            borrowed: self.is_on_loan(),
            failing: Option::clone(&self.failing.load()),
        }
    }

    /// Reads the state directory; whether there were keys. What is not fit is reported and left out.
    fn restore(&self) -> bool {
        let Some(directory) = &self.settings.state_directory else { return false };
        let kept = match Kept::load(directory, &self.settings) {
            Ok(Some(kept)) => kept,
            Ok(None) => return false,
            Err(error) => return self.not_kept(&chain(&error)),
        };
        let age = self.clock.now().since(kept.confirmed_at());
        let set = match KeySet::parse(kept.key_set()) {
            Ok(set) if age < self.settings.max_staleness => set,
            Ok(_) => return self.not_kept("the keys in the state directory are older than maxStaleness"),
            Err(error) => return self.not_kept(&chain(&error)),
        };
        self.begin_with(set, Bytes::copy_from_slice(kept.key_set()), age);
        true
    }

    /// Takes over the keys of a source that other settings put an end to, if they came from where these lead. Whether there
    /// were any.
    fn inherit(&self, before: &Self) -> bool {
        let Some((keys, origin, age)) = before.to_hand_over(&self.settings) else { return false };
        if !origin.from.are_for_the_same_place_as(&self.settings) {
            return false;
        }
        let Ok(set) = KeySet::parse(&keys.document) else { return false };
        self.begin_with(set, keys.document.clone(), age);
        true
    }

    /// Takes the keys of a source that asks elsewhere, for a while.
    fn borrow(&self, lender: &Self, grace: Duration) {
        let Some((keys, origin, _)) = lender.to_hand_over(&self.settings) else { return };
        if origin.from.are_for_the_same_place_as(&self.settings) {
            return;
        }
        let Ok(set) = KeySet::parse(&keys.document) else { return };
        let now = self.clock.monotonic();
        *lock(&self.loan) = Some(origin);
        self.put_in_force(set, keys.document.clone());
        // What was lent once is not lent for longer by being lent again.
        self.ground.extend_to(now + grace.min(lender.ground.good_for(now)));
    }

    /// The keys in force, where they came from, and how old they are; nothing if they are too old for the settings.
    fn to_hand_over(&self, settings: &KeySettings) -> Option<(Arc<Keys>, Loan, Duration)> {
        let now = self.clock.monotonic();
        let keys = self.current(now).ok()?;
        let own = || Loan { from: self.settings.clone(), good_until: now + self.ground.good_for(now) };
        let origin = lock(&self.loan).clone().unwrap_or_else(own);
        let age = origin.from.max_staleness.saturating_sub(origin.good_until.saturating_duration_since(now));
        (age < settings.max_staleness).then_some((keys, origin, age))
    }

    fn is_on_loan(&self) -> bool {
        lock(&self.loan).is_some()
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
                pace::jittered(pace::refresh_after(*max_age, self.settings.refresh_interval))
            }
            Err(problem) => {
                *failures = failures.saturating_add(1);
                fetcher.forget();
                self.failing.store(Arc::new(Some(problem.clone())));
                self.record(KeysFetched::Failed { problem });
                pace::jittered(pace::retry_after(*failures))
            }
        };
        self.end_round(outcome.is_ok(), asked_for, *failures);
        pause
    }

    fn end_round(&self, succeeded: bool, asked_for: bool, failures: u32) {
        {
            let mut throttle = lock(&self.throttle);
            if asked_for {
                let pause = if succeeded { REFETCH_COOL_DOWN } else { pace::retry_after(failures) };
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
        *lock(&self.loan) = None;
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

    fn not_kept(&self, problem: &str) -> bool {
        self.events.record(Event::KeysNotKept { issuer: &self.name, problem });
        false
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
            proxy: None,
        };
        let events = Arc::new(PanicsOnce(AtomicBool::new(false)));
        let context = Context { clock: Arc::new(SystemClock), events, sources: Arc::default(), grace: Duration::ZERO };
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
