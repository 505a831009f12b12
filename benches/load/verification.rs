//! V, the signature alone: the library verifies the signatures of tokens with a parsed key, one after the other.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign::dev::issuer::SigningKey;
use countersign::token::BearerToken;

use crate::material::Kind;

/// Signatures that are ready to be verified.
pub struct Signatures {
    key: ParsedPublicKey,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Signatures {
    /// Those of tokens that one key has signed.
    pub fn of(kind: Kind, key: &SigningKey, tokens: &[BearerToken]) -> Self {
        let algorithm: &'static dyn VerificationAlgorithm = match kind {
            Kind::Rs256 | Kind::Rs4096 => &RSA_PKCS1_2048_8192_SHA256,
            Kind::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Kind::Es256 => &ECDSA_P256_SHA256_FIXED,
            Kind::Es384 => &ECDSA_P384_SHA384_FIXED,
            Kind::Es512 => &ECDSA_P521_SHA512_FIXED,
            Kind::EdDsa => &ED25519,
        };
        let der = key.public_key_der().expect("the library made the key");
        let key = ParsedPublicKey::new(algorithm, &der).expect("the library reads what it wrote");
        let parts = |token: &BearerToken| {
            let (message, signature) = token.expose_secret().rsplit_once('.').expect("a token has three parts");
            let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("a signature is base64");
            (message.as_bytes().to_vec(), signature)
        };
        Self { key, signed: tokens.iter().map(parts).collect() }
    }

    /// Verifies for a time; returns how many a second.
    pub fn verify_for(&self, duration: Duration) -> f64 {
        let began = Instant::now();
        let mut verified = 0_u32;
        while began.elapsed() < duration {
            for (message, signature) in self.signed.iter().take(50) {
                self.key.verify_sig(black_box(message), black_box(signature)).expect("the signatures are good");
                verified += 1;
            }
        }
        f64::from(verified) / began.elapsed().as_secs_f64()
    }
}
