//! `countersign doctor`: walks the way of a review, and says where it ends.

use super::output::Output;
use super::question::QuestionFlags;
use super::terminal::{self, Palette, printable};
use super::token::TokenSource;
use super::{Conclusion, Failure, Outcome, block_on};
use crate::clock::{Clock, SystemClock};
use crate::findings::Severity;
use crate::wiring::doctor::{self, Limits, Question, Walk, walk};

/// Walks the way from the API server to the webhook link by link, and stops at the first that does not hold.
///
/// It asks about a made-up token, or about one that you give. Run it where the API server runs: names and routes may differ
/// elsewhere.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    question: QuestionFlags,
    /// How to print the findings.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    token: TokenSource,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut question = Question::probe(arguments.question.audiences.clone(), arguments.question.version);
    if let Some(token) = arguments.token.read_if_given()? {
        question.token = token;
        question.is_probe = false;
    }
    let walk = block_on(walk(&arguments.question.kubeconfig, &question, SystemClock.now(), &Limits::default()))?;
    let text = arguments.output.document(&walk.findings).unwrap_or_else(|| text(&walk, Palette::of_stdout()));
    terminal::print(&text)?;
    match walk.outcome {
        doctor::Outcome::Broken => Ok(Conclusion::No),
        doctor::Outcome::Sound => Ok(Conclusion::Yes),
        doctor::Outcome::Unknown if walk.broken.is_some() => {
            Err(Failure::Unknown("the way could not be walked from here; the finding says why".to_owned()))
        }
        doctor::Outcome::Unknown => Err(Failure::Unknown(
            "the webhook is reached, but cannot tell; its log says more, by the same code".to_owned(),
        )),
    }
}

fn text(walk: &Walk, palette: Palette) -> String {
    let mut text = String::new();
    for (link, detail) in &walk.passed {
        text += &format!("{}    {:<10}  {}\n", palette.green("ok"), link.name(), printable(detail));
    }
    if let Some(link) = walk.broken {
        text += &format!(
            "{}  {:<10}  does not hold; what comes after it was not tried\n",
            palette.red("fail"),
            link.name()
        );
    }
    let worth_saying =
        walk.findings.iter().filter(|finding| finding.severity != Severity::Info || !finding.remedy.is_empty());
    for finding in worth_saying {
        text += &format!("{finding}\n");
    }
    text
}
