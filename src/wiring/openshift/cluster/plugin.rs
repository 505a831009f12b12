//! A credential plugin (`exec`), run as kubectl runs it. Nothing of its command line, its environment or its output is ever
//! repeated: each may have a credential in it.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::token::BearerToken;
use crate::wiring::kubeconfig::Connection;

/// Far more than a token or a certificate with its key has.
const MAX_OUTPUT: u64 = 1024 * 1024;

/// What a plugin gives: one of the two, or both.
#[derive(Default)]
pub(super) struct Credential {
    /// A client certificate chain and its key, in PEM.
    pub(super) certificate: Option<(String, Zeroizing<String>)>,
    /// A bearer token.
    pub(super) token: Option<BearerToken>,
}

/// How to run it.
pub(super) struct Plugin {
    command: PathBuf,
    arguments: Vec<String>,
    environment: Vec<Variable>,
    api_version: String,
    is_interactive: bool,
    cluster: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(default)]
    api_version: Option<String>,
    #[serde(default)]
    command: Option<String>,
    #[serde(default)]
    args: Option<Vec<String>>,
    #[serde(default)]
    env: Option<Vec<Variable>>,
    #[serde(default)]
    interactive_mode: Option<String>,
    #[serde(default)]
    provide_cluster_info: Option<bool>,
}

#[derive(Deserialize)]
struct Variable {
    name: String,
    value: String,
}

impl Plugin {
    /// Reads a user's `exec`. `extension` is what the cluster's entry has for plugins. The error says what is wrong, after the
    /// field's path.
    pub(super) fn read(exec: Value, connection: &Connection, extension: Value, folder: &Path) -> Result<Self, String> {
        let entry: Entry = serde_path_to_error::deserialize(exec)
            .map_err(|error| format!(".{}: is missing, or has a value of the wrong type", error.path()))?;
        let command = entry.command.filter(|command| !command.is_empty());
        let command = command.ok_or(".command: is missing; name the plugin")?;
        let is_path = command.contains('/') && !Path::new(&command).is_absolute();
        let command = if is_path { folder.join(command) } else { PathBuf::from(command) };
        let may_ask = entry.interactive_mode.as_deref() != Some("Never");
        Ok(Self {
            command,
            arguments: entry.args.unwrap_or_default(),
            environment: entry.env.unwrap_or_default(),
            api_version: entry.api_version.unwrap_or_default(),
            is_interactive: may_ask && io::stdin().is_terminal(),
            cluster: entry.provide_cluster_info.filter(|provide| *provide).map(|_| cluster(connection, extension)),
        })
    }

    /// Runs it to its end; nothing else goes on meanwhile. The error says what is wrong, after the field's path.
    pub(super) fn run(&self) -> Result<Credential, String> {
        let output = self.output().map_err(|error| format!(".command: cannot be run: {error}"))?;
        let output = output.ok_or(": the plugin failed; run it by hand to see why")?;
        let wrong = || ": the plugin's answer is no ExecCredential of the version that was asked for".to_owned();
        let answer: Value = serde_json::from_str(&output).map_err(|_| wrong())?;
        let text = |pointer: &str| answer.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("/kind") != Some("ExecCredential") || text("/apiVersion") != Some(&self.api_version) {
            return Err(wrong());
        }
        let token = text("/status/token").map(BearerToken::from);
        let certificate = text("/status/clientCertificateData").zip(text("/status/clientKeyData"));
        let certificate = certificate.map(|(chain, key)| (chain.to_owned(), Zeroizing::new(key.to_owned())));
        if token.is_none() && certificate.is_none() {
            return Err(": the plugin's answer has neither a token nor a certificate with its key".to_owned());
        }
        Ok(Credential { certificate, token })
    }

    /// Its standard output; nothing if it failed. Standard error is the terminal's, as with kubectl: people are asked there.
    fn output(&self) -> io::Result<Option<Zeroizing<String>>> {
        let asked = json!({
            "apiVersion": self.api_version,
            "kind": "ExecCredential",
            "spec": {"interactive": self.is_interactive, "cluster": self.cluster},
        });
        let mut child = Command::new(&self.command)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|Variable { name, value }| (name, value)))
            .env("KUBERNETES_EXEC_INFO", asked.to_string())
            .stdin(if self.is_interactive { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .spawn()?;
        let mut text = Zeroizing::new(String::new());
        let read = child.stdout.take().map(|output| output.take(MAX_OUTPUT).read_to_string(&mut text));
        // What writes more than is read is ended by that.
        let ended = child.wait()?;
        Ok((ended.success() && matches!(read, Some(Ok(_)))).then_some(text))
    }
}

/// What `provideClusterInfo` asks for.
fn cluster(connection: &Connection, extension: Value) -> Value {
    json!({
        "config": extension,
        "server": connection.server.as_str(),
        "tls-server-name": connection.tls_server_name,
        "insecure-skip-tls-verify": connection.insecure,
        "certificate-authority-data": connection.authority_pem.as_ref().map(|pem| BASE64_STANDARD.encode(pem)),
        "proxy-url": connection.proxy.as_ref().map(url::Url::as_str),
    })
}
