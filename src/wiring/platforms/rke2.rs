//! RKE2: flags as K3s has them, but the API server is a static pod, so the file has to be mounted into it.

use super::{Document, Request, Wiring, flag_list};
use crate::findings::Severity;
use crate::wiring::file::Access;

const FOLDER: &str = "/etc/rancher/rke2/countersign";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let flags = flag_list(&request.flags(&format!("{FOLDER}/webhook.kubeconfig")), 2);
    let arguments = Document {
        file: "90-countersign.yaml",
        place: "/etc/rancher/rke2/config.yaml.d/90-countersign.yaml on every server".into(),
        access: Access::Public,
        content: format!("kube-apiserver-arg+:\n{flags}kube-apiserver-extra-mount+:\n  - {FOLDER}:{FOLDER}:ro\n"),
    };
    let kubeconfig = request.kubeconfig_at(format!("{FOLDER}/webhook.kubeconfig on every server; root, 0600"));
    let steps = vec![
        format!("install -D -m 0600 webhook.kubeconfig {FOLDER}/webhook.kubeconfig, on every server"),
        "install -D -m 0644 90-countersign.yaml /etc/rancher/rke2/config.yaml.d/90-countersign.yaml, on every server"
            .to_owned(),
        "systemctl restart rke2-server, on one server after the other".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![kubeconfig, arguments], steps);
    wiring.trap(
        "static_pod",
        Severity::Warning,
        "the API server is a static pod: it sees the folder through the mount only, and may use another resolver than the host",
        "keep both settings together, and prefer an IP address in --server",
    );
    wiring
}
