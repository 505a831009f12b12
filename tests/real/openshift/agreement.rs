//! What the check says that the API refuses is what a real one refuses, and nothing else.

use countersign::clock::{Clock, SystemClock};
use countersign::wiring::openshift::objects::Objects;
use countersign::wiring::openshift::rules::{self, Circumstances};
use serde_json::{Value, json};

use super::stage::Stage;

/// The codes that say so of a secret or a config map.
const REFUSED: [&str; 8] = [
    "field_missing",
    "kind_unknown",
    "name_invalid",
    "secret_not_base64",
    "secret_too_large",
    "secret_type",
    "unknown_field",
    "wrong_type",
];

fn secret() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "openshift-config"},
        "stringData": {"kubeConfig": "kind: Config"},
    })
}

fn config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "meta", "namespace": "openshift-config"},
        "data": {"oauthMetadata": "{}"},
    })
}

fn is_refused_by_us(object: &Value) -> bool {
    let mut objects = Objects::default();
    objects.add(object.clone());
    let findings = rules::check(&objects, &Circumstances { now: SystemClock.now(), served: None });
    findings.iter().any(|finding| REFUSED.contains(&finding.code))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn secrets_and_config_maps_are_refused_by_both_or_by_none() {
    let stage = Stage::new().await;
    for (base, path, value, is_taken) in [
        (secret(), "/apiVersion", json!("v1"), true),
        (secret(), "/immutable", json!(true), true),
        (secret(), "/type", json!("Opaque"), true),
        (secret(), "/type", json!("example.com/own"), true),
        (secret(), "/stringData", json!(null), true),
        (secret(), "/metadata/labels", json!({"a": "b"}), true),
        (secret(), "/data", json!({"kubeConfig": "a2luZA==\n"}), true),
        (secret(), "/datta", json!({}), false),
        (secret(), "/metadata/label", json!({}), false),
        (secret(), "/metadata/labels", json!({"a": true}), false),
        (secret(), "/metadata/name", json!("Hook"), false),
        (secret(), "/immutable", json!("yes"), false),
        (secret(), "/stringData/more", json!(5), false),
        (secret(), "/stringData/kubeConfig", json!("x".repeat(1024 * 1024 + 1)), false),
        (secret(), "/data", json!({"kubeConfig": "not base64"}), false),
        (secret(), "/data", json!(["a"]), false),
        (secret(), "/type", json!("kubernetes.io/tls"), false),
        (secret(), "/type", json!("kubernetes.io/ssh-auth"), false),
        (secret(), "/type", json!("kubernetes.io/dockercfg"), false),
        (secret(), "/type", json!("kubernetes.io/dockerconfigjson"), false),
        (secret(), "/kind", json!("secret"), false),
        (secret(), "/apiVersion", json!("v2"), false),
        (config_map(), "/kind", json!("ConfigMap"), true),
        (config_map(), "/binaryData", json!({"a": "AAAA"}), true),
        (config_map(), "/dat", json!({}), false),
        (config_map(), "/data/more", json!(5), false),
        (config_map(), "/metadata/name", json!("meta_data"), false),
    ] {
        let mut object = base;
        let (parent, name) = path.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[name] = value;
        let file = stage.manifest.with_file_name("object.json");
        std::fs::write(&file, object.to_string()).unwrap();
        let create = ["create", "--dry-run=server", "--validate=strict", "--filename", file.to_str().unwrap()];
        let answer = stage.cluster.kubectl.try_admin(&create).await;
        let case = format!("{path} {:.60}", object.pointer(path).unwrap().to_string());
        assert_eq!(answer.is_ok(), is_taken, "{case}: {answer:?}");
        assert_eq!(!is_refused_by_us(&object), is_taken, "{case}: our own check");
    }
}
