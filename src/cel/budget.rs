//! What an evaluation may cost.

use super::error::Fault;

/// As much as the API server lets one expression cost.
pub const FULL: u64 = 1_000_000;

/// What making a list costs, beside what is in it.
pub(super) const LIST: u64 = 10;
/// What making a map costs, beside what is in it.
pub(super) const MAP: u64 = 30;

/// How deep values may lie within each other where something goes all the way down. Claims and literals are never so deep,
/// but an expression can put one into the other, deeper than a stack goes.
const DEEPEST: u16 = 500;

/// Counts what an evaluation costs, and ends it when that is too much.
///
/// A step costs one unit, going through a string a tenth of a unit per byte, through a list one unit per item, making a list
/// ten and a map thirty: nothing costs less than it costs the API server. Memory is bounded by the same count: nothing can
/// be made without being paid for. It goes everywhere in an evaluation, and so it also knows where one failed.
#[derive(Debug)]
pub struct Meter {
    left: u64,
    depth: u16,
    failed_at: Option<u32>,
}

impl Meter {
    /// A meter for so many units.
    #[must_use]
    pub const fn new(units: u64) -> Self {
        Self { left: units, depth: 0, failed_at: None }
    }

    /// Pays.
    ///
    /// # Errors
    ///
    /// [`Fault::TooExpensive`] when there is not so much left.
    pub fn charge(&mut self, units: u64) -> Result<(), Fault> {
        self.left = self.left.checked_sub(units).ok_or(Fault::TooExpensive)?;
        Ok(())
    }

    /// How many units are left.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// Where in the source the last evaluation failed, counted in characters; `None` if it did not, or only as a whole.
    pub(super) const fn failed_at(&self) -> Option<u32> {
        self.failed_at
    }

    /// Remembers where something failed, unless something did before: the innermost place is the first one to be known.
    pub(super) fn fails_at(&mut self, at: u32) {
        self.failed_at.get_or_insert(at);
    }

    /// Goes back to what had failed before, because what failed since is of no account.
    pub(super) const fn forgive(&mut self, before: Option<u32>) {
        self.failed_at = before;
    }

    /// Whether there is so much left.
    pub(super) const fn has(&self, units: u64) -> bool {
        self.left >= units
    }

    /// Does something one level further down in a value.
    ///
    /// # Errors
    ///
    /// [`Fault::TooExpensive`] when that is too deep, and whatever is wrong there.
    pub(super) fn deeper<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEEPEST {
            return Err(Fault::TooExpensive);
        }
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }
}
