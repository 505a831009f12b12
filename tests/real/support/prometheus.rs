//! A Prometheus that scrapes one replica every second, with our alerts loaded.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::components::component;
use super::process::Process;
use super::rig::{Rig, free_port};
use super::wait::{SOON, eventually};

/// A running Prometheus.
pub(crate) struct Prometheus {
    url: String,
    client: reqwest::Client,
    process: Process,
}

impl Prometheus {
    /// Starts it with a target and with rule groups.
    pub(crate) async fn start(rig: &Rig, target: &str, groups: &Value) -> Self {
        let folder = rig.folder().join("prometheus");
        std::fs::create_dir(&folder).unwrap();
        // JSON is YAML.
        let rules = folder.join("rules.yaml");
        std::fs::write(&rules, json!({ "groups": groups }).to_string()).unwrap();
        promtool(&["check", "rules"], &rules);
        let labels = json!({"job": "countersign", "namespace": "countersign", "pod": "countersign-0"});
        let config = json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "countersign", "static_configs": [{"targets": [target], "labels": labels}]}],
        });
        let file = folder.join("prometheus.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        promtool(&["check", "config"], &file);
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(component("PROMETHEUS"));
        command.arg("--config.file").arg(&file).arg("--storage.tsdb.path").arg(folder.join("data"));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start("prometheus", rig.folder(), &command);
        let client = super::http::client(&rig.servers, None);
        let mut prometheus = Self { url: format!("http://{address}"), client, process };
        eventually("Prometheus is ready", SOON, async || {
            prometheus.process.assert_running();
            let ready = prometheus.client.get(format!("{}/-/ready", prometheus.url)).send().await;
            ready.and_then(reqwest::Response::error_for_status).map(drop).map_err(|error| error.to_string())
        })
        .await;
        prometheus
    }

    /// The values of every series that a query gives now; an error if it is none.
    pub(crate) async fn query(&self, query: &str) -> Result<Vec<f64>, String> {
        let form = super::http::form(&[("query", query)]);
        let data = self.get(&format!("/api/v1/query?{form}")).await?;
        let series = data["result"].as_array().cloned().unwrap_or_default();
        Ok(series.iter().map(|series| series["value"][1].as_str().unwrap().parse().unwrap()).collect())
    }

    /// Every alerting rule: name, state, and what went wrong with its last evaluation.
    pub(crate) async fn alerts(&self) -> Vec<(String, String, String)> {
        let data = self.get("/api/v1/rules").await.unwrap();
        let text = |rule: &Value, field: &str| rule[field].as_str().unwrap_or_default().to_owned();
        let groups = data["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        rules
            .map(|rule| {
                let health = text(rule, "health");
                let problem =
                    if health == "ok" { String::new() } else { format!("{health}: {}", text(rule, "lastError")) };
                (text(rule, "name"), text(rule, "state"), problem)
            })
            .collect()
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.map_err(|error| error.to_string())?;
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        if answer["status"] == "success" { Ok(answer["data"].take()) } else { Err(answer["error"].to_string()) }
    }
}

fn promtool(command: &[&str], file: &Path) {
    let output = Command::new(component("PROMTOOL")).args(command).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
