//! The person at the terminal: is asked when there is one, and told what goes on.

use std::io::{self, BufRead, IsTerminal};
use std::time::Duration;

use super::super::Failure;
use super::super::terminal::{self, printable};
use super::report::Report;
use crate::config::duration;
use crate::shutdown::Signals;
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
    says_yes: bool,
    /// The next line that they type; nothing where nobody is there to type it.
    typed: Option<Box<dyn Fn() -> String>>,
    say: Box<dyn Fn(&str)>,
}

impl Person {
    /// With an answer for risks beforehand, if they gave one.
    pub(super) fn at_the_terminal(says_yes: bool) -> Self {
        let typed = || {
            let mut line = String::new();
            // What cannot be read is no agreement, as an empty line is none.
            io::stdin().lock().read_line(&mut line).map_or_else(|_| String::new(), |_| line)
        };
        let typed = io::stdin().is_terminal().then_some(Box::new(typed) as Box<dyn Fn() -> String>);
        Self { says_yes, typed, say: Box::new(terminal::complain) }
    }
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
        let Some(typed) = &self.typed else { return false };
        asked.lines().for_each(|line| self.hears(line));
        self.hears("Go on all the same? [y/N]");
        matches!(typed().trim().to_lowercase().as_str(), "y" | "yes")
    }

    fn hears(&self, line: &str) {
        (self.say)(&printable(line));
    }
}

/// What was done before something stopped goes into the report.
pub(super) fn stopped(stop: &Stop, report: &mut Report) -> Failure {
    report.objects = stop.done().to_vec();
    let message = fit(&stop.to_string());
    if stop.is_refusal() { Failure::Refused(message) } else { Failure::Unknown(message) }
}

/// The good end of a rollout in words.
pub(super) fn ended(end: End) -> Result<String, Failure> {
    match end {
        End::Done(revision) => Ok(format!("every API server has revision {revision}")),
        // What was changed always needs one.
        End::Unchanged(revision) => Err(Failure::Unknown(format!(
            "the operator of kube-apiserver has made no new revision, and every API server still has {revision}: what was \
             changed is not in force yet; see clusteroperator/kube-apiserver, and openshift check later"
        ))),
        End::Unseen(revision) => Err(Failure::Unknown(format!(
            "nothing was changed now, and whether API servers have it is unknown: all are at revision {revision}, and no \
             rollout was seen to end since the last change; see clusteroperator/kube-apiserver, and openshift check later"
        ))),
        End::Degraded(what) => Err(Failure::Refused(fit(&format!(
            "the rollout stopped: {what}; what was applied stays applied: mend it and apply again, or go back with revert"
        )))),
        End::LockedOut(what) => Err(Failure::Unknown(fit(&format!(
            "the rollout cannot be followed because your credential is not accepted any more ({what}); look with the \
             installer's kubeconfig: openshift check --kubeconfig FILE"
        )))),
        End::TimedOut(last) => Err(Failure::Unknown(fit(&format!(
            "the rollout is not through within --timeout ({last}); it goes on without being watched: see openshift check"
        )))),
    }
}

/// Waits for what takes long, until it ends or a signal comes. Whoever stops it must know that nothing is undone by that.
pub(super) async fn watched<T>(long: impl Future<Output = T>, has_changed: bool) -> Result<T, Failure> {
    let mut signals = Signals::new().map_err(|error| Failure::unknown(&error))?;
    until(signals.next(), long, has_changed).await
}

async fn until<T>(stop: impl Future<Output = ()>, long: impl Future<Output = T>, changed: bool) -> Result<T, Failure> {
    tokio::select! {
        value = long => Ok(value),
        () = stop => {
            let made = if changed { "the change is made" } else { "nothing was changed now" };
            Err(Failure::Unknown(format!(
                "interrupted: {made}, and the rollout goes on without being watched; run the same command again to follow it, or \
                 see openshift check"
            )))
        }
    }
}

