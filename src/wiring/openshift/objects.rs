//! Kubernetes objects from files, from standard input or from a cluster.

use std::fmt;

use serde_json::Value;
use serde_saphyr::{Options, budget, options};

use super::{AUTHENTICATION, NAMESPACE};

/// The largest text that is read: a cluster's objects of the kinds that matter here are far below it.
pub const MAX_BYTES: u64 = 16 * 1024 * 1024;

const NULL: &Value = &Value::Null;

/// A text that is no stream of Kubernetes objects.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct ObjectsError {
    name: String,
    problem: String,
}

/// The kinds that are looked at, each with its API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `config.openshift.io`
    Authentication,
    /// `config.openshift.io`
    ClusterOperator,
    /// `config.openshift.io`
    ClusterVersion,
    /// The core group.
    ConfigMap,
    /// `config.openshift.io`
    Infrastructure,
    /// `operator.openshift.io`
    KubeApiServer,
    /// The core group.
    Secret,
}

impl Kind {
    pub(crate) const ALL: [Self; 7] = [
        Self::Authentication,
        Self::ClusterOperator,
        Self::ClusterVersion,
        Self::ConfigMap,
        Self::Infrastructure,
        Self::KubeApiServer,
        Self::Secret,
    ];

    /// The `kind` field's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authentication => "Authentication",
            Self::ClusterOperator => "ClusterOperator",
            Self::ClusterVersion => "ClusterVersion",
            Self::ConfigMap => "ConfigMap",
            Self::Infrastructure => "Infrastructure",
            Self::KubeApiServer => "KubeAPIServer",
            Self::Secret => "Secret",
        }
    }

    /// The `apiVersion` field's value.
    #[must_use]
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::Authentication | Self::ClusterOperator | Self::ClusterVersion | Self::Infrastructure => {
                "config.openshift.io/v1"
            }
            Self::KubeApiServer => "operator.openshift.io/v1",
            Self::ConfigMap | Self::Secret => "v1",
        }
    }

    fn of(value: &Value) -> Option<Self> {
        let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default();
        Self::ALL.into_iter().find(|known| known.name() == text("kind") && known.api_version() == text("apiVersion"))
    }
}

/// What an object is that is not looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Other {
    /// Its `kind`.
    pub kind: String,
    /// Its `apiVersion`.
    pub api_version: String,
}

impl fmt::Display for Other {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.kind, self.api_version)
    }
}

/// One object, as it was written.
#[derive(Clone, PartialEq)]
pub struct Object(Value);

impl Object {
    /// The object's whole document. A secret's is a secret.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// What is at a JSON pointer; null when there is nothing.
    #[must_use]
    pub fn at(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or(NULL)
    }

    /// The text at a JSON pointer; empty when there is none.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).as_str().unwrap_or_default()
    }

    /// The list at a JSON pointer; empty when there is none.
    #[must_use]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).as_array().map_or(&[], Vec::as_slice)
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// The object's namespace; empty when it does not say.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }
}

impl From<Value> for Object {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// All objects of one check.
#[derive(Clone, Default)]
pub struct Objects {
    known: Vec<(Kind, Object)>,
    /// What was there and is not looked at.
    pub others: Vec<Other>,
    /// Whether these are a cluster's objects, so that what is not among them does not exist.
    pub is_complete: bool,
}

impl Objects {
    /// Adds the objects of a text: any number of YAML or JSON documents, lists included. `name` is where it is from.
    ///
    /// # Errors
    /// If the text is not YAML or JSON, or a document is no object. The error never quotes the text.
    pub fn read(&mut self, text: &str, name: &str) -> Result<(), ObjectsError> {
        let fail = |problem: String| ObjectsError { name: name.to_owned(), problem };
        for document in documents(text).map_err(fail)? {
            if !document.is_null() {
                self.add_document(document).map_err(|problem| fail(problem.to_owned()))?;
            }
        }
        Ok(())
    }

    fn add_document(&mut self, document: Value) -> Result<(), &'static str> {
        let kind = document.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if kind.is_empty() {
            return Err("a document has no kind; give Kubernetes objects");
        }
        let Some(item_kind) = kind.strip_suffix("List") else {
            self.add(document);
            return Ok(());
        };
        let api_version = document.get("apiVersion").cloned().unwrap_or_default();
        let items = document.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        for mut item in items {
            let Some(fields) = item.as_object_mut() else { return Err("a list has an item that is no object") };
            // The items of a typed list do not repeat what the list says.
            if !item_kind.is_empty() {
                fields.entry("kind").or_insert_with(|| item_kind.into());
                fields.entry("apiVersion").or_insert_with(|| api_version.clone());
            }
            self.add(item);
        }
        Ok(())
    }

    /// Adds an object.
    pub fn add(&mut self, value: Value) {
        if let Some(kind) = Kind::of(&value) {
            self.known.push((kind, Object(value)));
        } else {
            let text = |name| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            self.others.push(Other { kind: text("kind"), api_version: text("apiVersion") });
        }
    }

    /// Adds the objects of another check that are not here yet: these come first.
    pub fn complete_with(&mut self, other: Self) {
        for (kind, object) in other.known {
            if !self.of(kind).any(|own| own.name() == object.name() && own.namespace() == object.namespace()) {
                self.known.push((kind, object));
            }
        }
        self.is_complete |= other.is_complete;
    }

