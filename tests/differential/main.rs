//! Our answers against Kubernetes' own, over generated configurations, tokens and expressions.
//!
//! `tests/oracle` answers with the API server's code; both sides must agree on whether a document is taken, with the same
//! field paths, on whether a token is, and on the exact user. What may differ is in [`deviations`], and nothing else.
//!
//! `COUNTERSIGN_DIFFERENTIAL_SEED` chooses other cases, `COUNTERSIGN_DIFFERENTIAL_FACTOR` makes more of them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "in a test a panic is the report, and the counts are for people"
)]

mod deviations;
mod documents;
mod expressions;
mod oracle;
mod ours;
mod random;
mod tokens;
mod tree;

mod cel;
mod compare;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compare::Side;
use documents::Kind;
use random::Random;

/// How many things of a kind happened: printed at the end, so that nobody mistakes an idle test for a good one.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    pub(crate) fn count(&self, what: impl Into<String>) {
        *self.0.lock().unwrap().entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    fn print(&self, title: &str) {
        println!("{title}");
        for (what, count) in &*self.0.lock().unwrap() {
            println!("  {count:>8}  {what}");
        }
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}: {text:?}")))
}

/// Runs batches of cases in as many workers as there are processors, and reports the first disagreements, made small.
fn run(title: &str, batches: u64, batch: impl Fn(&mut Side, &mut Random, u64, &Tally) -> Vec<String> + Sync) -> Tally {
    const ENOUGH: usize = 12;
    let seed = setting("COUNTERSIGN_DIFFERENTIAL_SEED", 1);
    let batches = batches * setting("COUNTERSIGN_DIFFERENTIAL_FACTOR", 1);
    println!("{title}: seed {seed}, {batches} batches");
    let (tally, next, failures) = (Tally::default(), AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(4) {
            scope.spawn(|| {
                let mut side = Side::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed) as u64;
                    if number >= batches || failures.lock().unwrap().len() >= ENOUGH {
                        break;
                    }
                    let found = batch(&mut side, &mut Random::of_case(seed, number), number, &tally);
                    failures.lock().unwrap().extend(found);
                }
            });
        }
    });
    tally.print(title);
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} disagreements (seed {seed}):\n\n{}", failures.len(), failures.join("\n\n"));
    tally
}

#[test]
#[ignore = "needs tests/oracle/setup.sh"]
fn documents_are_taken_and_refused_alike() {
    let tally = run("documents", 120, |side, random, _, tally| {
        let documents: Vec<_> = (0..50)
            .map(|_| {
                let kind = *random.pick(&[Kind::Sound, Kind::NearMiss, Kind::NearMiss, Kind::NearMiss, Kind::Odd]);
                documents::generate(random, kind)
            })
            .collect();
        compare::documents(side, &documents, tally)
    });
    assert!(tally.of("taken by both") > 1000 && tally.of("refused by both") > 1000, "one answer is hardly ever given");
}

#[test]
#[ignore = "needs tests/oracle/setup.sh"]
fn listed_documents_are_taken_and_refused_alike() {
    let (mut side, tally) = (Side::new(), Tally::default());
    let failures = compare::documents(&mut side, &documents::listed(), &tally);
    tally.print("listed documents");
    assert!(failures.is_empty(), "{} disagreements:\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
#[ignore = "needs tests/oracle/setup.sh"]
fn tokens_are_taken_and_refused_alike_and_make_the_same_users() {
    let tally = run("tokens", 60, |side, random, _, tally| {
        let questions: Vec<_> = (0..25)
            .map(|_| {
                let document = documents::generate(random, Kind::Sound);
                let key_set = if random.percent(80) { 0 } else { random.below(tokens::KEY_SETS) };
                let oddity = *random.pick(&[0, 4, 15, 40]);
                let tokens = (0..12).map(|_| tokens::generate(random, &document.tree, oddity)).collect();
                compare::Question { document, key_set, tokens }
            })
            .collect();
        compare::tokens(side, &questions, tally)
    });
    assert!(
        tally.of("accepted by both") > 1000 && tally.of("refused by both") > 1000,
        "one answer is hardly ever given"
    );
}

#[test]
#[ignore = "needs tests/oracle/setup.sh"]
fn expressions_compile_alike_and_give_the_same_values() {
    let tally = run("expressions", 200, |side, random, _, tally| {
        let questions: Vec<_> = (0..50).map(|_| cel::Question::generate(random)).collect();
        cel::compare(side, &questions, tally)
    });
    assert!(tally.of("the same value") > 1000 && tally.of("an error in both") > 100, "one answer is hardly ever given");
    assert!(tally.of("compiled by neither") > 100, "one answer is hardly ever given");
}

#[test]
#[ignore = "needs tests/oracle/setup.sh"]
fn listed_expressions_compile_alike_and_give_the_same_values() {
    let questions = cel::Question::listed();
    let (mut side, tally) = (Side::new(), Tally::default());
    let failures = cel::compare(&mut side, &questions, &tally);
    tally.print("listed expressions");
    assert!(failures.is_empty(), "{} disagreements:\n\n{}", failures.len(), failures.join("\n\n"));
}

#[test]
fn every_deviation_is_explained_in_the_documentation() {
    let table = include_str!("deviations.rs");
    let page = include_str!("../../docs/authentication-configuration.md");
    let names = table.split("=> \"").skip(1).chain(table.split("ome(\"").skip(1));
    let mut count = 0;
    let names = names.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name);
    for name in names.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-')) {
        count += 1;
        assert!(page.contains(&format!("| `{name}` |")), "docs/authentication-configuration.md has no row {name}");
    }
    assert!(count > 30, "only {count} rows were found");
}
