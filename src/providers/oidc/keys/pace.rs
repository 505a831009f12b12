//! When keys are fetched.

use std::time::Duration;

/// After a failure the next attempt comes after this, doubling with each further one up to the second.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LAST: Duration = Duration::from_secs(30);

/// `Cache-Control` can have keys fetched sooner than `refreshInterval` says, but not more often than this.
const REFRESH_AT_LEAST: Duration = Duration::from_secs(60);

/// When keys that were just fetched are fetched again: as configured, or sooner if the provider says so.
pub(super) fn refresh_after(max_age: Option<Duration>, interval: Duration) -> Duration {
    max_age.unwrap_or(interval).clamp(REFRESH_AT_LEAST.min(interval), interval)
}

pub(super) fn retry_after(failures: u32) -> Duration {
    RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(RETRY_LAST)
}

/// Up to a fifth less, never more, so that replicas do not ask a provider all at once and limits are kept.
pub(super) fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 - 0.2 * fraction())
}

/// A random number in 0..1. Without randomness, the middle.
fn fraction() -> f64 {
    let mut bytes = [0_u8; 2];
    match aws_lc_rs::rand::fill(&mut bytes) {
        Ok(()) => f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX),
        Err(_) => 0.5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(300);

    #[test]
    fn g3_cache_control_has_keys_fetched_sooner_but_neither_later_nor_all_the_time() {
        let seconds = |max_age: Option<u64>| refresh_after(max_age.map(Duration::from_secs), INTERVAL).as_secs();
        assert_eq!(seconds(None), 300);
        assert_eq!(seconds(Some(120)), 120);
        assert_eq!(seconds(Some(86_400)), 300);
        assert_eq!(seconds(Some(0)), 60);
        let short = Duration::from_secs(10);
        assert_eq!(
            refresh_after(Some(Duration::ZERO), short),
            short,
            "an interval below the minimum is the operator's word"
        );
    }

    #[test]
    fn g1_failures_are_tried_again_soon_at_first_and_at_least_every_half_minute() {
        let pauses: Vec<_> = [1, 2, 3, 5, 6, 1000, u32::MAX].map(|failures| retry_after(failures).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 16, 30, 30, 30]);
    }

    #[test]
    fn g12_pauses_are_spread_below_their_limit() {
        let mut pauses: Vec<_> = (0..200).map(|_| jittered(INTERVAL)).collect();
        assert!(pauses.iter().all(|pause| (INTERVAL.mul_f64(0.8)..=INTERVAL).contains(pause)));
        pauses.sort_unstable();
        pauses.dedup();
        assert!(pauses.len() > 100, "replicas that start together drift apart: {}", pauses.len());
    }
}
