//! What was done to a cluster, for people and for programs.

use serde::Serialize;

use super::super::output::{Output, summed_up};
use super::super::{Failure, terminal};
use crate::findings::Findings;

/// Grows while things are done, and is printed however they end.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// One line for each object.
    pub(super) objects: Vec<String>,
    /// How the rollout ended, if it was followed to a good end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rollout: Option<String>,
    /// What the cluster's state is now, or why nothing was done.
    #[serde(flatten)]
    pub(super) findings: Findings,
}

/// A report as programs read it: one document, however it ended.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

impl Report {
    /// Prints it; as text, unless there is nothing in it because something failed before.
    pub(super) fn print<T>(&self, output: Output, outcome: &Result<T, Failure>) -> Result<(), Failure> {
        let error = outcome.as_ref().err().map(Failure::message);
        match output.document(&Printed { report: self, error }) {
            Some(document) => terminal::print(&document),
            None if error.is_some() && self.objects.is_empty() && self.findings.is_empty() => Ok(()),
            None => terminal::print(&self.text()),
        }
    }

    fn text(&self) -> String {
        let mut text: String = self.objects.iter().chain(&self.rollout).map(|line| format!("{line}\n")).collect();
        if !self.findings.is_empty() {
            let subject = if self.objects.is_empty() { "as it would be" } else { "now" };
            text += &summed_up(subject, &self.findings);
        }
        text
    }
}
