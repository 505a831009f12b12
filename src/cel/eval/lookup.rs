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

type Find = for<'v> fn(&Value<'v>, &Value<'v>) -> Result<Option<Value<'v>>, Fault>;

/// A lookup in an optional makes an optional, and so does one with a question mark.
fn at<'v>(operand: &Value<'v>, key: &Value<'v>, optional: bool, find: Find) -> Result<Value<'v>, Fault> {
    match operand {
        Value::Optional(None) => Ok(Value::NONE),
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

/// The number that an index stands for; `None` when no list is so long.
fn position(list: &List<'_>, key: &Value<'_>) -> Result<Option<usize>, Fault> {
    let position = match key {
        Value::Int(index) => usize::try_from(*index).ok(),
        Value::Uint(index) => usize::try_from(*index).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
        Value::Double(index) if index.fract() == 0.0 && (0.0..9e15).contains(index) => Some(*index as usize),
        Value::Double(_) => return Err(Fault::Invalid("not a whole number, and so no index")),
        _ => return Err(Fault::NoOverload),
    };
    Ok(position.filter(|position| *position < list.len()))
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
