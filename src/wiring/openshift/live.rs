//! A cluster's own objects, for the checker.

use serde_json::Value;

use super::NAMESPACE;
use super::cluster::{Cluster, ClusterError};
use super::objects::{Kind, Objects};
use super::rules::{Served, not_readable};
use crate::findings::Findings;

/// The path of the one `Authentication`.
pub const AUTHENTICATION_PATH: &str = "/apis/config.openshift.io/v1/authentications/cluster";

/// The path of what the operator of kube-apiserver says.
pub const API_SERVER_PATH: &str = "/apis/operator.openshift.io/v1/kubeapiservers/cluster";

/// The path of the features that are switched on.
pub const FEATURE_GATES_PATH: &str = "/apis/config.openshift.io/v1/featuregates/cluster";

const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";

/// What says of a cluster that it is MicroShift, which has none of the rest.
const MICROSHIFT: &str = "/api/v1/namespaces/kube-public/configmaps/microshift-version";

/// What was found in a cluster.
pub struct Gathered {
    /// Its objects.
    pub objects: Objects,
    /// What it serves at the metadata's address; nothing if it did not say.
    pub served: Option<Served>,
    /// What could not be read.
    pub unread: Findings,
}

/// The path of a secret or a config map.
#[must_use]
pub fn path(kind: Kind, name: &str) -> String {
    let resource = if kind == Kind::Secret { "secrets" } else { "configmaps" };
    format!("/api/v1/namespaces/{NAMESPACE}/{resource}/{name}")
}

/// Reads everything that the rules look at. References are followed from the `Authentication` in `given`, or from the
/// cluster's own.
///
/// # Errors
/// If there is no answer, or the `Authentication` may not be read.
pub async fn gather(cluster: &Cluster, given: &Objects) -> Result<Gathered, ClusterError> {
    let mut objects = Objects::default();
    objects.is_complete = true;
    let mut unread = Findings::new();
    match cluster.get(AUTHENTICATION_PATH).await? {
        Some(authentication) => objects.add(authentication),
        None => {
            cluster.is_api_server().await?;
            add(cluster, MICROSHIFT, &mut objects, &mut unread).await?;
        }
    }
    let mut paths: Vec<String> = [
        "/apis/config.openshift.io/v1/clusterversions/version",
        "/apis/config.openshift.io/v1/infrastructures/cluster",
        API_SERVER_PATH,
        "/apis/config.openshift.io/v1/clusteroperators/kube-apiserver",
        "/apis/config.openshift.io/v1/clusteroperators/authentication",
    ]
    .map(str::to_owned)
    .into();
    if let Some(authentication) = given.authentication().or_else(|| objects.authentication()) {
        for (kind, pointer) in [
            (Kind::Secret, "/spec/webhookTokenAuthenticator/kubeConfig/name"),
            (Kind::ConfigMap, "/spec/oauthMetadata/name"),
        ] {
            let name = authentication.text(pointer);
            if super::rules::is_name(name) {
                paths.push(path(kind, name));
            }
        }
    }
    for path in &paths {
        add(cluster, path, &mut objects, &mut unread).await?;
    }
    let served = served(cluster).await?;
    Ok(Gathered { objects, served, unread })
}

async fn add(cluster: &Cluster, path: &str, objects: &mut Objects, unread: &mut Findings) -> Result<(), ClusterError> {
    match cluster.get(path).await {
        Ok(Some(object)) => objects.add(object),
        Ok(None) => {}
        Err(ClusterError::Refused(refusal)) => {
            // What may not be read may still be there.
            objects.is_complete = false;
            unread.push(not_readable(path, &refusal.to_string()));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn served(cluster: &Cluster) -> Result<Option<Served>, ClusterError> {
    match cluster.read(WELL_KNOWN).await {
        Ok(Some(Value::Null)) => Ok(None),
        Ok(Some(document)) => Ok(Some(Served::Document(document.to_string()))),
        Ok(None) => Ok(Some(Served::Nothing)),
        Err(ClusterError::Refused(refusal)) if matches!(refusal.status.as_u16(), 401 | 403) => {
            Ok(Some(Served::Forbidden))
        }
        Err(ClusterError::Refused(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
