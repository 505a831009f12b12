//! Fields and items: of claims, users, maps and lists, and of optionals that hold one.

use crate::cel::error::Fault;
use crate::cel::escape;
use crate::cel::value::{List, Text, Value};

/// `x.f` and `x.?f`.
pub(super) fn select<'v>(operand: &Value<'v>, field: &'v str, optional: bool) -> Result<Value<'v>, Fault> {
    at(operand, &Value::String(Text::Borrowed(field)), optional, member)
}

/// `x[i]` and `x[?i]`.
pub(super) fn index<'v>(operand: &Value<'v>, index: &Value<'v>, optional: bool) -> Result<Value<'v>, Fault> {
    at(operand, index, optional, item)
}

/// `has(x.f)`.
pub(super) fn has(operand: &Value<'_>, field: &str) -> Result<bool, Fault> {
    match operand {
        Value::Optional(None) => Ok(false),
        Value::Optional(Some(inner)) => Ok(has_parts(inner) && has(inner, field)?),
        operand if has_parts(operand) => Ok(member(operand, &Value::string(field))?.is_some()),
        _ => Ok(false),
    }
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

type Find = for<'v> fn(&Value<'v>, &Value<'v>) -> Result<Option<Value<'v>>, Fault>;

/// A lookup in an optional makes an optional, and so does one with a question mark.
fn at<'v>(operand: &Value<'v>, key: &Value<'v>, optional: bool, find: Find) -> Result<Value<'v>, Fault> {
    match operand {
        Value::Optional(None) => Ok(Value::NONE),
        _ if !is_key(key) => Err(Fault::NoOverload),
        Value::Optional(Some(inner)) if has_parts(inner) => Ok(find(inner, key)?.map_or(Value::NONE, Value::some)),
        Value::Optional(Some(_)) => Ok(Value::NONE),
        other if optional && !has_parts(other) => Ok(Value::NONE),
        _ => match (find(operand, key)?, optional) {
            (Some(value), false) => Ok(value),
            (Some(value), true) => Ok(Value::some(value)),
            (None, true) => Ok(Value::NONE),
            (None, false) if matches!(operand, Value::List(_)) => Err(Fault::IndexOutOfRange),
            (None, false) => Err(Fault::NoSuchKey),
        },
    }
}

/// Whether a value can be looked for at all.
const fn is_key(value: &Value<'_>) -> bool {
    matches!(value, Value::Bool(_) | Value::Double(_) | Value::Int(_) | Value::String(_) | Value::Uint(_))
}

/// Whether something can be looked up in a value. Where nothing can, nothing is there for `has` and question marks.
const fn has_parts(value: &Value<'_>) -> bool {
    matches!(value, Value::Claims(_) | Value::List(_) | Value::Map(_) | Value::User(_))
}

fn item<'v>(operand: &Value<'v>, key: &Value<'v>) -> Result<Option<Value<'v>>, Fault> {
    match operand {
        Value::List(list) => Ok(position(list, key)?.and_then(|position| list.get(position))),
        _ => member(operand, key),
    }
}

/// The number that an index stands for; `None` when there is no such item.
fn position(list: &List<'_>, key: &Value<'_>) -> Result<Option<usize>, Fault> {
    const NO_INDEX: Fault = Fault::Invalid("not a whole number in the range of int, and so no index");
    let index = match key {
        Value::Int(index) => *index,
        Value::Uint(index) => i64::try_from(*index).map_err(|_| NO_INDEX)?,
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        Value::Double(index) if index.fract() == 0.0 && (-TWO_TO_63..TWO_TO_63).contains(index) => *index as i64,
        Value::Double(_) => return Err(NO_INDEX),
        _ => return Err(Fault::NoOverload),
    };
    Ok(usize::try_from(index).ok().filter(|position| *position < list.len()))
}

fn member<'v>(operand: &Value<'v>, key: &Value<'v>) -> Result<Option<Value<'v>>, Fault> {
    match operand {
        Value::Map(map) => Ok(map.find(key)),
        Value::Claims(claims) => {
            let Value::String(name) = key else { return Err(Fault::NoOverload) };
            let found = escape::undone(name).and_then(|name| claims.get(&*name));
            Ok(found.map(|claim| Value::from_json(claim, true)))
        }
        Value::User(user) => {
            let Value::String(name) = key else { return Err(Fault::NoOverload) };
            Ok(match &**name {
                "username" => Some(Value::String(Text::Borrowed(&user.username))),
                "uid" => Some(Value::String(Text::Borrowed(&user.uid))),
                "groups" => Some(Value::List(List::Names(&user.groups))),
                "extra" => Some(Value::Map(crate::cel::value::Map::Extra(&user.extra))),
                _ => None,
            })
        }
        _ => Err(Fault::NoOverload),
    }
}
