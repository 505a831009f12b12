//! The state directory: what is kept for a restart while the provider is down, and what is not trusted.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::dev::issuer::{Algorithm, Endpoint};
use serde_json::json;

use crate::support::{Log, Rig, Settings, accepted, issuer, undecided, within_reason};

const HOUR: Duration = Duration::from_secs(60 * 60);

fn with_state(settings: &mut Settings) {
    settings.service["stateDirectory"] = json!("state/keys");
}

/// The files in the state directory.
fn kept(rig: &Rig) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(rig.file("state/keys")) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

/// A rig whose keys are on disk and whose issuer is down.
async fn in_an_outage(deviate: impl FnOnce(&mut Settings)) -> Rig {
    let mut rig = Rig::start_with(|settings| {
        with_state(settings);
        deviate(settings);
    })
    .await;
    rig.until("the keys are on disk", async || !kept(&rig).is_empty()).await;
    rig.issuer.go_down().await.unwrap();
    rig
}

#[tokio::test]
async fn g11_a_restart_while_the_provider_is_down_goes_on_with_the_keys_on_disk() {
    let mut rig = in_an_outage(|_| {}).await.restart().await;
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    assert_eq!(rig.admin("/readyz").await, (200, "ok".to_owned()));
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1);

    rig.issuer.come_back().await.unwrap();
    rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.until_refreshes(&rig.issuer, "changed", 1).await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "by the new key");
}

#[tokio::test]
async fn g11_without_a_state_directory_a_restart_in_an_outage_has_no_keys() {
    let mut rig = Rig::start().await;
    rig.issuer.go_down().await.unwrap();
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"));
}

#[tokio::test]
async fn g3_g11_the_age_of_kept_keys_counts_from_their_last_confirmation() {
    let rig = in_an_outage(|settings| settings.of_issuer()["keys"] = json!({"maxStaleness": "2h"})).await;
    rig.clock.advance(HOUR + HOUR / 2);
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let gauge = format!("countersign_key_set_seconds_until_stale{{issuer=\"{}\"}}", rig.issuer.url());
    assert_eq!(rig.metric(&gauge).await, 1800.0);
    rig.clock.advance(HOUR / 2);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_stale"));

    let log = Log::capture();
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"));
    assert!(log.has(&["WARN", "state directory", "older than maxStaleness"]), "{}", log.text());
}

/// What is done to the text of a kept file.
type Damage = fn(&str) -> String;

#[tokio::test]
async fn g11_a_file_that_is_not_whole_is_left_out_and_said_so() {
    let damages: [(&str, Damage); 5] = [
        ("half of it", |text| text[..text.len() / 2].to_owned()),
        ("empty", |_| String::new()),
        ("another time", |text| text.replace("\"confirmedAt\": 1", "\"confirmedAt\": 2")),
        ("another member", |text| text.replacen('{', "{\"more\": 1,", 1)),
        ("other keys", |text| text.replace("es256-0", "es256-1")),
    ];
    let mut rig = in_an_outage(|_| {}).await;
    let [path] = kept(&rig).try_into().unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    for (what, damage) in damages {
        let damaged = damage(&whole);
        assert_ne!(damaged, whole, "{what}");
        fs::write(&path, damaged).unwrap();
        let log = Log::capture();
        rig = rig.restart().await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"), "{what}");
        assert!(log.has(&["WARN", "is not a whole file of this issuer's keys"]), "{what}: {}", log.text());
    }
    rig.issuer.come_back().await.unwrap();
    within_reason("the service is ready", rig.until_ready()).await;
    rig.until("a whole file", async || fs::read_to_string(&path).unwrap().contains("es256-0")).await;
}

#[tokio::test]
async fn g11_what_others_can_write_is_left_out_and_said_so() {
    let mut rig = in_an_outage(|_| {}).await;
    let [file] = kept(&rig).try_into().unwrap();
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (path, bad, good) in [(rig.file("state/keys"), 0o770, 0o700), (file, 0o606, 0o600)] {
        set_mode(&path, bad);
        let log = Log::capture();
        rig = rig.restart().await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"), "{bad:o}");
        assert!(log.has(&["WARN", "can be written by others", path.to_str().unwrap()]), "{}", log.text());
        set_mode(&path, good);
    }
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn g11_a_shared_directory_is_said_so_at_once_and_nothing_is_written_to_it() {
    let log = Log::capture();
    let mut rig = Rig::start().await;
    let shared = rig.file("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(rig.reconfigure(|settings| settings.service["stateDirectory"] = json!("shared")), Outcome::Changed);
    let says = |log: &Log| log.has(&["WARN", "can be written by others", "name a folder inside it"]);
    rig.until("the operator is told", async || says(&log)).await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));

    let log = Log::capture();
    let rig = rig.restart().await;
    assert!(says(&log), "at the start, before anything was written: {}", log.text());
    assert_eq!(fs::read_dir(&shared).unwrap().count(), 0);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn g6_g11_every_issuer_has_its_own_file_and_reads_no_other() {
    let other = issuer().await;
    let mut rig = Rig::start_with(|settings| {
        with_state(settings);
        settings.add(&other, "other:");
    })
    .await;
    rig.until("both are on disk", async || kept(&rig).len() == 2).await;
    rig.issuer.go_down().await.unwrap();
    let mut other = other;
    other.go_down().await.unwrap();
    let files = kept(&rig);
    let contents: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&other.token(rig.now()).mint()).await, accepted("other:alice"));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));

    fs::write(&files[0], &contents[1]).unwrap();
    fs::write(&files[1], &contents[0]).unwrap();
    let rig = rig.restart().await;
    for token in [rig.token().mint(), other.token(rig.now()).mint()] {
        assert_eq!(rig.caller.review(&token).await, undecided("keys_unavailable"));
    }
}

#[tokio::test]
async fn g11_keys_that_came_under_another_authority_are_not_used() {
    let mut rig = in_an_outage(|_| {}).await;
    let other = issuer().await;
    rig.reconfigure(|settings| settings.jwt()["issuer"]["certificateAuthority"] = json!(other.ca_pem()));
    rig.clock.advance(Duration::from_secs(60));
    let answer = rig.caller.review(&rig.token().mint()).await;
    assert_eq!(answer, undecided("keys_unavailable"), "nor those in memory, beyond the grace");
    let rig = rig.restart().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"));
}

#[tokio::test]
async fn the_directory_is_made_for_the_service_alone() {
    let rig = Rig::start_with(with_state).await;
    rig.until("the keys are on disk", async || !kept(&rig).is_empty()).await;
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&rig.file("state/keys")), 0o700);
    assert_eq!(mode(&kept(&rig)[0]), 0o600);
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_costs_the_kept_keys_and_nothing_else() {
    let mut rig = Rig::start().await;
    let impossible = |settings: &mut Settings| settings.service["stateDirectory"] = json!("tls.crt/state");
    assert_eq!(rig.reconfigure(impossible), Outcome::Changed);
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let rig = rig.restart().await;
    rig.until_ready().await;
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
}
