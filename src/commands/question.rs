//! Which webhook is asked, and for what: the flags of every command that asks one.

use std::path::PathBuf;

use crate::wiring::reviewer::ReviewVersion;

/// What kube-apiserver would be told by its own flags.
#[derive(clap::Args)]
pub(super) struct QuestionFlags {
    /// The kubeconfig that kube-apiserver would be given (--authentication-token-webhook-config-file).
    #[arg(long, value_name = "FILE")]
    pub(super) kubeconfig: PathBuf,
    /// An audience to ask for; repeatable. The API server asks for its own names (--api-audiences).
    #[arg(long = "audience", value_name = "AUDIENCE")]
    pub(super) audiences: Vec<String>,
    /// The version of the review API to speak (--authentication-token-webhook-version).
    #[arg(long, value_enum, default_value_t)]
    pub(super) version: ReviewVersion,
}
