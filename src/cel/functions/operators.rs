//! Arithmetic, comparison, membership and size.

use std::cmp::Ordering;
use std::rc::Rc;

use super::{Body, Table, count};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{self, List, Value};

/// A rule for two whole numbers of one type.
macro_rules! whole {
    ($variant:ident, $operation:ident) => {
        |_, arguments| match arguments {
            [Value::$variant(left), Value::$variant(right)] => {
                left.$operation(*right).map(Value::$variant).ok_or(Fault::Overflow)
            }
            _ => Err(Fault::NoOverload),
        }
    };
    ($variant:ident, $operation:ident, $by_zero:literal) => {
        |_, arguments| match arguments {
            [Value::$variant(_), Value::$variant(0)] => Err(Fault::Invalid($by_zero)),
            [Value::$variant(left), Value::$variant(right)] => {
                left.$operation(*right).map(Value::$variant).ok_or(Fault::Overflow)
            }
            _ => Err(Fault::NoOverload),
        }
    };
}

macro_rules! double {
    ($operator:tt) => {
        |_, arguments| match arguments {
            [Value::Double(left), Value::Double(right)] => Ok(Value::Double(left $operator right)),
            _ => Err(Fault::NoOverload),
        }
    };
}

pub(super) fn declare(table: &mut Table) {
    arithmetic(table);
    comparison(table);
    table.function("_==_", &[Type::A, Type::A], Type::Bool, |meter, arguments| match arguments {
        [left, right] => value::equal(left, right, meter).map(Value::Bool),
        _ => Err(Fault::NoOverload),
    });
    table.function("_!=_", &[Type::A, Type::A], Type::Bool, |meter, arguments| match arguments {
        // What cannot be compared is not the same; but within lists and maps the API server says that it is.
        [left @ (Value::Claims(_) | Value::Opaque(_) | Value::User(_)), right] => {
            value::same(left, right, meter).map(|same| Value::Bool(!same))
        }
        [left, right] => value::equal(left, right, meter).map(|same| Value::Bool(!same)),
        _ => Err(Fault::NoOverload),
    });
    let lists = Type::list(Type::A);
    let maps = Type::map(Type::A, Type::B);
    table.function("@in", &[Type::A, lists.clone()], Type::Bool, is_item);
    table.function("@in", &[Type::A, maps.clone()], Type::Bool, is_key);
    for sized in [Type::Bytes, lists, maps, Type::String] {
        table.function("size", std::slice::from_ref(&sized), Type::Int, size);
        table.member("size", &[sized], Type::Int, size);
    }
}

fn arithmetic(table: &mut Table) {
    use Type::{Bytes, Double, Duration, Int, String, Timestamp, Uint};
    let mut declare = |name, left: Type, right: Type, result, body: Body| {
        table.function(name, &[left, right], result, body);
    };
    declare("_+_", Bytes, Bytes, Bytes, concatenation);
    declare("_+_", Double, Double, Double, double!(+));
    declare("_+_", Duration, Duration, Duration, whole!(Duration, checked_add));
    declare("_+_", Duration, Timestamp, Timestamp, later);
    declare("_+_", Timestamp, Duration, Timestamp, later);
    declare("_+_", Int, Int, Int, whole!(Int, checked_add));
    declare("_+_", Type::list(Type::A), Type::list(Type::A), Type::list(Type::A), concatenation);
    declare("_+_", String, String, String, concatenation);
    declare("_+_", Uint, Uint, Uint, whole!(Uint, checked_add));
    declare("_-_", Double, Double, Double, double!(-));
    declare("_-_", Duration, Duration, Duration, whole!(Duration, checked_sub));
    declare("_-_", Int, Int, Int, whole!(Int, checked_sub));
    declare("_-_", Timestamp, Duration, Timestamp, earlier);
    declare("_-_", Timestamp, Timestamp, Duration, |_, arguments| match arguments {
        [Value::Timestamp(left), Value::Timestamp(right)] => left.since(*right).map(Value::Duration),
        _ => Err(Fault::NoOverload),
    });
    declare("_-_", Uint, Uint, Uint, whole!(Uint, checked_sub));
    declare("_*_", Double, Double, Double, double!(*));
    declare("_*_", Int, Int, Int, whole!(Int, checked_mul));
    declare("_*_", Uint, Uint, Uint, whole!(Uint, checked_mul));
    declare("_/_", Double, Double, Double, double!(/));
    declare("_/_", Int, Int, Int, whole!(Int, checked_div, "division by zero"));
    declare("_/_", Uint, Uint, Uint, whole!(Uint, checked_div, "division by zero"));
    declare("_%_", Int, Int, Int, whole!(Int, checked_rem, "modulus by zero"));
    declare("_%_", Uint, Uint, Uint, whole!(Uint, checked_rem, "modulus by zero"));
    table.function("-_", &[Double], Double, |_, arguments| match arguments {
        [Value::Double(value)] => Ok(Value::Double(-value)),
        _ => Err(Fault::NoOverload),
    });
    table.function("-_", &[Int], Int, |_, arguments| match arguments {
        [Value::Int(value)] => value.checked_neg().map(Value::Int).ok_or(Fault::Overflow),
        _ => Err(Fault::NoOverload),
    });
}

