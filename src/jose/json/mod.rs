//! The one strict way to read JSON that others wrote.
//!
//! Parsers that disagree about the same bytes are how one token comes to mean two things, so whatever JSON leaves
//! open is refused here: a member named twice at any depth (compared after unescaping), a byte order mark, anything
//! but UTF-8, trailing data, an array where an object belongs, and more depth, members or items than [`Limits`]
//! allow, also in parts that nobody reads. Errors carry no content: the text may be a token's.
//!
//! Header, claims, key sets, discovery documents and introspection answers are read by [`object`] or [`value`].
//! A parser that wants only a few fields of a larger document implements [`Shape`] and passes over the rest with
//! [`Skip`].

pub mod plain;

use std::cell::Cell;
use std::fmt;

use serde::Deserializer;
use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// How large a document's structure may be. The size in bytes is capped before it comes here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested objects and arrays, the outermost included.
    pub depth: usize,
    /// Members of one object.
    pub members: usize,
    /// Items of one array.
    pub items: usize,
}

impl Limits {
    /// The limits for everything that comes from outside. Claims and key sets of real providers are two to five
    /// levels deep and have some dozens of members, so 32 and 256 leave room; 4096 items let a user have thousands
    /// of groups, more than fit into a token of the largest size that is looked at.
    pub const STANDARD: Self = Self { depth: 32, members: 256, items: 4096 };
}

/// Why a document was refused. It never quotes the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A member appears twice in one object.
    #[error("an object has the same member twice")]
    Duplicate,
    /// The outermost value is not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// Not JSON, not UTF-8, something after the end, or a number that no float can hold.
    #[error("not valid JSON in UTF-8")]
    Syntax,
    /// More nested objects and arrays than [`Limits::depth`].
    #[error("objects and arrays are nested too deeply")]
    TooDeep,
    /// More than [`Limits::members`] or [`Limits::items`].
    #[error("an object or array is too long")]
    TooMany,
}

/// Reads a document whose outermost value must be an object.
pub fn object(bytes: &[u8], limits: &Limits) -> Result<Map<String, Value>, JsonError> {
    read(bytes, limits, Object)
}

/// Reads any one value.
pub fn value(bytes: &[u8], limits: &Limits) -> Result<Value, JsonError> {
    read(bytes, limits, Anything)
}

/// Reads a document into a shape of the caller's.
pub fn read<'de, S: Shape<'de>>(bytes: &'de [u8], limits: &Limits, shape: S) -> Result<S::Output, JsonError> {
    // Strings are checked again by nobody: the whole text is UTF-8 or it is refused.
    let text = std::str::from_utf8(bytes).map_err(|_| JsonError::Syntax)?;
    let fault = Cell::new(None);
    let scope = Scope { limits, fault: &fault, depth_left: limits.depth };
    let mut source = serde_json::Deserializer::from_str(text);
    let output = scope.seed(shape).deserialize(&mut source);
    match output.and_then(|output| source.end().map(|()| output)) {
        Ok(output) => Ok(output),
        Err(_) => Err(fault.take().unwrap_or(JsonError::Syntax)),
    }
}

/// What a part of a document is read into, within the limits.
pub trait Shape<'de>: Sized {
    /// What comes out.
    type Output;

    /// Reads one value. Objects and arrays are entered through [`Scope::enter`].
    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Self::Output, D::Error>;
}

/// Where in the document the reader is, and how much room is left.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    limits: &'a Limits,
    fault: &'a Cell<Option<JsonError>>,
    depth_left: usize,
}

impl<'a> Scope<'a> {
    /// The inside of an object or array that was met here.
    pub fn enter<E: de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }

    /// Ends the reading with this error.
    pub fn refuse<E: de::Error>(self, error: JsonError) -> E {
        self.fault.set(Some(error));
        E::custom(error)
    }

    /// Checks the number of the member that is about to be read, counted from one.
    pub fn member<E: de::Error>(self, number: usize) -> Result<(), E> {
        if number > self.limits.members { Err(self.refuse(JsonError::TooMany)) } else { Ok(()) }
    }

    /// Checks the number of the array item that was read, counted from one.
    pub fn item<E: de::Error>(self, number: usize) -> Result<(), E> {
        if number > self.limits.items { Err(self.refuse(JsonError::TooMany)) } else { Ok(()) }
    }

    /// Reads the next key, value or item into `shape`.
    pub fn seed<S>(self, shape: S) -> Seed<'a, S> {
        Seed { shape, scope: self }
    }
}

/// A [`Shape`] in the form that serde asks for.
pub struct Seed<'a, S> {
    shape: S,
    scope: Scope<'a>,
}

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Seed<'_, S> {
    type Value = S::Output;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        self.shape.read(source, self.scope)
    }
}

/// Reads an object, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct Object;

impl<'de> Shape<'de> for Object {
    type Output = Map<String, Value>;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Self::Output, D::Error> {
        match source.deserialize_any(Build(scope))? {
            Value::Object(members) => Ok(members),
            _ => Err(scope.refuse(JsonError::NotAnObject)),
        }
    }
}

/// Reads any value.
#[derive(Clone, Copy, Debug)]
pub struct Anything;

impl<'de> Shape<'de> for Anything {
    type Output = Value;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Self::Output, D::Error> {
        source.deserialize_any(Build(scope))
    }
}

/// Passes over a value and keeps nothing of it. Depth and counts are limited as everywhere; duplicates within are
/// not looked for, since nobody reads what is skipped.
#[derive(Clone, Copy, Debug)]
pub struct Skip;

impl<'de> Shape<'de> for Skip {
    type Output = ();

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Self::Output, D::Error> {
        source.deserialize_any(PassOver(scope))
    }
}

struct Build<'a>(Scope<'a>);

impl<'de> Visitor<'de> for Build<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let scope = self.0.enter()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(scope.seed(Anything))? {
            array.push(item);
            scope.item(array.len())?;
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let scope = self.0.enter()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            scope.member(object.len() + 1)?;
            match object.entry(name) {
                Entry::Vacant(place) => place.insert(members.next_value_seed(scope.seed(Anything))?),
                Entry::Occupied(_) => return Err(scope.refuse(JsonError::Duplicate)),
            };
        }
        Ok(Value::Object(object))
    }
}

struct PassOver<'a>(Scope<'a>);

impl<'de> Visitor<'de> for PassOver<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let scope = self.0.enter()?;
        let mut count = 0;
        while items.next_element_seed(scope.seed(Skip))?.is_some() {
            count += 1;
            scope.item(count)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let scope = self.0.enter()?;
        let mut count = 0;
        while members.next_key_seed(scope.seed(Skip))?.is_some() {
            count += 1;
            scope.member(count)?;
            members.next_value_seed(scope.seed(Skip))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
