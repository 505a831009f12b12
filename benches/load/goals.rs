//! The goals: what is compared with what, and what it should be.

use serde::Serialize;

use crate::results::{Aspect, Results, Spread};

/// The names of the sides, as the tables have them.
pub(crate) const OURS: &str = "countersign";
pub(crate) const LIMIT: &str = "limit";
pub(crate) const SIGNATURE: &str = "signature";
pub(crate) const GARDENER: &str = "gardener in Go";
pub(crate) const KUBERNETES: &str = "Kubernetes in Go";
pub(crate) const TABLE: &str = "static table in Go";

/// On which side of a number it should be.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A goal, and what it came to.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    pub(crate) number: u8,
    pub(crate) what: &'static str,
    pub(crate) bound: Bound,
    pub(crate) unit: &'static str,
    /// Nothing, when the other side is not there.
    pub(crate) measured: Option<Spread>,
}

impl Goal {
    /// Whether the median is where it should be.
    pub(crate) fn is_met(&self) -> Option<bool> {
        let median = self.measured?.median;
        Some(match self.bound {
            Bound::AtLeast(bound) => median >= bound,
            Bound::AtMost(bound) => median <= bound,
        })
    }

    /// The round in which it was furthest from where it should be.
    pub(crate) fn worst(&self) -> Option<f64> {
        let measured = self.measured?;
        Some(match self.bound {
            Bound::AtLeast(_) => measured.least,
            Bound::AtMost(_) => measured.most,
        })
    }
}

const CPU: Aspect = |sample| sample.cpu;
const RATE: Aspect = |sample| sample.rate;
const P99: Aspect = |sample| sample.p99;

/// How many times less processor time we use.
const SAVING: Aspect = |sample| 1.0 / sample.cpu;

/// Every goal, with what was measured.
pub(crate) fn all(results: &Results) -> Vec<Goal> {
    use Bound::{AtLeast, AtMost};
    let times = |case: &str, other: &str, aspect: Aspect| results.ratio((case, OURS), (case, other), aspect);
    let value = |name: &str| results.value(name);
    let goal = |number, what, bound, unit, measured| Goal { number, what, bound, unit, measured };
    let (wide, spread, h1) = ("hit, h2 1x100", "hit, h2 8x10", "hit, h1 64");
    let (fixed, miss) = ("hit, h2 10x100 at 8000/s", "miss RS256, h2 1x100");
    let new = "hit, h2 8x1, new connections";
    // Kubernetes without a cache does less than gardener's, and stands for it where it was not measured.
    let (gardener, saving) = if results.row(wide, GARDENER).is_some() {
        ("hit, h2 1x100: gardener, which has no cache / CPU", times(wide, GARDENER, SAVING))
    } else {
        let stand_in = results.ratio((wide, OURS), (miss, KUBERNETES), SAVING);
        ("hit, h2 1x100: Kubernetes without a cache, for gardener / CPU", stand_in)
    };
    let mut goals = vec![
        goal(1, "hit, h2 1x100: CPU / limit", AtMost(0.65), "", times(wide, LIMIT, CPU)),
        goal(1, "hit, h2 1x100: reviews a second / limit", AtLeast(1.2), "", times(wide, LIMIT, RATE)),
        goal(2, "hit, h2 8x10: reviews a second / limit", AtLeast(1.7), "", times(spread, LIMIT, RATE)),
        goal(3, "hit, h1 64: CPU / limit", AtMost(1.12), "", times(h1, LIMIT, CPU)),
        goal(4, "hit, h2 1x100: reviews a second / Kubernetes", AtLeast(7.0), "", times(wide, KUBERNETES, RATE)),
        goal(4, "hit, h2 1x100: Kubernetes / CPU", AtLeast(10.0), "", times(wide, KUBERNETES, SAVING)),
        goal(4, "hit, h2 8x10: reviews a second / Kubernetes", AtLeast(13.0), "", times(spread, KUBERNETES, RATE)),
        goal(4, "hit, h1 64: Kubernetes / CPU", AtLeast(4.5), "", times(h1, KUBERNETES, SAVING)),
        goal(5, "hit, h2 1x100: static table / CPU", AtLeast(8.0), "", times(wide, TABLE, SAVING)),
        goal(5, gardener, AtLeast(25.0), "", saving),
        goal(6, "miss RS256, h2 1x100: reviews a second / signature", AtLeast(0.8), "", times(miss, SIGNATURE, RATE)),
        goal(6, "miss RS256, h2 1x100: reviews a second / Kubernetes", AtLeast(7.5), "", times(miss, KUBERNETES, RATE)),
        goal(8, "hit at 8,000/s: p99 / limit", AtMost(1.2), "", times(fixed, LIMIT, P99)),
        goal(8, "hit at 8,000/s: p99 / Kubernetes", AtMost(0.12), "", times(fixed, KUBERNETES, P99)),
        goal(
            8,
            "hit beside 20 % misses of the slowest algorithm: p99 / without",
            AtMost(2.0),
            "",
            results.ratio(("hit at 6400/s beside 1600 misses/s", OURS), ("hit at 6400/s alone", OURS), P99),
        ),
        goal(9, "1,000,000 entries: memory for each", AtMost(450.0), "B", value("memory for each entry")),
        goal(
            9,
            "hit over 1,000,000 entries / hot hit: CPU",
            AtMost(1.3),
            "",
            results.ratio(("hit of 1000000, h2 1x100", OURS), ("hit of 1, h2 1x100", OURS), CPU),
        ),
        goal(10, "memory when idle", AtMost(8.0), "MB", value("memory when idle")),
        goal(10, "memory under load", AtMost(14.0), "MB", value("memory under load")),
        goal(11, "start to first good review", AtMost(15.0), "ms", value("start, countersign")),
        goal(11, "start to first good review / Kubernetes", AtMost(0.5), "", value("start, countersign / Kubernetes")),
        goal(
            12,
            "new connection for each review: reviews a second / limit",
            AtLeast(0.95),
            "",
            times(new, LIMIT, RATE),
        ),
        goal(
            12,
            "new connection for each review: reviews a second / Kubernetes",
            AtLeast(1.5),
            "",
            times(new, KUBERNETES, RATE),
        ),
    ];
    for (what, case) in [
        ("malformed token: CPU / limit", "malformed, h2 1x100"),
        ("unknown issuer: CPU / limit", "unknown issuer, h2 1x100"),
        ("oversized token: CPU / limit", "oversized, h2 1x100"),
    ] {
        goals.push(goal(13, what, AtMost(1.05), "", times(case, LIMIT, CPU)));
    }
    for (what, figure, bound) in [
        ("token to claims / signature: RS256", "token to claims / signature, RS256", 1.10),
        ("token to claims / signature: PS256", "token to claims / signature, PS256", 1.10),
        ("token to claims / signature: ES256", "token to claims / signature, ES256", 1.05),
        ("token to claims / signature: ES384", "token to claims / signature, ES384", 1.05),
        ("token to claims / signature: 4096 bits", "token to claims / signature, RS256 with 4096 bits", 1.05),
    ] {
        goals.push(goal(7, what, AtMost(bound), "", value(figure)));
    }
    goals.push(goal(14, "binary, stripped", AtMost(12.0), "MB", value("binary, stripped")));
    let two = results.ratio(("hit on two cores, h2 8x10", OURS), (spread, OURS), CPU);
    goals.push(goal(15, "two workers / one: CPU", AtMost(1.05), "", two));
    goals.sort_by_key(|goal| goal.number);
    goals
}
