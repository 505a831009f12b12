//! Judges one token of one issuer: every check, in order, in one function.
//!
//! Pure: the keys are a snapshot, `now` is an argument, and whoever calls decides about fetching newer keys. A token
//! is chosen for an issuer by [`issuer_claim_matches`] before it comes here, and its `iss` is compared again after
//! the signature, so that a mistake in routing cannot make one issuer speak for another.

use std::time::Duration;

use serde_json::{Map, Value};

use super::rules;
use super::times;
use super::trail::{Facts, NoTrail, Outcome, Trail};
use crate::authn::claims::VerifiedClaims;
use crate::authn::reason::{Cause, Reason};
use crate::clock::UnixTime;
use crate::jose::{AlgorithmSet, Header, KeyRefusal, KeySet, UnverifiedToken};

/// What an issuer's tokens must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The issuer URL, as `iss` must have it.
    pub issuer: String,
    /// The audiences of which a token must name at least one. Never empty.
    pub audiences: Vec<String>,
    /// The algorithms that the issuer may sign with.
    pub algorithms: AlgorithmSet,
    /// How far the issuer's clock may be off; whole seconds.
    pub clock_skew: Duration,
    /// The kind of token.
    pub profile: TokenProfile,
}

/// Which kind of signed token an issuer's users bring. Foreign kinds (logout and security event tokens, DPoP proofs,
/// introspection answers, client assertions) are taken by none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenProfile {
    /// OAuth 2.0 access tokens after RFC 9068.
    AccessToken,
    /// ID tokens and access tokens alike.
    #[default]
    Any,
    /// OpenID Connect ID tokens, and whatever calls itself nothing but a JWT.
    IdToken,
}

/// Why a token was not vouched for.
#[derive(Debug)]
pub enum Refusal<'t> {
    /// The issuer's key set has no key for the token, which is otherwise good. The token can be judged again with a
    /// newer set.
    KeyNotInSet(Box<UnverifiedToken<'t>>),
    /// A definite no.
    Reject(Reason),
    /// It may become a yes by itself within seconds.
    Undecided(Cause),
}

/// A check that ended the judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Reject(Reason),
    Undecided(Cause),
}

impl From<Stop> for Refusal<'_> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Reject(reason) => Self::Reject(reason),
            Stop::Undecided(cause) => Self::Undecided(cause),
        }
    }
}

/// Judges a token: header → key → signature → claims (issuer, profile, audience, times) → vouched for.
pub fn judge<'t>(
    token: UnverifiedToken<'t>,
    keys: &KeySet,
    policy: &Policy,
    now: UnixTime,
    trail: &mut impl Trail,
) -> Result<VerifiedClaims, Refusal<'t>> {
    let header = token.header();
    let algorithm = header.algorithm_among(policy.algorithms).map_err(Stop::Reject);
    note(trail, Facts::Header { header, allowed: policy.algorithms }, algorithm)?;

    let selected = keys.select(header, policy.algorithms);
    trail.step(Facts::Key { key: selected.ok(), keys }, Outcome::of_key(&selected));
    let key = match selected {
        Ok(key) => key,
        Err(KeyRefusal::Reject(reason)) => return Err(Refusal::Reject(reason)),
        Err(KeyRefusal::NotInSet) => {
            // Nobody asks the issuer for newer keys because of a token that would be refused anyway.
            check_claims(header, token.unverified_claims(), policy, now, trail)?;
            return Err(Refusal::KeyNotInSet(Box::new(token)));
        }
    };

    let names_key = header.unverified_kid().is_some();
    let signed = match token.verify(key) {
        Ok(signed) => signed,
        Err(token) => {
            trail.step(Facts::Signature { key }, Outcome::Rejected(Reason::BadSignature));
            if names_key {
                return Err(Refusal::Reject(Reason::BadSignature));
            }
            // The only key was tried because the token names none; by now the issuer may have another one.
            check_claims(token.header(), token.unverified_claims(), policy, now, &mut NoTrail)?;
            return Err(Refusal::KeyNotInSet(token));
        }
    };
    trail.step(Facts::Signature { key }, Outcome::Passed);

    let (audiences, expiry) = check_claims(signed.header(), signed.claims(), policy, now, trail)?;
    Ok(VerifiedClaims::vouch(signed.into_claims(), audiences, expiry))
}

/// The checks on what the token says. Times come last: they alone can end in "not yet", which must not hide a no.
fn check_claims(
    header: &Header,
    claims: &Map<String, Value>,
    policy: &Policy,
    now: UnixTime,
    trail: &mut impl Trail,
) -> Result<(Vec<String>, UnixTime), Stop> {
    note(trail, Facts::Issuer { claims, policy }, rules::issuer(claims, &policy.issuer))?;
    note(trail, Facts::Profile { header, policy }, rules::profile(header, claims, policy.profile))?;
    let audiences = note(trail, Facts::Audience { claims, policy }, rules::audiences(claims, &policy.audiences))?;
    let expiry = note(trail, Facts::Times { claims, policy, now }, times::check(claims, now, policy.clock_skew))?;
    Ok((audiences, expiry))
}

/// Tells the trail how a step went, and passes the result on: a trail listens, it has no say.
fn note<T>(trail: &mut impl Trail, facts: Facts<'_>, result: Result<T, Stop>) -> Result<T, Stop> {
    trail.step(facts, Outcome::of_check(&result));
    result
}

/// Whether `iss` names the configured issuer: byte for byte, no URL is normalised. The one exception is
/// [`issuer_of_claim`]'s.
#[must_use]
pub fn issuer_claim_matches(configured: &str, claim: &str) -> bool {
    issuer_of_claim(claim) == configured
}

/// The issuer URL that an `iss` claim stands for: itself. Google alone has issued tokens without the scheme, and the
/// API server's own OIDC authenticator reads those as meant for `https://accounts.google.com`; so does this. Routing
/// uses it too, so that both agree.
#[must_use]
pub fn issuer_of_claim(claim: &str) -> &str {
    match claim {
        "accounts.google.com" => "https://accounts.google.com",
        exact => exact,
    }
}

#[cfg(test)]
mod tests;
