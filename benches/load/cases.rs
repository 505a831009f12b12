//! What is measured round by round: which questions, in which shape, on which sides.

use std::sync::Arc;
use std::time::Duration;

use countersign::load::{Answer, Report};

use crate::fleet::{Fleet, Role};
use crate::goals::{GARDENER, KUBERNETES, LIMIT, OURS, SIGNATURE, TABLE};
use crate::machine;
use crate::material::{Kind, Material, bodies};
use crate::measure::{Load, Sample, Shape};
use crate::results::Results;
use crate::verification::Signatures;

/// The bodies of reviews.
pub(crate) type Bodies = Arc<[Box<[u8]>]>;

/// One connection, as the API server has, with everything that it can have in flight.
pub(crate) const WIDE: Shape = Shape::h2(1, 100);
/// Several API servers.
pub(crate) const SPREAD: Shape = Shape::h2(8, 10);

/// The shapes in which remembered answers are asked for.
const SHAPES: [Shape; 9] = [
    Shape::h1(1),
    Shape::h1(8),
    Shape::h1(64),
    Shape::h2(1, 1),
    Shape::h2(8, 1),
    Shape::h2(64, 1),
    Shape::h2(1, 16),
    WIDE,
    SPREAD,
];
/// The rates at which latencies are compared.
const RATES: [u32; 2] = [2_000, 8_000];
/// As many tokens as the users of a large cluster have.
const MANY: usize = 2_000;
/// So many tokens are verified over and over where nothing is remembered.
const VERIFIED: usize = 500;
/// One question of so many is about a token that was not seen before.
const ONE_FRESH_IN: usize = 100;
/// Fresh tokens for one round: more than are asked for.
const FRESH: usize = 3_000;
/// Four of five questions are hits, and one is a miss of the kind whose signatures take longest.
const HITS: u32 = 6_400;
const MISSES: u32 = 1_600;
const SLOWEST: Kind = Kind::Es512;

/// One comparison.
struct Case {
    name: String,
    shape: Shape,
    bodies: Bodies,
    sides: Vec<(&'static str, Role)>,
    expected: fn(&Report) -> bool,
}

/// The questions of all cases.
pub(crate) struct Cases {
    hot: Bodies,
    many: Bodies,
    verified: Vec<(Kind, Bodies, Signatures)>,
    junk: Vec<(&'static str, Bodies)>,
    rounds: usize,
}

impl Cases {
    /// Makes the tokens.
    pub(crate) fn new(material: &Material) -> Self {
        let verified = Kind::ALL.map(|kind| {
            let tokens = material.tokens(kind, 0..VERIFIED);
            (kind, bodies(&tokens), Signatures::of(kind, material.key(kind), &tokens))
        });
        Self {
            hot: bodies(&material.tokens(Kind::Rs256, 0..1)),
            many: bodies(&material.tokens(Kind::Rs256, 0..MANY)),
            verified: verified.into(),
            junk: material.junk().map(|(name, tokens)| (name, bodies(&tokens))).into(),
            rounds: 0,
        }
    }

    /// Measures every case once, one side after the other.
    pub(crate) fn round(&mut self, fleet: &Fleet, only: Option<&str>, duration: Duration, results: &mut Results) {
        self.rounds += 1;
        let is_wanted = |name: &str| only.is_none_or(|part| name.contains(part));
        for case in self.cases(&fleet.material).iter().filter(|case| is_wanted(&case.name)) {
            for (side, role) in &case.sides {
                let sample = match role {
                    Role::Signature(kind) => Some(self.verify(*kind, duration)),
                    role => fleet.server(*role).map(|server| {
                        let load = Load { shape: case.shape, bodies: &case.bodies, expected: case.expected };
                        fleet.measure(server, &load, duration)
                    }),
                };
                if let Some(sample) = sample {
                    results.add(&case.name, side, sample);
                }
            }
        }
        if is_wanted("beside") {
            self.beside(fleet, duration, results);
        }
    }

