//! Claims that a provider has vouched for. Mapping takes nothing else.

use serde_json::{Map, Value};

use crate::clock::UnixTime;

/// The claims of a token whose signature, issuer, audience and times were checked, or of an answer that the provider
/// gave over TLS. A provider makes one in a single place, after its last check.
#[derive(Debug)]
pub struct VerifiedClaims {
    claims: Map<String, Value>,
    audiences: Vec<String>,
    not_after: UnixTime,
}

impl VerifiedClaims {
    /// Vouches for the claims. Call it on one line per provider kind, after every check has passed.
    ///
    /// `audiences`: the token's own audiences that are among the issuer's configured ones; never empty.
    /// `not_after`: the moment from which the token is expired (`exp`, without skew).
    pub(crate) fn vouch(claims: Map<String, Value>, audiences: Vec<String>, not_after: UnixTime) -> Self {
        Self { claims, audiences, not_after }
    }

    /// These with one more claim, from others that were vouched for; good for as long as both are. `None` when the others
    /// lack it.
    #[must_use]
    pub(crate) fn joined(mut self, name: &str, mut others: Self) -> Option<Self> {
        self.claims.insert(name.to_owned(), others.claims.remove(name)?);
        self.not_after = self.not_after.min(others.not_after);
        Some(self)
    }

    /// A claim by its exact name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.claims.get(name)
    }

    /// All claims.
    #[must_use]
    pub fn all(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// The token's audiences that are configured for the issuer, in the token's order. Never empty.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.audiences
    }

    /// When the token expires.
    #[must_use]
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }
}
