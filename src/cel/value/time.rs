//! Points and spans of time, read and written as Go does it.

use std::cmp::Ordering;
use std::fmt::Write as _;

use jiff::Span;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::cel::error::Fault;

/// The first second of the year 1.
const FIRST_SECOND: i64 = -62_135_596_800;
/// The last second of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
const NANOSECONDS: i64 = 1_000_000_000;
const EPOCH: Date = Date::constant(1970, 1, 1);

/// A point in time within the years 1 to 9999. Where it was read from a text with an offset, it is written with it.
#[derive(Clone, Copy, Debug)]
pub(in crate::cel) struct Timestamp {
    /// Since 1970, rounded down.
    seconds: i64,
    /// Less than a second.
    nanoseconds: u32,
    /// Seconds ahead of UTC, for writing.
    offset: i64,
}

impl Ord for Timestamp {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }
}

impl PartialOrd for Timestamp {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timestamp {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Timestamp {}

impl Timestamp {
    pub(in crate::cel) fn from_seconds(seconds: i64) -> Result<Self, Fault> {
        Self::new(seconds, 0, 0)
    }

    fn new(seconds: i64, nanoseconds: u32, offset: i64) -> Result<Self, Fault> {
        if (FIRST_SECOND..=LAST_SECOND).contains(&seconds) {
            Ok(Self { seconds, nanoseconds, offset })
        } else {
            Err(Fault::Overflow)
        }
    }

    /// Whether it is what Go has for no time: the first second of the year 1.
    pub(in crate::cel) const fn is_zero(self) -> bool {
        self.seconds == -62_135_596_800 && self.nanoseconds == 0
    }

    pub(in crate::cel) const fn seconds(self) -> i64 {
        self.seconds
    }

    pub(in crate::cel) fn plus(self, span: i64) -> Result<Self, Fault> {
        let nanoseconds = i64::from(self.nanoseconds) + span.rem_euclid(NANOSECONDS);
        let seconds = self.seconds + span.div_euclid(NANOSECONDS) + nanoseconds.div_euclid(NANOSECONDS);
        let nanoseconds = u32::try_from(nanoseconds.rem_euclid(NANOSECONDS)).map_err(|_| Fault::Overflow)?;
        Self::new(seconds, nanoseconds, self.offset)
    }

    pub(in crate::cel) fn minus(self, span: i64) -> Result<Self, Fault> {
        self.plus(span.checked_neg().ok_or(Fault::Overflow)?)
    }

    /// The span from another point to this one.
    pub(in crate::cel) fn since(self, other: Self) -> Result<i64, Fault> {
        (self.seconds - other.seconds)
            .checked_mul(NANOSECONDS)
            .and_then(|span| span.checked_add(i64::from(self.nanoseconds) - i64::from(other.nanoseconds)))
            .ok_or(Fault::Overflow)
    }

    /// Date and time of day at a place: `UTC`, `Europe/Berlin`, `-08:00`; without one, in UTC.
    pub(in crate::cel) fn at(self, zone: Option<&str>) -> Result<DateTime, Fault> {
        self.ahead_by(self.offset_at(zone)?)
    }

    fn ahead_by(self, offset: i64) -> Result<DateTime, Fault> {
        let local = self.seconds + offset;
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let span = Span::new().try_days(days).map_err(|_| Fault::Overflow)?;
        let date = EPOCH.checked_add(span).map_err(|_| Fault::Overflow)?;
        let small = |number: i64| i8::try_from(number).map_err(|_| Fault::Overflow);
        let nanoseconds = i32::try_from(self.nanoseconds).map_err(|_| Fault::Overflow)?;
        Ok(date.at(small(second / 3600)?, small(second / 60 % 60)?, small(second % 60)?, nanoseconds))
    }

    /// How many seconds a place is ahead of UTC.
    fn offset_at(self, zone: Option<&str>) -> Result<i64, Fault> {
        const UNKNOWN: Fault = Fault::Invalid("unknown time zone");
        match zone {
            None | Some("" | "UTC" | "Local") => Ok(0),
            Some(zone) => match zone.split_once(':') {
                None => {
                    let zone = TimeZone::get(zone).map_err(|_| UNKNOWN)?;
                    // The last day of the year 9999 is beyond the library's calendar, and has the rules of the day before.
                    let instant = jiff::Timestamp::from_second(self.seconds).unwrap_or(jiff::Timestamp::MAX);
                    Ok(zone.to_offset(instant).seconds().into())
                }
                Some((hours, minutes)) => {
                    let number = |text: &str| text.parse::<i32>().map(i64::from).map_err(|_| UNKNOWN);
                    let is_behind = hours.starts_with('-');
                    let (hours, minutes) = (number(hours)?, number(minutes)?);
                    Ok(60 * if is_behind { hours * 60 - minutes } else { hours * 60 + minutes })
                }
            },
        }
    }

    /// RFC 3339, with a one-digit hour let through as Go does it.
    pub(in crate::cel) fn parse(text: &str) -> Result<Self, Fault> {
        Self::read(text).ok_or(Fault::Invalid("not a timestamp by RFC 3339"))
    }

