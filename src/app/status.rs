//! What the admin listener shows of the running service.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Shared;
use super::reload::Reloader;
use crate::http::Gateway;
use crate::metrics::Sample;
use crate::providers::Health;
use crate::server::Stage;
use crate::server::admin::{Check, Status};

/// Reads the running service when it is asked.
pub(super) struct Overview {
    shared: Shared,
    gateway: Arc<Gateway>,
    reloader: Arc<Reloader>,
    stage: watch::Receiver<Stage>,
    /// Two scrapes at once would empty the gauges under each other.
    scrape: Mutex<()>,
}

impl Overview {
    pub(super) fn new(
        shared: Shared,
        gateway: Arc<Gateway>,
        reloader: Arc<Reloader>,
        stage: watch::Receiver<Stage>,
    ) -> Self {
        Self { shared, gateway, reloader, stage, scrape: Mutex::default() }
    }

    fn issuers(&self) -> Vec<(String, Health)> {
        let in_force = self.reloader.in_force();
        let health = |issuer: &Arc<crate::authn::issuer::Issuer>| {
            (issuer.name().as_str().to_owned(), issuer.verifier().health())
        };
        in_force.issuers.iter().map(health).collect()
    }
}

impl Status for Overview {
    fn metrics(&self) -> Vec<u8> {
        let _one = self.scrape.lock().unwrap_or_else(PoisonError::into_inner);
        self.reloader.settle();
        let metrics = self.shared.telemetry.metrics();
        metrics.sample(&Sample {
            cache_totals: &self.shared.totals,
            cache_size: self.reloader.in_force().authn.cache().size(),
            in_flight: self.gateway.in_flight(),
            issuers: self.issuers(),
        });
        metrics.render().unwrap_or_default()
    }

    /// Ready means: worth sending reviews to. With one provider of several out of reach it still is, and with all of them
    /// out of reach too, as long as their last keys may be used.
    fn checks(&self) -> Vec<Check> {
        let issuers = self.issuers();
        let is_any_usable = issuers.is_empty() || issuers.iter().any(|(_, health)| health.usable);
        let serving = *self.stage.borrow() == Stage::Serving;
        let mut checks = vec![
            Check {
                name: "shutdown".to_owned(),
                ok: serving,
                required: true,
                detail: if serving { "serving" } else { "stopping" }.to_owned(),
            },
            Check {
                name: "issuers".to_owned(),
                ok: is_any_usable,
                required: true,
                detail: if is_any_usable {
                    "tokens can be judged".to_owned()
                } else {
                    "no issuer's keys have been fetched yet".to_owned()
                },
            },
            configuration(self.reloader.problem(), self.reloader.waiting()),
        ];
        checks.extend(issuers.into_iter().map(|(name, health)| issuer(&name, &health)));
        checks
    }

    fn page(&self) -> String {
        let mut rows = String::new();
        for check in self.checks() {
            let (class, word) = if check.ok { ("ok", "ok") } else { ("bad", "failed") };
            // Writing to a string cannot fail.
            let _ = write!(
                rows,
                "<tr><td>{}</td><td class={class}>{word}</td><td>{}</td></tr>",
                escape(&check.name),
                escape(&check.detail)
            );
        }
        PAGE.replace("{version}", env!("CARGO_PKG_VERSION")).replace("{rows}", &rows)
    }
}

fn configuration(problem: Option<String>, waiting: Option<(Vec<String>, Duration)>) -> Check {
    let ok = problem.is_none();
    let detail = match (problem, waiting) {
        (Some(problem), _) => {
            format!("the changed files are not usable, the running configuration stays: {}", one_line(&problem))
        }
        (None, None) => "the files are in force".to_owned(),
        (None, Some((reasons, remaining))) => format!(
            "the files are in force; waiting for keys, for {} s more: {}",
            remaining.as_secs(),
            one_line(&reasons.join("; "))
        ),
    };
    Check { name: "configuration".to_owned(), ok, required: false, detail }
}

fn issuer(name: &str, health: &Health) -> Check {
    let Health { keys, remaining_seconds, .. } = health;
    let age = health.age_seconds.map_or_else(String::new, |age| format!(", confirmed {age} s ago"));
    let detail = match (&health.failing, health.usable) {
        (failing, true) if health.borrowed => format!(
            "{keys} keys from where they were before, usable for {remaining_seconds} s more; {}",
            failing.as_deref().map_or_else(
                || "the first fetch from their new place is under way".to_owned(),
                |problem| format!("fetching from their new place fails: {}", one_line(problem)),
            )
        ),
        (None, true) => format!("{keys} keys{age}"),
        (None, false) => "the first fetch of its keys is under way".to_owned(),
        (Some(problem), true) => format!(
            "refreshing its keys fails ({}); {keys} keys{age}, usable for {remaining_seconds} s more",
            one_line(problem)
        ),
        (Some(problem), false) => format!("no usable keys: {}", one_line(problem)),
    };
    Check {
        name: format!("issuer/{name}"),
        ok: health.is_settled() && health.failing.is_none(),
        required: false,
        detail,
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

const PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<meta http-equiv=refresh content=10><title>countersign</title><style>:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
td{padding:.25rem 1rem .25rem 0;vertical-align:top;overflow-wrap:anywhere}.ok{color:#0a7d33}.bad{color:#c62828}\
@media(prefers-color-scheme:dark){.ok{color:#5fd38d}.bad{color:#ff8a80}}</style>\
<h1>countersign {version}</h1><table>{rows}</table>\
<p><a href=/metrics>metrics</a> · <a href='/readyz?verbose'>readyz</a> · <a href='/livez?verbose'>livez</a></p></html>\n";
