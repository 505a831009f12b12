//! What must be true of a token's claims, and of the user that they become.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::effort::{Effort, Unmapped};
use crate::authn::{Reason, UserInfo};
use crate::cel::{Program, Subject};

/// A rule for the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A claim must be a string with exactly this value.
    Claim {
        /// The claim's exact name.
        claim: String,
        /// The value; an empty one requires an empty string.
        value: String,
    },
    /// An expression over `claims` must be true.
    Expression(Condition),
}

/// An expression that must be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The expression, whose result is a bool.
    pub expression: Arc<Program>,
    /// What the operator wants said when it is not; may be empty.
    pub message: String,
}

impl Rule {
    /// Checks the claims.
    ///
    /// # Errors
    ///
    /// [`Reason::ClaimMismatch`] when a claim is missing, not a string, or another one; [`Reason::ClaimRule`] when an
    /// expression is false, [`Reason::ExpressionFailed`] when it has no result.
    pub fn check(&self, claims: &Map<String, Value>, effort: &mut Effort) -> Result<(), Unmapped> {
        match self {
            Self::Claim { claim, value } => {
                let found = claims.get(claim).and_then(Value::as_str);
                if found == Some(value.as_str()) { Ok(()) } else { Err(Reason::ClaimMismatch.into()) }
            }
            Self::Expression(condition) => condition.check(Subject::Claims(claims), Reason::ClaimRule, effort),
        }
    }
}

impl Condition {
    /// Checks the user.
    ///
    /// # Errors
    ///
    /// [`Reason::UserRule`] when the expression is false, [`Reason::ExpressionFailed`] when it has no result.
    pub fn check_user(&self, user: &UserInfo, effort: &mut Effort) -> Result<(), Unmapped> {
        self.check(Subject::User(user), Reason::UserRule, effort)
    }

    fn check(&self, subject: Subject<'_>, otherwise: Reason, effort: &mut Effort) -> Result<(), Unmapped> {
        let holds = effort.evaluate(&self.expression, |program, meter| program.evaluate_bool(subject, meter))?;
        if holds { Ok(()) } else { Err(otherwise.into()) }
    }
}
