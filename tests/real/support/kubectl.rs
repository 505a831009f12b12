//! kubectl, as a user with a bearer token or as the cluster's administrator.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::pki::Pair;
use super::rig::Rig;
use super::user::{Run, finish};
use super::{component, kubeconfig};

/// kubectl for one cluster.
#[derive(Clone)]
pub(crate) struct Kubectl {
    user: PathBuf,
    admin: PathBuf,
    home: PathBuf,
    server: String,
    authority: String,
}

impl Kubectl {
    pub(crate) fn new(rig: &Rig, url: &str, administrator: &Pair) -> Self {
        let home = rig.folder().join("home");
        std::fs::create_dir_all(&home).unwrap();
        Self {
            user: kubeconfig::write(rig, "user", url, &rig.servers, None),
            admin: kubeconfig::write(rig, "admin", url, &rig.servers, Some(administrator)),
            home,
            server: url.to_owned(),
            authority: rig.servers.pem(),
        }
    }

    /// Runs kubectl with a bearer token and nothing else.
    pub(crate) async fn run(&self, token: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = self.command(&self.user, arguments);
        command.arg(format!("--token={token}"));
        run(command).await
    }

    /// Runs kubectl as a user whose token comes from an exec credential plugin.
    pub(crate) async fn run_with_plugin(&self, plugin: &Value, arguments: &[&str]) -> Result<String, String> {
        run(self.command(&self.kubeconfig_with_plugin(plugin, None), arguments)).await
    }

    /// The same, with all that it leaves behind.
    pub(crate) async fn with_plugin(&self, plugin: &Value, arguments: &[&str]) -> Run {
        self.run_file(&self.kubeconfig_with_plugin(plugin, None), arguments).await
    }

    /// The same at a terminal, whose both outputs are one.
    pub(crate) async fn with_plugin_at_terminal(&self, plugin: &Value, arguments: &[&str]) -> Run {
        let plain = self.command(&self.kubeconfig_with_plugin(plugin, None), arguments);
        let words = std::iter::once(plain.get_program()).chain(plain.get_args());
        let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut command = Command::new(component("SCRIPT"));
        command.args(["--quiet", "--return", "--command", &line.join(" "), "/dev/null"]);
        command.env("HOME", &self.home).env_remove("KUBECONFIG").stdin(Stdio::null());
        finish(command).await
    }

    /// Runs kubectl with a kubeconfig.
    pub(crate) async fn run_file(&self, kubeconfig: &Path, arguments: &[&str]) -> Run {
        finish(self.command(kubeconfig, arguments)).await
    }

    /// A kubeconfig whose user's token comes from an exec credential plugin, to which the cluster's extension says this.
    pub(crate) fn kubeconfig_with_plugin(&self, plugin: &Value, extension: Option<&Value>) -> PathBuf {
        let text = std::fs::read_to_string(&self.user).unwrap();
        let text = text.replace("user: {}}", &format!("user: {{exec: {plugin}}}}}"));
        let text = match extension {
            Some(extension) => {
                let list = json!([{"name": "client.authentication.k8s.io/exec", "extension": extension}]);
                text.replace("cluster: {server:", &format!("cluster: {{extensions: {list}, server:"))
            }
            None => text,
        };
        let file = self.user.with_file_name("plugin.kubeconfig");
        std::fs::write(&file, text).unwrap();
        file
    }

    /// What kubectl would tell a plugin that is told about the cluster.
    pub(crate) fn exec_info(&self) -> Value {
        let authority = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &self.authority);
        json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "spec": {"interactive": false,
            "cluster": {"server": self.server, "certificate-authority-data": authority}}})
    }

    /// The API server's address.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The home of its users.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// Who the API server says the bearer of a token is: the `userInfo` of `kubectl auth whoami`.
    pub(crate) async fn whoami(&self, token: &str) -> Result<Value, String> {
        let output = self.run(token, &["auth", "whoami", "--output=json"]).await?;
        let review: Value = serde_json::from_str(&output).unwrap();
        Ok(review["status"]["userInfo"].clone())
    }

    /// Runs kubectl as the cluster's administrator, who has a client certificate; it must succeed.
    pub(crate) async fn admin(&self, arguments: &[&str]) -> String {
        let answer = self.try_admin(arguments).await;
        answer.unwrap_or_else(|error| panic!("kubectl {arguments:?} as the administrator: {error}"))
    }

    /// The same, when failing is an answer too.
    pub(crate) async fn try_admin(&self, arguments: &[&str]) -> Result<String, String> {
        run(self.command(&self.admin, arguments)).await
    }

    /// The administrator's kubeconfig file.
    pub(crate) fn admin_kubeconfig(&self) -> &Path {
        &self.admin
    }

    fn command(&self, kubeconfig: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(component("KUBECTL"));
        command.args(arguments).arg("--request-timeout=40s").arg("--kubeconfig").arg(kubeconfig);
        command.env("HOME", &self.home).env_remove("KUBECONFIG").stdin(Stdio::null());
        command
    }
}

/// What kubectl printed; as an error, when it failed.
async fn run(mut command: Command) -> Result<String, String> {
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
