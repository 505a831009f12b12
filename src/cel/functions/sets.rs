//! Lists taken as sets: `sets.contains`, `sets.equivalent`, `sets.intersects`.

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{self, List, Value};

pub(super) fn declare(table: &mut Table) {
    let lists = [Type::list(Type::A), Type::list(Type::A)];
    table.function("sets.contains", &lists, Type::Bool, |meter, arguments| {
        let (left, right) = two_lists(meter, arguments)?;
        contains(meter, left, right).map(Value::Bool)
    });
    table.function("sets.equivalent", &lists, Type::Bool, |meter, arguments| {
        let (left, right) = two_lists(meter, arguments)?;
        two_lists(meter, arguments)?;
        Ok(Value::Bool(contains(meter, left, right)? && contains(meter, right, left)?))
    });
    table.function("sets.intersects", &lists, Type::Bool, |meter, arguments| {
        let (left, right) = two_lists(meter, arguments)?;
        for item in left.iter() {
            if is_in(meter, &item, right)? {
                return Ok(Value::Bool(true));
            }
        }
        Ok(Value::Bool(false))
    });
}

/// Both lists; looking for each item of one in the other is paid for, as if each were the last one.
fn two_lists<'a, 'v>(meter: &mut Meter, arguments: &'a [Value<'v>]) -> Result<(&'a List<'v>, &'a List<'v>), Fault> {
    let [Value::List(left), Value::List(right)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(u64::try_from(left.len().saturating_mul(right.len())).unwrap_or(u64::MAX))?;
    Ok((left, right))
}

/// Whether each item of the second list is in the first.
fn contains(meter: &mut Meter, list: &List<'_>, items: &List<'_>) -> Result<bool, Fault> {
    for item in items.iter() {
        if !is_in(meter, &item, list)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn is_in(meter: &mut Meter, wanted: &Value<'_>, list: &List<'_>) -> Result<bool, Fault> {
    for item in list.iter() {
        if value::same(wanted, &item, meter)? {
            return Ok(true);
        }
    }
    Ok(false)
}
