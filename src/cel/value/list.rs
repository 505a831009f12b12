//! Lists: a claim's, a user's, or one that an expression made.

use std::rc::Rc;

use serde_json::Value as Json;

use super::{Text, Value};

/// A list.
#[derive(Clone, Debug)]
pub(in crate::cel) enum List<'v> {
    /// Of the claims; and whether lookups below undo escapes.
    Json(&'v [Json], bool),
    /// The user's groups, or the values of an extra attribute.
    Names(&'v [String]),
    Owned(Rc<Vec<Value<'v>>>),
}

impl<'v> List<'v> {
    pub(in crate::cel) fn len(&self) -> usize {
        match self {
            Self::Json(items, _) => items.len(),
            Self::Names(names) => names.len(),
            Self::Owned(items) => items.len(),
        }
    }

    /// The item with that number, as a lookup finds it.
    pub(in crate::cel) fn get(&self, index: usize) -> Option<Value<'v>> {
        match self {
            Self::Json(items, escapes) => items.get(index).map(|item| Value::from_json(item, *escapes)),
            Self::Names(names) => names.get(index).map(|name| Value::String(Text::Borrowed(name))),
            Self::Owned(items) => items.get(index).cloned(),
        }
    }

    /// The item with that number, as a loop finds it.
    pub(in crate::cel) fn item(&self, index: usize) -> Option<Value<'v>> {
        match self {
            Self::Json(items, _) => items.get(index).map(|item| Value::from_json(item, false)),
            _ => self.get(index),
        }
    }

    /// All items, as a loop finds them.
    pub(in crate::cel) fn iter(&self) -> impl ExactSizeIterator<Item = Value<'v>> + use<'_, 'v> {
        (0..self.len()).map(|index| self.item(index).unwrap_or(Value::Null))
    }
}
