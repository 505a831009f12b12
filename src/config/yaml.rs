//! From a file's bytes to the structs of [`file`](super::file), with every problem of form reported at once.
//!
//! The text is read into a [`tree`] first, within limits that no honest file reaches, so that a hostile one costs
//! milliseconds and an error. Then the tree is fitted to the structs; what does not fit is reported, taken out, and the
//! rest is tried again, so that one wrong field does not hide the others.
//!
//! Strict as Kubernetes is: no duplicate or unknown fields, one document, no guessing of types. JSON is YAML, too. Only in
//! Kubernetes' own part [`words`](super::words) are what they are to Kubernetes.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{MergeKeyPolicy, Options, Spanned, UserMessageFormatter, budget, options};

use super::report::Report;
use super::tree::{self, Node, Positions};
use super::words::Words;
use crate::findings::{FieldPath, Step};

/// The largest file that is read: Kubernetes' own limit for a ConfigMap or Secret.
pub(super) const MAX_BYTES: u64 = 1024 * 1024;

/// Problems of form that are reported before the rest of the file is given up.
const MAX_PROBLEMS: usize = 64;

/// Reads a document, whose part below that path is Kubernetes' own. What is wrong with its form is in the report; nothing
/// is returned when nothing can be used.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], kubernetes: &FieldPath, report: &mut Report) -> Option<T> {
    let mut tree = parse(bytes, report)?;
    if let Ok(text) = std::str::from_utf8(bytes) {
        tree::reread(&mut tree, kubernetes.steps(), &Words::of(text));
    }
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
    let duplicates = tree.value.duplicates(MAX_PROBLEMS);
    report.locate(Positions::of(tree));
    for path in duplicates {
        report.error("duplicate_field", &path, "this field is there twice", "keep one of the two");
    }
    fit(&mut value, report)
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
        Value::Bool(_) if expected == "text" => {
            ("true or false", "put it in quotes; to Kubernetes, yes, no, on, off, y and n are true or false, too")
        }
        Value::Number(_) if expected == "text" => ("a number", "put it in quotes"),
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
