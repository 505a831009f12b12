//! The administrator's kubeconfig, looked at before the kube crate gets it.
//!
//! The crate's errors quote lines of the file, a plugin's environment and its output, and it panics at tokens that no header
//! can carry and at servers without a scheme. Nothing of that may happen here: the texts are ours, and name no value.

use std::env;
use std::path::{Path, PathBuf};

use kube::client::AuthError;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::{CONNECT, ClusterError};

/// Tokens of OpenShift's integrated OAuth server begin with this.
const INTEGRATED_TOKEN: &str = "sha256~";

/// A client, and what is known of it.
pub(super) struct Access {
    pub(super) client: Client,
    pub(super) server: String,
    pub(super) has_integrated_token: bool,
}

/// Prepares a client by a kubeconfig file, or as kubectl does without one.
pub(super) async fn prepare(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Access, ClusterError> {
    let from = kubeconfig.map_or_else(|| "the default kubeconfig".to_owned(), |path| path.display().to_string());
    let fail = |problem: String| ClusterError::Kubeconfig { from: from.clone(), problem };
    for path in kubeconfig.map_or_else(default_files, |path| vec![path.to_owned()]) {
        readable(&path).map_err(|problem| ClusterError::Kubeconfig { from: path.display().to_string(), problem })?;
    }
    let file =
        kubeconfig.map_or_else(Kubeconfig::read, Kubeconfig::read_from).map_err(|error| fail(about_file(&error)))?;
    let options = KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
    let mut config = Config::from_custom_kubeconfig(file, &options).await.map_err(|error| fail(about_file(&error)))?;
    config.connect_timeout = Some(CONNECT);
    let url = &config.cluster_url;
    let (Some(scheme), Some(host)) = (url.scheme_str(), url.host()) else {
        return Err(fail("the server is no URL; write https://HOST:PORT".to_owned()));
    };
    let port = url.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    let server = format!("{scheme}://{host}{port}{}", url.path());
    if config.auth_info.token.as_ref().is_some_and(|token| token.expose_secret().chars().any(|c| c.is_ascii_control()))
    {
        return Err(fail("the token has a line break, or another character that no HTTP header can carry".to_owned()));
    }
    let has_integrated_token = has_integrated_token(&config.auth_info);
    let client = Client::try_from(config).map_err(|error| fail(about_client(&error)))?;
    Ok(Access { client, server, has_integrated_token })
}

/// Those that are there of the files that kubectl reads without being told.
fn default_files() -> Vec<PathBuf> {
    let named = env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let files = match &named {
        Some(list) => env::split_paths(list).collect(),
        None => env::var_os("HOME").map(|home| Path::new(&home).join(".kube/config")).into_iter().collect::<Vec<_>>(),
    };
    files.into_iter().filter(|path| path.exists()).collect()
}

/// Whether a file is YAML of the right form. The crate's own text would quote it.
fn readable(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let document: Value = serde_saphyr::from_str(&text).map_err(|error| {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        format!("is not YAML (line {line}, column {column})")
    })?;
    if document.is_object() { Ok(()) } else { Err("is not a kubeconfig".to_owned()) }
}

fn about_file(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::CurrentContextNotSet => "there is no current context; give --context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("there is no context {name:?}"),
        KubeconfigError::LoadClusterOfContext(name) => format!("there is no cluster {name:?}"),
        KubeconfigError::FindPath => {
            "no kubeconfig is given, and there is no home folder; give --kubeconfig".to_owned()
        }
        KubeconfigError::ReadConfig(cause, path) => format!("{} cannot be read: {cause}", path.display()),
        KubeconfigError::Parse(_) => "it is not a kubeconfig: a field has a value of a wrong type".to_owned(),
        KubeconfigError::MissingClusterUrl => "the cluster has no server".to_owned(),
        KubeconfigError::ParseClusterUrl(_) => "the server is no URL; write https://HOST:PORT".to_owned(),
        KubeconfigError::ParseProxyUrl(_) => "proxy-url is no URL".to_owned(),
        KubeconfigError::LoadCertificateAuthority(_) => "the certificate authority cannot be loaded".to_owned(),
        KubeconfigError::LoadClientCertificate(_) => "the client certificate cannot be loaded".to_owned(),
        KubeconfigError::LoadClientKey(_) => "the client key cannot be loaded".to_owned(),
        _ => "it, or a file that it names, has not the right form".to_owned(),
    }
}

