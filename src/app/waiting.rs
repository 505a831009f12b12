//! Which issuers a changed configuration still waits for.
//!
//! A change is in force at once, for all that it takes away and for all that it can judge: an issuer that is new has no
//! keys yet, so its tokens are a cannot-tell, and one whose keys are to come from another place goes on with those that it
//! has. What is waited for here is only when the change is complete, so that operators can see it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::authn::issuer::Issuer;
use crate::config::{self, Config};

/// Issuers of the configuration in force that have no keys of their own yet since they were added or moved.
pub(super) struct Waiting {
    issuers: Vec<Arc<Issuer>>,
    until: Instant,
}

/// How a change that was waited for ended.
pub(super) enum Ended {
    /// Every issuer has its keys.
    Complete,
    /// The grace is over, and these have none, for these reasons.
    Overdue(Vec<String>),
}

impl Waiting {
    /// What a change waits for: issuers that it adds or moves, and those that were waited for before. `None` when nothing is.
    pub(super) fn after(
        before: &Config,
        earlier: Option<Self>,
        config: &Config,
        issuers: &[Arc<Issuer>],
        now: Instant,
    ) -> Option<Self> {
        let is_as_before = |issuer: &config::Issuer| before.issuers.iter().any(|other| is_same_place(issuer, other));
        let was_awaited = |name: &str| {
            earlier.iter().flat_map(|earlier| &earlier.issuers).any(|issuer| issuer.name().as_str() == name)
        };
        let is_awaited = |issuer: &&Arc<Issuer>| {
            let name = issuer.name().as_str();
            let settings = config.issuers.iter().find(|settings| settings.url == name);
            (was_awaited(name) || !settings.is_some_and(is_as_before)) && !issuer.verifier().health().is_settled()
        };
        let issuers: Vec<_> = issuers.iter().filter(is_awaited).cloned().collect();
        let is_waiting = !issuers.is_empty() && !config.reload.grace.is_zero();
        is_waiting.then(|| Self { issuers, until: now + config.reload.grace })
    }

    /// Whether it is over, and how.
    pub(super) fn ended(&mut self, now: Instant) -> Option<Ended> {
        self.issuers.retain(|issuer| !issuer.verifier().health().is_settled());
        match (self.issuers.is_empty(), now >= self.until) {
            (true, _) => Some(Ended::Complete),
            (false, true) => Some(Ended::Overdue(self.reasons())),
            (false, false) => None,
        }
    }

    /// For how long it goes on at most.
    pub(super) fn remaining(&self, now: Instant) -> Duration {
        self.until.saturating_duration_since(now)
    }

    /// Who is waited for, and why.
    pub(super) fn reasons(&self) -> Vec<String> {
        let reason = |issuer: &Arc<Issuer>| {
            let failing = issuer.verifier().health().failing;
            let why = failing.as_deref().unwrap_or("the first fetch of its keys is under way");
            format!("{}: {why}", issuer.name())
        };
        self.issuers.iter().map(reason).collect()
    }
}

/// Whether keys come from where they came from.
fn is_same_place(one: &config::Issuer, other: &config::Issuer) -> bool {
    one.url == other.url
        && one.discovery_url == other.discovery_url
        && one.certificate_authority == other.certificate_authority
        && one.proxy == other.proxy
}
