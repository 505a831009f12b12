//! `countersign openshift check`: says whether a webhook is honored, and if not, why.

use super::super::output::Output;
use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure, Outcome};
use super::documents::Documents;
use crate::clock::{Clock, SystemClock};
use crate::findings::{Findings, Severity};
use crate::wiring::openshift::rules::{self, Circumstances};

/// Checks documents, and prints every problem with its field, the reason and the fix.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    /// How to print the findings.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let objects = arguments.documents.read()?;
    if objects.is_empty() && objects.others.is_empty() {
        return Err(Failure::WrongUse("there is nothing to check: give documents with -f".to_owned()));
    }
    let circumstances = Circumstances { now: SystemClock.now(), served: None };
    let findings = rules::check(&objects, &circumstances);
    let text = arguments.output.document(&findings).unwrap_or_else(|| text(&arguments.documents.name(), &findings));
    terminal::print(&text)?;
    Ok(if findings.has_errors() { Conclusion::No } else { Conclusion::Yes })
}

fn text(subject: &str, findings: &Findings) -> String {
    let count = |severity, word| match findings.count(severity) {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    };
    let counts: Vec<String> =
        [count(Severity::Error, "error"), count(Severity::Warning, "warning")].into_iter().flatten().collect();
    let summary = if counts.is_empty() { "no problems".to_owned() } else { counts.join(", ") };
    format!("{findings}{}: {summary}\n", printable(subject))
}