    fn cases(&self, material: &Material) -> Vec<Case> {
        let remembered = [(LIMIT, Role::Limit), (OURS, Role::Cached), (KUBERNETES, Role::Kubernetes)];
        let case = |name: String, shape, bodies: &Bodies, sides: &[_], expected| Case {
            name,
            shape,
            bodies: Arc::clone(bodies),
            sides: sides.to_vec(),
            expected,
        };
        let mut cases = Vec::new();
        for shape in SHAPES {
            let mut sides = remembered.to_vec();
            if shape == WIDE {
                sides.push((TABLE, Role::Table));
                // It remembers nothing, so that it verifies what is a hit for the others.
                sides.push((GARDENER, Role::Gardener));
            }
            cases.push(case(format!("hit, {}", shape.name()), shape, &self.hot, &sides, is_yes));
        }
        for rate in RATES {
            let shape = Shape::h2(10, 100).at(rate);
            cases.push(case(format!("hit, {}", shape.name()), shape, &self.hot, &remembered, is_yes));
        }
        let new = Shape::h2(8, 1).reconnecting();
        cases.push(case(format!("hit, {}", new.name()), new, &self.hot, &remembered, is_yes));
        cases.push(case(format!("hit of {MANY}, {}", WIDE.name()), WIDE, &self.many, &remembered, is_yes));
        let mixed = self.mixed(material);
        cases.push(case(format!("99 hits to a miss, {}", WIDE.name()), WIDE, &mixed, &remembered, is_yes));
        for (kind, tokens, _) in &self.verified {
            let mut sides = vec![(SIGNATURE, Role::Signature(*kind)), (OURS, Role::Uncached)];
            // Kubernetes takes no EdDSA.
            if *kind != Kind::EdDsa {
                sides.push((KUBERNETES, Role::KubernetesUncached));
            }
            cases.push(case(format!("miss {}, {}", kind.name(), WIDE.name()), WIDE, tokens, &sides, is_yes));
        }
        for (name, tokens) in &self.junk {
            let sides = [(LIMIT, Role::Limit), (OURS, Role::Cached)];
            cases.push(case(format!("{name}, {}", WIDE.name()), WIDE, tokens, &sides, is_answer));
        }
        let two = [(OURS, Role::TwoCores)];
        cases.push(case(format!("hit on two cores, {}", SPREAD.name()), SPREAD, &self.hot, &two, is_yes));
        cases
    }

    /// Hits with a fresh token now and then, other ones in every round.
    fn mixed(&self, material: &Material) -> Bodies {
        let first = MANY + self.rounds * FRESH;
        let fresh = bodies(&material.tokens(Kind::Es256, first..first + FRESH));
        let hot = &self.hot[0];
        fresh.iter().flat_map(|fresh| std::iter::repeat_n(hot, ONE_FRESH_IN - 1).chain([fresh])).cloned().collect()
    }

    /// Hits at a rate, alone and beside misses.
    fn beside(&self, fleet: &Fleet, duration: Duration, results: &mut Results) {
        let Some(server) = fleet.server(Role::Cached) else { return };
        let first = self.rounds * FRESH;
        let fresh = bodies(&fleet.material.tokens(SLOWEST, first..first + FRESH));
        let shape = Shape::h2(4, 100);
        let hits = Load { shape: shape.at(HITS), bodies: &self.hot, expected: is_yes };
        let misses = Load { shape: shape.at(MISSES), bodies: &fresh, expected: is_yes };
        results.add(&format!("hit at {HITS}/s alone"), OURS, fleet.measure(server, &hits, duration));
        let [hits, misses] = fleet.measure_both(server, [&hits, &misses], duration);
        results.add(&format!("hit at {HITS}/s beside {MISSES} misses/s"), OURS, hits);
        results.add(&format!("miss at {MISSES}/s beside {HITS} hits/s"), OURS, misses);
    }

    /// Signatures alone, on the servers' core, while the generator's core is as busy as it is with a server.
    fn verify(&self, kind: Kind, duration: Duration) -> Sample {
        let (_, _, signatures) =
            self.verified.iter().find(|(other, ..)| *other == kind).expect("there are tokens of every kind");
        let rate = machine::beside_a_busy_core(|| signatures.verify_for(duration));
        let micros = 1e6 / rate;
        Sample { rate, cpu: micros, p50: micros, p99: micros, p999: micros, generator: 1.0 }
    }
}

/// Every answer was a yes.
pub(crate) fn is_yes(report: &Report) -> bool {
    report.errors() == 0 && report.count(Answer::Refused) == 0 && report.answered > 0
}

/// Every answer was a yes or a no.
fn is_answer(report: &Report) -> bool {
    report.errors() == 0 && report.answered > 0
}
