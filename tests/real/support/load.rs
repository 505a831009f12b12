//! Something that goes on while a test disturbs something else, and must not notice.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::wait::eventually;

/// Calls repeated by a few workers until [`Load::stop`].
pub(crate) struct Load {
    workers: JoinSet<Result<(), String>>,
    stop: watch::Sender<bool>,
    done: watch::Receiver<u64>,
}

impl Load {
    /// Starts `workers` loops. `call` gets a number that no other call of this load gets; a worker ends at its first
    /// failure.
    pub(crate) fn start<Call, Answer>(workers: u64, call: Call) -> Self
    where
        Call: Fn(u64) -> Answer + Clone + Send + 'static,
        Answer: Future<Output = Result<(), String>> + Send,
    {
        let (stop, stopped) = watch::channel(false);
        let (count, done) = watch::channel(0);
        let mut tasks = JoinSet::new();
        for worker in 0..workers {
            let (call, count, stopped) = (call.clone(), count.clone(), stopped.clone());
            tasks.spawn(async move {
                let mut number = worker;
                while !*stopped.borrow() {
                    call(number).await.map_err(|error| format!("call {number}: {error}"))?;
                    count.send_modify(|done| *done += 1);
                    number += workers;
                }
                Ok(())
            });
        }
        Self { workers: tasks, stop, done }
    }

    /// Waits until `calls` more have come back well: proof that the load went on through what was just done.
    pub(crate) async fn goes_on(&mut self, calls: u64, limit: Duration) {
        let target = *self.done.borrow() + calls;
        eventually("the load goes on", limit, async || {
            if let Some(Ok(Err(error))) = self.workers.try_join_next() {
                panic!("a call failed under load: {error}");
            }
            let done = *self.done.borrow();
            if done < target { Err(format!("{done} of {target} calls are done")) } else { Ok(()) }
        })
        .await;
    }

    /// Ends the load and returns how many calls there were; panics with the failures, if any.
    pub(crate) async fn stop(mut self) -> u64 {
        self.stop.send_replace(true);
        let mut failures = Vec::new();
        while let Some(ended) = self.workers.join_next().await {
            failures.extend(ended.unwrap().err());
        }
        assert_eq!(failures, Vec::<String>::new(), "calls that failed under load");
        *self.done.borrow()
    }
}