/// A change whose rollout nobody can see.
pub(super) fn unfollowed() -> Failure {
    Failure::Unknown(
        "the change is made, and its rollout cannot be followed because kubeapiserver/cluster is not there; see \
         clusteroperator/kube-apiserver"
            .to_owned(),
    )
}

/// What a cluster says is not ours to trust a terminal with.
fn fit(text: &str) -> String {
    printable(text).into_owned()
}

fn span(text: &str) -> Result<Duration, String> {
    duration::parse(text).map_err(|error| format!("{error}; {}", error.remedy()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;

    /// Whether somebody agrees, and what they were told.
    fn ask(says_yes: bool, typed: Option<&'static str>, question: &Question) -> (bool, Vec<String>) {
        let told = Rc::new(RefCell::new(Vec::new()));
        let say = {
            let told = Rc::clone(&told);
            move |line: &str| told.borrow_mut().push(line.to_owned())
        };
        let typed = typed.map(|line| Box::new(move || line.to_owned()) as Box<dyn Fn() -> String>);
        let agrees = Person { says_yes, typed, say: Box::new(say) }.agrees(question);
        (agrees, told.take())
    }

    fn risk() -> Question {
        Question::Risk("the API servers are not at rest".to_owned())
    }

    fn conflict() -> Question {
        Question::Conflict { fields: vec!["spec.type (set by a\u{1b}[2J)".to_owned(), "spec.b (set by c)".to_owned()] }
    }

    #[tokio::test]
    async fn whoever_stops_watching_hears_that_the_change_is_made() {
        use std::future::{pending, ready};
        let said = |made: &str| {
            Err(Failure::Unknown(format!(
                "interrupted: {made}, and the rollout goes on without being watched; run the same command again to follow it, or \
                 see openshift check"
            )))
        };
        assert_eq!(until(ready(()), pending::<()>(), true).await, said("the change is made"));
        assert_eq!(until(ready(()), pending::<()>(), false).await, said("nothing was changed now"));
        assert_eq!(until(pending(), ready(7), true).await, Ok(7));
    }

    #[test]
    fn a_person_agrees_by_y_or_yes_and_by_nothing_else() {
        for (typed, agrees) in [
            ("y\n", true),
            ("Y\n", true),
            (" yes \n", true),
            ("YES\n", true),
            ("\n", false),
            ("", false),
            ("n\n", false),
            ("yy\n", false),
            ("yes please\n", false),
        ] {
            for question in [risk(), conflict()] {
                assert_eq!(ask(false, Some(typed), &question).0, agrees, "{typed:?} to {question:?}");
            }
        }
    }

    #[test]
    fn every_foreign_field_is_shown_in_a_line_of_its_own_that_cannot_drive_the_terminal() {
        let told = [
            "These fields belong to others:",
            "  spec.type (set by a\\u{1b}[2J)",
            "  spec.b (set by c)",
            "Go on all the same? [y/N]",
        ];
        assert_eq!(ask(false, Some("n"), &conflict()), (false, told.map(str::to_owned).to_vec()));
    }

    #[test]
    fn what_a_cluster_says_of_a_rollout_cannot_drive_the_terminal() {
        let evil = || "m0\u{1b}]0;t\u{7}".to_owned();
        for end in [End::Degraded(evil()), End::LockedOut(evil()), End::TimedOut(evil())] {
            let (Failure::Refused(text) | Failure::Unknown(text) | Failure::WrongUse(text)) = ended(end).unwrap_err();
            assert!(text.contains("m0\\u{1b}]0;t\\u{7}") && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn yes_beforehand_answers_for_risks_and_not_for_the_fields_of_others() {
        let told = vec!["going on although the API servers are not at rest".to_owned()];
        assert_eq!(ask(true, None, &risk()), (true, told));
        assert!(!ask(true, Some("n"), &conflict()).0);
    }

    #[test]
    fn without_a_terminal_nobody_is_asked_and_the_answer_is_no() {
        for question in [risk(), conflict()] {
            assert_eq!(ask(false, None, &question), (false, Vec::new()));
        }
    }
}
