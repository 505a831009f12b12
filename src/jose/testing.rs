//! Keys and tokens for unit tests, made at run time.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use x509_parser::der_parser::asn1_rs::FromDer;
use x509_parser::public_key::RSAPublicKey;

use super::algorithm::Algorithm;

/// A private key that signs tokens.
pub(crate) enum Signer {
    Ecdsa(EcdsaKeyPair, Algorithm, &'static str),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

/// The first of two RSA keys that all tests of a run share, since making one takes long.
pub(crate) static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa(KeySize::Rsa2048));
/// The second one.
pub(crate) static OTHER_RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa(KeySize::Rsa2048));

impl Signer {
    pub(crate) fn rsa(size: KeySize) -> Self {
        Self::Rsa(RsaKeyPair::generate(size).unwrap())
    }

    pub(crate) fn p256() -> Self {
        Self::Ecdsa(
            EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            Algorithm::Es256,
            "P-256",
        )
    }

    pub(crate) fn p384() -> Self {
        Self::Ecdsa(
            EcdsaKeyPair::generate(&signature::ECDSA_P384_SHA384_FIXED_SIGNING).unwrap(),
            Algorithm::Es384,
            "P-384",
        )
    }

    pub(crate) fn p521() -> Self {
        Self::Ecdsa(
            EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
            Algorithm::Es512,
            "P-521",
        )
    }

    pub(crate) fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// The public key as an entry of a key set, without `kid`, `alg` and `use`.
    pub(crate) fn jwk(&self) -> Value {
        match self {
            Self::Ecdsa(pair, _, curve) => {
                let coordinates = &pair.public_key().as_ref()[1..];
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Self::Ed25519(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key().as_ref())}),
            Self::Rsa(pair) => {
                let (_, key) = RSAPublicKey::from_der(pair.public_key().as_ref()).unwrap();
                let n: Vec<u8> = key.modulus.iter().copied().skip_while(|byte| *byte == 0).collect();
                json!({"kty": "RSA", "n": base64url(&n), "e": base64url(key.exponent)})
            }
        }
    }

    /// [`Self::jwk`] with further members.
    pub(crate) fn jwk_with(&self, members: Value) -> Value {
        let mut jwk = self.jwk();
        jwk.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        jwk
    }

    /// The algorithms that the key can sign with.
    pub(crate) fn algorithms(&self) -> Vec<Algorithm> {
        match self {
            Self::Ecdsa(_, algorithm, _) => vec![*algorithm],
            Self::Ed25519(_) => vec![Algorithm::EdDsa],
            Self::Rsa(_) => Algorithm::ALL[..6].to_vec(),
        }
    }

    /// Signs a message.
    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        assert!(self.algorithms().contains(&algorithm), "{algorithm} is not an algorithm of this key");
        match self {
            Self::Ecdsa(pair, ..) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(rsa_encoding(algorithm), &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A token with this header and payload as they are written, signed with `algorithm` whatever the header says.
    pub(crate) fn token_of(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        let signing_input = format!("{}.{}", base64url(header), base64url(payload));
        let signature = self.sign(algorithm, signing_input.as_bytes());
        format!("{signing_input}.{}", base64url(signature))
    }

    /// A token with these claims, `alg` and `kid`.
    pub(crate) fn token(&self, algorithm: Algorithm, kid: &str, claims: &Value) -> String {
        self.token_of(algorithm, &json!({"alg": algorithm.name(), "kid": kid}).to_string(), &claims.to_string())
    }
}

/// A key set document.
pub(crate) fn jwks(keys: &[Value]) -> Vec<u8> {
    json!({"keys": keys}).to_string().into_bytes()
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => panic!("{algorithm} is not an RSA algorithm"),
    }
}
