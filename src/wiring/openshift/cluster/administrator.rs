//! An administrator's kubeconfig: how the cluster is reached, and as whom.
//!
//! It is read by our own reader, and what goes to the client is what was understood: the client's own errors quote the lines
//! around a problem, which have credentials, and it panics on some values.

use std::env;
use std::io;
use std::path::{Path, PathBuf, absolute};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::AuthInfo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::super::objects::{MAX_BYTES, documents};
use super::plugin::Plugin;
use super::{ClusterError, INTEGRATED_TOKEN};
use crate::outbound::{chain, is_loopback};
use crate::wiring::file;
use crate::wiring::kubeconfig::Connection;

/// What the paths of a kubeconfig are relative to its folder in.
const PATHS: [&str; 4] = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/// Whom to act as, in the kubeconfig's spelling.
const ACTING: [&str; 4] = ["as", "as-uid", "as-groups", "as-user-extra"];

/// What a kubeconfig says.
pub(super) struct Administrator {
    connection: Connection,
    plugin: Option<Plugin>,
    acting: AuthInfo,
    /// Where it is from, for people.
    from: String,
    /// Where in it the user is.
    user: String,
    /// Whether another look may bring another credential.
    is_renewable: bool,
}

impl Administrator {
    /// Reads the context of a name, or the current one, of these files in their order. Of two entries of one name, the first
    /// counts, as it does for kubectl.
    pub(super) fn read(files: &[PathBuf], context: Option<&str>) -> Result<Self, ClusterError> {
        let from = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let fail = |problem: String| ClusterError::Kubeconfig { from: from.clone(), problem };
        let mut merged = Map::new();
        for file in files {
            match read(file) {
                Ok(document) => merge(&mut merged, document, file),
                // kubectl overlooks what is missing in a list.
                Err(None) => {}
                Err(Some(problem)) => return Err(fail(problem)),
            }
        }
        if merged.is_empty() {
            return Err(fail("there is no kubeconfig; give one with --kubeconfig".to_owned()));
        }
        if let Some(context) = context {
            let contexts = merged.get("contexts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let names: Vec<&str> = contexts.iter().filter_map(|entry| entry.get("name")?.as_str()).collect();
            if !names.contains(&context) {
                let there = if names.is_empty() { "none".to_owned() } else { format!("{names:?}") };
                return Err(fail(format!("--context: there is no context {context:?}; there are: {there}")));
            }
            merged.insert("current-context".to_owned(), context.into());
        }
        let user = chosen(&merged, "user");
        let path = user.map_or_else(|| "users".to_owned(), |index| format!("users[{index}].user"));
        let mut special = Map::new();
        if let Some(fields) = user.and_then(|index| fields_of_user(&mut merged, index)) {
            for name in ACTING.into_iter().chain(["exec"]) {
                special
                    .extend(fields.remove(name).filter(|value| !value.is_null()).map(|value| (name.to_owned(), value)));
            }
        }
        let is_renewable = special.contains_key("exec")
            || user.and_then(|index| fields_of_user(&mut merged, index)?.get("tokenFile")).is_some();
        let exec = special.remove("exec").map(|exec| (exec, extension(&merged), folder_of(files)));
        let text = Zeroizing::new(Value::Object(merged).to_string());
        let connection = Connection::from_yaml(&text, Path::new("kubeconfig")).map_err(|error| {
            let field = error.field();
            fail(if field.is_empty() { error.problem() } else { format!("{field}: {}", error.problem()) })
        })?;
        let plugin = exec.map(|(exec, extension, folder)| Plugin::read(exec, &connection, extension, folder));
        let plugin = plugin.transpose().map_err(|problem| fail(format!("{path}.exec{problem}")))?;
        let acting = acting(special).map_err(|field| fail(format!("{path}.{field}: has a value of the wrong type")))?;
        Ok(Self { connection, plugin, acting, from, user: path, is_renewable })
    }

    /// The cluster's address.
    pub(super) fn server(&self) -> &str {
        self.connection.server.as_str()
    }

    /// Whether another look at the same files may bring another credential.
    pub(super) const fn is_renewable(&self) -> bool {
        self.is_renewable
    }

    /// What cannot be used.
    pub(super) fn unusable(&self, problem: String) -> ClusterError {
        ClusterError::Kubeconfig { from: self.from.clone(), problem }
    }

    /// Everything that a client needs, and whether the credential is a token of the integrated OAuth server. Runs the plugin.
    pub(super) fn config(&self) -> Result<(Config, bool), ClusterError> {
        let Self { connection, user, .. } = self;
        let fail = |problem: String| self.unusable(problem);
        let server: Uri =
            self.server().parse().map_err(|_| fail("server: is not a URL that can be used".to_owned()))?;
        let credential = self.plugin.as_ref().map(Plugin::run).transpose();
        let credential = credential.map_err(|problem| fail(format!("{user}.exec{problem}")))?;
        let mut auth_info = self.acting.clone();
        let mut token = connection.bearer.clone();
        if let Some(client) = &connection.client {
            with_certificate(&mut auth_info, &client.certificate_pem, &client.private_key_pem);
        }
        if let Some(credential) = credential {
            token = credential.token.or(token);
            if let Some((chain, key)) = &credential.certificate {
                with_certificate(&mut auth_info, chain.as_bytes(), key.as_bytes());
            }
        }
        if let Some(token) = &token {
            // The client panics on what it cannot send.
            if HeaderValue::from_str(token.expose_secret()).is_err() || token.expose_secret().is_empty() {
                return Err(fail(format!(
                    "{user}: the token has a line break or another character that cannot be sent; give it as it was issued"
                )));
            }
            auth_info.token = Some(token.expose_secret().to_owned().into());
        }
        let is_integrated = token.is_some_and(|token| token.expose_secret().starts_with(INTEGRATED_TOKEN));
        let mut config = Config::new(server);
        config.auth_info = auth_info;
        config.accept_invalid_certs = connection.insecure;
        config.tls_server_name.clone_from(&connection.tls_server_name);
        config.root_cert = connection.authority_pem.as_deref().map(certificates).transpose().map_err(fail)?;
        config.proxy_url = self.proxy().map_err(fail)?;
        Ok((config, is_integrated))
    }

    /// The kubeconfig's proxy, or the environment's unless that excepts the server.
    fn proxy(&self) -> Result<Option<Uri>, String> {
        let server = &self.connection.server;
        let says = |name: &str| env::var(name).ok().filter(|text| !text.is_empty());
        let (text, from) = if let Some(proxy) = &self.connection.proxy {
            (proxy.to_string(), "proxy-url")
        } else {
            if is_loopback(server) || server.scheme() != "https" {
                return Ok(None);
            }
            let Some(text) = says("HTTPS_PROXY").or_else(|| says("https_proxy")) else { return Ok(None) };
            let text = if text.contains("://") { text } else { format!("http://{text}") };
            let excepted = says("NO_PROXY").or_else(|| says("no_proxy")).unwrap_or_default();
            let matcher = Matcher::builder().https(text.as_str()).no(excepted.as_str()).build();
            if !server.as_str().parse().is_ok_and(|server| matcher.intercept(&server).is_some()) {
                return Ok(None);
            }
            (text, "HTTPS_PROXY")
        };
        match text.parse::<Uri>() {
            Ok(proxy) if matches!(proxy.scheme_str(), Some("http" | "https")) => Ok(Some(proxy)),
            // It may have a password.
            _ => Err(format!("{from}: is not a proxy that can be used; write http://HOST:PORT")),
        }
    }
}

fn with_certificate(auth_info: &mut AuthInfo, chain: &[u8], key: &[u8]) {
    auth_info.client_certificate_data = Some(BASE64_STANDARD.encode(chain));
    auth_info.client_key_data = Some(BASE64_STANDARD.encode(key).into());
}

fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    CertificateDer::pem_slice_iter(pem)
        .map(|certificate| certificate.map(|certificate| certificate.to_vec()))
        .collect::<Result<_, _>>()
        .map_err(|_| "certificate-authority: has a block that is no PEM; give the certificates alone".to_owned())
}

