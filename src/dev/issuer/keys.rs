//! Signing keys of a throw-away issuer: made in memory, never stored.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A signature algorithm of RFC 7518, or RFC 8037's `EdDSA` (Ed25519).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the algorithms'")]
pub enum Algorithm {
    EdDsa,
    Es256,
    Es384,
    Es512,
    Ps256,
    Ps384,
    Ps512,
    Rs256,
    Rs384,
    Rs512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 10] = [
        Self::EdDsa,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
    ];

    /// The name in a token's `alg`.
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

/// A key could not be made or used: the machine has no randomness, or no memory.
#[derive(Debug, thiserror::Error)]
#[error("the cryptographic library failed to {deed} with {algorithm}", algorithm = .algorithm.name())]
pub struct KeyError {
    deed: &'static str,
    algorithm: Algorithm,
}

/// A private key with its identifier. `Debug` shows the public half.
pub struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Ec { pair: EcdsaKeyPair, curve: &'static str },
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Makes a key for an algorithm. RSA keys have 2048 bits.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn generate(algorithm: Algorithm, kid: impl Into<String>) -> Result<Self, KeyError> {
        Self::generate_sized(algorithm, kid, 2048)
    }

    /// The same with another size for RSA keys: 2048, 3072, 4096 or 8192 bits.
    ///
    /// # Errors
    /// If the cryptographic library fails, or the size is another.
    pub fn generate_sized(algorithm: Algorithm, kid: impl Into<String>, rsa_bits: usize) -> Result<Self, KeyError> {
        let pair = pair(algorithm, rsa_bits).map_err(|Unspecified| KeyError { deed: "make a key", algorithm })?;
        Ok(Self { kid: kid.into(), algorithm, pair })
    }

    /// The key's identifier.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The algorithm that the key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key as a JWK with `kid`, `use` and `alg`.
    #[must_use]
    pub fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match &self.pair {
            Pair::Ec { pair, curve } => {
                // An uncompressed point: a leading 4, then both coordinates.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
            }
            Pair::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())}),
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                let modulus = public.modulus().big_endian_without_leading_zero();
                let exponent = public.exponent().big_endian_without_leading_zero();
                json!({"kty": "RSA", "n": encode(modulus), "e": encode(exponent)})
            }
        };
        if let Value::Object(fields) = &mut jwk {
            fields.insert("kid".to_owned(), self.kid.clone().into());
            fields.insert("use".to_owned(), "sig".into());
            fields.insert("alg".to_owned(), self.algorithm.name().into());
        }
        jwk
    }

    /// The public key as a DER `SubjectPublicKeyInfo`: what an algorithm-confusion attack uses as an HMAC secret.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn public_key_der(&self) -> Result<Vec<u8>, KeyError> {
        let der = match &self.pair {
            Pair::Ec { pair, .. } => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
        };
        der.map(|der| der.as_ref().to_vec())
            .map_err(|Unspecified| KeyError { deed: "write a public key", algorithm: self.algorithm })
    }

    /// Signs with an algorithm. An RSA key can sign with each of the RS and PS algorithms, others only with their own:
    /// a foreign algorithm yields the signature of the key's own.
    ///
    /// # Errors
    /// If the cryptographic library fails.
    pub fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Ec { pair, .. } => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let encoding = rsa_encoding(algorithm).or_else(|| rsa_encoding(self.algorithm)).ok_or(Unspecified);
                let mut signature = vec![0; pair.public_modulus_len()];
                encoding.and_then(|encoding| pair.sign(encoding, &random, message, &mut signature)).map(|()| signature)
            }
        };
        signature.map_err(|Unspecified| KeyError { deed: "sign", algorithm })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.jwk())
    }
}

fn pair(algorithm: Algorithm, rsa_bits: usize) -> Result<Pair, Unspecified> {
    let ec =
        |signing: &'static EcdsaSigningAlgorithm, curve| Ok(Pair::Ec { pair: EcdsaKeyPair::generate(signing)?, curve });
    match algorithm {
        Algorithm::EdDsa => Ok(Pair::Ed25519(Ed25519KeyPair::generate()?)),
        Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
        Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
        Algorithm::Es512 => ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
        Algorithm::Ps256
        | Algorithm::Ps384
        | Algorithm::Ps512
        | Algorithm::Rs256
        | Algorithm::Rs384
        | Algorithm::Rs512 => {
            let size = match rsa_bits {
                2048 => KeySize::Rsa2048,
                3072 => KeySize::Rsa3072,
                4096 => KeySize::Rsa4096,
                8192 => KeySize::Rsa8192,
                _ => return Err(Unspecified),
            };
            Ok(Pair::Rsa(RsaKeyPair::generate(size)?))
        }
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::EdDsa | Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 => return None,
    })
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::DecodingKey;
    use jsonwebtoken::jwk::Jwk;

    use super::*;

    /// A second opinion, from a library that had no part in signing.
    fn verifies(key: &SigningKey, name: &str, message: &[u8], signature: &[u8]) -> bool {
        let jwk: Jwk = serde_json::from_value(key.jwk()).unwrap();
        let algorithm = name.parse().unwrap();
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        jsonwebtoken::crypto::verify(&signature, message, &DecodingKey::from_jwk(&jwk).unwrap(), algorithm).unwrap()
    }

    #[test]
    fn every_algorithm_signs_what_its_public_key_verifies() {
        for algorithm in Algorithm::ALL.into_iter().filter(|algorithm| *algorithm != Algorithm::Es512) {
            let key = SigningKey::generate(algorithm, "k").unwrap();
            let signature = key.sign(algorithm, b"message").unwrap();
            assert!(verifies(&key, algorithm.name(), b"message", &signature), "{algorithm:?}");
            assert!(!verifies(&key, algorithm.name(), b"another", &signature), "{algorithm:?}");
        }
    }

    #[test]
    fn es512_signs_what_its_public_key_verifies() {
        use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
        let key = SigningKey::generate(Algorithm::Es512, "k").unwrap();
        let jwk = key.jwk();
        let coordinate = |name: &str| BASE64_URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], coordinate("x"), coordinate("y")].concat();
        assert_eq!((jwk["crv"].as_str(), point.len()), (Some("P-521"), 133));
        let signature = key.sign(Algorithm::Es512, b"message").unwrap();
        UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point).verify(b"message", &signature).unwrap();
    }

    #[test]
    fn an_rsa_key_signs_with_each_rsa_algorithm() {
        let key = SigningKey::generate(Algorithm::Rs256, "k").unwrap();
        for algorithm in [Algorithm::Ps512, Algorithm::Rs384] {
            let signature = key.sign(algorithm, b"message").unwrap();
            assert!(verifies(&key, algorithm.name(), b"message", &signature), "{algorithm:?}");
        }
    }

    #[test]
    fn a_public_key_says_what_it_is_for_and_keeps_its_secret() {
        let key = SigningKey::generate(Algorithm::EdDsa, "the-kid").unwrap();
        let mut jwk = key.jwk();
        jwk.as_object_mut().unwrap().remove("x");
        assert_eq!(jwk, json!({"kty": "OKP", "crv": "Ed25519", "kid": "the-kid", "use": "sig", "alg": "EdDSA"}));
        assert_eq!(format!("{key:?}"), format!("SigningKey({})", key.jwk()));
    }
}
