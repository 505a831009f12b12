//! Expressions of AuthenticationConfiguration: Kubernetes' dialect of the Common Expression Language (CEL).
//!
//! [`compile`] takes what kube-apiserver takes and refuses what it refuses: the source is parsed by the `cel` crate
//! (`parse`), checked against the types of variables and functions (`check`), and becomes a [`Program`], which
//! evaluates claims or a user any number of times (`eval`). The evaluator is our own: it borrows from the claims instead
//! of copying them, sees numbers as Kubernetes does (every one is a double), and stops at a budget ([`Meter`]) like the
//! one that the API server has. Everything that can be called is in one table (`functions`).
//!
//! Nothing in a source, a claim or a user can end the process or hold it up: sources are capped in length and depth,
//! evaluations in cost.

mod ast;
mod budget;
mod check;
mod environment;
mod error;
mod escape;
mod eval;
mod functions;
pub mod fuzzing;
mod parse;
mod program;
mod result;
mod types;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value as Json;

pub use budget::{FULL, Meter};
pub use environment::{Environment, Subject};
pub use error::{CompileError, Failure, Fault, Problem};

use ast::{Expr, Node};
use types::Type;

/// An expression that was found to be in order.
pub struct Program {
    source: String,
    environment: Environment,
    op: program::Op,
    result: Type,
    fields: BTreeSet<String>,
}

/// Compiles an expression.
///
/// # Errors
///
/// Everything that is wrong with it, with the places.
pub fn compile(source: &str, environment: Environment) -> Result<Program, CompileError> {
    let expression = parse::parse(source)?;
    match check::check(&expression, environment) {
        Ok((op, result)) => {
            let fields = fields_of(&expression, environment.variable());
            Ok(Program { source: source.to_owned(), environment, op, result, fields })
        }
        Err(problems) => Err(CompileError::new(source, problems)),
    }
}

/// Compiles a rule: an expression whose type is bool whatever the claims are.
///
/// # Errors
///
/// Everything that is wrong with it, with the places.
pub fn compile_rule(source: &str, environment: Environment) -> Result<Program, CompileError> {
    let program = compile(source, environment)?;
    if program.result == Type::Bool {
        return Ok(program);
    }
    let hint = if program.result.is_dyn() { "; compare it with something, such as == true" } else { "" };
    let message = format!("must be true or false, and is of type {}{hint}", program.result);
    Err(CompileError::new(source, vec![Problem::of_the_whole(message)]))
}

impl Program {
    /// The source that it was made of.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What an evaluation failed with, and where that was; the meter is the one that it had.
    #[must_use]
    pub fn failure(&self, fault: Fault, meter: &Meter) -> Failure {
        let at = meter.failed_at().and_then(|at| usize::try_from(at).ok());
        Failure { fault, place: at.map(|at| error::marked(&self.source, at)) }
    }

    /// The type of its result as far as it is known without a token, in CEL's words.
    #[must_use]
    pub fn result_type(&self) -> String {
        self.result.to_string()
    }

    /// Whether it looks at this field of its variable as `claims.f`, `claims.?f` or `has(claims.f)`, anywhere.
    #[must_use]
    pub fn mentions(&self, field: &str) -> bool {
        self.fields.contains(field)
    }

    /// The result of a rule.
    ///
    /// # Errors
    ///
    /// When the evaluation fails, or the result is no bool.
    pub fn evaluate_bool(&self, subject: Subject<'_>, meter: &mut Meter) -> Result<bool, Fault> {
        result::boolean(&self.evaluate(subject, meter)?)
    }

    /// The result as exactly one string, which may be empty.
    ///
    /// # Errors
    ///
    /// When the evaluation fails, or the result is no string.
    pub fn evaluate_string(&self, subject: Subject<'_>, meter: &mut Meter) -> Result<String, Fault> {
        result::string(&self.evaluate(subject, meter)?)
    }

    /// The result as strings: a string, a list of strings, or null. Empty ones count as absent.
    ///
    /// # Errors
    ///
    /// When the evaluation fails, or the result is something else.
    pub fn evaluate_strings(&self, subject: Subject<'_>, meter: &mut Meter) -> Result<Vec<String>, Fault> {
        let result = self.evaluate(subject, meter)?;
        result::strings(&result, meter)
    }

    /// The result for people: `{"type": …, "value": …}`, numbers and times as text where JSON has no such type.
    ///
    /// # Errors
    ///
    /// When the evaluation fails.
    pub fn evaluate_shown(&self, subject: Subject<'_>, meter: &mut Meter) -> Result<Json, Fault> {
        result::shown(&self.evaluate(subject, meter)?)
    }

    fn evaluate<'v>(&'v self, subject: Subject<'v>, meter: &mut Meter) -> Result<value::Value<'v>, Fault> {
        if subject.environment() != self.environment {
            return Err(Fault::NoOverload);
        }
        eval::evaluate(&self.op, subject, meter)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.source).finish()
    }
}

/// Two programs from the same source in the same place do the same.
impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source && self.environment == other.environment
    }
}

impl Eq for Program {}

fn fields_of(expression: &Node, variable: &str) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    expression.walk(&mut |node| {
        if let Expr::Select { operand, field, .. } | Expr::Has(operand, field) = &node.expr
            && matches!(&operand.expr, Expr::Identifier(name) if name.trim_start_matches('.') == variable)
        {
            fields.insert(field.to_string());
        }
    });
    fields
}
