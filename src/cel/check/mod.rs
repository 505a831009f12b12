//! The static type checker: what kube-apiserver refuses to load is refused here, at the same place.
//!
//! It takes a parsed expression and makes a [`Program`](super::program): names are resolved to places, calls to the
//! overloads that the types leave. A claim has no type before it is there (`any`), so much is left to the evaluation;
//! but what does not go together whatever the claims are is found here.

mod folding;
mod literals;
mod scope;
mod unify;

use std::collections::HashMap;
use std::sync::Arc;

use scope::Scope;
use unify::{Known, fresh, most_general};

use super::ast::{Expr, Literal, Loop, LoopKind, MapEntry, Node};
use super::environment::Environment;
use super::error::Problem;
use super::functions::regex::{Pattern, Search};
use super::functions::{self, COMPARABLE, Overload};
use super::program::{Call, Iteration, Op, Step};
use super::types::{Type, Var};

/// Checks an expression. Returns what to run, and its type.
pub(super) fn check(expression: &Node, environment: Environment) -> Result<(Op, Type), Vec<Problem>> {
    let mut checker = Checker {
        scope: Scope::new(environment),
        known: Known::default(),
        next_var: 0,
        problems: Vec::new(),
        literals: Vec::new(),
        formats: 0,
        formatted: HashMap::new(),
        has_bad_literal: false,
        patterns: 0,
    };
    let (op, found) = checker.node(expression);
    let found = checker.known.resolve(&found, true);
    checker.check_literal_types();
    if checker.known.is_exhausted() {
        return Err(vec![Problem::of_the_whole(TOO_COMPLICATED)]);
    }
    if checker.problems.is_empty() { Ok((op, found)) } else { Err(checker.problems) }
}

/// How many problems of one expression are said: a page can have thousands, each with a type in it.
const MOST_PROBLEMS: usize = 20;
/// How many parts a type may have.
const MOST_PARTS: usize = 1_000;
const TOO_COMPLICATED: &str = "has types that are too complicated";

struct Checker {
    scope: Scope,
    known: Known,
    next_var: u32,
    problems: Vec<Problem>,
    /// The types of what stands beside each other in a list or map literal, with their places.
    literals: Vec<Vec<(u32, Type)>>,
    /// How many calls of `format` are around: the values for it may be of different types.
    formats: u32,
    /// The types of what stands in literals within calls of `format`.
    formatted: HashMap<*const Node, Type>,
    /// Whether something was said about an argument of the call that is being looked at.
    has_bad_literal: bool,
    /// How many literal patterns there were.
    patterns: usize,
}

/// What to run, and the type of what comes of it.
type Typed<T = Step> = (T, Type);

