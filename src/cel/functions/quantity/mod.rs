//! Amounts such as `500m` or `2Gi`, calculated exactly: `quantity()`, `isQuantity()`, order, sums, conversions.
//!
//! Kubernetes has two ways to keep an amount, and expressions can tell them apart: only a short amount is ever an
//! integer. Amounts of 10^29 and more, and those with more than 38 digits, are errors here.

mod parse;

use std::cmp::Ordering;
use std::fmt;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{OpaqueValue, Value};

/// An amount.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Quantity {
    amount: Amount,
    is_computed: bool,
}

/// A number times a power of ten.
#[derive(Clone, Copy, Debug)]
enum Amount {
    Short { value: i64, exponent: i32 },
    Long { value: i128, exponent: i32 },
}

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Double, Int, String};
    let quantity = Type::Opaque(Opaque::Quantity);
    table.function("quantity", &[String], quantity.clone(), |meter, arguments| {
        let amount = read(meter, arguments)?.ok_or(Fault::Invalid("not a quantity such as 500m or 2Gi"))?;
        Ok(value(amount, false))
    });
    table
        .function("isQuantity", &[String], Bool, |meter, arguments| Ok(Value::Bool(read(meter, arguments)?.is_some())));
    table.function("sign", std::slice::from_ref(&quantity), Int, |_, arguments| {
        Ok(Value::Int(of(arguments.first())?.amount.whole().0.signum() as i64))
    });
    let two = [quantity.clone(), quantity.clone()];
    table.member("isGreaterThan", &two, Bool, |_, arguments| Ok(Value::Bool(compare(arguments)?.is_gt())));
    table.member("isLessThan", &two, Bool, |_, arguments| Ok(Value::Bool(compare(arguments)?.is_lt())));
    table.member("compareTo", &two, Int, |_, arguments| Ok(Value::Int(compare(arguments)? as i64)));
    table.member("asApproximateFloat", std::slice::from_ref(&quantity), Double, |_, arguments| {
        Ok(Value::Double(of(arguments.first())?.amount.approximate()))
    });
    table.member("asInteger", std::slice::from_ref(&quantity), Int, |_, arguments| {
        let integer = of(arguments.first())?.amount.integer();
        integer.map(Value::Int).ok_or(Fault::Invalid("a quantity that is no integer"))
    });
    table.member("isInteger", std::slice::from_ref(&quantity), Bool, |_, arguments| {
        Ok(Value::Bool(of(arguments.first())?.amount.integer().is_some()))
    });
    for other in [quantity.clone(), Int] {
        table.member("add", &[quantity.clone(), other.clone()], quantity.clone(), |_, arguments| {
            let sum = of(arguments.first())?.amount.plus(operand(arguments)?).ok_or(Fault::Overflow)?;
            Ok(value(sum, true))
        });
        table.member("sub", &[quantity.clone(), other], quantity.clone(), |_, arguments| {
            let other = operand(arguments)?.negated().ok_or(Fault::Overflow)?;
            let difference = of(arguments.first())?.amount.plus(other).ok_or(Fault::Overflow)?;
            Ok(value(difference, true))
        });
    }
}

impl Quantity {
    /// Whether it is a sum or difference.
    pub(in crate::cel) const fn is_computed(self) -> bool {
        self.is_computed
    }

    /// How it stands to another one; `None` when they are too far apart to calculate with.
    pub(in crate::cel) fn order(&self, other: &Self) -> Option<Ordering> {
        let (left, right, _) = aligned(self.amount.whole(), other.amount.whole())?;
        Some(left.cmp(&right))
    }
}

impl fmt::Display for Quantity {
    /// With a power of ten where it needs one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.amount.whole() {
            (value, 0) => write!(f, "{value}"),
            (value, exponent) => write!(f, "{value}e{exponent}"),
        }
    }
}

impl Amount {
    fn whole(self) -> (i128, i32) {
        match self {
            Self::Short { value, exponent } => (value.into(), exponent),
            Self::Long { value, exponent } => (value, exponent),
        }
    }

    fn integer(self) -> Option<i64> {
        match self {
            Self::Short { value, exponent: exponent @ 0.. } => scaled(value.into(), exponent)?.try_into().ok(),
            _ => None,
        }
    }

    /// Rounded twice, as the API server does it.
    #[expect(clippy::cast_precision_loss, reason = "it is an approximation")]
    fn approximate(self) -> f64 {
        let (value, exponent) = self.whole();
        let power = format!("1e{}", exponent.unsigned_abs()).parse().unwrap_or(f64::INFINITY);
        match exponent {
            0 => value as f64,
            1.. => value as f64 * power,
            _ => value as f64 * (1.0 / power),
        }
    }

    fn negated(self) -> Option<Self> {
        Some(match self {
            // The API server takes the smallest number for its own opposite.
            Self::Short { value, exponent } => Self::Short { value: value.checked_neg()?, exponent },
            Self::Long { value, exponent } => Self::Long { value: value.checked_neg()?, exponent },
        })
    }

    /// Short where both are and the sum is, too.
    fn plus(self, other: Self) -> Option<Self> {
        if let (Self::Short { .. }, Self::Short { .. }) = (self, other) {
            match (self.whole().0, other.whole().0) {
                (_, 0) => return Some(self),
                (0, _) => return Some(other),
                _ => {}
            }
        }
        let (left, right, exponent) = aligned(self.whole(), other.whole())?;
        let sum = left.checked_add(right)?;
        let all = (i64::try_from(left), i64::try_from(right), i64::try_from(sum));
        if let (Self::Short { .. }, Self::Short { .. }, (Ok(_), Ok(_), Ok(value))) = (self, other, all) {
            Some(Self::Short { value, exponent })
        } else {
            Some(Self::Long { value: sum, exponent })
        }
    }
}

/// Two numbers as multiples of the same power of ten, the smaller one of theirs.
fn aligned(left: (i128, i32), right: (i128, i32)) -> Option<(i128, i128, i32)> {
    let exponent = left.1.min(right.1);
    Some((scaled(left.0, left.1 - exponent)?, scaled(right.0, right.1 - exponent)?, exponent))
}

fn scaled(value: i128, exponent: i32) -> Option<i128> {
    value.checked_mul(10_i128.checked_pow(exponent.try_into().ok()?)?)
}

fn read(meter: &mut Meter, arguments: &[Value<'_>]) -> Result<Option<Amount>, Fault> {
    let [text @ Value::String(characters)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(text.size())?;
    parse::parse(characters)
}

fn value<'v>(amount: Amount, is_computed: bool) -> Value<'v> {
    Value::opaque(OpaqueValue::Quantity(Quantity { amount, is_computed }))
}

fn of(argument: Option<&Value<'_>>) -> Result<Quantity, Fault> {
    match argument {
        Some(Value::Opaque(value)) => match **value {
            OpaqueValue::Quantity(quantity) => Ok(quantity),
            _ => Err(Fault::NoOverload),
        },
        _ => Err(Fault::NoOverload),
    }
}

/// The second argument: a quantity or a number.
fn operand(arguments: &[Value<'_>]) -> Result<Amount, Fault> {
    match arguments.get(1) {
        Some(Value::Int(value)) => Ok(Amount::Short { value: *value, exponent: 0 }),
        other => Ok(of(other)?.amount),
    }
}

fn compare(arguments: &[Value<'_>]) -> Result<Ordering, Fault> {
    of(arguments.first())?.order(&of(arguments.get(1))?).ok_or(Fault::Overflow)
}
