//! What came back, and what kube-apiserver would make of it.
//!
//! The rules are kube-apiserver's, not those of a careful server: it takes an empty user name, and so does this, with a
//! warning. The reviewed token is blotted out before anything else happens, since some servers send it back.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{StatusCode, Version};
use serde::Deserialize;
use serde_json::Value;

use super::request::{Review, ReviewVersion};
use crate::authn::Cause;
use crate::token::BearerToken;

/// An answer over HTTP, whatever it says.
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The HTTP version that was spoken.
    pub http_version: Version,
    /// From sending to the last byte.
    pub elapsed: Duration,
    /// The body, if it is JSON, without the reviewed token.
    pub document: Option<Value>,
    is_empty: bool,
    retry_after: Option<u64>,
}

/// What kube-apiserver makes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// The request goes on as this user, and the answer is remembered.
    Accepted(Accepted),
    /// The request is unauthenticated: the token is not good.
    Refused(Refused),
    /// The request is unauthenticated, and nothing is remembered.
    Undecided(Undecided),
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The user's name.
    pub username: String,
    /// A stable identifier; may be empty.
    pub uid: String,
    /// The groups, without the `system:authenticated` that kube-apiserver adds.
    pub groups: Vec<String>,
    /// Further attributes.
    pub extra: BTreeMap<String, Vec<String>>,
    /// What the token is good for, among what was asked.
    pub audiences: Vec<String>,
    /// What is legal and still wrong or risky.
    pub warnings: Vec<&'static str>,
}

/// A no. kube-apiserver takes a text in `status.error` for an error, whatever it says. Here it is a no with its reason
/// (`server.refusalReasons`, and the way of other webhooks to say why), unless it is one of our codes for "cannot tell":
/// another webhook's text may mean that as well, so it is always shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why, as far as it can be told.
    pub why: String,
    /// Whether kube-apiserver remembers it. It does not if the answer has an error text.
    pub is_remembered: bool,
}

/// An error, as kube-apiserver sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecided {
    /// The error in words.
    pub why: String,
    /// Whether kube-apiserver tries again by itself (five times within five seconds or so).
    pub retried: bool,
}

impl Refused {
    fn plainly(why: &str) -> Judgement {
        Judgement::Refused(Self { why: why.to_owned(), is_remembered: true })
    }
}

impl Undecided {
    /// Whether the webhook itself said that it cannot tell. Otherwise its answer is none.
    #[must_use]
    pub fn is_cause(&self) -> bool {
        is_cause(&self.why)
    }
}

impl Answer {
    pub(crate) fn new(
        review: &Review<'_>,
        status: StatusCode,
        http_version: Version,
        retry_after: Option<u64>,
        body: &[u8],
        elapsed: Duration,
    ) -> Self {
        let mut document: Option<Value> = serde_json::from_slice(body).ok();
        if let Some(document) = &mut document {
            blot_out(document, review.token);
        }
        Self { status, http_version, elapsed, document, is_empty: body.is_empty(), retry_after }
    }

    /// What kube-apiserver makes of this answer to a review of that version for those audiences.
    #[must_use]
    pub fn judge(&self, version: ReviewVersion, audiences: &[String]) -> Judgement {
        self.decide(version, audiences).unwrap_or_else(Judgement::Undecided)
    }

    fn decide(&self, version: ReviewVersion, audiences: &[String]) -> Result<Judgement, Undecided> {
        if !(200..=206).contains(&self.status.as_u16()) {
            return Err(self.http_error());
        }
        let status = self.review_status(version).map_err(|why| Undecided { why, retried: false })?;
        let answered = status.audiences.unwrap_or_default();
        let good_for: Vec<String> = audiences.iter().filter(|audience| answered.contains(audience)).cloned().collect();
        if !audiences.is_empty() && !answered.is_empty() && good_for.is_empty() {
            return Ok(Refused::plainly("the answer's audiences are none of those that were asked for"));
        }
        let error = status.error.unwrap_or_default();
        let authenticated = status.authenticated.unwrap_or_default();
        if !authenticated && is_cause(&error) {
            return Err(Undecided { why: error, retried: false });
        }
        if !authenticated && !error.is_empty() {
            let why = format!("the webhook says {error:?}");
            return Ok(Judgement::Refused(Refused { why, is_remembered: false }));
        }
        if !authenticated {
            return Ok(Refused::plainly("the answer is `authenticated: false`"));
        }
        let mut accepted = accepted(status.user.unwrap_or_default());
        if !error.is_empty() {
            accepted
                .warnings
                .push("status.error is set besides `authenticated: true`: kube-apiserver ignores the error");
        }
        if !audiences.is_empty() && answered.is_empty() {
            accepted.warnings.push(
                "the answer names no audiences: kube-apiserver takes the token as good for its own (--api-audiences)",
            );
        }
        accepted.audiences = good_for;
        Ok(Judgement::Accepted(accepted))
    }

