//! How much work a mapping may be, and what comes of it when it does not end well.

use crate::authn::Reason;
use crate::cel::{self, Failure, Fault, Meter, Program};

/// How much the expressions of one mapping may cost together before they have to go to a thread of their own. At fifty
/// nanoseconds a unit or less this is a millisecond, which other requests on the same thread hardly notice; five ordinary
/// expressions over a hundred groups cost less.
const BRIEF: u64 = 20_000;

/// How much the expressions of a mapping may cost.
#[derive(Debug)]
pub enum Effort {
    /// All of them together, what can be done without making others wait.
    Brief(Meter),
    /// Each of them as much as the API server lets it. It can take a tenth of a second: not on a thread that serves.
    Full,
}

/// Why there is no user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// The token is refused; with what was wrong with an expression, if one was the reason.
    Refused(Reason, Option<Failure>),
    /// Nothing is known yet: it takes more than [`Effort::Brief`].
    TakesLonger,
}

impl Effort {
    /// The effort with which every mapping is tried first.
    #[must_use]
    pub const fn brief() -> Self {
        Self::Brief(Meter::new(BRIEF))
    }

    /// Evaluates an expression within the effort.
    pub(super) fn evaluate<T>(
        &mut self,
        expression: &Program,
        evaluate: impl FnOnce(&Program, &mut Meter) -> Result<T, Fault>,
    ) -> Result<T, Unmapped> {
        let failed =
            |fault, meter: &Meter| Unmapped::Refused(Reason::ExpressionFailed, Some(expression.failure(fault, meter)));
        match self {
            Self::Brief(meter) => evaluate(expression, meter).map_err(|fault| match fault {
                Fault::TooExpensive => Unmapped::TakesLonger,
                fault => failed(fault, meter),
            }),
            Self::Full => {
                let mut meter = Meter::new(cel::FULL);
                evaluate(expression, &mut meter).map_err(|fault| failed(fault, &meter))
            }
        }
    }
}

impl From<Reason> for Unmapped {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason, None)
    }
}
