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
    /// Whether a change was asked for and nobody knows what became of it.
    is_open: bool,
}

#[derive(Debug)]
enum Why {
    Cluster { step: String, cause: Box<ClusterError> },
    Declined(String),
    Unknown(String),
    Wrong(String),
}

impl Stop {
    /// The cluster did not let us.
    pub(super) fn cluster(step: impl Into<String>, cause: ClusterError) -> Self {
        Self {
            why: Why::Cluster { step: step.into(), cause: Box::new(cause) },
            done: Vec::new(),
            next: "",
            is_open: false,
        }
    }

    /// The cluster did not let us change something, or did not say whether it did.
    pub(super) fn change(step: impl Into<String>, cause: ClusterError) -> Self {
        let is_open = cause.refusal().is_none_or(|refusal| !refusal.is_final());
        Self { is_open, ..Self::cluster(step, cause) }
    }

    /// A person did not agree, or nobody was there to ask.
    pub(super) fn declined(what: impl Into<String>) -> Self {
        Self { why: Why::Declined(what.into()), done: Vec::new(), next: "", is_open: false }
    }

    /// What was asked for makes no sense here.
    pub(super) fn wrong(what: impl Into<String>) -> Self {
        Self { why: Why::Wrong(what.into()), done: Vec::new(), next: "", is_open: false }
    }

    /// It cannot be found out whether it may be done.
    pub(super) fn unknown(what: impl Into<String>) -> Self {
        Self { why: Why::Unknown(what.into()), done: Vec::new(), next: "", is_open: false }
    }

    /// Says what had been done when it stopped, and what to do now, unless something nearer says that.
    #[must_use]
    pub fn after(mut self, done: &[String], next: &'static str) -> Self {
        self.done.splice(0..0, done.iter().cloned());
        if self.next.is_empty() {
            self.next = next;
        }
        self
    }

    /// What had been done when it stopped: one line for each object.
    #[must_use]
    pub fn done(&self) -> &[String] {
        &self.done
    }

    /// Whether the answer is no. Otherwise it could not be found out.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match &self.why {
            Why::Cluster { cause, .. } => cause.refusal().is_some_and(Refusal::is_final),
            Why::Declined(_) | Why::Wrong(_) => true,
            Why::Unknown(_) => false,
        }
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Cluster { step, cause } => {
                write!(f, "{step}: {}", chain(&**cause))?;
                if let Some(remedy) = cause.refusal().map(Refusal::remedy).filter(|remedy| !remedy.is_empty()) {
                    write!(f, "; {remedy}")?;
                }
            }
            Why::Declined(what) | Why::Unknown(what) | Why::Wrong(what) => f.write_str(what)?,
        }
        if self.is_open {
            f.write_str(
                "; whether it was changed is not known: delete nothing, see openshift check, and run this again",
            )?;
        }
        if self.done.is_empty() {
            f.write_str(if self.is_open { "" } else { "; nothing was changed" })
        } else {
            write!(f, "; done before: {}; {}", self.done.join(", "), self.next)
        }
    }
}

impl std::error::Error for Stop {}
