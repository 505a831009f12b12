//! Expressions as they are checked and evaluated here.
//!
//! Macros are nodes of their own rather than expanded into general loops: what a loop does is known while it is checked
//! and while it runs. Every node knows where it stands in the source.

use std::sync::Arc;

/// A node and its place in the source, counted in characters.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) at: u32,
    pub(crate) expr: Expr,
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    And(Box<Node>, Box<Node>),
    /// `f(a)` or `x.f(a)`. The function's name is qualified where the source has `a.b.f(x)` and `a.b` names no value.
    Call {
        name: Arc<str>,
        target: Option<Box<Node>>,
        arguments: Vec<Node>,
    },
    Conditional(Box<Node>, Box<Node>, Box<Node>),
    /// `has(x.f)`.
    Has(Box<Node>, Arc<str>),
    /// A variable, or a type. Dots are part of the name where the source has them at the beginning only.
    Identifier(Arc<str>),
    /// `x[i]`, or `x[?i]`.
    Index {
        operand: Box<Node>,
        index: Box<Node>,
        optional: bool,
    },
    /// The item, and whether it is left out when it is an empty optional.
    List(Vec<(Node, bool)>),
    Literal(Literal),
    Loop(Box<Loop>),
    Map(Vec<MapEntry>),
    Not(Box<Node>),
    /// `x.optMap(v, e)`, and with `flat` `x.optFlatMap(v, e)`.
    OptionalMap {
        operand: Box<Node>,
        variable: Arc<str>,
        body: Box<Node>,
        flat: bool,
    },
    Or(Box<Node>, Box<Node>),
    /// `x.f`, or `x.?f`.
    Select {
        operand: Box<Node>,
        field: Arc<str>,
        optional: bool,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct MapEntry {
    pub(crate) key: Node,
    pub(crate) value: Node,
    pub(crate) optional: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Bytes(Arc<[u8]>),
    Double(f64),
    Int(i64),
    Null,
    String(Arc<str>),
    Uint(u64),
}

/// A macro that goes over the items of a list or the entries of a map.
#[derive(Clone, Debug)]
pub(crate) struct Loop {
    pub(crate) kind: LoopKind,
    pub(crate) range: Node,
    /// The item, or a map's key; the index where there is a second one.
    pub(crate) variable: Arc<str>,
    /// In the two-variable form: the item, or a map's value.
    pub(crate) second: Option<Arc<str>>,
    /// What an item must fulfil; in `map` and `transform…` it may be left out.
    pub(crate) filter: Option<Node>,
    /// What an item becomes.
    pub(crate) body: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoopKind {
    All,
    Exists,
    ExistsOne,
    Filter,
    /// `map` and `transformList`.
    Map,
    SortBy,
    TransformMap,
    TransformMapEntry,
}

impl Node {
    /// The name that this spells, such as `a.b.c`, if it is a name at all.
    pub(crate) fn qualified_name(&self) -> Option<String> {
        match &self.expr {
            Expr::Identifier(name) => Some(name.trim_start_matches('.').to_owned()),
            Expr::Select { operand, field, optional: false } => Some(format!("{}.{field}", operand.qualified_name()?)),
            _ => None,
        }
    }

    /// The name that a chain of fields begins with.
    pub(crate) fn root_name(&self) -> Option<&str> {
        match &self.expr {
            Expr::Identifier(name) => Some(name),
            Expr::Select { operand, .. } => operand.root_name(),
            _ => None,
        }
    }

    /// Calls `visit` with every node below this one, itself first.
    pub(crate) fn walk<'n>(&'n self, visit: &mut impl FnMut(&'n Self)) {
        visit(self);
        match &self.expr {
            Expr::And(left, right) | Expr::Or(left, right) => {
                left.walk(visit);
                right.walk(visit);
            }
            Expr::Call { target, arguments, .. } => {
                target.iter().for_each(|target| target.walk(visit));
                arguments.iter().for_each(|argument| argument.walk(visit));
            }
            Expr::Conditional(condition, yes, no) => [condition, yes, no].into_iter().for_each(|node| node.walk(visit)),
            Expr::Has(operand, _) | Expr::Not(operand) | Expr::Select { operand, .. } => operand.walk(visit),
            Expr::Identifier(_) | Expr::Literal(_) => {}
            Expr::Index { operand, index, .. } => {
                operand.walk(visit);
                index.walk(visit);
            }
            Expr::List(items) => items.iter().for_each(|(item, _)| item.walk(visit)),
            Expr::Loop(over) => {
                over.range.walk(visit);
                over.filter.iter().chain(&over.body).for_each(|node| node.walk(visit));
            }
            Expr::Map(entries) => entries.iter().for_each(|entry| {
                entry.key.walk(visit);
                entry.value.walk(visit);
            }),
            Expr::OptionalMap { operand, body, .. } => {
                operand.walk(visit);
                body.walk(visit);
            }
        }
    }
}
