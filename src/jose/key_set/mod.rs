//! The public keys of one issuer, out of its JWKS document.
//!
//! A set is read whole and replaced whole. One odd entry never spoils it: it is skipped, and said so. Trouble that
//! somebody should look into (a secret that was published, two keys under one name) raises an [`Alarm`]. There is at
//! most one key for a token, so no token can make us try several.

mod alarm;

use std::fmt;

use aws_lc_rs::digest;
use serde_json::Value;

use super::algorithm::{Algorithm, AlgorithmSet};
use super::header::Header;
use super::json::{self, JsonError, Limits};
use super::jwk::{Jwk, SkipReason, Skipped};
use super::key::{Key, sha256};
use crate::authn::reason::Reason;

pub use alarm::{Alarm, AlarmKind};

/// The usable keys of an issuer.
///
/// Two sets are equal when the same tokens fit both, in whatever order the document had the keys.
pub struct KeySet {
    keys: Vec<Key>,
    skipped: Vec<Skipped>,
    alarms: Vec<Alarm>,
    fingerprint: Fingerprint,
}

/// Why no key was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyRefusal {
    /// The set has no key for the token. A newer set may have.
    NotInSet,
    /// No set of this issuer's would help.
    Reject(Reason),
}

impl KeySet {
    /// The most entries that a set may have. Providers publish two to ten; those that serve many tenants some dozens.
    pub const MAX_KEYS: usize = 100;

    /// Reads a JWKS document (RFC 7517 section 5).
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let mut document = json::object(document, &Limits::STANDARD)?;
        let Some(Value::Array(entries)) = document.remove("keys") else {
            return Err(KeySetError::NoKeys);
        };
        if entries.len() > Self::MAX_KEYS {
            return Err(KeySetError::TooMany { found: entries.len() });
        }
        let (mut keys, mut skipped, mut alarms) = (Vec::new(), Vec::new(), Vec::new());
        for entry in &entries {
            match Jwk::parse(entry) {
                Ok(jwk) => {
                    if jwk.has_private_members {
                        alarms.push(Alarm { kid: jwk.key.kid().map(str::to_owned), kind: AlarmKind::PrivateKey });
                    }
                    keys.push(jwk.key);
                }
                Err(entry) => {
                    if entry.why == SkipReason::Symmetric {
                        alarms.push(Alarm { kid: entry.kid.clone(), kind: AlarmKind::SymmetricKey });
                    }
                    skipped.push(entry);
                }
            }
        }
        drop_repeated(&mut keys);
        drop_conflicting(&mut keys, &mut skipped, &mut alarms);
        if keys.is_empty() {
            return Err(KeySetError::NoUsableKey { skipped });
        }
        let fingerprint = Fingerprint::of(&keys, &skipped);
        Ok(Self { keys, skipped, alarms, fingerprint })
    }

    /// Chooses the key for a token, by its header and the algorithms that the issuer may use.
    pub fn select(&self, header: &Header, allowed: AlgorithmSet) -> Result<&Key, KeyRefusal> {
        let algorithm = header.algorithm_among(allowed).map_err(KeyRefusal::Reject)?;
        match header.unverified_kid() {
            Some(kid) => self.named(kid, algorithm),
            None => self.only(algorithm),
        }
    }

    fn named(&self, kid: &str, algorithm: Algorithm) -> Result<&Key, KeyRefusal> {
        let mut named = self.keys.iter().filter(|key| key.kid() == Some(kid)).peekable();
        let is_named = named.peek().is_some();
        if let Some(key) = named.find(|key| key.can(algorithm)) {
            return Ok(key);
        }
        let skipped = |unfit: fn(SkipReason) -> bool| {
            self.skipped.iter().any(|entry| entry.kid.as_deref() == Some(kid) && unfit(entry.why))
        };
        // A conflict is the issuer's slip, and its next set may have resolved it.
        if skipped(|why| why == SkipReason::Conflict) {
            Err(KeyRefusal::NotInSet)
        } else if is_named {
            Err(KeyRefusal::Reject(Reason::AlgorithmMismatch))
        } else if skipped(SkipReason::is_unfit_key) {
            Err(KeyRefusal::Reject(Reason::WeakKey))
        } else {
            Err(KeyRefusal::NotInSet)
        }
    }

    fn only(&self, algorithm: Algorithm) -> Result<&Key, KeyRefusal> {
        let mut fitting = self.keys.iter().filter(|key| key.can(algorithm));
        let first = fitting.next().ok_or(KeyRefusal::NotInSet)?;
        if fitting.any(|other| other.thumbprint() != first.thumbprint()) {
            return Err(KeyRefusal::Reject(Reason::KeyAmbiguous));
        }
        Ok(first)
    }

    /// The usable keys.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// How many keys are usable. Never zero.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set without a usable key cannot be made")]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// The entries that are not used.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What the issuer's operator should look into.
    #[must_use]
    pub fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Tells sets apart by what they accept, so that a refresh without news is not a change.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl PartialEq for KeySet {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }
}

