//! The edge where facts become metrics and log lines. Nothing below it knows either.
//!
//! One line for each review that was refused or not decided: reason code, issuer as configured, nothing of the token.
//! Under a flood, lines of the same reason are left out and counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::authn::IssuerName;
use crate::authn::observed::{Answer, Observation, Observer};
use crate::clock::Clock;
use crate::events::{ClaimsFetched, ConnectionEvent, Event, Events, Handshake, KeysFetched, Turned};
use crate::metrics::{Metrics, ReviewLabels};

/// So many lines of one kind are written in each [`WINDOW`].
const LINES_PER_WINDOW: u32 = 10;
/// See [`LINES_PER_WINDOW`].
const WINDOW: Duration = Duration::from_secs(1);

/// Counts and logs.
pub struct Telemetry {
    metrics: Arc<Metrics>,
    sampler: Sampler,
    clock: Arc<dyn Clock>,
}

impl Telemetry {
    /// Counts into these metrics and logs through `tracing`.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { metrics, sampler: Sampler::default(), clock }
    }

    /// The metrics.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many lines of this kind were left out since the last one, or `None` if this one is to be left out too.
    fn turn(&self, kind: &'static str) -> Option<u64> {
        let turn = self.sampler.turn(kind, self.clock.monotonic());
        if turn.is_none() {
            self.metrics.suppressed(1);
        }
        turn
    }
}

impl Observer for Telemetry {
    fn reviewed(&self, observation: &Observation<'_>) {
        let (result, reason, issuer) = match observation.answer {
            Answer::Accept(accepted, _) => ("accept", "ok", Some(&accepted.basis.issuer)),
            Answer::Reject(rejected) => ("reject", rejected.reason.code(), rejected.issuer.as_ref()),
            Answer::Unavailable(unavailable) => ("undecided", unavailable.cause.code(), unavailable.issuer.as_ref()),
        };
        let labels = ReviewLabels { result, reason, issuer: issuer.cloned(), version: observation.version };
        self.metrics.reviewed(&labels, observation.elapsed);
        if result == "accept" {
            tracing::debug!(result, issuer = issuer.map(IssuerName::as_str), version = observation.version, "review");
            return;
        }
        let Some(suppressed) = self.turn(reason) else { return };
        let issuer = issuer.map_or("", IssuerName::as_str);
        let version = observation.version;
        if result == "undecided" {
            tracing::warn!(result, reason, issuer, version, suppressed, "review");
        } else {
            tracing::info!(result, reason, issuer, version, suppressed, "review");
        }
    }
}

impl Events for Telemetry {
    fn record(&self, event: Event<'_>) {
        match event {
            Event::ClaimsFetched { issuer, result } => self.claims_fetched(issuer, result),
            Event::Connection(event) => self.connection(event),
            Event::Judged { issuer, key_lookup, verification } => {
                self.metrics.judged(issuer.as_str(), key_lookup, verification);
            }
            Event::KeysFetched { issuer, result } => self.keys_fetched(issuer, &result),
            Event::KeysNotKept { issuer, problem } => {
                tracing::warn!(issuer = issuer.as_str(), problem, "state directory");
            }
            Event::Turned(why) => {
                self.metrics.turned(why);
                if let Some(suppressed) = self.turn(why.code()) {
                    let reason = why.code();
                    match why {
                        Turned::Panic | Turned::Overload => tracing::error!(reason, suppressed, "request refused"),
                        _ => tracing::info!(reason, suppressed, "request refused"),
                    }
                }
            }
        }
    }
}

impl Telemetry {
    fn claims_fetched(&self, issuer: &IssuerName, result: ClaimsFetched<'_>) {
        let issuer = issuer.as_str();
        let (result, problem) = match result {
            ClaimsFetched::Done => ("done", ""),
            ClaimsFetched::Failed { problem } => ("failed", problem),
            ClaimsFetched::Refused { problem } => ("refused", problem),
        };
        self.metrics.claims_fetched(issuer, result);
        if !problem.is_empty()
            && let Some(suppressed) = self.turn("distributed_claims")
        {
            tracing::warn!(issuer, result, problem, suppressed, "distributed claims");
        }
    }

    fn keys_fetched(&self, issuer: &IssuerName, result: &KeysFetched<'_>) {
        let issuer = issuer.as_str();
        match result {
            KeysFetched::Changed { keys, remarks } => {
                self.metrics.keys_fetched(issuer, "changed");
                tracing::info!(issuer, keys, "key set changed");
                for remark in *remarks {
                    tracing::warn!(issuer, remark, "key set");
                }
            }
            KeysFetched::Failed { problem } => {
                self.metrics.keys_fetched(issuer, "failed");
                tracing::warn!(issuer, problem, "fetching keys failed; keys that are in force stay so");
            }
            KeysFetched::Unchanged => {
                self.metrics.keys_fetched(issuer, "unchanged");
                tracing::debug!(issuer, "key set unchanged");
            }
        }
    }

    fn connection(&self, event: ConnectionEvent<'_>) {
        match event {
            ConnectionEvent::AcceptFailed(error) => {
                if let Some(suppressed) = self.turn("accept_failed") {
                    tracing::error!(%error, suppressed, "accepting connections fails");
                }
            }
            ConnectionEvent::Closed => self.metrics.connections(-1),
            ConnectionEvent::Handshake(handshake) => {
                let (result, problem) = match handshake {
                    Handshake::Displaced => ("displaced", "too many at once; the oldest made way".to_owned()),
                    Handshake::Done => ("done", String::new()),
                    Handshake::Failed(error) => ("failed", error.to_string()),
                    Handshake::TimedOut => ("timed_out", "the peer was too slow".to_owned()),
                };
                self.metrics.handshake(result);
                if !problem.is_empty()
                    && let Some(suppressed) = self.turn("handshake")
                {
                    tracing::info!(result, problem, suppressed, "TLS handshake");
                }
            }
            ConnectionEvent::Opened => self.metrics.connections(1),
            ConnectionEvent::Refused => {
                self.metrics.connection_refused();
                if let Some(suppressed) = self.turn("connection_refused") {
                    tracing::error!(suppressed, "too many connections; new ones are closed at once");
                }
            }
        }
    }
}

/// Lets so many lines of each kind through in each window. Kinds are code constants, so there are few.
#[derive(Default)]
struct Sampler(Mutex<HashMap<&'static str, Window>>);

struct Window {
    began: Instant,
    written: u32,
    suppressed: u64,
}

impl Sampler {
    fn turn(&self, kind: &'static str, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows.entry(kind).or_insert(Window { began: now, written: 0, suppressed: 0 });
        if now.saturating_duration_since(window.began) >= WINDOW {
            (window.began, window.written) = (now, 0);
        }
        if window.written < LINES_PER_WINDOW {
            window.written += 1;
            return Some(std::mem::take(&mut window.suppressed));
        }
        window.suppressed += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j2_a_flood_of_one_kind_is_sampled_and_counted() {
        let (sampler, start) = (Sampler::default(), Instant::now());
        let written = (0..1000).filter(|_| sampler.turn("expired", start).is_some()).count();
        assert_eq!(written, 10);
        assert_eq!(sampler.turn("bad_signature", start), Some(0), "another kind has lines of its own");
        assert_eq!(sampler.turn("expired", start + WINDOW), Some(990), "what was left out is told with the next");
        assert_eq!(sampler.turn("expired", start + WINDOW), Some(0));
    }
}
