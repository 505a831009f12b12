//! A checked expression, ready to run: names are places, calls are overloads.

use std::sync::Arc;

use super::ast::{Literal, LoopKind};
use super::functions::Overload;
use super::functions::regex::{Pattern, Search};
use super::types::Type;

/// A step of an evaluation, and where in the source it stands.
pub(super) struct Op {
    pub(super) at: u32,
    pub(super) step: Step,
}

/// What a step does, with the steps that it needs first.
pub(super) enum Step {
    And(Box<Op>, Box<Op>),
    Call(Call),
    Conditional(Box<Op>, Box<Op>, Box<Op>),
    Has(Box<Op>, Arc<str>),
    Index {
        operand: Box<Op>,
        index: Box<Op>,
        optional: bool,
    },
    List(Vec<(Op, bool)>),
    Literal(Literal),
    Loop(Box<Iteration>),
    Map(Vec<(Op, Op, bool)>),
    Not(Box<Op>),
    OptionalMap {
        operand: Box<Op>,
        variable: Place,
        body: Box<Op>,
        flat: bool,
    },
    Or(Box<Op>, Box<Op>),
    /// `x.or(y)`, or `x.orValue(y)`: the second one is looked at only if the first one is empty.
    Otherwise(Call, bool),
    /// `x.matches(p)` and the like, with a pattern that is known.
    Search {
        how: Search,
        text: Box<Op>,
        pattern: Arc<Pattern>,
        limit: Option<Box<Op>>,
    },
    Select {
        operand: Box<Op>,
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
