//! Semantic versions: `semver()`, `isSemver()`, their parts and their order.

use std::cmp::Ordering;
use std::fmt;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{OpaqueValue, Value};

const NO_VERSION: Fault = Fault::Invalid("not a semantic version such as 1.2.3");

/// A semantic version. What is behind a `+` is checked and then counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cel) struct Version {
    numbers: [u64; 3],
    pre_release: Vec<Identifier>,
}

/// One of the parts behind the `-` of a version. Numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Int, String};
    let semver = Type::Opaque(Opaque::Semver);
    for parameters in [[String].as_slice(), &[String, Bool]] {
        table.function("semver", parameters, semver.clone(), |meter, arguments| {
            let version = read(meter, arguments)?.ok_or(NO_VERSION)?;
            Ok(Value::opaque(OpaqueValue::Semver(version)))
        });
        table.function("isSemver", parameters, Bool, |meter, arguments| {
            Ok(Value::Bool(read(meter, arguments)?.is_some()))
        });
    }
    let two = [semver.clone(), semver.clone()];
    table.member("isGreaterThan", &two, Bool, |_, arguments| Ok(Value::Bool(compare(arguments)?.is_gt())));
    table.member("isLessThan", &two, Bool, |_, arguments| Ok(Value::Bool(compare(arguments)?.is_lt())));
    table.member("compareTo", &two, Int, |_, arguments| Ok(Value::Int(compare(arguments)? as i64)));
    table.member("major", std::slice::from_ref(&semver), Int, |_, arguments| number(arguments, |[major, _, _]| major));
    table.member("minor", std::slice::from_ref(&semver), Int, |_, arguments| number(arguments, |[_, minor, _]| minor));
    table.member("patch", &[semver], Int, |_, arguments| number(arguments, |[_, _, patch]| patch));
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let (major, minor, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let (rest, build) = match rest.split_once('+') {
            Some((rest, build)) => (rest, Some(build)),
            None => (rest, None),
        };
        let (patch, pre_release) = match rest.split_once('-') {
            Some((patch, pre_release)) => (patch, Some(pre_release)),
            None => (rest, None),
        };
        if build.is_some_and(|build| !build.split('.').all(is_word)) {
            return None;
        }
        Some(Self {
            numbers: [plain_number(major)?, plain_number(minor)?, plain_number(patch)?],
            pre_release: match pre_release {
                None => Vec::new(),
                Some(parts) => parts.split('.').map(Identifier::parse).collect::<Option<_>>()?,
            },
        })
    }

    /// Reads also `v1`, `1.2` and `01.2.3`.
    fn parse_leniently(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let mut parts: Vec<String> = text.splitn(3, '.').map(without_leading_zeros).collect();
        if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
            return None;
        }
        parts.resize(3, "0".to_owned());
        Self::parse(&parts.join("."))
    }

    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| {
            match (self.pre_release.as_slice(), other.pre_release.as_slice()) {
                // A version comes after what was released before it.
                ([], []) => Ordering::Equal,
                ([], _) => Ordering::Greater,
                (_, []) => Ordering::Less,
                (left, right) => left.cmp(right),
            }
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        for (index, identifier) in self.pre_release.iter().enumerate() {
            f.write_str(if index == 0 { "-" } else { "." })?;
            match identifier {
                Identifier::Number(number) => write!(f, "{number}")?,
                Identifier::Word(word) => f.write_str(word)?,
            }
        }
        Ok(())
    }
}

impl Identifier {
    fn parse(text: &str) -> Option<Self> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            plain_number(text).map(Self::Number)
        } else {
            is_word(text).then(|| Self::Word(text.to_owned()))
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric())
}

/// A number without sign and leading zeros.
fn plain_number(text: &str) -> Option<u64> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0')) {
        text.parse().ok()
    } else {
        None
    }
}

fn without_leading_zeros(part: &str) -> String {
    let stripped = part.trim_start_matches('0');
    if part.len() > 1 && !stripped.starts_with(|c: char| c.is_ascii_digit()) {
        format!("0{stripped}")
    } else if part.len() > 1 {
        stripped.to_owned()
    } else {
        part.to_owned()
    }
}

/// Reads the first argument; leniently if there is a second one that says so.
fn read(meter: &mut Meter, arguments: &[Value<'_>]) -> Result<Option<Version>, Fault> {
    let (text, leniently) = match arguments {
        [text @ Value::String(_)] => (text, false),
        [text @ Value::String(_), Value::Bool(leniently)] => (text, *leniently),
        _ => return Err(Fault::NoOverload),
    };
    meter.charge(text.size())?;
    let Value::String(characters) = text else { return Err(Fault::NoOverload) };
    Ok(if leniently { Version::parse_leniently(characters) } else { Version::parse(characters) })
}

fn of<'a>(argument: Option<&'a Value<'_>>) -> Result<&'a Version, Fault> {
    match argument {
        Some(Value::Opaque(value)) => match &**value {
            OpaqueValue::Semver(version) => Ok(version),
            _ => Err(Fault::NoOverload),
        },
        _ => Err(Fault::NoOverload),
    }
}

fn compare(arguments: &[Value<'_>]) -> Result<Ordering, Fault> {
    Ok(of(arguments.first())?.order(of(arguments.get(1))?))
}

fn number<'v>(arguments: &[Value<'v>], which: fn([u64; 3]) -> u64) -> Result<Value<'v>, Fault> {
    i64::try_from(which(of(arguments.first())?.numbers)).map(Value::Int).map_err(|_| Fault::Overflow)
}
