//! `countersign serve`: the service, from a configuration file until a signal.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::terminal;
use super::{Conclusion, Failure, Outcome};
use crate::app::{self, Running, StartError};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Loaded, LogFormat};
use crate::findings::{Finding, Findings, Severity};
use crate::hardening;
use crate::limits::Limits;
use crate::shutdown::Signals;
use crate::trace::{self, Format};

/// For file work that is under way when everything else has ended.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Answers TokenReviews as the configuration says, until SIGTERM.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let clock = SystemClock;
    let loaded = Config::load(&arguments.config, clock.now());
    let Some(config) = &loaded.config else {
        return Err(Failure::Refused(refused(&arguments.config, &loaded.findings)));
    };
    let format = match config.log.format {
        LogFormat::Json => Format::Json,
        LogFormat::Text => Format::Text,
    };
    start_logging(format, config.log.level.as_str())?;
    hardening::report_panics_by_place();
    hardening::apply();
    log_findings(&loaded.findings);
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let signals = Signals::new().map_err(|error| Failure::unknown(&error))?;
        let running = start_loaded(&arguments.config, loaded, Arc::new(clock)).await?;
        let (reviews, admin) = (running.review_address, running.admin_address);
        tracing::info!(%reviews, %admin, version = env!("CARGO_PKG_VERSION"), "serving");
        if running.until_signal(signals).await {
            Ok(Conclusion::Yes)
        } else {
            Err(Failure::Unknown("stopped before every request in flight was answered".to_owned()))
        }
    });
    // A disk that hangs under a reload must not keep the process from ending.
    runtime.shutdown_timeout(LAST_WAIT);
    outcome
}

/// Starts the service from a configuration file.
pub(super) async fn start(path: &Path, clock: Arc<dyn Clock>) -> Result<Running, Failure> {
    let loaded = Config::load(path, clock.now());
    start_loaded(path, loaded, clock).await
}

/// A busy worker looks at its sockets after so many tasks. One of them may be hundreds of answers on one connection, or a slow
/// signature: by default it would be 61 of those.
const TASKS_BETWEEN_LOOKS: u32 = 8;

/// A runtime with a thread per core, as the service needs it.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.event_interval(TASKS_BETWEEN_LOOKS).enable_all().build().map_err(|error| Failure::unknown(&error))
}

/// Starts logging, to standard error.
pub(super) fn start_logging(format: Format, level: &str) -> Result<(), Failure> {
    trace::start(format, level).map_err(|error| Failure::Unknown(format!("logging cannot be started: {error}")))
}

fn log_findings(findings: &Findings) {
    for Finding { code, severity, path, message, remedy } in findings {
        match severity {
            Severity::Info => tracing::info!(code, path, remedy, "{message}"),
            Severity::Error | Severity::Warning => tracing::warn!(code, path, remedy, "{message}"),
        }
    }
}

async fn start_loaded(path: &Path, loaded: Loaded, clock: Arc<dyn Clock>) -> Result<Running, Failure> {
    app::start(path, loaded, clock, Limits::default()).await.map_err(|error| match error {
        StartError::Configuration(findings) => Failure::Refused(refused(path, &findings)),
        error => Failure::unknown(&error),
    })
}

/// Everything that is wrong with a configuration goes to standard error. Returns the last line, which says what to do.
pub(super) fn refused(path: &Path, findings: &Findings) -> String {
    terminal::complain(findings.to_string().trim_end());
    let path = path.display();
    format!("{path}: the configuration has errors; `countersign check --config {path}` tests a change")
}
