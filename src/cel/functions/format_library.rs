//! Kubernetes' named formats: `format.dns1123Label()` and the like, `format.named()`, `validate()`.

use super::{Body, Table, urls};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{OpaqueValue, Value, time};

/// A format that a text can be checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Format {
    Byte,
    Date,
    DateTime,
    Dns1035Label,
    Dns1035LabelPrefix,
    Dns1123Label,
    Dns1123LabelPrefix,
    Dns1123Subdomain,
    Dns1123SubdomainPrefix,
    LabelValue,
    QualifiedName,
    Uri,
    Uuid,
}

/// The functions that give formats; behind the dot are their names.
const FUNCTIONS: [(&str, Format, Body); 13] = [
    ("format.byte", Format::Byte, |_, _| Ok(value(Format::Byte))),
    ("format.date", Format::Date, |_, _| Ok(value(Format::Date))),
    ("format.datetime", Format::DateTime, |_, _| Ok(value(Format::DateTime))),
    ("format.dns1035Label", Format::Dns1035Label, |_, _| Ok(value(Format::Dns1035Label))),
    ("format.dns1035LabelPrefix", Format::Dns1035LabelPrefix, |_, _| Ok(value(Format::Dns1035LabelPrefix))),
    ("format.dns1123Label", Format::Dns1123Label, |_, _| Ok(value(Format::Dns1123Label))),
    ("format.dns1123LabelPrefix", Format::Dns1123LabelPrefix, |_, _| Ok(value(Format::Dns1123LabelPrefix))),
    ("format.dns1123Subdomain", Format::Dns1123Subdomain, |_, _| Ok(value(Format::Dns1123Subdomain))),
    ("format.dns1123SubdomainPrefix", Format::Dns1123SubdomainPrefix, |_, _| Ok(value(Format::Dns1123SubdomainPrefix))),
    ("format.labelValue", Format::LabelValue, |_, _| Ok(value(Format::LabelValue))),
    ("format.qualifiedName", Format::QualifiedName, |_, _| Ok(value(Format::QualifiedName))),
    ("format.uri", Format::Uri, |_, _| Ok(value(Format::Uri))),
    ("format.uuid", Format::Uuid, |_, _| Ok(value(Format::Uuid))),
];

const LONGEST_LABEL: usize = 63;
const LONGEST_SUBDOMAIN: usize = 253;

pub(super) fn declare(table: &mut Table) {
    let format = Type::Opaque(Opaque::Format);
    for (name, _, body) in FUNCTIONS {
        table.function(name, &[], format.clone(), body);
    }
    table.function("format.named", &[Type::String], Type::optional(format.clone()), |meter, arguments| {
        let [text @ Value::String(wanted)] = arguments else { return Err(Fault::NoOverload) };
        meter.charge(text.size())?;
        let found = FUNCTIONS.iter().map(|(_, format, _)| *format).find(|format| format.name() == &**wanted);
        Ok(found.map_or(Value::NONE, |format| Value::some(value(format))))
    });
    let problems = Type::optional(Type::list(Type::String));
    table.member("validate", &[format, Type::String], problems, validate);
}

fn value<'v>(format: Format) -> Value<'v> {
    Value::opaque(OpaqueValue::Format(format))
}

/// What is wrong with a text; nothing if it is well.
fn validate<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::Opaque(format), text @ Value::String(characters)] = arguments else { return Err(Fault::NoOverload) };
    let OpaqueValue::Format(format) = **format else { return Err(Fault::NoOverload) };
    meter.charge((text.size() + 1).saturating_mul(format.cost()))?;
    let problems = format.problems(characters);
    if problems.is_empty() {
        return Ok(Value::NONE);
    }
    Ok(Value::some(Value::list(problems.into_iter().map(Value::string).collect())))
}

impl Format {
    /// The name that it has behind `format.`.
    pub(in crate::cel) fn name(self) -> &'static str {
        let found = FUNCTIONS.iter().find(|(_, format, _)| *format == self);
        found.and_then(|(name, ..)| name.strip_prefix("format.")).unwrap_or_default()
    }

    /// What looking at ten bytes costs: as much as the API server's regular expression, where it has one.
    const fn cost(self) -> u64 {
        match self {
            Self::Dns1035Label | Self::Dns1035LabelPrefix | Self::Dns1123Label | Self::Dns1123LabelPrefix => 8,
            Self::LabelValue => 10,
            Self::Dns1123Subdomain | Self::Dns1123SubdomainPrefix | Self::QualifiedName => 15,
            Self::Byte | Self::Date | Self::DateTime | Self::Uuid => 21,
            Self::Uri => 276,
        }
    }

    fn problems(self, text: &str) -> Vec<String> {
        let bytes = text.as_bytes();
        match self {
            Self::Byte => only(is_base64(bytes), "is not base64"),
            Self::Date => only(is_date(text), "is not a date such as 2006-01-02"),
            Self::DateTime => only(is_date_time(text), "is not a date and time by RFC 3339"),
            Self::Dns1035Label => label(bytes, is_1035_label),
            Self::Dns1035LabelPrefix => label(&without_dash(bytes), is_1035_label),
            Self::Dns1123Label => label(bytes, is_1123_label),
            Self::Dns1123LabelPrefix => label(&without_dash(bytes), is_1123_label),
            Self::Dns1123Subdomain => subdomain(bytes),
            Self::Dns1123SubdomainPrefix => subdomain(&without_dash(bytes)),
            Self::LabelValue => label(bytes, |text| text.is_empty() || is_label_key(text)),
            Self::QualifiedName => qualified_name(text),
            Self::Uri => only(urls::is_request_uri(text), "is neither an absolute URL nor an absolute path"),
            Self::Uuid => only(is_uuid(bytes), "is not a UUID"),
        }
    }
}

