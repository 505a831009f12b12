use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::findings::Findings;

async fn trial(folder: &Path) -> Trial {
    let options = TrialOptions { directory: Some(folder.to_owned()), ..TrialOptions::default() };
    Trial::prepare(options, SystemClock.now()).await.unwrap()
}

#[tokio::test]
async fn the_configuration_has_nothing_to_find_fault_with() {
    let folder = tempfile::tempdir().unwrap();
    let trial = trial(folder.path()).await;
    let loaded = Config::load(&trial.config(), SystemClock.now());
    assert_eq!(loaded.findings, Findings::new());
    let config = loaded.config.unwrap();
    assert_eq!(trial.webhook().as_str(), format!("https://{}/authenticate", config.server.address));
    let issuers: Vec<_> =
        config.issuers.iter().map(|issuer| (issuer.url.as_str(), issuer.audiences.as_slice())).collect();
    assert_eq!(issuers, [(trial.issuer().url(), [CLIENT_ID.to_owned()].as_slice())]);
}

#[tokio::test]
async fn what_is_secret_is_readable_by_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let trial = trial(folder.path()).await;
    let mut modes: Vec<(String, u32)> = fs::read_dir(trial.folder().path())
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().permissions().mode() & 0o777)
        })
        .collect();
    modes.sort();
    let (private, public): (Vec<_>, Vec<_>) = modes.into_iter().partition(|(_, mode)| *mode == 0o600);
    let names = |files: Vec<(String, u32)>| files.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(
        names(private),
        [
            "caller.key",
            "expired.jwt",
            "good.jwt",
            "review-expired.json",
            "review-good.json",
            "review-wrong-audience.json",
            "tls.key",
            "webhook.kubeconfig",
            "wrong-audience.jwt"
        ]
    );
    assert_eq!(
        names(public),
        ["README", "authentication.yaml", "ca.crt", "caller.crt", "callers-ca.crt", "config.yaml", "tls.crt"]
    );
}

#[tokio::test]
async fn the_kubeconfig_leads_to_the_webhook() {
    let folder = tempfile::tempdir().unwrap();
    let trial = trial(folder.path()).await;
    let connection = Connection::from_file(&trial.folder().file("webhook.kubeconfig")).unwrap();
    assert_eq!(connection.server, *trial.webhook());
    let ca = fs::read(trial.folder().file("ca.crt")).unwrap();
    let caller = fs::read(trial.folder().file("caller.crt")).unwrap();
    assert_eq!((connection.authority_pem.unwrap(), connection.client.unwrap().certificate_pem), (ca, caller));
}

#[tokio::test]
async fn a_second_trial_in_the_same_folder_replaces_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let first = trial(folder.path()).await.samples()[0].token.expose_secret().to_owned();
    let second = trial(folder.path()).await;
    let written = fs::read_to_string(second.folder().file("good.jwt")).unwrap();
    assert_eq!(written.trim_end(), second.samples()[0].token.expose_secret());
    assert_ne!(written.trim_end(), first);
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let options =
        TrialOptions { directory: Some(folder.path().to_owned()), address: Some(address), ..TrialOptions::default() };
    let error = Trial::prepare(options, SystemClock.now()).await.err().unwrap();
    assert_eq!(error.to_string(), format!("{address}: no port to listen on; choose another --address"));
}
