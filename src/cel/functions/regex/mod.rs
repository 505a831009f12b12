//! Regular expressions with the syntax of RE2 as Go has it: `matches`, `find`, `findAll`.
//!
//! Patterns are translated to what the `regex` family of crates reads, piece by piece: what is spelt alike there but
//! means something else (`\d`, `\b`, `[a&&b]`) is spelt out, and what Go refuses is refused. All matching takes time
//! linear in pattern and text.

mod cache;
mod classes;
mod names;
mod translate;

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

/// A compiled pattern.
pub(in crate::cel) struct Pattern {
    regex: meta::Regex,
    /// How long its source is, in bytes.
    length: usize,
}

/// What a pattern is looked for with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cel) enum Search {
    Find,
    FindAll,
    Matches,
}

impl Search {
    pub(in crate::cel) fn named(name: &str) -> Option<Self> {
        match name {
            "find" => Some(Self::Find),
            "findAll" => Some(Self::FindAll),
            "matches" => Some(Self::Matches),
            _ => None,
        }
    }
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// What is wrong with it, to be put after a colon.
    pub(in crate::cel) fn compile(pattern: &str) -> Result<Self, String> {
        let translated = translate::translate(pattern)?;
        let config = meta::Regex::config().nfa_size_limit(Some(LARGEST)).hybrid_cache_capacity(SCRATCH);
        let syntax = syntax::Config::new().utf8(false);
        match meta::Regex::builder().configure(config).syntax(syntax).build(&translated) {
            Ok(regex) => Ok(Self { regex, length: pattern.len() }),
            Err(error) if error.size_limit().is_some() => Err("takes too much memory when compiled".to_owned()),
            Err(_) => Err("uses something that RE2 has not".to_owned()),
        }
    }

    fn memory_usage(&self) -> usize {
        self.regex.memory_usage()
    }

    /// Searches a text; `limit` is for [`Search::FindAll`], a negative one stands for all. Pays as much as the API server
    /// lets it pay, and more for a pattern that became large.
    pub(in crate::cel) fn search<'v>(
        &self,
        how: Search,
        meter: &mut Meter,
        text: &Value<'v>,
        limit: i64,
    ) -> Result<Value<'v>, Fault> {
        let Value::String(text) = text else { return Err(Fault::NoOverload) };
        let search = units(text.len() + 1, 10);
        meter.charge(search.saturating_mul(units(self.length, 4)))?;
        meter.charge(search.saturating_mul(units(self.memory_usage(), 8192)))?;
        match how {
            Search::Matches => Ok(Value::Bool(self.regex.is_match(&**text))),
            Search::Find => {
                let found = self.regex.find(&**text).and_then(|found| text.get(found.range()));
                Ok(Value::string(found.unwrap_or_default()))
            }
            Search::FindAll => {
                let limit = usize::try_from(limit).unwrap_or(usize::MAX);
                let mut all = Vec::new();
                for found in self.regex.find_iter(&**text).take(limit) {
                    let found = text.get(found.range()).unwrap_or_default();
                    // A search may go to the end of the text for a short match, over and over.
                    meter.charge(1 + search / 100)?;
                    all.push(Value::string(found));
                }
                Ok(Value::list(all))
            }
        }
    }
}

fn units(length: usize, each: usize) -> u64 {
    u64::try_from(length.div_ceil(each)).unwrap_or(u64::MAX)
}

/// A search with a pattern that is not known before the evaluation.
fn run<'v>(how: Search, meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let (text, pattern, limit) = match arguments {
        [text, Value::String(pattern)] => (text, pattern, -1),
        [text, Value::String(pattern), Value::Int(limit)] => (text, pattern, *limit),
        _ => return Err(Fault::NoOverload),
    };
    cache::get(meter, pattern)?.search(how, meter, text, limit)
}

fn matches<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    run(Search::Matches, meter, arguments)
}

/// The first match, or an empty string.
fn find<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    run(Search::Find, meter, arguments)
}

/// All matches that do not overlap, or the first so many of them.
fn find_all<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    run(Search::FindAll, meter, arguments)
}
