//! OpenID Connect providers: signed tokens, judged with keys found by discovery.
//!
//! [`mod@judge`] holds the order of the checks and is pure; [`keys`] owns the keys and everything that takes time. This
//! file joins them: judge; when the token's key is not in the set, have the set fetched once more, briefly and not too
//! often, and judge again.

pub mod discovery;
mod fetcher;
pub mod judge;
pub mod keys;
mod rules;
mod snapshot;
mod times;
pub mod trail;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use judge::{Policy, Refusal, TokenProfile, issuer_claim_matches, judge};
pub use keys::{KeySource, KeySources};
use keys::{Keys, Refetch};
pub use trail::{Facts, NoTrail, Outcome, Step, Trail};

use super::{Explained, ExplainedStep, Health, StepOutcome, Verified, Verifier};
use crate::authn::{Cause, Deadline, IssuerName, Reason};
use crate::clock::{Clock, UnixTime};
use crate::events::{Event, Events};
use crate::jose::UnverifiedToken;
use crate::outbound::OutboundError;

/// How long a review waits for keys: for the first ones after a start, and for a fetch that an unknown key caused.
const KEY_WAIT: Duration = Duration::from_secs(2);

/// The one `iss` that stands for another than itself; [`issuer_claim_matches`] says for which.
const GOOGLE_ALIAS: &str = "accounts.google.com";

/// Everything that defines an OpenID Connect issuer.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// What its tokens must be like.
    pub policy: Policy,
    /// Where its keys are and how they are kept.
    pub keys: KeySettings,
}

/// Where an issuer's keys are and how they are kept. Issuers with equal settings share nothing, but a new configuration
/// takes over the key source of an issuer whose settings it leaves alone, and the keys of one that it will ask in the
/// same place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySettings {
    /// The issuer's URL, as in `iss` and in the discovery document.
    pub issuer: String,
    /// Where the discovery document is, if not below the issuer.
    pub discovery_url: Option<String>,
    /// The certificate authority to trust for it, in PEM; the system's roots without one.
    pub certificate_authority: Option<String>,
    /// The longest time between two fetches while all is well.
    pub refresh_interval: Duration,
    /// How long keys may be used without a successful fetch.
    pub max_staleness: Duration,
    /// Where the last good keys are kept across restarts, if anywhere.
    pub state_directory: Option<PathBuf>,
}

impl KeySettings {
    /// Whether keys that were fetched under the other settings would be fetched under these: from the same issuer, by
    /// the same way, trusting the same authorities.
    fn are_for_the_same_place_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer
            && self.discovery_url == other.discovery_url
            && self.certificate_authority == other.certificate_authority
    }
}

/// What a verifier needs from its surroundings.
#[derive(Clone)]
pub struct Context {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who hears of refreshes and failures.
    pub events: Arc<dyn Events>,
    /// The key sources that are running, so that a new configuration takes over those whose settings it leaves alone.
    pub sources: Arc<KeySources>,
}

/// Why an issuer cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("setting up the issuer {issuer}")]
pub struct BuildError {
    /// Which issuer.
    pub issuer: String,
    /// What is wrong.
    #[source]
    pub cause: Box<SetupError>,
}

/// What can be wrong with an issuer's settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The HTTPS client cannot be made.
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    /// The discovery address is not a URL.
    #[error("the discovery address is not a URL")]
    Url(#[from] url::ParseError),
}

/// One OpenID Connect issuer.
pub struct Oidc {
    name: IssuerName,
    policy: Policy,
    keys: Arc<KeySource>,
    clock: Arc<dyn Clock>,
    events: Arc<dyn Events>,
}

impl Oidc {
    /// Sets the issuer up and begins to fetch its keys in the background.
    ///
    /// # Errors
    ///
    /// When the settings cannot work. Never because the provider is unreachable.
    pub fn start(settings: Settings, context: &Context) -> Result<Self, BuildError> {
        let Settings { policy, keys } = settings;
        let keys = context
            .sources
            .take_over_or_start(keys, context)
            .map_err(|cause| BuildError { issuer: policy.issuer.clone(), cause: Box::new(cause) })?;
        let name = IssuerName::new(&policy.issuer);
        let (clock, events) = (Arc::clone(&context.clock), Arc::clone(&context.events));
        Ok(Self { name, policy, keys, clock, events })
    }

