//! Whose fields are changed: a merge patch takes them over without a word, so the words are ours.

use serde_json::Value;

use super::super::manifest::MANAGER;
use super::super::objects::Object;

/// The fields of `changes` that somebody else has set: one line for each, in the order of the changes.
pub(super) fn foreign(object: &Object, changes: &[Vec<String>]) -> Vec<String> {
    changes
        .iter()
        .filter_map(|path| {
            let owners: Vec<&str> = object
                .list("/metadata/managedFields")
                .iter()
                .filter(|entry| owns(entry.get("fieldsV1").unwrap_or(&Value::Null), path))
                .filter_map(|entry| entry.get("manager").and_then(Value::as_str))
                .filter(|manager| *manager != MANAGER)
                .collect();
            (!owners.is_empty()).then(|| format!("{} (set by {})", path.join("."), owners.join(", ")))
        })
        .collect()
}

/// Whether a set of fields has the one at the path.
fn owns(fields: &Value, path: &[String]) -> bool {
    match path.split_first() {
        None => true,
        Some((name, rest)) => fields.get(format!("f:{name}")).is_some_and(|fields| {
            // A field that is owned as a whole has nothing listed inside.
            rest.is_empty() || fields.as_object().is_some_and(serde_json::Map::is_empty) || owns(fields, rest)
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_of_others_are_named_with_their_owners() {
        let entry =
            |manager: &str, fields: Value| json!({"manager": manager, "operation": "Update", "fieldsV1": fields});
        let object = Object::from(json!({"metadata": {"managedFields": [
            entry("authentication-operator", json!({"f:spec": {"f:webhookTokenAuthenticator": {".": {}, "f:kubeConfig": {"f:name": {}}}}})),
            entry("cluster-bootstrap", json!({"f:spec": {".": {}, "f:type": {}, "f:oauthMetadata": {}}})),
            entry("countersign", json!({"f:spec": {"f:type": {}}})),
        ]}}));
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(
            foreign(
                &object,
                &[
                    path("spec.webhookTokenAuthenticator.kubeConfig.name"),
                    path("spec.serviceAccountIssuer"),
                    path("spec.oauthMetadata.name"),
                    path("spec.type"),
                ]
            ),
            [
                "spec.webhookTokenAuthenticator.kubeConfig.name (set by authentication-operator)",
                "spec.oauthMetadata.name (set by cluster-bootstrap)",
                "spec.type (set by cluster-bootstrap)",
            ]
        );
    }
}
