//! `countersign load`: puts a load on a running webhook, and says how it bore it.

mod text;

use std::fs::File;
use std::io::Read as _;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use tokio::time::MissedTickBehavior;
use zeroize::Zeroizing;

use super::output::Output;
use super::question::QuestionFlags;
use super::terminal::{self, Palette};
use super::{Conclusion, Failure, Outcome, block_on};
use crate::config::duration;
use crate::load::{Answer, Objective, PATIENCE, Plan, Prepared, Protocol, Rate, Report, Shortfall, Target};
use crate::token::BearerToken;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::Review;

/// As many tokens as fit into the memory of a small machine.
const MOST_TOKENS_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// The most connections, and the most questions in flight on each: more than a server lets one client have.
const MOST_AT_ONCE: usize = 10_000;
/// How often the progress is shown.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// Asks a running webhook about tokens at a given rate for a given time, and judges it by stated objectives.
///
/// It works with every token webhook. The load is real: ask before you put it on a webhook that people depend on. Latencies
/// count from when a question was due, so that a webhook that stalls cannot hide the questions that waited.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    question: QuestionFlags,
    /// The tokens to ask about, one in each line; they take turns.
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// How many questions to ask in a second, or `max`: as many as are answered.
    #[arg(long, value_name = "NUMBER|max", value_parser = rate)]
    rate: Rate,
    /// For how long to ask, such as 30s.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    duration: Duration,
    /// For how long to ask before anything counts.
    #[arg(long, value_name = "DURATION", value_parser = duration::parse, default_value = "1s")]
    warm_up: Duration,
    /// How many connections to open; an API server has one.
    #[arg(long, value_name = "NUMBER", value_parser = not_too_many, default_value = "1")]
    connections: NonZeroUsize,
    /// How many questions each connection has in flight, with HTTP/2.
    #[arg(long, value_name = "NUMBER", value_parser = not_too_many, default_value = "100")]
    streams: NonZeroUsize,
    /// Which HTTP to speak.
    #[arg(long, value_enum, default_value_t)]
    protocol: Protocol,
    /// Open a new connection after so many questions.
    #[arg(long, value_name = "NUMBER")]
    questions_per_connection: Option<NonZeroU32>,
    /// What is good enough: p99=10ms, p99.9=50ms, max=1s, errors=0.1%; repeatable. Without one, that nothing fails.
    #[arg(long = "objective", value_name = "OBJECTIVE")]
    objectives: Vec<Objective>,
    /// How to print the report.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let connection =
        Connection::from_file(&arguments.question.kubeconfig).map_err(|error| Failure::wrong_use(&error))?;
    let target = Target::new(&connection, arguments.protocol).map_err(|error| {
        Failure::WrongUse(format!("{}: {}", arguments.question.kubeconfig.display(), super::chain(&error)))
    })?;
    let plan = plan(arguments)?;
    let report = block_on(async { watched(plan.prepare(target)).await })?;
    if !report.heard {
        let why = report.connection_errors.keys().next().map_or("there was no answer", String::as_str);
        return Err(Failure::Unknown(format!(
            "{}: no answer at all: {why}; walk the way there with `{} doctor --kubeconfig {0}`",
            arguments.question.kubeconfig.display(),
            super::program()
        )));
    }
    let objectives = match arguments.objectives.as_slice() {
        [] => &[Objective::Errors { percent: 0.0 }],
        stated => stated,
    };
    let shortfalls = report.judge(objectives);
    let document = || Document::new(&report, objectives, &shortfalls);
    let text = arguments
        .output
        .document(&document())
        .unwrap_or_else(|| text::report(&report, objectives, &shortfalls, Palette::of_stdout()));
    terminal::print(&text)?;
    Ok(if shortfalls.is_empty() { Conclusion::Yes } else { Conclusion::No })
}