/// One file's document; nothing is said if it does not exist.
fn read(file: &Path) -> Result<Value, Option<String>> {
    let bytes = file::read(file, MAX_BYTES).map_err(|error| {
        (error.kind() != io::ErrorKind::NotFound).then(|| format!("cannot be read: {}", chain(&error)))
    })?;
    let text = std::str::from_utf8(&bytes).map_err(|_| Some("cannot be read: it is not text".to_owned()))?;
    Ok(documents(text).map_err(Some)?.into_iter().next().unwrap_or_default())
}

/// Adds what is not there yet.
fn merge(merged: &mut Map<String, Value>, document: Value, file: &Path) {
    let Value::Object(fields) = document else {
        // The reader says what it is not.
        if !document.is_null() {
            merged.insert("kind".to_owned(), json!("another"));
        }
        return;
    };
    for (name, value) in fields {
        match value {
            Value::Array(entries) if matches!(name.as_str(), "clusters" | "contexts" | "users") => {
                let known = merged.entry(name).or_insert_with(|| json!([]));
                let Some(known) = known.as_array_mut() else { continue };
                for mut entry in entries {
                    if known.iter().any(|other| other.get("name") == entry.get("name")) {
                        continue;
                    }
                    anchor(&mut entry, file);
                    known.push(entry);
                }
            }
            Value::Null => {}
            Value::String(text) if text.is_empty() => {}
            value => {
                merged.entry(name).or_insert(value);
            }
        }
    }
}

