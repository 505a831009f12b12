//! Conversions of constants, carried out once: one that fails would fail for every token, so it is refused at load, as
//! the API server does it.

use crate::cel::ast::Literal;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::program::{Call, Op, Step};
use crate::cel::types::Type;
use crate::cel::value::Value;

const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];
/// What one conversion may cost; a source has no literal that would cost more.
const COST: u64 = 10_000;

/// What a conversion of a constant makes; `None` if the call is no such conversion, or makes what has no literal.
pub(super) fn constant(name: &str, call: &Call) -> Option<Result<Literal, Fault>> {
    // Without candidates something was said about it already.
    if !CONVERSIONS.contains(&name) || call.candidates.is_empty() {
        return None;
    }
    match call.arguments.as_slice() {
        // Behind a dyn(): no conversion takes a list or a map.
        [argument] if matches!(argument.step, Step::List(_) | Step::Map(_)) => {
            is_constant(argument).then_some(Err(Fault::NoOverload))
        }
        [argument] => literal_of(run(call, &[known(argument)?])),
        _ => None,
    }
}

/// A literal, or what conversions make of one that has no literal itself: bytes, a time, a span.
fn known(op: &Op) -> Option<Value<'_>> {
    match &op.step {
        Step::Literal(literal) => Some(Value::from_literal(literal)),
        Step::Call(call) => {
            let [argument] = call.arguments.as_slice() else { return None };
            let made = run(call, &[known(argument)?]).ok()?;
            matches!(made, Value::Bytes(_) | Value::Duration(_) | Value::Timestamp(_)).then_some(made)
        }
        _ => None,
    }
}

fn run<'v>(call: &'v Call, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let overload = call.candidates.iter().find(|overload| overload.takes(arguments)).ok_or(Fault::NoOverload)?;
    (overload.body)(&mut Meter::new(COST), arguments)
}

fn literal_of(made: Result<Value<'_>, Fault>) -> Option<Result<Literal, Fault>> {
    match made {
        Ok(Value::Bool(value)) => Some(Ok(Literal::Bool(value))),
        Ok(Value::Double(value)) => Some(Ok(Literal::Double(value))),
        Ok(Value::Int(value)) => Some(Ok(Literal::Int(value))),
        Ok(Value::String(text)) => Some(Ok(Literal::String((&*text).into()))),
        Ok(Value::Uint(value)) => Some(Ok(Literal::Uint(value))),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    }
}

/// Whether something can never be what a lookup looks for, whatever the claims are: the API server does not even begin with
/// it if it is constant.
pub(super) fn is_no_key(index: &Op, of: &Type) -> bool {
    let has_no_keys = matches!(
        of,
        Type::Bytes | Type::Duration | Type::Kind(_) | Type::List(_) | Type::Map(..) | Type::Null | Type::Timestamp
    );
    let is_behind_dyn =
        matches!(index.step, Step::List(_) | Step::Map(_) | Step::Literal(Literal::Bytes(_) | Literal::Null));
    (has_no_keys || is_behind_dyn) && is_constant(index)
}

/// Whether a call is well, and its arguments are literals.
pub(super) fn is_literal_call(call: &Call) -> bool {
    let is_literal = |op: &Op| matches!(op.step, Step::Literal(_) | Step::List(_) | Step::Map(_)) && is_constant(op);
    !call.candidates.is_empty() && call.arguments.iter().all(is_literal)
}

fn is_constant(op: &Op) -> bool {
    match &op.step {
        Step::Literal(_) | Step::Type(_) => true,
        Step::List(items) => items.iter().all(|(item, _)| is_constant(item)),
        Step::Map(entries) => entries.iter().all(|(key, value, _)| is_constant(key) && is_constant(value)),
        Step::Call(call) => call.arguments.iter().all(is_constant),
        _ => false,
    }
}
