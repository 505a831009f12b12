//! `format`: texts with places for values, such as `'%s has %d'.format([user, 3])`.

mod clause;
mod values;

use super::Table;
use crate::cel::ast::{Expr, Node};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::Value;
use clause::{Clause, Verb};

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

/// Checks a call whose format and list of values are both literals, by the types of the values.
///
/// # Errors
///
/// What is wrong, and the value that it is wrong with.
pub(in crate::cel) fn check<'n>(
    format: &str,
    values: &[&'n Node],
    type_of: &impl Fn(&Node) -> Type,
) -> Result<(), (Option<&'n Node>, String)> {
    let mut rest = values.iter();
    for piece in pieces(format) {
        match piece {
            Ok(Piece::Text(_)) => {}
            Ok(Piece::Clause(clause)) => {
                let value = rest.next().ok_or_else(|| (None, "has more places than there are values".to_owned()))?;
                check_value(clause.verb, value, type_of)?;
            }
            Err(problem) => return Err((None, problem.to_owned())),
        }
    }
    if rest.len() > 0 { Err((None, "has less places than there are values".to_owned())) } else { Ok(()) }
}

/// Checks what goes into one place; for a text, down to the items of list and map literals.
fn check_value<'n>(
    verb: Verb,
    value: &'n Node,
    type_of: &impl Fn(&Node) -> Type,
) -> Result<(), (Option<&'n Node>, String)> {
    let found = type_of(value);
    if !verb.takes(&found) {
        return Err((Some(value), format!("is of type {found}, which does not go into its place")));
    }
    match &value.expr {
        Expr::List(items) if verb == Verb::Text => {
            items.iter().try_for_each(|(item, _)| check_value(verb, item, type_of))
        }
        Expr::Map(entries) if verb == Verb::Text => entries.iter().try_for_each(|entry| {
            check_value(verb, &entry.key, type_of)?;
            check_value(verb, &entry.value, type_of)
        }),
        _ => Ok(()),
    }
}
