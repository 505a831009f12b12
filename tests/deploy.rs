//! What operators are given to apply and to look at: every metric in it exists, with those labels and values, and copies are
//! copies.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the report")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::events::Turned;
use countersign::metrics::Metrics;
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

fn read(name: &str) -> String {
    fs::read_to_string(deploy().join(name)).unwrap()
}

fn rules() -> Vec<Value> {
    let rule: Value = serde_saphyr::from_str(&read("kustomize/components/monitoring/prometheusrule.yaml")).unwrap();
    rule["spec"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone())
        .collect()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("grafana/countersign.json")).unwrap()
}

/// What Prometheus adds when it scrapes.
const TARGET: [&str; 4] = ["job", "instance", "pod", "namespace"];

/// Every `expr` at any depth.
fn queries(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    field => queries(field, found),
                }
            }
        }
        Value::Array(entries) => entries.iter().for_each(|entry| queries(entry, found)),
        _ => {}
    }
}

/// The labels of every metric that the service has, under the names that Prometheus stores.
fn stored() -> BTreeMap<String, BTreeSet<String>> {
    let metrics = Metrics::new().unwrap();
    // Families without a sample are not gathered.
    metrics.judged("https://a", Duration::ZERO, Duration::ZERO);
    metrics.keys_fetched("https://a", "changed");
    metrics.configured("hash", 0);
    metrics.handshake("done");
    let mut stored = BTreeMap::new();
    for family in metrics.registry().gather() {
        let labels = |sample: &prometheus::proto::Metric| {
            sample.get_label().iter().map(|label| label.name().to_owned()).collect()
        };
        let labels: BTreeSet<String> = family.get_metric().iter().next().map(labels).unwrap_or_default();
        let name = family.name().to_owned();
        if family.get_field_type() == prometheus::proto::MetricType::HISTOGRAM {
            let with_bound = labels.iter().cloned().chain(["le".to_owned()]).collect();
            stored.insert(format!("{name}_bucket"), with_bound);
            stored.insert(format!("{name}_sum"), labels.clone());
            stored.insert(format!("{name}_count"), labels);
        } else {
            stored.insert(name, labels);
        }
    }
    // Vectors that nothing here can give a sample, by the documentation's table.
    let labels = |labels: &[&str]| labels.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    stored.insert("countersign_reviews_total".into(), labels(&["result", "reason", "issuer", "version"]));
    stored.insert("countersign_cache_entries".into(), labels(&["result"]));
    for name in ["key_set_keys", "key_set_age_seconds", "key_set_seconds_until_stale"] {
        stored.insert(format!("countersign_{name}"), labels(&["issuer"]));
    }
    stored
}

/// A metric of ours in a query, with the labels that its braces name and the exact values of `reason`.
struct Used {
    name: String,
    labels: Vec<String>,
    reasons: Vec<String>,
}

fn used(query: &str) -> Vec<Used> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for (start, _) in query.match_indices("countersign_") {
        let rest = &query[start..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let mut one = Used { name: name.to_owned(), labels: Vec::new(), reasons: Vec::new() };
        for matcher in matchers.split(',').filter(|matcher| !matcher.is_empty()) {
            let (label, value) = matcher.split_once(|c| "=!".contains(c)).unwrap();
            one.labels.push(label.to_owned());
            if label == "reason" {
                one.reasons.extend(value.trim_matches(|c| "=~\"".contains(c)).split('|').map(str::to_owned));
            }
        }
        found.push(one);
    }
    found
}

#[test]
fn every_metric_of_alerts_and_dashboard_exists_with_its_labels() {
    let stored = stored();
    let mut all = Vec::new();
    for rule in rules() {
        queries(&rule, &mut all);
    }
    queries(&dashboard(), &mut all);
    let autoscaler = read("kustomize/overlays/replicas/horizontalpodautoscaler.yaml");
    all.push(
        autoscaler
            .lines()
            .find_map(|line| line.split("name: countersign_").nth(1))
            .map(|rest| format!("countersign_{rest}"))
            .unwrap(),
    );
    assert!(all.len() > 25, "{}", all.len());
    for query in &all {
        let used = used(query);
        assert!(!used.is_empty(), "{query}: no metric of ours");
        for one in used {
            let labels = stored.get(&one.name).unwrap_or_else(|| panic!("{query}: there is no {}", one.name));
            for label in one.labels {
                assert!(
                    labels.contains(&label) || TARGET.contains(&label.as_str()),
                    "{query}: {} has no {label}",
                    one.name
                );
            }
            if one.name == "countersign_requests_refused_total" {
                for reason in one.reasons {
                    assert!(Turned::ALL.iter().any(|turned| turned.code() == reason), "{query}: no reason {reason}");
                }
            }
        }
    }
}

#[test]
fn every_label_that_is_summed_by_exists() {
    let stored = stored();
    let mut all = Vec::new();
    for rule in rules() {
        queries(&rule, &mut all);
    }
    queries(&dashboard(), &mut all);
    for query in all {
        let labels: BTreeSet<&String> = used(&query).iter().filter_map(|one| stored.get(&one.name)).flatten().collect();
        for (_, rest) in query.match_indices("by (").map(|(at, by)| (at, &query[at + by.len()..])) {
            let list = rest.split(')').next().unwrap();
            for label in list.split(',').map(str::trim) {
                let is_known = TARGET.contains(&label) || labels.iter().any(|known| *known == label);
                assert!(is_known, "{query}: nothing has {label}");
            }
        }
    }
}

#[test]
fn every_alert_says_what_is_the_matter_and_what_to_do() {
    let rules = rules();
    assert!(rules.len() >= 8);
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        for annotation in ["summary", "runbook"] {
            assert!(
                rule["annotations"][annotation].as_str().is_some_and(|text| text.len() > 30),
                "{name}: {annotation}"
            );
        }
        assert!(["critical", "warning"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
    }
}

#[test]
fn panels_do_not_overlap_and_have_their_own_number() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let mut cells = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for panel in panels {
        let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        assert!(numbers.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(cells.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", panel["title"]);
    }
}

#[test]
fn the_charts_copies_are_copies() {
    let pairs = [
        ("helm/countersign/files/prometheusrule.yaml", "kustomize/components/monitoring/prometheusrule.yaml"),
        ("helm/countersign/files/dashboard.json", "grafana/countersign.json"),
    ];
    for (copy, original) in pairs {
        assert_eq!(read(copy), read(original), "{copy}");
    }
}

/// The service's user reads the key by its group alone, so leaving out a command leaves it without its key.
#[test]
fn the_units_commands_are_those_of_the_page_and_give_its_user_the_key() {
    let unit = read("countersign.service");
    let page = fs::read_to_string(deploy().join("../docs/deployment.md")).unwrap();
    let commands: Vec<&str> = unit.lines().filter_map(|line| line.strip_prefix("#   ")).collect();
    assert_eq!(commands.len(), 5);
    for command in &commands {
        assert!(page.contains(&format!("\n# {command}\n")), "docs/deployment.md lacks: {command}");
    }
    assert!(unit.contains("\nUser=countersign\nGroup=countersign\n"));
    assert!(commands[0].starts_with("useradd ") && commands[0].ends_with(" countersign"));
    let key = commands.iter().find(|command| command.contains("tls.key")).unwrap();
    assert!(key.starts_with("install -o root -g countersign -m 0640 "), "{key}");
}
