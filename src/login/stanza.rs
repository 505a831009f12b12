//! The kubeconfig entry that makes kubectl run the plugin, and how it gets into a kubeconfig that is there.
//!
//! Pure: text in, text out. What the kubeconfig has besides stays as it is, though comments go, as with
//! `kubectl config set`. Doing it twice changes nothing the second time.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// `users[].user.exec`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stanza {
    /// `client.authentication.k8s.io/v1` or `/v1beta1`.
    pub api_version: String,
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// What kubectl prints when the program is not there.
    pub install_hint: String,
    /// Whether a person may be asked: `IfAvailable`, `Always` or `Never`.
    pub interactive_mode: String,
    /// Whether the plugin is told about the cluster.
    pub provide_cluster_info: bool,
}

/// A kubeconfig that the entry cannot go into. No value is repeated: most are secrets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Not YAML.
    #[error("is not valid YAML (line {line}, column {column})")]
    NotYaml {
        /// Where.
        line: u64,
        /// Where in it.
        column: u64,
    },
    /// Something else than a kubeconfig.
    #[error("is not a kubeconfig; its kind must be Config, and users and contexts lists of named entries")]
    OtherKind,
    /// The context is not there.
    #[error("has no context of the given name; `kubectl config get-contexts` lists them")]
    UnknownContext,
}

impl Stanza {
    /// The entry alone, to be pasted under `users:`.
    #[must_use]
    pub fn to_yaml(&self, user: &str) -> String {
        let entry = json!({"users": [self.entry(user)]});
        serde_saphyr::to_string(&entry).expect("strings and lists have a YAML form")
    }

    /// The kubeconfig `text` (which may be empty) with this entry as `user`, and `context` made to use it. Nothing, when it
    /// says all this already.
    ///
    /// # Errors
    /// When the text is no kubeconfig, or has no such context.
    pub fn merge(&self, text: &str, user: &str, context: Option<&str>) -> Result<Option<String>, MergeError> {
        let mut document = parse(text)?;
        let before = document.clone();
        let users = list(&mut document, "users")?;
        let entry = self.entry(user);
        match users.iter_mut().find(|other| is_named(other, user)) {
            Some(old) => *old = entry,
            None => users.push(entry),
        }
        if let Some(context) = context {
            let contexts = list(&mut document, "contexts")?;
            let context =
                contexts.iter_mut().find(|other| is_named(other, context)).ok_or(MergeError::UnknownContext)?;
            let fields = context.get_mut("context").and_then(Value::as_object_mut).ok_or(MergeError::OtherKind)?;
            fields.insert("user".to_owned(), user.into());
        }
        if document == before {
            return Ok(None);
        }
        Ok(Some(serde_saphyr::to_string(&document).expect("what was read from YAML has a YAML form")))
    }

    fn entry(&self, user: &str) -> Value {
        json!({"name": user, "user": {"exec": self}})
    }
}

fn parse(text: &str) -> Result<Value, MergeError> {
    if text.trim().is_empty() {
        return Ok(json!({"apiVersion": "v1", "kind": "Config"}));
    }
    let document: Value = serde_saphyr::from_str(text).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        MergeError::NotYaml { line, column }
    })?;
    if document.get("kind").is_some_and(|kind| kind == "Config") { Ok(document) } else { Err(MergeError::OtherKind) }
}

fn list<'a>(document: &'a mut Value, name: &str) -> Result<&'a mut Vec<Value>, MergeError> {
    let fields: &mut Map<String, Value> = document.as_object_mut().ok_or(MergeError::OtherKind)?;
    let list = fields.entry(name).or_insert(Value::Null);
    if list.is_null() {
        *list = Value::Array(Vec::new());
    }
    list.as_array_mut().ok_or(MergeError::OtherKind)
}

fn is_named(entry: &Value, name: &str) -> bool {
    entry.get("name").and_then(Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\npreferences: {}\nclusters:\n- name: c\n  cluster: {server: \"https://c:6443\"}\n\
        contexts:\n- name: at-c\n  context: {cluster: c, user: old, namespace: \"007\"}\nusers:\n- name: old\n  user: {token: \"0123\"}\n";

    fn stanza() -> Stanza {
        Stanza {
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            command: "countersign".to_owned(),
            args: vec!["get-token".to_owned(), "--oidc-client-id=yes".to_owned()],
            install_hint: "install it".to_owned(),
            interactive_mode: "IfAvailable".to_owned(),
            provide_cluster_info: true,
        }
    }

    fn value(yaml: &str) -> Value {
        serde_saphyr::from_str(yaml).unwrap()
    }

    #[test]
    fn the_entry_is_what_kubectl_reads() {
        assert_eq!(
            value(&stanza().to_yaml("me")),
            json!({"users": [{"name": "me", "user": {"exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": "countersign",
                "args": ["get-token", "--oidc-client-id=yes"],
                "installHint": "install it",
                "interactiveMode": "IfAvailable",
                "provideClusterInfo": true,
            }}}]})
        );
    }

    #[test]
    fn everything_else_in_the_kubeconfig_stays() {
        let merged = stanza().merge(KUBECONFIG, "me", Some("at-c")).unwrap().unwrap();
        let mut expected = value(KUBECONFIG);
        expected["users"].as_array_mut().unwrap().push(value(&stanza().to_yaml("me"))["users"][0].clone());
        expected["contexts"][0]["context"]["user"] = "me".into();
        assert_eq!(value(&merged), expected);
    }

    #[test]
    fn doing_it_twice_changes_nothing() {
        let merged = stanza().merge(KUBECONFIG, "me", Some("at-c")).unwrap().unwrap();
        assert_eq!(stanza().merge(&merged, "me", Some("at-c")), Ok(None));
        let other = Stanza { command: "other".to_owned(), ..stanza() };
        let replaced = other.merge(&merged, "me", None).unwrap().unwrap();
        assert_eq!(value(&replaced)["users"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_empty_kubeconfig_is_begun() {
        let merged = value(&stanza().merge("", "me", None).unwrap().unwrap());
        assert_eq!((&merged["kind"], merged["users"].as_array().unwrap().len()), (&json!("Config"), 1));
        let merged = stanza().merge("apiVersion: v1\nkind: Config\nusers: null\n", "me", None).unwrap().unwrap();
        assert_eq!(value(&merged)["users"][0]["name"], "me");
    }

    #[test]
    fn what_is_no_kubeconfig_is_left_alone() {
        let merge = |text: &str, context| stanza().merge(text, "me", context);
        assert_eq!(merge("kind: Pod\n", None), Err(MergeError::OtherKind));
        assert_eq!(merge("- a\n", None), Err(MergeError::OtherKind));
        assert_eq!(merge("kind: Config\nusers: {}\n", None), Err(MergeError::OtherKind));
        assert!(matches!(merge("kind: [", None), Err(MergeError::NotYaml { .. })));
        assert_eq!(merge(KUBECONFIG, Some("other")), Err(MergeError::UnknownContext));
    }
}
