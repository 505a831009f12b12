//! Conversions between types, `type` and `dyn`.

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{Timestamp, Value, time};

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint};
    table.function("type", &[Type::A], Type::of(Type::A), |_, arguments| match arguments {
        [value] => Ok(Value::Type(value.type_of())),
        _ => Err(Fault::NoOverload),
    });
    table.function("dyn", &[Type::A], Type::Dyn, same);
    for same_type in [Bool, Bytes, Double, Duration, Int, String, Timestamp, Uint] {
        let name = match same_type {
            Bool => "bool",
            Bytes => "bytes",
            Double => "double",
            Duration => "duration",
            Int => "int",
            String => "string",
            Timestamp => "timestamp",
            _ => "uint",
        };
        table.function(name, std::slice::from_ref(&same_type), same_type.clone(), same);
    }
    table.function("bool", &[String], Bool, bool_of);
    table.function("bytes", &[String], Bytes, bytes_of);
    for from in [Int, String, Uint] {
        table.function("double", &[from], Double, double_of);
    }
    table.function("duration", &[String], Duration, duration_of);
    for from in [Double, Duration, String, Timestamp, Uint] {
        table.function("int", &[from], Int, int_of);
    }
    for from in [Bool, Bytes, Double, Duration, Int, Timestamp, Uint] {
        table.function("string", &[from], String, string_of);
    }
    for from in [Int, String] {
        table.function("timestamp", &[from], Timestamp, timestamp_of);
    }
    for from in [Double, Int, String] {
        table.function("uint", &[from], Uint, uint_of);
    }
}

fn same<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    arguments.first().cloned().ok_or(Fault::NoOverload)
}

fn bool_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::String(text)] => match &**text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Value::Bool(false)),
            _ => Err(Fault::Invalid("neither true nor false")),
        },
        _ => Err(Fault::NoOverload),
    }
}

fn bytes_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [value @ Value::String(text)] => {
            meter.charge(value.size())?;
            Ok(Value::Bytes(text.as_bytes().into()))
        }
        _ => Err(Fault::NoOverload),
    }
}

#[expect(clippy::cast_precision_loss, reason = "the nearest double is what is asked for")]
fn double_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Double(match arguments {
        [Value::Int(value)] => *value as f64,
        [Value::Uint(value)] => *value as f64,
        [Value::String(text)] => read_double(text).ok_or(Fault::Invalid("not a number"))?,
        _ => return Err(Fault::NoOverload),
    }))
}

/// Decimal numbers, infinity and NaN. What Go reads besides (hexadecimal, underscores) is refused.
fn read_double(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let names_infinity = || text.trim_start_matches(['+', '-']).to_ascii_lowercase().starts_with("inf");
    (number.is_finite() || number.is_nan() || names_infinity()).then_some(number)
}

fn duration_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::String(text)] => time::parse_duration(text).map(Value::Duration),
        _ => Err(Fault::NoOverload),
    }
}

fn int_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Int(match arguments {
        #[expect(clippy::cast_possible_truncation, reason = "rounded towards zero, within the range")]
        [Value::Double(value)] if value.abs() < 9_223_372_036_854_775_807.0 => *value as i64,
        [Value::Double(_)] => return Err(Fault::Overflow),
        [Value::Duration(span)] => *span,
        [Value::String(text)] => whole(text).ok_or(Fault::Invalid("not a whole number"))?,
        [Value::Timestamp(time)] => time.seconds(),
        [Value::Uint(value)] => i64::try_from(*value).map_err(|_| Fault::Overflow)?,
        _ => return Err(Fault::NoOverload),
    }))
}

fn uint_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    Ok(Value::Uint(match arguments {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the range")]
        [Value::Double(value)] if (0.0..18_446_744_073_709_551_615.0).contains(value) => *value as u64,
        [Value::Double(_)] => return Err(Fault::Overflow),
        [Value::Int(value)] => u64::try_from(*value).map_err(|_| Fault::Overflow)?,
        [Value::String(text)] if text.starts_with('+') => return Err(Fault::Invalid("not a whole number")),
        [Value::String(text)] => whole(text).ok_or(Fault::Invalid("not a whole number"))?,
        _ => return Err(Fault::NoOverload),
    }))
}

fn whole<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

fn string_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [value] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(value.size())?;
    Ok(Value::string(match value {
        Value::Bool(value) => value.to_string(),
        Value::Bytes(bytes) => {
            std::str::from_utf8(bytes).map_err(|_| Fault::Invalid("the bytes are not UTF-8"))?.to_owned()
        }
        Value::Double(value) => double_text(*value),
        Value::Duration(span) => time::duration_text(*span),
        Value::Int(value) => value.to_string(),
        Value::Timestamp(time) => time.text()?,
        Value::Uint(value) => value.to_string(),
        _ => return Err(Fault::NoOverload),
    }))
}

/// A double as Go's shortest form has it: with an exponent below 1e-4 and from 1e6 on.
pub(super) fn double_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    if value == 0.0 || exponent.parse().is_ok_and(|exponent: i32| (-4..6).contains(&exponent)) {
        return value.to_string();
    }
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

fn timestamp_of<'v>(_: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    match arguments {
        [Value::Int(seconds)] => Timestamp::from_seconds(*seconds).map(Value::Timestamp),
        [Value::String(text)] => Timestamp::parse(text).map(Value::Timestamp),
        _ => Err(Fault::NoOverload),
    }
}
