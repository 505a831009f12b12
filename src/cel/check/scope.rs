//! The variables that can be named at one point of an expression.

use std::sync::Arc;

use crate::cel::environment::Environment;
use crate::cel::program::Place;
use crate::cel::types::Type;

pub(super) struct Scope {
    environment: Environment,
    /// The innermost last. Its place among them is its place in memory.
    locals: Vec<(Arc<str>, Type)>,
}

impl Scope {
    pub(super) const fn new(environment: Environment) -> Self {
        Self { environment, locals: Vec::new() }
    }

    /// Brings a variable into being, until [`leave`](Self::leave).
    pub(super) fn enter(&mut self, name: &Arc<str>, of: Type) -> Place {
        self.locals.push((Arc::clone(name), of));
        Place::Local(self.locals.len() - 1)
    }

    pub(super) fn leave(&mut self) {
        self.locals.pop();
    }

    /// The variable of that name; a name that begins with a dot means none of the inner ones.
    pub(super) fn find(&self, name: &str) -> Option<(Place, Type)> {
        let local = self.locals.iter().enumerate().rev().find(|(_, (local, _))| **local == *name);
        if let Some((place, (_, of))) = local {
            return Some((Place::Local(place), of.clone()));
        }
        let is_global = name.trim_start_matches('.') == self.environment.variable();
        is_global.then(|| (Place::Global, self.environment.variable_type()))
    }

    /// What could have been meant, for an error.
    pub(super) fn known_names(&self) -> String {
        let mut names = format!("there is `{}`", self.environment.variable());
        for (local, _) in &self.locals {
            names.push_str(&format!(", `{local}`"));
        }
        names
    }
}
