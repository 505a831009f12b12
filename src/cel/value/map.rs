//! Maps: a claim's, a user's extra attributes, or one that an expression made.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map as JsonMap, Value as Json};

use super::{List, Text, Value};
use crate::cel::escape;

/// A map.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Map<'v> {
    /// The user's extra attributes.
    Extra(&'v BTreeMap<String, Vec<String>>),
    /// Of the claims; and whether lookups undo escapes.
    Json(&'v JsonMap<String, Json>, bool),
    Owned(Rc<BTreeMap<Key<'v>, Value<'v>>>),
}

/// What a map that an expression made can have as a key.
#[derive(Clone, Debug)]
pub(in crate::cel) enum Key<'v> {
    Bool(bool),
    Int(i64),
    String(Text<'v>),
    Uint(u64),
}

impl<'v> Key<'v> {
    pub(in crate::cel) fn new(value: &Value<'v>) -> Option<Self> {
        Some(match value {
            Value::Bool(value) => Self::Bool(*value),
            Value::Int(value) => Self::Int(*value),
            Value::String(text) => Self::String(text.clone()),
            Value::Uint(value) => Self::Uint(*value),
            _ => return None,
        })
    }

    pub(in crate::cel) fn value(&self) -> Value<'v> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::String(text) => Value::String(text.clone()),
            Self::Uint(value) => Value::Uint(*value),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Int(_) => 1,
            Self::String(_) => 2,
            Self::Uint(_) => 3,
        }
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => left.cmp(right),
            (Self::Int(left), Self::Int(right)) => left.cmp(right),
            (Self::String(left), Self::String(right)) => (**left).cmp(&**right),
            (Self::Uint(left), Self::Uint(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key<'_> {}

impl<'v> Map<'v> {
    pub(in crate::cel) fn len(&self) -> usize {
        match self {
            Self::Extra(extra) => extra.len(),
            Self::Json(members, _) => members.len(),
            Self::Owned(entries) => entries.len(),
        }
    }

    /// What a lookup finds: names are unescaped where the map has it so.
    pub(in crate::cel) fn find(&self, key: &Value<'v>) -> Option<Value<'v>> {
        match (self, key) {
            (Self::Extra(extra), Value::String(name)) => {
                let values = extra.get(&*escape::undone_or_same(name))?;
                Some(Value::List(List::Names(values)))
            }
            (Self::Json(members, true), Value::String(name)) => {
                Some(Value::from_json(members.get(&*escape::undone_or_same(name))?, true))
            }
            _ => self.find_exactly(key),
        }
    }

    /// What is there under exactly this key.
    pub(in crate::cel) fn find_exactly(&self, key: &Value<'v>) -> Option<Value<'v>> {
        match (self, key) {
            (Self::Extra(extra), Value::String(name)) => Some(Value::List(List::Names(extra.get(&**name)?))),
            (Self::Json(members, _), Value::String(name)) => Some(Value::from_json(members.get(&**name)?, false)),
            (Self::Owned(entries), key) => keys_equal_to(key).find_map(|key| entries.get(&key).cloned()),
            _ => None,
        }
    }

    /// All keys, in order.
    pub(in crate::cel) fn keys(&self) -> Vec<Value<'v>> {
        match self {
            Self::Extra(extra) => extra.keys().map(|key| Value::String(Text::Borrowed(key))).collect(),
            Self::Json(members, _) => members.keys().map(|key| Value::String(Text::Borrowed(key))).collect(),
            Self::Owned(entries) => entries.keys().map(Key::value).collect(),
        }
    }
}

/// The keys under which an equal one may be: whole numbers are equal across their types.
fn keys_equal_to<'v>(key: &Value<'v>) -> impl Iterator<Item = Key<'v>> {
    let whole = match key {
        Value::Int(value) => Some(i128::from(*value)),
        Value::Uint(value) => Some(i128::from(*value)),
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the range of what keys there are")]
        Value::Double(value) if value.fract() == 0.0 && value.abs() < 2e19 => Some(*value as i128),
        _ => None,
    };
    let int = whole.and_then(|whole| i64::try_from(whole).ok()).map(Key::Int);
    let uint = whole.and_then(|whole| u64::try_from(whole).ok()).map(Key::Uint);
    Key::new(key).into_iter().chain(int).chain(uint)
}
