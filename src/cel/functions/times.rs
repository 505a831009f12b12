//! Parts of points and spans of time.

use jiff::civil::DateTime;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::Value;

/// A part of a date or a time of day.
type Part = fn(&DateTime) -> i64;

macro_rules! of_timestamp {
    ($part:expr) => {
        |_: &mut Meter, arguments: &[Value<'_>]| part_of(arguments, $part)
    };
}

macro_rules! of_duration {
    ($unit:literal) => {
        |_: &mut Meter, arguments: &[Value<'_>]| match arguments {
            [Value::Duration(span)] => Ok(Value::Int(span / $unit)),
            _ => Err(Fault::NoOverload),
        }
    };
}

pub(super) fn declare(table: &mut Table) {
    let mut on_timestamps = |name, body| {
        table.member(name, &[Type::Timestamp], Type::Int, body);
        table.member(name, &[Type::Timestamp, Type::String], Type::Int, body);
    };
    on_timestamps("getFullYear", of_timestamp!(|time| time.year().into()));
    on_timestamps("getMonth", of_timestamp!(|time| i64::from(time.month()) - 1));
    on_timestamps("getDayOfYear", of_timestamp!(|time| i64::from(time.day_of_year()) - 1));
    on_timestamps("getDayOfMonth", of_timestamp!(|time| i64::from(time.day()) - 1));
    on_timestamps("getDate", of_timestamp!(|time| time.day().into()));
    on_timestamps("getDayOfWeek", of_timestamp!(|time| time.weekday().to_sunday_zero_offset().into()));
    on_timestamps("getHours", of_timestamp!(|time| time.hour().into()));
    on_timestamps("getMinutes", of_timestamp!(|time| time.minute().into()));
    on_timestamps("getSeconds", of_timestamp!(|time| time.second().into()));
    on_timestamps("getMilliseconds", of_timestamp!(|time| time.millisecond().into()));
    table.member("getHours", &[Type::Duration], Type::Int, of_duration!(3_600_000_000_000));
    table.member("getMinutes", &[Type::Duration], Type::Int, of_duration!(60_000_000_000));
    table.member("getSeconds", &[Type::Duration], Type::Int, of_duration!(1_000_000_000));
    table.member("getMilliseconds", &[Type::Duration], Type::Int, of_duration!(1_000_000));
}

fn part_of<'v>(arguments: &[Value<'v>], part: Part) -> Result<Value<'v>, Fault> {
    let time = match arguments {
        [Value::Timestamp(time)] => time.at(None),
        [Value::Timestamp(time), Value::String(zone)] => time.at(Some(zone)),
        _ => return Err(Fault::NoOverload),
    };
    Ok(Value::Int(part(&time?)))
}
