//! What operators look at, held against a real Prometheus: every query is one, and shows something.

use std::path::Path;

use serde_json::Value;

use crate::support::{Countersign, OidcProvider, Prometheus, Rig, SOON, Settings, eventually};

fn deploy(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name)).unwrap()
}

/// Title and query of every panel, and of every annotation, with Grafana's variables filled in.
fn queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&deploy("grafana/countersign.json")).unwrap();
    let filled = |query: &Value| {
        let query = query.as_str().unwrap().replace("$__rate_interval", "1m").replace("$job", ".*");
        assert!(!query.contains('$'), "{query} has another variable");
        query
    };
    let panels = dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        panel["targets"].as_array().unwrap().iter().map(move |target| (title.clone(), filled(&target["expr"])))
    });
    let annotations = dashboard["annotations"]["list"].as_array().unwrap().iter();
    panels.chain(annotations.map(|one| (one["name"].as_str().unwrap().to_owned(), filled(&one["expr"])))).collect()
}

fn rule_groups() -> Value {
    let rule: Value = serde_saphyr::from_str(&deploy("kustomize/components/monitoring/prometheusrule.yaml")).unwrap();
    rule["spec"]["groups"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn every_query_of_the_dashboard_shows_something_and_every_alert_is_evaluated() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let prometheus = Prometheus::start(&rig, countersign.metrics(), &rule_groups()).await;
    let known = provider.tokens.of("alice").await;

    // Hits, misses, refusals, requests and callers that are turned away, and another configuration, until all of it is seen.
    let mut issuer = provider.issuer();
    let mut round = 0;
    eventually("every query gives a number", SOON, async || {
        round += 1;
        countersign.reviewer.accepts(&known).await?;
        countersign.reviewer.accepts(&provider.tokens.of(&format!("user-{round}")).await).await?;
        let _refused = countersign.reviewer.verdict("junk").await;
        countersign.turns_away(&rig).await;
        issuer.prefix = format!("round-{round}:");
        countersign.replace_issuers(&[issuer.clone()]);
        for (title, query) in queries() {
            let values = prometheus.query(&query).await.unwrap_or_else(|error| panic!("{title}: {query}: {error}"));
            if values.is_empty() || values.iter().any(|value| value.is_nan()) {
                return Err(format!("{title}: {query}: {values:?}"));
            }
        }
        Ok(())
    })
    .await;

    for (name, state, problem) in prometheus.alerts().await {
        assert_eq!(problem, "", "{name}");
        assert_ne!(state, "firing", "{name}: nothing is wrong yet");
    }

    countersign.replace_authentication("not a configuration");
    eventually("the alert about the refused configuration fires", SOON, async || {
        let firing: Vec<String> =
            prometheus.alerts().await.into_iter().filter(|alert| alert.1 == "firing").map(|alert| alert.0).collect();
        if firing == ["CountersignReloadFailed"] { Ok(()) } else { Err(format!("{firing:?}")) }
    })
    .await;
}
