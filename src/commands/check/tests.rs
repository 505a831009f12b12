use std::path::Path;

use super::*;
use crate::dev::issuer::{Endpoint, Fault};
use crate::dev::trial::{Trial, TrialOptions};

async fn trial(folder: &Path) -> (Trial, Config) {
    let options = TrialOptions { directory: Some(folder.to_owned()), ..TrialOptions::default() };
    let trial = Trial::prepare(options, SystemClock.now()).await.unwrap();
    let config = Config::load(&trial.config(), SystemClock.now()).config.unwrap();
    (trial, config)
}

/// The findings as code, severity and message.
async fn found(config: Config) -> Vec<(&'static str, Severity, String)> {
    let findings = fetch_keys(config).await.unwrap();
    findings.iter().map(|finding| (finding.code, finding.severity, finding.message.clone())).collect()
}

#[tokio::test]
async fn a_live_issuer_is_reported_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let (trial, config) = trial(folder.path()).await;
    let message = format!("usable keys at {}: 3", trial.issuer().url());
    assert_eq!(found(config).await, [("keys_fetched", Severity::Info, message)]);
}

#[tokio::test]
async fn an_issuer_that_is_another_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (trial, config) = trial(folder.path()).await;
    trial.issuer().fail(Endpoint::Discovery, Fault::WrongIssuer("https://other".to_owned()));
    let found = found(config).await;
    let [(code, severity, message)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((*code, *severity), ("keys_unavailable", Severity::Error));
    assert!(message.contains("https://other"), "{message}");
}

#[tokio::test]
async fn issuers_that_may_sign_claims_are_asked_too() {
    let folder = tempfile::tempdir().unwrap();
    let (trial, mut config) = trial(folder.path()).await;
    let own = trial.issuer().url().to_owned();
    let settings = config.issuers.first_mut().unwrap();
    settings.distributed_claims.allowed_issuers = vec!["https://127.0.0.1:1".to_owned()];
    let found = found(config).await;
    let [(first, ..), (code, severity, message)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((*first, *code, *severity), ("keys_fetched", "keys_unavailable", Severity::Error));
    assert!(message.contains("https://127.0.0.1:1"), "{own}: {message}");
}

#[tokio::test]
async fn checking_leaves_no_traces_in_the_state_directory() {
    let folder = tempfile::tempdir().unwrap();
    let (_trial, config) = trial(&folder.path().join("trial")).await;
    let state = folder.path().join("state");
    found(Config { state_directory: Some(state.clone()), ..config }).await;
    assert!(!state.exists());
}

#[test]
fn the_summary_counts_what_matters() {
    let path = "config.yaml";
    let mut findings = Findings::new();
    assert_eq!(output::summed_up(path, &findings), "config.yaml: no problems\n");
    report(
        &mut findings,
        1,
        "https://idp",
        Some(Fetched::Keys { count: 2, remarks: vec!["key x is weak".to_owned()] }),
    );
    report(&mut findings, 0, "https://idp", Some(Fetched::Failed { problem: "no answer".to_owned() }));
    report(&mut findings, 2, "https://idp", None);
    assert_eq!(
        output::summed_up(path, &findings),
        "\
info  jwt[1].issuer.url: usable keys at https://idp: 2
warning  jwt[1].issuer.url: key x is weak
  fix: tell whoever runs the issuer; tokens under its other keys are not concerned
error  jwt[0].issuer.url: no answer
  fix: see that url, discoveryURL and certificateAuthority are right, and that the issuer is up
error  jwt[2].issuer.url: https://idp did not answer within 15 s
  fix: see that the issuer can be reached from here
config.yaml: 2 errors, 1 warning
"
    );
}
