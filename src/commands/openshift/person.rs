//! The person at the terminal: is asked when there is one, and told what goes on.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use super::super::terminal::{self, printable};
use super::super::{Conclusion, Failure};
use crate::config::duration;
use crate::wiring::openshift::apply::{End, Operator, Question, Stop};

/// The flags that answer questions beforehand, and those about waiting.
#[derive(clap::Args)]
pub(super) struct Manner {
    /// Go all the way but the last step: the API server checks everything and nothing is changed.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Take over fields that others have set, without asking.
    #[arg(long)]
    pub(super) force_conflicts: bool,
    /// Go on where there is a risk, without asking.
    #[arg(long)]
    pub(super) yes: bool,
    /// Follow the rollout to its end.
    #[arg(long, value_name = "BOOL", default_value_t = true, default_missing_value = "true", num_args = 0..=1)]
    #[arg(require_equals = true, action = clap::ArgAction::Set)]
    pub(super) wait: bool,
    /// For how long to follow it.
    #[arg(long, value_name = "DURATION", default_value = "30m", value_parser = span)]
    pub(super) timeout: Duration,
}

/// Whoever runs the command.
pub(super) struct Person {
    pub(super) says_yes: bool,
}

impl Operator for Person {
    fn agrees(&self, question: &Question) -> bool {
        let asked = match question {
            Question::Risk(what) if self.says_yes => {
                self.hears(&format!("going on although {what}"));
                return true;
            }
            Question::Risk(what) => format!("Attention: {what}."),
            Question::Conflict { fields } => format!("These fields belong to others:\n  {}", fields.join("\n  ")),
        };
        if !io::stdin().is_terminal() {
            return false;
        }
        for line in asked.lines() {
            terminal::complain(&printable(line));
        }
        terminal::complain("Go on all the same? [y/N]");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }

    fn hears(&self, line: &str) {
        terminal::complain(&printable(line));
    }
}

pub(super) fn stopped(stop: &Stop) -> Failure {
    let message = printable(&stop.to_string()).into_owned();
    if stop.is_refusal() { Failure::Refused(message) } else { Failure::Unknown(message) }
}

/// What the end of a rollout means, and in words.
pub(super) fn ended(end: End) -> Result<(Conclusion, String), Failure> {
    match end {
        End::Done(revision) => Ok((Conclusion::Yes, format!("every API server has revision {revision}"))),
        End::Unchanged(revision) => Ok((
            Conclusion::Yes,
            format!("the operator saw nothing that needs a new revision; every API server has {revision}"),
        )),
        End::Degraded(what) => Err(Failure::Refused(format!(
            "the rollout stopped: {what}; what was applied stays applied: mend it and apply again, or go back with revert"
        ))),
        End::LockedOut(what) => Err(Failure::Unknown(format!(
            "the rollout cannot be followed because your credential is not accepted any more ({what}); look with the \
             installer's kubeconfig: openshift check --kubeconfig FILE"
        ))),
        End::TimedOut(last) => Err(Failure::Unknown(format!(
            "the rollout is not through within --timeout ({last}); it goes on without being watched: see openshift check"
        ))),
    }
}

fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| format!("{error}; {}", error.remedy()))
}
