//! Reads quantities as Kubernetes reads them.

use super::Amount;
use crate::cel::error::Fault;

/// The finest part of one that there is: a nano.
const FINEST: i32 = -9;
/// What a number in the short form may have: digits.
const SHORT_DIGITS: usize = 18;
const TOO_LARGE: Fault = Fault::Invalid("a quantity that is too large, or has too many digits");

/// What stands behind the number.
#[derive(Clone, Copy)]
enum Suffix {
    /// A power of ten.
    Decimal(i32),
    /// A power of two.
    Binary(u32),
}

/// The parts of a quantity's text.
struct Parts<'t> {
    is_negative: bool,
    /// Whether there is any digit before the suffix.
    has_digits: bool,
    /// Before the dot, without leading zeros; `0` if there is nothing left.
    whole: &'t str,
    /// Behind the dot.
    fraction: &'t str,
    suffix: &'t str,
}

/// Reads a quantity; `None` when the text is none.
///
/// # Errors
///
/// [`Fault::Invalid`] for one that Kubernetes reads, and that is too large here.
pub(super) fn parse(text: &str) -> Result<Option<Amount>, Fault> {
    let Some(parts) = split(text) else { return Ok(None) };
    let Some(suffix) = Suffix::parse(parts.suffix)? else { return Ok(None) };
    let digits = parts.whole.len() + parts.fraction.len();
    let decimals = i32::try_from(parts.fraction.len()).map_err(|_| TOO_LARGE)?;
    match suffix {
        Suffix::Decimal(exponent) if digits <= SHORT_DIGITS && exponent - decimals >= FINEST => {
            Ok(Some(Amount::Short { value: short(&parts, 1)?, exponent: exponent - decimals }))
        }
        Suffix::Binary(exponent) if decimals == 0 && digits + exponent as usize * 3 / 10 < 15 => {
            Ok(Some(Amount::Short { value: short(&parts, 1 << exponent)?, exponent: 0 }))
        }
        _ => long(&parts, suffix, decimals),
    }
}

/// Splits a quantity's text; `None` when there is something else in it.
fn split(text: &str) -> Option<Parts<'_>> {
    if text.is_empty() {
        return None;
    }
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let significant = unsigned.trim_start_matches('0');
    let (whole, rest) = significant.split_at(digits(significant));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let unit_end = suffix.find(|c| !"eEinumkKMGTP".contains(c)).unwrap_or(suffix.len());
    let exponent = suffix.get(unit_end..)?;
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    if digits(exponent) != exponent.len() {
        return None;
    }
    let has_digits = unsigned.starts_with(|c: char| c.is_ascii_digit()) || !fraction.is_empty();
    Some(Parts { is_negative, has_digits, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix })
}

impl Suffix {
    fn parse(text: &str) -> Result<Option<Self>, Fault> {
        Ok(Some(match text {
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "" => Self::Decimal(0),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(10),
            "Mi" => Self::Binary(20),
            "Gi" => Self::Binary(30),
            "Ti" => Self::Binary(40),
            "Pi" => Self::Binary(50),
            "Ei" => Self::Binary(60),
            _ => {
                let Some(number) = text.strip_prefix(['e', 'E']) else { return Ok(None) };
                let digits = number.strip_prefix(['-', '+']).unwrap_or(number);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Ok(None);
                }
                let Ok(exponent) = number.parse::<i64>() else { return Ok(None) };
                match i32::try_from(exponent) {
                    // Nothing within the range needs more.
                    Ok(exponent @ -100..=100) => Self::Decimal(exponent),
                    _ => return Err(TOO_LARGE),
                }
            }
        }))
    }
}

/// The digits as a number, with the sign.
fn number(parts: &Parts<'_>) -> Option<i128> {
    let value: i128 = format!("{}{}", parts.whole, parts.fraction).parse().ok()?;
    Some(if parts.is_negative { -value } else { value })
}

fn short(parts: &Parts<'_>, factor: i64) -> Result<i64, Fault> {
    let value = number(parts).and_then(|value| i64::try_from(value).ok());
    value.and_then(|value| value.checked_mul(factor)).ok_or(TOO_LARGE)
}

/// Counts nanos, rounding away from zero: whoever wants some gets some.
fn long(parts: &Parts<'_>, suffix: Suffix, decimals: i32) -> Result<Option<Amount>, Fault> {
    // Without digits it is zero in the short form, and nothing in this one.
    if !parts.has_digits {
        return Ok(None);
    }
    let value = number(parts).ok_or(TOO_LARGE)?;
    let (value, exponent) = match suffix {
        Suffix::Decimal(exponent) => (value, exponent - decimals),
        Suffix::Binary(exponent) => (value.checked_mul(1 << exponent).ok_or(TOO_LARGE)?, -decimals),
    };
    if value == 0 {
        return Ok(Some(Amount::Long { value, exponent }));
    }
    let nanos = if exponent >= FINEST {
        super::scaled(value, exponent - FINEST).ok_or(TOO_LARGE)?
    } else {
        let divisor = 10_i128.checked_pow((FINEST - exponent).unsigned_abs());
        // Divided by more than any number, what is left is a part of a nano.
        divisor.map_or_else(
            || value.signum(),
            |divisor| {
                let rest = if value % divisor == 0 { 0 } else { value.signum() };
                value / divisor + rest
            },
        )
    };
    let most = i128::from(i64::MAX);
    let cap = most * 1_000_000_000;
    match suffix {
        Suffix::Binary(_) if nanos.abs() > cap => Ok(Some(Amount::Long { value: most * nanos.signum(), exponent: 0 })),
        _ => Ok(Some(Amount::Long { value: nanos, exponent: FINEST })),
    }
}
