//! Values that may be absent.

use std::rc::Rc;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{List, Map, Value};

pub(super) fn declare(table: &mut Table) {
    let optional = Type::optional(Type::A);
    table.function("optional.of", &[Type::A], optional.clone(), |_, arguments| match arguments {
        [value] => Ok(Value::some(value.clone())),
        _ => Err(Fault::NoOverload),
    });
    table.function("optional.ofNonZeroValue", &[Type::A], optional.clone(), |_, arguments| match arguments {
        [value] if is_zero(value) => Ok(Value::NONE),
        [value] => Ok(Value::some(value.clone())),
        _ => Err(Fault::NoOverload),
    });
    table.function("optional.none", &[], optional.clone(), |_, _| Ok(Value::NONE));
    let optionals = Type::list(optional.clone());
    table.function("optional.unwrap", std::slice::from_ref(&optionals), Type::list(Type::A), unwrap);
    table.member("unwrapOpt", &[optionals], Type::list(Type::A), unwrap);
    table.member("value", std::slice::from_ref(&optional), Type::A, |_, arguments| match arguments {
        [Value::Optional(Some(value))] => Ok(Value::clone(value)),
        [Value::Optional(None)] => Err(Fault::Invalid("optional.none() has no value")),
        _ => Err(Fault::NoOverload),
    });
    table.member("hasValue", std::slice::from_ref(&optional), Type::Bool, |_, arguments| match arguments {
        [Value::Optional(value)] => Ok(Value::Bool(value.is_some())),
        _ => Err(Fault::NoOverload),
    });
    table.member("or", &[optional.clone(), optional.clone()], optional.clone(), |_, arguments| match arguments {
        [some @ Value::Optional(Some(_)), _] => Ok(some.clone()),
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => Err(Fault::NoOverload),
    });
    table.member("orValue", &[optional.clone(), Type::A], Type::A, |_, arguments| match arguments {
        [Value::Optional(Some(value)), _] => Ok(Value::clone(value)),
        [Value::Optional(None), other] => Ok(other.clone()),
        _ => Err(Fault::NoOverload),
    });
    let lists = Type::list(Type::A);
    table.member("first", std::slice::from_ref(&lists), optional.clone(), |_, arguments| end(arguments, |_| Some(0)));
    table.member("last", &[lists], optional, |_, arguments| end(arguments, |length| length.checked_sub(1)));
}

fn end<'v>(arguments: &[Value<'v>], position: fn(usize) -> Option<usize>) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::List(list)] => {
            Ok(position(list.len()).and_then(|position| list.get(position)).map_or(Value::NONE, Value::some))
        }
        _ => Err(Fault::NoOverload),
    }
}

fn unwrap<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [value @ Value::List(list)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(value.size())?;
    let mut found = Vec::with_capacity(list.len());
    for item in list.iter() {
        match item {
            Value::Optional(Some(value)) => found.push(Rc::unwrap_or_clone(value)),
            Value::Optional(None) => {}
            _ => return Err(Fault::NoOverload),
        }
    }
    Ok(Value::list(found))
}

/// Whether a value is what a field holds that nobody set. To the API server a list or map that was looked up in claims or
/// a user is never that, not even an empty one.
fn is_zero(value: &Value<'_>) -> bool {
    match value {
        Value::Bool(value) => !value,
        Value::Bytes(bytes) => bytes.is_empty(),
        Value::Double(value) => *value == 0.0,
        Value::Duration(value) | Value::Int(value) => *value == 0,
        Value::List(list @ (List::Json(_, false) | List::Owned(_))) => list.len() == 0,
        Value::Map(map @ (Map::Json(_, false) | Map::Owned(_))) => map.len() == 0,
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Timestamp(time) => time.is_zero(),
        Value::Uint(value) => *value == 0,
        Value::Claims(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Opaque(_)
        | Value::Optional(_)
        | Value::Type(_)
        | Value::User(_) => false,
    }
}
