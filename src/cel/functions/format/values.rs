//! How values look in a text: plain by themselves, and like literals in lists and maps.

use std::fmt::Write as _;

use unicode_general_category::{GeneralCategory, get_general_category};

use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::functions::conversions::double_text;
use crate::cel::types::Type;
use crate::cel::value::{Key, List, Map, Value, time};

const NO_TEXT: Fault = Fault::Invalid("a value of a type that has no text");
const NOT_UTF8: Fault = Fault::Invalid("bytes that are no UTF-8 have no text");

/// Writes a value by itself.
pub(super) fn write_text(value: &Value<'_>, meter: &mut Meter, written: &mut String) -> Result<(), Fault> {
    meter.charge(value.size())?;
    match value {
        Value::Double(value) => written.push_str(&double_text(*value)),
        Value::String(text) => written.push_str(text),
        Value::Bytes(bytes) => written.push_str(std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?),
        Value::Duration(span) => written.push_str(&time::duration_text(*span)),
        Value::Timestamp(time) => written.push_str(&time.text()?),
        other => return write_within(other, meter, written),
    }
    Ok(())
}

/// Writes a value that is in a list or a map.
fn write_within(value: &Value<'_>, meter: &mut Meter, written: &mut String) -> Result<(), Fault> {
    meter.charge(value.size())?;
    match value {
        Value::Bool(value) => written.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => _ = write!(written, "{value}"),
        Value::Uint(value) => _ = write!(written, "{value}"),
        Value::Null => written.push_str("null"),
        Value::Double(value) if value.is_nan() => written.push_str("\"NaN\""),
        Value::Double(f64::INFINITY) => written.push_str("\"+Inf\""),
        Value::Double(f64::NEG_INFINITY) => written.push_str("\"-Inf\""),
        Value::Double(value) => {
            let before = written.len();
            let _ = write!(written, "{value:.6}");
            meter.charge(u64::try_from((written.len() - before) / 10).unwrap_or(u64::MAX))?;
        }
        Value::String(text) => write_quoted(text, written),
        Value::Bytes(bytes) => {
            written.push('b');
            write_quoted(std::str::from_utf8(bytes).map_err(|_| NOT_UTF8)?, written);
        }
        Value::Duration(span) => _ = write!(written, "duration(\"{}\")", time::duration_text(*span)),
        Value::Timestamp(time) => _ = write!(written, "timestamp(\"{}\")", time.text()?),
        Value::Type(found) => written.push_str(&type_name(found)),
        Value::List(list) => meter.deeper(|meter| write_list(list, meter, written))?,
        Value::Map(map) => meter.deeper(|meter| write_map(map, meter, written))?,
        Value::Claims(_) | Value::Opaque(_) | Value::Optional(_) | Value::User(_) => return Err(NO_TEXT),
    }
    Ok(())
}

fn write_list(list: &List<'_>, meter: &mut Meter, written: &mut String) -> Result<(), Fault> {
    written.push('[');
    for (index, item) in list.iter().enumerate() {
        written.push_str(if index > 0 { ", " } else { "" });
        write_within(&item, meter, written)?;
    }
    written.push(']');
    Ok(())
}

/// In the order of the keys' texts.
fn write_map(map: &Map<'_>, meter: &mut Meter, written: &mut String) -> Result<(), Fault> {
    let mut entries = Vec::new();
    for key in map.keys() {
        let value = map.find(&key).ok_or(Fault::NoSuchKey)?;
        Key::new(&key).ok_or(NO_TEXT)?;
        let (mut key_text, mut value_text) = (String::new(), String::new());
        write_within(&key, meter, &mut key_text)?;
        write_within(&value, meter, &mut value_text)?;
        // Each level of maps copies what is in it.
        meter.charge(u64::try_from(value_text.len() / 10).unwrap_or(u64::MAX))?;
        entries.push((key_text, value_text));
    }
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    written.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        written.push_str(if index > 0 { ", " } else { "" });
        let _ = write!(written, "{key}:{value}");
    }
    written.push('}');
    Ok(())
}

/// The name that a type has while an expression runs: without what is inside.
fn type_name(found: &Type) -> String {
    match found {
        Type::List(_) => "list".to_owned(),
        Type::Map(..) => "map".to_owned(),
        Type::Null => "null_type".to_owned(),
        Type::Optional(_) => "optional_type".to_owned(),
        Type::Kind(_) => "type".to_owned(),
        other => other.to_string(),
    }
}

/// A text between quotes, with escapes for everything that cannot be seen.
fn write_quoted(text: &str, written: &mut String) {
    written.push('"');
    for c in text.chars() {
        match c {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\x07' => written.push_str("\\a"),
            '\x08' => written.push_str("\\b"),
            '\x0C' => written.push_str("\\f"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            '\x0B' => written.push_str("\\v"),
            c if is_visible(c) => written.push(c),
            c if c < ' ' || c == '\x7f' => _ = write!(written, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x10000 => _ = write!(written, "\\u{:04x}", u32::from(c)),
            c => _ = write!(written, "\\U{:08x}", u32::from(c)),
        }
    }
    written.push('"');
}

/// Whether a character is a letter, mark, number, punctuation, symbol, or the plain space.
fn is_visible(c: char) -> bool {
    use GeneralCategory::{
        Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, SpaceSeparator, Surrogate, Unassigned,
    };
    c == ' '
        || !matches!(
            get_general_category(c),
            Control
                | Format
                | LineSeparator
                | ParagraphSeparator
                | PrivateUse
                | SpaceSeparator
                | Surrogate
                | Unassigned
        )
}
