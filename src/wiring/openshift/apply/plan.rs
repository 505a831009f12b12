//! What is to be applied: one `Authentication`, and the secret and config map that it refers to.

use serde_json::{Map, Value, json};

use super::super::objects::{Kind, Object, Objects};
use super::super::{AUTHENTICATION, INTEGRATED_SECRET, NAMESPACE};
use super::foresee::foresee;

/// Documents that cannot be applied.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing that would put anything in force.
    #[error("there is no Authentication named cluster among the documents; countersign render openshift makes one")]
    NoAuthentication,
    /// The type is another one.
    #[error("spec.type is {found:?}, and a webhook needs None; to go back to the integrated OAuth server use revert")]
    OtherType {
        /// What it is.
        found: String,
    },
    /// It refers to the authentication operator's own secret.
    #[error("{INTEGRATED_SECRET} is the authentication operator's own secret; give the webhook's another name")]
    OperatorsSecret,
    /// It refers to no secret.
    #[error("spec.webhookTokenAuthenticator.kubeConfig.name is missing; countersign render openshift fills it in")]
    NoWebhook,
    /// There is something else that would be left out.
    #[error(
        "{what} is among the documents and not referred to; give the Authentication, its secret and its config map alone"
    )]
    Stray {
        /// What it is.
        what: String,
    },
}

/// What is to be in force.
pub struct Plan {
    secret_name: String,
    metadata_name: Option<String>,
    secret: Option<Object>,
    config_map: Option<Object>,
    spec: Map<String, Value>,
}

impl Plan {
    /// Takes the three objects out of documents. Secret and config map may be in the cluster already.
    ///
    /// # Errors
    /// If there is no `Authentication` with a webhook, or there is something that would not be applied.
    pub fn new(objects: &Objects) -> Result<Self, PlanError> {
        let authentication = objects.authentication().ok_or(PlanError::NoAuthentication)?;
        let kind = authentication.text("/spec/type");
        if kind != "None" {
            return Err(PlanError::OtherType { found: kind.to_owned() });
        }
        let secret_name = authentication.text("/spec/webhookTokenAuthenticator/kubeConfig/name").to_owned();
        if secret_name.is_empty() {
            return Err(PlanError::NoWebhook);
        }
        if secret_name == INTEGRATED_SECRET {
            return Err(PlanError::OperatorsSecret);
        }
        let metadata_name =
            Some(authentication.text("/spec/oauthMetadata/name").to_owned()).filter(|name| !name.is_empty());
        stray(objects, &secret_name, metadata_name.as_deref())?;
        let config_map = metadata_name.as_deref().and_then(|name| objects.named(Kind::ConfigMap, name));
        let secret = objects.named(Kind::Secret, &secret_name).cloned();
        let config_map = config_map.cloned();
        let spec = authentication.at("/spec").as_object().cloned().unwrap_or_default();
        Ok(Self { secret_name, metadata_name, secret, config_map, spec })
    }

    /// Whether an `Authentication` refers to what would be applied before it.
    pub(super) fn is_referred_to_by(&self, authentication: &Object) -> bool {
        let names = |pointer, name: &str| authentication.text(pointer) == name;
        names("/spec/webhookTokenAuthenticator/kubeConfig/name", &self.secret_name)
            || self.metadata_name.as_deref().is_some_and(|name| names("/spec/oauthMetadata/name", name))
    }

    /// The secret's name.
    #[must_use]
    pub fn secret_name(&self) -> &str {
        &self.secret_name
    }

    /// The config map's name, if there is one.
    #[must_use]
    pub fn metadata_name(&self) -> Option<&str> {
        self.metadata_name.as_deref()
    }

    /// The objects as they would be in a cluster.
    #[must_use]
    pub fn outcome(&self, cluster: Objects) -> Objects {
        let mut documents = Objects::default();
        for object in [&self.secret, &self.config_map].into_iter().flatten() {
            documents.add(applicable(object));
        }
        documents.add(json!({
            "apiVersion": Kind::Authentication.api_version(),
            "kind": Kind::Authentication.name(),
            "metadata": {"name": AUTHENTICATION},
            "spec": self.spec,
        }));
        foresee(documents, cluster)
    }

