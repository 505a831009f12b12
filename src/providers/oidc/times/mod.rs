//! The rules for `exp`, `nbf` and `iat`.
//!
//! A date is there and good, missing, or malformed: malformed is never taken for missing. Additions stop at the end
//! of the year 9999, so no claim and no setting can make them wrap.

use std::time::Duration;

use serde_json::{Map, Value};

use super::judge::Stop;
use crate::authn::reason::{Cause, Reason};
use crate::clock::UnixTime;

/// How far ahead a date may lie to be waited for. API servers remember a refusal for two minutes by default, and ten seconds
/// more: a token that becomes good within that time must not be refused, or it would stay so when it is good.
const SOON: Duration = Duration::from_secs(180);

/// Checks all three dates and returns when the token expires. A definite no comes before a "not yet".
pub(super) fn check(claims: &Map<String, Value>, now: UnixTime, skew: Duration) -> Result<UnixTime, Stop> {
    let expiry = date(claims, "exp", Rounding::Down)?.ok_or(Stop::Reject(Reason::ExpiryMissing))?;
    let not_before = date(claims, "nbf", Rounding::Up)?;
    let issued_at = date(claims, "iat", Rounding::Down)?;
    if now >= expiry.saturating_add(skew) {
        return Err(Stop::Reject(Reason::Expired));
    }
    let latest = now.saturating_add(skew);
    let is_after = |date: Option<UnixTime>, limit: UnixTime| date.is_some_and(|date| date > limit);
    if is_after(not_before, latest.saturating_add(SOON)) {
        return Err(Stop::Reject(Reason::NotYetValid));
    }
    if is_after(issued_at, latest.saturating_add(SOON)) {
        return Err(Stop::Reject(Reason::IssuedInFuture));
    }
    if is_after(not_before, latest) || is_after(issued_at, latest) {
        return Err(Stop::Undecided(Cause::NotYetValid));
    }
    Ok(expiry)
}

/// What becomes of a fraction of a second. `exp` and `nbf` are rounded to where the token is valid for less; `iat` is
/// rounded down, or a token that was issued within this second would have to wait for the next.
#[derive(Clone, Copy)]
enum Rounding {
    Down,
    Up,
}

/// Reads a `NumericDate`: a number from 0 to the last second of the year 9999.
fn date(claims: &Map<String, Value>, name: &str, rounding: Rounding) -> Result<Option<UnixTime>, Stop> {
    const INVALID: Stop = Stop::Reject(Reason::TimeInvalid);
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = match (value.as_u64(), value.as_f64()) {
        (Some(seconds), _) => seconds,
        // Beyond what u64 holds, the conversion stops at its ends; the range is checked below.
        (None, Some(seconds)) if seconds.is_sign_positive() => match rounding {
            Rounding::Down => seconds.floor() as u64,
            Rounding::Up => seconds.ceil() as u64,
        },
        _ => return Err(INVALID),
    };
    if seconds > UnixTime::MAX.seconds() {
        return Err(INVALID);
    }
    Ok(Some(UnixTime::from_seconds(seconds)))
}

#[cfg(test)]
mod tests;
