//! The story of one TokenReview: read it, ask, answer.
//!
//! Called by [`http`](crate::http) with a caller that is known already; asks [`authn`](crate::authn);
//! [`response`] decides what the caller may learn.

pub mod response;
pub mod wire;

use std::sync::Arc;

use crate::authn::observed::Question;
use crate::authn::{Authn, Deadline};

pub use response::Reply;
pub use wire::{ApiVersion, Malformed, TokenReview};

/// Answers reviews under one configuration.
pub struct Reviewer {
    authn: Arc<Authn>,
    refusal_reasons: bool,
}

impl Reviewer {
    /// A reviewer that asks `authn`. With `refusal_reasons` even a definite refusal carries its reason code in
    /// `status.error`, at the price that no API server remembers it.
    #[must_use]
    pub fn new(authn: Arc<Authn>, refusal_reasons: bool) -> Self {
        Self { authn, refusal_reasons }
    }

    /// The authenticator behind it.
    #[must_use]
    pub fn authn(&self) -> &Arc<Authn> {
        &self.authn
    }

    /// Answers one review.
    pub async fn review(&self, review: TokenReview, deadline: Deadline) -> Reply {
        let TokenReview { version, token, audiences } = review;
        let question = Question { token: &token, audiences, version: version.label() };
        let answer = self.authn.review(question, deadline).await;
        Reply::decided(version, &answer, self.refusal_reasons)
    }
}
