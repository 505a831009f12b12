//! The Kubernetes API that gardener's authenticator reads its issuers from: etcd and kube-apiserver, as they are. It works
//! until the authenticator has what it needs, and then stands still: what is measured has the cores to itself.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::installed::{component, peer};
use crate::machine::{self, GENERATOR_CORE, SERVER_CORE};
use crate::material::Material;

/// How long the API server may take until it has what it is to serve.
const START_TIME: Duration = Duration::from_secs(120);

/// The file with which the API is reached, by the administrator.
pub(crate) const KUBECONFIG: &str = "cluster.kubeconfig";
/// The object that the authenticator is to find.
const OBJECT: &str = "openidconnect.json";

/// A control plane of two processes, in which gardener's objects are known and the run's issuer is one of them.
pub(crate) struct Cluster {
    etcd: Process,
    api_server: Process,
}

/// What a cluster needs.
struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
    kubectl: PathBuf,
    definition: PathBuf,
}

impl Cluster {
    /// Starts one, if what it needs was set up, and waits until it has the object.
    pub(crate) fn start(material: &Material) -> Option<Self> {
        let programs = Programs {
            etcd: component("ETCD")?,
            api_server: component("KUBE_APISERVER")?,
            kubectl: component("KUBECTL")?,
            definition: peer("gardener-openidconnects.yaml")?,
        };
        machine::pin(&[SERVER_CORE, GENERATOR_CORE]);
        let cluster = Self::with(&programs, material);
        machine::pin(&[GENERATOR_CORE]);
        Some(cluster)
    }

    fn with(programs: &Programs, material: &Material) -> Self {
        let folder = material.files.folder();
        let [client, peer, port] = free_ports();
        let [client, peer] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
        let mut etcd = Command::new(&programs.etcd);
        etcd.args(["--data-dir", "etcd", "--unsafe-no-fsync", "--initial-cluster", &format!("default={peer}")]);
        etcd.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        etcd.args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer]);
        let mut api_server = Command::new(&programs.api_server);
        api_server.arg(format!("--etcd-servers={client}")).arg(format!("--secure-port={port}"));
        api_server.args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--authorization-mode=RBAC"]);
        api_server.args(["--tls-cert-file=tls.crt", "--tls-private-key-file=tls.key", "--cert-dir=certificates"]);
        api_server.args(["--client-ca-file=callers-ca.crt", "--service-cluster-ip-range=10.0.0.0/24"]);
        // No service account is asked for, but it does not start without.
        api_server.args(["--service-account-issuer=https://kubernetes.default.svc"]);
        api_server.args(["--service-account-signing-key-file=tls.key", "--service-account-key-file=tls.crt"]);
        let mut cluster = Self {
            etcd: Process::start("etcd", folder, etcd),
            api_server: Process::start("api-server", folder, api_server),
        };

        material.files.write(KUBECONFIG, &kubeconfig(port));
        material.files.write(OBJECT, &material.open_id_connect());
        let definition = programs.definition.to_str().expect("the file was found under this name");
        for arguments in [["get", "--raw", "/readyz"], ["apply", "-f", definition], ["apply", "-f", OBJECT]] {
            cluster.until_done(&programs.kubectl, folder, &arguments);
        }
        cluster
    }

    /// Runs kubectl until it succeeds: what is there is not served at once. Each attempt takes a moment by itself.
    fn until_done(&mut self, kubectl: &Path, folder: &Path, arguments: &[&str]) {
        let began = Instant::now();
        loop {
            let mut command = Command::new(kubectl);
            command.args(arguments).args(["--kubeconfig", KUBECONFIG, "--request-timeout", "10s"]);
            command.current_dir(folder).env("HOME", folder).stdin(Stdio::null());
            let output = command.output().expect("kubectl can be started");
            if output.status.success() {
                return;
            }
            let problem = String::from_utf8_lossy(&output.stderr);
            self.etcd.assert_running();
            self.api_server.assert_running();
            assert!(began.elapsed() < START_TIME, "kubectl {arguments:?}: {problem}{}", self.api_server.last_words());
        }
    }

    /// Lets it stand still from now on.
    pub(crate) fn stop(&self) {
        for process in [&self.api_server, &self.etcd] {
            kill_process(Pid::from_child(&process.child), Signal::STOP).expect("the process is ours");
        }
    }
}

/// Relative names are looked up beside the file.
fn kubeconfig(port: u16) -> String {
    let cluster = json!({"server": format!("https://127.0.0.1:{port}"), "certificate-authority": "callers-ca.crt"});
    let user = json!({"client-certificate": "administrator.crt", "client-key": "administrator.key"});
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
    })
    .to_string()
}

/// Different loopback ports that nothing listens on, for those who cannot say which ones they took.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let listeners = [(); COUNT].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("a bound socket has an address").port())
}

/// A program that ends with the bench, whatever becomes of that, with its output in a file.
struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in a folder. The kernel kills it when this thread ends, also if it stands still then.
    fn start(name: &str, folder: &Path, command: Command) -> Self {
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log).expect("the folder can be written");
        let mut bound = Command::new("setpriv");
        bound.args(["--pdeathsig", "KILL", "--"]).arg(command.get_program()).args(command.get_args());
        bound.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        Self { child: bound.spawn().expect("util-linux's setpriv is there"), log }
    }

    fn assert_running(&mut self) {
        let status = self.child.try_wait().expect("the process is ours");
        assert!(status.is_none(), "it ended by itself: {}", self.last_words());
    }

    /// The end of its output.
    fn last_words(&self) -> String {
        let log = std::fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        format!("\n{}:\n{}", self.log.display(), lines[lines.len().saturating_sub(20)..].join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
