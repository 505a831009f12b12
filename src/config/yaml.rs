//! From a file's bytes to the structs of [`file`](super::file), with every problem of form reported at once.
//!
//! The text is read into a tree first, within limits that no honest file reaches, so that a hostile one costs
//! milliseconds and an error. Then the tree is fitted to the structs; what does not fit is reported, taken out, and the
//! rest is tried again, so that one wrong field does not hide the others.
//!
//! Strict as Kubernetes is: no duplicate or unknown fields, one document, no guessing of types. JSON is YAML, too.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeOwned, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_path_to_error::Segment;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{MergeKeyPolicy, Options, Spanned, UserMessageFormatter, budget, options};

use super::report::Report;
use crate::findings::{FieldPath, Step};

/// The largest file that is read: Kubernetes' own limit for a ConfigMap or Secret.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Problems of form that are reported before the rest of the file is given up.
const MAX_PROBLEMS: usize = 64;

/// Reads a document. What is wrong with its form is in the report; nothing is returned when nothing can be used.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], report: &mut Report) -> Option<T> {
    let tree = parse(bytes, report)?;
    let mut value = tree.value.to_value();
    if !value.is_object() {
        let (message, remedy) = if value.is_null() {
            ("the file is empty", "write a configuration with apiVersion and kind")
        } else {
            ("the file is not a mapping of fields", "start with apiVersion and kind")
        };
        report.error("empty_file", &FieldPath::root(), message, remedy);
        return None;
    }
    let duplicates = tree.value.duplicates();
    report.locate(Positions(Some(Arc::new(tree))));
    for path in duplicates {
        report.error("duplicate_field", &path, "this field is there twice", "keep one of the two");
    }
    fit(&mut value, report)
}

/// Where in the text each field is.
#[derive(Clone, Debug, Default)]
pub(super) struct Positions(Option<Arc<Spanned<Node>>>);

