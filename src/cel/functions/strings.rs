//! Functions of strings. Positions count characters, not bytes.

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::{Text, Value};

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Int, String};
    table.member("contains", &[String, String], Bool, |meter, arguments| {
        search(meter, arguments, |text, part| text.contains(part))
    });
    table.member("startsWith", &[String, String], Bool, |meter, arguments| {
        compare(meter, arguments, |text, part| text.starts_with(part))
    });
    table.member("endsWith", &[String, String], Bool, |meter, arguments| {
        compare(meter, arguments, |text, part| text.ends_with(part))
    });
    table.member("charAt", &[String, Int], String, char_at);
    table.member("indexOf", &[String, String], Int, index_of);
    table.member("indexOf", &[String, String, Int], Int, index_of);
    table.member("lastIndexOf", &[String, String], Int, last_index_of);
    table.member("lastIndexOf", &[String, String, Int], Int, last_index_of);
    table
        .member("lowerAscii", &[String], String, |meter, arguments| changed(meter, arguments, str::to_ascii_lowercase));
    table
        .member("upperAscii", &[String], String, |meter, arguments| changed(meter, arguments, str::to_ascii_uppercase));
    table
        .member("trim", &[String], String, |meter, arguments| changed(meter, arguments, |text| text.trim().to_owned()));
    table.function("strings.quote", &[String], String, |meter, arguments| changed(meter, arguments, quoted));
    table.member("replace", &[String, String, String], String, replace);
    table.member("replace", &[String, String, String, Int], String, replace);
    table.member("split", &[String, String], Type::list(String), split);
    table.member("split", &[String, String, Int], Type::list(String), split);
    table.member("substring", &[String, Int], String, substring);
    table.member("substring", &[String, Int, Int], String, substring);
    table.member("join", &[Type::list(String)], String, join);
    table.member("join", &[Type::list(String), String], String, join);
}

/// Pays for looking for a part of a text.
fn pay_search(meter: &mut Meter, text: &str, part: &str) -> Result<(), Fault> {
    meter.charge(tenth(text.len()).saturating_mul(tenth(part.len()).max(1)))
}

fn tenth(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(10)).unwrap_or(u64::MAX)
}

/// The byte at which the character with that number begins; the text's end for the number after the last one.
fn byte_at(text: &str, index: i64) -> Option<usize> {
    let index = usize::try_from(index).ok()?;
    text.char_indices().map(|(byte, _)| byte).chain([text.len()]).nth(index)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn search<'v>(meter: &mut Meter, arguments: &[Value<'v>], holds: fn(&str, &str) -> bool) -> Result<Value<'v>, Fault> {
    let [Value::String(text), Value::String(part)] = arguments else { return Err(Fault::NoOverload) };
    pay_search(meter, text, part)?;
    Ok(Value::Bool(holds(text, part)))
}

fn compare<'v>(meter: &mut Meter, arguments: &[Value<'v>], holds: fn(&str, &str) -> bool) -> Result<Value<'v>, Fault> {
    let [Value::String(text), Value::String(part)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(tenth(part.len()))?;
    Ok(Value::Bool(holds(text, part)))
}

fn changed<'v>(meter: &mut Meter, arguments: &[Value<'v>], change: fn(&str) -> String) -> Result<Value<'v>, Fault> {
    let [Value::String(text)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(2 * tenth(text.len()))?;
    Ok(Value::string(change(text)))
}

/// As a string literal, between double quotes.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0C' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0B' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The character there; nothing right after the last one.
fn char_at<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::String(text), Value::Int(index)] = arguments else { return Err(Fault::NoOverload) };
    meter.charge(tenth(text.len()))?;
    let byte = byte_at(text, *index).ok_or(Fault::IndexOutOfRange)?;
    let there = text.get(byte..).and_then(|rest| rest.chars().next());
    Ok(Value::string(there.map(String::from).unwrap_or_default()))
}

/// Where a part begins first, at some place or behind it; -1 when it is not there.
fn index_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, part, from) = match arguments {
        [Value::String(text), Value::String(part)] => (text, part, 0),
        [Value::String(text), Value::String(part), Value::Int(from)] => (text, part, *from),
        _ => return Err(Fault::NoOverload),
    };
    meter.charge(tenth(text.len()))?;
    pay_search(meter, text, part)?;
    if from < 0 {
        return Err(Fault::IndexOutOfRange);
    }
    if part.is_empty() {
        return Ok(Value::Int(from.min(length(text))));
    }
    let found = byte_at(text, from).and_then(|start| Some(start + text.get(start..)?.find(&**part)?));
    Ok(Value::Int(found.and_then(|byte| text.get(..byte)).map_or(-1, length)))
}