    /// Where the keys come from.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeySource> {
        &self.keys
    }

    /// What tokens must be like.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    async fn verify_timed(
        &self,
        token: UnverifiedToken<'_>,
        now: UnixTime,
        deadline: Deadline,
        verification: &mut Duration,
    ) -> Verified {
        let mut judge = |token, keys: &Keys, now| {
            let started = self.clock.monotonic();
            let judged = self.judge(token, keys, now, &mut NoTrail);
            *verification += self.clock.monotonic().saturating_duration_since(started);
            judged
        };
        let keys = match self.keys.current(self.clock.monotonic()) {
            Ok(keys) => keys,
            Err(Cause::KeysUnavailable) => match self.keys.first(deadline).await {
                Some(keys) => keys,
                None => return Verified::Unavailable(Cause::KeysUnavailable),
            },
            Err(cause) => return Verified::Unavailable(cause),
        };
        let token = match judge(token, &keys, now) {
            Ok(verified) => return verified,
            Err(token) => token,
        };
        match self.keys.refetch(&keys, deadline).await {
            Refetch::Done { keys, since_asked } => match judge(*token, &keys, self.clock.now()) {
                Ok(verified) => verified,
                Err(_) if since_asked => Verified::Reject(Reason::UnknownKey, Some(self.keys.standing(&keys))),
                Err(_) => Verified::Unavailable(Cause::KeysUnknown),
            },
            Refetch::NotNow => Verified::Unavailable(Cause::KeysUnknown),
        }
    }

    /// Judges with these keys; the token comes back when they lack its key.
    fn judge<'t>(
        &self,
        token: UnverifiedToken<'t>,
        keys: &Keys,
        now: UnixTime,
        trail: &mut impl Trail,
    ) -> Result<Verified, Box<UnverifiedToken<'t>>> {
        let standing = self.keys.standing(keys);
        match judge(token, keys.set(), &self.policy, now, trail) {
            Ok(claims) => Ok(Verified::Claims(claims, standing)),
            Err(Refusal::Reject(reason)) => Ok(Verified::Reject(reason, Some(standing))),
            Err(Refusal::Undecided(cause)) => Ok(Verified::Unavailable(cause)),
            Err(Refusal::KeyNotInSet(token)) => Err(token),
        }
    }
}

#[async_trait]
impl Verifier for Oidc {
    fn claimed_names(&self) -> Vec<String> {
        let alias = Some(GOOGLE_ALIAS).filter(|alias| issuer_claim_matches(&self.policy.issuer, alias));
        std::iter::once(self.policy.issuer.as_str()).chain(alias).map(str::to_owned).collect()
    }

    async fn verify(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Verified {
        let started = self.clock.monotonic();
        let mut verification = Duration::ZERO;
        let verified = self.verify_timed(token, now, deadline.at_most(KEY_WAIT), &mut verification).await;
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        let key_lookup = elapsed.saturating_sub(verification);
        self.events.record(Event::Judged { issuer: &self.name, key_lookup, verification });
        verified
    }

    async fn explain(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Explained {
        let keys = match self.keys.current(self.clock.monotonic()) {
            Err(Cause::KeysUnavailable) => self.keys.first(deadline).await.ok_or(Cause::KeysUnavailable),
            known => known,
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(cause) => {
                let facts = self.health().failing.unwrap_or_else(|| "the issuer's keys are not known".to_owned());
                let steps = vec![ExplainedStep { name: "keys", outcome: StepOutcome::Undecided(cause), facts }];
                return Explained { steps, verified: Verified::Unavailable(cause) };
            }
        };
        let mut record = Record::default();
        let verified = match self.judge(token, &keys, now, &mut record) {
            Ok(verified) => verified,
            Err(_) => Verified::Reject(Reason::UnknownKey, Some(self.keys.standing(&keys))),
        };
        Explained { steps: record.0, verified }
    }

    fn health(&self) -> Health {
        self.keys.health(self.clock.monotonic())
    }
}

/// Writes a judgement's steps down.
#[derive(Default)]
struct Record(Vec<ExplainedStep>);

impl Trail for Record {
    fn step(&mut self, facts: Facts<'_>, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Passed => StepOutcome::Passed,
            Outcome::KeyNotInSet => StepOutcome::Rejected(Reason::UnknownKey),
            Outcome::Rejected(reason) => StepOutcome::Rejected(reason),
            Outcome::Undecided(cause) => StepOutcome::Undecided(cause),
        };
        self.0.push(ExplainedStep { name: facts.step().name(), outcome, facts: facts.to_string() });
    }
}
