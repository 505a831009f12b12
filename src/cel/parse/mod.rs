//! From source text to [`ast`](super::ast), by the `cel` crate's parser.
//!
//! Nothing in a source may overflow a stack: its length is capped, the foreign parser runs on a thread with a stack for
//! the deepest tree that so many characters can make, and what comes back is no deeper than [`MAX_DEPTH`]; every later
//! step goes down such a tree.

mod macros;

use std::sync::Arc;

use ::cel::common::ast::{
    CallExpr, EntryExpr, Expr as Foreign, IdedExpr, ListExpr, LiteralValue, MapExpr, SelectExpr, SourceInfo, operators,
};

use super::ast::{Expr, Literal, MapEntry, Node};
use super::error::{CompileError, Problem};

/// The longest source, in characters. Kubernetes takes ten times as much; a page is enough for any rule.
pub(super) const MAX_LENGTH: usize = 10_000;
/// The deepest nesting of an expression's parts; as deep as the API server's parser goes.
pub(super) const MAX_DEPTH: u16 = 250;
/// The most syntax errors that are reported: after the first, most follow from those before.
const MOST_PROBLEMS: usize = 20;
/// Stack for the foreign parser. Only what is touched takes memory; 10,000 characters make 5,000 levels at most.
const STACK: usize = 256 << 20;

/// Reads one expression.
pub(super) fn parse(source: &str) -> Result<Node, CompileError> {
    let refuse = |message: String| CompileError::new(source, vec![Problem::of_the_whole(message)]);
    let length = source.chars().count();
    if length > MAX_LENGTH {
        return Err(refuse(format!("is {length} characters long; {MAX_LENGTH} are the most")));
    }
    let owned = source.to_owned();
    let parser = std::thread::Builder::new().name("expression".to_owned()).stack_size(STACK);
    let parsed = parser.spawn(move || parse_here(&owned)).map(std::thread::JoinHandle::join);
    match parsed {
        Ok(Ok(parsed)) => parsed.map_err(|problems| CompileError::new(source, problems)),
        Ok(Err(_)) => Err(refuse("cannot be parsed".to_owned())),
        Err(error) => Err(refuse(format!("cannot be parsed: {error}"))),
    }
}

fn parse_here(source: &str) -> Result<Node, Vec<Problem>> {
    // Without the standard library there are no macros: they stay calls, and become loops here.
    let parser = ::cel::Env::default().parser().max_recursion_depth(MAX_DEPTH);
    match parser.parse_with_source_info(source) {
        Ok((expression, info)) => {
            Conversion { info: &info, source }.node(&expression, 0).map_err(|problem| vec![problem])
        }
        Err(errors) if errors.errors.iter().any(|error| is_about_depth(&error.msg)) => {
            Err(vec![Problem::of_the_whole(too_deep())])
        }
        Err(errors) => {
            let problems = errors.errors.iter().take(MOST_PROBLEMS).map(|error| Problem {
                message: format!("syntax error: {}", error.msg.strip_prefix(FOREIGN_PREFIX).unwrap_or(&error.msg)),
                at: character_at(source, error.pos),
            });
            Err(problems.collect())
        }
    }
}

/// What the foreign parser puts in front of most messages.
const FOREIGN_PREFIX: &str = "Syntax error: ";

/// Whether a message of the foreign parser says that it went as deep as it may. Then others follow, about what it did
/// not read. It is the debugging text of an error; what quotes the source starts otherwise.
fn is_about_depth(message: &str) -> bool {
    let message = message.strip_prefix(FOREIGN_PREFIX).unwrap_or(message);
    message.starts_with("OtherError(ParseError {") && message.contains("\"Recursion limit of ")
}

fn too_deep() -> String {
    format!("is nested more than {MAX_DEPTH} levels deep")
}

/// Where a line and a column, both from one, are in the source. Without a line the parser does not know.
fn character_at(source: &str, (line, column): (isize, isize)) -> Option<usize> {
    let above = usize::try_from(line).ok()?.checked_sub(1)?;
    let before: usize = source.split('\n').take(above).map(|line| line.chars().count() + 1).sum();
    Some(before + usize::try_from(column).unwrap_or(0).saturating_sub(1))
}

struct Conversion<'s> {
    info: &'s SourceInfo,
    source: &'s str,
}

