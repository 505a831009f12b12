//! kubeadm: the API server is a static pod, so the file has to be mounted into it.

use super::{Document, Request, Wiring, flag_map, flag_pairs};
use crate::findings::Severity;
use crate::wiring::file::Access;

/// Where the kubeconfig is on every control-plane node, and at the same place in the API server's pod.
pub(super) const FOLDER: &str = "/etc/kubernetes/countersign";

/// The version of kubeadm's configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Api {
    /// Arguments are a mapping; until Kubernetes 1.35.
    V1beta3,
    /// Arguments are a list; from Kubernetes 1.31 on.
    #[default]
    V1beta4,
}

pub(super) fn wire(request: &Request<'_>, api: Api) -> Wiring {
    let kubeconfig = format!("{FOLDER}/webhook.kubeconfig on every control-plane node; root, 0600");
    let configuration = Document {
        file: "kubeadm.yaml",
        place: "into the ClusterConfiguration: the file of `kubeadm init --config`, or the config map kubeadm-config"
            .into(),
        access: Access::Public,
        content: match api {
            Api::V1beta3 => {
                format!("apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\n{}", api_server(request, api))
            }
            Api::V1beta4 => {
                format!("apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n{}", api_server(request, api))
            }
        },
    };
    let steps = vec![
        format!("make {FOLDER} on every control-plane node and put webhook.kubeconfig into it"),
        "a new cluster: `kubeadm init --config kubeadm.yaml`, after you have put the rest of your configuration into it".into(),
        "a running one: merge it into `kubectl -n kube-system edit configmap kubeadm-config`, write that to a file, and run \
         `kubeadm init phase control-plane apiserver --config FILE` on one control-plane node after the other"
            .into(),
    ];
    let mut wiring = Wiring::new(vec![request.kubeconfig_at(kubeconfig), configuration], steps);
    traps(&mut wiring);
    wiring
}

/// The `apiServer` section, which others that use kubeadm have too.
pub(super) fn api_server(request: &Request<'_>, api: Api) -> String {
    let flags = request.flags(&format!("{FOLDER}/webhook.kubeconfig"));
    let arguments = match api {
        Api::V1beta3 => flag_map(&flags, 4),
        Api::V1beta4 => flag_pairs(&flags, 4),
    };
    format!(
        "apiServer:
  extraArgs:
{arguments}  extraVolumes:
    - name: countersign
      hostPath: {FOLDER}
      mountPath: {FOLDER}
      readOnly: true
      pathType: DirectoryOrCreate
"
    )
}

/// What every static pod of kubeadm has in common.
pub(super) fn traps(wiring: &mut Wiring) {
    wiring.trap(
        "file_must_be_there",
        Severity::Warning,
        "without the file the API server does not start, and `DirectoryOrCreate` makes an empty folder rather than say so",
        "put the file on every control-plane node first, on those that join later too",
    );
}
