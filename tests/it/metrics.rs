//! The metrics that operators rely on: all there, true, and no more of them than the configuration calls for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use countersign::authn::{Cause, Reason};
use countersign::dev::issuer::Endpoint;
use serde_json::json;

use crate::support::{Rig, Settings, accepted, issuer, refused, undecided};

/// Every series with its value, except what the process says of itself.
async fn series(rig: &Rig) -> BTreeMap<String, f64> {
    let (status, text) = rig.admin("/metrics").await;
    assert_eq!(status, 200);
    text.lines()
        .filter(|line| line.starts_with("countersign_"))
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
        .collect()
}

#[tokio::test]
async fn after_a_run_every_metric_is_there_and_says_what_happened() {
    let mut rig = Rig::start().await;
    let url = rig.issuer.url().to_owned();
    let good = rig.token().mint();
    for _ in 0..3 {
        assert_eq!(rig.caller.review(&good).await, accepted("oidc:alice"));
    }
    assert_eq!(rig.caller.review(&rig.token().signature(&[0; 64]).mint()).await, refused());
    assert_eq!(rig.caller.review(&rig.token().claim("iss", "https://unknown.example.com").mint()).await, refused());
    assert_eq!(rig.caller.review(&"junk".into()).await, refused());
    assert_eq!(rig.caller.review(&rig.token().kid("new").mint()).await, refused());
    assert_eq!(rig.caller.review(&rig.token().kid("newer").mint()).await, undecided("keys_unknown"));
    rig.caller.review_raw("v1beta1", good.expose_secret(), &[]).await;
    assert_eq!(rig.caller.post("/nowhere", &json!({})).await.status(), 404);
    rig.clock.advance(Duration::from_secs(7));
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "1m"}));
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "never"}));
    assert_eq!(rig.caller.review(&good).await, accepted("oidc:alice"), "by the new configuration's empty cache");

    let series = series(&rig).await;
    let exactly = |name: &str, value: f64| {
        let name = name.replace("URL", &url);
        assert_eq!(series.get(&name), Some(&value), "{name}");
    };
    exactly("countersign_reviews_total{issuer=\"URL\",reason=\"ok\",result=\"accept\",version=\"v1\"}", 4.0);
    exactly("countersign_reviews_total{issuer=\"URL\",reason=\"ok\",result=\"accept\",version=\"v1beta1\"}", 1.0);
    exactly("countersign_reviews_total{issuer=\"URL\",reason=\"bad_signature\",result=\"reject\",version=\"v1\"}", 1.0);
    exactly("countersign_reviews_total{issuer=\"URL\",reason=\"unknown_key\",result=\"reject\",version=\"v1\"}", 1.0);
    exactly("countersign_reviews_total{issuer=\"\",reason=\"unknown_issuer\",result=\"reject\",version=\"v1\"}", 1.0);
    exactly("countersign_reviews_total{issuer=\"\",reason=\"malformed\",result=\"reject\",version=\"v1\"}", 1.0);
    exactly(
        "countersign_reviews_total{issuer=\"URL\",reason=\"keys_unknown\",result=\"undecided\",version=\"v1\"}",
        1.0,
    );
    exactly("countersign_review_duration_seconds_count{result=\"accept\"}", 5.0);
    exactly("countersign_review_duration_seconds_count{result=\"reject\"}", 4.0);
    exactly("countersign_review_duration_seconds_count{result=\"undecided\"}", 1.0);
    exactly("countersign_key_lookup_duration_seconds_count{issuer=\"URL\"}", 5.0);
    exactly("countersign_signature_verification_duration_seconds_count{issuer=\"URL\"}", 5.0);
    exactly("countersign_requests_refused_total{reason=\"not_found\"}", 1.0);
    exactly("countersign_requests_refused_total{reason=\"overload\"}", 0.0);
    exactly("countersign_cache_hits_total", 3.0);
    exactly("countersign_cache_misses_total", 7.0);
    exactly("countersign_cache_evictions_total", 0.0);
    exactly("countersign_key_set_refreshes_total{issuer=\"URL\",result=\"changed\"}", 1.0);
    exactly("countersign_key_set_refreshes_total{issuer=\"URL\",result=\"unchanged\"}", 1.0);
    exactly("countersign_key_set_keys{issuer=\"URL\"}", 1.0);
    exactly("countersign_key_set_age_seconds{issuer=\"URL\"}", 7.0);
    exactly("countersign_key_set_seconds_until_stale{issuer=\"URL\"}", f64::from(24 * 60 * 60 - 7));
    exactly("countersign_reloads_total{result=\"success\"}", 1.0);
    exactly("countersign_reloads_total{result=\"failure\"}", 1.0);
    exactly("countersign_configuration_last_success_timestamp_seconds", number(rig.now().seconds()));
    exactly("countersign_connections", 1.0);
    exactly("countersign_connections_refused_total", 0.0);
    exactly("countersign_tls_handshakes_total{result=\"done\"}", 1.0);
    exactly("countersign_requests_in_flight", 0.0);
    exactly("countersign_log_lines_suppressed_total", 0.0);
    exactly(concat!("countersign_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0);
    for gauge in ["countersign_cache_entries{result=\"accept\"}", "countersign_cache_size_bytes"] {
        assert!(series.contains_key(gauge), "{gauge}");
    }
    let expiry = series["countersign_serving_certificate_expiry_timestamp_seconds"];
    let days = (expiry - number(rig.now().seconds())) / 86_400.0;
    assert!((2.0..4.0).contains(&days), "{days}");
    let infos: Vec<_> = series.keys().filter(|name| name.starts_with("countersign_configuration_info{")).collect();
    assert_eq!(infos.len(), 1, "{infos:?}");
    let (_, text) = rig.admin("/metrics").await;
    assert!(text.contains("process_resident_memory_bytes"), "the process's own figures");
}

#[tokio::test]
async fn j3_what_strangers_send_makes_no_series() {
    let rig = Rig::start().await;
    let one_of_each = async |number: u32| {
        let base = rig.token();
        for token in [
            base.clone().claim("iss", format!("https://{number}.example.com")).mint(),
            base.clone().kid(&format!("kid-{number}")).mint(),
            base.clone().audience(&format!("audience-{number}")).mint(),
            base.clone().header("alg", format!("ALG{number}")).mint(),
            base.clone().header("typ", format!("type-{number}")).mint(),
            base.clone().subject(&format!("user-{number}")).mint(),
            format!("junk-{number}").as_str().into(),
        ] {
            rig.caller.review(&token).await;
        }
        let _ = rig.caller.post(&format!("/path-{number}"), &json!({})).await;
    };
    one_of_each(0).await;
    one_of_each(1).await;
    let before: BTreeSet<String> = series(&rig).await.into_keys().collect();
    for number in 2..40 {
        one_of_each(number).await;
    }
    let after: BTreeSet<String> = series(&rig).await.into_keys().collect();
    assert_eq!(after, before);

    let codes: BTreeSet<&str> = Reason::ALL
        .iter()
        .map(|reason| reason.code())
        .chain(Cause::ALL.iter().map(|cause| cause.code()))
        .chain(["ok"])
        .collect();
    for name in after.iter().filter(|name| name.starts_with("countersign_reviews_total{")) {
        let label = |label: &str| name.split_once(&format!("{label}=\"")).unwrap().1.split_once('"').unwrap().0;
        assert!(codes.contains(label("reason")), "{name}");
        assert!(["accept", "reject", "undecided"].contains(&label("result")), "{name}");
        assert!(["", rig.issuer.url()].contains(&label("issuer")), "{name}");
        assert!(["v1", "v1beta1"].contains(&label("version")), "{name}");
    }
}

#[tokio::test]
async fn gauges_of_an_issuer_that_was_removed_go_and_come_back_with_it() {
    let other = issuer().await;
    let mut rig = Rig::launch(issuer().await, |settings| settings.add(&other, "other:")).await;
    rig.until_refreshes(&other, "changed", 1).await;
    rig.until_ready().await;
    let gauges = async |rig: &Rig| {
        let series = series(rig).await;
        let gauges = ["keys", "age_seconds", "seconds_until_stale"];
        let there =
            |gauge: &str| series.contains_key(&format!("countersign_key_set_{gauge}{{issuer=\"{}\"}}", other.url()));
        gauges.map(there)
    };
    assert_eq!(gauges(&rig).await, [true; 3]);
    let remove = |settings: &mut Settings| drop(settings.authentication["jwt"].as_array_mut().unwrap().pop());
    rig.reconfigure(remove);
    assert_eq!(gauges(&rig).await, [false; 3]);
    rig.reconfigure(|settings| settings.add(&other, "other:"));
    other.wait_for(Endpoint::Keys, 2).await;
    rig.until("the gauges are back", async || gauges(&rig).await == [true; 3]).await;
}

#[tokio::test]
async fn an_issuer_that_never_gave_keys_has_no_age_and_no_time_left() {
    let mut issuer = issuer().await;
    issuer.go_down().await.unwrap();
    let rig = Rig::launch(issuer, |_| {}).await;
    rig.until_refreshes(&rig.issuer, "failed", 1).await;
    let series = series(&rig).await;
    let gauge =
        |name: &str| series.get(&format!("countersign_key_set_{name}{{issuer=\"{}\"}}", rig.issuer.url())).copied();
    assert_eq!([gauge("keys"), gauge("age_seconds"), gauge("seconds_until_stale")], [Some(0.0), None, Some(0.0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn scrapes_at_the_same_time_all_see_everything() {
    let rig = std::sync::Arc::new(Rig::start().await);
    let keys = format!("countersign_key_set_keys{{issuer=\"{}\"}} 1", rig.issuer.url());
    let scrapes = (0..8).map(|_| {
        let (rig, keys) = (std::sync::Arc::clone(&rig), keys.clone());
        tokio::spawn(async move {
            for _ in 0..50 {
                let (_, text) = rig.admin("/metrics").await;
                assert!(text.contains(&keys), "{text}");
            }
        })
    });
    for scrape in futures_util::future::join_all(scrapes).await {
        scrape.unwrap();
    }
}

#[tokio::test]
async fn j11_the_configurations_hash_is_shown_and_is_the_same_for_the_same_files() {
    let mut rig = Rig::start().await;
    let hash = async |rig: &Rig| {
        let series = series(rig).await;
        let name = series.into_keys().find(|name| name.starts_with("countersign_configuration_info{")).unwrap();
        name.split('"').nth(1).unwrap().to_owned()
    };
    let first = hash(&rig).await;
    assert_eq!(first.len(), 64, "{first}");
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "never"}));
    assert_eq!(hash(&rig).await, first, "what is refused is not in force");
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "1m"}));
    let second = hash(&rig).await;
    assert_ne!(second, first);
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "2m"}));
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "1m"}));
    assert_eq!(hash(&rig).await, second);
}

/// A count as Prometheus has it.
fn number(value: u64) -> f64 {
    f64::from(u32::try_from(value).unwrap())
}
