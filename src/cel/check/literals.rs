//! Literals that a function could never take: found when the expression is loaded, not when the first token comes.

use super::Checker;
use crate::cel::ast::{Expr, Literal, Node};
use crate::cel::functions::{format, regex};
use crate::cel::value::time;

impl Checker {
    pub(super) fn check_literals(&mut self, name: &str, target: Option<&Node>, arguments: &[Node]) {
        match (name, target, arguments) {
            ("duration", None, [argument]) => self.check_literal(argument, "duration", |text| {
                time::parse_duration(text).map(drop).map_err(|fault| fault.to_string())
            }),
            ("timestamp", None, [argument]) => self.check_literal(argument, "timestamp", |text| {
                time::Timestamp::parse(text).map(drop).map_err(|fault| fault.to_string())
            }),
            ("matches", Some(_), [pattern]) | ("matches", None, [_, pattern]) => {
                self.check_literal(pattern, "regular expression", |text| regex::compile(text).map(drop));
            }
            ("find" | "findAll", Some(_), [pattern, ..]) => {
                self.check_literal(pattern, "regular expression", |text| regex::compile(text).map(drop));
            }
            ("format", Some(target), [values]) => self.check_format(target, values),
            _ => {}
        }
    }

    fn check_format(&mut self, target: &Node, values: &Node) {
        if let (Expr::Literal(Literal::String(text)), Expr::List(values)) = (&target.expr, &values.expr)
            && let Err((value, message)) =
                format::check(text, &values.iter().map(|(value, _)| value).collect::<Vec<_>>())
        {
            self.problem(value.unwrap_or(target).at, message);
        }
    }

    fn check_literal(&mut self, node: &Node, what: &str, check: impl FnOnce(&str) -> Result<(), String>) {
        if let Expr::Literal(Literal::String(text)) = &node.expr
            && let Err(message) = check(text)
        {
            self.problem(node.at, format!("is no {what}: {message}"));
        }
    }
}
