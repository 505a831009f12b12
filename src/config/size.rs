//! Sizes in bytes as Kubernetes writes quantities: `64Mi`, `1Gi`, `500k`, `1.5G`, `65536`.

use thiserror::Error;

/// Why a text is not a size.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SizeError {
    /// There is nothing to read.
    #[error("a size cannot be empty")]
    Empty,
    /// Something else stands where a number has to be.
    #[error("{0:?} is not a number of bytes")]
    NoNumber(String),
    /// A suffix that Kubernetes does not have, or one for parts of a byte.
    #[error("there is no unit {0:?} for sizes")]
    UnknownUnit(String),
    /// Less than nothing.
    #[error("a size cannot be negative")]
    Negative,
    /// More than 64 bits of bytes.
    #[error("that is too large")]
    TooLarge,
}

impl SizeError {
    /// What to write instead.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::UnknownUnit(unit) if unit == "m" => "`m` means thousandths in Kubernetes; write Mi or M for millions",
            Self::UnknownUnit(unit) if unit.ends_with(['b', 'B']) => "leave the B out: 64Mi, not 64MiB",
            _ => {
                "write a number of bytes, with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000) if you like, such as 64Mi"
            }
        }
    }
}

/// Reads a Kubernetes quantity as bytes; parts of a byte are rounded up.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse(text: &str) -> Result<u64, SizeError> {
    if text.is_empty() {
        return Err(SizeError::Empty);
    }
    if text.starts_with('-') {
        return Err(SizeError::Negative);
    }
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (number, suffix) =
        unsigned.split_at(unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len()));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return Err(SizeError::NoNumber(text.to_owned()));
    }
    let unit = unit(suffix)?;
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_overflow| SizeError::TooLarge)? };
    let bytes = whole.checked_mul(unit).ok_or(SizeError::TooLarge)?;
    let bytes = bytes.checked_add(fraction_of(fraction, unit)?).ok_or(SizeError::TooLarge)?;
    u64::try_from(bytes).map_err(|_overflow| SizeError::TooLarge)
}

/// Writes a size so that [`parse`] reads it back, with the largest binary unit that keeps it whole.
#[must_use]
pub fn format(bytes: u64) -> String {
    let (unit, suffix) = [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")]
        .into_iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .unwrap_or((1, ""));
    format!("{}{suffix}", bytes / unit)
}

fn unit(suffix: &str) -> Result<u128, SizeError> {
    Ok(match suffix {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "T" => 1_000_000_000_000,
        "P" => 1_000_000_000_000_000,
        "E" => 1_000_000_000_000_000_000,
        "Ki" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        "Ti" => 1 << 40,
        "Pi" => 1 << 50,
        "Ei" => 1 << 60,
        _ => return exponent(suffix).ok_or_else(|| SizeError::UnknownUnit(suffix.to_owned())),
    })
}

/// The unit of `e3` or `E+3`. Beyond 10^19 nothing fits anyway.
fn exponent(suffix: &str) -> Option<u128> {
    let digits = suffix.strip_prefix(['e', 'E'])?;
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|power| *power < 20).map(|power| 10_u128.pow(power))
}

/// The bytes of `0.digits` units, rounded up.
fn fraction_of(digits: &str, unit: u128) -> Result<u128, SizeError> {
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Ok(0);
    }
    // 18 places with the largest unit stay within 128 bits; no size is written more finely.
    let places = u32::try_from(digits.len()).ok().filter(|places| *places <= 18).ok_or(SizeError::TooLarge)?;
    let value: u128 = digits.parse().map_err(|_overflow| SizeError::TooLarge)?;
    Ok((value * unit).div_ceil(10_u128.pow(places)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_as_kubernetes_reads_quantities() {
        for (text, expected) in [
            ("0", 0),
            ("65536", 65_536),
            ("+1", 1),
            ("64Mi", 64 << 20),
            ("1Gi", 1 << 30),
            ("500k", 500_000),
            ("1.5G", 1_500_000_000),
            (".5Ki", 512),
            ("1.Ki", 1024),
            ("0.0001Ki", 1),
            ("5e3", 5_000),
            ("5E+3", 5_000),
            ("1E", 1_000_000_000_000_000_000),
            ("15Ei", 15 << 60),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_with_its_reason() {
        for (text, expected) in [
            ("", SizeError::Empty),
            ("-1", SizeError::Negative),
            ("Mi", SizeError::NoNumber("Mi".to_owned())),
            (".", SizeError::NoNumber(".".to_owned())),
            ("1.2.3", SizeError::NoNumber("1.2.3".to_owned())),
            ("64MiB", SizeError::UnknownUnit("MiB".to_owned())),
            ("64 Mi", SizeError::UnknownUnit(" Mi".to_owned())),
            ("64m", SizeError::UnknownUnit("m".to_owned())),
            ("64K", SizeError::UnknownUnit("K".to_owned())),
            ("1e", SizeError::UnknownUnit("e".to_owned())),
            ("1e-3", SizeError::UnknownUnit("e-3".to_owned())),
            ("1e400", SizeError::UnknownUnit("e400".to_owned())),
            ("16Ei", SizeError::TooLarge),
            ("18446744073709551616", SizeError::TooLarge),
            ("0.0000000000000000001Ei", SizeError::TooLarge),
        ] {
            assert_eq!(parse(text), Err(expected), "{text}");
        }
        assert!(SizeError::UnknownUnit("m".to_owned()).remedy().contains("Mi"));
        assert!(SizeError::UnknownUnit("MiB".to_owned()).remedy().contains("not 64MiB"));
    }

    proptest! {
        #[test]
        fn a_written_size_reads_back_the_same(bytes: u64, shift in 0..64_u32) {
            prop_assert_eq!(parse(&format(bytes)), Ok(bytes));
            prop_assert_eq!(parse(&format(bytes << shift)), Ok(bytes << shift));
        }

        #[test]
        fn no_text_upsets_the_reader(text in "[-+]?[0-9.]{0,45}([eE][+-]?[0-9]{0,12}|[a-zA-Z]{0,3})|.{0,20}") {
            let _read = parse(&text);
        }
    }
}
