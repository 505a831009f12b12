//! Spans of time as Go and Kubernetes write them: `30s`, `5m`, `1h30m`, `1.5h`, `250ms`, `0`.

use std::time::Duration;

use thiserror::Error;

/// Why a text is not a span of time.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DurationError {
    /// There is nothing to read.
    #[error("a duration cannot be empty")]
    Empty,
    /// Something else stands where a number has to be.
    #[error("{0:?} is not a number with a unit")]
    NoNumber(String),
    /// A number without a unit.
    #[error("{0:?} has no unit")]
    NoUnit(String),
    /// A unit that Go does not have either.
    #[error("there is no unit {0:?}")]
    UnknownUnit(String),
    /// A span back in time.
    #[error("a duration cannot be negative")]
    Negative,
    /// More than Go's 292 years.
    #[error("that is too long")]
    TooLong,
}

impl DurationError {
    /// What to write instead.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownUnit(unit) if unit.starts_with(['d', 'w', 'y']) => {
                "units are ns, us, ms, s, m and h; write days in hours, such as 24h"
            }
            _ => "write a number with a unit (ns, us, ms, s, m, h), such as 30s, 5m or 1h30m",
        }
    }
}

/// Reads what Go's `time.ParseDuration` reads, without negative spans.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest.is_empty() {
        return Err(DurationError::Empty);
    }
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (nanoseconds, after) = leading_part(rest)?;
        total = total
            .checked_add(nanoseconds)
            .filter(|total| i64::try_from(*total).is_ok())
            .ok_or(DurationError::TooLong)?;
        rest = after;
    }
    if negative && total > 0 { Err(DurationError::Negative) } else { Ok(Duration::from_nanos(total)) }
}

/// Writes a span so that [`parse`] reads it back: `1h30m`, `250ms`, `0s`.
#[must_use]
pub fn format(span: Duration) -> String {
    const UNITS: [(u128, &str); 6] = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
        (1, "ns"),
    ];
    let mut rest = span.as_nanos();
    let mut text = String::new();
    for (nanoseconds, unit) in UNITS {
        if rest >= nanoseconds {
            text.push_str(&format!("{}{unit}", rest / nanoseconds));
            rest %= nanoseconds;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Reads one number with its unit off the front: its nanoseconds, and the text after it.
fn leading_part(text: &str) -> Result<(u64, &str), DurationError> {
    let (whole, rest) = split_where(text, |c| !c.is_ascii_digit());
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => split_where(rest, |c| !c.is_ascii_digit()),
        None => ("", rest),
    };
    if whole.is_empty() && fraction.is_empty() {
        return Err(DurationError::NoNumber(text.to_owned()));
    }
    let (unit, rest) = split_where(rest, |c| c.is_ascii_digit() || c == '.');
    let nanoseconds_per_unit: u64 = match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        "" => return Err(DurationError::NoUnit(text.to_owned())),
        unknown => return Err(DurationError::UnknownUnit(unknown.to_owned())),
    };
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_overflow| DurationError::TooLong)? };
    let whole = whole.checked_mul(nanoseconds_per_unit).ok_or(DurationError::TooLong)?;
    let nanoseconds = whole.checked_add(fraction_of(fraction, nanoseconds_per_unit)).ok_or(DurationError::TooLong)?;
    Ok((nanoseconds, rest))
}

/// The nanoseconds of `0.digits` units, rounded down.
fn fraction_of(digits: &str, nanoseconds_per_unit: u64) -> u64 {
    let mut nanoseconds: u128 = 0;
    let mut place = u128::from(nanoseconds_per_unit) * FRACTION_SCALE;
    for digit in digits.chars().filter_map(|c| c.to_digit(10)) {
        place /= 10;
        nanoseconds += place * u128::from(digit);
    }
    u64::try_from(nanoseconds / FRACTION_SCALE).unwrap_or(u64::MAX)
}

/// Keeps decimal places below a nanosecond exact while they are added up; the rest of them cannot make a nanosecond.
const FRACTION_SCALE: u128 = 1_000_000_000_000_000;

fn split_where(text: &str, at: impl FnMut(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(at).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let seconds = Duration::from_secs;
        for (text, expected) in [
            ("0", Duration::ZERO),
            ("0s", Duration::ZERO),
            ("-0s", Duration::ZERO),
            ("+5s", seconds(5)),
            ("30s", seconds(30)),
            ("5m", seconds(300)),
            ("1h30m", seconds(5400)),
            ("1.5h", seconds(5400)),
            (".5m", seconds(30)),
            ("1.s", seconds(1)),
            ("1m1m", seconds(120)),
            ("250ms", Duration::from_millis(250)),
            ("2us3\u{b5}s4\u{3bc}s", Duration::from_micros(9)),
            ("1.9ns", Duration::from_nanos(1)),
            ("0.000000001s", Duration::from_nanos(1)),
            ("0.3333333333333333333h", seconds(1200).saturating_sub(Duration::from_nanos(1))),
            ("9223372036854775807ns", Duration::from_nanos(9_223_372_036_854_775_807)),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_go_refuses_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", DurationError::Empty),
            ("-", DurationError::Empty),
            ("-5s", DurationError::Negative),
            ("30", DurationError::NoUnit("30".to_owned())),
            ("1h30", DurationError::NoUnit("30".to_owned())),
            ("1.5.5h", DurationError::NoUnit("1.5.5h".to_owned())),
            ("s", DurationError::NoNumber("s".to_owned())),
            (".s", DurationError::NoNumber(".s".to_owned())),
            ("5m ", DurationError::UnknownUnit("m ".to_owned())),
            ("5 m", DurationError::UnknownUnit(" m".to_owned())),
            ("1d", DurationError::UnknownUnit("d".to_owned())),
            ("5M", DurationError::UnknownUnit("M".to_owned())),
            ("\u{665}s", DurationError::NoNumber("\u{665}s".to_owned())),
            ("9223372036854775808ns", DurationError::TooLong),
            ("99999999999999999999s", DurationError::TooLong),
            ("2562048h", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        assert!(DurationError::UnknownUnit("d".to_owned()).remedy().contains("24h"));
    }

    proptest! {
        #[test]
        fn a_written_duration_reads_back_the_same(nanoseconds in 0..=i64::MAX) {
            let span = Duration::from_nanos(nanoseconds.unsigned_abs());
            prop_assert_eq!(parse(&format(span)), Ok(span));
        }

        #[test]
        fn no_text_upsets_the_reader(text in "[-+]?([0-9.]{0,25}(h|m|s|ms|us|ns|d| )?){0,4}|.{0,20}") {
            let _read = parse(&text);
        }
    }
}
