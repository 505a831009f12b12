//! Which type goes where: assignability, with type variables found out on the way.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cel::types::{Type, Var};

/// How many steps one check may take. A page of calls takes a hundredth of it; but types can be written that double with
/// every name (`{x: x}`), and looking at them has to end.
const EFFORT: u32 = 2_000_000;

/// What has been found out about type variables.
#[derive(Debug)]
pub(super) struct Known {
    types: BTreeMap<Var, Type>,
    /// What was known before the attempt that is being made, to go back to if it fails.
    before: Vec<(Var, Option<Type>)>,
    /// How many steps are left.
    effort: Cell<u32>,
}

impl Default for Known {
    fn default() -> Self {
        Self { types: BTreeMap::new(), before: Vec::new(), effort: Cell::new(EFFORT) }
    }
}

impl Known {
    /// Whether the types were more than could be looked at; answers after that mean nothing.
    pub(super) const fn is_exhausted(&self) -> bool {
        self.effort.get() == 0
    }

    /// Takes a step, if there is one left.
    fn step(&self) -> bool {
        self.effort.set(self.effort.get().saturating_sub(1));
        !self.is_exhausted()
    }

    /// Whether every type goes where the one beside it is wanted. Nothing is learnt when not.
    pub(super) fn accept_all(&mut self, given: &[Type], wanted: &[Type]) -> bool {
        self.before.clear();
        let fits =
            given.len() == wanted.len() && given.iter().zip(wanted).all(|(given, wanted)| self.fits(given, wanted));
        if !fits {
            while let Some((variable, known)) = self.before.pop() {
                match known {
                    Some(known) => self.types.insert(variable, known),
                    None => self.types.remove(&variable),
                };
            }
        }
        fits
    }

    fn learn(&mut self, variable: Var, of: Type) {
        let known = self.types.insert(variable, of);
        self.before.push((variable, known));
    }

    /// Whether a type goes where another is wanted. Nothing is learnt when not.
    pub(super) fn accept(&mut self, given: &Type, wanted: &Type) -> bool {
        self.accept_all(std::slice::from_ref(given), std::slice::from_ref(wanted))
    }

    fn fits(&mut self, given: &Type, wanted: &Type) -> bool {
        if !self.step() {
            return true;
        }
        if let Type::Var(variable) = wanted {
            match self.bind(given, *variable) {
                Binding::Fits => return true,
                Binding::Conflict => return false,
                Binding::Circular => {}
            }
        }
        if let Type::Var(variable) = given {
            return matches!(self.bind(wanted, *variable), Binding::Fits);
        }
        if given.is_dyn_or_error() || wanted.is_dyn_or_error() {
            return true;
        }
        match (given, wanted) {
            (Type::Null, Type::Null) => true,
            (Type::Null, other) | (other, Type::Null) => is_nullable(other),
            (Type::List(given), Type::List(wanted)) | (Type::Optional(given), Type::Optional(wanted)) => {
                self.fits(given, wanted)
            }
            (Type::Map(given_key, given_value), Type::Map(wanted_key, wanted_value)) => {
                self.fits(given_key, wanted_key) && self.fits(given_value, wanted_value)
            }
            (Type::Kind(_), Type::Kind(_)) => true,
            (given, wanted) => given == wanted,
        }
    }

    /// Learns that a variable stands for a type, or compares with what it is known to stand for.
    fn bind(&mut self, given: &Type, variable: Var) -> Binding {
        if *given == Type::Var(variable) {
            return Binding::Fits;
        }
        if let Some(known) = self.types.get(&variable).cloned() {
            if known == *given {
                return Binding::Fits;
            }
            if !self.fits(given, &known) {
                return Binding::Conflict;
            }
            let general = most_general(given, &known);
            if !self.mentions(general, variable) {
                let general = general.clone();
                self.learn(variable, general);
            }
            return Binding::Fits;
        }
        if self.mentions(given, variable) {
            return Binding::Circular;
        }
        self.learn(variable, given.clone());
        Binding::Fits
    }

    /// Whether a variable occurs within a type, which then cannot be what it stands for.
    fn mentions(&self, within: &Type, variable: Var) -> bool {
        if !self.step() {
            return false;
        }
        match within {
            Type::Var(inner) if *inner == variable => false,
            Type::Var(inner) => match self.types.get(inner) {
                Some(known) => *known == Type::Var(variable) || self.mentions(known, variable),
                None => false,
            },
            Type::List(inner) | Type::Optional(inner) | Type::Kind(Some(inner)) => self.occurs(inner, variable),
            Type::Map(key, value) => self.occurs(key, variable) || self.occurs(value, variable),
            _ => false,
        }
    }

    fn occurs(&self, within: &Type, variable: Var) -> bool {
        *within == Type::Var(variable) || self.mentions(within, variable)
    }

    /// The type with everything put in that is known. With `settle`, what is still open becomes dyn.
    pub(super) fn resolve(&self, open: &Type, settle: bool) -> Type {
        if !self.step() {
            return Type::Error;
        }
        let inner = |inner: &Arc<Type>| Arc::new(self.resolve(inner, settle));
        match open {
            Type::Var(variable) => match self.types.get(variable) {
                Some(known) if known != open => self.resolve(known, settle),
                _ if settle => Type::Dyn,
                _ => open.clone(),
            },
            Type::List(item) => Type::List(inner(item)),
            Type::Map(key, value) => Type::Map(inner(key), inner(value)),
            Type::Optional(value) => Type::Optional(inner(value)),
            Type::Kind(Some(of)) => Type::Kind(Some(inner(of))),
            settled => settled.clone(),
        }
    }
}

enum Binding {
    /// The variable would stand for something that contains it.
    Circular,
    Conflict,
    Fits,
}

/// Gives the variables of a signature other names, so that two calls do not get into each other's way.
pub(super) fn fresh(signature: &Type, a: Var, b: Var) -> Type {
    let inner = |inner: &Arc<Type>| Arc::new(fresh(inner, a, b));
    match signature {
        Type::Var(Var::A) => Type::Var(a),
        Type::Var(Var::B) => Type::Var(b),
        Type::List(item) => Type::List(inner(item)),
        Type::Map(key, value) => Type::Map(inner(key), inner(value)),
        Type::Optional(value) => Type::Optional(inner(value)),
        Type::Kind(Some(of)) => Type::Kind(Some(inner(of))),
        plain => plain.clone(),
    }
}

/// Types beside which `null` may stand.
const fn is_nullable(of: &Type) -> bool {
    matches!(of, Type::Duration | Type::Opaque(_) | Type::Optional(_) | Type::Timestamp | Type::User)
}

/// Of two types that go together, the one that says less.
pub(super) fn most_general<'t>(left: &'t Type, right: &'t Type) -> &'t Type {
    if says_no_more(left, right) { left } else { right }
}

fn says_no_more(left: &Type, right: &Type) -> bool {
    let is_open = |of: &Type| of.is_dyn() || matches!(of, Type::Var(_));
    if is_open(left) {
        return true;
    }
    if is_open(right) {
        return false;
    }
    match (left, right) {
        (Type::List(left), Type::List(right)) | (Type::Optional(left), Type::Optional(right)) => {
            says_no_more(left, right)
        }
        (Type::Map(left_key, left_value), Type::Map(right_key, right_value)) => {
            says_no_more(left_key, right_key) && says_no_more(left_value, right_value)
        }
        (Type::Kind(_), Type::Kind(_)) => true,
        (left, right) => left == right,
    }
}
