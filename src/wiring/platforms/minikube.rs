//! Minikube: files below `~/.minikube/files` are copied into the node, flags come from the command line.

use super::{Document, Request, Wiring};
use crate::findings::Severity;
use crate::wiring::file::Access;

/// A folder that is mounted into the API server's pod anyway.
const PATH: &str = "/var/lib/minikube/certs/countersign.kubeconfig";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let mut content = "minikube start".to_owned();
    for (name, value) in request.flags(PATH) {
        content += &format!(" \\\n  --extra-config=apiserver.{name}={value}");
    }
    content.push('\n');
    let command = Document {
        file: "minikube.sh",
        place: "your shell, with the flags that you start minikube with otherwise".into(),
        access: Access::Public,
        content,
    };
    let kubeconfig = request.kubeconfig_at(format!("~/.minikube/files{PATH} on your machine; 0600"));
    let steps = vec![
        format!("mkdir -p ~/.minikube/files/var/lib/minikube/certs && cp webhook.kubeconfig ~/.minikube/files{PATH}"),
        "sh minikube.sh".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![kubeconfig, command], steps);
    wiring.trap(
        "copied_at_start",
        Severity::Info,
        "files are copied into the node by `minikube start`, and --extra-config is kept for the next start",
        "run `minikube start` again after a change; `minikube delete` forgets both",
    );
    wiring.trap(
        "loopback_is_the_nodes_own",
        Severity::Warning,
        "in the node 127.0.0.1 is the node itself, not your machine",
        "let the webhook listen where the node reaches it, and use https://host.minikube.internal:PORT in --server",
    );
    wiring
}
