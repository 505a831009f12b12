//! A component that delegates its authentication: client-go's typed client, as `tests/real/kube/delegate` uses it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::component;

/// Posts one TokenReview through a kubeconfig and returns the answer, or the client's error.
pub(crate) async fn delegate(kubeconfig: &Path, flags: &[String], token: &str) -> Result<Value, String> {
    let mut command = Command::new(component("DELEGATE"));
    command.arg("-kubeconfig").arg(kubeconfig).args(flags);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let token = token.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(token.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    })
    .await
    .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
