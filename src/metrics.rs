//! Every metric, in Prometheus' terms. Label values come from the configuration and from closed enums only, so the number
//! of series does not depend on what anyone sends.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use fnv::FnvHasher;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use crate::authn::cache::Totals;
use crate::events::Turned;
use crate::providers::Health;

/// Seconds. From a hit (tens of microseconds) to the longest wait for keys.
const SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 2.5, 10.0,
];

/// The service's metrics and their registry.
pub struct Metrics {
    registry: Registry,
    reviews: IntCounterVec,
    /// Nobody outside chooses labels, so a hash without a secret will do.
    review_handles: RwLock<HashMap<ReviewLabels, IntCounter, BuildHasherDefault<FnvHasher>>>,
    accepted_seconds: Histogram,
    rejected_seconds: Histogram,
    undecided_seconds: Histogram,
    key_lookup_seconds: HistogramVec,
    verification_seconds: HistogramVec,
    turned: IntCounterVec,
    claims_fetched: IntCounterVec,
    cache_hits: IntCounter,
    cache_misses: IntCounter,
    cache_evictions: IntCounter,
    cache_entries: IntGaugeVec,
    cache_bytes: IntGauge,
    key_refreshes: IntCounterVec,
    keys: IntGaugeVec,
    key_age_seconds: IntGaugeVec,
    key_remaining_seconds: IntGaugeVec,
    reloads: IntCounterVec,
    reload_success_timestamp: IntGauge,
    configuration_info: IntGaugeVec,
    certificate_expiry: IntGauge,
    connections: IntGauge,
    connections_refused: IntCounter,
    handshakes: IntCounterVec,
    in_flight: IntGauge,
    log_lines_suppressed: IntCounter,
}

/// Who answered how, for one series.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReviewLabels {
    /// `accept`, `reject` or `undecided`.
    pub result: &'static str,
    /// The reason code; `ok` for an accept.
    pub reason: &'static str,
    /// The issuer's configured URL; empty when no configured issuer claims the token.
    pub issuer: Option<crate::authn::IssuerName>,
    /// `v1` or `v1beta1`.
    pub version: &'static str,
}

