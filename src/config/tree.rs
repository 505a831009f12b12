//! A document as a tree: what is in it and where, before anybody asks what it means.
//!
//! Recursion over it is safe: [`yaml`](super::yaml) bounds its depth while reading.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::words::Words;
use crate::findings::{FieldPath, Step};

/// A document as it was written, with positions, duplicates included.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Value),
    List(Vec<Spanned<Self>>),
    Mapping(Vec<(String, Spanned<Self>)>),
}

impl Node {
    /// The same without positions; of duplicates the first counts.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Leaf(value) => value.clone(),
            Self::List(items) => items.iter().map(|item| item.value.to_value()).collect(),
            Self::Mapping(members) => {
                let mut object = serde_json::Map::new();
                for (name, member) in members {
                    object.entry(name.as_str()).or_insert_with(|| member.value.to_value());
                }
                Value::Object(object)
            }
        }
    }

    /// The fields that are there more than once, but not more than so many.
    pub(super) fn duplicates(&self, limit: usize) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.find_duplicates(&FieldPath::root(), limit, &mut found);
        found
    }

    fn find_duplicates(&self, here: &FieldPath, limit: usize, found: &mut Vec<FieldPath>) {
        match self {
            Self::Leaf(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.value.find_duplicates(&here.index(index), limit, found);
                }
            }
            Self::Mapping(members) => {
                let mut seen = HashSet::new();
                for (name, member) in members {
                    let path = here.field(name);
                    if !seen.insert(name) && found.len() < limit && !found.contains(&path) {
                        found.push(path.clone());
                    }
                    member.value.find_duplicates(&path, limit, found);
                }
            }
        }
    }
}

/// Puts in what words mean to Kubernetes in the part of a document below a path.
pub(super) fn reread(node: &mut Spanned<Node>, path: &[Step], words: &Words) {
    let inner: Vec<&mut Spanned<Node>> = match (&mut node.value, path.first()) {
        (Node::Leaf(value), None) => {
            if let Some(meaning) = value.as_str().and_then(|text| words.meaning(&node.defined, text)) {
                *value = meaning;
            }
            return;
        }
        (Node::List(items), None) => items.iter_mut().collect(),
        (Node::Mapping(members), None) => members.iter_mut().map(|(_, member)| member).collect(),
        (Node::Mapping(members), Some(Step::Field(wanted))) => {
            members.iter_mut().filter(|(name, _)| name == wanted).map(|(_, member)| member).collect()
        }
        _ => return,
    };
    let path = path.get(1..).unwrap_or_default();
    inner.into_iter().for_each(|node| reread(node, path, words));
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNode;

        impl<'de> Visitor<'de> for AnyNode {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Leaf(Value::Null))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Leaf(value.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
                let mut mapping = Vec::new();
                while let Some(member) = members.next_entry()? {
                    mapping.push(member);
                }
                Ok(Node::Mapping(mapping))
            }
        }

        deserializer.deserialize_any(AnyNode)
    }
}

/// Where in the text each field is.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions(Option<Arc<Spanned<Node>>>);

impl Positions {
    pub(super) fn of(document: Spanned<Node>) -> Self {
        Self(Some(Arc::new(document)))
    }

    /// The line of a field, or of what it would be in if it is not there.
    pub(super) fn line_of(&self, path: &FieldPath) -> Option<u64> {
        let mut here = self.0.as_deref()?;
        let mut line = None;
        for step in path.steps() {
            let inner = match (&here.value, step) {
                (Node::Mapping(members), Step::Field(name)) => {
                    members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
                }
                (Node::List(items), Step::Index(index)) => items.get(*index),
                _ => None,
            };
            let Some(inner) = inner else { break };
            here = inner;
            line = Some(here.referenced.line());
        }
        line
    }
}
