//! Chromium, driven over WebDriver.

use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::process::Process;
use super::rig::{Rig, free_port};
use super::wait::{SOON, eventually};
use super::{component, http};

/// One window of a browser. It ends with its driver, whose end of their pipe it watches.
pub(crate) struct Browser {
    session: String,
    client: reqwest::Client,
    _driver: Process,
}

impl Browser {
    pub(crate) async fn start(rig: &Rig) -> Self {
        let port = free_port();
        let mut command = Command::new(component("CHROMEDRIVER"));
        command.arg(format!("--port={port}")).env("HOME", rig.folder());
        let mut driver = Process::start("chromedriver", rig.folder(), &command);
        let client = http::client(&rig.servers, None);
        let url = format!("http://127.0.0.1:{port}");
        eventually("chromedriver answers", SOON, async || {
            driver.assert_running();
            client.get(format!("{url}/status")).send().await.map(drop).map_err(|error| format!("{error:?}"))
        })
        .await;
        let profile = rig.folder().join("chromium");
        let arguments = [
            "--headless=new",
            // Root has no sandbox, and a container's shared memory is small.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--remote-debugging-pipe",
            "--window-size=900,640",
            // Nothing outside of this machine is looked up: the provider's page asks for a font.
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            &format!("--user-data-dir={}", profile.display()),
        ];
        // The provider's certificate is the test's own.
        let capabilities = json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "acceptInsecureCerts": true,
            "goog:chromeOptions": {"args": arguments}}}});
        let answer: Value =
            client.post(format!("{url}/session")).json(&capabilities).send().await.unwrap().json().await.unwrap();
        let id = answer["value"]["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self { session: format!("{url}/session/{id}"), client, _driver: driver }
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.post("url", &json!({"url": url})).await;
    }

    /// Where it is.
    pub(crate) async fn address(&self) -> String {
        let answer: Value =
            self.client.get(format!("{}/url", self.session)).send().await.unwrap().json().await.unwrap();
        answer["value"].as_str().unwrap().to_owned()
    }

    /// Types into the field that a CSS selector finds.
    pub(crate) async fn fill(&self, field: &str, text: &str) {
        let element = self.find(field).await;
        self.post(&format!("element/{element}/value"), &json!({"text": text})).await;
    }

    /// Clicks what a CSS selector finds.
    pub(crate) async fn click(&self, target: &str) {
        let element = self.find(target).await;
        self.post(&format!("element/{element}/click"), &json!({})).await;
    }

    /// What a script in the page returns.
    pub(crate) async fn evaluate(&self, script: &str) -> Value {
        self.post("execute/sync", &json!({"script": script, "args": []})).await
    }

    /// A command of the DevTools protocol.
    pub(crate) async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", &json!({"cmd": command, "params": parameters})).await
    }

    /// Keeps a picture of the page where `.ci/run` says, and returns its path.
    pub(crate) async fn picture(&self, name: &str) -> PathBuf {
        let answer: Value =
            self.client.get(format!("{}/screenshot", self.session)).send().await.unwrap().json().await.unwrap();
        let picture = BASE64_STANDARD.decode(answer["value"].as_str().unwrap()).unwrap();
        let folder = std::env::var_os("COUNTERSIGN_ARTIFACTS").filter(|value| !value.is_empty());
        let folder = folder.map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join(format!("{name}.png"));
        std::fs::write(&file, picture).unwrap();
        file
    }

    async fn find(&self, selector: &str) -> String {
        eventually(selector, SOON, async || {
            let wanted = json!({"using": "css selector", "value": selector});
            let answer = self.client.post(format!("{}/element", self.session)).json(&wanted).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            let element = answer["value"].as_object().and_then(|value| value.values().next()).and_then(Value::as_str);
            let is_there = answer["value"]["error"].is_null();
            element.filter(|_| is_there).map(str::to_owned).ok_or_else(|| answer.to_string())
        })
        .await
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.client.post(format!("{}/{path}", self.session)).json(body).send().await.unwrap();
        let mut answer: Value = answer.json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path}: {answer}");
        answer["value"].take()
    }
}
