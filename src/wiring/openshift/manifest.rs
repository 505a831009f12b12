//! The three objects that make OpenShift ask a webhook, as they are applied.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::objects::{Kind, Objects};
use super::{AUTHENTICATION, KUBECONFIG_KEY, METADATA_KEY, NAMESPACE};

/// The label that says whose an object is: `revert` deletes nothing without it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The label's value, and the name under which fields are owned.
pub const MANAGER: &str = "countersign";

/// The secret's name when nobody says another.
pub const DEFAULT_SECRET: &str = "countersign-webhook";

/// The config map's name when nobody says another.
pub const DEFAULT_CONFIG_MAP: &str = "countersign-oauth-metadata";

/// What is to be in force.
pub struct Manifest<'a> {
    /// The secret's name.
    pub secret: &'a str,
    /// The webhook's kubeconfig.
    pub kubeconfig: Zeroizing<String>,
    /// The config map's name and the metadata in it.
    pub metadata: Option<(&'a str, Value)>,
}

impl Manifest<'_> {
    /// The objects in the order in which they must be applied. The first one holds the kubeconfig.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        let mut objects = vec![self.secret_object()];
        objects.extend(self.metadata.as_ref().map(|(name, document)| config_map(name, document)));
        objects.push(self.authentication());
        objects
    }

    /// The same for the checker.
    #[must_use]
    pub fn checked(&self) -> Objects {
        let mut objects = Objects::default();
        self.objects().into_iter().for_each(|object| objects.add(object));
        objects
    }

    fn secret_object(&self) -> Value {
        json!({
            "apiVersion": Kind::Secret.api_version(),
            "kind": Kind::Secret.name(),
            "metadata": metadata(self.secret),
            "type": "Opaque",
            "data": {KUBECONFIG_KEY: BASE64_STANDARD.encode(self.kubeconfig.as_bytes())},
        })
    }

    fn authentication(&self) -> Value {
        let mut spec = json!({
            "type": "None",
            "webhookTokenAuthenticator": {"kubeConfig": {"name": self.secret}},
        });
        if let (Some((name, _)), Some(spec)) = (&self.metadata, spec.as_object_mut()) {
            spec.insert("oauthMetadata".to_owned(), json!({"name": name}));
        }
        json!({
            "apiVersion": Kind::Authentication.api_version(),
            "kind": Kind::Authentication.name(),
            "metadata": {"name": AUTHENTICATION},
            "spec": spec,
        })
    }
}

fn config_map(name: &str, document: &Value) -> Value {
    let text = serde_json::to_string_pretty(document).unwrap_or_default() + "\n";
    json!({
        "apiVersion": Kind::ConfigMap.api_version(),
        "kind": Kind::ConfigMap.name(),
        "metadata": metadata(name),
        "data": {METADATA_KEY: text},
    })
}

fn metadata(name: &str) -> Value {
    json!({"name": name, "namespace": NAMESPACE, "labels": {MANAGED_BY: MANAGER}})
}
