//! Why an entry of a key set is not used.

use std::fmt;

use crate::jose::excerpt::Excerpt;

/// An entry that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its name, if it has a valid one.
    pub kid: Option<String>,
    /// Why it is not used.
    pub why: SkipReason,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kid {
            Some(kid) => write!(f, "key {}: {}", Excerpt(kid), self.why.sentence()),
            None => write!(f, "a key without `kid`: {}", self.why.sentence()),
        }
    }
}

/// Why an entry is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// `alg` is not a signature algorithm of this type of key.
    AlgorithmUnfit,
    /// Another key has the same `kid` for the same algorithm.
    Conflict,
    /// A member is missing, mistyped, or not base64url.
    Malformed,
    /// `use` or `key_ops` give it another purpose.
    NotForSignatures,
    /// The point is not on the curve, or a coordinate has the wrong length.
    PointInvalid,
    /// The RSA exponent is even, 1, or beyond 32 bits.
    RsaExponent,
    /// The RSA modulus comes from the broken generator known as ROCA.
    RsaRoca,
    /// The RSA modulus is longer than what is verified here.
    RsaTooLong,
    /// The RSA modulus is too short.
    RsaTooShort,
    /// The Ed25519 point is of small order: signatures by it prove nothing.
    SmallOrder,
    /// It is a shared secret, which has no place in a public key set.
    Symmetric,
    /// A curve that is not supported.
    UnsupportedCurve,
    /// A key type that is not supported.
    UnsupportedType,
}

impl SkipReason {
    /// A stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AlgorithmUnfit => "algorithm_unfit",
            Self::Conflict => "conflict",
            Self::Malformed => "malformed",
            Self::NotForSignatures => "not_for_signatures",
            Self::PointInvalid => "point_invalid",
            Self::RsaExponent => "rsa_exponent",
            Self::RsaRoca => "rsa_roca",
            Self::RsaTooLong => "rsa_too_long",
            Self::RsaTooShort => "rsa_too_short",
            Self::SmallOrder => "small_order",
            Self::Symmetric => "symmetric",
            Self::UnsupportedCurve => "unsupported_curve",
            Self::UnsupportedType => "unsupported_type",
        }
    }

    /// What it means, for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::AlgorithmUnfit => "`alg` is not a signature algorithm that this type of key can be used with",
            Self::Conflict => "several different keys have this `kid` for the same algorithm, so none of them is used",
            Self::Malformed => "a member is missing, has the wrong JSON type, or is not base64url without padding",
            Self::NotForSignatures => "`use` is not `sig`, or `key_ops` lacks `verify`",
            Self::PointInvalid => "the point is not on the curve, or a coordinate has the wrong length",
            Self::RsaExponent => "the RSA exponent must be odd, at least 3 and below 2^32",
            Self::RsaRoca => "the RSA modulus has the fingerprint of the broken generator of CVE-2017-15361 (ROCA)",
            Self::RsaTooLong => "the RSA modulus is longer than 4096 bits",
            Self::RsaTooShort => "the RSA modulus is shorter than 2048 bits",
            Self::SmallOrder => "the Ed25519 key is a point of small order, or not in its canonical form",
            Self::Symmetric => "it is a symmetric key (`oct`), which must never be published",
            Self::UnsupportedCurve => "the curve is not P-256, P-384, P-521 or Ed25519",
            Self::UnsupportedType => "the key type is not RSA, EC or OKP",
        }
    }

    /// Whether a token signed by it is refused for good: the key is what it is, and asking the issuer again would not
    /// make it fit.
    #[must_use]
    pub const fn is_unfit_key(self) -> bool {
        matches!(
            self,
            Self::NotForSignatures | Self::RsaExponent | Self::RsaRoca | Self::RsaTooShort | Self::SmallOrder
        )
    }
}
