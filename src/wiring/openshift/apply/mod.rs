//! Puts a webhook in force in a cluster, and takes it out again.
//!
//! Everything is asked for with a dry run before anything is done. The order is the safe one: what is referred to before the
//! reference (`put`), the reference before what it referred to (`revert`). Whatever stops on the way says what was done and
//! how to go on ([`Stop`]). `rollout` follows the operators until every API server has the change.

mod foresee;
mod owners;
mod plan;
mod put;
mod revert;
mod rollout;
mod stop;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use self::foresee::foresee;
pub use self::plan::{Plan, PlanError};
pub use self::put::{Applied, Applying, apply};
pub use self::revert::{Leftovers, Reverted, Reverting, revert};
pub use self::rollout::{End, Follow, follow};
pub use self::stop::Stop;

/// Something that a person must agree to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Fields belong to somebody else.
    Conflict {
        /// What they are and whose: one line each.
        fields: Vec<String>,
    },
    /// It may be done, and there is a danger in it.
    Risk(String),
}

/// Who answers questions and hears of progress.
pub trait Operator {
    /// Whether to go on.
    fn agrees(&self, question: &Question) -> bool;
    /// Something to know.
    fn hears(&self, line: &str);
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at a rollout.
    pub interval: Duration,
    /// For a rollout as a whole.
    pub timeout: Duration,
    /// For operators to notice a change: they look at least every two minutes.
    pub settle: Duration,
    /// For how long a rollout must look done: a second revision may follow the first one closely.
    pub steady: Duration,
    /// For how long a degraded condition may come and go before it counts, as for cluster operators.
    pub inertia: Duration,
}

impl Pace {
    /// What a cluster needs.
    #[must_use]
    pub const fn with_timeout(timeout: Duration) -> Self {
        Self {
            interval: Duration::from_secs(5),
            timeout,
            settle: Duration::from_secs(180),
            steady: Duration::from_secs(20),
            inertia: Duration::from_secs(120),
        }
    }
}
