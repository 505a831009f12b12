//! `countersign check`: loads a configuration as the service would, and prints everything that is wrong with it at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::output::{self, Output};
use super::terminal;
use super::{Conclusion, Failure, Outcome, block_on};
use crate::app;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::events::{Event, Events, KeysFetched};
use crate::findings::{FieldPath, Finding, Findings, Severity};
use crate::providers::oidc;

/// How long all issuers together may take to show their keys; one fetch gives up sooner.
const DEADLINE: Duration = Duration::from_secs(15);

/// Loads a configuration and prints every problem, each with its field and a remedy.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Also fetch every issuer's discovery document and keys.
    #[arg(long)]
    live: bool,
    /// How to print the findings.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let clock = SystemClock;
    let loaded = Config::load(&arguments.config, clock.now());
    let mut findings = loaded.findings;
    if let (true, Some(config)) = (arguments.live, loaded.config) {
        findings.extend(block_on(fetch_keys(config))??);
    }
    let text = arguments
        .output
        .document(&findings)
        .unwrap_or_else(|| output::summed_up(&arguments.config.display().to_string(), &findings));
    terminal::print(&text)?;
    Ok(if findings.has_errors() { Conclusion::No } else { Conclusion::Yes })
}

/// Asks every issuer once. What an operator wants to know before a roll-out: is it reachable, is it the right one, and
/// are its keys good.
async fn fetch_keys(config: Config) -> Result<Findings, Failure> {
    // Checking leaves no traces.
    let config = Config { state_directory: None, ..config };
    let (sender, mut fetched) = mpsc::unbounded_channel();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let context =
        oidc::Context { clock, events: Arc::new(Listener(sender)), sources: Arc::default(), grace: Duration::ZERO };
    let build = |issuer| app::build_issuer(issuer, &config, &context).map_err(|error| Failure::unknown(&error));
    // The fetches go on for as long as the issuers are there.
    let _issuers = config.issuers.iter().map(build).collect::<Result<Vec<_>, _>>()?;
    let names = signers(&config);
    let mut results: Vec<Option<Fetched>> = vec![None; names.len()];
    let all = async {
        while results.iter().any(Option::is_none)
            && let Some((name, result)) = fetched.recv().await
        {
            let position = names.iter().position(|(_, other)| *other == name);
            if let Some(slot) = position.and_then(|position| results.get_mut(position)) {
                slot.get_or_insert(result);
            }
        }
    };
    // Whoever is not there by then is reported as such.
    let _ = tokio::time::timeout(DEADLINE, all).await;
    let mut findings = Findings::new();
    for ((position, name), fetched) in names.iter().zip(results) {
        report(&mut findings, *position, name, fetched);
    }
    Ok(findings)
}

/// Everyone whose keys are fetched, by the name under which that is told, each with the position of the issuer that it
/// is for: the issuers themselves, and those that may sign claims for them.
fn signers(config: &Config) -> Vec<(usize, String)> {
    let others = |issuer: &config::Issuer| -> Vec<String> {
        // Only groups that come from a claim are looked for elsewhere.
        let looks = issuer.mapping.groups.as_ref().is_some_and(|groups| groups.as_claim().is_some());
        let allowed = issuer.distributed_claims.allowed_issuers.iter().filter(|_| looks);
        allowed.map(|other| oidc::KeySettings::name_for_claims(other, &issuer.url)).collect()
    };
    let of_issuer = |(position, issuer): (usize, &config::Issuer)| {
        let names = std::iter::once(issuer.url.clone()).chain(others(issuer));
        names.map(move |name| (position, name)).collect::<Vec<_>>()
    };
    config.issuers.iter().enumerate().flat_map(of_issuer).collect()
}

/// How the first fetch of an issuer's keys ended.
#[derive(Clone)]
enum Fetched {
    Failed { problem: String },
    Keys { count: usize, remarks: Vec<String> },
}

fn report(findings: &mut Findings, position: usize, url: &str, fetched: Option<Fetched>) {
    let path = FieldPath::root().field("jwt").index(position).field("issuer").field("url").to_string();
    let mut push = |code, severity, message: String, remedy: &str| {
        findings.push(Finding { code, severity, path: path.clone(), message, remedy: remedy.to_owned() });
    };
    match fetched {
        Some(Fetched::Keys { count, remarks }) => {
            push("keys_fetched", Severity::Info, format!("usable keys at {url}: {count}"), "");
            for remark in remarks {
                let remedy = "tell whoever runs the issuer; tokens under its other keys are not concerned";
                push("key_not_used", Severity::Warning, remark, remedy);
            }
        }
        Some(Fetched::Failed { problem }) => {
            let remedy = "see that url, discoveryURL and certificateAuthority are right, and that the issuer is up";
            push("keys_unavailable", Severity::Error, problem, remedy);
        }
        None => {
            let message = format!("{url} did not answer within {} s", DEADLINE.as_secs());
            push("keys_unavailable", Severity::Error, message, "see that the issuer can be reached from here");
        }
    }
}

/// Passes on how fetches ended.
struct Listener(mpsc::UnboundedSender<(String, Fetched)>);

impl Events for Listener {
    fn record(&self, event: Event<'_>) {
        if let Event::KeysFetched { issuer, result } = event {
            let fetched = match result {
                KeysFetched::Changed { keys, remarks } => Fetched::Keys { count: keys, remarks: remarks.to_vec() },
                KeysFetched::Failed { problem } => Fetched::Failed { problem: problem.to_owned() },
                // Of a set that was known before; the first fetch knows none.
                KeysFetched::Unchanged => return,
            };
            // Who asked may have stopped waiting.
            let _ = self.0.send((issuer.as_str().to_owned(), fetched));
        }
    }
}

#[cfg(test)]
mod tests;