impl Checker {
    fn problem(&mut self, at: u32, message: impl Into<String>) -> Type {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(Problem::at(at, message));
        }
        Type::Error
    }

    fn new_var(&mut self) -> Var {
        self.next_var += 1;
        Var::Free(self.next_var)
    }

    fn boxed(&mut self, node: &Node) -> Typed<Box<Op>> {
        let (op, found) = self.node(node);
        (Box::new(op), found)
    }

    /// What to run for a node, and its type. What is known about type variables is put in where the API server does it, so
    /// that as much is found out later: for a field, a call and a loop, but not for a literal or a variable.
    fn node(&mut self, node: &Node) -> Typed<Op> {
        let at = node.at;
        let (step, found) = match &node.expr {
            Expr::And(left, right) => {
                let (left, right) = (self.boolean(left), self.boolean(right));
                (Step::And(Box::new(left), Box::new(right)), Type::Bool)
            }
            Expr::Or(left, right) => {
                let (left, right) = (self.boolean(left), self.boolean(right));
                (Step::Or(Box::new(left), Box::new(right)), Type::Bool)
            }
            Expr::Not(operand) => (Step::Not(Box::new(self.boolean(operand))), Type::Bool),
            Expr::Call { name, target, arguments } => self.call(at, name, target.as_deref(), arguments),
            Expr::Conditional(condition, yes, no) => self.conditional(at, condition, yes, no),
            Expr::Has(operand, field) => {
                let (operand, _) = self.select(at, operand, field, false);
                (Step::Has(operand, Arc::clone(field)), Type::Bool)
            }
            Expr::Identifier(name) => self.identifier(at, name),
            Expr::Index { operand, index, optional } => self.index(at, operand, index, *optional),
            Expr::List(items) => self.list(items),
            Expr::Literal(literal) => (Step::Literal(literal.clone()), type_of(literal)),
            Expr::Loop(over) => self.iteration(over),
            Expr::Map(entries) => self.map(entries),
            Expr::OptionalMap { operand, variable, body, flat } => self.optional_map(operand, variable, body, *flat),
            Expr::Select { operand, field, optional } => self.selection(node, operand, field, *optional),
        };
        if self.known.resolve(&found, false).has_parts_beyond(MOST_PARTS) {
            return (Op { at, step }, self.problem(at, TOO_COMPLICATED));
        }
        (Op { at, step }, found)
    }

    /// An operand that has to be a bool, if its type is known at all.
    fn boolean(&mut self, node: &Node) -> Op {
        let (op, found) = self.node(node);
        if !self.known.accept(&found, &Type::Bool) {
            let found = self.known.resolve(&found, true);
            self.problem(node.at, format!("is of type {found}, and has to be bool"));
        }
        op
    }

    fn conditional(&mut self, at: u32, condition: &Node, yes: &Node, no: &Node) -> Typed {
        let (condition, tested) = self.boxed(condition);
        let ((yes, yes_type), (no, no_type)) = (self.boxed(yes), self.boxed(no));
        let branch = Type::Var(self.new_var());
        let given = [tested, yes_type, no_type];
        let found = if self.known.accept_all(&given, &[Type::Bool, branch.clone(), branch.clone()]) {
            self.known.resolve(&branch, false)
        } else {
            self.no_overload(at, "_?_:_", &given, false)
        };
        (Step::Conditional(condition, yes, no), found)
    }

    fn identifier(&mut self, at: u32, name: &str) -> Typed {
        if let Some((place, found)) = self.scope.find(name) {
            return (Step::Variable(place), found);
        }
        match Type::named(name.trim_start_matches('.')) {
            Some(named) => (Step::Type(named.clone()), Type::of(named)),
            None => {
                let found = self.problem(at, format!("{name} is not known here; {}", self.scope.known_names()));
                (Step::Literal(Literal::Null), found)
            }
        }
    }

    /// `a.b`: a type such as `net.IP`, or a field.
    fn selection(&mut self, node: &Node, operand: &Node, field: &Arc<str>, optional: bool) -> Typed {
        let is_variable = node.root_name().is_some_and(|name| self.scope.find(name).is_some());
        if !is_variable && let Some(named) = node.qualified_name().and_then(|name| Type::named(&name)) {
            return (Step::Type(named.clone()), Type::of(named));
        }
        let (operand, found) = self.select(node.at, operand, field, optional);
        (Step::Select { operand, field: Arc::clone(field), optional }, found)
    }

    fn select(&mut self, at: u32, operand: &Node, field: &str, optional: bool) -> (Box<Op>, Type) {
        let (operand, found) = self.boxed(operand);
        let found = self.known.resolve(&found, false);
        let (target, was_optional) = found.unwrap_optional();
        let found = match target {
            Type::Map(_, value) => Type::clone(value),
            Type::User => match field {
                "username" | "uid" => Type::String,
                "groups" => Type::list(Type::String),
                "extra" => Type::map(Type::String, Type::list(Type::String)),
                _ => self.problem(at, format!("a user has no field {field}, but username, uid, groups and extra")),
            },
            Type::Var(_) => {
                self.known.accept(&Type::Dyn, target);
                Type::Dyn
            }
            other if other.is_dyn_or_error() => Type::Dyn,
            other => {
                let other = self.known.resolve(other, true);
                self.problem(at, format!("is of type {other}, which has no fields"))
            }
        };
        let found = self.known.resolve(&found, false);
        (operand, if was_optional || optional { Type::optional(found) } else { found })
    }

    /// `x[i]` and `x[?i]`. Both look into optionals, too.
    fn index(&mut self, at: u32, operand: &Node, index: &Node, optional: bool) -> Typed {
        let place = index.at;
        let ((operand, operand_type), (index, index_type)) = (self.boxed(operand), self.boxed(index));
        let known_index = self.known.resolve(&index_type, false);
        if folding::is_no_key(&index, &known_index) {
            self.problem(place, format!("is of type {known_index}, which is no index and no key"));
        }
        let given = [operand_type, index_type];
        let mut found: Option<Type> = None;
        for (is_list, within_optional) in [(true, false), (false, false), (true, true), (false, true)] {
            let (key, value) = (Type::Var(self.new_var()), Type::Var(self.new_var()));
            let (wanted, wanted_index) = if is_list {
                (Type::list(value.clone()), Type::Int)
            } else {
                (Type::map(key.clone(), value.clone()), key)
            };
            let wanted = if within_optional { Type::optional(wanted) } else { wanted };
            if self.known.accept_all(&given, &[wanted, wanted_index]) {
                let result = self.known.resolve(&value, false);
                let result = if optional || within_optional { Type::optional(result) } else { result };
                found = Some(either(found, result));
            }
        }
        let name = if optional { "_[?_]" } else { "_[_]" };
        let found = found.unwrap_or_else(|| self.no_overload(at, name, &given, false));
        (Step::Index { operand, index, optional }, found)
    }

    fn call(&mut self, at: u32, name: &Arc<str>, target: Option<&Node>, arguments: &[Node]) -> Typed {
        let is_format = u32::from(&**name == "format");
        self.formats += is_format;
        let typed = self.any_call(at, name, target, arguments);
        self.formats -= is_format;
        typed
    }

    fn any_call(&mut self, at: u32, name: &Arc<str>, target: Option<&Node>, arguments: &[Node]) -> Typed {
        let (mut ops, mut given) = (Vec::new(), Vec::new());
        for argument in arguments {
            let (op, found) = self.node(argument);
            ops.push(op);
            given.push(found);
        }
        let problems = self.problems.len();
        let pattern = self.check_literals(name, target, arguments);
        self.has_bad_literal = self.problems.len() > problems;
        let Some(target) = target else {
            let typed = self.resolve(at, name.trim_start_matches('.'), ops, &given, false);
            return with_pattern(name, pattern, typed);
        };
        if let Some(qualified) = target.qualified_name().map(|prefix| format!("{prefix}.{name}"))
            && functions::overloads(&qualified).is_some()
        {
            return self.resolve(at, &qualified, ops, &given, false);
        }
        let (op, found) = self.node(target);
        self.has_bad_literal = false;
        ops.insert(0, op);
        given.insert(0, found);
        match (&**name, self.resolve(at, name, ops, &given, true)) {
            (name @ ("or" | "orValue"), (Step::Call(call), found)) => (Step::Otherwise(call, name == "orValue"), found),
            (_, typed) => with_pattern(name, pattern, typed),
        }
    }

    /// Finds the overloads that go with the arguments' types.
    fn resolve(&mut self, at: u32, name: &str, arguments: Vec<Op>, given: &[Type], is_member: bool) -> Typed {
        let Some(overloads) = functions::overloads(name) else {
            let found = self.problem(at, format!("there is no function {name}"));
            return (Step::Literal(Literal::Null), found);
        };
        let mut candidates: Vec<&'static Overload> = Vec::new();
        let mut found: Option<Type> = None;
        for overload in overloads.iter().filter(|overload| overload.is_member == is_member) {
            let (a, b) = (self.new_var(), self.new_var());
            let wanted: Vec<_> = overload.parameters.iter().map(|parameter| fresh(parameter, a, b)).collect();
            if !self.known.accept_all(given, &wanted) {
                continue;
            }
            candidates.push(overload);
            let result = self.known.resolve(&fresh(&overload.result, a, b), false);
            found = Some(either(found, result));
        }
        let found = found.unwrap_or_else(|| self.no_overload(at, name, given, is_member));
        // Nothing is in an empty list, and the API server does not look at what would be.
        if let ("@in", false, [_, Op { step: Step::List(items), .. }]) =
            (name, candidates.is_empty(), arguments.as_slice())
            && items.is_empty()
        {
            return (Step::Literal(Literal::Bool(false)), found);
        }
        let mut call = Call { arguments, candidates };
        // It does nothing but change the type that is known, which matters to what looks at constants.
        if name == "dyn"
            && folding::is_literal_call(&call)
            && let Some(argument) = call.arguments.pop()
        {
            return (argument.step, found);
        }
        match folding::constant(name, &call) {
            Some(Ok(literal)) => (Step::Literal(literal), found),
            // A literal that is no time: that was said where it stands.
            Some(Err(_)) if self.has_bad_literal => (Step::Literal(Literal::Null), Type::Error),
            Some(Err(fault)) => {
                let found = self.problem(at, format!("can never be: {fault}"));
                (Step::Literal(Literal::Null), found)
            }
            None => (Step::Call(call), found),
        }
    }

    fn no_overload(&mut self, at: u32, name: &str, given: &[Type], is_member: bool) -> Type {
        let given: Vec<_> = given.iter().map(|given| self.known.resolve(given, true).to_string()).collect();
        let message = match (is_member, given.as_slice()) {
            (true, [target, arguments @ ..]) => {
                format!("there is no {name} for {target} with ({})", arguments.join(", "))
            }
            _ => format!("there is no {name} for ({})", given.join(", ")),
        };
        self.problem(at, message)
    }

    fn list(&mut self, items: &[(Node, bool)]) -> Typed {
        let (mut ops, mut beside, mut joined) = (Vec::new(), Vec::new(), None);
        for (item, optional) in items {
            let (op, found) = self.node(item);
            self.note(item, &found);
            let found = if *optional { self.inside_of_optional(item.at, &found) } else { found };
            beside.push((item.at, found.clone()));
            joined = Some(self.join(joined, found));
            ops.push((op, *optional));
        }
        self.remember(beside);
        let joined = joined.unwrap_or_else(|| Type::Var(self.new_var()));
        (Step::List(ops), Type::list(joined))
    }

    fn map(&mut self, entries: &[MapEntry]) -> Typed {
        let (mut ops, mut keys, mut values) = (Vec::new(), None, None);
        let (mut keys_beside, mut values_beside) = (Vec::new(), Vec::new());
        for MapEntry { key, value, optional } in entries {
            let ((key_op, key_type), (value_op, value_type)) = (self.node(key), self.node(value));
            self.note(key, &key_type);
            self.note(value, &value_type);
            let value_type = if *optional { self.inside_of_optional(value.at, &value_type) } else { value_type };
            keys_beside.push((key.at, key_type.clone()));
            values_beside.push((value.at, value_type.clone()));
            keys = Some(self.join(keys, key_type));
            values = Some(self.join(values, value_type));
            ops.push((key_op, value_op, *optional));
        }
        self.remember(keys_beside);
        self.remember(values_beside);
        let (key, value) = match (keys, values) {
            (Some(key), Some(value)) => (key, value),
            _ => (Type::Var(self.new_var()), Type::Var(self.new_var())),
        };
        (Step::Map(ops), Type::map(key, value))
    }

    fn inside_of_optional(&mut self, at: u32, found: &Type) -> Type {
        match found.unwrap_optional() {
            (inner, true) => inner.clone(),
            (Type::Error, false) => Type::Error,
            // Something without a type, too: the API server panics at it.
            (other, false) => self.problem(at, format!("is of type {other}, and has to be optional after a ?")),
        }
    }

    /// Remembers the type of what may go into a format.
    fn note(&mut self, item: &Node, found: &Type) {
        if self.formats > 0 {
            self.formatted.insert(item, found.clone());
        }
    }

    /// What goes for all items of a literal.
    fn join(&mut self, before: Option<Type>, found: Type) -> Type {
        let Some(before) = before else { return found };
        if self.known.accept(&before, &found) { most_general(&before, &found).clone() } else { Type::Dyn }
    }

    fn remember(&mut self, beside: Vec<(u32, Type)>) {
        if self.formats == 0 && beside.len() > 1 {
            self.literals.push(beside);
        }
    }

    /// Items of one literal must be of one type, when everything is known about it: a claim is not of a string's.
    fn check_literal_types(&mut self) {
        for beside in std::mem::take(&mut self.literals) {
            let mut all = beside.into_iter().map(|(at, found)| (at, self.known.resolve(&found, true)));
            let Some((_, before)) = all.next() else { continue };
            if let Some((at, found)) = all.find(|(_, found)| *found != before)
                && before != Type::Error
                && found != Type::Error
            {
                let message = format!("is of type {found}, but what stands before it is of type {before}");
                self.problem(at, message);
            }
        }
    }

    fn optional_map(&mut self, operand: &Node, variable: &Arc<str>, body: &Node, flat: bool) -> Typed {
        let (operand_op, found) = self.boxed(operand);
        let inner = Type::Var(self.new_var());
        if !self.known.accept(&found, &Type::optional(inner.clone())) {
            let found = self.known.resolve(&found, true);
            self.problem(operand.at, format!("is of type {found}, and has to be optional"));
        }
        let inner = self.known.resolve(&inner, false);
        let place = self.scope.enter(variable, inner);
        let (op, mut found) = self.boxed(body);
        self.scope.leave();
        if flat {
            let inner = Type::Var(self.new_var());
            if !self.known.accept(&found, &Type::optional(inner)) {
                let resolved = self.known.resolve(&found, true);
                found = self.problem(body.at, format!("is of type {resolved}, and has to be optional"));
            }
        } else {
            found = Type::optional(found);
        }
        let found = self.known.resolve(&found, false);
        (Step::OptionalMap { operand: operand_op, variable: place, body: op, flat }, found)
    }

    fn iteration(&mut self, over: &Loop) -> Typed {
        let (range, range_type) = self.node(&over.range);
        let found = self.known.resolve(&range_type, false);
        let is_two_variable = over.second.is_some();
        let (first, second) = match &found {
            Type::List(item) if is_two_variable => (Type::Int, Type::clone(item)),
            Type::List(item) => (Type::clone(item), Type::Error),
            Type::Map(key, value) => (Type::clone(key), Type::clone(value)),
            Type::Dyn | Type::Error => (Type::Dyn, Type::Dyn),
            Type::Var(_) => {
                self.known.accept(&Type::Dyn, &found);
                (Type::Dyn, Type::Dyn)
            }
            Type::Any => {
                let message = "a claim has no type that could be gone over; write dyn(…) around it";
                let error = self.problem(over.range.at, message);
                (error.clone(), error)
            }
            other => {
                let other = self.known.resolve(other, true);
                let error = self.problem(over.range.at, format!("is of type {other}, which cannot be gone over"));
                (error.clone(), error)
            }
        };
        let item = first.clone();
        let variable = self.scope.enter(&over.variable, first);
        let second = over.second.as_ref().map(|name| self.scope.enter(name, second));
        let filter = over.filter.as_ref().map(|filter| self.boolean(filter));
        let body = over.body.as_ref().map(|body| {
            let (op, found) = self.node(body);
            (op, found, body.at)
        });
        if second.is_some() {
            self.scope.leave();
        }
        self.scope.leave();
        let (body, body_type, body_at) = match body {
            Some((op, found, at)) => (Some(op), found, at),
            None => (None, Type::Error, over.range.at),
        };
        let result = match over.kind {
            LoopKind::All | LoopKind::Exists | LoopKind::ExistsOne => Type::Bool,
            LoopKind::Filter => Type::list(item),
            LoopKind::Map => Type::list(body_type),
            LoopKind::SortBy => self.sorted(range_type, body_at, body_type),
            LoopKind::TransformMap => {
                let key = if matches!(found, Type::List(_)) { Type::Int } else { item };
                Type::map(key, body_type)
            }
            LoopKind::TransformMapEntry => self.merged(body_at, &body_type),
        };
        let result = self.known.resolve(&result, false);
        let iteration = Iteration { kind: over.kind, range, variable, second, filter, body };
        (Step::Loop(Box::new(iteration)), result)
    }

    /// `sortBy` takes lists only, and keys of an ordered type; a key without a type is one of the first that goes.
    fn sorted(&mut self, range: Type, at: u32, key: Type) -> Type {
        let given = [range, Type::list(key)];
        let mut found: Option<Type> = None;
        for comparable in COMPARABLE {
            let list = Type::list(Type::Var(self.new_var()));
            if self.known.accept_all(&given, &[list.clone(), Type::list(comparable)]) {
                found = Some(either(found, self.known.resolve(&list, false)));
            }
        }
        found.unwrap_or_else(|| {
            let [range, keys] = given.map(|given| self.known.resolve(&given, true));
            match (range, keys) {
                (Type::List(_), Type::List(key)) => self.problem(at, format!("is of type {key}, which has no order")),
                (range, _) => self.problem(at, format!("of a {range} nothing can be sorted; sortBy takes lists")),
            }
        })
    }

    /// What an entry of `transformMapEntry` becomes: maps of one type.
    fn merged(&mut self, at: u32, entry: &Type) -> Type {
        let map = Type::map(Type::Var(self.new_var()), Type::Var(self.new_var()));
        if self.known.accept(entry, &map) {
            return map;
        }
        let entry = self.known.resolve(entry, true);
        self.problem(at, format!("is of type {entry}, and has to be a map with one entry"))
    }
}

