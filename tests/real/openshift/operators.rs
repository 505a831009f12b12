//! What OpenShift's operators would do, as far as it is seen in the API: the authentication operator takes its reference
//! back, the operator of kube-apiserver makes a revision of every change and rolls it out, one node after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::interval;

use crate::support::Kubectl;

const INTEGRATED: &str = "webhook-authentication-integrated-oauth";

/// The operators of one cluster. They end with the test.
pub(super) struct Operators {
    fails: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Operators {
    /// Sets the cluster up with the integrated OAuth server in force, and begins to look after it.
    pub(super) async fn start(kubectl: Kubectl) -> Self {
        let authentication = json!({
            "apiVersion": "config.openshift.io/v1",
            "kind": "Authentication",
            "metadata": {"name": "cluster"},
            "spec": {"type": "IntegratedOAuth"},
        });
        apply(&kubectl, &authentication, "cluster-bootstrap").await;
        let mut state = State { kubectl, revision: 7, observed: Value::Null };
        state.take_reference_back(&json!({"spec": {"type": "IntegratedOAuth"}})).await;
        state.observed = state.observe().await;
        state.report(&[7, 7], None).await;
        let fails = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn(state.look_after(Arc::clone(&fails)));
        Self { fails, task }
    }

    /// From now on no new revision starts on any node.
    pub(super) fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }

    /// From now on nobody looks after the cluster.
    pub(super) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct State {
    kubectl: Kubectl,
    revision: i64,
    observed: Value,
}

impl State {
    async fn look_after(mut self, fails: Arc<AtomicBool>) {
        let mut ticks = interval(Duration::from_millis(300));
        loop {
            ticks.tick().await;
            let authentication = get(&self.kubectl, &["authentication", "cluster"]).await;
            self.take_reference_back(&authentication).await;
            let observed = self.observe().await;
            if observed == self.observed {
                continue;
            }
            self.observed = observed;
            self.revision += 1;
            if fails.load(Ordering::Relaxed) {
                self.report(&[self.revision - 1; 2], Some(self.revision)).await;
                continue;
            }
            self.report(&[self.revision - 1, self.revision - 1], None).await;
            self.report(&[self.revision, self.revision - 1], None).await;
            self.report(&[self.revision, self.revision], None).await;
        }
    }

    /// With the type IntegratedOAuth the reference is the authentication operator's.
    async fn take_reference_back(&self, authentication: &Value) {
        let is = |path: &str| authentication.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let name = is("/spec/webhookTokenAuthenticator/kubeConfig/name");
        if matches!(is("/spec/type"), "" | "IntegratedOAuth") && name != INTEGRATED {
            let patch =
                json!({"spec": {"webhookTokenAuthenticator": {"kubeConfig": {"name": INTEGRATED}}}}).to_string();
            let arguments = ["patch", "authentication", "cluster", "--type=merge", "--patch", &patch];
            self.kubectl.admin(&[&arguments[..], &["--field-manager=authentication-operator"]].concat()).await;
        }
    }

    /// What makes a revision: the reference, the metadata, and the secret's bytes.
    async fn observe(&self) -> Value {
        let authentication = get(&self.kubectl, &["authentication", "cluster"]).await;
        let spec = &authentication["spec"];
        let secret = spec["webhookTokenAuthenticator"]["kubeConfig"]["name"].as_str().unwrap_or_default();
        let secret = get(&self.kubectl, &["secret", secret, "--namespace=openshift-config"]).await;
        json!([spec["webhookTokenAuthenticator"], spec["oauthMetadata"], secret["data"]])
    }

    async fn report(&self, nodes: &[i64], failed: Option<i64>) {
        let nodes: Vec<Value> = nodes
            .iter()
            .enumerate()
            .map(|(index, current)| {
                let mut node = json!({"nodeName": format!("master-{index}"), "currentRevision": current});
                if let Some(failed) = failed {
                    node["lastFailedRevision"] = failed.into();
                    node["lastFailedReason"] = "InstallerFailed".into();
                }
                node
            })
            .collect();
        let is_done = nodes.iter().all(|node| node["currentRevision"] == self.revision);
        let progressing = json!([{"type": "NodeInstallerProgressing", "status": if is_done { "False" } else { "True" },
            "lastTransitionTime": soon()}]);
        let status =
            json!({"latestAvailableRevision": self.revision, "nodeStatuses": nodes, "conditions": progressing});
        let patch = json!({ "status": status }).to_string();
        let arguments =
            ["patch", "kubeapiserver", "cluster", "--subresource=status", "--type=merge", "--patch", &patch];
        self.kubectl.admin(&arguments).await;
    }
}

/// A little later than now: times have whole seconds, and a real rollout takes minutes.
fn soon() -> String {
    let output = std::process::Command::new("date").args(["-u", "-d", "2 seconds", "+%FT%TZ"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn get(kubectl: &Kubectl, what: &[&str]) -> Value {
    let text = kubectl.admin(&[&["get"], what, &["--ignore-not-found", "--output=json"]].concat()).await;
    serde_json::from_str(&text).unwrap_or_default()
}

/// Makes an object under a field manager's name.
pub(super) async fn apply(kubectl: &Kubectl, object: &Value, manager: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("object.json");
    std::fs::write(&file, object.to_string()).unwrap();
    let manager = format!("--field-manager={manager}");
    kubectl.admin(&["apply", "--server-side", &manager, "-f", file.to_str().unwrap()]).await;
}
