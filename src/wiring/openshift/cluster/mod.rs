//! A cluster's API, as far as it is needed here: get, patch, delete, with dry runs, warnings and refusals in full.
//!
//! The only place that names the kube crate. It brings kubeconfigs, credential plugins, TLS and proxies; requests are made by
//! hand, because what matters (`Warning` headers, `fieldValidation`, the causes of a refusal) is in none of its types.

mod administrator;
mod answer;
mod plugin;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use self::administrator::Administrator;
pub use self::answer::{Cause, Refusal, Reply};
use super::manifest::MANAGER;
use super::objects::MAX_BYTES;
use crate::outbound::chain;

/// For one request, with the retries of a busy API server.
const DEADLINE: Duration = Duration::from_secs(60);

/// For a connection, also one through a proxy.
const CONNECT: Duration = Duration::from_secs(15);

/// Tokens of OpenShift's integrated OAuth server begin with this.
const INTEGRATED_TOKEN: &str = "sha256~";

/// What could not be had from a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The kubeconfig, or what it refers to, cannot be used. No value of it is repeated.
    #[error("{from}: {problem}")]
    Kubeconfig {
        /// Which file.
        from: String,
        /// Which field, what is wrong and what to do.
        problem: String,
    },
    /// There was no answer.
    #[error("no answer from {server}: {why}")]
    NoAnswer {
        /// The cluster's address.
        server: String,
        /// Why.
        why: String,
    },
    /// It is no API server.
    #[error(
        "what answers at {server} is no Kubernetes API server (it has no /version): give the administrator's kubeconfig of a \
         cluster, not the webhook's"
    )]
    NoApiServer {
        /// The address.
        server: String,
    },
    /// There was an answer, and it is not about what was asked.
    #[error(
        "{server} answered something else than what was asked for: {what}; see that this is the API server's address"
    )]
    NotUnderstood {
        /// The cluster's address.
        server: String,
        /// What came.
        what: String,
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
            _ => None,
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
    files: Vec<PathBuf>,
    context: Option<String>,
    client: Mutex<Client>,
    server: String,
    has_integrated_token: bool,
    is_renewable: bool,
}

impl Cluster {
    /// Connects by kubeconfigs, which count in their order as they do for kubectl; nothing is sent yet, but a plugin is
    /// run. Must be called where a runtime is.
    ///
    /// # Errors
    /// If there is no kubeconfig, or it cannot be used.
    pub fn connect(files: Vec<PathBuf>, context: Option<&str>) -> Result<Self, ClusterError> {
        let administrator = Administrator::read(&files, context)?;
        let (client, has_integrated_token) = client(&administrator)?;
        Ok(Self {
            files,
            context: context.map(str::to_owned),
            client: Mutex::new(client),
            server: administrator.server().to_owned(),
            has_integrated_token,
            is_renewable: administrator.is_renewable(),
        })
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
        let object = self.read(path).await?;
        object.map(|object| self.expect(answer::is_at(path, &object).map(|()| object))).transpose()
    }

