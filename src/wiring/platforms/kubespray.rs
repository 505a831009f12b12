//! Kubespray: its own variables know a URL and an authority, and nothing to show there. With a credential the general
//! variables for arguments and volumes are used instead.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::kubeadm::{self, FOLDER};
use super::{Document, Request, Wiring, flag_map};
use crate::findings::Severity;
use crate::wiring::file::Access;

pub(super) fn wire(request: &Request<'_>) -> Wiring {
    let connection = request.connection;
    let shows_nothing = connection.client.is_none() && connection.bearer.is_none();
    // The variables have no place for a name either.
    if shows_nothing && connection.tls_server_name.is_none() {
        by_own_variables(request)
    } else {
        by_arguments(request)
    }
}

fn by_own_variables(request: &Request<'_>) -> Wiring {
    let authority =
        request.connection.authority_pem.as_ref().map_or_else(String::new, |pem| {
            format!("kube_webhook_token_auth_ca_data: {}\n", BASE64_STANDARD.encode(pem))
        });
    let mut flags = request.flags("");
    flags.retain(|(name, _)| *name != "authentication-token-webhook-config-file");
    let content = format!(
        "kube_webhook_token_auth: true
kube_webhook_token_auth_url: {}
kube_webhook_token_auth_url_skip_tls_verify: false
{authority}kube_kubeadm_apiserver_extra_args:
{}",
        request.connection.server,
        flag_map(&flags, 2)
    );
    let mut wiring = Wiring::new(vec![variables(content)], vec![play()]);
    wiring.trap(
        "no_caller_credential",
        Severity::Warning,
        "Kubespray's own variables cannot carry a client certificate or a token: the webhook must let in everybody \
         (server.callers.anonymous), and the network alone keeps strangers out",
        "give --pki, or a client certificate or token: Kubespray's variables for arguments and volumes carry them",
    );
    wiring
}

fn by_arguments(request: &Request<'_>) -> Wiring {
    let content = format!(
        "kube_kubeadm_apiserver_extra_args:
{}apiserver_extra_volumes:
  - name: countersign
    hostPath: {FOLDER}
    mountPath: {FOLDER}
    readOnly: true
",
        flag_map(&request.flags(&format!("{FOLDER}/webhook.kubeconfig")), 2)
    );
    let kubeconfig =
        request.kubeconfig_at(format!("{FOLDER}/webhook.kubeconfig on every control-plane node; root, 0600"));
    let copy = |module: &str, arguments: String| {
        format!("ansible -i INVENTORY kube_control_plane --become -m {module} -a '{arguments}'")
    };
    let steps = vec![
        copy("file", format!("path={FOLDER} state=directory mode=0700")),
        copy("copy", format!("src=webhook.kubeconfig dest={FOLDER}/webhook.kubeconfig mode=0600")),
        play(),
    ];
    let mut wiring = Wiring::new(vec![kubeconfig, variables(content)], steps);
    kubeadm::traps(&mut wiring);
    wiring.trap(
        "own_variables_unused",
        Severity::Info,
        "Kubespray's own variables (kube_webhook_token_auth…) cannot carry a credential and are not used",
        "leave kube_webhook_token_auth at false, or both would set the same flag",
    );
    wiring
}

fn variables(content: String) -> Document {
    Document {
        file: "countersign.yml",
        place: "group_vars/kube_control_plane/countersign.yml of your inventory; merge with variables of these names"
            .into(),
        access: Access::Public,
        content,
    }
}

fn play() -> String {
    "ansible-playbook -i INVENTORY --become cluster.yml --tags=control-plane".to_owned()
}