impl Positions {
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

fn parse(bytes: &[u8], report: &mut Report) -> Option<Spanned<Node>> {
    let root = FieldPath::root();
    let Ok(text) = std::str::from_utf8(bytes) else {
        report.error("not_utf8", &root, "the file is not UTF-8 text", "save it as UTF-8");
        return None;
    };
    serde_saphyr::from_str_with_options(text, limits())
        .map_err(|error| {
            // Never the library's excerpt of the text: the text may hold what should not reach a log.
            let message = error.without_snippet().render_with_formatter(&UserMessageFormatter);
            report.error("yaml", &root, message, "the file must be one YAML or JSON document");
        })
        .ok()
}

/// Far above what configurations need (sixty-four issuers with all their rules are some thousand nodes), far below
/// what hurts. The depth also bounds our own recursion over the tree.
fn limits() -> Options {
    options! {
        budget: budget! {
            max_depth: 32,
            flow_nesting_limit: 32,
            max_nodes: 50_000,
            max_events: 200_000,
            max_anchors: 64,
            max_aliases: 64,
            max_total_scalar_bytes: 4 * 1024 * 1024,
            max_documents: 1,
        },
        // Found by `Node::duplicates`, which reports all of them with their paths.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        no_schema: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// A document as it was written, with positions, duplicates included.
#[derive(Debug)]
pub(super) enum Node {
    Leaf(Value),
    List(Vec<Spanned<Self>>),
    Mapping(Vec<(String, Spanned<Self>)>),
}

impl Node {
    /// The same without positions; of duplicates the first counts.
    fn to_value(&self) -> Value {
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

    /// The fields that are there more than once.
    fn duplicates(&self) -> Vec<FieldPath> {
        let mut found = Vec::new();
        self.find_duplicates(&FieldPath::root(), &mut found);
        found
    }

    fn find_duplicates(&self, here: &FieldPath, found: &mut Vec<FieldPath>) {
        match self {
            Self::Leaf(_) => {}
            Self::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.value.find_duplicates(&here.index(index), found);
                }
            }
            Self::Mapping(members) => {
                let mut seen = std::collections::HashSet::new();
                for (name, member) in members {
                    let path = here.field(name);
                    if !seen.insert(name) && found.len() < MAX_PROBLEMS && !found.contains(&path) {
                        found.push(path.clone());
                    }
                    member.value.find_duplicates(&path, found);
                }
            }
        }
    }
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

/// Fits the document to the struct. What does not fit is reported and replaced by something that says nothing.
fn fit<T: DeserializeOwned>(value: &mut Value, report: &mut Report) -> Option<T> {
    let mut last: Option<(FieldPath, usize)> = None;
    for _problem in 0..MAX_PROBLEMS {
        let error = match serde_path_to_error::deserialize(&*value) {
            Ok(fitted) => return Some(fitted),
            Err(error) => error,
        };
        let path = field_path(error.path());
        let message = error.inner().to_string();
        if let Some(known_fields) = message.strip_prefix("unknown field ") {
            report_unknown_field(known_fields, &path, report);
            remove(value, &path)?;
            continue;
        }
        // A list's element cannot be left out without renumbering the others, so something empty of the right type
        // takes its place: the first that fits.
        let attempt = match &last {
            Some((same, attempt)) if *same == path => attempt + 1,
            _ => 0,
        };
        let place = find(value, &path)?;
        if attempt == 0 {
            report_wrong_type(&message, place, &path, report);
        }
        *place = match attempt {
            0 => Value::Null,
            1 => Value::Object(serde_json::Map::new()),
            2 => Value::String(String::new()),
            _ => return None,
        };
        last = Some((path, attempt));
    }
    let message = "there are more problems of this kind than are shown";
    report.error("too_many_problems", &FieldPath::root(), message, "mend those above and check again");
    None
}

fn report_unknown_field(serde_message: &str, path: &FieldPath, report: &mut Report) {
    let remedy = match serde_message.split_once(", expected ") {
        Some((_, known)) => format!("check the spelling; here is room for {}", known.trim_start_matches("one of ")),
        None => "remove it".to_owned(),
    };
    report.error("unknown_field", path, "there is no such field", remedy);
}

fn report_wrong_type(serde_message: &str, found: &Value, path: &FieldPath, report: &mut Report) {
    let expected = match serde_message.rsplit_once("expected ").map_or("another type", |(_, expected)| expected) {
        "a sequence" => "a list",
        "a string" => "text",
        "a boolean" => "true or false",
        other => other,
    };
    // Only the type of what was found: the value may be a secret in the wrong place.
    let (found, remedy) = match found {
        Value::Null => ("nothing", "give it a value or remove it"),
        Value::Bool(_) | Value::Number(_) if expected == "text" => ("a number or true/false", "put it in quotes"),
        Value::Bool(_) => ("true or false", "write what is expected"),
        Value::Number(_) => ("a number", "write what is expected"),
        Value::String(_) if expected == "true or false" => ("text", "write true or false, without quotes"),
        Value::String(_) if expected == "a list" => ("text", "write a list: [one, two]"),
        Value::String(_) => ("text", "write what is expected"),
        Value::Array(_) => ("a list", "write what is expected"),
        Value::Object(_) => ("a mapping", "write what is expected"),
    };
    report.error("wrong_type", path, format!("must be {expected}, but is {found}"), remedy);
    report.mark_unreadable(path.clone());
}

fn field_path(path: &serde_path_to_error::Path) -> FieldPath {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Field(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

fn find<'a>(value: &'a mut Value, path: &FieldPath) -> Option<&'a mut Value> {
    path.steps().iter().try_fold(value, |here, step| match step {
        Step::Field(name) => here.get_mut(name.as_str()),
        Step::Index(index) => here.get_mut(*index),
    })
}

fn remove(value: &mut Value, path: &FieldPath) -> Option<Value> {
    let (Step::Field(name), parent) = (path.steps().last()?, path.parent()?) else { return None };
    find(value, &parent)?.as_object_mut()?.remove(name)
}
