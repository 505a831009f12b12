//! General functions of lists: `slice`, `flatten`, `sort`, `distinct`, `reverse`, `lists.range`, and the work of `sortBy`.

use std::cmp::Ordering;

use super::Table;
use crate::cel::budget::{self, Meter};
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{self, List, Value};

/// The types of items that have an order; of keys to sort by, too.
pub(in crate::cel) const COMPARABLE: [Type; 8] =
    [Type::Int, Type::Uint, Type::Double, Type::Bool, Type::Duration, Type::Timestamp, Type::String, Type::Bytes];

/// The longest list that `lists.range` makes.
const LONGEST_RANGE: usize = 1_000_000;

pub(super) fn declare(table: &mut Table) {
    let list = Type::list(Type::A);
    table.member("slice", &[list.clone(), Type::Int, Type::Int], list.clone(), slice);
    table.member_of_any_list(
        "flatten",
        &[Type::list(list.clone())],
        list.clone(),
        |meter, arguments| match arguments {
            [Value::List(list)] => flattened(meter, list, 1),
            _ => Err(Fault::NoOverload),
        },
    );
    let anything = Type::list(Type::Dyn);
    table.member_of_any_list("flatten", &[anything.clone(), Type::Int], anything, |meter, arguments| match arguments {
        [Value::List(list), Value::Int(depth @ 0..)] => flattened(meter, list, *depth),
        [Value::List(_), Value::Int(_)] => Err(Fault::Invalid("a list cannot be flattened by a negative depth")),
        _ => Err(Fault::NoOverload),
    });
    for item in COMPARABLE {
        table.member_of_any_list("sort", &[Type::list(item.clone())], Type::list(item), |meter, arguments| {
            match arguments {
                [list @ Value::List(items)] => {
                    meter.charge(list.size())?;
                    let items: Vec<_> = (0..items.len()).filter_map(|index| items.get(index)).collect();
                    sort_by_keys(items.clone(), &items, meter).map(Value::list)
                }
                _ => Err(Fault::NoOverload),
            }
        });
    }
    table.member("distinct", std::slice::from_ref(&list), list.clone(), distinct);
    table.member("reverse", std::slice::from_ref(&list), list.clone(), reverse);
    table.function("lists.range", &[Type::Int], Type::list(Type::Int), range);
}

/// Whether the value is of a type that has an order.
pub(super) const fn is_comparable(value: &Value<'_>) -> bool {
    matches!(
        value,
        Value::Bool(_)
            | Value::Bytes(_)
            | Value::Double(_)
            | Value::Duration(_)
            | Value::Int(_)
            | Value::String(_)
            | Value::Timestamp(_)
            | Value::Uint(_)
    )
}

/// Items in the order of their keys, one key for each; those with equal keys stay in the order they were in.
///
/// # Errors
///
/// [`Fault::Invalid`] when keys have no order: of different types, of a type without order, or no number at all.
pub(in crate::cel) fn sort_by_keys<'v>(
    items: Vec<Value<'v>>,
    keys: &[Value<'v>],
    meter: &mut Meter,
) -> Result<Vec<Value<'v>>, Fault> {
    pay_pairs(meter, keys.len())?;
    let Some(first) = keys.first() else { return Ok(items) };
    if !is_comparable(first) {
        return Err(Fault::Invalid("only a list of values with an order can be sorted"));
    }
    let kind = std::mem::discriminant(first);
    if keys.iter().any(|key| std::mem::discriminant(key) != kind) {
        return Err(Fault::Invalid("only a list of values of the same type can be sorted"));
    }
    if keys.len() > 1 && keys.iter().any(|key| matches!(key, Value::Double(value) if value.is_nan())) {
        return Err(Fault::Invalid("NaN has no order"));
    }
    let rounds = u64::from(keys.len().ilog2() + 1);
    let round = keys.iter().fold(0_u64, |sum, key| sum.saturating_add(key.size() + 1));
    meter.charge(round.saturating_mul(rounds))?;
    let mut paid = Meter::new(u64::MAX);
    let mut pairs: Vec<_> = keys.iter().zip(items).collect();
    pairs.sort_by(|(left, _), (right, _)| value::order(left, right, &mut paid).unwrap_or(Ordering::Equal));
    Ok(pairs.into_iter().map(|(_, item)| item).collect())
}

/// Pays for comparing each item of a list with each, which is what the API server takes for it.
fn pay_pairs(meter: &mut Meter, length: usize) -> Result<(), Fault> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    // Strings cost a tenth more than numbers.
    let pairs = length.saturating_mul(length);
    meter.charge(pairs.saturating_mul(2).saturating_add(pairs / 10 + 1 + budget::LIST))
}

fn slice<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::List(list), Value::Int(start), Value::Int(end)] = arguments else { return Err(Fault::NoOverload) };
    let index = |number: i64| usize::try_from(number).map_err(|_| Fault::IndexOutOfRange);
    let (start, end) = (index(*start)?, index(*end)?);
    if start > end {
        return Err(Fault::Invalid("a slice's end is before its start"));
    }
    if end > list.len() {
        return Err(Fault::IndexOutOfRange);
    }
    meter.charge(budget::LIST + u64::try_from(end - start).unwrap_or(u64::MAX))?;
    Ok(Value::list((start..end).filter_map(|index| list.get(index)).collect()))
}

/// The list with what is in the lists in it, so many levels down. Each level is paid for, whether or not there is one.
fn flattened<'v>(meter: &mut Meter, list: &List<'v>, depth: i64) -> Result<Value<'v>, Fault> {
    let length = u64::try_from(list.len()).unwrap_or(u64::MAX);
    meter.charge(length.saturating_mul(depth.unsigned_abs()).saturating_add(budget::LIST))?;
    let mut flat = Vec::new();
    flatten(meter, list, depth, &mut flat)?;
    Ok(Value::list(flat))
}

fn flatten<'v>(meter: &mut Meter, list: &List<'v>, depth: i64, flat: &mut Vec<Value<'v>>) -> Result<(), Fault> {
    for item in list.iter() {
        meter.charge(1)?;
        match item {
            Value::List(inner) if depth > 0 => meter.deeper(|meter| flatten(meter, &inner, depth - 1, flat))?,
            item => flat.push(item),
        }
    }
    Ok(())
}

fn distinct<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::List(list)] = arguments else { return Err(Fault::NoOverload) };
    pay_pairs(meter, list.len())?;
    let mut seen: Vec<Value<'v>> = Vec::new();
    'items: for index in 0..list.len() {
        let Some(item) = list.get(index) else { continue };
        meter.charge(1)?;
        for other in &seen {
            if value::same(&item, other, meter)? {
                continue 'items;
            }
        }
        seen.push(item);
    }
    Ok(Value::list(seen))
}

fn reverse<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [list @ Value::List(items)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(budget::LIST + list.size())?;
    Ok(Value::list((0..items.len()).rev().filter_map(|index| items.get(index)).collect()))
}

/// The numbers from 0 to below the given one.
fn range<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::Int(end)] = arguments else { return Err(Fault::NoOverload) };
    let length = usize::try_from(*end).map_err(|_| Fault::Invalid("a list cannot have a negative length"))?;
    if length > LONGEST_RANGE {
        return Err(Fault::Invalid("lists.range makes lists of up to 1,000,000 numbers"));
    }
    meter.charge(budget::LIST + u64::try_from(length).unwrap_or(u64::MAX))?;
    Ok(Value::list((0..*end).map(Value::Int).collect()))
}
