//! What a judgement found on its way, step by step: `explain` walks the same code as the service and writes it down.
//!
//! The service's own trail is [`NoTrail`], which the compiler removes. Facts are not secret: names, times and
//! audiences, cut and escaped, never the token or its signature.

use std::fmt;

use serde_json::{Map, Value};

use super::judge::{Policy, Stop, TokenProfile};
use crate::authn::reason::{Cause, Reason};
use crate::clock::UnixTime;
use crate::jose::{AlgorithmSet, Excerpt, Header, Key, KeyRefusal, KeySet};

/// Hears of every step of a judgement, in order, up to the one that ends it.
pub trait Trail {
    /// A step was taken.
    fn step(&mut self, facts: Facts<'_>, outcome: Outcome);
}

/// Listens to nothing.
#[derive(Clone, Copy, Debug)]
pub struct NoTrail;

impl Trail for NoTrail {
    #[inline]
    fn step(&mut self, _: Facts<'_>, _: Outcome) {}
}

/// How a step went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The key set has no key for the token; a newer one may have.
    KeyNotInSet,
    /// The check passed.
    Passed,
    /// A definite no.
    Rejected(Reason),
    /// It may become a yes within seconds.
    Undecided(Cause),
}

impl Outcome {
    pub(super) fn of_check<T>(result: &Result<T, Stop>) -> Self {
        match result {
            Ok(_) => Self::Passed,
            Err(Stop::Reject(reason)) => Self::Rejected(*reason),
            Err(Stop::Undecided(cause)) => Self::Undecided(*cause),
        }
    }

    pub(super) fn of_key(result: &Result<&Key, KeyRefusal>) -> Self {
        match result {
            Ok(_) => Self::Passed,
            Err(KeyRefusal::NotInSet) => Self::KeyNotInSet,
            Err(KeyRefusal::Reject(reason)) => Self::Rejected(*reason),
        }
    }
}

/// The steps, in the order in which they are taken. When the key is not in the set there is no signature step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The header's algorithm is one that the issuer may use.
    Header,
    /// The key set has a key for the token.
    Key,
    /// The signature fits the key.
    Signature,
    /// `iss` is the configured issuer.
    Issuer,
    /// The token is of the wanted kind.
    Profile,
    /// `aud` has a configured audience.
    Audience,
    /// `exp`, `nbf` and `iat` hold now.
    Times,
}

impl Step {
    /// The step's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Profile => "profile",
            Self::Audience => "audience",
            Self::Times => "times",
        }
    }
}

/// What a step looked at. `Display` has it in words.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the fields are what the step's check was given")]
pub enum Facts<'a> {
    /// Of [`Step::Audience`].
    Audience { claims: &'a Map<String, Value>, policy: &'a Policy },
    /// Of [`Step::Header`].
    Header { header: &'a Header, allowed: AlgorithmSet },
    /// Of [`Step::Issuer`].
    Issuer { claims: &'a Map<String, Value>, policy: &'a Policy },
    /// Of [`Step::Key`].
    Key { key: Option<&'a Key>, keys: &'a KeySet },
    /// Of [`Step::Profile`].
    Profile { header: &'a Header, policy: &'a Policy },
    /// Of [`Step::Signature`].
    Signature { key: &'a Key },
    /// Of [`Step::Times`].
    Times { claims: &'a Map<String, Value>, policy: &'a Policy, now: UnixTime },
}

impl Facts<'_> {
    /// The step that these are of.
    #[must_use]
    pub const fn step(&self) -> Step {
        match self {
            Self::Audience { .. } => Step::Audience,
            Self::Header { .. } => Step::Header,
            Self::Issuer { .. } => Step::Issuer,
            Self::Key { .. } => Step::Key,
            Self::Profile { .. } => Step::Profile,
            Self::Signature { .. } => Step::Signature,
            Self::Times { .. } => Step::Times,
        }
    }
}

impl fmt::Display for Facts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audience { claims, policy } => {
                write!(f, "aud {}; configured: ", Claim(claims.get("aud")))?;
                for (position, audience) in policy.audiences.iter().enumerate() {
                    write!(f, "{}{}", if position == 0 { "" } else { ", " }, Excerpt(audience))?;
                }
                Ok(())
            }
            Self::Header { header, allowed } => {
                let name = header.unverified_algorithm_name();
                write!(f, "alg {}, kid {}; allowed: {allowed}", Excerpt(name), Text(header.unverified_kid()))
            }
            Self::Issuer { claims, policy } => {
                write!(f, "iss {}; configured: {}", Claim(claims.get("iss")), Excerpt(&policy.issuer))
            }
            Self::Key { key: Some(key), .. } => write!(f, "{}, thumbprint {}", key.kind(), key.thumbprint()),
            Self::Key { key: None, keys } => {
                const SHOWN: usize = 10;
                f.write_str("none; the issuer's key set has")?;
                for (position, key) in keys.keys().iter().take(SHOWN).enumerate() {
                    write!(f, "{} kid {} ({})", if position == 0 { "" } else { "," }, Text(key.kid()), key.kind())?;
                }
                match keys.len().saturating_sub(SHOWN) {
                    0 => Ok(()),
                    more => write!(f, " and {more} more"),
                }
            }
            Self::Profile { header, policy } => {
                let wanted = match policy.profile {
                    TokenProfile::AccessToken => "an access token (at+jwt)",
                    TokenProfile::Any => "JWT, at+jwt or none",
                    TokenProfile::IdToken => "an ID token (JWT or none)",
                };
                write!(f, "typ {}; wanted: {wanted}", Text(header.unverified_typ()))
            }
            Self::Signature { key } => write!(f, "by {}, kid {}", key.kind(), Text(key.kid())),
            Self::Times { claims, policy, now } => {
                for name in ["exp", "nbf", "iat"] {
                    write!(f, "{name} {}, ", Claim(claims.get(name)))?;
                }
                write!(f, "now {now}, skew {} s", policy.clock_skew.as_secs())
            }
        }
    }
}

/// An optional string of the header's.
struct Text<'a>(Option<&'a str>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(text) => Excerpt(text).fmt(f),
            None => f.write_str("(none)"),
        }
    }
}

/// An optional claim: a string as it is, anything else as JSON.
struct Claim<'a>(Option<&'a Value>);

impl fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("(none)"),
            Some(Value::Number(number)) => number.fmt(f),
            Some(Value::String(text)) => Excerpt(text).fmt(f),
            Some(other) => Excerpt(&other.to_string()).fmt(f),
        }
    }
}
