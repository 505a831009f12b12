//! `--kubeconfig` and `--context`, as kubectl has them.

use std::path::PathBuf;

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
    pub(super) async fn connect(&self) -> Result<Cluster, Failure> {
        Cluster::connect(self.kubeconfig.as_deref(), self.context.as_deref())
            .await
            .map_err(|error| Failure::WrongUse(chain(&error)))
    }
}

/// A failure to reach the cluster, or to be let do something there.
pub(super) fn failure(error: &ClusterError) -> Failure {
    Failure::Unknown(chain(error))
}
