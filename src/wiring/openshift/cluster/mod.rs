//! A cluster's API, as far as it is needed here: get, patch, delete, with dry runs, warnings and refusals in full.
//!
//! The only place that names the kube crate. It brings kubeconfigs, credential plugins, TLS and proxies; requests are made by
//! hand, because what matters (`Warning` headers, `fieldValidation`, the causes of a refusal) is in none of its types.

mod access;
mod answer;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use self::access::Access;
pub use self::answer::{Cause, Refusal, Reply};
use super::manifest::MANAGER;
use super::objects::MAX_BYTES;

/// For one request, with the retries of a busy API server.
const DEADLINE: Duration = Duration::from_secs(60);

/// For a connection, also one through a proxy.
const CONNECT: Duration = Duration::from_secs(15);

/// What could not be had from a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig, or what it refers to, cannot be used.
    #[error("{from}: cannot be used to reach a cluster: {problem}")]
    Kubeconfig {
        /// Which file.
        from: String,
        /// Why, without any value.
        problem: String,
    },
    /// There was no answer.
    #[error("no answer from {server}")]
    NoAnswer {
        /// The cluster's address.
        server: String,
        /// Why.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The answer was no.
    #[error("{0}")]
    Refused(#[source] Box<Refusal>),
}

impl ClusterError {
    /// The refusal, if that is what it is.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Kubeconfig { .. } | Self::NoAnswer { .. } => None,
        }
    }
}

/// How a change is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Server-side apply: makes the object if it is not there; with `force`, takes fields over from others.
    Apply {
        /// Take fields over.
        force: bool,
    },
    /// A merge patch of an object that is there.
    Merge,
}

/// A connection to a cluster.
pub struct Cluster {
    client: Client,
    server: String,
    has_integrated_token: bool,
}

impl Cluster {
    /// Connects by a kubeconfig file, or as kubectl does without one; nothing is sent yet.
    ///
    /// # Errors
    /// If there is no kubeconfig, or it cannot be used.
    pub async fn connect(kubeconfig: Option<&Path>, context: Option<&str>) -> Result<Self, ClusterError> {
        let Access { client, server, has_integrated_token } = access::prepare(kubeconfig, context).await?;
        Ok(Self { client, server, has_integrated_token })
    }

    /// The cluster's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Whether the credential is a token of the integrated OAuth server, which no webhook but that server's knows.
    #[must_use]
    pub const fn has_integrated_token(&self) -> bool {
        self.has_integrated_token
    }

    /// Reads an object; nothing if there is none.
    ///
    /// # Errors
    /// If there is no answer, or another one.
    pub async fn get(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        match self.send(Method::GET, path, None).await {
            Ok(reply) => Ok(Some(reply.object)),
            Err(ClusterError::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes an object, with strict validation. A dry run goes all the way but the last step.
    ///
    /// # Errors
    /// If there is no answer, or the change is refused.
    pub async fn change(&self, path: &str, body: &Value, change: Change, dry_run: bool) -> Result<Reply, ClusterError> {
        let (content_type, force) = match change {
            // YAML is what the type says, and JSON is YAML.
            Change::Apply { force } => ("application/apply-patch+yaml", force),
            Change::Merge => ("application/merge-patch+json", false),
        };
        let mut target = format!("{path}?fieldManager={MANAGER}&fieldValidation=Strict");
        if force {
            target.push_str("&force=true");
        }
        if dry_run {
            target.push_str("&dryRun=All");
        }
        self.send(Method::PATCH, &target, Some((content_type, body))).await
    }

    /// Deletes an object if it is still the one with this `uid`.
    ///
    /// # Errors
    /// If there is no answer, or it is refused.
    pub async fn delete(&self, path: &str, uid: &str) -> Result<(), ClusterError> {
        let body = serde_json::json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        self.send(Method::DELETE, path, Some(("application/json", &body))).await.map(drop)
    }

    async fn send(&self, method: Method, target: &str, body: Option<(&str, &Value)>) -> Result<Reply, ClusterError> {
        let no_answer =
            |cause: Box<dyn Error + Send + Sync>| ClusterError::NoAnswer { server: self.server.clone(), cause };
        let mut request = Request::builder().method(method).uri(target).header(header::ACCEPT, "application/json");
        let mut content = Vec::new();
        if let Some((content_type, body)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
            content = body.to_string().into_bytes();
        }
        let request = request.body(Body::from(content)).map_err(|error| no_answer(error.into()))?;
        let exchange = async {
            let response =
                self.client.send(request).await.map_err(|error| no_answer(access::about_client(&error).into()))?;
            let (parts, body) = response.into_parts();
            let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
            let body: Bytes = Limited::new(body, limit).collect().await.map_err(no_answer)?.to_bytes();
            Ok((parts, body))
        };
        let (parts, body) =
            tokio::time::timeout(DEADLINE, exchange).await.map_err(|elapsed| no_answer(elapsed.into()))??;
        answer::read(&parts, &body).map_err(|refusal| ClusterError::Refused(Box::new(refusal)))
    }
}
