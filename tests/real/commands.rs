//! The commands that operators type, against a running service and a real provider.

use std::path::Path;
use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{API_AUDIENCE, Countersign, OidcProvider, RESOURCE, Rig, Settings};

async fn countersign(arguments: &[&str], files: &[(&str, &Path)], token: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments);
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    if !token.is_empty() {
        command.arg(token);
    }
    command.output().await.unwrap()
}

fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn review_asks_the_running_service_and_exits_by_its_answer() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let service = Countersign::start(&rig, &settings).await;
    let webhook = service.webhook(&rig);
    let good = provider.tokens.of("alice").await;

    let arguments = ["review", "--output", "json", "--audience", API_AUDIENCE];
    let accepted = countersign(&arguments, &[("--kubeconfig", &webhook)], &good).await;
    assert_eq!(accepted.status.code(), Some(0), "{}", String::from_utf8_lossy(&accepted.stderr));
    assert!(!String::from_utf8_lossy(&accepted.stdout).contains(&good), "the token is not printed");
    let refused = countersign(&arguments, &[("--kubeconfig", &webhook)], "junk").await;
    assert_eq!(refused.status.code(), Some(1));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn explain_and_live_check_reach_the_real_provider() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let service = Countersign::start(&rig, &settings).await;
    let configuration = service.configuration();
    let good = provider.tokens.of("alice").await;

    let check = countersign(&["check", "--live", "--output", "json"], &[("--config", configuration)], "").await;
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    let errors = document(&check)["findings"].as_array().unwrap().iter().filter(|f| f["severity"] == "error").count();
    assert_eq!(errors, 0);

    let explained = countersign(&["explain"], &[("--config", configuration)], &good).await;
    assert_eq!(explained.status.code(), Some(0), "{}", String::from_utf8_lossy(&explained.stdout));
    let expired = provider.tokens.with(RESOURCE, json!({"sub": "a", "iat": 1_000_000_000, "exp": 1_000_000_600})).await;
    let refused = countersign(&["explain"], &[("--config", configuration)], &expired).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("expired"));
    assert!(!String::from_utf8_lossy(&refused.stdout).contains(&expired), "the token is not printed");
}