    fn read(text: &str) -> Option<Self> {
        let (date, rest) = (text.get(..10)?, text.get(10..)?.strip_prefix('T')?);
        let (hour, rest) = rest.split_once(':')?;
        if hour.is_empty() || hour.len() > 2 {
            return None;
        }
        let (minute, rest) = (digits(rest.get(..2)?)?, rest.get(2..)?.strip_prefix(':')?);
        let (second, rest) = (digits(rest.get(..2)?)?, rest.get(2..)?);
        let (nanoseconds, zone) = fraction(rest)?;
        let offset = if zone == "Z" { 0 } else { offset(zone)? };
        let date = calendar_date(date)?;
        let days = (date - EPOCH).get_days();
        let hour = digits(hour).filter(|hour| *hour < 24)?;
        if minute > 59 || second > 59 {
            return None;
        }
        Self::new(i64::from(days) * 86_400 + hour * 3600 + minute * 60 + second - offset, nanoseconds, offset).ok()
    }

    /// RFC 3339, with as many digits of a second as there are.
    pub(in crate::cel) fn text(self) -> Result<String, Fault> {
        let mut text = self.ahead_by(self.offset)?.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        if self.nanoseconds > 0 {
            let _ = write!(text, ".{}", format!("{:09}", self.nanoseconds).trim_end_matches('0'));
        }
        if self.offset == 0 {
            text.push('Z');
        } else {
            let sign = if self.offset < 0 { '-' } else { '+' };
            let minutes = self.offset.abs() / 60;
            let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        }
        Ok(text)
    }
}

fn digits(text: &str) -> Option<i64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// The day that is written `2006-01-02`.
pub(in crate::cel) fn calendar_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) || parts.next().is_some() {
        return None;
    }
    let number = |text| digits(text).and_then(|number| i8::try_from(number).ok());
    Date::new(i16::try_from(digits(year)?).ok()?, number(month)?, number(day)?).ok()
}

/// The part of a second, and what follows it. Digits beyond nanoseconds count for nothing.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(after) = text.strip_prefix(['.', ',']) else { return Some((0, text)) };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    if end == 0 {
        return None;
    }
    let shown = after.get(..end.min(9))?;
    Some((format!("{shown:0<9}").parse().ok()?, after.get(end..)?))
}

/// `+01:30`, in seconds.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return None,
    };
    if text.len() != 6 || text.get(3..4)? != ":" {
        return None;
    }
    let (hours, minutes) = (digits(text.get(1..3)?)?, digits(text.get(4..6)?)?);
    (hours <= 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Reads what Go's `time.ParseDuration` reads: `1h30m`, `-1.5s`, `0`. In nanoseconds.
pub(in crate::cel) fn parse_duration(text: &str) -> Result<i64, Fault> {
    read_duration(text).ok_or(Fault::Invalid("not a duration such as 1h30m"))
}

fn read_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        let (whole, part) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && part.is_empty()) || part.contains('.') {
            return None;
        }
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        // Eighteen digits are more than any unit can show.
        let part = part.get(..part.len().min(18))?;
        let scale = 10_i128.checked_pow(u32::try_from(part.len()).ok()?)?;
        let part: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
        total =
            total.checked_add(whole.checked_mul(unit)?)?.checked_add(part.checked_mul(unit)?.checked_div(scale)?)?;
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Seconds with as many digits as there are, and an `s`.
#[expect(clippy::cast_precision_loss, reason = "the API server prints the rounded value, too")]
pub(in crate::cel) fn duration_text(nanoseconds: i64) -> String {
    let whole = nanoseconds / NANOSECONDS;
    let part = nanoseconds % NANOSECONDS;
    format!("{}s", whole as f64 + part as f64 / 1e9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_read_and_written_by_rfc_3339() {
        for (text, written) in [
            ("2023-01-02T03:04:05Z", Some("2023-01-02T03:04:05Z")),
            ("2023-01-02T3:04:05Z", Some("2023-01-02T03:04:05Z")),
            ("2023-01-02T03:04:05.1200+01:30", Some("2023-01-02T03:04:05.12+01:30")),
            ("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z")),
            ("9999-12-31T23:59:59.999999999Z", Some("9999-12-31T23:59:59.999999999Z")),
            ("9999-12-31T23:59:59-01:00", None),
            ("2023-02-29T00:00:00Z", None),
            ("2023-01-02 03:04:05Z", None),
            ("2023-01-02t03:04:05Z", None),
            ("2023-01-02T24:00:00Z", None),
            ("2023-01-02T03:04:60Z", None),
            ("2023-01-02", None),
            ("", None),
        ] {
            let read = Timestamp::parse(text).and_then(Timestamp::text).ok();
            assert_eq!(read.as_deref(), written, "{text}");
        }
    }

    #[test]
    fn durations_are_read_and_written_as_go_does_it() {
        for (text, written) in [
            ("1h30m", Some("5400s")),
            ("-1.5s", Some("-1.5s")),
            ("0", Some("0s")),
            ("1ns", Some("0.000000001s")),
            (".5s", Some("0.5s")),
            ("1.s", Some("1s")),
            ("2562047h47m16.854775807s", Some("9223372036.854776s")),
            ("2562048h", None),
            ("1", None),
            (".s", None),
            ("1d", None),
            ("", None),
        ] {
            assert_eq!(parse_duration(text).map(duration_text).ok().as_deref(), written, "{text}");
        }
    }
}
