//! Talos Linux: everything is machine configuration. Up to 1.14 a file and flags, from 1.15 on a document of its own.

use std::str::FromStr;

use super::{Document, Request, Wiring, flag_map, indented};
use crate::findings::Severity;
use crate::wiring::file::Access;

/// Below /var, the only place where files may be written.
const FOLDER: &str = "/var/countersign";

/// The first release with a document for token webhooks.
const FIRST_WITH_DOCUMENT: Release = Release { major: 1, minor: 15 };

/// A release of Talos Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u32,
    minor: u32,
}

/// A release that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a release as 1.14")]
pub struct ReleaseError;

impl FromStr for Release {
    type Err = ReleaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.trim_start_matches('v').split('.');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        match (number(), number()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(ReleaseError),
        }
    }
}

pub(super) fn wire(request: &Request<'_>, release: Release) -> Wiring {
    if release < FIRST_WITH_DOCUMENT { by_flags(request) } else { by_document(request) }
}

fn by_document(request: &Request<'_>) -> Wiring {
    let content = format!(
        "apiVersion: v1alpha1
kind: KubeAuthenticationWebhookConfig
kubeconfig: |
{}version: {}
cacheTTL: {}
",
        indented(&request.kubeconfig(), 2),
        request.version(),
        request.ttl()
    );
    let mut wiring = Wiring::new(vec![patch(content)], vec![apply()]);
    wiring.trap(
        "flags_refused",
        Severity::Info,
        "with this document the flags --authentication-token-webhook-* are refused among the API server's extraArgs",
        "take them out there when you come from an older release",
    );
    wiring
}

fn by_flags(request: &Request<'_>) -> Wiring {
    let content = format!(
        "machine:
  files:
    - path: {FOLDER}/webhook.kubeconfig
      op: create
      permissions: 0o444
      content: |
{}cluster:
  apiServer:
    extraArgs:
{}    extraVolumes:
      - hostPath: {FOLDER}
        mountPath: {FOLDER}
        readonly: true
",
        indented(&request.kubeconfig(), 8),
        flag_map(&request.flags(&format!("{FOLDER}/webhook.kubeconfig")), 6)
    );
    let mut wiring = Wiring::new(vec![patch(content)], vec![apply()]);
    wiring.trap(
        "readable_for_all",
        Severity::Warning,
        "the API server does not run as root here (65534), so the file with its key must be readable for all on the node",
        "nobody logs in to Talos, but pods that mount /var from the host could read it: forbid host paths",
    );
    wiring.trap(
        "written_at_boot",
        Severity::Warning,
        "files of the machine configuration are written when the machine boots",
        "reboot control-plane nodes one after the other, when the kubeconfig is new and when it changed",
    );
    wiring
}

fn patch(content: String) -> Document {
    Document {
        file: "talos.yaml",
        place: "a patch for the machine configuration of every control-plane node; it holds the key".into(),
        access: Access::Private,
        content,
    }
}

fn apply() -> String {
    "talosctl patch machineconfig --nodes NODE --patch @talos.yaml, for one control-plane node after the other"
        .to_owned()
}
