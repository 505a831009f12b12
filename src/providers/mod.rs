//! Kinds of identity provider, and the one list of them.
//!
//! A kind is a folder here with a [`Verifier`]: it says whether a token is good and hands over its claims, nothing
//! more; mapping, caching, metrics and answers are not its business. To add one: write `providers/<kind>/`, give
//! [`Kind`] a variant and [`build`] an arm, add `config/examples/<kind>.yaml` and `tests/it/<kind>.rs`.

pub mod oidc;

use std::sync::Arc;

use async_trait::async_trait;

use crate::authn::{Cause, Deadline, Reason, Standing, VerifiedClaims};
use crate::clock::UnixTime;
use crate::jose::UnverifiedToken;

/// What a provider author writes: the judgement of a token that names this issuer.
#[async_trait]
pub trait Verifier: Send + Sync {
    /// The `iss` values, byte for byte, whose tokens belong here.
    fn claimed_names(&self) -> Vec<String>;

    /// Judges a token at a moment. Waits, if it must, no longer than the deadline.
    async fn verify(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Verified;

    /// Judges a token as [`verify`](Self::verify) does, by the same code, and writes down every step. For people: it may
    /// wait for the keys' first fetch, and asks for no second one.
    async fn explain(&self, token: UnverifiedToken<'_>, now: UnixTime, deadline: Deadline) -> Explained;

    /// How the provider's keys are doing, for readiness, metrics and people.
    fn health(&self) -> Health;
}

/// What a provider says of a token.
#[derive(Debug)]
pub enum Verified {
    /// Good: the claims, and what the verdict rests on.
    Claims(VerifiedClaims, Standing),
    /// Refused; with what it rests on, when keys had a part in it.
    Reject(Reason, Option<Standing>),
    /// Cannot tell.
    Unavailable(Cause),
}

/// A judgement with its steps.
#[derive(Debug)]
pub struct Explained {
    /// What was checked, in order, up to what ended it.
    pub steps: Vec<ExplainedStep>,
    /// What came of it.
    pub verified: Verified,
}

/// One step of a judgement, in words that are not secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedStep {
    /// What was checked.
    pub name: &'static str,
    /// How it went.
    pub outcome: StepOutcome,
    /// What the check looked at.
    pub facts: String,
    /// The line of the expression that failed, and a mark below the place.
    pub place: Option<String>,
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// Well.
    Passed,
    /// The token is refused.
    Rejected(Reason),
    /// It cannot be told now.
    Undecided(Cause),
}

impl StepOutcome {
    /// Of a step that ended like this.
    #[must_use]
    pub const fn of(verified: &Verified) -> Self {
        match verified {
            Verified::Claims(..) => Self::Passed,
            Verified::Reject(reason, _) => Self::Rejected(*reason),
            Verified::Unavailable(cause) => Self::Undecided(*cause),
        }
    }
}

/// The state of a provider's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// Whether tokens can be judged now.
    pub usable: bool,
    /// How many keys are in force.
    pub keys: usize,
    /// How long ago they were last confirmed by the provider, in seconds; `None` when never.
    pub age_seconds: Option<u64>,
    /// For how many seconds they may still be used without another confirmation.
    pub remaining_seconds: u64,
    /// Whether they came from where keys were fetched before the settings changed, and stand in until there are others.
    pub borrowed: bool,
    /// Why the last attempt to refresh them failed; `None` when it did not.
    pub failing: Option<String>,
}

impl Health {
    /// Whether there are usable keys from where the settings say.
    #[must_use]
    pub const fn is_settled(&self) -> bool {
        self.usable && !self.borrowed
    }
}

/// The kinds of provider that can be configured.
pub enum Kind {
    /// OpenID Connect: signed tokens, keys by discovery.
    Oidc(oidc::Settings),
}

/// Makes the verifier of a kind.
///
/// # Errors
///
/// When the settings cannot work at all, for example a certificate authority that does not parse. Never because a
/// provider is unreachable: that is found out in the background.
pub fn build(kind: Kind, context: &oidc::Context) -> Result<Arc<dyn Verifier>, oidc::BuildError> {
    match kind {
        Kind::Oidc(settings) => Ok(Arc::new(oidc::Oidc::start(settings, context)?)),
    }
}
