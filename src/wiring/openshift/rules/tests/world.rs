//! Documents of a cluster in which all is well, and one change to them at a time.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::super::{Circumstances, check};
use crate::clock::UnixTime;
use crate::findings::Severity;
use crate::wiring::openshift::objects::Objects;
use crate::wiring::pki::{Authority, Validity};

pub(super) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// Takes a field out.
pub(super) const GONE: &str = "<gone>";

/// Certificates of several ages, base64-encoded as a kubeconfig has them.
pub(super) struct Material {
    pub(super) authority: String,
    pub(super) old_authority: String,
    pub(super) dying_authority: String,
    pub(super) future_authority: String,
    pub(super) authority_pair: (String, String),
    pub(super) client: (String, String),
    pub(super) other_key: String,
    pub(super) expired: (String, String),
    pub(super) dying: (String, String),
    pub(super) future: (String, String),
    pub(super) serving: (String, String),
}

pub(super) static MATERIAL: LazyLock<Material> = LazyLock::new(|| {
    let days_ago = |days: u64| UnixTime::from_seconds(NOW.seconds() - days * 86_400);
    let ten_years = Validity::days(days_ago(1), 3650);
    let authority = Authority::new("authority", ten_years).unwrap();
    let client = |from, days| {
        let identity = authority.client_certificate("kube-apiserver", &[], Validity::days(from, days)).unwrap();
        (encode(identity.certificate_pem()), encode(identity.private_key_pem()))
    };
    let serving = authority.serving_certificate(&["hook"], ten_years).unwrap();
    let of_age = |from, days| encode(&Authority::new("other", Validity::days(from, days)).unwrap().certificate_pem());
    Material {
        authority: encode(&authority.certificate_pem()),
        old_authority: of_age(days_ago(400), 365),
        dying_authority: of_age(days_ago(350), 365),
        future_authority: of_age(UnixTime::from_seconds(NOW.seconds() + 86_400), 365),
        authority_pair: (encode(&authority.certificate_pem()), encode(&authority.private_key_pem())),
        client: client(days_ago(1), 3650),
        other_key: client(days_ago(1), 3650).1,
        expired: client(days_ago(400), 365),
        dying: client(days_ago(350), 365),
        future: client(UnixTime::from_seconds(NOW.seconds() + 86_400), 365),
        serving: (encode(serving.certificate_pem()), encode(serving.private_key_pem())),
    }
});

pub(super) fn encode(text: &str) -> String {
    BASE64_STANDARD.encode(text)
}

/// Two encoded PEM texts, one after the other.
pub(super) fn both(one: &str, other: &str) -> String {
    let decode = |text: &str| String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap();
    encode(&(decode(one) + &decode(other)))
}

/// An encoded PEM text with the beginning of one of its certificates before it.
pub(super) fn cut_off_before(one: &str) -> String {
    let text = String::from_utf8(BASE64_STANDARD.decode(one).unwrap()).unwrap();
    encode(&format!("{}\n{text}", &text[..text.len() / 2]))
}

