//! What an evaluation may cost.

use super::error::Fault;

/// As much as the API server lets one expression cost.
pub const FULL: u64 = 1_000_000;

/// Counts what an evaluation costs, and ends it when that is too much.
///
/// A step costs one unit, going through a string a tenth of a unit per byte, through a list one unit per item. Memory is
/// bounded by the same count: nothing can be made without being paid for.
#[derive(Debug)]
pub struct Meter {
    left: u64,
}

impl Meter {
    /// A meter for so many units.
    #[must_use]
    pub const fn new(units: u64) -> Self {
        Self { left: units }
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
}