/// The type of a call that goes with several overloads.
fn either(earlier: Option<Type>, result: Type) -> Type {
    match earlier {
        Some(earlier) if earlier.is_dyn() || earlier == result => earlier,
        Some(_) => Type::Dyn,
        None => result,
    }
}

/// A call with a pattern that is compiled already becomes a search.
fn with_pattern(name: &str, pattern: Option<Arc<Pattern>>, (step, found): Typed) -> Typed {
    let (Some(how), Some(pattern)) = (Search::named(name), pattern) else { return (step, found) };
    match step {
        Step::Call(call) if !call.candidates.is_empty() => {
            let mut arguments = call.arguments.into_iter();
            let text = arguments.next().map(Box::new);
            // The pattern is the second one.
            let limit = arguments.nth(1).map(Box::new);
            let nothing = || Box::new(Op { at: 0, step: Step::Literal(Literal::Null) });
            (Step::Search { how, text: text.unwrap_or_else(nothing), pattern, limit }, found)
        }
        other => (other, found),
    }
}

fn type_of(literal: &Literal) -> Type {
    match literal {
        Literal::Bool(_) => Type::Bool,
        Literal::Bytes(_) => Type::Bytes,
        Literal::Double(_) => Type::Double,
        Literal::Int(_) => Type::Int,
        Literal::Null => Type::Null,
        Literal::String(_) => Type::String,
        Literal::Uint(_) => Type::Uint,
    }
}
