//! A place for a value in a format: `%s`, `%.2f`.

use std::fmt::Write as _;

use super::values;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::Value;

/// The digits behind the point where a format does not say how many.
const DIGITS: usize = 6;
/// The most digits that a format can ask for. The API server takes more, and then writes another number of them.
const MOST_DIGITS: usize = 255;

/// A place for a value.
#[derive(Clone, Copy)]
pub(super) struct Clause {
    pub(super) verb: Verb,
    digits: Option<usize>,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Binary,
    Decimal,
    Fixed,
    Hexadecimal { upper: bool },
    Octal,
    Scientific,
    Text,
}

impl Clause {
    /// Reads what follows a `%`, and says what follows it.
    pub(super) fn parse(text: &str) -> Result<(Self, &str), &'static str> {
        let (digits, text) = match text.strip_prefix('.') {
            None => (None, text),
            Some(text) => {
                let end = text.find(|c: char| !c.is_ascii_digit()).ok_or("a format ends within a place")?;
                let (digits, after) = text.split_at(end);
                let digits = digits.parse().ok().filter(|digits| *digits <= MOST_DIGITS);
                (Some(digits.ok_or("a format has a place with something else than up to 255 digits")?), after)
            }
        };
        let mut characters = text.chars();
        let verb = match characters.next().ok_or("a format ends within a place")? {
            'b' => Verb::Binary,
            'd' => Verb::Decimal,
            'e' => Verb::Scientific,
            'f' => Verb::Fixed,
            'o' => Verb::Octal,
            's' => Verb::Text,
            'x' => Verb::Hexadecimal { upper: false },
            'X' => Verb::Hexadecimal { upper: true },
            _ => return Err("a format has a place of a kind that does not exist"),
        };
        Ok((Self { verb, digits }, characters.as_str()))
    }

    /// Writes a value, and pays for it.
    pub(super) fn write(self, value: &Value<'_>, meter: &mut Meter, written: &mut String) -> Result<(), Fault> {
        let before = written.len();
        match (self.verb, value) {
            (Verb::Text, value) => return values::write_text(value, meter, written),
            (Verb::Fixed, value) => fixed(double(value)?, self.digits.unwrap_or(DIGITS), written),
            (Verb::Scientific, value) => scientific(double(value)?, self.digits.unwrap_or(DIGITS), written),
            (Verb::Binary, Value::Bool(value)) => written.push(if *value { '1' } else { '0' }),
            (Verb::Hexadecimal { upper }, Value::String(text)) => {
                meter.charge(2 * value.size())?;
                bytes(text.as_bytes(), upper, written);
            }
            (Verb::Hexadecimal { upper }, Value::Bytes(content)) => {
                meter.charge(2 * value.size())?;
                bytes(content, upper, written);
            }
            (verb, Value::Int(value)) => {
                written.push_str(if *value < 0 { "-" } else { "" });
                whole(verb, value.unsigned_abs(), written);
            }
            (verb, Value::Uint(value)) => whole(verb, *value, written),
            _ => return Err(Fault::Invalid("a value of a type that does not go into its place in the format")),
        }
        meter.charge(u64::try_from((written.len() - before) / 10).unwrap_or(u64::MAX))
    }
}

impl Verb {
    /// Whether a value of this type can stand here, as far as that is known.
    pub(super) const fn takes(self, found: &Type) -> bool {
        match (self, found) {
            (_, Type::Dyn | Type::Error | Type::Var(_))
            | (Self::Binary, Type::Bool)
            | (Self::Fixed | Self::Scientific, Type::Double | Type::String)
            | (Self::Hexadecimal { .. }, Type::String | Type::Bytes)
            | (Self::Binary | Self::Decimal | Self::Hexadecimal { .. } | Self::Octal, Type::Int | Type::Uint) => true,
            (Self::Text, found) => matches!(
                found,
                Type::Bool
                    | Type::Bytes
                    | Type::Double
                    | Type::Duration
                    | Type::Int
                    | Type::List(_)
                    | Type::Map(..)
                    | Type::Null
                    | Type::String
                    | Type::Timestamp
                    | Type::Kind(_)
                    | Type::Uint
            ),
            _ => false,
        }
    }
}

fn double(value: &Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Double(value) => return Ok(*value),
        Value::String(text) => match &**text {
            "NaN" => return Ok(f64::NAN),
            "Infinity" => return Ok(f64::INFINITY),
            "-Infinity" => return Ok(f64::NEG_INFINITY),
            _ => {}
        },
        _ => {}
    }
    Err(Fault::Invalid("only a double goes into a place %f or %e of a format"))
}

fn whole(verb: Verb, value: u64, written: &mut String) {
    let _ = match verb {
        Verb::Binary => write!(written, "{value:b}"),
        Verb::Octal => write!(written, "{value:o}"),
        Verb::Hexadecimal { upper: false } => write!(written, "{value:x}"),
        Verb::Hexadecimal { upper: true } => write!(written, "{value:X}"),
        _ => write!(written, "{value}"),
    };
}

fn bytes(content: &[u8], upper: bool, written: &mut String) {
    for byte in content {
        let _ = if upper { write!(written, "{byte:02X}") } else { write!(written, "{byte:02x}") };
    }
}

fn special(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_nan() => Some("NaN"),
        f64::INFINITY => Some("∞"),
        f64::NEG_INFINITY => Some("-∞"),
        _ => None,
    }
}

/// With a comma between groups of three digits.
fn fixed(value: f64, digits: usize, written: &mut String) {
    if let Some(special) = special(value) {
        written.push_str(special);
        return;
    }
    let text = format!("{:.digits$}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    written.push_str(if value < 0.0 { "-" } else { "" });
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    if !fraction.is_empty() {
        written.push('.');
        written.push_str(fraction);
    }
}

/// With six digits behind the point; what a format says is taken for the least width, by the API server, too.
fn scientific(value: f64, width: usize, written: &mut String) {
    let text = special(value).map_or_else(|| power_of_ten(value), str::to_owned);
    let _ = write!(written, "{text:>width$}");
}

fn power_of_ten(value: f64) -> String {
    let plain = format!("{:.DIGITS$e}", value.abs());
    let (number, exponent) = plain.split_once('e').unwrap_or((&plain, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(("", exponent), |exponent| ("⁻", exponent));
    let mut text = format!("{}{number}×10{sign}", if value < 0.0 { "-" } else { "" });
    for digit in format!("{exponent:0>2}").chars() {
        text.push(match digit {
            '0' => '⁰',
            '1' => '¹',
            '2' => '²',
            '3' => '³',
            '4' => '⁴',
            '5' => '⁵',
            '6' => '⁶',
            '7' => '⁷',
            '8' => '⁸',
            _ => '⁹',
        });
    }
    text
}