impl Eq for KeySet {}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet").field("keys", &self.keys).field("skipped", &self.skipped).finish_non_exhaustive()
    }
}

/// The identity of a key set's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(keys: &[Key], skipped: &[Skipped]) -> Self {
        let kid_text = |kid: Option<&str>| kid.map_or_else(|| "-".to_owned(), |kid| format!("{}:{kid}", kid.len()));
        let keys = keys.iter().map(|key| {
            let algorithms: Vec<_> = key.algorithms().map(Algorithm::name).collect();
            format!("key {} {} {}", kid_text(key.kid()), key.thumbprint(), algorithms.join(" "))
        });
        let skipped =
            skipped.iter().map(|entry| format!("skipped {} {}", kid_text(entry.kid.as_deref()), entry.why.code()));
        let mut lines: Vec<_> = keys.chain(skipped).collect();
        lines.sort_unstable();
        let mut context = digest::Context::new(&digest::SHA256);
        for line in lines {
            context.update(&line.len().to_be_bytes());
            context.update(line.as_bytes());
        }
        Self(sha256(context.finish()))
    }
}

/// Why a document is no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not strict JSON, or not an object.
    #[error("the key set is refused as JSON")]
    Json(#[from] JsonError),
    /// `keys` is missing or not an array.
    #[error("the key set has no array `keys`")]
    NoKeys,
    /// No entry can be used.
    #[error("the key set has no usable key{}", first_reason(.skipped))]
    NoUsableKey {
        /// Why not, entry by entry.
        skipped: Vec<Skipped>,
    },
    /// More entries than [`KeySet::MAX_KEYS`].
    #[error("the key set has {found} keys, and at most {} are read", KeySet::MAX_KEYS)]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

fn first_reason(skipped: &[Skipped]) -> String {
    match skipped {
        [] => ": it is empty".to_owned(),
        [only] => format!(": {only}"),
        [first, rest @ ..] => format!(": {first} (and {} more)", rest.len()),
    }
}

/// Keeps one of entries that say the same.
fn drop_repeated(keys: &mut Vec<Key>) {
    let same = |one: &Key, other: &Key| {
        one.kid() == other.kid() && one.thumbprint() == other.thumbprint() && one.algorithms().eq(other.algorithms())
    };
    let mut kept: Vec<Key> = Vec::with_capacity(keys.len());
    for key in keys.drain(..) {
        if !kept.iter().any(|other| same(&key, other)) {
            kept.push(key);
        }
    }
    *keys = kept;
}

/// Drops all keys that have the same name for the same algorithm and are different keys: which of them the issuer
/// means cannot be known, and trying all is not done.
fn drop_conflicting(keys: &mut Vec<Key>, skipped: &mut Vec<Skipped>, alarms: &mut Vec<Alarm>) {
    let conflict = |one: &Key, other: &Key| {
        one.kid().is_some()
            && one.kid() == other.kid()
            && one.thumbprint() != other.thumbprint()
            && one.algorithms().any(|algorithm| other.can(algorithm))
    };
    let mut conflicting = Vec::new();
    for (position, key) in keys.iter().enumerate() {
        if keys.iter().any(|other| conflict(key, other)) {
            conflicting.push(position);
        }
    }
    for position in conflicting.into_iter().rev() {
        let kid = keys.remove(position).kid().map(str::to_owned);
        alarms.push(Alarm { kid: kid.clone(), kind: AlarmKind::KidConflict });
        skipped.push(Skipped { kid, why: SkipReason::Conflict });
    }
}

#[cfg(test)]
mod tests;
