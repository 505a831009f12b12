//! K3s: the API server is part of the `k3s server` process, so there is nothing to mount.

use super::{Document, Request, Wiring, flag_list};
use crate::findings::Severity;
use crate::wiring::file::Access;

const PATH: &str = "/etc/rancher/k3s/countersign/webhook.kubeconfig";

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let arguments = Document {
        file: "90-countersign.yaml",
        place: "/etc/rancher/k3s/config.yaml.d/90-countersign.yaml on every server".into(),
        access: Access::Public,
        // The plus adds to arguments of other files instead of replacing them.
        content: format!("kube-apiserver-arg+:\n{}", flag_list(&request.flags(PATH), 2)),
    };
    let kubeconfig = request.kubeconfig_at(format!("{PATH} on every server; root, 0600"));
    let steps = vec![
        format!("install -D -m 0600 webhook.kubeconfig {PATH}, on every server"),
        "install -D -m 0644 90-countersign.yaml /etc/rancher/k3s/config.yaml.d/90-countersign.yaml, on every server"
            .to_owned(),
        "systemctl restart k3s, on one server after the other".to_owned(),
    ];
    let mut wiring = Wiring::new(vec![kubeconfig, arguments], steps);
    wiring.trap(
        "one_process",
        Severity::Info,
        "the API server is a part of the k3s process: without the file k3s as a whole does not start",
        "put the file on every server before the arguments; watch `journalctl -u k3s`",
    );
    wiring
}
