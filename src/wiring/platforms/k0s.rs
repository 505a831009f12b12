//! k0s: the API server is a process of its own, under a user of its own.

use super::{Document, Request, Wiring, flag_map};
use crate::findings::Severity;
use crate::wiring::file::Access;

const PATH: &str = "/etc/k0s/countersign/webhook.kubeconfig";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let configuration = Document {
        file: "k0s.yaml",
        place: "into the ClusterConfig of every controller (/etc/k0s/k0s.yaml)".into(),
        access: Access::Public,
        content: format!(
            "apiVersion: k0s.k0sproject.io/v1beta1
kind: ClusterConfig
metadata:
  name: k0s
spec:
  api:
    extraArgs:
{}",
            flag_map(&request.flags(PATH), 6)
        ),
    };
    let kubeconfig = request.kubeconfig_at(format!("{PATH} on every controller; kube-apiserver, 0400"));
    let steps = vec![
        format!("install -D -o kube-apiserver -m 0400 webhook.kubeconfig {PATH}"),
        "systemctl restart k0scontroller, on one controller after the other".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![kubeconfig, configuration], steps);
    wiring.trap(
        "own_user",
        Severity::Warning,
        "the API server runs as the user kube-apiserver, who must be able to read the file and pass its folders",
        "let that user own the file; do not open it to others",
    );
    wiring.trap(
        "not_dynamic",
        Severity::Info,
        "spec.api is no part of k0s' dynamic configuration: each controller reads it from its own file",
        "change it on every controller",
    );
    wiring
}
