//! kubectl, as a user with a bearer token or as the cluster's administrator.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::pki::Pair;
use super::rig::Rig;
use super::{component, kubeconfig};

/// kubectl for one cluster.
#[derive(Clone)]
pub(crate) struct Kubectl {
    user: PathBuf,
    admin: PathBuf,
    home: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(rig: &Rig, url: &str, administrator: &Pair) -> Self {
        let home = rig.folder().join("home");
        std::fs::create_dir_all(&home).unwrap();
        Self {
            user: kubeconfig::write(rig, "user", url, &rig.servers, None),
            admin: kubeconfig::write(rig, "admin", url, &rig.servers, Some(administrator)),
            home,
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
        let text = std::fs::read_to_string(&self.user).unwrap();
        let file = self.user.with_file_name("plugin.kubeconfig");
        std::fs::write(&file, text.replace("user: {}}", &format!("user: {{exec: {plugin}}}}}"))).unwrap();
        run(self.command(&file, arguments)).await
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
