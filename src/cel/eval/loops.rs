//! Macros that go over lists and maps.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Evaluation, Outcome, STEPS};
use crate::cel::ast::LoopKind;
use crate::cel::budget;
use crate::cel::error::Fault;
use crate::cel::functions::{count, sort_by_keys};
use crate::cel::program::{Iteration, Op};
use crate::cel::value::{Key, Map, Value};

const REPEATED_KEY: Fault = Fault::Invalid("a map has the same key twice");

impl<'v> Evaluation<'v, '_> {
    pub(super) fn iterate(&mut self, iteration: &'v Iteration) -> Outcome<'v> {
        let range = self.run(&iteration.range)?;
        if !matches!(range, Value::List(_)) {
            // The keys are listed before the first round, even if there is no second one.
            self.meter.charge(range.size())?;
        }
        let pairs = Pairs::of(range, iteration.second.is_some())?;
        match iteration.kind {
            LoopKind::All => self.quantify(iteration, &pairs, false),
            LoopKind::Exists => self.quantify(iteration, &pairs, true),
            LoopKind::ExistsOne => {
                let mut count = 0_u32;
                self.meter.charge(STEPS)?;
                self.each(iteration, &pairs, |_, _| {
                    count += 1;
                    Ok(())
                })?;
                Ok(Value::Bool(count == 1))
            }
            LoopKind::Filter => {
                let mut kept = Vec::new();
                self.meter.charge(budget::LIST)?;
                self.each(iteration, &pairs, |evaluation, item| {
                    evaluation.meter.charge(budget::LIST)?;
                    kept.push(item);
                    Ok(())
                })?;
                Ok(Value::list(kept))
            }
            LoopKind::Map => {
                let mut made = Vec::new();
                self.meter.charge(budget::LIST)?;
                self.each(iteration, &pairs, |evaluation, _| {
                    evaluation.meter.charge(budget::LIST)?;
                    made.push(evaluation.body(iteration)?);
                    Ok(())
                })?;
                Ok(Value::list(made))
            }
            LoopKind::SortBy => {
                if !matches!(pairs.range, Value::List(_)) {
                    return Err(Fault::NoOverload);
                }
                let (mut items, mut keys) = (Vec::new(), Vec::new());
                self.meter.charge(2 * budget::LIST)?;
                self.each(iteration, &pairs, |evaluation, item| {
                    evaluation.meter.charge(budget::LIST)?;
                    keys.push(evaluation.body(iteration)?);
                    items.push(item);
                    Ok(())
                })?;
                sort_by_keys(items, &keys, self.meter).map(Value::list)
            }
            LoopKind::TransformMap => self.transform(iteration, &pairs, |evaluation, key, made| {
                let key = Key::new(&key).ok_or(Fault::NoOverload)?;
                made.push((key, evaluation.body(iteration)?));
                Ok(())
            }),
            LoopKind::TransformMapEntry => self.transform(iteration, &pairs, |evaluation, _, made| {
                let Value::Map(entry) = evaluation.body(iteration)? else { return Err(Fault::NoOverload) };
                evaluation.meter.charge(u64::try_from(entry.len()).unwrap_or(u64::MAX))?;
                for key in entry.keys() {
                    let value = entry.find_exactly(&key).unwrap_or(Value::Null);
                    made.push((Key::new(&key).ok_or(Fault::NoOverload)?, value));
                }
                Ok(())
            }),
        }
    }

    /// `all` and `exists`: decided by the first item that decides; an error counts only if none does.
    fn quantify(&mut self, iteration: &'v Iteration, pairs: &Pairs<'v>, decisive: bool) -> Outcome<'v> {
        let mut undecided = Ok(Value::Bool(!decisive));
        let Some(test) = &iteration.filter else { return undecided };
        self.meter.charge(STEPS)?;
        let before = self.meter.failed_at();
        for index in 0..pairs.len() {
            self.enter(iteration, pairs, index)?;
            match self.truth(test) {
                Ok(truth) if truth == decisive => {
                    self.meter.forgive(before);
                    return Ok(Value::Bool(decisive));
                }
                Err(Fault::TooExpensive) => return Err(Fault::TooExpensive),
                Err(fault) if undecided.is_ok() => undecided = Err(fault),
                Ok(_) | Err(_) => {}
            }
        }
        undecided
    }

    fn transform(
        &mut self,
        iteration: &'v Iteration,
        pairs: &Pairs<'v>,
        mut entry: impl FnMut(&mut Self, Value<'v>, &mut Vec<(Key<'v>, Value<'v>)>) -> Result<(), Fault>,
    ) -> Outcome<'v> {
        let (mut map, mut made) = (BTreeMap::new(), Vec::new());
        self.meter.charge(budget::MAP)?;
        self.each(iteration, pairs, |evaluation, key| {
            entry(evaluation, key, &mut made)?;
            for (key, value) in made.drain(..) {
                if map.insert(key, value).is_some() {
                    return Err(REPEATED_KEY);
                }
            }
            Ok(())
        })?;
        Ok(Value::Map(Map::Owned(Rc::new(map))))
    }

    /// Does something for each item (a map's key) that passes the filter; an error ends it.
    fn each(
        &mut self,
        iteration: &'v Iteration,
        pairs: &Pairs<'v>,
        mut act: impl FnMut(&mut Self, Value<'v>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        for index in 0..pairs.len() {
            let item = self.enter(iteration, pairs, index)?;
            if self.passes(iteration.filter.as_ref())? {
                act(self, item)?;
            }
        }
        Ok(())
    }

    fn passes(&mut self, filter: Option<&'v Op>) -> Result<bool, Fault> {
        filter.map_or(Ok(true), |filter| self.truth(filter))
    }

    fn body(&mut self, iteration: &'v Iteration) -> Outcome<'v> {
        iteration.body.as_ref().map_or(Err(Fault::NoOverload), |body| self.run(body))
    }

    /// Sets the loop's variables for one round and pays for it. Returns the first one's value.
    fn enter(&mut self, iteration: &'v Iteration, pairs: &Pairs<'v>, index: usize) -> Outcome<'v> {
        self.meter.charge(STEPS)?;
        let (first, second) = pairs.get(index);
        self.set(iteration.variable, first.clone());
        if let Some(place) = iteration.second {
            self.set(place, second);
        }
        Ok(first)
    }
}

