//! The signature algorithms that exist here, and sets of them.
//!
//! `none`, the HMAC family, SHA-1 and encryption algorithms are not representable, so no configuration, key or header
//! can bring them in.

use std::fmt;

/// An algorithm that tokens may be signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// Ed25519. Written `EdDSA`, or `Ed25519` by RFC 9864.
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 bytes.
    Ps256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 bytes.
    Ps384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 bytes.
    Ps512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
}

impl Algorithm {
    /// Every algorithm, in the order in which people list them.
    pub const ALL: [Self; 10] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
    ];

    /// The algorithm of this registered name, compared byte for byte: the names are case-sensitive.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDsa);
        }
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// The registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of algorithms. The default is all of them: each is sound, and a key set decides which are in use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// Reads a list of registered names, as in `signingAlgorithms`.
    pub fn from_names<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> Result<Self, AlgorithmSetError> {
        let mut set = Self(0);
        for name in names {
            let name = name.as_ref();
            let algorithm =
                Algorithm::from_name(name).ok_or_else(|| AlgorithmSetError::Unknown { name: name.to_owned() })?;
            set.0 |= Self::bit(algorithm);
        }
        if set.0 == 0 { Err(AlgorithmSetError::Empty) } else { Ok(set) }
    }

    /// Whether the algorithm is in the set.
    #[must_use]
    pub const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & Self::bit(algorithm) != 0
    }

    /// The members, in the order of [`Algorithm::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| self.contains(*algorithm))
    }

    const fn bit(algorithm: Algorithm) -> u16 {
        1 << algorithm as u16
    }
}

impl Default for AlgorithmSet {
    fn default() -> Self {
        Self(Algorithm::ALL.into_iter().fold(0, |bits, algorithm| bits | Self::bit(algorithm)))
    }
}

impl From<Algorithm> for AlgorithmSet {
    fn from(algorithm: Algorithm) -> Self {
        Self(Self::bit(algorithm))
    }
}

impl fmt::Display for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, algorithm) in self.iter().enumerate() {
            write!(f, "{}{algorithm}", if position == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlgorithmSet({self})")
    }
}

/// Why a list of algorithm names was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlgorithmSetError {
    /// The list has no entries, so every token would be refused.
    #[error("must name at least one algorithm; leave it out for the default ({})", AlgorithmSet::default())]
    Empty,
    /// A name that is not one of the supported algorithms.
    #[error("{name:?} is not supported; use any of {} (names are case-sensitive)", AlgorithmSet::default())]
    Unknown {
        /// The name as it was written.
        name: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a1_names_are_compared_byte_for_byte() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
            for other in [algorithm.name().to_lowercase(), format!("{algorithm} "), format!(" {algorithm}")] {
                assert_eq!(Algorithm::from_name(&other), None, "{other:?}");
            }
        }
        for other in ["RS256\0", "Rs256", "eddsa", "EDDSA", "ed25519", "ED25519", ""] {
            assert_eq!(Algorithm::from_name(other), None, "{other:?}");
        }
    }

    #[test]
    fn a2_unsigned_symmetric_and_legacy_algorithms_do_not_exist() {
        let absent = [
            "none",
            "None",
            "NONE",
            "nOnE",
            "HS256",
            "HS384",
            "HS512",
            "RS1",
            "RSA1_5",
            "RSA-OAEP",
            "ES256K",
            "ES521",
            "Ed448",
            "dir",
            "A256KW",
            "PBES2-HS256+A128KW",
            "ML-DSA-44",
        ];
        for name in absent {
            assert_eq!(Algorithm::from_name(name), None, "{name}");
        }
    }

    #[test]
    fn a2_the_fully_specified_name_is_another_spelling() {
        assert_eq!(Algorithm::from_name("Ed25519"), Some(Algorithm::EdDsa));
    }

    #[test]
    fn the_default_is_every_algorithm() {
        assert!(Algorithm::ALL.into_iter().all(|algorithm| AlgorithmSet::default().contains(algorithm)));
        assert_eq!(
            AlgorithmSet::default().to_string(),
            "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"
        );
    }

    #[test]
    fn a_set_holds_what_was_named() {
        let set = AlgorithmSet::from_names(["ES256", "Ed25519", "EdDSA"]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [Algorithm::Es256, Algorithm::EdDsa]);
        assert_eq!(AlgorithmSet::from(Algorithm::Es256).to_string(), "ES256");
    }

    #[test]
    fn a_wrong_name_is_told_with_the_right_ones() {
        let error = AlgorithmSet::from_names(["RS256", "HS256"]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"HS256\" is not supported; use any of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, \
             EdDSA (names are case-sensitive)"
        );
    }

    #[test]
    fn an_empty_list_is_refused() {
        assert_eq!(AlgorithmSet::from_names::<&str>([]), Err(AlgorithmSetError::Empty));
    }
}
