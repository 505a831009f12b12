//! V, the signature alone: the library verifies the signatures of tokens with a parsed key, one after the other. And beside it
//! what the product does with a token that it has not seen: from the text to claims that can be trusted.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign::clock::UnixTime;
use countersign::dev::issuer::SigningKey;
use countersign::jose::{AlgorithmSet, KeySet, UnverifiedToken};
use countersign::providers::oidc::{NoTrail, Policy, TokenProfile, judge};
use countersign::token::BearerToken;
use serde_json::json;

use crate::material::Kind;

/// Signatures that are ready to be verified.
pub(crate) struct Signatures {
    key: ParsedPublicKey,
    signed: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Signatures {
    /// Those of tokens that one key has signed.
    pub(crate) fn of(kind: Kind, key: &SigningKey, tokens: &[BearerToken]) -> Self {
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
    pub(crate) fn verify_for(&self, duration: Duration) -> f64 {
        rate(duration, &self.signed, |(message, signature)| {
            self.key.verify_sig(black_box(message), black_box(signature)).expect("the signatures are good");
        })
    }
}

/// Tokens that are ready to be judged.
pub(crate) struct Tokens {
    tokens: Vec<BearerToken>,
    keys: KeySet,
    policy: Policy,
    now: UnixTime,
}

impl Tokens {
    /// Tokens of an issuer that publishes this key alone.
    pub(crate) fn of(key: &SigningKey, tokens: Vec<BearerToken>, issuer: &str, audience: &str, now: UnixTime) -> Self {
        let set = json!({"keys": [key.jwk()]}).to_string();
        let policy = Policy {
            issuer: issuer.to_owned(),
            audiences: vec![audience.to_owned()],
            algorithms: AlgorithmSet::default(),
            clock_skew: Duration::ZERO,
            profile: TokenProfile::Any,
        };
        Self { tokens, keys: KeySet::parse(set.as_bytes()).expect("a key set of one good key"), policy, now }
    }

    /// Judges for a time; returns how many a second.
    pub(crate) fn judge_for(&self, duration: Duration) -> f64 {
        rate(duration, &self.tokens, |token| {
            let token = UnverifiedToken::parse(black_box(token.expose_secret())).expect("the tokens are well-formed");
            let claims = judge(token, &self.keys, &self.policy, self.now, &mut NoTrail);
            assert!(black_box(claims).is_ok(), "the tokens are good");
        })
    }
}

/// Does something with items in turn for a time; returns how many a second.
fn rate<T>(duration: Duration, items: &[T], work: impl Fn(&T)) -> f64 {
    const BETWEEN_LOOKS: usize = 50;
    let began = Instant::now();
    let mut done = 0_u32;
    while began.elapsed() < duration {
        for item in items.iter().take(BETWEEN_LOOKS) {
            work(item);
            done += 1;
        }
    }
    f64::from(done) / began.elapsed().as_secs_f64()
}
