//! What expressions cost, beside Kubernetes' own code: `cargo bench --bench expressions`.
//!
//! Both sides do the same in turns, so that a busy machine is busy for both; what counts is the ratio of the medians.
//! Kubernetes' side is the oracle that `tests/oracle/setup.sh` builds; without it only ours is measured. At the end: a mapping
//! with five typical expressions against the signature that every miss needs, too.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "it prints what it measured, and panics when it cannot")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use countersign::cel::{Environment, FULL, Meter, Subject, compile};
use countersign::clock::UnixTime;
use countersign::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use countersign::jose::{AlgorithmSet, KeySet, UnverifiedToken};
use countersign::providers::oidc::{NoTrail, Policy, TokenProfile, judge};
use serde_json::{Map, Value, json};

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(20);
const GROUPS: [usize; 3] = [1, 20, 2_000];
const EXPRESSIONS: [&str; 4] = [
    "'idp:' + claims.sub",
    "dyn(claims.groups).map(g, 'idp:' + g)",
    "dyn(claims.groups).filter(g, g.startsWith('team-1'))",
    "dyn(claims.groups).exists(g, g == 'nobody')",
];
/// What a miss with expressions evaluates.
const TYPICAL: [&str; 5] = [
    "'idp:' + claims.?preferred_username.orValue(claims.sub)",
    "dyn(claims.groups).map(g, 'idp:' + g)",
    "claims.?department.orValue('')",
    "claims.email_verified == true",
    "dyn(claims.groups).all(g, !g.startsWith('system:'))",
];

fn main() {
    let mut oracle = Oracle::start();
    if oracle.is_none() {
        println!("!!! Kubernetes' side is NOT measured: run tests/oracle/setup.sh first");
    }
    println!("{:<58} {:>8} {:>12} {:>12} {:>8}", "expression", "groups", "ours", "Kubernetes", "ratio");
    for expression in EXPRESSIONS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            ours.push(per_call(|| drop(black_box(compile(black_box(expression), Environment::Claims)))));
            theirs.extend(oracle.as_mut().map(|oracle| oracle.measure(expression, None)));
        }
        print_row(expression, "compile", &mut ours, &mut theirs);
        let program = compile(expression, Environment::Claims).unwrap();
        for groups in GROUPS {
            let claims = claims(groups);
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for _ in 0..ROUNDS {
                ours.push(per_call(|| {
                    let subject = Subject::Claims(black_box(&claims));
                    // A rule gives a bool, which is no text: either way the whole is evaluated.
                    let _ = black_box(program.evaluate_strings(subject, &mut Meter::new(FULL)));
                }));
                theirs.extend(oracle.as_mut().map(|oracle| oracle.measure(expression, Some(&claims))));
            }
            print_row(expression, &groups.to_string(), &mut ours, &mut theirs);
        }
    }
    against_a_signature();
}

/// A miss with five typical expressions must cost less than its signature.
fn against_a_signature() {
    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    let key = std::sync::Arc::new(SigningKey::generate(Algorithm::Rs256, "key").unwrap());
    let token = TokenBuilder::new(&key)
        .issuer("https://idp.example.com")
        .subject("alice")
        .audience("kubernetes")
        .issued_at(NOW)
        .expires_at(NOW.saturating_add(Duration::from_secs(3600)))
        .mint();
    let keys = KeySet::parse(json!({"keys": [key.jwk()]}).to_string().as_bytes()).unwrap();
    let policy = Policy {
        issuer: "https://idp.example.com".to_owned(),
        audiences: vec!["kubernetes".to_owned()],
        algorithms: AlgorithmSet::default(),
        clock_skew: Duration::ZERO,
        profile: TokenProfile::Any,
    };
    let programs = TYPICAL.map(|expression| compile(expression, Environment::Claims).unwrap());
    let claims = claims(20);
    let (mut expressions, mut signatures) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        expressions.push(per_call(|| {
            for program in &programs {
                let _ = black_box(program.evaluate_strings(Subject::Claims(&claims), &mut Meter::new(FULL)));
            }
        }));
        signatures.push(per_call(|| {
            let token = UnverifiedToken::parse(black_box(token.expose_secret())).unwrap();
            assert!(judge(token, &keys, &policy, NOW, &mut NoTrail).is_ok());
        }));
    }
    let (expressions, signature) = (median(&mut expressions), median(&mut signatures));
    let ratio = expressions / signature;
    println!(
        "five typical expressions, 20 groups: {expressions:.0} ns; an RS256 token: {signature:.0} ns; ratio {ratio:.2}"
    );
}

fn claims(groups: usize) -> Map<String, Value> {
    let groups: Vec<_> = (0..groups).map(|number| format!("team-{number}")).collect();
    let claims = json!({"sub": "alice", "email": "alice@example.org", "email_verified": true, "groups": groups});
    claims.as_object().cloned().unwrap()
}

/// Nanoseconds per call, over about one round.
fn per_call(mut call: impl FnMut()) -> f64 {
    let mut count = 1_u32;
    loop {
        let start = Instant::now();
        for _ in 0..count {
            call();
        }
        let spent = start.elapsed();
        if spent >= ROUND {
            return spent.as_secs_f64() * 1e9 / f64::from(count);
        }
        count *= 2;
    }
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

fn print_row(expression: &str, what: &str, ours: &mut [f64], theirs: &mut [f64]) {
    let (ours, theirs) = (median(ours), median(theirs));
    println!("{expression:<58} {what:>8} {ours:>9.0} ns {theirs:>9.0} ns {:>8.3}", ours / theirs);
}

struct Oracle {
    process: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Option<Self> {
        let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("COUNTERSIGN_TEST_CACHE").or_else(|| {
            let cache = folder("XDG_CACHE_HOME").or_else(|| folder("HOME").map(|home| home.join(".cache")))?;
            Some(cache.join("countersign-tests"))
        })?;
        let mut command = Command::new(cache.join("oracle"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
        let (questions, answers) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        Some(Self { process, questions, answers })
    }

    /// One round: of compiling without claims, of evaluating with.
    fn measure(&mut self, expression: &str, claims: Option<&Map<String, Value>>) -> f64 {
        let texts: Vec<_> = claims.map(|claims| Value::Object(claims.clone()).to_string()).into_iter().collect();
        let question = json!({
            "op": "bench", "kind": "mapping", "expression": expression, "claims": texts, "rounds": 1,
            "only": if claims.is_some() { "evaluate" } else { "compile" },
        });
        writeln!(self.questions, "{question}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let place = if claims.is_some() { "/evaluate/0/0" } else { "/compile/0" };
        answer.pointer(place).and_then(Value::as_f64).unwrap_or_else(|| panic!("the oracle: {line}"))
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