    /// The objects to apply before the reference to them, in order.
    pub(super) fn prerequisites(&self) -> Vec<(Kind, &str, Value)> {
        let secret = self.secret.as_ref().map(|object| (Kind::Secret, object));
        let config_map = self.config_map.as_ref().map(|object| (Kind::ConfigMap, object));
        [secret, config_map]
            .into_iter()
            .flatten()
            .map(|(kind, object)| (kind, object.name(), applicable(object)))
            .collect()
    }

    /// The merge patch, for an `Authentication` as it was read.
    pub(super) fn patch(&self, current: &Object) -> Value {
        json!({"metadata": {"resourceVersion": current.text("/metadata/resourceVersion")}, "spec": self.spec})
    }

    /// The fields that the patch changes.
    pub(super) fn changes(&self, current: &Object) -> Vec<Vec<String>> {
        let mut changes = Vec::new();
        compare(&Value::Object(self.spec.clone()), current.at("/spec"), &["spec".to_owned()], &mut changes);
        changes
    }
}

/// What would be left out, or go somewhere else than it says.
fn stray(objects: &Objects, secret: &str, metadata: Option<&str>) -> Result<(), PlanError> {
    for (kind, referred) in
        [(Kind::Authentication, Some(AUTHENTICATION)), (Kind::Secret, Some(secret)), (Kind::ConfigMap, metadata)]
    {
        let mut is_first = true;
        for object in objects.of(kind) {
            let what = format!("the {} {}", kind.name(), object.name());
            if Some(object.name()) != referred {
                return Err(PlanError::Stray { what });
            }
            if !std::mem::take(&mut is_first) {
                return Err(PlanError::Stray { what: format!("another one of {what}") });
            }
            if kind != Kind::Authentication && !matches!(object.namespace(), "" | NAMESPACE) {
                return Err(PlanError::Stray { what: format!("{what} in the namespace {}", object.namespace()) });
            }
        }
    }
    objects.others.first().map_or(Ok(()), |what| Err(PlanError::Stray { what: what.to_string() }))
}

/// The object as it is applied: without what a server adds, in the namespace that counts, with data in one form.
fn applicable(object: &Object) -> Value {
    let mut value = object.value().clone();
    if let Some(fields) = value.as_object_mut() {
        fields.remove("status");
        let plain = fields.remove("stringData").and_then(|plain| plain.as_object().cloned()).unwrap_or_default();
        if !plain.is_empty() {
            let data = fields.entry("data").or_insert_with(|| json!({}));
            if let Some(data) = data.as_object_mut() {
                data.extend(plain.into_iter().map(|(key, text)| (key, encoded(&text))));
            }
        }
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            for added in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
                metadata.remove(added);
            }
            metadata.insert("namespace".to_owned(), NAMESPACE.into());
        }
    }
    value
}

fn encoded(text: &Value) -> Value {
    use base64::Engine as _;
    text.as_str().map(|text| base64::prelude::BASE64_STANDARD.encode(text)).into()
}

