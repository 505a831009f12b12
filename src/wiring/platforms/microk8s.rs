//! MicroK8s: the API server is part of a snap's process; a launch configuration brings files and flags.

use super::{Document, Request, Wiring, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;

/// Where files of a launch configuration go.
const FOLDER: &str = "/var/snap/microk8s/current/args";

const FILE: &str = "countersign-webhook.kubeconfig";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let flags = request.flags(&format!("{FOLDER}/{FILE}"));
    let arguments: String = flags.iter().map(|(name, value)| format!("  --{name}: {value}\n")).collect();
    let launch = Document {
        file: "microk8s.yaml",
        place: "before installing: /var/snap/microk8s/common/.microk8s.yaml on every node; it holds the key".into(),
        access: Access::Private,
        content: format!(
            "version: 0.1.0\nextraConfigFiles:\n  {FILE}: |\n{}extraKubeAPIServerArgs:\n{arguments}",
            indented(&request.kubeconfig(), 4)
        ),
    };
    let lines = Document {
        file: "kube-apiserver.args",
        place: format!("a running node instead: add these lines to {FOLDER}/kube-apiserver"),
        access: Access::Public,
        content: flags.iter().map(|(name, value)| format!("--{name}={value}\n")).collect(),
    };
    let kubeconfig = request.kubeconfig_at(format!("a running node instead: {FOLDER}/{FILE}; root, 0600"));
    let steps = vec![
        "a new node: put microk8s.yaml into place, then `snap install microk8s --classic`".to_owned(),
        "a running node: put the two other files into place and `snap restart microk8s.daemon-kubelite`, on one node after the \
         other (`snap set microk8s config=…` would show the key to everybody on the node)"
            .to_owned(),
    ];
    let mut wiring = Wiring::new(vec![launch, kubeconfig, lines], steps);
    wiring.trap(
        "every_node_serves",
        Severity::Warning,
        "launch configurations concern their own node, and in MicroK8s every node that is no worker has an API server",
        "do it on all of them; a user is otherwise let in by some and not by others",
    );
    wiring
}
