//! `format`: texts with places for values, such as `'%s has %d'.format([user, 3])`.

mod clause;
mod values;

use super::Table;
use crate::cel::ast::{Expr, Node};
use crate::cel::budget::Meter;
use crate::cel::environment::Environment;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::Value;
use clause::Clause;

/// One piece of a format.
enum Piece<'f> {
    Text(&'f str),
    Clause(Clause),
}

pub(super) fn declare(table: &mut Table) {
    table.member("format", &[Type::String, Type::list(Type::Dyn)], Type::String, format);
}

/// A format's pieces; an error in the end where it is none.
fn pieces(format: &str) -> impl Iterator<Item = Result<Piece<'_>, &'static str>> {
    let mut rest = format;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(clause) = rest.strip_prefix('%') else {
            let (text, after) = rest.split_at(rest.find('%').unwrap_or(rest.len()));
            rest = after;
            return Some(Ok(Piece::Text(text)));
        };
        if let Some(after) = clause.strip_prefix('%') {
            rest = after;
            return Some(Ok(Piece::Text("%")));
        }
        match Clause::parse(clause) {
            Ok((clause, after)) => {
                rest = after;
                Some(Ok(Piece::Clause(clause)))
            }
            Err(problem) => {
                rest = "";
                Some(Err(problem))
            }
        }
    })
}

fn format<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [text @ Value::String(format), Value::List(values)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(text.size())?;
    let mut formatted = String::new();
    let mut next = 0;
    for piece in pieces(format) {
        match piece {
            Ok(Piece::Text(text)) => formatted.push_str(text),
            Ok(Piece::Clause(clause)) => {
                let value =
                    values.get(next).ok_or(Fault::Invalid("there are less values than the format has places"))?;
                next += 1;
                clause.write(&value, meter, &mut formatted)?;
            }
            Err(problem) => return Err(Fault::Invalid(problem)),
        }
    }
    Ok(Value::string(formatted))
}

/// Checks a call whose format and list of values are both literals, as far as can be told from the literals.
///
/// # Errors
///
/// What is wrong, and the value that it is wrong with.
pub(in crate::cel) fn check<'n>(format: &str, values: &[&'n Node]) -> Result<(), (Option<&'n Node>, String)> {
    let mut rest = values.iter();
    for piece in pieces(format) {
        match piece {
            Ok(Piece::Text(_)) => {}
            Ok(Piece::Clause(clause)) => {
                let value = rest.next().ok_or_else(|| (None, "has more places than there are values".to_owned()))?;
                let found = type_of(value);
                if !clause.verb.takes(&found) {
                    return Err((Some(value), format!("is of type {found}, which does not go into its place")));
                }
            }
            Err(problem) => return Err((None, problem.to_owned())),
        }
    }
    if rest.len() > 0 { Err((None, "has less places than there are values".to_owned())) } else { Ok(()) }
}

/// The type of a literal, of a claim, and of what may be absent; everything else is not looked at here.
fn type_of(value: &Node) -> Type {
    match &value.expr {
        Expr::Select { optional: true, .. } | Expr::Index { optional: true, .. } => Type::optional(Type::Dyn),
        // A claim needs a conversion such as string() first, for the API server, too.
        Expr::Select { operand, .. } | Expr::Index { operand, .. }
            if operand.qualified_name().as_deref() == Some(Environment::Claims.variable()) =>
        {
            Type::Any
        }
        Expr::List(_) => Type::list(Type::Dyn),
        Expr::Map(_) => Type::map(Type::Dyn, Type::Dyn),
        Expr::Literal(literal) => Value::from_literal(literal).type_of(),
        _ => Type::Dyn,
    }
}
