//! The outermost step: one metric and one event for each review, whatever the answer.
//!
//! Called by [`review`](crate::review); calls the [`cache`](super::cache), then decides about the requested audiences,
//! because every answer that leaves must have been counted, and every answer that was counted must leave.

use std::sync::Arc;
use std::time::Instant;

use super::cache::Cache;
use super::router::Router;
use super::{Accepted, Authenticator, Deadline, Decision, Reason, Rejected, Unavailable, audiences};
use crate::clock::Clock;
use crate::token::BearerToken;

/// A review as it was asked.
pub struct Question<'r> {
    /// The token in question.
    pub token: &'r BearerToken,
    /// The audiences that the caller wants it for; empty when it did not say.
    pub audiences: Vec<String>,
    /// Which version of the API asked; a metric label.
    pub version: &'static str,
}

/// The final answer to a question.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Good, for these of the requested audiences (none when none were asked for).
    Accept(Accepted, Vec<String>),
    /// Refused.
    Reject(Rejected),
    /// Cannot tell.
    Unavailable(Unavailable),
}

/// What happened in one review, for whoever counts and logs. Holds nothing of the token.
pub struct Observation<'a> {
    /// The answer that was given.
    pub answer: &'a Answer,
    /// Which version of the API asked.
    pub version: &'static str,
    /// How long it took.
    pub elapsed: std::time::Duration,
}

/// Takes note of reviews: metrics and logs, at one edge.
pub trait Observer: Send + Sync {
    /// One review was answered.
    fn reviewed(&self, observation: &Observation<'_>);
}

/// The authenticator of one configuration.
pub struct Authn {
    cache: Cache<Router>,
    api_audiences: Vec<String>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
}

impl Authn {
    /// Puts the chain together.
    #[must_use]
    pub fn new(
        cache: Cache<Router>,
        api_audiences: Vec<String>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self { cache, api_audiences, clock, observer }
    }

    /// The cache, for its size.
    #[must_use]
    pub fn cache(&self) -> &Cache<Router> {
        &self.cache
    }

    /// Answers a review.
    pub async fn review(&self, question: Question<'_>, deadline: Deadline) -> Answer {
        let started: Instant = self.clock.monotonic();
        let answer = match self.cache.authenticate(question.token, deadline).await {
            Decision::Accept(accepted) => self.vouch(accepted, question.audiences),
            Decision::NotMine => Answer::Reject(Rejected::unclaimed(Reason::Malformed)),
            Decision::Reject(rejected) => Answer::Reject(rejected),
            Decision::Unavailable(unavailable) => Answer::Unavailable(unavailable),
        };
        let elapsed = self.clock.monotonic().saturating_duration_since(started);
        self.observer.reviewed(&Observation { answer: &answer, version: question.version, elapsed });
        answer
    }

    fn vouch(&self, accepted: Accepted, requested: Vec<String>) -> Answer {
        match audiences::vouched(requested, &self.api_audiences, &accepted.basis.audiences) {
            Some(audiences) => Answer::Accept(accepted, audiences),
            None => Answer::Reject(Rejected {
                reason: Reason::AudienceNotVouched,
                issuer: Some(accepted.basis.issuer.clone()),
                standing: None,
            }),
        }
    }
}