fn only(is_well: bool, problem: &str) -> Vec<String> {
    if is_well { Vec::new() } else { vec![problem.to_owned()] }
}

fn label(text: &[u8], is_well: fn(&[u8]) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > LONGEST_LABEL {
        problems.push(format!("is longer than {LONGEST_LABEL} bytes"));
    }
    problems.extend(only(is_well(text), "has characters that cannot be there"));
    problems
}

fn subdomain(text: &[u8]) -> Vec<String> {
    let mut problems = Vec::new();
    if text.len() > LONGEST_SUBDOMAIN {
        problems.push(format!("is longer than {LONGEST_SUBDOMAIN} bytes"));
    }
    let is_well = text.split(|byte| *byte == b'.').all(is_1123_label);
    problems.extend(only(is_well, "is not made of DNS labels with dots between them"));
    problems
}

/// A name, with a domain and a slash before it perhaps.
fn qualified_name(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (mut problems, name) = match parts.as_slice() {
        [name] => (Vec::new(), *name),
        ["", name] => (vec!["has nothing before the slash".to_owned()], *name),
        [domain, name] => (subdomain(domain.as_bytes()), *name),
        _ => return vec!["has more than one slash".to_owned()],
    };
    if name.is_empty() {
        problems.push("has no name".to_owned());
    } else if name.len() > LONGEST_LABEL {
        problems.push(format!("has a name that is longer than {LONGEST_LABEL} bytes"));
    }
    problems.extend(only(is_label_key(name.as_bytes()), "has a name with characters that cannot be there"));
    problems
}

/// What is to become the beginning of a name may end with a dash. The byte before the dash is not looked at.
fn without_dash(text: &[u8]) -> Vec<u8> {
    match text {
        [before @ .., _, b'-'] => [before, b"a"].concat(),
        text => text.to_vec(),
    }
}

/// Whether both ends are of one kind, and what is between them of another.
fn is_made_of(text: &[u8], first: fn(u8) -> bool, middle: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    match text {
        [] => false,
        [only] => first(*only) && last(*only),
        [start, between @ .., end] => first(*start) && between.iter().all(|byte| middle(*byte)) && last(*end),
    }
}

const fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_1123_label(text: &[u8]) -> bool {
    is_made_of(text, is_lower_or_digit, |byte| byte == b'-' || is_lower_or_digit(byte), is_lower_or_digit)
}

fn is_1035_label(text: &[u8]) -> bool {
    is_1123_label(text) && text.first().is_some_and(u8::is_ascii_lowercase)
}

fn is_label_key(text: &[u8]) -> bool {
    let ends = |byte: u8| byte.is_ascii_alphanumeric();
    is_made_of(text, ends, |byte| b"-_.".contains(&byte) || byte.is_ascii_alphanumeric(), ends)
}

fn is_base64(text: &[u8]) -> bool {
    let digits = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    !text.is_empty()
        && text.len().is_multiple_of(4)
        && digits.iter().all(|byte| b"+/".contains(byte) || byte.is_ascii_alphanumeric())
}

/// Hexadecimal digits in groups, with dashes between them or without.
fn is_uuid(text: &[u8]) -> bool {
    let mut rest = text;
    for (index, length) in [8, 4, 4, 4, 12].into_iter().enumerate() {
        if index > 0 {
            rest = rest.strip_prefix(b"-").unwrap_or(rest);
        }
        match rest.split_at_checked(length) {
            Some((group, after)) if group.iter().all(u8::is_ascii_hexdigit) => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

fn is_date(text: &str) -> bool {
    time::calendar_date(text).is_some()
}

/// A date, a `T`, a time, and a zone; what follows a second `T` is not looked at.
fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(date), Some(time)) = (parts.next(), parts.next()) else { return false };
    is_date(date) && is_time(time)
}

fn is_time(text: &str) -> bool {
    let two_digits = |text: Option<&str>, most: &str| {
        text.is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()) && text <= most)
    };
    let colons = text.get(2..3) == Some(":") && text.get(5..6) == Some(":");
    let Some(rest) = text.get(8..) else { return false };
    if !colons || !two_digits(text.get(..2), "23") || !two_digits(text.get(3..5), "59") {
        return false;
    }
    two_digits(text.get(6..8), "59")
        && fraction(rest).is_some_and(|fraction| {
            let mut characters = fraction.chars();
            match characters.next() {
                None => true,
                Some(mark) => {
                    mark != '\n' && fraction.len() > mark.len_utf8() && characters.all(|c| c.is_ascii_digit())
                }
            }
        })
}

/// What is before the zone at the end.
fn fraction(text: &str) -> Option<&str> {
    if let Some(fraction) = text.strip_suffix('z') {
        return Some(fraction);
    }
    let start = text.len().checked_sub(6)?;
    let (fraction, zone) = (text.get(..start)?, text.get(start..)?);
    let is_zone = zone.bytes().zip("+00:00".bytes()).all(|(byte, shape)| match shape {
        b'+' => byte == b'+' || byte == b'-',
        b':' => byte == b':',
        _ => byte.is_ascii_digit(),
    });
    is_zone.then_some(fraction)
}
