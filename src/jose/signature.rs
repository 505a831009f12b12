//! "Signed" as a type: [`SignedClaims`] come out of a successful verification and from nowhere else.

use std::fmt;

use serde_json::{Map, Value};

use super::header::Header;
use super::key::Key;
use super::unverified::UnverifiedToken;

/// The signature does not fit the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not fit the key")]
pub struct BadSignature;

/// Header and claims that the holder of a key has signed. Whether they are meant for us, and still hold, is not said.
pub struct SignedClaims {
    header: Header,
    claims: Map<String, Value>,
}

impl UnverifiedToken<'_> {
    /// Verifies the signature, over the bytes as they were received.
    ///
    /// # Errors
    ///
    /// When it does not fit; the token comes back, as unverified as before.
    pub fn verify(self, key: &Key) -> Result<SignedClaims, Box<Self>> {
        let (jws, claims) = self.into_parts();
        match jws.verify(key) {
            Ok(()) => Ok(SignedClaims { header: jws.into_header(), claims }),
            Err(BadSignature) => Err(Box::new(Self::from_parts(jws, claims))),
        }
    }
}

impl SignedClaims {
    /// The signed header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The signed claims.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        &self.claims
    }

    /// Takes the claims out.
    #[must_use]
    pub fn into_claims(self) -> Map<String, Value> {
        self.claims
    }
}

impl fmt::Debug for SignedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedClaims({} members)", self.claims.len())
    }
}
