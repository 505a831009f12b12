//! Where each way of running Kubernetes wants its token webhook: which documents, in which place, and what goes wrong there.
//!
//! The API server has four flags for it, always the same. What differs is who starts it (a static pod, a process, a pod in
//! another cluster), how a file gets to where it can be read, and which of the flags can be set at all. One file for each
//! platform; [`Wiring`] is what all of them give.

mod cluster_api;
mod k0s;
mod k3s;
mod kind;
mod kops;
mod kubeadm;
mod kubespray;
mod microk8s;
mod minikube;
mod rke2;
mod talos;
mod vcluster;

use std::time::Duration;

use serde::Serialize;

use super::file::Access;
use super::kubeconfig::Connection;
use super::reviewer::ReviewVersion;
use crate::config::duration;
use crate::findings::{Finding, Findings, Severity};

/// The API server keeps what it accepted for this long, whatever the flags say.
const OUTER_CACHE: Duration = Duration::from_secs(10);

/// From here on people should be asked whether they mean it.
const LONG_TTL: Duration = Duration::from_secs(10 * 60);

/// The name of the kubeconfig wherever it is a file of its own.
const KUBECONFIG: &str = "webhook.kubeconfig";

/// A way of running Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// Cluster API with the kubeadm control plane provider.
    ClusterApi(cluster_api::Api),
    /// k0s.
    K0s,
    /// K3s.
    K3s,
    /// Kubernetes in containers, for trials.
    Kind,
    /// kOps.
    Kops,
    /// kubeadm, by hand.
    Kubeadm(kubeadm::Api),
    /// Kubespray.
    Kubespray,
    /// MicroK8s.
    MicroK8s,
    /// Minikube.
    Minikube,
    /// RKE2.
    Rke2,
    /// Talos Linux of a version (major, minor).
    Talos(talos::Release),
    /// vCluster.
    VCluster,
}

pub use cluster_api::Api as ClusterApiVersion;
pub use kubeadm::Api as KubeadmVersion;
pub use talos::{Release as TalosRelease, ReleaseError as TalosReleaseError};

/// What is to be wired.
pub struct Request<'a> {
    /// How the API server reaches the webhook; judged sound.
    pub connection: &'a Connection,
    /// Which version of the review API to ask for; the platform's best if none is.
    pub version: Option<ReviewVersion>,
    /// How long the API server is to remember answers.
    pub cache_ttl: Duration,
}

/// What an operator puts in place, in this order, and what there is to know.
#[derive(Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Documents and where they go.
    pub documents: Vec<Document>,
    /// What to do, one sentence or command each.
    pub steps: Vec<String>,
    /// What goes wrong on this platform.
    pub traps: Findings,
}

/// A document.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Document {
    /// Its name among the others.
    pub file: &'static str,
    /// Where it goes, and who may read it there.
    pub place: String,
    /// Whether it holds a private key or a token.
    #[serde(skip)]
    pub access: Access,
    /// Its text.
    pub content: String,
}

/// What a platform cannot do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// The version of the review API cannot be chosen.
    #[error(
        "the platform has no setting for the version, and API servers then speak v1beta1; ask for that or for none"
    )]
    VersionFixed,
}

impl Platform {
    /// The documents, steps and traps of this platform.
    ///
    /// # Errors
    /// If the platform has no way to do what is asked for.
    pub fn wire(self, request: &Request<'_>) -> Result<Wiring, PlatformError> {
        let mut wiring = match self {
            Self::ClusterApi(api) => cluster_api::wire(request, api),
            Self::K0s => k0s::wire(request),
            Self::K3s => k3s::wire(request),
            Self::Kind => kind::wire(request),
            Self::Kops => kops::wire(request)?,
            Self::Kubeadm(api) => kubeadm::wire(request, api),
            Self::Kubespray => kubespray::wire(request),
            Self::MicroK8s => microk8s::wire(request),
            Self::Minikube => minikube::wire(request),
            Self::Rke2 => rke2::wire(request),
            Self::Talos(release) => talos::wire(request, release),
            Self::VCluster => vcluster::wire(request),
        };
        wiring.traps.extend(remembering(request.cache_ttl));
        wiring.trap(
            "read_at_start",
            Severity::Info,
            "the API server reads the kubeconfig once, at start; a changed one does nothing until it is restarted",
            "restart API servers one after the other, and look at each before the next",
        );
        Ok(wiring)
    }

