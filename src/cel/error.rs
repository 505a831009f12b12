//! What is wrong with an expression, and where in it.

use std::fmt;
use std::sync::Arc;

/// Why an expression is refused when it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct CompileError {
    /// What is wrong, in the order of the source; when that is very much, the most of it is left out. Never empty.
    pub problems: Vec<Problem>,
    text: String,
}

/// One thing that is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
    /// Where: a number of characters from the beginning; `None` when it is about the whole.
    pub at: Option<usize>,
}

impl Problem {
    pub(super) fn at(at: u32, message: impl Into<String>) -> Self {
        Self { message: message.into(), at: usize::try_from(at).ok() }
    }

    pub(super) fn of_the_whole(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None }
    }
}

impl CompileError {
    pub(super) fn new(source: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at);
        problems.dedup();
        Self { problems, text: source.to_owned() }
    }
}

/// The line of a source that a character stands in, its number from one, and how far into it.
fn line_of(source: &str, at: usize) -> (usize, usize, &str) {
    let mut before = 0;
    for (number, line) in source.split('\n').enumerate() {
        let length = line.chars().count();
        if at <= before + length {
            return (number + 1, at - before, line);
        }
        before += length + 1;
    }
    (1, 0, "")
}

/// The line that a character stands in, and a mark below it.
pub(super) fn marked(source: &str, at: usize) -> String {
    let (number, column, line) = line_of(source, at);
    let (line, column) = window(line, column);
    format!(" {number} | {line}\n{:>width$}^", "", width = number.to_string().len() + 4 + column)
}

impl fmt::Display for CompileError {
    /// One problem after the other; below each the line that it is in, and a mark under the place.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&problem.message)?;
            if let Some(at) = problem.at {
                write!(f, "\n{}", marked(&self.text, at))?;
            }
        }
        Ok(())
    }
}

/// A part of a long line around a column, and the column in it. Tabs become spaces, so that the mark stands right.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 100;
    let start = if line.chars().count() > WIDTH { column.saturating_sub(WIDTH / 2) } else { 0 };
    let shown = line.chars().skip(start).take(WIDTH);
    (shown.map(|c| if c.is_control() { ' ' } else { c }).collect(), column - start)
}

/// Why an evaluation has no result, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// The line of the source that it went wrong in, and a mark below it; `None` when it is about the whole.
    pub place: Option<String>,
}

/// Why an evaluation has no result. It quotes no value: values are a token's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An index beyond a list, a substring beyond a string.
    #[error("index out of range")]
    IndexOutOfRange,
    /// A value that the function or conversion cannot take; says which.
    #[error("{0}")]
    Invalid(&'static str),
    /// The operation does not exist for values of these types.
    #[error("no such overload")]
    NoOverload,
    /// There is no field of this name, which stands in the expression.
    #[error("no such key: {0}")]
    NoSuchField(Arc<str>),
    /// A map has no such key.
    #[error("no such key")]
    NoSuchKey,
    /// A number outside of its type's range.
    #[error("overflow")]
    Overflow,
    /// The expression cost more than it may.
    #[error("the expression costs more than it may")]
    TooExpensive,
}
