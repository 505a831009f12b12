//! Waiting for other processes: ask until they are as wanted, never for longer than a limit.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

/// Long enough for anything that should happen at once, on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(180);

/// Asks `attempt` over and over and returns its first `Ok`; panics with its last `Err` when `limit` has passed.
pub(crate) async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let end = Instant::now() + limit;
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "no attempt came to an end".to_owned();
    while Instant::now() < end {
        ticks.tick().await;
        match timeout_at(end, attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(reason)) => last = reason,
            Err(_) => break,
        }
    }
    panic!("{what}: not within {limit:?}; at last: {last}");
}