impl Metrics {
    /// Registers everything on a registry of its own, with the process's figures.
    ///
    /// # Errors
    ///
    /// Never with the names below; prometheus checks them at run time.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
        let new = Maker(&registry);
        let review_seconds = new.histograms(
            "countersign_review_duration_seconds",
            "Time to answer a review, from the parsed request to the answer.",
            &["result"],
        )?;
        let build = new.gauges("countersign_build_info", "The version that is running.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            reviews: new.counters(
                "countersign_reviews_total",
                "Reviews answered, by result, reason code, issuer and API version.",
                &["result", "reason", "issuer", "version"],
            )?,
            accepted_seconds: review_seconds.with_label_values(&["accept"]),
            rejected_seconds: review_seconds.with_label_values(&["reject"]),
            undecided_seconds: review_seconds.with_label_values(&["undecided"]),
            review_handles: RwLock::default(),
            key_lookup_seconds: new.histograms(
                "countersign_key_lookup_duration_seconds",
                "Time to find a token's key, waiting for a fetch included.",
                &["issuer"],
            )?,
            verification_seconds: new.histograms(
                "countersign_signature_verification_duration_seconds",
                "Time to verify a token's signature and claims.",
                &["issuer"],
            )?,
            turned: new.counters(
                "countersign_requests_refused_total",
                "Requests that got no review, by why.",
                &["reason"],
            )?,
            claims_fetched: new.counters(
                "countersign_distributed_claims_total",
                "Groups that tokens say are elsewhere, by what came of asking: done, refused or failed.",
                &["issuer", "result"],
            )?,
            cache_hits: new.counter("countersign_cache_hits_total", "Reviews answered from the cache.")?,
            cache_misses: new.counter("countersign_cache_misses_total", "Reviews that the cache could not answer.")?,
            cache_evictions: new.counter(
                "countersign_cache_evictions_total",
                "Accepted entries pushed out because the cache was full.",
            )?,
            cache_entries: new.gauges("countersign_cache_entries", "Entries in the cache, by verdict.", &["result"])?,
            cache_bytes: new.gauge("countersign_cache_size_bytes", "Bytes that the cache accounts for.")?,
            key_refreshes: new.counters(
                "countersign_key_set_refreshes_total",
                "Fetches of an issuer's keys, by result: changed, unchanged or failed.",
                &["issuer", "result"],
            )?,
            keys: new.gauges("countersign_key_set_keys", "Usable keys of an issuer.", &["issuer"])?,
            key_age_seconds: new.gauges(
                "countersign_key_set_age_seconds",
                "Seconds since an issuer's keys were last confirmed.",
                &["issuer"],
            )?,
            key_remaining_seconds: new.gauges(
                "countersign_key_set_seconds_until_stale",
                "Seconds until an issuer's keys may no longer be used without a refresh.",
                &["issuer"],
            )?,
            reloads: new.counters(
                "countersign_reloads_total",
                "Configurations that were found changed, by result: success, failure, or pending and then success or overdue.",
                &["result"],
            )?,
            reload_success_timestamp: new.gauge(
                "countersign_configuration_last_success_timestamp_seconds",
                "When the configuration in force was loaded, in seconds since 1970.",
            )?,
            configuration_info: new.gauges(
                "countersign_configuration_info",
                "The configuration in force, by the SHA-256 of its files: differs between replicas that differ.",
                &["hash"],
            )?,
            certificate_expiry: new.gauge(
                "countersign_serving_certificate_expiry_timestamp_seconds",
                "When the serving certificate expires, in seconds since 1970.",
            )?,
            connections: new.gauge("countersign_connections", "Open connections of the review listener.")?,
            connections_refused: new
                .counter("countersign_connections_refused_total", "Connections closed at once, for want of places.")?,
            handshakes: new.counters(
                "countersign_tls_handshakes_total",
                "TLS handshakes, by result: displaced, done, failed or timed_out.",
                &["result"],
            )?,
            in_flight: new.gauge("countersign_requests_in_flight", "Reviews at work.")?,
            log_lines_suppressed: new
                .counter("countersign_log_lines_suppressed_total", "Log lines about reviews left out under floods.")?,
            registry,
        };
        for turned in Turned::ALL {
            metrics.turned.with_label_values(&[turned.code()]);
        }
        for result in ["success", "failure", "pending", "overdue"] {
            metrics.reloads.with_label_values(&[result]);
        }
        Ok(metrics)
    }

    /// The registry, for whoever embeds the service.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When a metric has no samples; none here.
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }

    /// A review was answered.
    pub fn reviewed(&self, labels: &ReviewLabels, elapsed: Duration) {
        self.count(labels);
        let histogram = match labels.result {
            "accept" => &self.accepted_seconds,
            "reject" => &self.rejected_seconds,
            _ => &self.undecided_seconds,
        };
        histogram.observe(elapsed.as_secs_f64());
    }

    /// Looking a series up by four strings costs more than a cache hit; the handles are kept.
    fn count(&self, labels: &ReviewLabels) {
        if let Some(handle) = self.review_handles.read().unwrap_or_else(PoisonError::into_inner).get(labels) {
            return handle.inc();
        }
        let issuer = labels.issuer.as_ref().map_or("", |issuer| issuer.as_str());
        let handle = self.reviews.with_label_values(&[labels.result, labels.reason, issuer, labels.version]);
        handle.inc();
        self.review_handles.write().unwrap_or_else(PoisonError::into_inner).insert(labels.clone(), handle);
    }

    /// A token was judged by an issuer's provider.
    pub fn judged(&self, issuer: &str, key_lookup: Duration, verification: Duration) {
        self.key_lookup_seconds.with_label_values(&[issuer]).observe(key_lookup.as_secs_f64());
        self.verification_seconds.with_label_values(&[issuer]).observe(verification.as_secs_f64());
    }

    /// A request got no review.
    pub fn turned(&self, why: Turned) {
        self.turned.with_label_values(&[why.code()]).inc();
    }

    /// Groups were looked for elsewhere.
    pub fn claims_fetched(&self, issuer: &str, result: &'static str) {
        self.claims_fetched.with_label_values(&[issuer, result]).inc();
    }

    /// A fetch of keys ended.
    pub fn keys_fetched(&self, issuer: &str, result: &'static str) {
        self.key_refreshes.with_label_values(&[issuer, result]).inc();
    }

    /// A changed configuration was refused, is in force and waits for issuers, or is complete or overdue.
    pub fn reloaded(&self, result: &'static str) {
        self.reloads.with_label_values(&[result]).inc();
    }

    /// The configuration in force.
    pub fn configured(&self, hash: &str, now: u64) {
        self.configuration_info.reset();
        self.configuration_info.with_label_values(&[hash]).set(1);
        self.reload_success_timestamp.set(i64::try_from(now).unwrap_or(i64::MAX));
    }

    /// When the serving certificate expires.
    pub fn certificate_expires(&self, at: u64) {
        self.certificate_expiry.set(i64::try_from(at).unwrap_or(i64::MAX));
    }

    /// A connection was opened (`1`) or closed (`-1`).
    pub fn connections(&self, change: i64) {
        self.connections.add(change);
    }

    /// A connection was closed at once.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// A TLS handshake ended.
    pub fn handshake(&self, result: &'static str) {
        self.handshakes.with_label_values(&[result]).inc();
    }

    /// Log lines were left out.
    pub fn suppressed(&self, lines: u64) {
        self.log_lines_suppressed.inc_by(lines);
    }

    /// Takes over what is read rather than counted, just before a scrape.
    pub fn sample(&self, sample: &Sample<'_>) {
        raise(&self.cache_hits, sample.cache_totals.hits());
        raise(&self.cache_misses, sample.cache_totals.misses());
        raise(&self.cache_evictions, sample.cache_totals.evictions());
        let (accepted, refused, bytes) = sample.cache_size;
        self.cache_entries.with_label_values(&["accept"]).set(signed(accepted));
        self.cache_entries.with_label_values(&["reject"]).set(signed(refused));
        self.cache_bytes.set(signed(bytes));
        self.in_flight.set(i64::try_from(sample.in_flight).unwrap_or(i64::MAX));
        for gauge in [&self.keys, &self.key_age_seconds, &self.key_remaining_seconds] {
            // Issuers that are no longer configured leave.
            gauge.reset();
        }
        for (issuer, health) in &sample.issuers {
            self.keys.with_label_values(&[issuer]).set(i64::try_from(health.keys).unwrap_or(i64::MAX));
            self.key_remaining_seconds.with_label_values(&[issuer]).set(signed(health.remaining_seconds));
            if let Some(age) = health.age_seconds {
                self.key_age_seconds.with_label_values(&[issuer]).set(signed(age));
            }
        }
    }
}

