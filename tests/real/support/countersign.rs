//! The program under test: its configuration files, its process, and both its listeners.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};

use super::files::{MountedSecret, replace};
use super::process::Process;
use super::reviewer::Reviewer;
use super::rig::{Rig, free_port};
use super::service::Endpoint;
use super::wait::{SOON, eventually};
use super::{http, kubeconfig};

/// An entry of the AuthenticationConfiguration. Names and groups get `prefix`.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) url: String,
    pub(crate) authority: String,
    pub(crate) audiences: Vec<String>,
    pub(crate) prefix: String,
}

/// What differs from test to test.
#[derive(Default)]
pub(crate) struct Settings {
    /// The identity providers.
    pub(crate) issuers: Vec<Issuer>,
    /// Keeps keys across restarts.
    pub(crate) state_directory: bool,
}

/// One running replica.
pub(crate) struct Countersign {
    /// Posts reviews as kube-apiserver does.
    pub(crate) reviewer: Reviewer,
    name: String,
    port: u16,
    admin: String,
    folder: PathBuf,
    configuration: PathBuf,
    authentication: PathBuf,
    tls: MountedSecret,
    plain: reqwest::Client,
    process: Process,
}

impl Countersign {
    /// Writes the configuration, starts the program and waits until it can verify tokens of every issuer.
    pub(crate) async fn start(rig: &Rig, settings: &Settings) -> Self {
        let mut countersign = Self::launch(rig, "countersign", settings).await;
        countersign.ready().await;
        countersign
    }

    /// Writes the configuration, starts the program and waits only until it is alive.
    pub(crate) async fn launch(rig: &Rig, name: &str, settings: &Settings) -> Self {
        let (port, admin_port) = (free_port(), free_port());
        let url = format!("https://127.0.0.1:{port}");
        let authentication = rig.folder().join(format!("{name}-authentication.yaml"));
        std::fs::write(&authentication, authentication_configuration(&settings.issuers)).unwrap();
        let (certificate, key) = rig.servers.server_pem(name);
        let files = [("tls.crt", certificate.as_str()), ("tls.key", &key)];
        let tls = MountedSecret::new(rig.folder().join(format!("{name}-tls")), &files);
        let configuration = rig.folder().join(format!("{name}.yaml"));
        std::fs::write(&configuration, service_configuration(rig, name, settings, port, admin_port)).unwrap();

        let mut countersign = Self {
            name: name.to_owned(),
            port,
            admin: format!("http://127.0.0.1:{admin_port}"),
            folder: rig.folder().to_owned(),
            process: start_process(rig.folder(), name, &configuration),
            configuration,
            authentication,
            tls,
            reviewer: Reviewer::new(&url, http::client(&rig.servers, Some(&rig.caller))),
            plain: http::client(&rig.servers, None),
        };
        countersign.alive().await;
        countersign
    }

    /// Starts the same replica again, with the same configuration, after it has ended.
    pub(crate) async fn relaunch(&mut self) {
        self.process = start_process(&self.folder, &self.name, &self.configuration);
        self.alive().await;
    }

    /// Waits until `/readyz` says yes.
    pub(crate) async fn ready(&mut self) {
        eventually("countersign is ready", SOON, async || {
            self.process.assert_running();
            match self.readiness().await {
                Ok((true, _)) => Ok(()),
                Ok((false, text)) | Err(text) => Err(text),
            }
        })
        .await;
    }

    /// What `/readyz?verbose` says, and whether it is a yes.
    pub(crate) async fn readiness(&self) -> Result<(bool, String), String> {
        let answer = self.plain.get(format!("{}/readyz?verbose", self.admin)).send().await;
        let answer = answer.map_err(|error| format!("{error:?}"))?;
        let ready = answer.status().is_success();
        Ok((ready, answer.text().await.map_err(|error| format!("{error:?}"))?))
    }

    /// How many reviews it has decided, as it counts them.
    pub(crate) async fn reviews(&self) -> u64 {
        self.metric("countersign_reviews_total", "").await
    }

