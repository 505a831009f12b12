//! Literals that a function could never take: found when the expression is loaded, not when the first token comes.

use std::sync::Arc;

use super::Checker;
use crate::cel::ast::{Expr, Literal, Node};
use crate::cel::error::Fault;
use crate::cel::functions::format;
use crate::cel::functions::regex::Pattern;
use crate::cel::types::Type;
use crate::cel::value::time;

/// How many patterns one expression may have: compiling one can take a hundredth of a second.
const MAX_PATTERNS: usize = 20;

impl Checker {
    /// Checks the literals of a call. A literal pattern comes back compiled.
    pub(super) fn check_literals(
        &mut self,
        name: &str,
        target: Option<&Node>,
        arguments: &[Node],
    ) -> Option<Arc<Pattern>> {
        match (name, target, arguments) {
            ("duration", None, [argument]) => self.check_literal(argument, "duration", time::parse_duration),
            ("timestamp", None, [argument]) => self.check_literal(argument, "timestamp", time::Timestamp::parse),
            ("matches", Some(_), [pattern])
            | ("matches", None, [_, pattern])
            | ("find" | "findAll", Some(_), [pattern, ..]) => return self.pattern(pattern),
            ("format", Some(target), [values]) => self.check_format(target, values),
            _ => {}
        }
        None
    }

    fn pattern(&mut self, node: &Node) -> Option<Arc<Pattern>> {
        let Expr::Literal(Literal::String(text)) = &node.expr else { return None };
        self.patterns += 1;
        if self.patterns > MAX_PATTERNS {
            self.problem(node.at, format!("is one regular expression too many; {MAX_PATTERNS} are the most"));
            return None;
        }
        match Pattern::compile(text) {
            Ok(pattern) => Some(Arc::new(pattern)),
            Err(message) => {
                self.problem(node.at, format!("is no regular expression: {message}"));
                None
            }
        }
    }

    fn check_format(&mut self, target: &Node, values: &Node) {
        let (Expr::Literal(Literal::String(text)), Expr::List(items)) = (&target.expr, &values.expr) else { return };
        let items: Vec<_> = items.iter().map(|(item, _)| item).collect();
        let type_of = |node: &Node| {
            let found = self.formatted.get(&std::ptr::from_ref(node));
            found.map_or(Type::Dyn, |found| self.known.resolve(found, false))
        };
        if let Err((value, message)) = format::check(text, &items, &type_of) {
            self.problem(value.unwrap_or(target).at, message);
        }
    }

    fn check_literal<T>(&mut self, node: &Node, what: &str, read: impl FnOnce(&str) -> Result<T, Fault>) {
        if let Expr::Literal(Literal::String(text)) = &node.expr
            && let Err(fault) = read(text)
        {
            self.problem(node.at, format!("is no {what}: {fault}"));
        }
    }
}