/// Runs it, and says every second how far it is.
async fn watched(prepared: Prepared) -> Report {
    let progress = prepared.progress();
    let mut ticks = tokio::time::interval(PROGRESS_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut run = std::pin::pin!(prepared.run(&()));
    loop {
        tokio::select! {
            report = &mut run => return report,
            _ = ticks.tick() => terminal::complain(&text::progress(&progress.report())),
        }
    }
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    if arguments.duration.is_zero() {
        return Err(Failure::WrongUse("--duration: nothing can be measured in no time; give 10s or more".to_owned()));
    }
    let body = |token: &str| {
        let token = BearerToken::from(token);
        let review =
            Review { version: arguments.question.version, token: &token, audiences: &arguments.question.audiences };
        review.body().into_boxed_slice()
    };
    let tokens = tokens(&arguments.tokens)?;
    let bodies: Vec<_> = tokens.lines().map(str::trim).filter(|line| !line.is_empty()).map(body).collect();
    if bodies.is_empty() {
        return Err(Failure::WrongUse(format!("{}: there is no token in it; write one in each line", name(arguments))));
    }
    Ok(Plan {
        bodies: bodies.into(),
        connections: arguments.connections,
        streams: arguments.streams,
        protocol: arguments.protocol,
        rate: arguments.rate,
        warm_up: arguments.warm_up,
        duration: arguments.duration,
        most_questions: None,
        patience: PATIENCE,
        questions_per_connection: arguments.questions_per_connection,
    })
}

fn name(arguments: &Arguments) -> String {
    arguments.tokens.display().to_string()
}

fn tokens(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(MOST_TOKENS_BYTES + 1).read_to_string(&mut text));
    match read {
        Ok(length) if length as u64 > MOST_TOKENS_BYTES => {
            Err(Failure::WrongUse(format!("{}: larger than 2 GiB; ask about fewer tokens", path.display())))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(Failure::WrongUse(format!("{}: cannot be read: {}", path.display(), super::chain(&error)))),
    }
}

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "max" => Ok(Rate::AsFastAsAnswered),
        number => number.parse().map(Rate::PerSecond).map_err(|_| "write a number above zero, or `max`".to_owned()),
    }
}

fn not_too_many(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|number: &NonZeroUsize| number.get() <= MOST_AT_ONCE);
    number.ok_or_else(|| format!("write a number from 1 to {MOST_AT_ONCE}"))
}

/// The report as programs read it. Latencies are in microseconds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    seconds: f64,
    questions: u64,
    answers_per_second: f64,
    accepted: u64,
    refused: u64,
    undecided: u64,
    lost: u64,
    timed_out: u64,
    unasked: u64,
    other_statuses: Vec<OtherStatus>,
    connection_errors: Vec<ConnectionError<'a>>,
    latency_microseconds: Vec<Quantile>,
    objectives: Vec<Judged>,
    verdict: &'static str,
}

#[derive(Serialize)]
struct OtherStatus {
    status: u16,
    count: u64,
}

#[derive(Serialize)]
struct ConnectionError<'a> {
    error: &'a str,
    count: u64,
}

#[derive(Serialize)]
struct Quantile {
    name: &'static str,
    /// Null, when so many questions were not answered that there is none.
    value: Option<u128>,
}

#[derive(Serialize)]
struct Judged {
    objective: String,
    met: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<String>,
}

/// The percentiles that are shown.
const QUANTILES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

impl<'a> Document<'a> {
    fn new(report: &'a Report, objectives: &[Objective], shortfalls: &[Shortfall]) -> Self {
        let other = |(answer, count): (&Answer, &u64)| match answer {
            Answer::Other(status) => Some(OtherStatus { status: *status, count: *count }),
            _ => None,
        };
        let quantiles = QUANTILES.map(|(name, share)| (name, report.quantile(share)));
        let judged = |objective: &Objective| {
            let shortfall = shortfalls.iter().find(|shortfall| shortfall.objective == *objective);
            Judged {
                objective: objective.to_string(),
                met: shortfall.is_none(),
                measured: shortfall.map(|shortfall| shortfall.measured.clone()),
            }
        };
        Self {
            seconds: report.counted.as_secs_f64(),
            questions: report.questions(),
            answers_per_second: report.rate(),
            accepted: report.count(Answer::Accepted),
            refused: report.count(Answer::Refused),
            undecided: report.count(Answer::Undecided),
            lost: report.count(Answer::Lost),
            timed_out: report.count(Answer::TimedOut),
            unasked: report.unasked,
            other_statuses: report.answers.iter().filter_map(other).collect(),
            connection_errors: report
                .connection_errors
                .iter()
                .map(|(error, count)| ConnectionError { error, count: *count })
                .collect(),
            latency_microseconds: quantiles
                .into_iter()
                .chain([("max", report.longest())])
                .map(|(name, latency)| Quantile { name, value: latency.map(|latency| latency.as_micros()) })
                .collect(),
            objectives: objectives.iter().map(judged).collect(),
            verdict: if shortfalls.is_empty() { "met" } else { "missed" },
        }
    }
}

#[cfg(test)]
mod tests;
