//! What a kubeconfig says about a login, for whoever logs in by hand: the cluster's extension, and the arguments that kubectl
//! would run the plugin with.
//!
//! Pure: texts in, one context out. Several files count as kubectl counts them: of two entries of one name, the first.

use serde_json::Value;

use super::exec_credential::{LoginConfig, RequestError};

/// The name of the extension that is the plugin's, as client-go has it.
const EXTENSION: &str = "client.authentication.k8s.io/exec";

/// One context of a kubeconfig, as far as logins go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// Its name.
    pub name: String,
    /// The API server's URL, if the cluster is there.
    pub server: Option<String>,
    /// What the cluster's extension says.
    pub login: LoginConfig,
    /// The arguments of this program in the user's exec entry, after `get-token`; none when the user has another entry.
    pub arguments: Vec<String>,
}

/// A kubeconfig that says nothing about a login. No value is repeated: most are secrets.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// The extension has a key of the wrong type.
    #[error(transparent)]
    Extension(#[from] RequestError),
    /// There is no context of this name.
    #[error("there is no context {0:?}; `kubectl config get-contexts` lists them")]
    Missing(String),
    /// No context is chosen.
    #[error("no context is current; choose one with --context, or give --oidc-issuer-url and --oidc-client-id")]
    NoneCurrent,
    /// Not a kubeconfig.
    #[error("it is not a kubeconfig in YAML")]
    NotYaml,
}

impl Context {
    /// The context of a name, or the current one, of these files in their order.
    ///
    /// # Errors
    /// When there is none, or its cluster's extension cannot be understood.
    pub fn read(texts: &[String], name: Option<&str>) -> Result<Self, ContextError> {
        let parse = |text: &String| match serde_saphyr::from_str::<Value>(text) {
            Ok(document) if document.is_object() || document.is_null() => Ok(document),
            _ => Err(ContextError::NotYaml),
        };
        let documents = texts.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
        let current = documents
            .iter()
            .find_map(|document| document.get("current-context")?.as_str().filter(|name| !name.is_empty()));
        let name = name.or(current).ok_or(ContextError::NoneCurrent)?;
        let entry = |list: &str, name: &str| {
            let entries = documents.iter().filter_map(|document| document.get(list)?.as_array()).flatten();
            entries.clone().find(|entry| entry.get("name").and_then(Value::as_str) == Some(name)).cloned()
        };
        let context = entry("contexts", name).ok_or_else(|| ContextError::Missing(name.to_owned()))?;
        let named =
            |field: &str| context.pointer(&format!("/context/{field}")).and_then(Value::as_str).unwrap_or_default();
        let cluster = entry("clusters", named("cluster")).unwrap_or_default();
        let user = entry("users", named("user")).unwrap_or_default();
        let server = cluster.pointer("/cluster/server").and_then(Value::as_str).map(str::to_owned);
        let login = LoginConfig::parse(extension(&cluster))?;
        Ok(Self { name: name.to_owned(), server, login, arguments: arguments(&user) })
    }
}

fn extension(cluster: &Value) -> &Value {
    let extensions = cluster.pointer("/cluster/extensions").and_then(Value::as_array).into_iter().flatten();
    let mut ours = extensions.filter(|entry| entry.get("name").and_then(Value::as_str) == Some(EXTENSION));
    ours.next().and_then(|entry| entry.get("extension")).unwrap_or(&Value::Null)
}

fn arguments(user: &Value) -> Vec<String> {
    let exec = user.pointer("/user/exec").unwrap_or(&Value::Null);
    let command = exec.get("command").and_then(Value::as_str).unwrap_or_default();
    let program = command.rsplit(['/', '\\']).next().unwrap_or_default();
    let arguments: Vec<String> = exec
        .get("args")
        .and_then(Value::as_array)
        .map(|list| list.iter().filter_map(|argument| argument.as_str().map(str::to_owned)).collect())
        .unwrap_or_default();
    match (program.trim_end_matches(".exe"), arguments.split_first()) {
        ("countersign" | "kubectl-countersign", Some((first, rest))) if first == "get-token" => rest.to_vec(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: at-c\n\
        contexts:\n- {name: at-c, context: {cluster: c, user: me}}\n- {name: other, context: {cluster: none, user: token}}\n\
        clusters:\n- name: c\n  cluster:\n    server: https://c:6443\n    extensions:\n    - {name: other, extension: {issuer: no}}\n\
        \x20   - {name: client.authentication.k8s.io/exec, extension: {issuer: 'https://idp', scopes: [email]}}\n\
        users:\n- {name: me, user: {exec: {command: /usr/bin/countersign, args: [get-token, --oidc-client-id=kubectl]}}}\n\
        - {name: token, user: {exec: {command: other, args: [get-token, --secret]}}}\n";

    fn read(texts: &[&str], name: Option<&str>) -> Result<Context, ContextError> {
        Context::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>(), name)
    }

    #[test]
    fn the_current_context_says_how_to_log_in() {
        let login = LoginConfig {
            issuer: Some("https://idp".to_owned()),
            scopes: Some(vec!["email".to_owned()]),
            ..LoginConfig::default()
        };
        let arguments = vec!["--oidc-client-id=kubectl".to_owned()];
        let server = Some("https://c:6443".to_owned());
        assert_eq!(read(&[KUBECONFIG], None), Ok(Context { name: "at-c".to_owned(), server, login, arguments }));
    }

    #[test]
    fn anothers_plugin_and_a_missing_cluster_say_nothing() {
        let expected = Context { name: "other".to_owned(), ..Context::default() };
        assert_eq!(read(&[KUBECONFIG], Some("other")), Ok(expected));
    }

    #[test]
    fn several_files_are_read_as_kubectl_reads_them() {
        let first = "kind: Config\ncurrent-context: other\nusers: [{name: me, user: {}}]\n";
        assert_eq!(read(&[first, KUBECONFIG], None).unwrap().name, "other");
        assert_eq!(read(&[first, KUBECONFIG], Some("at-c")).unwrap().arguments, [""; 0]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        assert_eq!(read(&[KUBECONFIG], Some("x")), Err(ContextError::Missing("x".to_owned())));
        assert_eq!(read(&["kind: Config\n"], None), Err(ContextError::NoneCurrent));
        assert_eq!(read(&["- a"], None), Err(ContextError::NotYaml));
        let wrong = KUBECONFIG.replace("scopes: [email]", "scopes: 1");
        assert!(matches!(read(&[&wrong], None), Err(ContextError::Extension(_))));
    }
}
