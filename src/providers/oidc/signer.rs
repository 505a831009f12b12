//! Whoever signs: what the tokens must be, and the keys to check them with.

use std::sync::Arc;
use std::time::Duration;

use super::keys::{Keys, Refetch};
use super::turns::TURNS;
use super::{KeySource, NoTrail, Policy, Refusal, Trail, judge};
use crate::authn::{Cause, Deadline, Reason};
use crate::clock::{Clock, UnixTime};
use crate::jose::{Key, UnverifiedToken};
use crate::providers::Verified;

/// A policy and its keys.
pub(super) struct Signer {
    pub(super) policy: Policy,
    pub(super) keys: Arc<KeySource>,
}

/// What the time of a verification was spent on, beside waiting for keys.
#[derive(Default)]
pub(super) struct Spent {
    pub(super) in_line: Duration,
    pub(super) on_judging: Duration,
}

impl Signer {
    /// Judges; when the token's key is not in the set, has the set fetched once more, briefly and not too often, and
    /// judges again. `spent` grows by what was spent on what.
    pub(super) async fn verify(
        &self,
        token: UnverifiedToken<'_>,
        now: UnixTime,
        deadline: Deadline,
        clock: &dyn Clock,
        spent: &mut Spent,
    ) -> Verified {
        let keys = match self.keys.current(clock.monotonic()) {
            Ok(keys) => keys,
            Err(Cause::KeysUnavailable) => match self.keys.first(deadline).await {
                Some(keys) => keys,
                None => return Verified::Unavailable(Cause::KeysUnavailable),
            },
            Err(cause) => return Verified::Unavailable(cause),
        };
        let (token, keys) = match self.judge_in_turn(token, keys, now, clock, spent).await {
            Ok(verified) => return verified,
            Err(missed) => missed,
        };
        match self.keys.refetch(&keys, deadline).await {
            Refetch::Done { keys, since_asked } => {
                match self.judge_in_turn(*token, keys, clock.now(), clock, spent).await {
                    Ok(verified) => verified,
                    Err((_, keys)) if since_asked => {
                        Verified::Reject(Reason::UnknownKey, Some(self.keys.standing(&keys)))
                    }
                    Err(_) => Verified::Unavailable(Cause::KeysUnknown),
                }
            }
            Refetch::NotNow => Verified::Unavailable(Cause::KeysUnknown),
        }
    }

    /// Judges with these keys, or, if it had to wait for its turn, with those and at the time that are current then. The token
    /// comes back, with the keys, when they lack its own.
    async fn judge_in_turn<'t>(
        &self,
        token: UnverifiedToken<'t>,
        mut keys: Arc<Keys>,
        mut now: UnixTime,
        clock: &dyn Clock,
        spent: &mut Spent,
    ) -> Result<Verified, (Box<UnverifiedToken<'t>>, Arc<Keys>)> {
        let began = clock.monotonic();
        // Only what this issuer's keys would verify goes by how long that takes: a header alone says nothing.
        let kind = keys.set().select(token.header(), self.policy.algorithms).ok().map(Key::kind);
        let turn = match kind {
            Some(kind) => TURNS.take(kind).await,
            None => None,
        };
        let mut started = began;
        if turn.is_some() {
            started = clock.monotonic();
            spent.in_line += started.saturating_duration_since(began);
            now = clock.now();
            keys = match self.keys.current(started) {
                Ok(keys) => keys,
                Err(cause) => return Ok(Verified::Unavailable(cause)),
            };
        }
        let judged = self.judge(token, &keys, now, &mut NoTrail);
        spent.on_judging += clock.monotonic().saturating_duration_since(started);
        judged.map_err(|token| (token, keys))
    }

    /// Judges with these keys; the token comes back when they lack its key.
    pub(super) fn judge<'t>(
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
