//! The kubeconfig in the secret, by the operator's rules and then by those of the client library in kube-apiserver.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::report::Report;
use super::secret::{FORMER, decode};
use super::{material, server};
use crate::clock::UnixTime;
use crate::wiring::kubeconfig::yaml::{self, Place};

/// A kubeconfig, as far as it matters. `null` is as good as absent; `PascalCase` is nowhere.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Kubeconfig {
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
    kind: Option<String>,
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
    contexts: Option<Vec<NamedContext>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedCluster {
    name: Option<String>,
    cluster: Option<Cluster>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedUser {
    name: Option<String>,
    user: Option<User>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamedContext {
    name: Option<String>,
    context: Option<Context>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
}

/// How to reach the webhook.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Cluster {
    pub(super) server: Option<String>,
    certificate_authority: Option<String>,
    certificate_authority_data: Option<Data>,
    pub(super) insecure_skip_tls_verify: Option<bool>,
    pub(super) tls_server_name: Option<String>,
    pub(super) proxy_url: Option<String>,
}

impl Cluster {
    /// The certificates to trust, if any are given.
    pub(super) fn authority(&self) -> Option<&[u8]> {
        bytes(self.certificate_authority_data.as_ref())
    }
}

/// What to show to the webhook.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct User {
    client_certificate: Option<String>,
    client_certificate_data: Option<Data>,
    client_key: Option<String>,
    client_key_data: Option<Data>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    username: Option<String>,
    password: Option<String>,
    exec: Option<Value>,
    auth_provider: Option<Value>,
    #[serde(rename = "as")]
    impersonated: Option<String>,
    as_uid: Option<String>,
    as_groups: Option<Vec<String>>,
    as_user_extra: Option<BTreeMap<String, Vec<String>>>,
}

impl User {
    pub(super) fn certificate(&self) -> Option<&[u8]> {
        bytes(self.client_certificate_data.as_ref())
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        bytes(self.client_key_data.as_ref())
    }
}

/// Base64 that was decoded, as Go's JSON reader does for a field of bytes.
#[derive(Deserialize)]
#[serde(try_from = "Zeroizing<String>")]
struct Data(Zeroizing<Vec<u8>>);

impl TryFrom<Zeroizing<String>> for Data {
    type Error = &'static str;

    fn try_from(text: Zeroizing<String>) -> Result<Self, Self::Error> {
        decode(&text).map(Zeroizing::new).map(Self).ok_or("not base64")
    }
}

fn bytes(data: Option<&Data>) -> Option<&[u8]> {
    data.map(|data| data.0.as_slice()).filter(|bytes| !bytes.is_empty())
}

