//! Calls that are more than calls: `has`, `all`, `exists`, `map` and the like.

use std::sync::Arc;

use ::cel::common::ast::{CallExpr, Expr as Foreign, IdedExpr, SelectExpr};

use super::Conversion;
use crate::cel::ast::{Expr, Loop, LoopKind};
use crate::cel::error::Problem;

/// The variable that the API server's loops collect their result in; nobody else's may have its name.
const ACCUMULATOR: &str = "__result__";

impl Conversion<'_> {
    /// What a macro's call means; `None` if the call is an ordinary one.
    pub(super) fn macro_call(&self, call: &CallExpr, at: u32, depth: u16) -> Result<Option<Expr>, Problem> {
        let arguments = call.args.as_slice();
        let Some(target) = call.target.as_deref() else {
            return match (call.func_name.as_str(), arguments) {
                ("has", [argument]) => self.presence(argument, at, depth).map(Some),
                _ => Ok(None),
            };
        };
        let simple = |kind, filter, body| Parts { kind, filter, body };
        let (variables, parts) = match (call.func_name.as_str(), arguments) {
            ("all", [variable, test]) => (vec![variable], simple(LoopKind::All, Some(test), None)),
            ("exists", [variable, test]) => (vec![variable], simple(LoopKind::Exists, Some(test), None)),
            // The other spelling, `existsOne`, has two variables only.
            ("exists_one", [variable, test]) => (vec![variable], simple(LoopKind::ExistsOne, Some(test), None)),
            ("filter", [variable, test]) => (vec![variable], simple(LoopKind::Filter, Some(test), None)),
            ("map", [variable, body]) => (vec![variable], simple(LoopKind::Map, None, Some(body))),
            ("map", [variable, test, body]) => (vec![variable], simple(LoopKind::Map, Some(test), Some(body))),
            ("sortBy", [variable, key]) => {
                if !can_be_sorted(target) {
                    let message = "sortBy goes after a list, a name, a call, a macro or a field";
                    return Err(Problem::at(self.at(target), message));
                }
                (vec![variable], simple(LoopKind::SortBy, None, Some(key)))
            }
            ("all", [first, second, test]) => (vec![first, second], simple(LoopKind::All, Some(test), None)),
            ("exists", [first, second, test]) => (vec![first, second], simple(LoopKind::Exists, Some(test), None)),
            ("exists_one" | "existsOne", [first, second, test]) => {
                (vec![first, second], simple(LoopKind::ExistsOne, Some(test), None))
            }
            ("transformList", [first, second, body]) => (vec![first, second], simple(LoopKind::Map, None, Some(body))),
            ("transformList", [first, second, test, body]) => {
                (vec![first, second], simple(LoopKind::Map, Some(test), Some(body)))
            }
            ("transformMap", [first, second, body]) => {
                (vec![first, second], simple(LoopKind::TransformMap, None, Some(body)))
            }
            ("transformMap", [first, second, test, body]) => {
                (vec![first, second], simple(LoopKind::TransformMap, Some(test), Some(body)))
            }
            ("transformMapEntry", [first, second, body]) => {
                (vec![first, second], simple(LoopKind::TransformMapEntry, None, Some(body)))
            }
            ("transformMapEntry", [first, second, test, body]) => {
                (vec![first, second], simple(LoopKind::TransformMapEntry, Some(test), Some(body)))
            }
            (name @ ("optMap" | "optFlatMap"), [variable, body]) => {
                return Ok(Some(Expr::OptionalMap {
                    operand: self.boxed(target, depth)?,
                    variable: self.variable(variable)?,
                    body: self.boxed(body, depth)?,
                    flat: name == "optFlatMap",
                }));
            }
            _ => return Ok(None),
        };
        self.repeat(target, &variables, &parts, depth).map(Some)
    }

    fn repeat(
        &self,
        range: &IdedExpr,
        variables: &[&IdedExpr],
        parts: &Parts<'_>,
        depth: u16,
    ) -> Result<Expr, Problem> {
        let mut names = variables.iter().map(|variable| self.variable(variable)).collect::<Result<Vec<_>, _>>()?;
        let second = if names.len() == 2 { names.pop() } else { None };
        let variable = names.pop().unwrap_or_default();
        if let (Some(place), true) = (variables.last(), second.as_ref() == Some(&variable)) {
            return Err(Problem::at(self.at(place), format!("both variables are called {variable}")));
        }
        let convert = |node: &&IdedExpr| self.node(node, depth);
        Ok(Expr::Loop(Box::new(Loop {
            kind: parts.kind,
            range: self.node(range, depth)?,
            variable,
            second,
            filter: parts.filter.as_ref().map(convert).transpose()?,
            body: parts.body.as_ref().map(convert).transpose()?,
        })))
    }

    fn variable(&self, node: &IdedExpr) -> Result<Arc<str>, Problem> {
        match &node.expr {
            Foreign::Ident(name) if name == ACCUMULATOR => {
                Err(Problem::at(self.at(node), format!("{ACCUMULATOR} cannot be a variable")))
            }
            Foreign::Ident(name) if !name.starts_with('.') => Ok(name.as_str().into()),
            _ => Err(Problem::at(self.at(node), "must be a simple name, the variable for each item")),
        }
    }

    fn presence(&self, argument: &IdedExpr, at: u32, depth: u16) -> Result<Expr, Problem> {
        match &argument.expr {
            Foreign::Select(SelectExpr { operand, field, test: false }) => {
                Ok(Expr::Has(self.boxed(operand, depth)?, field.as_str().into()))
            }
            _ => Err(Problem::at(at, "has() takes a field, such as has(claims.email)")),
        }
    }
}

/// What a loop's macro has besides range and variables.
struct Parts<'e> {
    kind: LoopKind,
    filter: Option<&'e IdedExpr>,
    body: Option<&'e IdedExpr>,
}

fn can_be_sorted(target: &IdedExpr) -> bool {
    matches!(
        target.expr,
        Foreign::Call(_) | Foreign::Comprehension(_) | Foreign::Ident(_) | Foreign::List(_) | Foreign::Select(_)
    )
}
