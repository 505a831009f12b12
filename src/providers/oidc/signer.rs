//! Whoever signs: what the tokens must be, and the keys to check them with.

use std::sync::Arc;
use std::time::Duration;

use super::keys::{Keys, Refetch};
use super::turns::TURNS;
use super::{KeySource, NoTrail, Policy, Refusal, Trail, judge};
use crate::authn::{Cause, Deadline, Reason};
use crate::clock::{Clock, UnixTime};
use crate::jose::UnverifiedToken;
use crate::providers::Verified;

/// A policy and its keys.
pub(super) struct Signer {
    pub(super) policy: Policy,
    pub(super) keys: Arc<KeySource>,
}

impl Signer {
    /// Judges; when the token's key is not in the set, has the set fetched once more, briefly and not too often, and
    /// judges again. `verification` grows by what the judging itself took.
    pub(super) async fn verify(
        &self,
        token: UnverifiedToken<'_>,
        now: UnixTime,
        deadline: Deadline,
        clock: &dyn Clock,
        verification: &mut Duration,
    ) -> Verified {
        let mut judge = |token, keys: &Keys, now| {
            let started = clock.monotonic();
            let judged = self.judge(token, keys, now, &mut NoTrail);
            *verification += clock.monotonic().saturating_duration_since(started);
            judged
        };
        let keys = match self.keys.current(clock.monotonic()) {
            Ok(keys) => keys,
            Err(Cause::KeysUnavailable) => match self.keys.first(deadline).await {
                Some(keys) => keys,
                None => return Verified::Unavailable(Cause::KeysUnavailable),
            },
            Err(cause) => return Verified::Unavailable(cause),
        };
        let turn = TURNS.take(token.header().unverified_algorithm()).await;
        let now = if turn.is_some() { clock.now() } else { now };
        let token = match judge(token, &keys, now) {
            Ok(verified) => return verified,
            Err(token) => token,
        };
        drop(turn);
        match self.keys.refetch(&keys, deadline).await {
            Refetch::Done { keys, since_asked } => match judge(*token, &keys, clock.now()) {
                Ok(verified) => verified,
                Err(_) if since_asked => Verified::Reject(Reason::UnknownKey, Some(self.keys.standing(&keys))),
                Err(_) => Verified::Unavailable(Cause::KeysUnknown),
            },
            Refetch::NotNow => Verified::Unavailable(Cause::KeysUnknown),
        }
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