/// All is well here: an own webhook behind a Service, with metadata, on an OpenShift that serves it, fully rolled out.
/// `kubeconfig` and `metadata` are what secret and config map hold; what a change puts there wins.
pub(super) fn well() -> Value {
    json!({
        "authentication": {
            "apiVersion": "config.openshift.io/v1",
            "kind": "Authentication",
            "metadata": {"name": "cluster"},
            "spec": {
                "type": "None",
                "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}},
                "oauthMetadata": {"name": "meta"},
            },
        },
        "secret": {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hook", "namespace": "openshift-config"},
            "data": {},
        },
        "kubeconfig": {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {
                "server": "https://172.30.0.99:443/authenticate",
                "tls-server-name": "countersign.countersign.svc",
                "certificate-authority-data": MATERIAL.authority,
            }}],
            "users": [{"name": "it", "user": {
                "client-certificate-data": MATERIAL.client.0,
                "client-key-data": MATERIAL.client.1,
            }}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        },
        "config_map": {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "meta", "namespace": "openshift-config"},
            "data": {},
        },
        "metadata": {
            "issuer": "https://idp.example.com",
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
        },
        "version": {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterVersion",
            "metadata": {"name": "version"},
            "status": {"desired": {"version": "4.18.5"}, "conditions": [{"type": "Progressing", "status": "False"}]},
        },
        "infrastructure": {
            "apiVersion": "config.openshift.io/v1",
            "kind": "Infrastructure",
            "metadata": {"name": "cluster"},
            "status": {"controlPlaneTopology": "HighlyAvailable", "platformStatus": {"type": "AWS"}},
        },
        "api_server": {
            "apiVersion": "operator.openshift.io/v1",
            "kind": "KubeAPIServer",
            "metadata": {"name": "cluster"},
            "spec": {
                "managementState": "Managed",
                "observedConfig": {
                    "apiServerArguments": {"authentication-token-webhook-config-file": ["/etc/kubernetes/kubeConfig"]},
                    "authConfig": {"oauthMetadataFile": "/etc/kubernetes/oauthMetadata"},
                },
            },
            "status": {
                "latestAvailableRevision": 7,
                "conditions": [{"type": "ConfigObservationDegraded", "status": "False"}],
                "nodeStatuses": [{"nodeName": "m-0", "currentRevision": 7}, {"nodeName": "m-1", "currentRevision": 7}],
            },
        },
        "operator": {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterOperator",
            "metadata": {"name": "kube-apiserver"},
            "status": {"conditions": [{"type": "Degraded", "status": "False"}, {"type": "Available", "status": "True"}]},
        },
    })
}

/// Puts a value where a path leads, making what is missing on the way; [`GONE`] takes away what is there.
pub(super) fn set(world: &mut Value, path: &str, new: Value) {
    let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
    let mut here = world;
    for step in parent.split('/').filter(|step| !step.is_empty()) {
        here = child(here, step);
    }
    if new == GONE {
        match here {
            Value::Array(items) => drop(items.remove(last.parse().unwrap())),
            other => drop(other.as_object_mut().unwrap().remove(last).expect("it was there")),
        }
    } else {
        *child(here, last) = new;
    }
}

fn child<'a>(here: &'a mut Value, step: &str) -> &'a mut Value {
    match here {
        Value::Array(items) => {
            let index: usize = step.parse().unwrap();
            if index == items.len() {
                items.push(Value::Null);
            }
            &mut items[index]
        }
        other => {
            if other.is_null() {
                *other = json!({});
            }
            other.as_object_mut().unwrap().entry(step.to_owned()).or_insert(Value::Null)
        }
    }
}

pub(super) fn objects(mut world: Value) -> Objects {
    let parts = world.as_object_mut().unwrap();
    for (content, holder, key) in [("kubeconfig", "secret", "kubeConfig"), ("metadata", "config_map", "oauthMetadata")]
    {
        let content = parts.remove(content).unwrap_or_default();
        let Some(data) = parts.get_mut(holder).and_then(|holder| holder.get_mut("data")?.as_object_mut()) else {
            continue;
        };
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        let text = if holder == "secret" { encode(&text) } else { text };
        if !content.is_null() && !data.contains_key(key) {
            data.insert(key.to_owned(), text.into());
        }
    }
    let mut objects = Objects::default();
    for part in parts.values().filter(|part| !part.is_null()) {
        objects.add(part.clone());
    }
    objects
}

/// Errors and warnings as `severity code path`, and those remarks whose code is among the expected ones.
pub(super) fn found(objects: &Objects, circumstances: &Circumstances, expected: &str) -> String {
    let findings = check(objects, circumstances);
    let lines: Vec<String> = findings
        .iter()
        .filter(|finding| {
            finding.severity != Severity::Info || expected.split([' ', ',']).any(|word| word == finding.code)
        })
        .map(|finding| format!("{} {} {}", finding.severity.name(), finding.code, finding.path).trim_end().to_owned())
        .collect();
    // The tables say `kubeconfig:` for what is in the secret.
    lines.join(", ").replace("secret/hook:data.kubeConfig.", "kubeconfig:")
}

pub(super) fn now() -> Circumstances {
    Circumstances { now: NOW, served: None }
}