    /// The review's status, or why kube-apiserver cannot read it.
    fn review_status(&self, version: ReviewVersion) -> Result<Status, String> {
        let Some(document) = &self.document else {
            return Err(if self.is_empty { "the answer is empty" } else { "the answer is not JSON" }.to_owned());
        };
        let field = |name| document.get(name).and_then(Value::as_str).unwrap_or_default();
        if !document.is_object()
            || !["status", "/status/user"].into_iter().all(|path| is_object_or_absent(document, path))
        {
            return Err("the answer is not a TokenReview: an object is expected".to_owned());
        }
        let (api_version, kind) = (field("apiVersion"), field("kind"));
        if !kind.is_empty() && kind != "TokenReview" {
            return Err(format!("the answer is of the kind {kind:?}, not \"TokenReview\""));
        }
        if !api_version.is_empty() && api_version != version.api_version() {
            return Err(format!("the answer speaks {api_version:?}, the question {:?}", version.api_version()));
        }
        let review: Body = serde_json::from_value(document.clone())
            .map_err(|error| format!("the answer is not a TokenReview: {error}"))?;
        Ok(review.status.unwrap_or_default())
    }

    fn http_error(&self) -> Undecided {
        let code = self.status.as_u16();
        let failure = self.document.as_ref().and_then(|document| {
            let failure: Failure = serde_json::from_value(document.clone()).ok()?;
            (failure.api_version == "v1" && failure.kind == "Status" && failure.status == "Failure").then_some(failure)
        });
        let asks_to_wait = self.retry_after.is_some_and(|seconds| seconds > 0 || code == 429 || code >= 500)
            || failure.as_ref().is_some_and(|failure| failure.details.retry_after_seconds > 0);
        let retried = asks_to_wait
            || match &failure {
                Some(failure) => {
                    matches!(failure.reason.as_str(), "InternalError" | "ServerTimeout" | "Timeout" | "TooManyRequests")
                }
                None => code == 429 || (code >= 500 && code != 503),
            };
        let message = failure.map(|failure| format!(": {}", failure.message)).unwrap_or_default();
        Undecided { why: format!("HTTP {}{message}", self.status), retried }
    }
}

fn accepted(user: User) -> Accepted {
    let mut warnings = Vec::new();
    let username = user.username.unwrap_or_default();
    let groups = user.groups.unwrap_or_default();
    let extra: BTreeMap<String, Vec<String>> =
        user.extra.unwrap_or_default().into_iter().map(|(key, values)| (key, values.unwrap_or_default())).collect();
    if username.is_empty() {
        warnings.push("the user name is empty: kube-apiserver lets a nameless user in, with system:authenticated");
    }
    if std::iter::once(&username).chain(&groups).any(|name| name.starts_with("system:")) {
        warnings.push("a name starts with `system:`: kube-apiserver takes it as it is, with all its powers");
    }
    if extra.keys().any(|key| key.chars().any(char::is_uppercase)) {
        warnings.push("an extra key has capital letters: it does not survive impersonation");
    }
    Accepted { username, uid: user.uid.unwrap_or_default(), groups, extra, audiences: Vec::new(), warnings }
}

fn is_cause(text: &str) -> bool {
    Cause::ALL.iter().any(|cause| cause.code() == text)
}

fn is_object_or_absent(document: &Value, path: &str) -> bool {
    let value = if path.starts_with('/') { document.pointer(path) } else { document.get(path) };
    value.is_none_or(|value| value.is_object() || value.is_null())
}

/// Replaces the token wherever it occurs. Within a longer text, only if it is long enough not to be a word by chance.
fn blot_out(value: &mut Value, token: &BearerToken) {
    const BLOT: &str = "(the token)";
    const MIN_BYTES_WITHIN_TEXT: usize = 16;
    let secret = token.expose_secret();
    match value {
        Value::String(text) if text == secret => BLOT.clone_into(text),
        Value::String(text) if secret.len() >= MIN_BYTES_WITHIN_TEXT => *text = text.replace(secret, BLOT),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| blot_out(entry, token)),
        Value::Object(fields) => fields.values_mut().for_each(|field| blot_out(field, token)),
        _ => {}
    }
}

#[derive(Deserialize)]
struct Body {
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
struct Status {
    authenticated: Option<bool>,
    user: Option<User>,
    audiences: Option<Vec<String>>,
    error: Option<String>,
}

#[derive(Default, Deserialize)]
struct User {
    username: Option<String>,
    uid: Option<String>,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Option<Vec<String>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct Failure {
    api_version: String,
    kind: String,
    status: String,
    reason: String,
    message: String,
    details: FailureDetails,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FailureDetails {
    retry_after_seconds: u64,
}

#[cfg(test)]
mod tests;
