//! `--kubeconfig` and `--context`, as kubectl has them.

use std::env;
use std::path::PathBuf;

use super::super::session::context::default_files;
use super::super::terminal::printable;
use super::super::{Failure, chain};
use crate::wiring::openshift::cluster::{Cluster, ClusterError};

/// The flags that name a cluster.
#[derive(clap::Args)]
pub(super) struct ClusterFlags {
    /// The kubeconfig of an administrator; without it, KUBECONFIG or ~/.kube/config.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use, if not its current one.
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

impl ClusterFlags {
    /// Whether a cluster is named.
    pub(super) fn is_given(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some()
    }

    /// Prepares the connection.
    pub(super) fn connect(&self) -> Result<Cluster, Failure> {
        let files = self.kubeconfig.clone().map_or_else(|| default_files(|name| env::var_os(name)), |file| vec![file]);
        if files.is_empty() {
            return Err(Failure::WrongUse("there is no kubeconfig; give one with --kubeconfig".to_owned()));
        }
        Cluster::connect(files, self.context.as_deref()).map_err(|error| Failure::wrong_use(&error))
    }
}

/// A failure to reach the cluster, or to be let look at its `Authentication`.
pub(super) fn failure(error: &ClusterError, cluster: &Cluster) -> Failure {
    Failure::Unknown(error.refusal().map_or_else(
        || chain(error),
        |refusal| {
            let message = format!("authentication/cluster at {}: {refusal}; {}", cluster.server(), refusal.remedy());
            printable(message.trim_end_matches("; ")).into_owned()
        },
    ))
}