/// Where a part begins last, at some place or before it; -1 when it is not there, or the place is beyond the text.
fn last_index_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, part, from) = match arguments {
        [Value::String(text), Value::String(part)] => (text, part, None),
        [Value::String(text), Value::String(part), Value::Int(from)] => (text, part, Some(*from)),
        _ => return Err(Fault::NoOverload),
    };
    meter.charge(tenth(text.len()))?;
    pay_search(meter, text, part)?;
    if from.is_some_and(|from| from < 0) {
        return Err(Fault::IndexOutOfRange);
    }
    let whole = length(text);
    if part.is_empty() {
        return Ok(Value::Int(from.map_or(whole, |from| from.min(whole))));
    }
    let searched = match from {
        None => Some(&**text),
        Some(from) if from >= whole => None,
        // The part may begin at the place, and go on behind it.
        Some(from) => text.get(..byte_at(text, from.saturating_add(length(part)).min(whole)).unwrap_or(text.len())),
    };
    let found = searched.and_then(|searched| searched.rfind(&**part));
    Ok(Value::Int(found.and_then(|byte| text.get(..byte)).map_or(-1, length)))
}

/// Replaces a part, everywhere or only so often. An empty part is between any two characters and at both ends.
fn replace<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, old, new, times) = match arguments {
        [Value::String(text), Value::String(old), Value::String(new)] => (text, old, new, -1),
        [Value::String(text), Value::String(old), Value::String(new), Value::Int(times)] => (text, old, new, *times),
        _ => return Err(Fault::NoOverload),
    };
    pay_search(meter, text, old)?;
    let times = usize::try_from(times).unwrap_or(usize::MAX);
    // What comes out is paid for before it is made.
    let found = text.matches(&**old).take(times).count();
    meter.charge(2 * tenth(text.len()))?;
    meter.charge(tenth(found.saturating_mul(new.len())))?;
    Ok(Value::string(text.replacen(&**old, new, times)))
}

/// The parts between separators, so many at the most; between all characters when the separator is empty.
fn split<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, separator, most) = match arguments {
        [Value::String(text), Value::String(separator)] => (text, separator, -1),
        [Value::String(text), Value::String(separator), Value::Int(most)] => (text, separator, *most),
        _ => return Err(Fault::NoOverload),
    };
    meter.charge(tenth(text.len()))?;
    pay_search(meter, text, separator)?;
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let parts: Box<dyn Iterator<Item = &str>> =
        if separator.is_empty() { Box::new(characters(text, most)) } else { Box::new(text.splitn(most, &**separator)) };
    let mut list = Vec::new();
    for part in parts {
        meter.charge(1 + tenth(part.len()))?;
        list.push(Value::string(part));
    }
    Ok(Value::list(list))
}

/// One character each; what is left over goes with the last one.
fn characters(text: &str, most: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    (0..most).map_while(move |index| {
        let next = rest.chars().next()?;
        let length = if index + 1 == most { rest.len() } else { next.len_utf8() };
        let (part, after) = rest.split_at(length);
        rest = after;
        Some(part)
    })
}

fn substring<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, start, end) = match arguments {
        [Value::String(text), Value::Int(start)] => (text, *start, None),
        [Value::String(text), Value::Int(start), Value::Int(end)] => (text, *start, Some(*end)),
        _ => return Err(Fault::NoOverload),
    };
    meter.charge(2 * tenth(text.len()))?;
    let start = byte_at(text, start).ok_or(Fault::IndexOutOfRange)?;
    let end = end.map_or(Some(text.len()), |end| byte_at(text, end)).ok_or(Fault::IndexOutOfRange)?;
    text.get(start..end).map(Value::string).ok_or(Fault::Invalid("a substring's end is before its start"))
}

/// All strings of a list, with a separator between them.
fn join<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (list, separator) = match arguments {
        [Value::List(list)] => (list, Text::Borrowed("")),
        [Value::List(list), Value::String(separator)] => (list, separator.clone()),
        _ => return Err(Fault::NoOverload),
    };
    let mut joined = String::new();
    for index in 0..list.len() {
        let Some(Value::String(item)) = list.get(index) else {
            return Err(Fault::Invalid("only strings can be joined"));
        };
        meter.charge(1 + 2 * tenth(item.len() + separator.len()))?;
        if index > 0 {
            joined.push_str(&separator);
        }
        joined.push_str(&item);
    }
    Ok(Value::string(joined))
}