/// Makes an entry's paths independent of the folder that it is read in.
fn anchor(entry: &mut Value, file: &Path) {
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    for kind in ["cluster", "user"] {
        let Some(fields) = entry.get_mut(kind).and_then(Value::as_object_mut) else { continue };
        for name in PATHS {
            let Some(Value::String(path)) = fields.get_mut(name) else { continue };
            if let Some(whole) = absolute(folder.join(&*path)).ok().filter(|_| !path.is_empty()) {
                *path = whole.display().to_string();
            }
        }
    }
}

/// The folder that a plugin's relative path starts from.
fn folder_of(files: &[PathBuf]) -> &Path {
    files.first().and_then(|file| file.parent()).unwrap_or_else(|| Path::new(""))
}

/// The index of the `cluster` or `user` that the current context asks for.
fn chosen(merged: &Map<String, Value>, kind: &str) -> Option<usize> {
    let entries = |list: &str| merged.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let name_of = |entry: &Value| entry.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let context = merged.get("current-context").and_then(Value::as_str).unwrap_or_default();
    let context = entries("contexts").iter().find(|entry| name_of(entry) == context)?;
    let name = context.pointer(&format!("/context/{kind}")).and_then(Value::as_str).unwrap_or_default();
    entries(&format!("{kind}s")).iter().position(|entry| name_of(entry) == name)
}

/// What the chosen cluster's entry has for plugins.
fn extension(merged: &Map<String, Value>) -> Value {
    const NAME: &str = "client.authentication.k8s.io/exec";
    let cluster = chosen(merged, "cluster").and_then(|index| merged.get("clusters")?.get(index));
    let extensions = cluster.and_then(|cluster| cluster.pointer("/cluster/extensions")?.as_array());
    let ours = extensions.and_then(|list| list.iter().find(|entry| entry.get("name").is_some_and(|name| name == NAME)));
    ours.and_then(|entry| entry.get("extension")).cloned().unwrap_or_default()
}

fn fields_of_user(merged: &mut Map<String, Value>, index: usize) -> Option<&mut Map<String, Value>> {
    merged.get_mut("users")?.get_mut(index)?.get_mut("user")?.as_object_mut()
}

/// Whom to act as; or the field that has a value of the wrong type.
fn acting(mut fields: Map<String, Value>) -> Result<AuthInfo, &'static str> {
    fn field<T: for<'a> Deserialize<'a>>(
        fields: &mut Map<String, Value>,
        name: &'static str,
    ) -> Result<Option<T>, &'static str> {
        fields.remove(name).map(|value| serde_json::from_value(value).map_err(|_| name)).transpose()
    }
    let [user, uid, groups, extra] = ACTING;
    Ok(AuthInfo {
        impersonate: field(&mut fields, user)?,
        impersonate_uid: field(&mut fields, uid)?,
        impersonate_groups: field(&mut fields, groups)?,
        impersonate_user_extra: field(&mut fields, extra)?,
        ..AuthInfo::default()
    })
}
