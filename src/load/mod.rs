//! A load of TokenReviews: how many a webhook answers, how fast, and how it fails when it does.
//!
//! A [`Plan`] says what to ask and at which pace; [`Prepared::run`] asks over real connections (`connection`, and what they
//! carry, `wire`) and returns a [`Report`]. At a fixed rate every question has a time at which it is due, and its latency counts from then, asked or not:
//! a server that stalls cannot hide the questions that waited ("coordinated omission"). Everything runs on the thread that
//! calls, so that the generator can be kept off the server's processors.
//!
//! Called by the `load` command, and by `benches/load`.

mod connection;
mod pace;
mod report;
#[cfg(test)]
pub(crate) mod stub;
mod target;
mod wire;

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use self::connection::Connection;
use self::pace::Pace;
pub use self::pace::Rate;
pub use self::report::{Objective, ObjectiveError, Report, Shortfall};
use self::report::{Stage, Tally};
pub use self::target::{Target, TargetError};
pub use self::wire::Answer;

/// How long a question may take, usually. An API server gives up after 30 seconds; nobody who waits at a prompt does so later.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Which HTTP a connection speaks. There is no choosing by ALPN: what is measured should be what was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Protocol {
    /// HTTP/1.1: one question at a time on each connection.
    #[value(name = "http1")]
    Http1,
    /// HTTP/2, as kube-apiserver speaks it.
    #[default]
    #[value(name = "http2")]
    Http2,
}

/// What to ask, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The bodies of the questions; asked one after the other, from the beginning again after the last.
    pub bodies: Arc<[Box<[u8]>]>,
    /// How many connections are open at once.
    pub connections: NonZeroUsize,
    /// How many questions each connection has in flight; one, for HTTP/1.1.
    pub streams: NonZeroUsize,
    /// Which HTTP is spoken.
    pub protocol: Protocol,
    /// How many questions are asked in a second.
    pub rate: Rate,
    /// For how long nothing is counted yet.
    pub warm_up: Duration,
    /// For how long questions are asked and counted.
    pub duration: Duration,
    /// The end comes earlier when this many questions were asked, those of the warm-up included.
    pub most_questions: Option<u64>,
    /// How long a question may take from when it was due, and how long a connection to open.
    pub patience: Duration,
    /// After how many questions a connection is closed and a new one opened; without a number, never.
    pub questions_per_connection: Option<NonZeroU32>,
}

/// Whoever wants to know how far a run is.
pub trait Observer: Send + Sync {
    /// The warm-up is over: from now on it counts.
    fn began(&self) {}
    /// Nothing more is counted.
    fn ended(&self) {}
}

/// Nobody wants to know.
impl Observer for () {}

/// A run that is going on.
struct Run {
    target: Target,
    plan: Plan,
    /// When counting begins, and when nothing more is asked.
    began: Instant,
    end: Instant,
    largest_body: usize,
    asked: AtomicU64,
    tally: Mutex<Tally>,
    /// Rung when the rest of the plan would be in vain.
    in_vain: Notify,
}

/// What a run has counted so far.
#[derive(Clone)]
pub struct Progress(Arc<Run>);

/// A run that is ready to begin.
pub struct Prepared {
    run: Arc<Run>,
}

impl Plan {
    /// Prepares to put this plan to a webhook. The clock runs from now on.
    #[must_use]
    pub fn prepare(self, target: Target) -> Prepared {
        let began = Instant::now() + self.warm_up;
        let end = began + self.duration;
        let largest_body = self.bodies.iter().map(|body| body.len()).max().unwrap_or_default();
        let run = Run {
            target,
            plan: self,
            began,
            end,
            largest_body,
            asked: AtomicU64::new(0),
            tally: Mutex::default(),
            in_vain: Notify::new(),
        };
        Prepared { run: Arc::new(run) }
    }
}

impl Prepared {
    /// A view of the run from outside.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress(Arc::clone(&self.run))
    }

    /// Asks until the plan is through, and what was asked is answered or late. When the server can never take what is to be
    /// asked, the end is there at once, and the reason among the connections' errors.
    ///
    /// # Panics
    /// When one of the connections' tasks does.
    pub async fn run(self, observer: &dyn Observer) -> Report {
        let run = self.run;
        let connections = run.plan.connections.get();
        let mut tasks = JoinSet::new();
        for index in 0..connections {
            let pace = Pace::new(run.plan.rate, index, connections, run.began - run.plan.warm_up, run.end);
            tasks.spawn(Connection::new(Arc::clone(&run), pace).run());
        }
        let all = finish(tasks);
        let milestones = async {
            tokio::time::sleep_until(run.began.into()).await;
            observer.began();
            tokio::time::sleep_until(run.end.into()).await;
            observer.ended();
        };
        let limited = run.plan.most_questions.is_some();
        let mut all = std::pin::pin!(all);
        tokio::select! {
            // With a number of questions, the end is when they are answered.
            _ = &mut all, if limited => observer.ended(),
            () = run.in_vain.notified() => observer.ended(),
            () = milestones => { all.await; }
        }
        run.report(Instant::now(), Stage::Over)
    }
}

/// Waits for all tasks. A panic in one is a panic here: what the others found out would be taken for everything.
async fn finish(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Progress {
    /// What was counted until now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.0.report(Instant::now(), Stage::Running)
    }
}

impl Run {
    /// The next question, unless the plan is through.
    fn next_question(&self) -> Option<u64> {
        let question = self.asked.fetch_add(1, Ordering::Relaxed);
        self.plan.most_questions.is_none_or(|most| question < most).then_some(question)
    }

    fn body(&self, question: u64) -> &[u8] {
        let count = u64::try_from(self.plan.bodies.len()).unwrap_or(u64::MAX).max(1);
        let index = usize::try_from(question % count).unwrap_or_default();
        self.plan.bodies.get(index).map_or(&[], AsRef::as_ref)
    }

    /// Whether nobody waits any more for what was due at a time.
    fn is_late(&self, due: Instant, now: Instant) -> bool {
        now.saturating_duration_since(due) > self.plan.patience
    }

    fn tally(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn report(&self, now: Instant, stage: Stage) -> Report {
        let counted = now.min(self.end).saturating_duration_since(self.began);
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).report(counted, self.plan.rate, stage)
    }
}

#[cfg(test)]
mod tests;
