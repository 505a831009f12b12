//! A public key that is fit to verify tokens, parsed once and kept in the form in which it verifies fastest.
//!
//! What a key may do is fixed when it is made: one parsed key per algorithm that its type and its `alg` allow. A
//! token's header can only ask for one of these, never change how a key is used.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::algorithm::Algorithm;
use super::signature::BadSignature;

/// A public key out of a key set.
pub struct Key {
    kid: Option<String>,
    kind: KeyKind,
    thumbprint: Thumbprint,
    verifiers: Vec<Verifier>,
}

/// One way to use a key.
struct Verifier {
    algorithm: Algorithm,
    signature_bytes: usize,
    key: ParsedPublicKey,
}

impl Key {
    /// Its name in the key set, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Its type and size.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The key's own identity, whatever it is called.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The algorithms that it verifies: those of its type, or the single one that its `alg` names.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|verifier| verifier.algorithm)
    }

    /// Whether it verifies this algorithm.
    #[must_use]
    pub fn can(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }

    /// Verifies a signature over the message. RSA-PSS salts are as long as the hash; ECDSA signatures are `r` and `s`
    /// in fixed length; an algorithm that the key does not have fits no signature.
    pub fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        let verifier = self.verifiers.iter().find(|own| own.algorithm == algorithm).ok_or(BadSignature)?;
        // Of the right length before any code takes it apart.
        if signature.len() != verifier.signature_bytes {
            return Err(BadSignature);
        }
        verifier.key.verify_sig(message, signature).map_err(|_| BadSignature)
    }

    /// An RSA key for these algorithms. `n` and `e` are big-endian without leading zeros and were checked.
    pub(super) fn rsa(kid: Option<String>, n: &[u8], e: &[u8], bits: usize, algorithms: &[Algorithm]) -> Option<Self> {
        let components = RsaPublicKeyComponents { n, e };
        let verifiers = algorithms.iter().map(|algorithm| {
            let key = components.to_parsed_public_key(rsa_parameters(*algorithm)?).ok()?;
            Some(Verifier { algorithm: *algorithm, signature_bytes: n.len(), key })
        });
        let members =
            format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, URL_SAFE_NO_PAD.encode(e), URL_SAFE_NO_PAD.encode(n));
        Some(Self {
            kid,
            kind: KeyKind::Rsa { bits },
            thumbprint: Thumbprint::of(&members),
            verifiers: verifiers.collect::<Option<_>>()?,
        })
    }

    /// An elliptic-curve key. `None` if the point is not on the curve.
    pub(super) fn ec(kid: Option<String>, kind: KeyKind, x: &[u8], y: &[u8]) -> Option<Self> {
        let (curve, algorithm, parameters): (_, _, &'static dyn VerificationAlgorithm) = match kind {
            KeyKind::P256 => ("P-256", Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED),
            KeyKind::P384 => ("P-384", Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED),
            KeyKind::P521 => ("P-521", Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED),
            KeyKind::Ed25519 | KeyKind::Rsa { .. } => return None,
        };
        // SEC 1 section 2.3.3: an uncompressed point. The point at infinity has no such form.
        let point = [&[0x04], x, y].concat();
        let key = ParsedPublicKey::new(parameters, &point).ok()?;
        let members = format!(
            r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#,
            URL_SAFE_NO_PAD.encode(x),
            URL_SAFE_NO_PAD.encode(y)
        );
        Some(Self {
            kid,
            kind,
            thumbprint: Thumbprint::of(&members),
            verifiers: vec![Verifier { algorithm, signature_bytes: x.len() + y.len(), key }],
        })
    }

    /// An Ed25519 key.
    pub(super) fn ed25519(kid: Option<String>, x: &[u8; 32]) -> Option<Self> {
        const SIGNATURE_BYTES: usize = 64;
        let key = ParsedPublicKey::new(&signature::ED25519, x).ok()?;
        let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(x));
        Some(Self {
            kid,
            kind: KeyKind::Ed25519,
            thumbprint: Thumbprint::of(&members),
            verifiers: vec![Verifier { algorithm: Algorithm::EdDsa, signature_bytes: SIGNATURE_BYTES, key }],
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:?}, {}, {})", self.kid, self.kind, self.thumbprint)
    }
}

/// The type of a key, with what matters about its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// Edwards curve 25519.
    Ed25519,
    /// NIST curve P-256.
    P256,
    /// NIST curve P-384.
    P384,
    /// NIST curve P-521.
    P521,
    /// RSA with a modulus of so many bits.
    Rsa {
        /// The length of the modulus.
        bits: usize,
    },
}

impl KeyKind {
    /// The algorithms that a key of this type could be used with.
    #[must_use]
    pub const fn algorithms(self) -> &'static [Algorithm] {
        match self {
            Self::Ed25519 => &[Algorithm::EdDsa],
            Self::P256 => &[Algorithm::Es256],
            Self::P384 => &[Algorithm::Es384],
            Self::P521 => &[Algorithm::Es512],
            Self::Rsa { .. } => &[
                Algorithm::Rs256,
                Algorithm::Rs384,
                Algorithm::Rs512,
                Algorithm::Ps256,
                Algorithm::Ps384,
                Algorithm::Ps512,
            ],
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519 => f.write_str("OKP Ed25519"),
            Self::P256 => f.write_str("EC P-256"),
            Self::P384 => f.write_str("EC P-384"),
            Self::P521 => f.write_str("EC P-521"),
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
        }
    }
}

/// The SHA-256 thumbprint of a key (RFC 7638): equal for equal keys, whatever they are called.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thumbprint([u8; 32]);

impl Thumbprint {
    /// Hashes the required members of a JWK, in lexicographic order and without whitespace.
    fn of(members: &str) -> Self {
        Self(sha256(digest::digest(&digest::SHA256, members.as_bytes())))
    }

    /// The hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbprint({self})")
    }
}

pub(super) fn sha256(digest: digest::Digest) -> [u8; 32] {
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes long")
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => None,
    }
}

#[cfg(test)]
mod tests;