/// The paths to leaves that are wanted and not so.
fn compare(wanted: &Value, current: &Value, path: &[String], changes: &mut Vec<Vec<String>>) {
    match wanted {
        Value::Object(fields) => {
            for (name, wanted) in fields {
                let path: Vec<String> = path.iter().cloned().chain([name.clone()]).collect();
                compare(wanted, current.get(name).unwrap_or(&Value::Null), &path, changes);
            }
        }
        wanted if wanted == current => {}
        // An empty text and an absent field are the same to operators.
        Value::String(text) if text.is_empty() && current.is_null() => {}
        _ => changes.push(path.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "apiVersion: config.openshift.io/v1\nkind: Authentication\nmetadata: {name: cluster}\n";
    const WEBHOOK: &str = "{type: None, webhookTokenAuthenticator: {kubeConfig: {name: hook}}}";

    fn plan(text: &str) -> Result<Plan, PlanError> {
        let mut objects = Objects::default();
        objects.read(text, "file").unwrap();
        Plan::new(&objects)
    }

    #[test]
    fn only_an_authentication_with_a_webhook_is_applied() {
        let refusal = |spec: &str| plan(&format!("{CLUSTER}spec: {spec}")).err();
        assert_eq!(
            plan("kind: Secret\napiVersion: v1\nmetadata: {name: hook}").err(),
            Some(PlanError::NoAuthentication)
        );
        assert_eq!(refusal("{type: OIDC}"), Some(PlanError::OtherType { found: "OIDC".to_owned() }));
        assert_eq!(refusal("{type: None}"), Some(PlanError::NoWebhook));
        assert_eq!(refusal(WEBHOOK), None);
        let integrated = WEBHOOK.replace("hook}", "webhook-authentication-integrated-oauth}");
        assert_eq!(refusal(&integrated), Some(PlanError::OperatorsSecret));
    }

    #[test]
    fn what_would_be_left_out_is_named() {
        let text = format!("{CLUSTER}spec: {WEBHOOK}\n---\nkind: Secret\napiVersion: v1\nmetadata: {{name: other}}");
        assert_eq!(plan(&text).err(), Some(PlanError::Stray { what: "the Secret other".to_owned() }));
        let secret = |namespace: &str| {
            format!("\n---\nkind: Secret\napiVersion: v1\nmetadata: {{name: hook, namespace: {namespace}}}")
        };
        let twice = format!("{CLUSTER}spec: {WEBHOOK}{0}{0}", secret("openshift-config"));
        let what = "another one of the Secret hook".to_owned();
        assert_eq!(plan(&twice).err(), Some(PlanError::Stray { what }));
        let elsewhere = format!("{CLUSTER}spec: {WEBHOOK}{}", secret("default"));
        let what = "the Secret hook in the namespace default".to_owned();
        assert_eq!(plan(&elsewhere).err(), Some(PlanError::Stray { what }));
        let text = format!("{CLUSTER}spec: {WEBHOOK}\n---\n{CLUSTER}spec: {{}}");
        let what = "another one of the Authentication cluster".to_owned();
        assert_eq!(plan(&text).err(), Some(PlanError::Stray { what }));
        let text = format!("{CLUSTER}spec: {WEBHOOK}\n---\nkind: Pod\napiVersion: v1");
        assert_eq!(plan(&text).err(), Some(PlanError::Stray { what: "Pod (v1)".to_owned() }));
    }

    #[test]
    fn what_is_applied_has_nothing_of_a_server_and_one_form_of_data() {
        let text = format!(
            "{CLUSTER}spec: {WEBHOOK}\n---\nkind: Secret\napiVersion: v1\n\
             metadata: {{name: hook, resourceVersion: '7', uid: u, managedFields: []}}\nstringData: {{kubeConfig: abc}}"
        );
        let plan = plan(&text).unwrap();
        assert_eq!(
            plan.prerequisites(),
            [(
                Kind::Secret,
                "hook",
                json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "hook", "namespace": "openshift-config"},
                    "data": {"kubeConfig": "YWJj"}})
            )]
        );
    }

    #[test]
    fn changes_are_the_leaves_that_differ() {
        let plan = plan(&format!("{CLUSTER}spec: {WEBHOOK}")).unwrap();
        let current = |spec: Value| Object::from(json!({"metadata": {"resourceVersion": "3"}, "spec": spec}));
        let name = ["spec", "webhookTokenAuthenticator", "kubeConfig", "name"].map(str::to_owned).to_vec();
        let kind = ["spec", "type"].map(str::to_owned).to_vec();
        assert_eq!(plan.changes(&current(json!({"type": "None"}))), std::slice::from_ref(&name));
        assert_eq!(plan.changes(&current(json!({}))), [kind, name]);
        let same = json!({"type": "None", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}});
        assert_eq!(plan.changes(&current(same.clone())), [[""; 0]; 0]);
        assert_eq!(plan.patch(&current(same.clone())), json!({"metadata": {"resourceVersion": "3"}, "spec": same}));
    }
}
