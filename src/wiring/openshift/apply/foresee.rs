//! What documents would make of a cluster.

use serde_json::{Value, json};

use super::super::objects::{Kind, Objects};

/// Documents as they would be in a cluster: what is there, with the documents on top. An `Authentication` is merged into the
/// cluster's, as applying does. Of the operators only what stays is left: the rest is about what was before.
#[must_use]
pub fn foresee(mut documents: Objects, mut cluster: Objects) -> Objects {
    if let (Some(given), Some(current)) = (documents.authentication(), cluster.authentication()) {
        let mut value = given.value().clone();
        let mut spec = current.at("/spec").clone();
        merge(&mut spec, given.at("/spec"));
        if let Some(fields) = value.as_object_mut() {
            fields.insert("spec".to_owned(), spec);
            fields.insert("status".to_owned(), current.at("/status").clone());
            fields.retain(|_, value| !value.is_null());
        }
        documents.replace(Kind::Authentication, value);
    }
    if let Some(api_server) = cluster.named(Kind::KubeApiServer, "cluster") {
        let lasting = json!({
            "apiVersion": Kind::KubeApiServer.api_version(),
            "kind": Kind::KubeApiServer.name(),
            "metadata": {"name": "cluster"},
            "status": {"serviceAccountIssuers": api_server.at("/status/serviceAccountIssuers")},
        });
        cluster.replace(Kind::KubeApiServer, lasting);
    }
    cluster.drop_kind(Kind::ClusterOperator);
    documents.complete_with(cluster);
    documents
}

/// A merge patch (RFC 7386).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in fields {
        if value.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
