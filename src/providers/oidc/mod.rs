//! OpenID Connect providers: signed tokens, judged with keys found by discovery.
//!
//! [`mod@judge`] holds the order of the checks and is pure; [`keys`] owns the keys and everything that takes time. This
//! file joins them. `signer` judges, and when the token's key is not in the set, has the set fetched once more, briefly
//! and not too often, and judges again. [`distributed`] gets groups that the token says are elsewhere.

pub mod discovery;
pub mod distributed;
mod fetcher;
pub mod judge;
pub mod keys;
mod rules;
mod signer;
mod snapshot;
mod times;
pub mod trail;
mod turns;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use judge::{Policy, Refusal, TokenProfile, issuer_claim_matches, judge};
pub use keys::{KeySource, KeySources};
pub use trail::{Facts, NoTrail, Outcome, Step, Trail};

use self::distributed::Distributed;
use self::signer::{Signer, Spent};
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
    /// The claim that may be elsewhere than in the token, and where; `None` when no claim is looked for.
    pub distributed: Option<distributed::Settings>,
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
    /// The proxy that everything is fetched through; the environment's without one.
    pub proxy: Option<String>,
    /// The longest time between two fetches while all is well.
    pub refresh_interval: Duration,
    /// How long keys may be used without a successful fetch.
    pub max_staleness: Duration,
    /// Where the last good keys are kept across restarts, if anywhere.
    pub state_directory: Option<PathBuf>,
    /// The issuer on whose behalf they are fetched, when they are to verify claims that its tokens say are elsewhere:
    /// whom that issuer's settings trust has no part in how this issuer's own tokens are judged.
    pub on_behalf_of: Option<String>,
}

impl KeySettings {
    /// The name under which fetches of these keys are told.
    fn name(&self) -> IssuerName {
        match &self.on_behalf_of {
            None => IssuerName::new(&self.issuer),
            Some(owner) => IssuerName::new(&Self::name_for_claims(&self.issuer, owner)),
        }
    }

    /// The name of an issuer that may sign claims for the tokens of another.
    #[must_use]
    pub fn name_for_claims(issuer: &str, owner: &str) -> String {
        format!("{issuer} (for claims of {owner})")
    }

    /// For another issuer, which signs answers to questions that this one's tokens make us ask.
    fn for_claims_by(&self, issuer: &str) -> Self {
        Self {
            issuer: issuer.to_owned(),
            discovery_url: None,
            state_directory: None,
            on_behalf_of: Some(self.issuer.clone()),
            ..self.clone()
        }
    }

    /// Whether both are about the same issuer's keys for the same purpose, wherever each looks for them.
    fn are_for_the_same_tokens_as(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.on_behalf_of == other.on_behalf_of
    }

    /// Whether keys that were fetched under the other settings would be fetched under these: from the same issuer, by
    /// the same way, trusting the same authorities.
    fn are_for_the_same_place_as(&self, other: &Self) -> bool {
        self.are_for_the_same_tokens_as(other)
            && self.discovery_url == other.discovery_url
            && self.certificate_authority == other.certificate_authority
            && self.proxy == other.proxy
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
    /// How long an issuer whose keys are to come from another place may go on with those that it has.
    pub grace: Duration,
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
    signer: Signer,
    distributed: Option<Distributed>,
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
        let Settings { policy, keys, distributed } = settings;
        let issuer = policy.issuer.clone();
        let failed = |cause| BuildError { issuer: issuer.clone(), cause: Box::new(cause) };
        let distributed = distributed.map(|settings| Distributed::start(settings, &policy, &keys, context));
        let distributed = distributed.transpose().map_err(failed)?;
        let keys = context.sources.take_over_or_start(keys, context).map_err(failed)?;
        let (clock, events) = (Arc::clone(&context.clock), Arc::clone(&context.events));
        Ok(Self { name: IssuerName::new(&issuer), signer: Signer { policy, keys }, distributed, clock, events })
    }

    /// Where the keys come from.
    #[must_use]
    pub fn keys(&self) -> &Arc<KeySource> {
        &self.signer.keys
    }

    /// What tokens must be like.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.signer.policy
    }
}

#[async_trait]
impl Verifier for Oidc {
    fn claimed_names(&self) -> Vec<String> {
        let issuer = &self.policy().issuer;
        let alias = Some(GOOGLE_ALIAS).filter(|alias| issuer_claim_matches(issuer, alias));
        std::iter::once(issuer.as_str()).chain(alias).map(str::to_owned).collect()
    }

    async fn verify(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Verified {
        let started = self.clock.monotonic();
        let mut spent = Spent::default();
        let wait = deadline.at_most(KEY_WAIT);
        let verified = self.signer.verify(token, now, wait, &*self.clock, &mut spent).await;
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        let Spent { in_line, on_judging: verification } = spent;
        let key_lookup = elapsed.saturating_sub(in_line).saturating_sub(verification);
        self.events.record(Event::Judged { issuer: &self.name, key_lookup, verification });
        match (verified, &self.distributed) {
            (Verified::Claims(claims, standing), Some(distributed)) => {
                let wait = deadline.at_most(distributed::CLAIM_WAIT);
                distributed.complete(claims, standing, &self.signer, wait, self).await.verified
            }
            (verified, _) => verified,
        }
    }

    async fn explain(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Explained {
        let source = &self.signer.keys;
        let keys = match source.current(self.clock.monotonic()) {
            Err(Cause::KeysUnavailable) => source.first(deadline).await.ok_or(Cause::KeysUnavailable),
            known => known,
        };
        let keys = match keys {
            Ok(keys) => keys,
            Err(cause) => {
                let facts = self.health().failing.unwrap_or_else(|| "the issuer's keys are not known".to_owned());
                let steps =
                    vec![ExplainedStep { name: "keys", outcome: StepOutcome::Undecided(cause), facts, place: None }];
                return Explained { steps, verified: Verified::Unavailable(cause) };
            }
        };
        let mut record = Record::default();
        let verified = match self.signer.judge(token, &keys, now, &mut record) {
            Ok(verified) => verified,
            Err(_) => Verified::Reject(Reason::UnknownKey, Some(source.standing(&keys))),
        };
        let Record(mut steps) = record;
        let verified = match (verified, &self.distributed) {
            (Verified::Claims(claims, standing), Some(distributed)) => {
                let completed = distributed.complete(claims, standing, &self.signer, deadline, self).await;
                let outcome = StepOutcome::of(&completed.verified);
                steps.extend(completed.facts.map(|facts| ExplainedStep {
                    name: "distributed claims",
                    outcome,
                    facts,
                    place: None,
                }));
                completed.verified
            }
            (verified, _) => verified,
        };
        Explained { steps, verified }
    }

    fn health(&self) -> Health {
        self.signer.keys.health(self.clock.monotonic())
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
        self.0.push(ExplainedStep { name: facts.step().name(), outcome, facts: facts.to_string(), place: None });
    }
}
