//! A change that stopped on the way: what was done before, why it stopped, and how to go on.

use std::fmt;

use super::super::cluster::{ClusterError, Refusal};
use crate::outbound::chain;

/// Why nothing more was done.
#[derive(Debug)]
pub struct Stop {
    why: Why,
    done: Vec<String>,
    next: &'static str,
}

#[derive(Debug)]
enum Why {
    Cluster { step: String, cause: ClusterError },
    Declined(String),
    Wrong(String),
}

impl Stop {
    /// The cluster did not let us.
    pub(super) fn cluster(step: impl Into<String>, cause: ClusterError) -> Self {
        Self { why: Why::Cluster { step: step.into(), cause }, done: Vec::new(), next: "" }
    }

    /// A person did not agree, or nobody was there to ask.
    pub(super) fn declined(what: impl Into<String>) -> Self {
        Self { why: Why::Declined(what.into()), done: Vec::new(), next: "" }
    }

    /// What was asked for makes no sense here.
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self { why: Why::Wrong(what.into()), done: Vec::new(), next: "" }
    }

    /// Says what had been done when it stopped, and what to do now.
    pub(super) fn after(mut self, done: &[String], next: &'static str) -> Self {
        self.done = done.to_vec();
        self.next = next;
        self
    }

    /// Whether the answer is no. Otherwise it could not be found out.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match &self.why {
            Why::Cluster { cause, .. } => cause.refusal().is_some_and(Refusal::is_final),
            Why::Declined(_) | Why::Wrong(_) => true,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Cluster { step, cause } => {
                write!(f, "{step}: {}", chain(cause))?;
                match cause.refusal() {
                    Some(refusal) if refusal.is_stale() => {
                        f.write_str("; somebody changed it meanwhile: look at it, and run this again")?;
                    }
                    Some(refusal) if refusal.status == 403 => {
                        f.write_str("; ask for the rights that the page on OpenShift lists")?;
                    }
                    Some(refusal) if refusal.is_invalid() => f.write_str("; mend the document")?,
                    _ => {}
                }
            }
            Why::Declined(what) | Why::Wrong(what) => f.write_str(what)?,
        }
        if self.done.is_empty() {
            f.write_str("; nothing was changed")
        } else {
            write!(f, "; done before: {}; {}", self.done.join(", "), self.next)
        }
    }
}

impl std::error::Error for Stop {}
