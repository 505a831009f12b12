//! Posts TokenReviews to countersign with the very body that kube-apiserver sends.

use serde_json::{Value, json};

/// What kube-apiserver asks for unless it is told otherwise, and what countersign vouches for by default.
pub(crate) const API_AUDIENCE: &str = "https://kubernetes.default.svc";

/// A caller of one replica.
#[derive(Clone)]
pub(crate) struct Reviewer {
    url: String,
    client: reqwest::Client,
}

impl Reviewer {
    pub(crate) fn new(server: &str, client: reqwest::Client) -> Self {
        Self { url: format!("{server}/authenticate?timeout=30s"), client }
    }

    /// The verdict on a token, asked for the API server's own audience.
    pub(crate) async fn verdict(&self, token: &str) -> Verdict {
        self.verdict_for(token, &[API_AUDIENCE]).await
    }

    /// The verdict on a token for some audiences.
    pub(crate) async fn verdict_for(&self, token: &str, audiences: &[&str]) -> Verdict {
        self.try_verdict(token, audiences).await.unwrap()
    }

    /// The verdict, or what went wrong on the way to it.
    pub(crate) async fn try_verdict(&self, token: &str, audiences: &[&str]) -> Result<Verdict, reqwest::Error> {
        let review = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": token, "audiences": audiences},
            "status": {"user": {}},
        });
        let answer = self.client.post(&self.url).json(&review).send().await?.error_for_status()?;
        let review: Value = answer.json().await?;
        Ok(Verdict::of(&review))
    }

    /// Whether a token is accepted; as an error for [`Load`](super::Load) and [`eventually`](super::eventually) if not.
    pub(crate) async fn accepts(&self, token: &str) -> Result<(), String> {
        match self.try_verdict(token, &[API_AUDIENCE]).await {
            Ok(Verdict::Accepted { .. }) => Ok(()),
            Ok(verdict) => Err(format!("{verdict:?}")),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}

/// What a TokenReview's `status` amounts to.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// A yes, about this user, for these audiences.
    Accepted { user: Value, audiences: Value },
    /// A plain no, which the API server remembers.
    Refused,
    /// A no with an error, which the API server does not remember.
    CannotTell(String),
}

impl Verdict {
    pub(crate) fn of(review: &Value) -> Self {
        let status = &review["status"];
        match (&status["authenticated"], status["error"].as_str().unwrap_or_default()) {
            (Value::Bool(true), "") => {
                Self::Accepted { user: status["user"].clone(), audiences: status["audiences"].clone() }
            }
            (Value::Bool(false) | Value::Null, "") => Self::Refused,
            (Value::Bool(false) | Value::Null, error) => Self::CannotTell(error.to_owned()),
            _ => panic!("neither yes nor no: {review}"),
        }
    }

    /// The name in a yes.
    pub(crate) fn username(&self) -> Option<&str> {
        match self {
            Self::Accepted { user, .. } => user["username"].as_str(),
            Self::Refused | Self::CannotTell(_) => None,
        }
    }
}