    /// Puts an object in the place of the first of its kind and name.
    pub fn replace(&mut self, kind: Kind, value: Value) {
        let object = Object(value);
        let place = self.known.iter_mut().find(|(other, known)| *other == kind && known.name() == object.name());
        if let Some((_, known)) = place {
            *known = object;
        }
    }

    /// Leaves out what is of a kind.
    pub fn drop_kind(&mut self, kind: Kind) {
        self.known.retain(|(other, _)| *other != kind);
    }

    /// The objects of a kind, in order.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.known.iter().filter(move |(other, _)| *other == kind).map(|(_, object)| object)
    }

    /// The object of a kind and name. For what lives in a namespace: the one in [`NAMESPACE`], before one elsewhere.
    #[must_use]
    pub fn named(&self, kind: Kind, name: &str) -> Option<&Object> {
        let mut candidates: Vec<&Object> = self.of(kind).filter(|object| object.name() == name).collect();
        candidates.sort_by_key(|object| object.namespace() != NAMESPACE);
        candidates.first().copied()
    }

    /// The `Authentication` that counts.
    #[must_use]
    pub fn authentication(&self) -> Option<&Object> {
        self.named(Kind::Authentication, AUTHENTICATION)
    }

    /// Whether there is nothing to look at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// The documents of a text: YAML, or JSON one after the other. The error never quotes the text.
pub(in crate::wiring) fn documents(text: &str) -> Result<Vec<Value>, String> {
    match serde_saphyr::from_multiple_with_options(text, limits()) {
        Ok(documents) => Ok(documents),
        // JSON documents one after the other are no YAML.
        Err(_) if text.trim_start().starts_with('{') => serde_json::Deserializer::from_str(text)
            .into_iter::<Value>()
            .collect::<Result<_, _>>()
            .map_err(|error| format!("is not JSON (line {}, column {})", error.line(), error.column())),
        // The library's own text may quote the line, which may hold a credential.
        Err(error) => {
            let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
            Err(format!("is not YAML (line {line}, column {column})"))
        }
    }
}

/// As strict as the API server in what matters: no duplicate keys, nothing guessed; and a hostile file costs little.
fn limits() -> Options {
    options! {
        budget: budget! {
            max_depth: 64,
            flow_nesting_limit: 64,
            max_nodes: 1_000_000,
            max_events: 4_000_000,
            max_anchors: 256,
            max_aliases: 256,
            max_total_scalar_bytes: 32 * 1024 * 1024,
            max_documents: 10_000,
        },
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Objects, String> {
        let mut objects = Objects::default();
        objects.read(text, "file").map_err(|error| error.to_string())?;
        Ok(objects)
    }

    fn names(objects: &Objects, kind: Kind) -> Vec<String> {
        objects.of(kind).map(|object| format!("{}/{}", object.namespace(), object.name())).collect()
    }

    fn others(objects: &Objects) -> Vec<String> {
        objects.others.iter().map(Other::to_string).collect()
    }

    #[test]
    fn documents_of_any_mix_are_read() {
        let objects = read(
            "---\n# nothing\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: openshift-config}\n---\n\
             {\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"b\"}}\n---\nkind: Pod\napiVersion: v1\n",
        )
        .unwrap();
        assert_eq!(names(&objects, Kind::Secret), ["openshift-config/a"]);
        assert_eq!(names(&objects, Kind::ConfigMap), ["/b"]);
        assert_eq!(others(&objects), ["Pod (v1)"]);
    }

    #[test]
    fn json_documents_follow_one_another() {
        let one = r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}}"#;
        assert_eq!(names(&read(&format!("{one}\n{one}")).unwrap(), Kind::Secret), ["/a", "/a"]);
    }

    #[test]
    fn lists_are_opened() {
        let objects = read(
            "kind: List\napiVersion: v1\nitems: [{kind: Secret, apiVersion: v1, metadata: {name: a}}]\n---\n\
             kind: AuthenticationList\napiVersion: config.openshift.io/v1\nitems: [{metadata: {name: cluster}}]",
        )
        .unwrap();
        assert_eq!(names(&objects, Kind::Secret), ["/a"]);
        assert!(objects.authentication().is_some());
    }

    #[test]
    fn the_operators_own_authentication_is_another_kind() {
        let objects =
            read("kind: Authentication\napiVersion: operator.openshift.io/v1\nmetadata: {name: cluster}").unwrap();
        assert!(objects.authentication().is_none());
        assert_eq!(others(&objects), ["Authentication (operator.openshift.io/v1)"]);
    }

    #[test]
    fn the_right_namespace_comes_first() {
        let objects = read(
            "kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: default}\n---\n\
             kind: Secret\napiVersion: v1\nmetadata: {name: a, namespace: openshift-config}",
        )
        .unwrap();
        assert_eq!(objects.named(Kind::Secret, "a").map(Object::namespace), Some(NAMESPACE));
    }

    #[test]
    fn what_cannot_be_read_is_said_without_quoting_it() {
        for (text, problem) in [
            ("a: [sec-ret", "file: is not YAML (line 1, column 4)"),
            ("{\"sec-ret\": }{", "file: is not JSON (line 1, column 13)"),
            ("- sec-ret", "file: a document has no kind; give Kubernetes objects"),
            ("kind: List\nitems: [sec-ret]", "file: a list has an item that is no object"),
        ] {
            assert_eq!(read(text).err(), Some(problem.to_owned()), "{text}");
        }
    }
}
