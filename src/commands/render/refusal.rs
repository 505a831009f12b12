//! Why nothing was rendered, for people and for programs.

use serde::Serialize;

use super::super::output::Output;
use super::super::{Conclusion, Failure, Outcome, terminal};
use super::webhook::advise;
use crate::findings::Findings;

/// What was found before it was given up, and why it was.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(super) findings: Findings,
    pub(super) failure: Failure,
}

/// A refusal as programs read it.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    findings: &'a Findings,
    error: &'a str,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self { findings: Findings::new(), failure }
    }
}

impl Refusal {
    /// With errors among the findings.
    pub(crate) fn because(findings: Findings, what: &str) -> Self {
        let failure = Failure::Refused(format!("nothing was rendered: {what}, for the reasons given"));
        Self { findings, failure }
    }
}

/// Ends a command: a refusal is printed as what would have been rendered was to be.
pub(crate) fn concluded(rendered: Result<(), Refusal>, output: Output) -> Outcome {
    let Err(Refusal { findings, failure }) = rendered else { return Ok(Conclusion::Yes) };
    match output.document(&Printed { findings: &findings, error: failure.message() }) {
        Some(document) => terminal::print(&document)?,
        None => advise(&findings),
    }
    Err(failure)
}
