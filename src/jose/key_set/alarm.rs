//! What an issuer's operator should look into.

use std::fmt;

use crate::jose::excerpt::Excerpt;

/// Something about a key set that its issuer should not have done. Tokens are judged without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The entry's name, if it has a valid one.
    pub kid: Option<String>,
    /// What it is.
    pub kind: AlarmKind,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key {}: {}", Excerpt(kid), self.kind.sentence()),
            None => write!(f, "a key without `kid`: {}", self.kind.sentence()),
        }
    }
}

/// The kinds of [`Alarm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// Different keys with the same `kid` for the same algorithm.
    KidConflict,
    /// Members of a private key.
    PrivateKey,
    /// A symmetric key.
    SymmetricKey,
}

impl AlarmKind {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::KidConflict => "kid_conflict",
            Self::PrivateKey => "private_key",
            Self::SymmetricKey => "symmetric_key",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::KidConflict => "several different keys have this `kid` for the same algorithm; none of them is used",
            Self::PrivateKey => "the private key is published with the public one; whoever reads it can sign tokens",
            Self::SymmetricKey => "a symmetric key is published; whoever reads it knows the secret",
        }
    }
}
