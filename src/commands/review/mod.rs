//! `countersign review`: asks a running webhook what kube-apiserver would ask, and says what it would make of it.

use std::fmt::Write as _;

use http::Version;
use serde::Serialize;
use serde_json::Value;

use super::output::Output;
use super::question::QuestionFlags;
use super::terminal::{self, Palette, printable};
use super::token::TokenSource;
use super::{Conclusion, Failure, Outcome, block_on};
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::{Accepted, Answer, Judgement, Refused, Review, Reviewer};

/// Posts a TokenReview to a running webhook exactly as kube-apiserver would, and prints the answer.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    question: QuestionFlags,
    /// How to print the answer.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    token: TokenSource,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let connection =
        Connection::from_file(&arguments.question.kubeconfig).map_err(|error| Failure::wrong_use(&error))?;
    let reviewer = Reviewer::new(&connection).map_err(|error| {
        Failure::WrongUse(format!("{}: {}", arguments.question.kubeconfig.display(), super::chain(&error)))
    })?;
    if connection.insecure && connection.server.scheme() == "https" {
        terminal::complain("countersign: insecure-skip-tls-verify: the webhook's certificate is not checked");
    }
    let token = arguments.token.read()?;
    let review =
        Review { version: arguments.question.version, token: &token, audiences: &arguments.question.audiences };
    let answer = block_on(reviewer.post(&review))?.map_err(|error| {
        let then = if error.retried { "kube-apiserver would try again" } else { "kube-apiserver would not try again" };
        Failure::Unknown(format!(
            "{} ({then}); check the server, its address and its certificate",
            super::chain(&error)
        ))
    })?;
    let judgement = answer.judge(arguments.question.version, &arguments.question.audiences);
    let document = || document(&answer, &judgement);
    let text =
        arguments.output.document(&document()).unwrap_or_else(|| text(&answer, &judgement, Palette::of_stdout()));
    terminal::print(&text)?;
    match judgement {
        Judgement::Accepted(_) => Ok(Conclusion::Yes),
        Judgement::Refused(_) => Ok(Conclusion::No),
        Judgement::Undecided(_) => {
            Err(Failure::Unknown("the webhook could not tell; its log says more, by the same code".to_owned()))
        }
    }
}

/// The answer as programs read it: kube-apiserver's view, and what came over the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    /// Whether kube-apiserver tries again by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    warnings: &'a [&'static str],
    http_status: u16,
    http_version: &'static str,
    milliseconds: u128,
    answer: Option<&'a Value>,
}

fn document<'a>(answer: &'a Answer, judgement: &'a Judgement) -> Document<'a> {
    let (verdict, why, retried, warnings) = match judgement {
        Judgement::Accepted(accepted) => ("accepted", None, None, accepted.warnings.as_slice()),
        Judgement::Refused(refused) => ("refused", Some(refused.why.as_str()), None, [].as_slice()),
        Judgement::Undecided(undecided) => {
            ("undecided", Some(undecided.why.as_str()), Some(undecided.retried), [].as_slice())
        }
    };
    Document {
        verdict,
        why,
        retried,
        warnings,
        http_status: answer.status.as_u16(),
        http_version: http_version(answer),
        milliseconds: answer.elapsed.as_millis(),
        answer: answer.document.as_ref(),
    }
}

fn text(answer: &Answer, judgement: &Judgement, palette: Palette) -> String {
    let mut text = String::new();
    match judgement {
        Judgement::Accepted(accepted) => accepted_text(&mut text, accepted, palette),
        Judgement::Refused(Refused { why, is_remembered }) => {
            line(&mut text, &palette.red("refused"));
            detail(&mut text, "why", &format!("{why}; `countersign explain` and the webhook's log know more"));
            let then = if *is_remembered {
                "kube-apiserver remembers it (2m, or --authentication-token-webhook-cache-ttl)"
            } else {
                "kube-apiserver remembers no answer with an error text, and asks again with the next request"
            };
            detail(&mut text, "then", then);
        }
        Judgement::Undecided(undecided) => {
            line(&mut text, &format!("{}: {}", palette.yellow("could not tell"), printable(&undecided.why)));
            let then = if undecided.retried {
                "kube-apiserver tries again at once, up to five times in all"
            } else {
                "kube-apiserver remembers nothing and asks again with the next request"
            };
            detail(&mut text, "then", then);
        }
    }
    let elapsed = format!("{} {} in {} ms", http_version(answer), answer.status.as_u16(), answer.elapsed.as_millis());
    detail(&mut text, "answer", &elapsed);
    text
}

fn accepted_text(text: &mut String, accepted: &Accepted, palette: Palette) {
    let name = if accepted.username.is_empty() { "(nobody)" } else { &accepted.username };
    line(text, &format!("{} as {}", palette.green("accepted"), palette.bold(&printable(name))));
    let mut list = |name: &str, values: &[String]| {
        if !values.is_empty() {
            detail(text, name, &values.join(", "));
        }
    };
    list("groups", &accepted.groups);
    list("uid", &[&accepted.uid].into_iter().filter(|uid| !uid.is_empty()).cloned().collect::<Vec<_>>());
    for (key, values) in &accepted.extra {
        list("extra", &[format!("{key}: {}", values.join(", "))]);
    }
    list("audiences", &accepted.audiences);
    for warning in &accepted.warnings {
        line(text, &format!("  {:<9}  {warning}", palette.yellow("warning")));
    }
}

fn http_version(answer: &Answer) -> &'static str {
    if answer.http_version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" }
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn detail(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {name:<9}  {}", printable(value));
}

#[cfg(test)]
mod tests;
