//! Kubeconfig files.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::pki::{Authority, Pair};
use super::rig::Rig;

/// Writes `<name>.kubeconfig`: where `server` is, who is trusted to be it, and the certificate to show there, if any.
pub(crate) fn write(rig: &Rig, name: &str, server: &str, authority: &Authority, identity: Option<&Pair>) -> PathBuf {
    let file = rig.folder().join(format!("{name}.kubeconfig"));
    let authority = display(&authority.file);
    let user = identity.map_or_else(
        || "{}".to_owned(),
        |pair| format!("{{client-certificate: {}, client-key: {}}}", display(&pair.certificate), display(&pair.key)),
    );
    let contents = format!(
        "apiVersion: v1
kind: Config
current-context: it
contexts: [{{name: it, context: {{cluster: it, user: it}}}}]
clusters: [{{name: it, cluster: {{server: '{server}', certificate-authority: {authority}}}}}]
users: [{{name: it, user: {user}}}]
"
    );
    std::fs::write(&file, contents).unwrap();
    file
}

/// Lets the program under test write `<name>.kubeconfig`, the file that kube-apiserver is given.
pub(crate) fn render(rig: &Rig, name: &str, server: &str, authority: &Authority, identity: &Pair) -> PathBuf {
    let file = rig.folder().join(format!("{name}.kubeconfig"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["render", "kubeconfig", "--force", "--server", server]);
    command.arg("--certificate-authority").arg(&authority.file);
    command.arg("--client-certificate").arg(&identity.certificate).arg("--client-key").arg(&identity.key);
    let output = command.arg("--write").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    file
}

fn display(path: &Path) -> String {
    format!("'{}'", path.display())
}