impl Conversion<'_> {
    fn at(&self, foreign: &IdedExpr) -> u32 {
        let start = self.info.offset_for(foreign.id).map_or(0, |(start, _)| start);
        if self.source.is_ascii() {
            return start;
        }
        // The parser counts bytes, people count characters.
        let before = usize::try_from(start).ok().and_then(|start| self.source.get(..start));
        before.map_or(start, |before| u32::try_from(before.chars().count()).unwrap_or(start))
    }

    fn boxed(&self, foreign: &IdedExpr, depth: u16) -> Result<Box<Node>, Problem> {
        self.node(foreign, depth).map(Box::new)
    }

    fn node(&self, foreign: &IdedExpr, depth: u16) -> Result<Node, Problem> {
        let at = self.at(foreign);
        if depth >= MAX_DEPTH {
            return Err(Problem::at(at, too_deep()));
        }
        let depth = depth + 1;
        let expr = match &foreign.expr {
            Foreign::Call(call) => self.call(call, at, depth)?,
            Foreign::Ident(name) => Expr::Identifier(name.as_str().into()),
            Foreign::List(list) => self.list(list, depth)?,
            Foreign::Literal(literal) => Expr::Literal(convert(literal)),
            Foreign::Map(map) => self.map(map, depth)?,
            Foreign::Select(SelectExpr { operand, field, test: false }) => {
                Expr::Select { operand: self.boxed(operand, depth)?, field: field.as_str().into(), optional: false }
            }
            Foreign::Select(SelectExpr { operand, field, .. }) => {
                Expr::Has(self.boxed(operand, depth)?, field.as_str().into())
            }
            Foreign::Struct(literal) => {
                let message = format!("{}{{…}}: objects cannot be made in an expression here", literal.type_name);
                return Err(Problem::at(at, message));
            }
            Foreign::Comprehension(_) | Foreign::Unspecified => return Err(Problem::at(at, "cannot be parsed")),
        };
        Ok(Node { at, expr })
    }

    fn call(&self, call: &CallExpr, at: u32, depth: u16) -> Result<Expr, Problem> {
        let CallExpr { func_name: name, target, args } = call;
        match (name.as_str(), target.as_deref(), args.as_slice()) {
            (operators::LOGICAL_AND, None, [left, right]) => {
                Ok(Expr::And(self.boxed(left, depth)?, self.boxed(right, depth)?))
            }
            (operators::LOGICAL_OR, None, [left, right]) => {
                Ok(Expr::Or(self.boxed(left, depth)?, self.boxed(right, depth)?))
            }
            (operators::LOGICAL_NOT, None, [operand]) => Ok(Expr::Not(self.boxed(operand, depth)?)),
            (operators::CONDITIONAL, None, [condition, yes, no]) => {
                Ok(Expr::Conditional(self.boxed(condition, depth)?, self.boxed(yes, depth)?, self.boxed(no, depth)?))
            }
            (operators::INDEX | operators::OPT_INDEX, None, [operand, index]) => Ok(Expr::Index {
                operand: self.boxed(operand, depth)?,
                index: self.boxed(index, depth)?,
                optional: name == operators::OPT_INDEX,
            }),
            (operators::OPT_SELECT, None, [operand, field]) => match &field.expr {
                Foreign::Literal(LiteralValue::String(field)) => {
                    let field = Arc::from(field.inner());
                    Ok(Expr::Select { operand: self.boxed(operand, depth)?, field, optional: true })
                }
                _ => Err(Problem::at(at, "what follows .? must be a name")),
            },
            _ => match self.macro_call(call, at, depth)? {
                Some(expanded) => Ok(expanded),
                None => Ok(Expr::Call {
                    name: name.as_str().into(),
                    target: target.as_ref().map(|target| self.boxed(target, depth)).transpose()?,
                    arguments: args.iter().map(|argument| self.node(argument, depth)).collect::<Result<_, _>>()?,
                }),
            },
        }
    }

    fn list(&self, list: &ListExpr, depth: u16) -> Result<Expr, Problem> {
        let item = |(index, item)| Ok((self.node(item, depth)?, list.optional_indices.contains(&index)));
        list.elements.iter().enumerate().map(item).collect::<Result<_, _>>().map(Expr::List)
    }

    fn map(&self, map: &MapExpr, depth: u16) -> Result<Expr, Problem> {
        let mut entries = Vec::with_capacity(map.entries.len());
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
            entries.push(MapEntry {
                key: self.node(&entry.key, depth)?,
                value: self.node(&entry.value, depth)?,
                optional: entry.optional,
            });
        }
        Ok(Expr::Map(entries))
    }
}

fn convert(literal: &LiteralValue) -> Literal {
    match literal {
        LiteralValue::Boolean(value) => Literal::Bool(*value.inner()),
        LiteralValue::Bytes(value) => Literal::Bytes(value.inner().into()),
        LiteralValue::Double(value) => Literal::Double(*value.inner()),
        LiteralValue::Int(value) => Literal::Int(*value.inner()),
        LiteralValue::Null => Literal::Null,
        LiteralValue::String(value) => Literal::String(value.inner().into()),
        LiteralValue::UInt(value) => Literal::Uint(*value.inner()),
    }
}
