//! A checked expression, ready to run: names are places, calls are overloads.

use std::sync::Arc;

use super::ast::{Literal, LoopKind};
use super::functions::Overload;
use super::functions::regex::{Pattern, Search};
use super::types::Type;

/// One step of an evaluation, with those that it needs first.
pub(super) enum Op {
    And(Box<Self>, Box<Self>),
    Call(Call),
    Conditional(Box<Self>, Box<Self>, Box<Self>),
    Has(Box<Self>, Arc<str>),
    Index {
        operand: Box<Self>,
        index: Box<Self>,
        optional: bool,
    },
    List(Vec<(Self, bool)>),
    Literal(Literal),
    Loop(Box<Iteration>),
    Map(Vec<(Self, Self, bool)>),
    Not(Box<Self>),
    OptionalMap {
        operand: Box<Self>,
        variable: Place,
        body: Box<Self>,
        flat: bool,
    },
    Or(Box<Self>, Box<Self>),
    /// `x.or(y)`, or `x.orValue(y)`: the second one is looked at only if the first one is empty.
    Otherwise(Call, bool),
    /// `x.matches(p)` and the like, with a pattern that is known.
    Search {
        how: Search,
        text: Box<Self>,
        pattern: Arc<Pattern>,
        limit: Option<Box<Self>>,
    },
    Select {
        operand: Box<Self>,
        field: Arc<str>,
        optional: bool,
    },
    Type(Type),
    Variable(Place),
}

/// A call, with the overloads among which the values decide. The target, if there is one, is the first argument.
pub(super) struct Call {
    pub(super) arguments: Vec<Op>,
    pub(super) candidates: Vec<&'static Overload>,
}

pub(super) struct Iteration {
    pub(super) kind: LoopKind,
    pub(super) range: Op,
    pub(super) variable: Place,
    pub(super) second: Option<Place>,
    pub(super) filter: Option<Op>,
    pub(super) body: Option<Op>,
}

/// Where a variable's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is what the whole evaluation is about.
    Global,
    /// In the evaluation's memory.
    Local(usize),
}
