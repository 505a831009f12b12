//! Waiting for what the service does in the background, by what it shows of it.

use std::time::Duration;

use countersign::dev::issuer::Issuer;
use tokio::time::MissedTickBehavior;

use super::Rig;

/// What has not happened by then never will; the longest that anything here takes by design is ten seconds.
const NEVER: Duration = Duration::from_secs(45);

/// Tests share two cores or so; a question is a request with all metrics for an answer.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(5);

/// Waits for something that must happen.
pub(crate) async fn within_reason<T>(what: &str, event: impl Future<Output = T>) -> T {
    tokio::time::timeout(NEVER, event).await.unwrap_or_else(|_| panic!("it never happened: {what}"))
}

impl Rig {
    /// Asks until it is so, and leaves time for it to become so.
    pub(crate) async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let mut turns = tokio::time::interval(BETWEEN_QUESTIONS);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        within_reason(what, async {
            while !is_so().await {
                turns.tick().await;
            }
        })
        .await;
    }

    /// Waits until so many fetches of an issuer's keys have ended in a result.
    pub(crate) async fn until_refreshes(&self, issuer: &Issuer, result: &str, count: u32) {
        let what = format!("{count} fetches of {} that are {result}", issuer.url());
        self.until(&what, async || self.refreshes(issuer, result).await >= f64::from(count)).await;
    }

    /// How many fetches of an issuer's keys have ended in a result.
    pub(crate) async fn refreshes(&self, issuer: &Issuer, result: &str) -> f64 {
        let url = issuer.url();
        self.metric(&format!("countersign_key_set_refreshes_total{{issuer=\"{url}\",result=\"{result}\"}}")).await
    }

    /// How many tokens of an issuer were judged by signature and claims.
    pub(crate) async fn verifications(&self, issuer: &Issuer) -> f64 {
        let url = issuer.url();
        self.metric(&format!("countersign_signature_verification_duration_seconds_count{{issuer=\"{url}\"}}")).await
    }

    /// How many reviews ended so, whoever the issuer was.
    pub(crate) async fn reviews(&self, result: &str, reason: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        let wanted = format!("reason=\"{reason}\",result=\"{result}\"");
        let series =
            text.lines().filter(|line| line.starts_with("countersign_reviews_total{") && line.contains(&wanted));
        series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// The line of `/readyz?verbose` about something, such as `configuration` or an issuer's URL.
    pub(crate) async fn check_of(&self, subject: &str) -> String {
        let (_, text) = self.admin("/readyz?verbose").await;
        text.lines().find(|line| line.contains(subject)).unwrap_or_else(|| panic!("{subject} in {text}")).to_owned()
    }

    /// Waits until reviews are being worked on.
    pub(crate) async fn until_in_flight(&self, reviews: u32) {
        let what = format!("{reviews} reviews in flight");
        let series = "countersign_requests_in_flight";
        self.until(&what, async || self.metric(series).await >= f64::from(reviews)).await;
    }
}
