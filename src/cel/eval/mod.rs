//! Evaluates checked expressions.
//!
//! Errors are values of `&&`, `||`, `all` and `exists`, as CEL has it: `false && error` is false. The one exception is
//! the end of the budget, which ends everything. The stack is as deep as the expression, never deeper.

mod lookup;
mod loops;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::budget::{self, Meter};
use super::environment::Subject;
use super::error::Fault;
use super::program::{Call, Op, Place, Step};
use super::value::{Key, Map, Value};

/// Runs a program about a subject.
pub(super) fn evaluate<'v>(program: &'v Op, subject: Subject<'v>, meter: &mut Meter) -> Result<Value<'v>, Fault> {
    meter.forgive(None);
    Evaluation { subject, locals: Vec::new(), meter }.run(program)
}

struct Evaluation<'v, 'm> {
    subject: Subject<'v>,
    locals: Vec<Value<'v>>,
    meter: &'m mut Meter,
}

/// What a macro costs around each of its rounds: the steps that the API server's longer form of it takes.
const STEPS: u64 = 4;

type Outcome<'v> = Result<Value<'v>, Fault>;

impl<'v> Evaluation<'v, '_> {
    fn run(&mut self, op: &'v Op) -> Outcome<'v> {
        if let Step::Literal(literal) = &op.step {
            return Ok(Value::from_literal(literal));
        }
        let outcome = self.step(&op.step);
        if outcome.is_err() {
            self.meter.fails_at(op.at);
        }
        outcome
    }

    fn step(&mut self, step: &'v Step) -> Outcome<'v> {
        self.meter.charge(1)?;
        match step {
            Step::And(left, right) => self.junction(left, right, false),
            Step::Call(call) => self.call(call),
            Step::Conditional(condition, yes, no) => match self.run(condition)? {
                Value::Bool(true) => self.run(yes),
                Value::Bool(false) => self.run(no),
                _ => Err(Fault::NoOverload),
            },
            Step::Has(operand, field) => {
                let operand = self.run(operand)?;
                lookup::has(&operand, field).map(Value::Bool)
            }
            Step::Index { operand, index, optional } => {
                let operand = self.operand(operand)?;
                if matches!(operand, Value::Optional(None)) {
                    return Ok(operand);
                }
                let index = self.run(index)?;
                // Escapes are looked for in it.
                self.meter.charge(index.size() / 2)?;
                lookup::index(&operand, &index, *optional)
            }
            Step::List(items) => self.list(items),
            Step::Literal(literal) => Ok(Value::from_literal(literal)),
            Step::Loop(iteration) => self.iterate(iteration),
            Step::Map(entries) => self.map(entries),
            Step::Not(operand) => match self.run(operand)? {
                Value::Bool(value) => Ok(Value::Bool(!value)),
                _ => Err(Fault::NoOverload),
            },
            Step::OptionalMap { operand, variable, body, flat } => self.optional_map(operand, *variable, body, *flat),
            Step::Or(left, right) => self.junction(left, right, true),
            Step::Otherwise(call, unwrap) => self.otherwise(call, *unwrap),
            Step::Search { how, text, pattern, limit } => {
                let text = self.run(text)?;
                let limit = match limit.as_ref().map(|limit| self.run(limit)).transpose()? {
                    None => -1,
                    Some(Value::Int(limit)) => limit,
                    Some(_) => return Err(Fault::NoOverload),
                };
                pattern.search(*how, self.meter, &text, limit)
            }
            Step::Select { operand, field, optional } => {
                let operand = self.operand(operand)?;
                lookup::select(&operand, field, *optional).map_err(|fault| match fault {
                    Fault::NoSuchKey => Fault::NoSuchField(Arc::clone(field)),
                    other => other,
                })
            }
            Step::Type(named) => Ok(Value::Type(named.clone())),
            Step::Variable(Place::Global) => Ok(self.subject.value()),
            Step::Variable(Place::Local(place)) => {
                self.locals.get(*place).cloned().ok_or(Fault::Invalid("a variable without a value"))
            }
        }
    }

    /// What something is looked up in. A step more than a variable and what is in it.
    fn operand(&mut self, op: &'v Op) -> Outcome<'v> {
        if !matches!(op.step, Step::Index { .. } | Step::Select { .. } | Step::Variable(_)) {
            self.meter.charge(1)?;
        }
        self.run(op)
    }

    /// `&&` (decided by a false) and `||` (decided by a true). Whichever side decides, the other's error does not count.
    fn junction(&mut self, left: &'v Op, right: &'v Op, decisive: bool) -> Outcome<'v> {
        let before = self.meter.failed_at();
        let left = self.truth(left);
        if left == Ok(decisive) || left == Err(Fault::TooExpensive) {
            return left.map(Value::Bool);
        }
        let right = self.truth(right);
        if right == Ok(decisive) {
            self.meter.forgive(before);
        }
        if right == Ok(decisive) || right == Err(Fault::TooExpensive) {
            return right.map(Value::Bool);
        }
        left.and(right).map(Value::Bool)
    }

    fn truth(&mut self, op: &'v Op) -> Result<bool, Fault> {
        match self.run(op)? {
            Value::Bool(value) => Ok(value),
            _ => Err(Fault::NoOverload),
        }
    }

    fn call(&mut self, call: &'v Call) -> Outcome<'v> {
        let arguments = call.arguments.iter().map(|argument| self.run(argument)).collect::<Result<Vec<_>, _>>()?;
        match call.candidates.iter().find(|overload| overload.takes(&arguments)) {
            Some(overload) => (overload.body)(self.meter, &arguments),
            None => Err(Fault::NoOverload),
        }
    }

    fn otherwise(&mut self, call: &'v Call, unwrap: bool) -> Outcome<'v> {
        let [first, second] = call.arguments.as_slice() else { return Err(Fault::NoOverload) };
        match self.run(first)? {
            Value::Optional(None) => self.run(second),
            Value::Optional(Some(value)) if unwrap => Ok(Rc::unwrap_or_clone(value)),
            some @ Value::Optional(_) => Ok(some),
            _ => Err(Fault::NoOverload),
        }
    }

    fn list(&mut self, items: &'v [(Op, bool)]) -> Outcome<'v> {
        self.meter.charge(budget::LIST)?;
        let mut made = Vec::with_capacity(items.len());
        for (item, is_optional) in items {
            match (self.run(item)?, is_optional) {
                (value, false) => made.push(value),
                (Value::Optional(value), true) => made.extend(value.map(Rc::unwrap_or_clone)),
                (_, true) => return Err(Fault::NoOverload),
            }
        }
        Ok(Value::list(made))
    }

    fn map(&mut self, entries: &'v [(Op, Op, bool)]) -> Outcome<'v> {
        self.meter.charge(budget::MAP)?;
        let mut made = BTreeMap::new();
        for (key, value, is_optional) in entries {
            let key = Key::new(&self.run(key)?).ok_or(Fault::Invalid("not a key that a map can have"))?;
            let value = match (self.run(value)?, is_optional) {
                (value, false) => value,
                (Value::Optional(None), true) => continue,
                (Value::Optional(Some(value)), true) => Rc::unwrap_or_clone(value),
                (_, true) => return Err(Fault::NoOverload),
            };
            if made.insert(key, value).is_some() {
                return Err(Fault::Invalid("a map has the same key twice"));
            }
        }
        Ok(Value::Map(Map::Owned(Rc::new(made))))
    }

    fn optional_map(&mut self, operand: &'v Op, variable: Place, body: &'v Op, flat: bool) -> Outcome<'v> {
        let before = self.meter.left();
        self.meter.charge(STEPS)?;
        let value = match self.run(operand)? {
            Value::Optional(Some(value)) => Rc::unwrap_or_clone(value),
            none @ Value::Optional(None) => return Ok(none),
            _ => return Err(Fault::NoOverload),
        };
        // The API server looks whether there is one, and then makes it again.
        self.meter.charge(before - self.meter.left())?;
        self.set(variable, value);
        let made = self.run(body)?;
        // The API server takes whatever it is: the checker sees to it that it is optional where its type is known.
        Ok(if flat { made } else { Value::some(made) })
    }

    /// Gives a variable its value. Places are numbered from the outside in, so the memory grows by one at most.
    fn set(&mut self, place: Place, value: Value<'v>) {
        let Place::Local(place) = place else { return };
        match self.locals.get_mut(place) {
            Some(slot) => *slot = value,
            None => {
                self.locals.resize(place, Value::Null);
                self.locals.push(value);
            }
        }
    }
}
