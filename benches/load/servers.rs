//! The servers of a run: child processes on a core of their own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use countersign::load::{Protocol, Target};

use crate::cluster::{KUBECONFIG, free_ports};
use crate::installed::peer;
use crate::machine::{self, GENERATOR_CORE, SERVER_CORE};
use crate::material::{AUDIENCE, Material};

/// How long a server may take to begin.
const START_TIME: Duration = Duration::from_secs(60);

/// What this program does instead of measuring, when it has started itself again.
pub(crate) const ROLE: &str = "COUNTERSIGN_BENCH_ROLE";

/// A server that runs.
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// The product, from a configuration file of [`Material`].
    pub(crate) fn countersign(material: &Material, configuration: &str, cores: &[usize]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("serve").arg("--config").arg(material.files.path(configuration));
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self::start(command, cores, Some(material))
    }

    /// The limit.
    pub(crate) fn limit(material: &Material) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program is a file"));
        command.env(ROLE, "limit").arg(material.files.folder());
        command.stdout(Stdio::piped()).stderr(Stdio::inherit());
        Self::start(command, &[SERVER_CORE], None)
    }

    /// Kubernetes' own machinery, if it was built.
    pub(crate) fn kubernetes(material: &Material, cached: bool) -> Option<Self> {
        let mut command = Command::new(peer("peer-kubernetes")?);
        let file = |name: &str| material.files.path(name);
        command
            .args(["--issuer", material.issuer(), "--audience", AUDIENCE])
            .arg("--issuer-ca")
            .arg(file("issuer-ca.crt"));
        command.arg(format!("--cache={cached}")).args(["--cache-ttl", "1h"]);
        Some(Self::go(command, material))
    }

    /// Kubernetes' static token file behind Go's HTTP server, if it was built.
    pub(crate) fn static_tokens(material: &Material) -> Option<Self> {
        let mut command = Command::new(peer("peer-kubernetes")?);
        command.arg("--token-file").arg(material.files.path("tokens.csv")).arg("--cache=false");
        Some(Self::go(command, material))
    }

    /// Gardener's authenticator, if it was built, beside a cluster that runs.
    pub(crate) fn gardener(material: &Material) -> Option<Self> {
        let mut command = Command::new(peer("gardener-oidc-webhook-authenticator")?);
        command.arg("--kubeconfig").arg(material.files.path(KUBECONFIG));
        for (flag, name) in [
            ("--tls-cert-file", "tls.crt"),
            ("--tls-private-key-file", "tls.key"),
            ("--client-ca-file", "callers-ca.crt"),
        ] {
            command.arg(flag).arg(material.files.path(name));
        }
        let [port] = free_ports();
        command.args(["--address", "127.0.0.1", "--port", &port.to_string()]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        // It does not say when it listens; who asks it for the first time tries until it does.
        Some(Self { child: spawn(command, &[SERVER_CORE]), url: format!("https://127.0.0.1:{port}/validate-token") })
    }

    fn go(mut command: Command, material: &Material) -> Self {
        for (flag, name) in [("--tls-cert", "tls.crt"), ("--tls-key", "tls.key"), ("--client-ca", "callers-ca.crt")] {
            command.arg(flag).arg(material.files.path(name));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        Self::start(command, &[SERVER_CORE], None)
    }

    /// Starts a server, and waits until it says where it listens: with a line `ready URL` on standard output, or, the
    /// product, in its log.
    fn start(command: Command, cores: &[usize], product: Option<&Material>) -> Self {
        let mut child = spawn(command, cores);
        let (announce, announced) = mpsc::channel();
        if product.is_some() {
            let log = child.stderr.take().expect("it is a pipe");
            std::thread::spawn(move || {
                for line in BufReader::new(log).lines().map_while(Result::ok) {
                    if let Some(address) = logged_address(&line) {
                        let _ = announce.send(format!("https://{address}/authenticate"));
                    }
                }
            });
        } else {
            let output = child.stdout.take().expect("it is a pipe");
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if let Some(url) = line.strip_prefix("ready ") {
                        let url = url.trim_end_matches("/authenticate");
                        let _ = announce.send(format!("{url}/authenticate"));
                    }
                }
            });
        }
        let url = announced.recv_timeout(START_TIME).expect("the server says where it listens");
        Self { child, url }
    }

    /// Where reviews are posted.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// How questions get there.
    pub(crate) fn target(&self, material: &Material, protocol: Protocol) -> Target {
        Target::new(&material.connection(&self.url), protocol).expect("the connection is a direct one over TLS")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program on these cores.
fn spawn(mut command: Command, cores: &[usize]) -> Child {
    machine::pin(cores);
    let child = command.spawn().expect("the program can be started");
    machine::pin(&[GENERATOR_CORE]);
    child
}

/// The address in the line with which the product says that it serves.
fn logged_address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    Some(fields.get("reviews")?.as_str()?.to_owned())
}
