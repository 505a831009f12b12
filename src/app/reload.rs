//! Following the files: by content, so that Kubernetes' symlink swaps, editors and plain copies all count.
//!
//! A change is loaded, checked and built in full, then put in force in one step. A bad one changes nothing: it is reported
//! once, and the running configuration stays until the files change again. What a good one takes away is gone at once;
//! issuers that it adds or moves are waited for (`waiting`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::signal::unix::{SignalKind, signal};

use super::waiting::{Ended, Waiting};
use super::{InForce, Shared};
use crate::clock::UnixTime;
use crate::config::{Config, FileStamp};
use crate::http::Gateway;
use crate::outbound::chain;
use crate::server::tls;

/// How often the files are read. Secrets and config maps take a minute to arrive; a second more is nothing to them.
const POLL: Duration = Duration::from_secs(2);

/// Keeps the configuration in force in step with its files.
pub struct Reloader {
    path: PathBuf,
    shared: Shared,
    gateway: Arc<Gateway>,
    in_force: ArcSwap<InForce>,
    seen: Mutex<Vec<FileStamp>>,
    problem: ArcSwap<Option<String>>,
    waiting: Mutex<Option<Waiting>>,
}

/// What a look at the files brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A new configuration is in force.
    Changed,
    /// The changed files are not usable, for this reason; the running configuration stays.
    Refused(String),
    /// Nothing changed.
    Same,
}

impl Reloader {
    pub(super) fn new(
        path: &Path,
        files: Vec<FileStamp>,
        shared: Shared,
        in_force: InForce,
        gateway: Arc<Gateway>,
    ) -> Self {
        let now = shared.clock.now().seconds();
        let metrics = shared.telemetry.metrics();
        metrics.configured(&FileStamp::fingerprint(&files), now);
        if let Some(expires) = expiry(&in_force.config) {
            metrics.certificate_expires(expires);
        }
        Self {
            path: path.to_owned(),
            shared,
            gateway,
            in_force: ArcSwap::from_pointee(in_force),
            seen: Mutex::new(files),
            problem: ArcSwap::default(),
            waiting: Mutex::default(),
        }
    }

    /// Looks at the files every two seconds and on SIGHUP, for ever.
    pub(super) async fn follow(self: Arc<Self>) {
        // Without a handler SIGHUP ends the process, as it does for programs that know no reload.
        let mut hangup = signal(SignalKind::hangup()).ok();
        loop {
            let asked = async {
                match &mut hangup {
                    Some(hangup) => hangup.recv().await,
                    None => std::future::pending().await,
                }
            };
            let _ = tokio::time::timeout(POLL, asked).await;
            let this = Arc::clone(&self);
            // Reading files blocks; a disk that hangs must not hold a worker.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }

    /// Looks at the files now and puts a changed configuration in force.
    pub fn look(&self) -> Outcome {
        let mut seen = lock(&self.seen);
        self.settle();
        if seen.iter().all(FileStamp::is_current) {
            return Outcome::Same;
        }
        let loaded = Config::reload(&self.path, self.shared.clock.now());
        *seen = loaded.files;
        let metrics = self.shared.telemetry.metrics();
        let result = match loaded.config {
            Some(config) => self.put_in_force(config),
            None => Err(loaded.findings.to_string()),
        };
        match result {
            Ok(()) => {
                metrics.configured(&FileStamp::fingerprint(&seen), self.shared.clock.now().seconds());
                self.problem.store(Arc::new(None));
                self.report_change();
                Outcome::Changed
            }
            Err(problem) => {
                metrics.reloaded("failure");
                tracing::error!(file = %self.path.display(), problem, "the changed configuration is not usable; the running one stays");
                self.problem.store(Arc::new(Some(problem.clone())));
                Outcome::Refused(problem)
            }
        }
    }

    /// Why the files are not what is in force, if so.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        Option::clone(&self.problem.load())
    }

    /// Which issuers the configuration in force waits for and why, and for how long at most; `None` when it is complete.
    #[must_use]
    pub fn waiting(&self) -> Option<(Vec<String>, Duration)> {
        self.settle();
        let waiting = lock(&self.waiting);
        waiting.as_ref().map(|waiting| (waiting.reasons(), waiting.remaining(self.shared.clock.monotonic())))
    }

    fn report_change(&self) {
        let file = self.path.display();
        let metrics = self.shared.telemetry.metrics();
        match &*lock(&self.waiting) {
            None => {
                metrics.reloaded("success");
                tracing::info!(%file, "configuration reloaded");
            }
            Some(waiting) => {
                metrics.reloaded("pending");
                let waiting_for = waiting.reasons().join("; ");
                tracing::info!(%file, waiting_for, "configuration reloaded; issuers that are new or moved have no keys yet");
            }
        }
    }

    /// Takes note when what is waited for has come, or time is up.
    pub(super) fn settle(&self) {
        let mut waiting = lock(&self.waiting);
        let Some(ended) = waiting.as_mut().and_then(|waiting| waiting.ended(self.shared.clock.monotonic())) else {
            return;
        };
        *waiting = None;
        let metrics = self.shared.telemetry.metrics();
        match ended {
            Ended::Complete => {
                metrics.reloaded("success");
                tracing::info!("the reloaded configuration is complete: every issuer has its keys");
            }
            Ended::Overdue(reasons) => {
                metrics.reloaded("overdue");
                let problem = reasons.join("; ");
                tracing::error!(
                    problem,
                    "reload.grace is over, and issuers of the reloaded configuration have no keys"
                );
            }
        }
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    fn put_in_force(&self, config: Config) -> Result<(), String> {
        let before = self.in_force.load_full();
        let running = &before.config;
        for (setting, same) in [
            ("server.address", running.server.address == config.server.address),
            ("admin.address", running.admin.address == config.admin.address),
            ("server.drain", running.server.drain == config.server.drain),
            ("log", running.log == config.log),
        ] {
            if !same {
                return Err(format!("{setting} cannot change while running; put it back, or restart countersign"));
            }
        }
        let expires = expiry(&config);
        let (front, in_force) = self.shared.assemble(config, Some(&before)).map_err(|error| chain(&error))?;
        self.gateway.replace(front);
        let mut waiting = lock(&self.waiting);
        let now = self.shared.clock.monotonic();
        *waiting = Waiting::after(running, waiting.take(), &in_force.config, &in_force.issuers, now);
        drop(waiting);
        self.in_force.store(Arc::new(in_force));
        if let Some(expires) = expires {
            self.shared.telemetry.metrics().certificate_expires(expires);
        }
        Ok(())
    }
}

/// When the serving certificate expires, in seconds since 1970.
fn expiry(config: &Config) -> Option<u64> {
    tls::leaf_expiry(&config.server.tls.certificate_chain).map(UnixTime::seconds)
}

/// A panic elsewhere leaves these values whole: each is set in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
