//! Cluster API: the kubeadm control plane provider writes the file from a secret of the management cluster.

use super::kubeadm::{self, FOLDER};
use super::{Document, Request, Wiring, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;

/// The version of Cluster API's own API.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// Arguments are a mapping; until Cluster API 1.10.
    V1beta1,
    /// Arguments are a list; from Cluster API 1.11 on.
    #[default]
    V1beta2,
}

pub(super) fn wire(request: &Request<'_>, api: Api) -> Wiring {
    let secret = Document {
        file: "secret.yaml",
        place: "the management cluster, in the namespace of the KubeadmControlPlane".into(),
        access: Access::Private,
        content: format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: countersign-webhook
type: Opaque
stringData:
  webhook.kubeconfig: |
{}",
            indented(&request.kubeconfig(), 4)
        ),
    };
    let (version, section) = match api {
        Api::V1beta1 => ("v1beta1", kubeadm::api_server(request, kubeadm::Api::V1beta3)),
        Api::V1beta2 => ("v1beta2", kubeadm::api_server(request, kubeadm::Api::V1beta4)),
    };
    let control_plane = Document {
        file: "kubeadm-control-plane.yaml",
        place: "into your KubeadmControlPlane".into(),
        access: Access::Public,
        content: format!(
            "apiVersion: controlplane.cluster.x-k8s.io/{version}
kind: KubeadmControlPlane
spec:
  kubeadmConfigSpec:
    files:
      - path: {FOLDER}/webhook.kubeconfig
        owner: root:root
        permissions: \"0600\"
        contentFrom:
          secret:
            name: countersign-webhook
            key: webhook.kubeconfig
    clusterConfiguration:
{}",
            indented(&section, 6)
        ),
    };
    let steps = vec![
        "kubectl -n NAMESPACE apply -f secret.yaml".to_owned(),
        "merge kubeadm-control-plane.yaml into your KubeadmControlPlane and apply it: the control plane is rolled, machine by machine"
            .to_owned(),
    ];
    let mut wiring = Wiring::new(vec![secret, control_plane], steps);
    wiring.trap(
        "secret_change_rolls_nothing",
        Severity::Warning,
        "a changed secret reaches new machines only; existing ones keep the file they were made with",
        "after a change set spec.rollout.after (v1beta1: spec.rolloutAfter) of the KubeadmControlPlane to now",
    );
    wiring
}