    /// Whether API servers of this platform can look up the names of Services.
    #[must_use]
    pub const fn resolves_service_names(self) -> bool {
        // Its API server is a pod of the host cluster.
        matches!(self, Self::VCluster)
    }
}

impl Wiring {
    const fn new(documents: Vec<Document>, steps: Vec<String>) -> Self {
        Self { documents, steps, traps: Findings::new() }
    }

    /// All documents as one text: where each goes is a comment at its head.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (position, document) in self.documents.iter().enumerate() {
            text += if position == 0 { "" } else { "---\n" };
            text += &format!("# {}: {}\n{}", document.file, document.place, document.content);
        }
        text
    }

    fn trap(&mut self, code: &'static str, severity: Severity, message: &str, remedy: &str) {
        let (path, message, remedy) = (String::new(), message.to_owned(), remedy.to_owned());
        self.traps.push(Finding { code, severity, path, message, remedy });
    }
}

impl Request<'_> {
    /// The kubeconfig, which ends with a line break.
    fn kubeconfig(&self) -> String {
        self.connection.to_yaml("countersign").to_string()
    }

    /// The kubeconfig as a file of its own.
    fn kubeconfig_at(&self, place: impl Into<String>) -> Document {
        Document { file: KUBECONFIG, place: place.into(), access: Access::Private, content: self.kubeconfig() }
    }

    /// The API server's flags with their values, for a kubeconfig at a path of its file system.
    fn flags(&self, path: &str) -> Vec<(&'static str, String)> {
        vec![
            ("authentication-token-webhook-config-file", path.to_owned()),
            ("authentication-token-webhook-version", self.version().to_owned()),
            ("authentication-token-webhook-cache-ttl", self.ttl()),
        ]
    }

    fn version(&self) -> &'static str {
        match self.version.unwrap_or_default() {
            ReviewVersion::V1 => "v1",
            ReviewVersion::V1beta1 => "v1beta1",
        }
    }

    fn ttl(&self) -> String {
        duration::format(self.cache_ttl)
    }
}

/// What the cache's lifetime means.
fn remembering(ttl: Duration) -> Findings {
    let mut findings = Findings::new();
    let mut push = |code, severity, message: String, remedy: &str| {
        findings.push(Finding { code, severity, path: String::new(), message, remedy: remedy.to_owned() });
    };
    let lag = duration::format(ttl + OUTER_CACHE);
    let message =
        format!("a token that was revoked or has expired is still taken for up to {lag} (the TTL, and 10s more)");
    if ttl.is_zero() {
        let message = format!("{message}; with a TTL of zero every refused token is asked about with every request");
        push("cache_ttl", Severity::Warning, message, "a few seconds cost nothing and keep repeated refusals away");
    } else if ttl > LONG_TTL {
        let remedy = "use --cache-ttl 30s: countersign answers from its own memory, so a short TTL costs little";
        push("cache_ttl", Severity::Warning, message, remedy);
    } else {
        push(
            "cache_ttl",
            Severity::Info,
            message,
            "shorten it with --cache-ttl; a refusal is remembered for the TTL too",
        );
    }
    findings
}

/// A text with every line moved to the right, for a block in YAML.
fn indented(text: &str, columns: usize) -> String {
    let margin = " ".repeat(columns);
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{margin}{line}\n") }).collect()
}

/// Flags as a YAML list of `FLAG=VALUE`.
fn flag_list(flags: &[(&str, String)], columns: usize) -> String {
    let margin = " ".repeat(columns);
    flags.iter().map(|(name, value)| format!("{margin}- {name}={value}\n")).collect()
}

/// Flags as a YAML mapping.
fn flag_map(flags: &[(&str, String)], columns: usize) -> String {
    let margin = " ".repeat(columns);
    flags.iter().map(|(name, value)| format!("{margin}{name}: {value}\n")).collect()
}

/// Flags as a YAML list of names and values.
fn flag_pairs(flags: &[(&str, String)], columns: usize) -> String {
    let margin = " ".repeat(columns);
    flags.iter().map(|(name, value)| format!("{margin}- name: {name}\n{margin}  value: {value}\n")).collect()
}

#[cfg(test)]
mod tests;
