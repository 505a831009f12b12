//! What a review costs, piece by piece: `cargo bench --bench micro`. Compare figures of one run only.
//!
//! First it counts how often each piece allocates memory, which no noise can change; then criterion takes times.

#![expect(clippy::print_stdout, reason = "it prints what it counted")]

mod pieces;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use aws_lc_rs::hmac;
use countersign::authn::cache::{Cache, Limits};
use countersign::authn::observed::Answer;
use countersign::authn::{Authenticator, Deadline, Decision, VerifiedClaims};
use countersign::cel::{Environment, FULL, Meter, Subject, compile};
use countersign::clock::SystemClock;
use countersign::dev::issuer::Algorithm;
use countersign::jose::{KeySet, UnverifiedToken};
use countersign::mapping::{Claim, Effort, Mapping, Reserved, Source};
use countersign::providers::oidc::{NoTrail, judge};
use countersign::review::wire::Encoding;
use countersign::review::{ApiVersion, Reply, TokenReview};
use countersign::token::BearerToken;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use pieces::{Everybody, NOW, accepted, policy, review, token};
use tokio::runtime::Runtime;

const ALGORITHMS: [Algorithm; 6] =
    [Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::EdDsa];
/// More entries than a processor's cache can hold.
const ENTRIES: u32 = 1_000_000;

struct Sample {
    token: BearerToken,
    keys: KeySet,
}

impl Sample {
    fn of(algorithm: Algorithm) -> Self {
        let (token, keys) = token(algorithm);
        Self { token, keys }
    }

    fn judged(&self) -> VerifiedClaims {
        let token = UnverifiedToken::parse(black_box(self.token.expose_secret())).expect("a good token");
        judge(token, &self.keys, &policy(), NOW, &mut NoTrail).expect("a good token")
    }
}

fn mapping() -> Mapping {
    let claim = |name: &str| Source::Claim(Claim { name: name.to_owned(), prefix: "oidc:".to_owned() });
    Mapping {
        username: claim("sub"),
        groups: Some(claim("groups")),
        uid: None,
        extra: Vec::new(),
        rules: Vec::new(),
        user_rules: Vec::new(),
        reserved: Reserved::Reject,
        require_verified_email: false,
    }
}

fn cache() -> Cache<Everybody> {
    let limits =
        Limits { max_size: 2 << 30, accept_ttl: Duration::from_secs(3600), reject_ttl: Duration::from_secs(10) };
    Cache::new(Everybody(accepted()), limits, Arc::new(SystemClock), Arc::default()).expect("the system has randomness")
}

/// The answer about a token that is remembered: nothing is waited for.
fn ask(cache: &Cache<Everybody>, token: &BearerToken) -> Decision {
    let deadline = Deadline::within(Duration::from_secs(5));
    match pin!(cache.authenticate(token, deadline)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision,
        Poll::Pending => unreachable!("it is not remembered"),
    }
}

/// The same for one that may be new, which is a task of its own.
fn learn(runtime: &Runtime, cache: &Cache<Everybody>, token: &BearerToken) -> Decision {
    runtime.block_on(cache.authenticate(token, Deadline::within(Duration::from_secs(5))))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
}

/// A token that is told from others by its number alone, and as long as a token is.
fn numbered(number: u32) -> BearerToken {
    BearerToken::new(format!("{number:0900}"))
}

fn allocations(_: &mut Criterion) {
    let count = |what: &str, work: &mut dyn FnMut()| {
        work();
        let counted = allocation_counter::measure(work);
        println!("{what:<40} {:>4} allocations, {:>6} bytes", counted.count_total, counted.bytes_total);
    };
    let sample = Sample::of(Algorithm::Rs256);
    let body = review(&sample.token);
    count("read a review", &mut || drop(TokenReview::parse(&body, Encoding::Json, None)));
    count("take a token apart", &mut || {
        black_box(UnverifiedToken::parse(sample.token.expose_secret()).is_ok());
    });
    count("token to claims, RS256", &mut || drop(sample.judged()));
    let (claims, mapping) = (sample.judged(), mapping());
    count("claims to user", &mut || drop(mapping.user(&claims, Effort::brief())));
    let (cache, token) = (cache(), numbered(0));
    learn(&runtime(), &cache, &token);
    count("remembered answer", &mut || drop(ask(&cache, &token)));
    let answer = Answer::Accept(accepted(), vec!["https://kubernetes.default.svc".to_owned()]);
    count("write an answer", &mut || drop(Reply::decided(ApiVersion::V1, &answer, false)));
}

fn pieces(c: &mut Criterion) {
    let sample = Sample::of(Algorithm::Es256);
    let body = review(&sample.token);
    c.bench_function("read a review", |b| b.iter(|| TokenReview::parse(black_box(&body), Encoding::Json, None)));
    c.bench_function("take a token apart", |b| {
        b.iter(|| UnverifiedToken::parse(black_box(sample.token.expose_secret())).is_ok())
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    c.bench_function("cache key", |b| b.iter(|| hmac::sign(&key, black_box(sample.token.expose_secret().as_bytes()))));
    let (claims, mapping) = (sample.judged(), mapping());
    c.bench_function("claims to user", |b| b.iter(|| mapping.user(black_box(&claims), Effort::brief())));
    let program = compile("dyn(claims.groups).map(g, 'idp:' + g)", Environment::Claims).expect("a good expression");
    c.bench_function("an expression over two groups", |b| {
        b.iter(|| program.evaluate_strings(Subject::Claims(black_box(claims.all())), &mut Meter::new(FULL)).is_ok());
    });
    let answer = Answer::Accept(accepted(), vec!["https://kubernetes.default.svc".to_owned()]);
    c.bench_function("write an answer", |b| b.iter(|| Reply::decided(ApiVersion::V1, black_box(&answer), false)));
}

fn memory(c: &mut Criterion) {
    let (cache, runtime) = (cache(), runtime());
    c.bench_function("miss: remember an answer", |b| {
        let mut number = 2 * ENTRIES;
        b.iter_batched(
            || {
                number += 1;
                numbered(number)
            },
            |token| learn(&runtime, &cache, &token),
            BatchSize::SmallInput,
        );
    });
    for number in 0..ENTRIES {
        learn(&runtime, &cache, &numbered(number));
    }
    let token = numbered(0);
    c.bench_function("hit: one token", |b| b.iter(|| ask(&cache, black_box(&token))));
    c.bench_function("hit: a million tokens", |b| {
        let mut number = 0;
        b.iter_batched(
            || {
                // A step that has no divisor in common with their number visits all of them.
                number = (number + 7_919) % ENTRIES;
                numbered(number)
            },
            |token| ask(&cache, &token),
            BatchSize::SmallInput,
        );
    });
}

fn verification(c: &mut Criterion) {
    let mut group = c.benchmark_group("token to claims");
    for algorithm in ALGORITHMS {
        let sample = Sample::of(algorithm);
        group.bench_function(algorithm.name(), |b| b.iter(|| sample.judged()));
    }
}

criterion_group!(benches, allocations, pieces, memory, verification);
criterion_main!(benches);
