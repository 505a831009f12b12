//! Posts a TokenReview the way kube-apiserver does, and says what it would make of the answer.
//!
//! Three steps, each usable alone: [`Review`] is the question and its exact bytes, [`Reviewer::post`] carries it over,
//! [`Answer::judge`] reads what came back. Used by `review` and `dev`.

mod answer;
mod request;
mod tls;
mod verifier;

use std::error::Error;
use std::io;
use std::time::{Duration, Instant};

use http::{HeaderValue, StatusCode, Version, header};
use url::Url;

pub use self::answer::{Accepted, Answer, Judgement, Refused, Undecided};
pub use self::request::{Review, ReviewVersion};
pub use self::tls::client_config;
pub use self::verifier::ServerVerifier;
use super::kubeconfig::Connection;
use super::proxy;

/// The API server's own limit for one request, the answer's body included.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The most that is read of an answer. The API server has no such limit; real answers have a few kilobytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// A connection that cannot be set up: nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum ReviewerError {
    /// The certificate authority of the kubeconfig is not usable.
    #[error("certificate-authority: {problem}; give the PEM certificates that signed the webhook's certificate")]
    Authority {
        /// What is wrong with it.
        problem: String,
    },
    /// The client certificate or its key is not usable.
    #[error("client-certificate: the certificate or its key cannot be used; check that they belong together")]
    ClientCertificate {
        /// What the TLS library says.
        #[source]
        cause: Box<dyn Error + Send + Sync>,
    },
    /// The HTTP client could not be made.
    #[error("the HTTP client cannot be set up")]
    Client {
        /// What the HTTP library says.
        #[source]
        cause: reqwest::Error,
    },
    /// `tls-server-name` is no name, or one that comes together with a proxy, which kube-apiserver could use.
    #[error("tls-server-name: {problem}")]
    ServerName {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is nothing to trust.
    #[error("no certificate authority is given and the system has none; set certificate-authority in the kubeconfig")]
    NoRoots,
    /// The caller's bearer token cannot be sent.
    #[error("token: has characters that no HTTP header can carry; check the file for line breaks")]
    Token,
}

/// No answer came: the webhook could not be reached, did not speak HTTP, or took too long.
#[derive(Debug, thiserror::Error)]
#[error("no answer from {place}")]
pub struct NoAnswer {
    place: String,
    /// Whether kube-apiserver would have tried again by itself.
    pub retried: bool,
    #[source]
    cause: reqwest::Error,
}

impl NoAnswer {
    /// Whether nothing at all came from there: no address, no way, nobody who listens.
    #[must_use]
    pub fn is_unreached(&self) -> bool {
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable, TimedOut};
        self.cause.is_timeout()
            || sources(&self.cause).any(|error| {
                let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
                kind.is_some_and(|kind| {
                    matches!(kind, ConnectionRefused | HostUnreachable | NetworkUnreachable | TimedOut)
                }) || error.to_string() == "dns error"
            })
    }
}

/// A client for one webhook. It keeps its connections, as kube-apiserver does.
pub struct Reviewer {
    client: reqwest::Client,
    url: Url,
    place: String,
    authorization: Option<HeaderValue>,
    deadline: Duration,
}

impl Reviewer {
    /// Prepares a client for a kubeconfig's connection; nothing is sent yet.
    ///
    /// # Errors
    /// If certificates, keys or names of the connection cannot be used.
    pub fn new(connection: &Connection) -> Result<Self, ReviewerError> {
        let mut url = request::url(&connection.server);
        // As it is written: `url` may get another host.
        let place = connection.other_name().map_or_else(|| url.to_string(), |name| format!("{url} as {name}"));
        let client = Self::client(connection, &mut url)?;
        let bearer = connection.bearer.as_ref().map(|token| {
            let mut value =
                HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| ReviewerError::Token)?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Self { client, url, place, authorization: bearer.transpose()?, deadline: DEADLINE })
    }

    /// Waits for another time than kube-apiserver does.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// An HTTP client for a connection. `url`, which leads there, gets the host that the server's certificate is for.
    ///
    /// # Errors
    /// If certificates, keys or names of the connection cannot be used.
    pub fn client(connection: &Connection, url: &mut Url) -> Result<reqwest::Client, ReviewerError> {
        let mut config = client_config(connection)?;
        let another_name = connection.other_name();
        if another_name.is_some() {
            // Only HTTP/1.1 can name a host other than the one that TLS is spoken with.
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
        }
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .timeout(DEADLINE)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")));
        let environments = || proxy::of_environment(&connection.server).map(|named| named.url);
        let proxy = connection.proxy.clone().or_else(environments);
        if let Some(name) = another_name {
            if proxy.is_some() {
                return Err(ReviewerError::ServerName { problem: "together with a proxy it is not supported here" });
            }
            builder = tls::under_another_name(builder, connection, name, url)?;
        } else if let Some(proxy) = proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|cause| ReviewerError::Client { cause })?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(|cause| ReviewerError::Client { cause })
    }

    /// Where reviews are posted.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Posts one review, once: kube-apiserver's retries are reported by [`Judgement`], not imitated.
    ///
    /// # Errors
    /// If no complete answer came within kube-apiserver's 30 seconds (or [`Self::with_deadline`]).
    pub async fn post(&self, review: &Review<'_>) -> Result<Answer, NoAnswer> {
        let started = Instant::now();
        let mut request = self
            .client
            .post(self.url.clone())
            .timeout(self.deadline)
            .header(header::ACCEPT, "application/json, */*")
            .header(header::CONTENT_TYPE, "application/json")
            .body(review.body());
        if let Some(value) = &self.authorization {
            request = request.header(header::AUTHORIZATION, value.clone());
        }
        let mut response = request.send().await.map_err(|cause| self.no_answer(cause))?;
        let mut body = Vec::new();
        while body.len() < MAX_ANSWER_BYTES
            && let Some(chunk) = response.chunk().await.map_err(|cause| self.no_answer(cause))?
        {
            body.extend_from_slice(&chunk);
        }
        let (status, version): (StatusCode, Version) = (response.status(), response.version());
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        Ok(Answer::new(review, status, version, retry_after, &body, started.elapsed()))
    }

    fn no_answer(&self, cause: reqwest::Error) -> NoAnswer {
        let retried = sources(&cause).any(|error| {
            error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
        });
        // The URL is ours to name; the library's own mention of it would be a repetition.
        NoAnswer { place: self.place.clone(), retried, cause: cause.without_url() }
    }
}

fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| -> Option<&'a (dyn Error + 'static)> {
        (*error).source()
    })
}

#[cfg(test)]
mod tests;
