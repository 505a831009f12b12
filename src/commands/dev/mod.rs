//! `countersign dev`: the newcomer's run. Nothing to prepare, one real review over HTTPS, and what to paste next.

mod page;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use self::page::{Places, Row, Verdict};
use super::terminal::{self, Palette};
use super::{Conclusion, Failure, Outcome, explain, program, serve};
use crate::clock::{Clock, SystemClock};
use crate::dev::folder::FolderError;
use crate::dev::trial::{API_AUDIENCE, Sample, Trial, TrialError, TrialOptions, review};
use crate::providers::StepOutcome;
use crate::shutdown::Signals;
use crate::wiring::reviewer::Judgement;

/// Shows how it works, with nothing to prepare: an embedded issuer, the webhook, and one real review.
///
/// Everything runs on loopback with throw-away keys. It keeps serving until Ctrl-C.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where the files go: a new or empty folder, or one of an earlier run [default: a new one for temporary files].
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// End after the self-review: 0 if all verdicts are as they should be.
    #[arg(long)]
    once: bool,
    /// Where the webhook listens [default: a free port on loopback].
    #[arg(long, value_name = "IP:PORT")]
    address: Option<SocketAddr>,
    /// Where metrics and health are served [default: a free port on loopback].
    #[arg(long, value_name = "IP:PORT")]
    admin_address: Option<SocketAddr>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    serve::runtime()?.block_on(demonstrate(arguments))
}

async fn demonstrate(arguments: &Arguments) -> Outcome {
    let clock = Arc::new(SystemClock);
    let signals = Signals::new().map_err(|error| Failure::unknown(&error))?;
    let options = TrialOptions {
        directory: arguments.directory.clone(),
        address: arguments.address,
        admin_address: arguments.admin_address,
    };
    let trial = Trial::prepare(options, clock.now()).await.map_err(|error| match error {
        TrialError::Folder(FolderError::Occupied { .. }) => Failure::wrong_use(&error),
        _ => Failure::unknown(&error),
    })?;
    let running = serve::start(&trial.config(), clock).await?;
    let palette = Palette::of_stdout();
    let places = Places {
        webhook: trial.webhook().clone(),
        issuer: trial.issuer().url().to_owned(),
        admin: running.admin_address,
        folder: trial.folder().path().to_owned(),
    };
    terminal::print(&page::heading(&places, palette))?;
    let all_is_well = introduce(&trial, palette).await?;
    terminal::print(&page::files(&places, palette))?;
    if arguments.once {
        running.stop(std::future::ready(())).await;
        terminal::print(&page::done(all_is_well, palette))?;
        return Ok(if all_is_well { Conclusion::Yes } else { Conclusion::No });
    }
    terminal::print(&page::next_steps(&places, &program(), palette))?;
    terminal::print(&page::serving(palette))?;
    serve::start_logging(crate::trace::Format::Text, "info")?;
    let mut signals = signals;
    signals.next().await;
    // Nobody depends on a trial: it ends at once.
    running.stop(std::future::ready(())).await;
    Ok(Conclusion::Yes)
}

/// One review in full, then all samples in a table. Returns whether every verdict is as it should be.
async fn introduce(trial: &Trial, palette: Palette) -> Result<bool, Failure> {
    let reviewer = trial.reviewer().map_err(|error| Failure::unknown(&error))?;
    let mut rows = Vec::new();
    for sample in trial.samples() {
        let (answer, judgement) = trial.ask(&reviewer, sample).await.map_err(|error| Failure::unknown(&error))?;
        if rows.is_empty() {
            let audiences = [API_AUDIENCE.to_owned()];
            let request = review(&sample.token, &audiences).shortened();
            terminal::print(&page::exchange(reviewer.url(), &request, &answer, palette))?;
        }
        let verdict = match judgement {
            Judgement::Accepted(accepted) => Verdict::Accepted { username: accepted.username, groups: accepted.groups },
            Judgement::Refused(_) => Verdict::Refused { reason: reason(trial, sample).await? },
            Judgement::Undecided(undecided) => Verdict::Undecided { why: undecided.why },
        };
        rows.push(Row { file: sample.file.clone(), is_good: sample.is_good, verdict });
    }
    terminal::print(&page::table(&rows, palette))?;
    Ok(rows.iter().all(Row::is_as_expected))
}

/// The reason of a refusal. The webhook tells its callers nothing, but `explain` walks the same checks.
async fn reason(trial: &Trial, sample: &Sample) -> Result<String, Failure> {
    let audiences = [API_AUDIENCE.to_owned()];
    let explanation = explain::walk(&trial.config(), &sample.token, &audiences).await?;
    Ok(match explanation.outcome {
        StepOutcome::Passed => "explain accepts it".to_owned(),
        StepOutcome::Rejected(reason) => format!("{}: {}", reason.code(), reason.sentence()),
        StepOutcome::Undecided(cause) => format!("{}: {}", cause.code(), cause.sentence()),
    })
}