    /// Reads any document, null if it is no JSON; nothing if there is none.
    ///
    /// # Errors
    /// If there is no answer, or another one.
    pub async fn read(&self, path: &str) -> Result<Option<Value>, ClusterError> {
        match self.send(Method::GET, path, None).await {
            Ok(reply) => Ok(Some(reply.object)),
            Err(ClusterError::Refused(refusal)) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes sure that an object is missed by an API server and not by something else.
    ///
    /// # Errors
    /// If it is something else, or there is no answer.
    pub async fn is_api_server(&self) -> Result<(), ClusterError> {
        match self.read("/version").await {
            Ok(Some(version)) if version.get("gitVersion").is_some() => Ok(()),
            // Whoever may not ask for it may well be asking an API server.
            Err(ClusterError::Refused(refusal)) if matches!(refusal.status.as_u16(), 401 | 403) => Ok(()),
            Ok(_) | Err(ClusterError::Refused(_)) => Err(ClusterError::NoApiServer { server: self.server.clone() }),
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
        let reply = self.send(Method::PATCH, &target, Some((content_type, body))).await?;
        self.expect(answer::is_at(path, &reply.object).and_then(|()| answer::has(&reply.object, body)))?;
        Ok(reply)
    }

    /// Deletes an object if it is still the one with this `uid`.
    ///
    /// # Errors
    /// If there is no answer, or it is refused.
    pub async fn delete(&self, path: &str, uid: &str) -> Result<(), ClusterError> {
        let body = serde_json::json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let reply = self.send(Method::DELETE, path, Some(("application/json", &body))).await?;
        let is_status = reply.object.get("kind").is_some_and(|kind| kind == "Status");
        self.expect(if is_status { Ok(()) } else { answer::is_at(path, &reply.object) })
    }

    fn expect<T>(&self, answer: Result<T, String>) -> Result<T, ClusterError> {
        answer.map_err(|what| ClusterError::NotUnderstood { server: self.server.clone(), what })
    }

    /// The current client. A lock is held only as long as it takes to copy it.
    fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks for a newer credential: a plugin gives another, and a token file is rewritten.
    fn renew(&self) -> Result<(), ClusterError> {
        let administrator = Administrator::read(&self.files, self.context.as_deref())?;
        let (client, _) = client(&administrator)?;
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
        Ok(())
    }

    async fn send(&self, method: Method, target: &str, body: Option<(&str, &Value)>) -> Result<Reply, ClusterError> {
        match self.send_once(method.clone(), target, body).await {
            // What is refused for want of a credential was not done.
            Err(ClusterError::Refused(refusal)) if self.is_renewable && refusal.status == StatusCode::UNAUTHORIZED => {
                self.renew()?;
                self.send_once(method, target, body).await
            }
            result => result,
        }
    }

    async fn send_once(
        &self,
        method: Method,
        target: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Reply, ClusterError> {
        let no_answer = |why: String| ClusterError::NoAnswer { server: self.server.clone(), why };
        let mut request = Request::builder().method(method).uri(target).header(header::ACCEPT, "application/json");
        let mut content = Vec::new();
        if let Some((content_type, body)) = body {
            request = request.header(header::CONTENT_TYPE, content_type);
            content = body.to_string().into_bytes();
        }
        let request = request.body(Body::from(content)).map_err(|error| no_answer(error.to_string()))?;
        let client = self.client();
        let exchange = async {
            let response = client.send(request).await.map_err(|error| no_answer(trouble(&error)))?;
            let (parts, body) = response.into_parts();
            let limit = usize::try_from(MAX_BYTES).unwrap_or(usize::MAX);
            let body = Limited::new(body, limit).collect().await.map_err(|error| no_answer(trouble(&*error)))?;
            Ok((parts, body.to_bytes()))
        };
        let within = tokio::time::timeout(DEADLINE, exchange).await;
        let (parts, body): (_, Bytes) = within.map_err(|_| no_answer("it takes too long".to_owned()))??;
        answer::read(&parts, &body).map_err(|refusal| ClusterError::Refused(Box::new(refusal)))
    }
}

fn client(administrator: &Administrator) -> Result<(Client, bool), ClusterError> {
    let (mut config, has_integrated_token) = administrator.config()?;
    config.connect_timeout = Some(CONNECT);
    let client = Client::try_from(config).map_err(|error| administrator.unusable(trouble(&error)))?;
    Ok((client, has_integrated_token))
}

/// Why there is no answer, in one line, without what only the library's authors can use.
fn trouble(error: &(dyn Error + 'static)) -> String {
    const OUTER: [&str; 4] = ["ServiceError", "client error (Connect)", "client error (SendRequest)", "client error"];
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    let is_cut = |error: &(dyn Error + 'static)| {
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    };
    if causes.any(is_cut) {
        return "the connection ended before the answer did".to_owned();
    }
    let text = chain(error);
    // The library's layers say nothing to whoever reads this.
    let mut text = text.as_str();
    while let Some(rest) =
        OUTER.iter().find_map(|prefix| text.strip_prefix(prefix)?.strip_prefix(": ")).filter(|rest| !rest.is_empty())
    {
        text = rest;
    }
    text.to_owned()
}