    /// How many changed files it has refused to take over.
    pub(crate) async fn failed_reloads(&self) -> u64 {
        self.metric("countersign_reloads_total", r#"result="failure""#).await
    }

    /// The sum of all samples of a counter that have `label`.
    async fn metric(&self, name: &str, label: &str) -> u64 {
        let text = self.plain.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap();
        let samples =
            text.lines().filter_map(|line| line.strip_prefix(name)).filter(|rest| rest.starts_with(['{', ' ']));
        samples
            .filter(|rest| rest.contains(label))
            .map(|rest| rest.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Where its metrics are, as HOST:PORT.
    pub(crate) fn metrics(&self) -> &str {
        self.admin.trim_start_matches("http://")
    }

    /// Requests that are turned away: one that is no review, by a caller who is let in, and a handshake of a stranger.
    pub(crate) async fn turns_away(&self, rig: &Rig) {
        let caller = http::client(&rig.servers, Some(&rig.caller));
        let answer = caller.post(format!("{}/authenticate", self.url())).body("{").send().await.unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
        let stranger = self.plain.post(format!("{}/authenticate", self.url())).body("{").send().await;
        assert!(stranger.is_err() || stranger.is_ok_and(|answer| answer.status().is_client_error()));
    }

    /// The configuration file.
    pub(crate) fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// A kubeconfig for `--authentication-token-webhook-config-file`.
    pub(crate) fn webhook(&self, rig: &Rig) -> PathBuf {
        webhook(rig, self.port)
    }

    /// A kubeconfig for a component that posts to the path of the Kubernetes API.
    pub(crate) fn api_path(&self, rig: &Rig) -> PathBuf {
        kubeconfig::write(rig, "delegate", &self.url(), &rig.servers, Some(&rig.callers.client("delegate", None)))
    }

    /// Puts another AuthenticationConfiguration in the place of the one that is followed.
    pub(crate) fn replace_issuers(&self, issuers: &[Issuer]) {
        self.replace_authentication(&authentication_configuration(issuers));
    }

    /// Puts anything at all in the place of the AuthenticationConfiguration.
    pub(crate) fn replace_authentication(&self, contents: &str) {
        replace(&self.authentication, contents);
    }

    /// Puts another text in the place of one that occurs in the configuration file.
    pub(crate) fn edit_configuration(&self, old: &str, new: &str) {
        let before = std::fs::read_to_string(&self.configuration).unwrap();
        let after = before.replace(old, new);
        assert_ne!(before, after, "{old:?} is not in the configuration");
        replace(&self.configuration, &after);
    }

    /// Puts a new serving certificate and key in the place of those that are followed.
    pub(crate) fn renew_certificate(&self, rig: &Rig) {
        let (certificate, key) = rig.servers.server_pem(&self.name);
        self.tls.update(&[("tls.crt", &certificate), ("tls.key", &key)]);
    }

    pub(crate) fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Waits for the process to end.
    pub(crate) async fn ended(&mut self, limit: Duration) -> ExitStatus {
        self.process.ended(limit).await
    }

    /// What the process has logged so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// This replica as one of a [`Service`](super::Service)'s.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { port: self.port, readiness: format!("{}/readyz", self.admin) }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The same reviews over HTTP/1.1.
    pub(crate) fn http1_reviewer(&self, rig: &Rig) -> Reviewer {
        Reviewer::new(&self.url(), http::http1_client(&rig.servers, Some(&rig.caller)))
    }

    /// The certificate that a new connection is shown.
    pub(crate) async fn served_certificate(&self, rig: &Rig) -> Vec<u8> {
        http::served_certificate(&rig.servers, &rig.caller, self.port).await
    }

    async fn alive(&mut self) {
        let url = format!("{}/livez", self.admin);
        eventually("countersign is alive", SOON, async || {
            self.process.assert_running();
            let answer = self.plain.get(&url).send().await.and_then(reqwest::Response::error_for_status);
            answer.map(drop).map_err(|error| format!("{error:?}"))
        })
        .await;
    }
}

/// A kubeconfig for `--authentication-token-webhook-config-file` that asks whatever listens on `port`.
pub(crate) fn webhook(rig: &Rig, port: u16) -> PathBuf {
    let url = format!("https://127.0.0.1:{port}/authenticate");
    kubeconfig::render(rig, "webhook", &url, &rig.servers, &rig.caller)
}

fn start_process(folder: &Path, name: &str, configuration: &Path) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["serve", "--config"]).arg(configuration);
    Process::start(name, folder, &command)
}

fn service_configuration(rig: &Rig, name: &str, settings: &Settings, port: u16, admin_port: u16) -> String {
    let mut text = format!(
        "apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
server:
  address: 127.0.0.1:{port}
  tls:
    certificateFile: {name}-tls/tls.crt
    privateKeyFile: {name}-tls/tls.key
  callers:
    clientCertificateAuthorityFile: {callers}
admin:
  address: 127.0.0.1:{admin_port}
authenticationConfigurationFile: {name}-authentication.yaml
",
        callers = rig.callers.file.display(),
    );
    if !settings.issuers.is_empty() {
        text += "issuers:\n";
    }
    for issuer in &settings.issuers {
        text += &format!("- url: {}\n  keys: {{refreshInterval: {REFRESH_INTERVAL}}}\n", issuer.url);
    }
    if settings.state_directory {
        let directory = rig.folder().join(format!("{name}-state"));
        std::fs::create_dir_all(&directory).unwrap();
        text += &format!("stateDirectory: {}\n", directory.display());
    }
    text
}

/// Short, so that a provider's outage is noticed while a test waits.
const REFRESH_INTERVAL: &str = "5s";

fn authentication_configuration(issuers: &[Issuer]) -> String {
    let jwt: Vec<Value> = issuers
        .iter()
        .map(|issuer| {
            json!({
                "issuer": {
                    "url": issuer.url,
                    "certificateAuthority": issuer.authority,
                    "audiences": issuer.audiences,
                    "audienceMatchPolicy": if issuer.audiences.len() > 1 { "MatchAny" } else { "" },
                },
                "claimMappings": {
                    "username": {"claim": "sub", "prefix": issuer.prefix},
                    "groups": {"claim": "groups", "prefix": issuer.prefix},
                },
            })
        })
        .collect();
    let configuration =
        json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt});
    // JSON is YAML.
    format!("{configuration:#}\n")
}
