//! What expressions compute with.
//!
//! Values borrow from the claims, the user and the expression that they come from; only what an expression makes is
//! owned. A claim is converted when it is looked at, and no sooner.

mod compare;
mod list;
mod map;
mod opaque;
pub(super) mod time;

use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map as JsonMap, Value as Json};

pub(super) use compare::{equal, order, same};
pub(super) use list::List;
pub(super) use map::{Key, Map};
pub(super) use opaque::OpaqueValue;
pub(super) use time::Timestamp;

use super::ast::Literal;
use super::types::{Opaque, Type};
use crate::authn::UserInfo;

/// A value, alive for as long as what it was taken from.
#[derive(Clone, Debug)]
pub(super) enum Value<'v> {
    Bool(bool),
    Bytes(Arc<[u8]>),
    /// The variable `claims`: its members can be looked up, and that is all.
    Claims(&'v JsonMap<String, Json>),
    Double(f64),
    /// Nanoseconds.
    Duration(i64),
    Int(i64),
    List(List<'v>),
    Map(Map<'v>),
    Null,
    Opaque(Rc<OpaqueValue>),
    Optional(Option<Rc<Self>>),
    String(Text<'v>),
    Timestamp(Timestamp),
    Type(Type),
    Uint(u64),
    /// The variable `user`.
    User(&'v UserInfo),
}

/// A string, borrowed where it can be.
#[derive(Clone, Debug)]
pub(super) enum Text<'v> {
    Borrowed(&'v str),
    Owned(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Owned(text) => text,
        }
    }
}

impl<'v> Value<'v> {
    /// A claim or a part of one, as Kubernetes sees it: every number is a double. `escapes`: whether `__dot__` and the
    /// like are undone in lookups; they are in what a lookup found, and not in what a loop goes over.
    pub(super) fn from_json(json: &'v Json, escapes: bool) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            // A JSON number that no double can hold never comes here: the token's reader refuses it.
            Json::Number(number) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            Json::String(text) => Self::String(Text::Borrowed(text)),
            Json::Array(items) => Self::List(List::Json(items, escapes)),
            Json::Object(members) => Self::Map(Map::Json(members, escapes)),
        }
    }

    pub(super) fn from_literal(literal: &'v Literal) -> Self {
        match literal {
            Literal::Bool(value) => Self::Bool(*value),
            Literal::Bytes(bytes) => Self::Bytes(Arc::clone(bytes)),
            Literal::Double(value) => Self::Double(*value),
            Literal::Int(value) => Self::Int(*value),
            Literal::Null => Self::Null,
            Literal::String(text) => Self::String(Text::Borrowed(text)),
            Literal::Uint(value) => Self::Uint(*value),
        }
    }

    pub(super) fn string(text: impl Into<Rc<str>>) -> Self {
        Self::String(Text::Owned(text.into()))
    }

    pub(super) fn list(items: Vec<Self>) -> Self {
        Self::List(List::Owned(Rc::new(items)))
    }

    pub(super) fn opaque(value: OpaqueValue) -> Self {
        Self::Opaque(Rc::new(value))
    }

    pub(super) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    pub(super) const NONE: Self = Self::Optional(None);

    /// The type that `type()` says, with nothing about what is inside.
    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Bool(_) => Type::Bool,
            Self::Bytes(_) => Type::Bytes,
            Self::Claims(_) => Type::Opaque(Opaque::Claims),
            Self::Map(_) => Type::map(Type::Dyn, Type::Dyn),
            Self::Double(_) => Type::Double,
            Self::Duration(_) => Type::Duration,
            Self::Int(_) => Type::Int,
            Self::List(_) => Type::list(Type::Dyn),
            Self::Null => Type::Null,
            Self::Opaque(value) => Type::Opaque(value.kind()),
            Self::Optional(_) => Type::optional(Type::Dyn),
            Self::String(_) => Type::String,
            Self::Timestamp(_) => Type::Timestamp,
            Self::Type(_) => Type::Kind(None),
            Self::Uint(_) => Type::Uint,
            Self::User(_) => Type::User,
        }
    }

    /// Whether a function's argument of this type takes the value. Of a list, the first item tells what is in it, as it does
    /// for the API server.
    pub(super) fn is_taken_as(&self, wanted: &Type) -> bool {
        match (wanted, self) {
            (Type::Any | Type::Dyn | Type::Error | Type::Var(_), _)
            | (Type::Bool, Self::Bool(_))
            | (Type::Bytes, Self::Bytes(_))
            | (Type::Double, Self::Double(_))
            | (Type::Duration, Self::Duration(_))
            | (Type::Int, Self::Int(_))
            | (Type::Map(..), Self::Map(_))
            | (Type::Null, Self::Null)
            | (Type::Optional(_), Self::Optional(_))
            | (Type::String, Self::String(_))
            | (Type::Timestamp, Self::Timestamp(_))
            | (Type::Kind(_), Self::Type(_))
            | (Type::Uint, Self::Uint(_)) => true,
            (Type::List(item), Self::List(list)) => list.get(0).is_none_or(|first| first.is_taken_as(item)),
            (Type::Opaque(wanted), Self::Opaque(value)) => value.kind() == *wanted,
            _ => false,
        }
    }

    /// What it takes to go through the value once, in units of [`Meter`](super::Meter): a tenth of its length for
    /// strings and bytes, one for each item, one for everything else.
    pub(super) fn size(&self) -> u64 {
        let tenth = |length: usize| u64::try_from(length.div_ceil(10)).unwrap_or(u64::MAX);
        match self {
            Self::Bytes(bytes) => tenth(bytes.len()),
            Self::Claims(members) => u64::try_from(members.len()).unwrap_or(u64::MAX),
            Self::List(list) => u64::try_from(list.len()).unwrap_or(u64::MAX),
            Self::Map(map) => u64::try_from(map.len()).unwrap_or(u64::MAX),
            Self::String(text) => tenth(text.len()),
            _ => 1,
        }
    }
}

impl From<Arc<str>> for Value<'_> {
    fn from(text: Arc<str>) -> Self {
        Self::string(&*text)
    }
}
