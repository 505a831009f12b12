//! Equality and order. Numbers compare across their types; everything else is equal to its own kind only.

use std::cmp::Ordering;

use super::{Value, opaque};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;

/// Whether two values are the same.
pub(in crate::cel) fn equal(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    // Empty ones cost something, too: a search may compare with them again and again.
    meter.charge(left.size().min(right.size()).max(1))?;
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        // There is one of each in an evaluation, so it is the same one.
        (Value::Claims(_), Value::Claims(_)) | (Value::User(_), Value::User(_)) => true,
        (Value::Claims(_) | Value::User(_), Value::Null) => false,
        (Value::Claims(_) | Value::User(_), _) => return Err(Fault::NoOverload),
        (Value::Duration(left), Value::Duration(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right.iter()) {
                if !meter.deeper(|meter| equal(&left, &right, meter))? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(left), Value::Map(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for key in left.keys() {
                let (Some(left), Some(right)) = (left.find_exactly(&key), right.find_exactly(&key)) else {
                    return Ok(false);
                };
                if !meter.deeper(|meter| equal(&left, &right, meter))? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Null, Value::Null) | (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Opaque(left), Value::Opaque(right)) => return opaque::equal(left, right).ok_or(Fault::NoOverload),
        (Value::Opaque(_), Value::Null) => false,
        (Value::Opaque(_), _) => return Err(Fault::NoOverload),
        (Value::Optional(Some(left)), Value::Optional(Some(right))) => {
            meter.deeper(|meter| equal(left, right, meter))?
        }
        (Value::String(left), Value::String(right)) => **left == **right,
        (Value::Timestamp(left), Value::Timestamp(right)) => left == right,
        (Value::Type(left), Value::Type(right)) => left == right,
        (left, right) => numbers(left, right) == Some(Some(Ordering::Equal)),
    })
}

/// Whether two values are the same, as a search has it: what cannot be compared is not what is looked for.
pub(in crate::cel) fn same(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    match equal(left, right, meter) {
        Err(Fault::NoOverload) => Ok(false),
        answer => answer,
    }
}

/// Which of two values comes first.
pub(in crate::cel) fn order(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<Ordering, Fault> {
    meter.charge(left.size().min(right.size()).max(1))?;
    Ok(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Duration(left), Value::Duration(right)) => left.cmp(right),
        (Value::String(left), Value::String(right)) => (**left).cmp(&**right),
        (Value::Timestamp(left), Value::Timestamp(right)) => left.cmp(right),
        (left, right) => match numbers(left, right) {
            Some(Some(ordering)) => ordering,
            Some(None) => return Err(Fault::Invalid("NaN has no order")),
            None => return Err(Fault::NoOverload),
        },
    })
}

/// The order of two numbers of any types; the inner `None` when one is no number at all (NaN).
fn numbers(left: &Value<'_>, right: &Value<'_>) -> Option<Option<Ordering>> {
    let whole = |value: &Value<'_>| match value {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => Some(left.partial_cmp(right)),
        (Value::Double(left), right) => Some(double_and_whole(*left, whole(right)?)),
        (left, Value::Double(right)) => Some(double_and_whole(*right, whole(left)?).map(Ordering::reverse)),
        (left, right) => Some(Some(whole(left)?.cmp(&whole(right)?))),
    }
}

/// Compares as the API server does: beyond the range of the whole number's type by sign alone, within it as doubles.
#[expect(clippy::cast_precision_loss, reason = "the API server compares the rounded value, too")]
fn double_and_whole(double: f64, whole: i128) -> Option<Ordering> {
    double.partial_cmp(&(whole as f64))
}
