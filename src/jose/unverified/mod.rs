//! A token whose form is good and whose signature nobody has checked yet.
//!
//! What can be read from it is named `unverified_…`: enough to choose the issuer and its key, never to decide. Only
//! [`verify`](UnverifiedToken::verify) turns it into [`SignedClaims`](super::SignedClaims).

use std::fmt;

use serde_json::{Map, Value};

use super::compact::{CompactJws, Unparsable};
use super::header::Header;
use super::json::{self, JsonError, Limits};
use crate::authn::reason::Reason;
use crate::token::BearerToken;

/// A signed token in compact form: a header and an object of claims, both unverified.
pub struct UnverifiedToken<'t> {
    jws: CompactJws<'t>,
    claims: Map<String, Value>,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads a bearer token. No key is involved and nothing is accepted by it.
    pub fn parse(token: &'t str) -> Result<Self, Unparsable> {
        Self::parse_within(token, BearerToken::MAX_BYTES)
    }

    /// Reads a token of at most so many bytes, which need not be one that anybody logs in with.
    pub fn parse_within(token: &'t str, max_bytes: usize) -> Result<Self, Unparsable> {
        let jws = CompactJws::parse_within(token, max_bytes)?;
        let claims = json::object(jws.unverified_payload(), &Limits::STANDARD).map_err(|error| match error {
            JsonError::Duplicate => Reason::DuplicateMember,
            JsonError::NotAnObject | JsonError::Syntax => Reason::Malformed,
            JsonError::TooDeep | JsonError::TooMany => Reason::Oversized,
        })?;
        Ok(Self { jws, claims })
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        self.jws.header()
    }

    /// The issuer that the token names, if `iss` is a string. It routes the token to that issuer's keys.
    #[must_use]
    pub fn unverified_issuer(&self) -> Option<&str> {
        self.claims.get("iss")?.as_str()
    }

    /// All claims, whoever wrote them.
    #[must_use]
    pub fn unverified_claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// For [`verify`](Self::verify), which is next to the type that it makes.
    pub(super) fn into_parts(self) -> (CompactJws<'t>, Map<String, Value>) {
        (self.jws, self.claims)
    }

    /// The way back from [`into_parts`](Self::into_parts).
    pub(super) const fn from_parts(jws: CompactJws<'t>, claims: Map<String, Value>) -> Self {
        Self { jws, claims }
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnverifiedToken({:?})", self.jws)
    }
}

#[cfg(test)]
mod tests;
