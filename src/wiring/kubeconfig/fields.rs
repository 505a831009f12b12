//! One mapping of a kubeconfig, with the path that leads to it.

use serde_json::{Map, Value};

use super::{Outcome, Problem};

/// A mapping and its path. `null` and the empty string count as absent, as they do for the API server.
pub(super) struct Fields<'a> {
    map: Option<&'a Map<String, Value>>,
    path: String,
}

impl<'a> Fields<'a> {
    /// A mapping; an absent one has no fields.
    pub(super) fn new(value: &'a Value, path: String) -> Outcome<Self> {
        match value {
            Value::Null => Ok(Self { map: None, path }),
            Value::Object(map) => Ok(Self { map: Some(map), path }),
            _ => Err((path, Problem::WrongType { expected: "a mapping" })),
        }
    }

    /// The mapping under a name.
    pub(super) fn mapping(&self, name: &str) -> Outcome<Self> {
        Self::new(self.value(name), self.path_of(name))
    }

    /// The list of mappings under a name.
    pub(super) fn mappings(&self, name: &str) -> Outcome<Vec<Self>> {
        match self.value(name) {
            Value::Null => Ok(Vec::new()),
            Value::Array(entries) => entries
                .iter()
                .enumerate()
                .map(|(index, entry)| Self::new(entry, format!("{}[{index}]", self.path_of(name))))
                .collect(),
            _ => Err(self.problem(name, Problem::WrongType { expected: "a list" })),
        }
    }

    /// The text under a name.
    pub(super) fn text(&self, name: &str) -> Outcome<Option<&'a str>> {
        match self.value(name) {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            _ => Err(self.problem(name, Problem::WrongType { expected: "a string; put it in quotes" })),
        }
    }

    /// The flag under a name; absent is `false`.
    pub(super) fn flag(&self, name: &str) -> Outcome<bool> {
        match self.value(name) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.problem(name, Problem::WrongType { expected: "true or false" })),
        }
    }

    /// Whether there is anything under a name.
    pub(super) fn is_set(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(entries) => !entries.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        }
    }

    /// A problem of the field under a name.
    pub(super) fn problem(&self, name: &str, problem: Problem) -> (String, Problem) {
        (self.path_of(name), problem)
    }

    /// The way to it from the document's root.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    fn value(&self, name: &str) -> &'a Value {
        const ABSENT: &Value = &Value::Null;
        self.map.and_then(|map| map.get(name)).unwrap_or(ABSENT)
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}
