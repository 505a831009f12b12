//! `countersign explain`: one token, step by step, by the code that answers reviews.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::output::Output;
use super::terminal::{self, Palette, printable};
use super::token::TokenSource;
use super::{Conclusion, Failure, Outcome, block_on, serve};
use crate::app;
use crate::authn::explain::{Explanation, explain};
use crate::authn::router::Router;
use crate::authn::{Deadline, UserInfo};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::events::NoEvents;
use crate::providers::{StepOutcome, oidc};
use crate::token::BearerToken;

/// How long the issuer's keys may take: more than one fetch does, since a person would rather wait than ask again.
const DEADLINE: Duration = Duration::from_secs(10);

/// Walks one token through every check and says why it is accepted or refused; the token is not printed.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// An audience that the API server would ask for; repeatable.
    #[arg(long = "audience", value_name = "AUDIENCE")]
    audiences: Vec<String>,
    /// How to print the steps.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    token: TokenSource,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let token = arguments.token.read()?;
    let explanation = block_on(walk(&arguments.config, &token, &arguments.audiences))??;
    let text = match arguments.output.document(&document(&explanation)) {
        Some(document) => document,
        None => text(&explanation, Palette::of_stdout()),
    };
    terminal::print(&text)?;
    match explanation.outcome {
        StepOutcome::Passed => Ok(Conclusion::Yes),
        StepOutcome::Rejected(_) => Ok(Conclusion::No),
        StepOutcome::Undecided(cause) => Err(Failure::Unknown(format!("could not tell: {}", cause.sentence()))),
    }
}

/// Walks a token through a configuration, fetching keys as the service would. The state directory is left alone.
pub(super) async fn walk(path: &Path, token: &BearerToken, audiences: &[String]) -> Result<Explanation, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let loaded = Config::load(path, clock.now());
    // Not `Refused`: that would be the verdict on the token.
    let Some(config) = loaded.config else { return Err(Failure::WrongUse(serve::refused(path, &loaded.findings))) };
    let config = Config { state_directory: None, ..config };
    let context = oidc::Context {
        clock: Arc::clone(&clock),
        events: Arc::new(NoEvents),
        sources: Arc::default(),
        grace: Duration::ZERO,
    };
    let issuers = config
        .issuers
        .iter()
        .map(|issuer| app::build_issuer(issuer, &config, &context).map_err(|error| Failure::unknown(&error)));
    let router = Router::new(issuers.collect::<Result<Vec<_>, _>>()?);
    let deadline = Deadline::within(DEADLINE);
    Ok(explain(&router, token, audiences, &config.server.api_audiences, clock.now(), deadline).await)
}

/// An outcome in one word and, unless it is a yes, the code and the sentence that go with it.
fn words(outcome: StepOutcome) -> (&'static str, Option<(&'static str, &'static str)>) {
    match outcome {
        StepOutcome::Passed => ("accepted", None),
        StepOutcome::Rejected(reason) => ("refused", Some((reason.code(), reason.sentence()))),
        StepOutcome::Undecided(cause) => ("undecided", Some((cause.code(), cause.sentence()))),
    }
}

/// The walk as programs read it.
#[derive(Serialize)]
struct Document<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    steps: Vec<Step<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a UserInfo>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    audiences: &'a [String],
}

#[derive(Serialize)]
struct Step<'a> {
    name: &'a str,
    outcome: &'static str,
    facts: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<&'a str>,
}

fn document(explanation: &Explanation) -> Document<'_> {
    let (verdict, why) = words(explanation.outcome);
    let steps = explanation.steps.iter().map(|step| Step {
        name: step.name,
        outcome: if step.outcome == StepOutcome::Passed { "passed" } else { words(step.outcome).0 },
        facts: &step.facts,
        place: step.place.as_deref(),
    });
    Document {
        verdict,
        code: why.map(|(code, _)| code),
        why: why.map(|(_, sentence)| sentence),
        steps: steps.collect(),
        user: explanation.user.as_ref(),
        audiences: &explanation.audiences,
    }
}

fn text(explanation: &Explanation, palette: Palette) -> String {
    let mut text = String::new();
    let width = explanation.steps.iter().map(|step| step.name.len()).max().unwrap_or_default();
    for step in &explanation.steps {
        let mark = match step.outcome {
            StepOutcome::Passed => palette.green("ok"),
            StepOutcome::Rejected(_) => palette.red("no"),
            StepOutcome::Undecided(_) => palette.yellow("? "),
        };
        let _ = writeln!(text, "  {mark}  {:<width$}  {}", step.name, printable(&step.facts));
        for line in step.place.iter().flat_map(|place| place.lines()) {
            let _ = writeln!(text, "      {:<width$} {}", "", printable(line));
        }
    }
    let verdict = match (&explanation.user, words(explanation.outcome)) {
        (Some(user), _) => format!("{} as {}", palette.green("accepted"), palette.bold(&printable(&user.username))),
        (None, (verdict, why)) => {
            let (code, sentence) = why.unwrap_or_default();
            let verdict = if verdict == "refused" { palette.red(verdict) } else { palette.yellow(verdict) };
            format!("{verdict}: {} – {sentence}", palette.bold(code))
        }
    };
    let _ = writeln!(text, "{verdict}");
    text
}

#[cfg(test)]
mod tests;
