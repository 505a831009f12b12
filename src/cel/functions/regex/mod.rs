//! Regular expressions with the syntax of RE2 as Go has it: `matches`, `find`, `findAll`.
//!
//! Patterns are translated to what the `regex` family of crates reads, piece by piece: what is spelt alike there but
//! means something else (`\d`, `\b`, `[a&&b]`) is spelt out, and what Go refuses is refused. All matching takes time
//! linear in pattern and text.

mod cache;
mod classes;
mod names;
mod translate;

use std::rc::Rc;

use regex_automata::meta;
use regex_automata::util::syntax;

use super::Table;
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::Type;
use crate::cel::value::Value;

/// The most memory that a compiled pattern may take, in bytes.
const LARGEST: usize = 4 << 20;
/// The most memory that the states found while matching may take, in bytes.
const SCRATCH: usize = 512 << 10;
const ILLEGAL: Fault = Fault::Invalid("not a regular expression as RE2 has it");

pub(super) fn declare(table: &mut Table) {
    use Type::{Bool, Int, String};
    table.function("matches", &[String, String], Bool, matches);
    table.member("matches", &[String, String], Bool, matches);
    table.member("find", &[String, String], String, find);
    table.member("findAll", &[String, String], Type::list(String), find_all);
    table.member("findAll", &[String, String, Int], Type::list(String), find_all);
}

/// Compiles a pattern.
///
/// # Errors
///
/// What is wrong with it, to be put after a colon.
pub(in crate::cel) fn compile(pattern: &str) -> Result<meta::Regex, String> {
    let translated = translate::translate(pattern)?;
    let config = meta::Regex::config().nfa_size_limit(Some(LARGEST)).hybrid_cache_capacity(SCRATCH);
    let syntax = syntax::Config::new().utf8(false);
    meta::Regex::builder().configure(config).syntax(syntax).build(&translated).map_err(|error| {
        if error.size_limit().is_some() {
            "takes too much memory when compiled".to_owned()
        } else {
            "uses something that RE2 has not".to_owned()
        }
    })
}

/// The compiled pattern, and what a search in a text pays: as much as the API server lets it pay, and more for a
/// pattern that became large.
fn prepare(meter: &mut Meter, text: &str, pattern: &str) -> Result<(Rc<meta::Regex>, u64), Fault> {
    let units = |length: usize, each: usize| u64::try_from(length.div_ceil(each)).unwrap_or(u64::MAX);
    let search = units(text.len() + 1, 10);
    meter.charge(search.saturating_mul(units(pattern.len(), 4)))?;
    let regex = cache::get(meter, pattern)?;
    meter.charge(search.saturating_mul(units(regex.memory_usage(), 8192)))?;
    Ok((regex, search))
}

fn matches<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::String(text), Value::String(pattern)] = arguments else { return Err(Fault::NoOverload) };
    let (regex, _) = prepare(meter, text, pattern)?;
    Ok(Value::Bool(regex.is_match(&**text)))
}

/// The first match, or an empty string.
fn find<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let [Value::String(text), Value::String(pattern)] = arguments else { return Err(Fault::NoOverload) };
    let (regex, _) = prepare(meter, text, pattern)?;
    let found = regex.find(&**text).and_then(|found| text.get(found.range()));
    Ok(Value::string(found.unwrap_or_default()))
}

/// All matches that do not overlap, or the first so many of them; a negative number stands for all.
fn find_all<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, pattern, limit) = match arguments {
        [Value::String(text), Value::String(pattern)] => (text, pattern, -1),
        [Value::String(text), Value::String(pattern), Value::Int(limit)] => (text, pattern, *limit),
        _ => return Err(Fault::NoOverload),
    };
    let (regex, search) = prepare(meter, text, pattern)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut all = Vec::new();
    for found in regex.find_iter(&**text).take(limit) {
        let found = text.get(found.range()).unwrap_or_default();
        // A search may go to the end of the text for a short match, over and over.
        meter.charge(1 + search / 100)?;
        all.push(Value::string(found));
    }
    Ok(Value::list(all))
}