/// What the crate says of a client or of an exchange, without what it quotes.
pub(super) fn about_client(error: &kube::Error) -> String {
    let kube::Error::Auth(cause) = error else { return crate::outbound::chain(error) };
    match cause {
        AuthError::AuthExecStart(cause) => format!("the credential plugin cannot be started: {cause}"),
        AuthError::AuthExecRun { out, .. } => format!("the credential plugin failed ({}); run it by hand", out.status),
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => {
            "the credential plugin's output is no ExecCredential; run it by hand".to_owned()
        }
        AuthError::ReadTokenFile(cause, path) => format!("{} cannot be read: {cause}", path.display()),
        _ => "the user's credential cannot be used".to_owned(),
    }
}

/// Whether it is a token of the integrated OAuth server. What a plugin gives is known only when it is used.
fn has_integrated_token(credential: &AuthInfo) -> bool {
    let in_file = || std::fs::read_to_string(credential.token_file.as_ref()?).ok();
    credential.token.as_ref().is_some_and(|token| token.expose_secret().starts_with(INTEGRATED_TOKEN))
        || in_file().is_some_and(|token| token.trim().starts_with(INTEGRATED_TOKEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn refusal(cluster: &str, user: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: it\ncontexts: [{{name: it, context: {{cluster: it, user: it}}}}]\n\
             clusters:\n- name: it\n  cluster: {cluster}\nusers:\n- name: it\n  user:\n    {user}\n"
        );
        std::fs::write(&file, text).unwrap();
        match prepare(Some(&file), None).await {
            Ok(access) => format!("{} {}", access.server, access.has_integrated_token),
            Err(error) => crate::outbound::chain(&error).replace(&file.display().to_string(), "FILE"),
        }
    }

    const SERVER: &str = "{server: 'https://127.0.0.1:1'}";

    #[tokio::test]
    async fn no_error_quotes_a_credential() {
        const UNUSABLE: &str = "FILE: cannot be used to reach a cluster: ";
        for (cluster, user, problem) in [
            (SERVER, "token: \"SECRET", "is not YAML (line 1"),
            (SERVER, "token: SECRET: x", "is not YAML (line 1"),
            (SERVER, "token: [SECRET]", "it is not a kubeconfig: a field has a value of a wrong type"),
            (
                SERVER,
                "token: \"SECRET\\n\"",
                "the token has a line break, or another character that no HTTP header can carry",
            ),
            (
                SERVER,
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: 'false', args: [SECRET], env: [{name: X, value: SECRET}]}",
                "the credential plugin failed (exit status: 1); run it by hand",
            ),
            (
                SERVER,
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: echo, args: [SECRET]}",
                "the credential plugin's output is no ExecCredential; run it by hand",
            ),
            ("{server: '127.0.0.1:1'}", "token: SECRET", "the server is no URL; write https://HOST:PORT"),
        ] {
            let said = refusal(cluster, user).await;
            assert!(said.starts_with(&format!("{UNUSABLE}{problem}")) && !said.contains("SECRET"), "{user}: {said}");
        }
        assert_eq!(
            refusal("{server: 'https://u:SECRET@127.0.0.1:1/a'}", "token: SECRET").await,
            "https://127.0.0.1:1/a false"
        );
    }

    #[tokio::test]
    async fn tokens_of_the_integrated_server_are_known_inline_and_in_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "sha256~abc\n").unwrap();
        assert_eq!(refusal(SERVER, "token: sha256~abc").await, "https://127.0.0.1:1/ true");
        assert_eq!(
            refusal(SERVER, &format!("tokenFile: {}", file.path().display())).await,
            "https://127.0.0.1:1/ true"
        );
    }
}
