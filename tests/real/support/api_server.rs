//! etcd and kube-apiserver: the cluster that asks countersign who somebody is.

use std::path::Path;
use std::process::Command;

use super::kubectl::Kubectl;
use super::pki::Pair;
use super::process::Process;
use super::rig::{Rig, free_port};
use super::wait::{SOON, eventually};
use super::{component, http};

/// How the API server posts its reviews.
pub(crate) enum Reviews {
    /// As it does when nobody says anything: `authentication.k8s.io/v1beta1`.
    AsByDefault,
    /// With these flags of its own.
    Flags(Vec<String>),
    /// `authentication.k8s.io/v1`.
    V1,
}

/// A one-node control plane: etcd and the API server, nothing else.
pub(crate) struct ApiServer {
    /// Its users' tool.
    pub(crate) kubectl: Kubectl,
    _api_server: Process,
    _etcd: Process,
}

impl ApiServer {
    /// Starts a control plane that asks `webhook`, a kubeconfig file. It remembers what it was told for as long as it
    /// does by default: refusals for two minutes, acceptances for a little more.
    pub(crate) async fn start(rig: &Rig, webhook: &Path, reviews: Reviews) -> Self {
        let (etcd, etcd_url) = start_etcd(rig);
        let tls = rig.servers.server("kube-apiserver");
        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        let admin_pair = rig.callers.client("admin", Some("system:masters"));
        let command = api_server_command(rig, &etcd_url, port, &tls, webhook, &reviews);
        let mut api_server = Process::start("kube-apiserver", rig.folder(), &command);

        let client = http::client(&rig.servers, Some(&admin_pair));
        eventually("kube-apiserver is ready", SOON, async || {
            api_server.assert_running();
            let answer = client.get(format!("{url}/readyz")).send().await.map_err(|error| format!("{error:?}"))?;
            match answer.status() {
                status if status.is_success() => Ok(()),
                _ => Err(answer.text().await.unwrap_or_default()),
            }
        })
        .await;

        let kubectl = Kubectl::new(rig, &url, &admin_pair);
        let_developers_read(&kubectl).await;
        Self { kubectl, _api_server: api_server, _etcd: etcd }
    }
}

/// The group `dev` may read namespaces, and nothing else. The API server learns of it a moment after it is written.
async fn let_developers_read(kubectl: &Kubectl) {
    kubectl.admin(&["create", "clusterrole", "dev", "--verb=get,list", "--resource=namespaces"]).await;
    kubectl.admin(&["create", "clusterrolebinding", "dev", "--clusterrole=dev", "--group=dev"]).await;
    eventually("developers may read", SOON, async || {
        let may = ["auth", "can-i", "list", "namespaces", "--as=anybody", "--as-group=dev"];
        kubectl.try_admin(&may).await.map(drop)
    })
    .await;
}

fn start_etcd(rig: &Rig) -> (Process, String) {
    let client = format!("http://127.0.0.1:{}", free_port());
    let peer = format!("http://127.0.0.1:{}", free_port());
    let mut command = Command::new(component("ETCD"));
    command
        .arg("--data-dir")
        .arg(rig.folder().join("etcd"))
        .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}"), "--unsafe-no-fsync"]);
    (Process::start("etcd", rig.folder(), &command), client)
}

fn api_server_command(rig: &Rig, etcd: &str, port: u16, tls: &Pair, webhook: &Path, reviews: &Reviews) -> Command {
    let service_account_key = rcgen::KeyPair::generate().unwrap();
    let signing = rig.folder().join("service-account.key");
    let verifying = rig.folder().join("service-account.pub");
    std::fs::write(&signing, service_account_key.serialize_pem()).unwrap();
    std::fs::write(&verifying, service_account_key.public_key_pem()).unwrap();

    let mut command = Command::new(component("KUBE_APISERVER"));
    command.arg(format!("--etcd-servers={etcd}")).arg(format!("--secure-port={port}"));
    command.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--authorization-mode=RBAC"]);
    command.args(["--service-cluster-ip-range=10.0.0.0/24", "--service-account-issuer=https://kubernetes.default.svc"]);
    let files = [
        ("--tls-cert-file", tls.certificate.as_path()),
        ("--tls-private-key-file", &tls.key),
        ("--client-ca-file", &rig.callers.file),
        ("--service-account-signing-key-file", &signing),
        ("--service-account-key-file", &verifying),
        ("--authentication-token-webhook-config-file", webhook),
        ("--cert-dir", &rig.folder().join("kube-apiserver-certificates")),
    ];
    command.args(files.map(|(flag, file)| format!("{flag}={}", file.display())));
    match reviews {
        Reviews::AsByDefault => &mut command,
        Reviews::Flags(flags) => command.args(flags),
        Reviews::V1 => command.arg("--authentication-token-webhook-version=v1"),
    };
    command
}
