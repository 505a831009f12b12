//! What a review costs, piece by piece: `cargo bench --bench review`. Compare figures of one run only.

use std::hint::black_box;
use std::time::Duration;

use countersign::clock::UnixTime;
use countersign::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use countersign::jose::{AlgorithmSet, KeySet, UnverifiedToken};
use countersign::providers::oidc::{NoTrail, Policy, TokenProfile, judge};
use countersign::review::TokenReview;
use countersign::review::wire::Encoding;
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const ISSUER: &str = "https://idp.example.com";

struct Sample {
    token: String,
    keys: KeySet,
}

fn sample(algorithm: Algorithm) -> Sample {
    let key = std::sync::Arc::new(SigningKey::generate(algorithm, "key").expect("aws-lc-rs makes keys"));
    let token = TokenBuilder::new(&key)
        .issuer(ISSUER)
        .subject("alice")
        .audience("kubernetes")
        .issued_at(NOW)
        .expires_at(NOW.saturating_add(Duration::from_secs(3600)))
        .claim("email", "alice@example.com")
        .groups(&["developers", "operators"])
        .mint();
    let document = json!({"keys": [key.jwk()]}).to_string();
    let keys = KeySet::parse(document.as_bytes()).expect("a key set of one good key");
    Sample { token: token.expose_secret().to_owned(), keys }
}

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec!["kubernetes".to_owned()],
        algorithms: AlgorithmSet::default(),
        clock_skew: Duration::ZERO,
        profile: TokenProfile::Any,
    }
}

fn pieces(c: &mut Criterion) {
    let Sample { token, .. } = sample(Algorithm::Es256);
    let body = json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"token": token, "audiences": ["https://kubernetes.default.svc"]}, "status": {"user": {}},
    })
    .to_string();
    c.bench_function("read a TokenReview", |b| {
        b.iter(|| TokenReview::parse(black_box(body.as_bytes()), Encoding::Json, None));
    });
    c.bench_function("read a token", |b| b.iter(|| UnverifiedToken::parse(black_box(&token)).is_ok()));
}

fn verification(c: &mut Criterion) {
    let policy = policy();
    let mut group = c.benchmark_group("token to verified claims");
    for algorithm in
        [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa]
    {
        let Sample { token, keys } = sample(algorithm);
        group.bench_function(algorithm.name(), |b| {
            b.iter(|| {
                let token = UnverifiedToken::parse(black_box(&token)).expect("a good token");
                judge(token, &keys, &policy, NOW, &mut NoTrail).is_ok()
            });
        });
    }
}

criterion_group!(benches, pieces, verification);
criterion_main!(benches);