/// What is read at scrape time.
pub struct Sample<'s> {
    /// The cache's running totals.
    pub cache_totals: &'s Arc<Totals>,
    /// Accepted entries, refused entries, bytes.
    pub cache_size: (u64, u64, u64),
    /// Requests at work.
    pub in_flight: usize,
    /// Every configured issuer.
    pub issuers: Vec<(String, Health)>,
}

/// Makes and registers.
struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histograms(&self, name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
        self.registered(HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), labels)?)
    }

    fn registered<M: prometheus::core::Collector + Clone + 'static>(&self, metric: M) -> Result<M, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

/// Brings a counter up to a total that is kept elsewhere.
fn raise(counter: &IntCounter, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authn::{IssuerName, Reason};

    fn labels(reason: Reason) -> ReviewLabels {
        let issuer = Some(IssuerName::new("https://idp.example.com"));
        ReviewLabels { result: "reject", reason: reason.code(), issuer, version: "v1" }
    }

    #[test]
    fn reviews_are_counted_by_result_reason_issuer_and_version() {
        let metrics = Metrics::new().unwrap();
        metrics.reviewed(&labels(Reason::Expired), Duration::from_micros(30));
        metrics.reviewed(&labels(Reason::Expired), Duration::from_micros(30));
        let text = String::from_utf8(metrics.render().unwrap()).unwrap();
        let series = "countersign_reviews_total{issuer=\"https://idp.example.com\",reason=\"expired\",result=\"reject\",version=\"v1\"} 2";
        assert!(text.contains(series), "{text}");
        assert!(text.contains("countersign_review_duration_seconds_count{result=\"reject\"} 2"), "{text}");
    }

    #[test]
    fn issuers_that_are_gone_leave_the_gauges() {
        let metrics = Metrics::new().unwrap();
        let totals = Arc::default();
        let sample = |issuers: Vec<(String, Health)>| Sample {
            cache_totals: &totals,
            cache_size: (1, 2, 3),
            in_flight: 4,
            issuers,
        };
        metrics.sample(&sample(vec![("https://a".to_owned(), Health { keys: 2, ..Health::default() })]));
        assert!(
            String::from_utf8(metrics.render().unwrap())
                .unwrap()
                .contains("countersign_key_set_keys{issuer=\"https://a\"} 2")
        );
        metrics.sample(&sample(vec![]));
        assert!(!String::from_utf8(metrics.render().unwrap()).unwrap().contains("https://a"));
    }
}