fn comparison(table: &mut Table) {
    use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
    let operators: [(&str, Body); 4] = [
        ("_<_", |meter, arguments| compare(meter, arguments, Ordering::is_lt)),
        ("_<=_", |meter, arguments| compare(meter, arguments, Ordering::is_le)),
        ("_>_", |meter, arguments| compare(meter, arguments, Ordering::is_gt)),
        ("_>=_", |meter, arguments| compare(meter, arguments, Ordering::is_ge)),
    ];
    for (name, body) in operators {
        for alike in [Bool, Bytes, Duration, String, Timestamp] {
            table.function(name, &[alike.clone(), alike], Bool, body);
        }
        for left in [Int, Uint, Double] {
            for right in [Int, Uint, Double] {
                table.function(name, &[left.clone(), right], Bool, body);
            }
        }
    }
}

fn compare<'v>(meter: &mut Meter, arguments: &[Value<'v>], holds: fn(Ordering) -> bool) -> Result<Value<'v>, Fault> {
    match arguments {
        [left, right] => value::order(left, right, meter).map(|ordering| Value::Bool(holds(ordering))),
        _ => Err(Fault::NoOverload),
    }
}

fn concatenation<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    for argument in arguments {
        meter.charge(argument.size())?;
    }
    Ok(match arguments {
        [Value::String(left), Value::String(right)] => Value::string(format!("{}{}", &**left, &**right)),
        [Value::Bytes(left), Value::Bytes(right)] => Value::Bytes([&**left, &**right].concat().into()),
        [Value::List(left), Value::List(right)] => {
            Value::List(List::Owned(Rc::new(left.iter().chain(right.iter()).collect())))
        }
        _ => return Err(Fault::NoOverload),
    })
}

fn later<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::Timestamp(time), Value::Duration(span)] | [Value::Duration(span), Value::Timestamp(time)] => {
            time.plus(*span).map(Value::Timestamp)
        }
        _ => Err(Fault::NoOverload),
    }
}

fn earlier<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::Timestamp(time), Value::Duration(span)] => time.minus(*span).map(Value::Timestamp),
        _ => Err(Fault::NoOverload),
    }
}

fn is_item<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [wanted, Value::List(list)] = arguments else { return Err(Fault::NoOverload) };
    // As if it were the last one.
    meter.charge(u64::try_from(list.len()).unwrap_or(u64::MAX))?;
    for item in list.iter() {
        if value::same(wanted, &item, meter)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn is_key<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [key, Value::Map(map)] => Ok(Value::Bool(map.find_exactly(key).is_some())),
        _ => Err(Fault::NoOverload),
    }
}

fn size<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(match arguments {
        [Value::Bytes(bytes)] => count(bytes.len()),
        [Value::List(list)] => count(list.len()),
        [Value::Map(map)] => count(map.len()),
        [text @ Value::String(characters)] => {
            meter.charge(text.size())?;
            count(characters.chars().count())
        }
        _ => return Err(Fault::NoOverload),
    })
}