/// What a loop goes over, as values of its one or two variables.
struct Pairs<'v> {
    range: Value<'v>,
    /// The keys, when the range is a map.
    keys: Vec<Value<'v>>,
    has_two: bool,
}

impl<'v> Pairs<'v> {
    fn of(range: Value<'v>, has_two: bool) -> Result<Self, Fault> {
        let keys = match &range {
            Value::List(_) => Vec::new(),
            Value::Map(map) => map.keys(),
            // The API server goes over them in accidental order.
            Value::Claims(_) => {
                return Err(Fault::Invalid("claims as a whole cannot be gone over, only what is in them"));
            }
            _ => return Err(Fault::NoOverload),
        };
        Ok(Self { range, keys, has_two })
    }

    fn len(&self) -> usize {
        if let Value::List(list) = &self.range { list.len() } else { self.keys.len() }
    }

    fn get(&self, index: usize) -> (Value<'v>, Value<'v>) {
        if let Value::List(list) = &self.range {
            let item = list.item(index).unwrap_or(Value::Null);
            return if self.has_two { (count(index), item) } else { (item, Value::Null) };
        }
        let key = self.keys.get(index).cloned().unwrap_or(Value::Null);
        let value = match &self.range {
            Value::Map(map) if self.has_two => map.find_exactly(&key),
            _ => None,
        };
        (key, value.unwrap_or(Value::Null))
    }
}
