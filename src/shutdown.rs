//! From a signal to the end: lame duck, drain, out.
//!
//! The first SIGTERM or SIGINT begins an orderly stop, the second one ends it at once.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::server::Stage;

/// How long the parts of a stop may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Between "not ready" and the end of accepting: until every load balancer has looked.
    pub lame_duck: Duration,
    /// For requests that are in flight and connections that are told to go away.
    pub timeout: Duration,
}

/// SIGTERM and SIGINT as a stream.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes both signals over from their default, which is to end the process.
    ///
    /// # Errors
    ///
    /// When the system lets no handler be set.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of the two.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Goes through the stages of a stop. `hurry` resolves when there is no more time. Returns whether everything in flight was
/// finished.
pub async fn stop(
    stage: &watch::Sender<Stage>,
    mut reviews: JoinHandle<()>,
    drain: Drain,
    hurry: impl Future<Output = ()>,
) -> bool {
    let mut hurry = std::pin::pin!(hurry);
    stage.send_replace(Stage::LameDuck);
    let hurried = tokio::select! {
        () = tokio::time::sleep(drain.lame_duck) => false,
        () = &mut hurry => true,
    };
    let mut finished = false;
    if !hurried {
        stage.send_replace(Stage::Draining);
        finished = tokio::select! {
            _ = &mut reviews => true,
            () = tokio::time::sleep(drain.timeout) => false,
            () = &mut hurry => false,
        };
    }
    stage.send_replace(Stage::Ended);
    if !finished {
        let _ = reviews.await;
    }
    finished
}
