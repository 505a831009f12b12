//! What expressions can call: one table of overloads, put together from the libraries that kube-apiserver has.
//!
//! A library is a file with a `declare` that adds [`Overload`]s. The checker takes types from the table, the evaluator
//! bodies; an overload is run only for values of its types. To add one: write its file, add it to [`LIBRARIES`].

mod cidr;
mod conversions;
mod ext_lists;
pub(super) mod format;
mod format_library;
mod ip;
mod lists;
mod operators;
mod optionals;
mod quantity;
pub(super) mod regex;
mod semver;
mod sets;
mod strings;
mod times;
mod urls;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub(super) use cidr::Cidr;
pub(super) use ext_lists::{COMPARABLE, sort_by_keys};
pub(super) use format_library::Format;
pub(super) use quantity::Quantity;
pub(super) use semver::Version;
pub(super) use urls::Url;

use super::budget::Meter;
use super::error::Fault;
use super::types::Type;
use super::value::Value;

/// What a function does: takes the target, if it has one, and the arguments, which are of the overload's types as far as
/// [`Value::is_taken_as`] tells; a body with parameters of type `Dyn` or `A` looks for itself. It pays for what it does
/// beyond a step.
pub(super) type Body = for<'v> fn(&mut Meter, &[Value<'v>]) -> Result<Value<'v>, Fault>;

/// One way to call a function.
pub(super) struct Overload {
    /// Whether it is called as `x.f(…)`; the first parameter is then the `x`.
    pub(super) is_member: bool,
    pub(super) parameters: Vec<Type>,
    pub(super) result: Type,
    pub(super) body: Body,
    /// Whether it runs for any list where it is declared for lists of something.
    takes_any_items: bool,
}

impl Overload {
    /// Whether it can be run for these values.
    pub(super) fn takes(&self, arguments: &[Value<'_>]) -> bool {
        self.parameters.len() == arguments.len()
            && arguments.iter().zip(&self.parameters).all(|pair| match pair {
                (Value::List(_), Type::List(_)) if self.takes_any_items => true,
                (argument, parameter) => argument.is_taken_as(parameter),
            })
    }
}

/// All overloads by function name.
#[derive(Default)]
pub(super) struct Table(BTreeMap<&'static str, Vec<Overload>>);

impl Table {
    /// Adds `f(…)`.
    fn function(&mut self, name: &'static str, parameters: &[Type], result: Type, body: Body) {
        self.add(
            name,
            Overload { is_member: false, parameters: parameters.to_vec(), result, body, takes_any_items: false },
        );
    }

    /// Adds `x.f(…)`, the type of `x` being the first parameter.
    fn member(&mut self, name: &'static str, parameters: &[Type], result: Type, body: Body) {
        self.add(
            name,
            Overload { is_member: true, parameters: parameters.to_vec(), result, body, takes_any_items: false },
        );
    }

    /// Adds `x.f(…)` that runs for any list: what its items are is only for the checker.
    fn member_of_any_list(&mut self, name: &'static str, parameters: &[Type], result: Type, body: Body) {
        self.add(
            name,
            Overload { is_member: true, parameters: parameters.to_vec(), result, body, takes_any_items: true },
        );
    }

    fn add(&mut self, name: &'static str, overload: Overload) {
        self.0.entry(name).or_default().push(overload);
    }
}

const LIBRARIES: &[fn(&mut Table)] = &[
    operators::declare,
    conversions::declare,
    optionals::declare,
    times::declare,
    strings::declare,
    format::declare,
    regex::declare,
    lists::declare,
    ext_lists::declare,
    sets::declare,
    urls::declare,
    quantity::declare,
    ip::declare,
    cidr::declare,
    format_library::declare,
    semver::declare,
];

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut table = Table::default();
    LIBRARIES.iter().for_each(|declare| declare(&mut table));
    table
});

/// The overloads of a function; `None` if there is no such function.
pub(super) fn overloads(name: &str) -> Option<&'static [Overload]> {
    TABLE.0.get(name).map(Vec::as_slice)
}

/// A number of characters or items as an expression sees it.
pub(super) fn count(length: usize) -> Value<'static> {
    Value::Int(i64::try_from(length).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
