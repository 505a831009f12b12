//! Conversions of constants, carried out once: one that fails would fail for every token, so it is refused at load, as
//! the API server does it.

use crate::cel::ast::Literal;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::program::{Call, Op};
use crate::cel::value::Value;

const CONVERSIONS: [&str; 8] = ["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"];
/// What one conversion may cost; a source has no literal that would cost more.
const COST: u64 = 10_000;

/// What a conversion of a literal makes; `None` if the call is no such conversion, or makes what has no literal.
pub(super) fn constant(name: &str, call: &Call) -> Option<Result<Literal, Fault>> {
    let [argument] = call.arguments.as_slice() else { return None };
    let Op::Literal(literal) = argument else { return None };
    // Texts that are no times are known already: `literals` says what is wrong with them.
    let is_checked = matches!((name, literal), ("duration" | "timestamp", Literal::String(_)));
    if !CONVERSIONS.contains(&name) || is_checked {
        return None;
    }
    let arguments = [Value::from_literal(literal)];
    let overload = call.candidates.iter().find(|overload| overload.takes(&arguments))?;
    match (overload.body)(&mut Meter::new(COST), &arguments) {
        Ok(Value::Bool(value)) => Some(Ok(Literal::Bool(value))),
        Ok(Value::Double(value)) => Some(Ok(Literal::Double(value))),
        Ok(Value::Int(value)) => Some(Ok(Literal::Int(value))),
        Ok(Value::String(text)) => Some(Ok(Literal::String((&*text).into()))),
        Ok(Value::Uint(value)) => Some(Ok(Literal::Uint(value))),
        Ok(_) => None,
        Err(fault) => Some(Err(fault)),
    }
}
