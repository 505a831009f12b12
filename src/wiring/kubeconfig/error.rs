//! What can be wrong with a kubeconfig. Values are never repeated.

use std::io;
use std::path::{Path, PathBuf};

use crate::outbound;

/// A kubeconfig that cannot be used: which file, which field, what is wrong and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {field}{problem}", field = prefix(.field))]
pub struct KubeconfigError {
    pub(super) file: PathBuf,
    pub(super) field: String,
    #[source]
    pub(super) problem: Problem,
}

/// What is wrong with a kubeconfig, or with one of its fields.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("contradicts {with}; keep one of the two")]
    Contradiction { with: &'static str },
    #[error("there is another entry of the same name; names must be unique")]
    Duplicate,
    #[error("is empty; {remedy}")]
    Empty { remedy: &'static str },
    #[error("is missing; {remedy}")]
    Missing { remedy: String },
    #[error("is not base64; encode the file with `base64 -w0`")]
    NotBase64,
    #[error("has no PEM block of the kind {kind}")]
    NotPem { kind: &'static str },
    #[error("is not valid YAML (line {line}, column {column})")]
    NotYaml { line: u64, column: u64 },
    #[error("is not a kubeconfig; its apiVersion must be v1 and its kind Config")]
    OtherKind,
    #[error("cannot be read")]
    Unreadable {
        #[source]
        cause: io::Error,
    },
    #[error("no entry has this name; there are: {names}")]
    UnknownName { names: String },
    #[error("is not supported here; {remedy}")]
    Unsupported { remedy: &'static str },
    #[error("must be {expected}")]
    WrongType { expected: &'static str },
    #[error("is not a URL that can be used; {remedy}")]
    WrongUrl { remedy: &'static str },
}

fn prefix(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("{field}: ") }
}

impl KubeconfigError {
    /// The field that it concerns; empty for the file itself.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }

    /// What is wrong with the field, with all causes.
    #[must_use]
    pub fn problem(&self) -> String {
        outbound::chain(&self.problem)
    }

    /// The kubeconfig.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What to do, where the problem does not say it already.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match &self.problem {
            Problem::NotPem { .. } => "give PEM: blocks that start with -----BEGIN",
            Problem::NotYaml { .. } | Problem::OtherKind => {
                "give the kubeconfig of the webhook; `countersign render kubeconfig` makes one"
            }
            Problem::Unreadable { .. } => "give the file that kube-apiserver is given, as a user who may read it",
            Problem::WrongType { .. } => "write what is expected",
            _ => "",
        }
    }

    /// Whether the kubeconfig, or a file that it names, could not be read here.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        matches!(self.problem, Problem::Unreadable { .. })
    }

    /// Whether kube-apiserver could use what is not supported here.
    #[must_use]
    pub const fn is_unsupported(&self) -> bool {
        matches!(self.problem, Problem::Unsupported { .. })
    }
}
