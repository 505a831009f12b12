//! How many instructions the paths of a review take: `cargo bench --bench instructions`.
//!
//! Instructions are counted by valgrind, so that a busy machine counts as a quiet one does. Each path has its recorded
//! figure here; one that takes 3 % more fails, and so does CI. Whoever makes a path longer on purpose changes the figure in
//! the same commit, and says why. Needs valgrind and `gungraun-runner`; `.ci/run instructions` sets both up.

#![allow(missing_docs, unused_qualifications, reason = "the macros make items that nobody calls by name")]
#![expect(clippy::unwrap_used, reason = "what is measured works")]

mod pieces;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign::authn::cache::{Cache, Limits};
use countersign::authn::observed::Answer;
use countersign::authn::{Accepted, Authenticator, Deadline, Decision};
use countersign::cel::{Environment, FULL, Meter, Program, Subject, compile};
use countersign::clock::ManualClock;
use countersign::dev::issuer::Algorithm;
use countersign::jose::{KeySet, UnverifiedToken};
use countersign::providers::oidc::{NoTrail, Policy, judge};
use countersign::review::wire::Encoding;
use countersign::review::{ApiVersion, Reply, TokenReview};
use countersign::token::BearerToken;
use gungraun::prelude::*;
use gungraun::{Callgrind, EventKind};
use pieces::{Everybody, NOW, accepted, policy, token};
use serde_json::{Map, Value, json};

/// Fails when there are 3 % more than recorded.
fn recorded(instructions: u64) -> LibraryBenchmarkConfig {
    let limit = instructions + instructions * 3 / 100;
    let mut config = LibraryBenchmarkConfig::default();
    config.tool(Callgrind::default().hard_limits([(EventKind::Ir, limit)]));
    config
}

/// The bytes that the API server sends.
fn review() -> Vec<u8> {
    pieces::review(&token(Algorithm::Es256).0)
}

/// A cache that knows a token.
fn warm_cache() -> (Cache<Everybody>, BearerToken) {
    let limits =
        Limits { max_size: 1 << 20, accept_ttl: Duration::from_secs(300), reject_ttl: Duration::from_secs(10) };
    let cache = Cache::new(Everybody(accepted()), limits, Arc::new(ManualClock::at(NOW)), Arc::default()).unwrap();
    let (token, _) = token(Algorithm::Es256);
    // A miss is a task of its own, a hit waits for nothing.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    for _ in 0..3 {
        let decision = runtime.block_on(cache.authenticate(&token, deadline()));
        assert!(matches!(decision, Decision::Accept(_)));
    }
    (cache, token)
}

fn deadline() -> Deadline {
    Deadline::within(Duration::from_secs(5))
}

/// The result of a future that waits for nothing.
fn ready<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("it waits"),
    }
}

fn judged(algorithm: Algorithm) -> (BearerToken, KeySet, Policy) {
    let (token, keys) = token(algorithm);
    (token, keys, policy())
}

fn program() -> (Program, Map<String, Value>) {
    let claims = json!({"sub": "alice", "groups": ["developers", "operators"]});
    let program = compile("dyn(claims.groups).map(g, 'idp:' + g)", Environment::Claims).unwrap();
    (program, claims.as_object().unwrap().clone())
}

// What a path is given goes out with its result: what it costs to drop is not its cost.

#[library_benchmark(config = recorded(2_691), setup = review)]
fn read_a_review(body: Vec<u8>) -> (bool, Vec<u8>) {
    (TokenReview::parse(black_box(&body), Encoding::Json, None).is_ok(), body)
}

// The cache library tidies up now and then, as time passes: 17,180 without that.
#[library_benchmark(config = recorded(20_159), setup = warm_cache)]
fn answer_from_the_cache(known: (Cache<Everybody>, BearerToken)) -> (Decision, (Cache<Everybody>, BearerToken)) {
    (ready(known.0.authenticate(black_box(&known.1), deadline())), known)
}

#[library_benchmark(config = recorded(1_360), setup = accepted)]
fn write_an_answer(accepted: Accepted) -> (Reply, Answer) {
    let answer = Answer::Accept(accepted, vec!["https://kubernetes.default.svc".to_owned()]);
    (Reply::decided(ApiVersion::V1, black_box(&answer), false), answer)
}

#[library_benchmark(setup = judged)]
#[bench::es256(args = (Algorithm::Es256), config = recorded(749_057))]
#[bench::rs256(args = (Algorithm::Rs256), config = recorded(333_946))]
fn judge_a_token(known: (BearerToken, KeySet, Policy)) -> (bool, (BearerToken, KeySet, Policy)) {
    let token = UnverifiedToken::parse(black_box(known.0.expose_secret())).unwrap();
    (judge(token, &known.1, &known.2, NOW, &mut NoTrail).is_ok(), known)
}

#[library_benchmark(config = recorded(3_805))]
fn refuse_junk() -> bool {
    UnverifiedToken::parse(black_box(JUNK)).is_ok()
}

/// Something that looks like a token from afar.
const JUNK: &str = "eyJhbGciOiJub25lIn0.e30.AAAA";

#[library_benchmark(config = recorded(7_232), setup = program)]
fn evaluate_an_expression(known: (Program, Map<String, Value>)) -> (bool, (Program, Map<String, Value>)) {
    let subject = Subject::Claims(black_box(&known.1));
    (known.0.evaluate_strings(subject, &mut Meter::new(FULL)).is_ok(), known)
}

library_benchmark_group!(
    name = paths,
    benchmarks =
        [read_a_review, answer_from_the_cache, write_an_answer, judge_a_token, refuse_junk, evaluate_an_expression]
);

main!(library_benchmark_groups = paths);