fn is_set(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// `path` is where the text is: `secret/NAME:data.kubeConfig`.
pub(super) fn check(text: &str, path: &str, now: UnixTime, report: &mut Report) {
    let Some(file) = parse(text, path, report) else { return };
    let clusters: Vec<(String, Cluster)> = named(file.clusters, |entry| (entry.name, entry.cluster));
    let users: Vec<(String, User)> = named(file.users, |entry| (entry.name, entry.user));
    let contexts: Vec<(String, Context)> = named(file.contexts, |entry| (entry.name, entry.context));
    unique(&[names(&clusters), names(&users), names(&contexts)], path, report);

    if let [(_, cluster)] = clusters.as_slice() {
        check_cluster(cluster, &format!("{path}.clusters[0].cluster"), now, report);
    } else {
        count("clusters", clusters.len(), "kubeconfig_clusters", path, report);
    }
    if let [(_, user)] = users.as_slice() {
        check_user(user, &format!("{path}.users[0].user"), now, report);
    } else {
        count("users", users.len(), "kubeconfig_users", path, report);
    }
    let current = file.current_context.unwrap_or_default();
    check_contexts(&current, &contexts, &names(&clusters), &names(&users), path, report);
}

fn parse(text: &str, path: &str, report: &mut Report) -> Option<Kubeconfig> {
    let doubled;
    let mut unreadable = |path: String, why: &str| {
        let message = format!("the webhook is not honored because the kubeconfig cannot be loaded: {why}; {FORMER}");
        report.error("kubeconfig_unreadable", path, message, "put a kubeconfig there, in YAML or JSON");
    };
    // The libraries' own texts quote values.
    let document = match yaml::read(text) {
        Ok(yaml::Read { document, duplicate }) => {
            doubled = duplicate;
            document
        }
        Err(Place { line, column }) => {
            unreadable(path.to_owned(), &format!("it is not YAML (line {line}, column {column})"));
            return None;
        }
    };
    let file: Kubeconfig = match serde_path_to_error::deserialize(document) {
        Ok(file) => file,
        Err(error) => {
            let why = if error.inner().to_string() == "not base64" {
                "this is not base64"
            } else {
                "this is of a wrong type"
            };
            let within = error.path().to_string();
            unreadable(if within == "." { path.to_owned() } else { format!("{path}.{within}") }, why);
            return None;
        }
    };
    let is = |value: Option<&String>, wanted: &str| value.is_none_or(|value| value.is_empty() || value == wanted);
    if !is(file.api_version.as_ref(), "v1") || !is(file.kind.as_ref(), "Config") {
        unreadable(path.to_owned(), "its apiVersion must be v1 and its kind Config");
        return None;
    }
    if let Some(Place { line, column }) = doubled {
        let message = format!("a field is there twice (line {line}, column {column}); the last one counts");
        report.warning("kubeconfig_duplicate_field", path.to_owned(), message, "keep one of the two");
    }
    Some(file)
}

fn named<E, T: Default>(entries: Option<Vec<E>>, split: fn(E) -> (Option<String>, Option<T>)) -> Vec<(String, T)> {
    let entry = |entry| {
        let (name, value) = split(entry);
        (name.unwrap_or_default(), value.unwrap_or_default())
    };
    entries.unwrap_or_default().into_iter().map(entry).collect()
}

fn names<T>(entries: &[(String, T)]) -> Vec<String> {
    entries.iter().map(|(name, _)| name.clone()).collect()
}

/// The loader refuses two entries of one name before anything is counted.
fn unique(lists: &[Vec<String>; 3], path: &str, report: &mut Report) {
    for (list, names) in ["clusters", "users", "contexts"].into_iter().zip(lists) {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for name in names {
            *seen.entry(name).or_default() += 1;
        }
        if let Some((name, _)) = seen.into_iter().find(|(_, count)| *count > 1) {
            let message = format!(
                "the webhook is not honored because the kubeconfig cannot be loaded: the name {name:?} is there twice; {FORMER}"
            );
            report.error("kubeconfig_unreadable", format!("{path}.{list}"), message, "keep one of the entries");
        }
    }
}

fn count(what: &str, found: usize, code: &'static str, path: &str, report: &mut Report) {
    let message = format!(
        "the webhook is not honored because the kubeconfig has {found} {what}, and must have exactly one; {FORMER}"
    );
    report.error(code, format!("{path}.{what}"), message, format!("keep the one of the {what} that is the webhook's"));
}

fn check_cluster(cluster: &Cluster, path: &str, now: UnixTime, report: &mut Report) {
    if is_set(cluster.certificate_authority.as_ref()) {
        file_reference(&format!("{path}.certificate-authority"), "certificate-authority-data", report);
    }
    match cluster.server.as_deref() {
        None | Some("") => {
            let message = format!("the webhook is not honored because the server is empty; {FORMER}");
            report.error(
                "kubeconfig_server_missing",
                format!("{path}.server"),
                message,
                "write https://HOST:PORT/authenticate",
            );
        }
        Some(text) => server::check(text, cluster, path, report),
    }
    material::check_cluster(cluster, path, now, report);
}

fn check_user(user: &User, path: &str, now: UnixTime, report: &mut Report) {
    for (value, field, instead) in [
        (&user.client_certificate, "client-certificate", "client-certificate-data"),
        (&user.client_key, "client-key", "client-key-data"),
        (&user.token_file, "tokenFile", "token"),
    ] {
        if is_set(value.as_ref()) {
            file_reference(&format!("{path}.{field}"), instead, report);
        }
    }
    for (value, field) in [(&user.exec, "exec"), (&user.auth_provider, "auth-provider")] {
        if value.as_ref().is_some_and(|value| !value.is_null()) {
            let message = format!("the API server runs no credential plugins for a webhook, so {field} is of no use");
            let remedy = "put a client certificate or a token in its place";
            report.error("kubeconfig_plugin", format!("{path}.{field}"), message, remedy);
        }
    }
    mechanism(user, path, report);
    impersonation(user, path, report);
    token(user, path, report);
    material::check_user(user, path, now, report);
}

/// One way to authenticate is a must, in the operator's order of looking.
fn mechanism(user: &User, path: &str, report: &mut Report) {
    const PASSWORD: &str = "use a client certificate or a token: countersign takes no passwords";
    if is_set(user.token.as_ref()) && (is_set(user.username.as_ref()) || is_set(user.password.as_ref())) {
        let message = "kube-apiserver does not start with this file because a password and a token are both given";
        report.error("kubeconfig_two_mechanisms", format!("{path}.token"), message, "keep one of the two");
    }
    if is_set(user.username.as_ref()) {
        let path = format!("{path}.password");
        if is_set(user.password.as_ref()) {
            let message = "the API server logs in at the webhook with a password";
            report.warning("kubeconfig_password", path, message, PASSWORD);
        } else {
            let message = format!("the webhook is not honored because username is given without a password; {FORMER}");
            report.error("kubeconfig_password_missing", path, message, PASSWORD);
        }
    } else if user.certificate().is_some() {
        if user.key().is_none() {
            let message = format!("the webhook is not honored because the client certificate has no key; {FORMER}");
            report.error(
                "kubeconfig_key_missing",
                format!("{path}.client-key-data"),
                message,
                "add the certificate's key",
            );
        }
    } else if !is_set(user.token.as_ref()) {
        report.error(
            "kubeconfig_no_credentials",
            path.to_owned(),
            format!("the webhook is not honored because at least one authentication mechanism needs to be configured; {FORMER}"),
            "add client-certificate-data and client-key-data, or a token; what other platforms allow (user: {}) is refused here",
        );
    }
}

fn impersonation(user: &User, path: &str, report: &mut Report) {
    let has_more = is_set(user.as_uid.as_ref())
        || user.as_groups.as_ref().is_some_and(|groups| !groups.is_empty())
        || user.as_user_extra.as_ref().is_some_and(|extra| !extra.is_empty());
    if has_more && !is_set(user.impersonated.as_ref()) {
        let message = "kube-apiserver does not start with this file because it asks for another's uid, groups or extra \
                       attributes without naming the user (as)";
        report.error("kubeconfig_impersonation", path.to_owned(), message, "remove them; name the caller itself");
    }
}

/// Pasted tokens often have a line break at the end.
fn token(user: &User, path: &str, report: &mut Report) {
    if user.token.as_ref().is_some_and(|token| token.chars().any(|c| c.is_ascii_control() && c != '\t')) {
        let message = "every review fails because the token has a character that no HTTP header can carry";
        report.error("kubeconfig_token", format!("{path}.token"), message, "take the line break away");
    }
}

fn file_reference(path: &str, instead: &str, report: &mut Report) {
    let message = format!(
        "the webhook is not honored because the kubeconfig names a file, and all data must be inline; {FORMER}"
    );
    report.error("kubeconfig_file", path, message, format!("put the content into {instead}"));
}

fn check_contexts(
    current: &str,
    contexts: &[(String, Context)],
    clusters: &[String],
    users: &[String],
    path: &str,
    report: &mut Report,
) {
    let not_honored = |why: &str| format!("the webhook is not honored because {why}; {FORMER}");
    let current_path = format!("{path}.current-context");
    if current.is_empty() {
        report.error(
            "kubeconfig_current_context",
            current_path,
            not_honored("current-context is not set"),
            "name the one context",
        );
    } else if !contexts.iter().any(|(name, _)| name == current) {
        let why = not_honored(&format!("there is no context {current:?}"));
        report.error("kubeconfig_current_context", current_path, why, "name the one context");
    }
    let [(_, context)] = contexts else {
        return count("contexts", contexts.len(), "kubeconfig_contexts", path, report);
    };
    for (name, known, field, code) in [
        (&context.cluster, clusters, "cluster", "kubeconfig_context_cluster"),
        (&context.user, users, "user", "kubeconfig_context_user"),
    ] {
        let name = name.as_deref().unwrap_or_default();
        if !known.iter().any(|known| known == name) {
            let why = not_honored(&format!("the context's {field} {name:?} does not exist"));
            report.error(code, format!("{path}.contexts[0].context.{field}"), why, format!("there are: {known:?}"));
        }
    }
}
