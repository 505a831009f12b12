//! kind: the nodes are containers, whose API server is a static pod of kubeadm.

use super::kubeadm::{self, Api, FOLDER};
use super::{Document, Request, Wiring, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    // kind writes its own arguments: a mapping can be merged with ours, a list would be replaced, so it is added to.
    let older = format!(
        "kind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta3\n{}",
        kubeadm::api_server(request, Api::V1beta3)
    );
    let content = format!(
        "apiVersion: kind.x-k8s.io/v1alpha4
kind: Cluster
nodes:
  - role: control-plane
    extraMounts:
      - hostPath: ./webhook.kubeconfig
        containerPath: {FOLDER}/webhook.kubeconfig
        readOnly: true
    # Kubernetes 1.23 to 1.35
    kubeadmConfigPatches:
      - |
{}    # Kubernetes 1.36 and later
    kubeadmConfigPatchesJSON6902:
      - group: kubeadm.k8s.io
        version: v1beta4
        kind: ClusterConfiguration
        patch: |
{}",
        indented(&older, 10),
        indented(&additions(request), 10)
    );
    let cluster = Document {
        file: "kind.yaml",
        place: "the file of `kind create cluster --config`".into(),
        access: Access::Public,
        content,
    };
    let kubeconfig = request.kubeconfig_at("beside kind.yaml, where `kind create cluster` is run; 0600");
    let steps = vec!["kind create cluster --config kind.yaml".to_owned()];
    let mut wiring = Wiring::new(vec![kubeconfig, cluster], steps);
    wiring.trap(
        "loopback_is_the_nodes_own",
        Severity::Warning,
        "in a node's container 127.0.0.1 is the container itself, not your machine",
        "let the webhook listen on the address of the container network's gateway, and use that in --server",
    );
    wiring.trap(
        "mount_at_creation",
        Severity::Info,
        "mounts are made when the cluster is created, and an edited file keeps its old content if the editor replaced it",
        "create the cluster anew after a change",
    );
    wiring
}

/// Each addition as an operation of its own (RFC 6902), so that what kind wrote stays.
fn additions(request: &Request<'_>) -> String {
    let mut text = String::new();
    for (name, value) in request.flags(&format!("{FOLDER}/webhook.kubeconfig")) {
        text += &format!("- op: add\n  path: /apiServer/extraArgs/-\n  value: {{name: {name}, value: {value}}}\n");
    }
    text += &format!(
        "- op: add\n  path: /apiServer/extraVolumes\n  value:\n    - {{name: countersign, hostPath: {FOLDER}, mountPath: {FOLDER}, \
         readOnly: true, pathType: DirectoryOrCreate}}\n"
    );
    text
}
