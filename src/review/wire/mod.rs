//! What a TokenReview looks like on the wire: `authentication.k8s.io/v1` and `v1beta1`, as JSON and as Kubernetes
//! protobuf. Lenient about what is not read, strict about what is.

mod json;
mod protobuf;
mod usual;

use std::borrow::Cow;

use crate::token::BearerToken;

/// The most audiences that one review may ask about. API servers send one or two.
const MAX_AUDIENCES: usize = 64;

/// A version of the `authentication.k8s.io` API. The two are alike field for field; an answer in the other version is an
/// error to kube-apiserver, so the request's is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApiVersion {
    /// `authentication.k8s.io/v1`
    V1,
    /// `authentication.k8s.io/v1beta1`, kube-apiserver's default for webhooks.
    V1beta1,
}

impl ApiVersion {
    /// As in `apiVersion`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "authentication.k8s.io/v1",
            Self::V1beta1 => "authentication.k8s.io/v1beta1",
        }
    }

    /// As in a path or a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V1beta1 => "v1beta1",
        }
    }

    fn from_name(name: &str) -> Result<Self, Malformed> {
        [Self::V1, Self::V1beta1].into_iter().find(|version| version.name() == name).ok_or(Malformed::ApiVersion)
    }
}

/// A review as it was asked.
#[derive(Debug)]
pub struct TokenReview {
    /// The version that the answer must have.
    pub version: ApiVersion,
    /// `spec.token`
    pub token: BearerToken,
    /// `spec.audiences`
    pub audiences: Vec<String>,
}

/// Why a body is no TokenReview. Never quotes the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// `apiVersion` is absent where it is needed, another one, or not the path's.
    #[error("apiVersion must be authentication.k8s.io/v1 or authentication.k8s.io/v1beta1, and the one of the path")]
    ApiVersion,
    /// `spec.audiences` is too long or has an empty entry.
    #[error("spec.audiences must be at most 64 strings that are not empty")]
    Audiences,
    /// The body cannot be read.
    #[error("the body is not a TokenReview: {0}")]
    Json(#[from] crate::jose::json::JsonError),
    /// `kind` is another one.
    #[error("kind must be TokenReview")]
    Kind,
    /// The body cannot be read.
    #[error("the body is not a TokenReview in Kubernetes' protobuf encoding")]
    Protobuf,
    /// `spec.token` is absent or empty.
    #[error("spec.token must not be empty")]
    Token,
}

/// How a body is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

/// The parts of a review as found, before they are judged.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parts<'b> {
    api_version: Option<Cow<'b, str>>,
    kind: Option<Cow<'b, str>>,
    token: Option<String>,
    audiences: Vec<String>,
}

impl TokenReview {
    /// Reads a review. `expected` is the version that the path names, if it names one; it then also stands for an absent
    /// `apiVersion` and `kind`, as at the API server's own endpoint.
    ///
    /// # Errors
    ///
    /// When it is not a review of that version, or has no token.
    pub fn parse(body: &[u8], encoding: Encoding, expected: Option<ApiVersion>) -> Result<Self, Malformed> {
        let parts = match encoding {
            Encoding::Json => match usual::read(body) {
                Some(parts) => parts,
                None => json::read(body)?,
            },
            Encoding::Protobuf => protobuf::read(body).ok_or(Malformed::Protobuf)?,
        };
        parts.judge(expected)
    }
}

impl Parts<'_> {
    fn judge(self, expected: Option<ApiVersion>) -> Result<TokenReview, Malformed> {
        // Taken over first, so that whatever happens next wipes it.
        let token = self.token.map(BearerToken::new);
        let version = match self.api_version.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => ApiVersion::from_name(name)?,
            None => expected.ok_or(Malformed::ApiVersion)?,
        };
        if expected.is_some_and(|expected| expected != version) {
            return Err(Malformed::ApiVersion);
        }
        match self.kind.as_deref().filter(|kind| !kind.is_empty()) {
            Some("TokenReview") => {}
            None if expected.is_some() => {}
            _ => return Err(Malformed::Kind),
        }
        let audiences = self.audiences;
        if audiences.len() > MAX_AUDIENCES || audiences.iter().any(String::is_empty) {
            return Err(Malformed::Audiences);
        }
        let token = token.filter(|token| !token.expose_secret().is_empty()).ok_or(Malformed::Token)?;
        Ok(TokenReview { version, token, audiences })
    }
}

#[cfg(test)]
mod tests;
