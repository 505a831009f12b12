//! Kubernetes' functions of lists: `isSorted`, `sum`, `min`, `max`, `indexOf`, `lastIndexOf`, `includes`.

use std::cmp::Ordering;

use super::ext_lists::{COMPARABLE, is_comparable};
use super::{Body, Table, count};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{self, Text, Value};

pub(super) fn declare(table: &mut Table) {
    for item in COMPARABLE {
        let list = Type::list(item.clone());
        table.member("isSorted", std::slice::from_ref(&list), Type::Bool, is_sorted);
        table.member("min", std::slice::from_ref(&list), item.clone(), |meter, arguments| {
            extreme(meter, arguments, Ordering::Greater, "the smallest item of an empty list is wanted")
        });
        table.member("max", &[list], item, |meter, arguments| {
            extreme(meter, arguments, Ordering::Less, "the greatest item of an empty list is wanted")
        });
    }
    let sums: [(Type, Body); 4] = [
        (Type::Int, |meter, arguments| sum(meter, arguments, Value::Int(0))),
        (Type::Uint, |meter, arguments| sum(meter, arguments, Value::Uint(0))),
        (Type::Double, |meter, arguments| sum(meter, arguments, Value::Double(0.0))),
        (Type::Duration, |meter, arguments| sum(meter, arguments, Value::Duration(0))),
    ];
    for (item, body) in sums {
        table.member("sum", &[Type::list(item.clone())], item, body);
    }
    table.member("indexOf", &[Type::list(Type::A), Type::A], Type::Int, |meter, arguments| {
        position(meter, arguments, |length| Box::new(0..length))
    });
    table.member("lastIndexOf", &[Type::list(Type::A), Type::A], Type::Int, |meter, arguments| {
        position(meter, arguments, |length| Box::new((0..length).rev()))
    });
    table.member("includes", &[Type::Dyn, Type::Dyn], Type::Bool, includes);
}

/// The order of two items. What has no order among each other counts as in order, as it does for the API server.
fn order(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<Option<Ordering>, Fault> {
    match value::order(left, right, meter) {
        Ok(ordering) => Ok(Some(ordering)),
        Err(Fault::TooExpensive) => Err(Fault::TooExpensive),
        Err(_) => Ok(None),
    }
}

/// The items of a list, paid for; an error in place of each that is of a type without an order.
fn comparable<'a, 'v>(
    meter: &mut Meter,
    arguments: &'a [Value<'v>],
) -> Result<impl Iterator<Item = Result<Value<'v>, Fault>> + use<'a, 'v>, Fault> {
    let [list @ Value::List(items)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(list.size())?;
    Ok(items.iter().map(|item| if is_comparable(&item) { Ok(item) } else { Err(Fault::NoOverload) }))
}

fn is_sorted<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let mut before = None;
    for item in comparable(meter, arguments)? {
        let item = item?;
        if let Some(before) = before
            && order(&before, &item, meter)? == Some(Ordering::Greater)
        {
            return Ok(Value::Bool(false));
        }
        before = Some(item);
    }
    Ok(Value::Bool(true))
}

/// The first item that no other one beats; `beaten` is how it stands to one that beats it.
fn extreme<'v>(
    meter: &mut Meter,
    arguments: &[Value<'v>],
    beaten: Ordering,
    when_empty: &'static str,
) -> Result<Value<'v>, Fault> {
    let mut items = comparable(meter, arguments)?;
    let mut best = items.next().ok_or(Fault::Invalid(when_empty))??;
    for item in items {
        let item = item?;
        if order(&best, &item, meter)? == Some(beaten) {
            best = item;
        }
    }
    Ok(best)
}

/// The sum of a list; `zero` when it is empty. What the first item is, all must be.
fn sum<'v>(meter: &mut Meter, arguments: &[Value<'v>], zero: Value<'v>) -> Result<Value<'v>, Fault> {
    let [list @ Value::List(items)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(list.size())?;
    let mut items = items.iter();
    // Adding to zero changes nothing but the sign of a negative zero.
    let mut total = match items.next() {
        None => return Ok(zero),
        Some(Value::Double(first)) => Value::Double(0.0 + first),
        Some(first @ (Value::Int(_) | Value::Uint(_) | Value::Duration(_))) => first,
        Some(_) => return Err(Fault::NoOverload),
    };
    for item in items {
        total = match (total, item) {
            (Value::Int(total), Value::Int(item)) => Value::Int(total.checked_add(item).ok_or(Fault::Overflow)?),
            (Value::Uint(total), Value::Uint(item)) => Value::Uint(total.checked_add(item).ok_or(Fault::Overflow)?),
            (Value::Double(total), Value::Double(item)) => Value::Double(total + item),
            (Value::Duration(total), Value::Duration(item)) => {
                Value::Duration(total.checked_add(item).ok_or(Fault::Overflow)?)
            }
            _ => return Err(Fault::NoOverload),
        };
    }
    Ok(total)
}

/// Pays for going through a value to its ends.
fn pay_for_all(meter: &mut Meter, value: &Value<'_>) -> Result<(), Fault> {
    match value {
        Value::List(list) => list.iter().try_for_each(|item| meter.deeper(|meter| pay_for_all(meter, &item))),
        Value::Map(map) => map.keys().iter().try_for_each(|key| {
            pay_for_all(meter, key)?;
            map.find_exactly(key).map_or(Ok(()), |value| meter.deeper(|meter| pay_for_all(meter, &value)))
        }),
        Value::Claims(claims) => claims.iter().try_for_each(|(name, claim)| {
            meter.charge(Value::String(Text::Borrowed(name)).size())?;
            meter.deeper(|meter| pay_for_all(meter, &Value::from_json(claim, false)))
        }),
        Value::User(user) => {
            let names = [&user.username, &user.uid].into_iter().chain(&user.groups);
            let extra = user.extra.iter().flat_map(|(key, values)| std::iter::once(key).chain(values));
            // The four fields have names, too.
            meter.charge(4)?;
            names.chain(extra).try_for_each(|name| meter.charge(Value::String(Text::Borrowed(name)).size()))
        }
        single => meter.charge(single.size()),
    }
}

/// The first index in some order under which the wanted item is; -1 when there is none.
fn position<'v>(
    meter: &mut Meter,
    arguments: &[Value<'v>],
    indexes: fn(usize) -> Box<dyn Iterator<Item = usize>>,
) -> Result<Value<'v>, Fault> {
    let [whole @ Value::List(list), wanted] = arguments else { return Err(Fault::NoOverload) };
    pay_for_all(meter, whole)?;
    for index in indexes(list.len()) {
        if let Some(item) = list.get(index)
            && value::same(&item, wanted, meter)?
        {
            return Ok(count(index));
        }
    }
    Ok(Value::Int(-1))
}

/// Whether a value is in a list; or, where there is no list, whether it is the same as what is there instead.
fn includes<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    if let [whole, _] = arguments {
        pay_for_all(meter, whole)?;
    }
    match arguments {
        [Value::List(list), wanted] => {
            for item in list.iter() {
                if value::same(&item, wanted, meter)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        [single, wanted] => value::same(single, wanted, meter).map(Value::Bool),
        _ => Err(Fault::NoOverload),
    }
}
