//! Back to the integrated OAuth server: the reference first, and only when no API server needs them any more what it
//! referred to.

use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::cluster::{Change, Cluster};
use super::super::live::{API_SERVER_PATH, AUTHENTICATION_PATH, FEATURE_GATES_PATH, path};
use super::super::manifest::{DEFAULT_CONFIG_MAP, DEFAULT_SECRET, MANAGED_BY, MANAGER};
use super::super::objects::{Kind, Object};
use super::super::{INTEGRATED_SECRET, rules};
use super::put::{agree, authentication, hear, risks};
use super::rollout::{Follow, last_change};
use super::stop::Stop;
use super::{Operator, Pace, Question, owners};

/// How to go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reverting {
    /// Stop after the dry run.
    pub dry_run: bool,
    /// Take fields over from others without asking.
    pub force_conflicts: bool,
}

/// What was changed, and what is left.
#[derive(Debug)]
pub struct Reverted {
    /// One line for each object.
    pub objects: Vec<String>,
    /// Whether the `Authentication` was changed.
    pub has_changed: bool,
    /// How to follow the rollout; nothing if nothing was changed and none is under way.
    pub follow: Option<Follow>,
    /// What was referred to.
    pub leftovers: Leftovers,
}

/// A secret and a config map that nothing refers to any more, or soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftovers {
    secret: String,
    config_map: String,
}

/// Sets the type back. The authentication operator then restores its own webhook by itself.
///
/// # Errors
/// If the cluster refuses or does not answer, or the operator does not agree.
pub async fn revert(cluster: &Cluster, how: Reverting, operator: &dyn Operator) -> Result<Reverted, Stop> {
    let current = authentication(cluster).await?;
    let leftovers = Leftovers::of(&current);
    let (patch, changes) = changes(&current, keeps_references(cluster).await?);
    if changes.is_empty() {
        let objects = vec!["authentication/cluster unchanged".to_owned()];
        let api_server = cluster.get(API_SERVER_PATH).await;
        let api_server = api_server.map_err(|cause| Stop::cluster("kubeapiserver/cluster", cause))?.map(Object::from);
        let follow = api_server.and_then(|api_server| Follow::of_change(&api_server, last_change(&current)));
        return Ok(Reverted { objects, has_changed: false, follow, leftovers });
    }
    if current.text("/spec/type") == "OIDC" {
        let what = "the type is OIDC, which has no webhook: people log in at the provider now, and could not any more";
        agree(operator, &Question::Risk(what.to_owned()))?;
    }
    foreign_webhook(cluster, &current, operator).await?;
    risks(cluster, operator).await?;
    let fields = owners::foreign(&current, &changes);
    if !fields.is_empty() && !how.force_conflicts {
        agree(operator, &Question::Conflict { fields })?;
    }
    hear("authentication/cluster", cluster.change(AUTHENTICATION_PATH, &patch, Change::Merge, true).await, operator)?;
    if how.dry_run {
        let objects = vec!["nothing: all of it passed the dry run".to_owned()];
        return Ok(Reverted { objects, has_changed: false, follow: None, leftovers });
    }
    let before = cluster.get(API_SERVER_PATH).await.map_err(|cause| Stop::cluster("kubeapiserver/cluster", cause))?;
    let changed = cluster.change(AUTHENTICATION_PATH, &patch, Change::Merge, false).await;
    changed.map_err(|cause| Stop::change("authentication/cluster", cause))?;
    operator.hears("authentication/cluster changed");
    let follow = before.map(|before| Follow::from(&Object::from(before)));
    let objects = vec!["authentication/cluster changed".to_owned()];
    Ok(Reverted { objects, has_changed: true, follow, leftovers })
}

/// A webhook that somebody else has set up is not taken out without asking.
async fn foreign_webhook(cluster: &Cluster, current: &Object, operator: &dyn Operator) -> Result<(), Stop> {
    let name = current.text("/spec/webhookTokenAuthenticator/kubeConfig/name");
    if name.is_empty() || name == INTEGRATED_SECRET {
        return Ok(());
    }
    let whose = match cluster.get(&path(Kind::Secret, name)).await.map(|secret| secret.map(Object::from)) {
        Ok(Some(secret)) if is_ours(&secret) => return Ok(()),
        Ok(Some(_)) => "was not made by countersign",
        // Nothing is lost with it.
        Ok(None) => return Ok(()),
        Err(error) if error.refusal().is_some_and(|refusal| refusal.status == 403) => {
            "may not be read, so it cannot be told who made it"
        }
        Err(error) => return Err(Stop::cluster(format!("secret/{name}"), error)),
    };
    let what = format!("the webhook in force is somebody's own: secret/{name} {whose}, and logins by it would end");
    agree(operator, &Question::Risk(what))
}

fn is_ours(object: &Object) -> bool {
    object.at("/metadata/labels").get(MANAGED_BY).and_then(Value::as_str) == Some(MANAGER)
}

/// Whether the authentication operator leaves the reference alone, so that it is ours to take away. Who may not look is
/// told by the reference that stays.
async fn keeps_references(cluster: &Cluster) -> Result<bool, Stop> {
    const GATE: &str = "ExternalOIDCExternalClaimsSourcing";
    let gates = match cluster.get(FEATURE_GATES_PATH).await {
        Ok(gates) => Object::from(gates.unwrap_or_default()),
        Err(error) if error.refusal().is_some() => return Ok(false),
        Err(error) => return Err(Stop::cluster("featuregate/cluster", error)),
    };
    let enabled = gates.list("/status/featureGates").iter().filter_map(|version| version.get("enabled")?.as_array());
    Ok(enabled.flatten().any(|gate| gate.get("name").is_some_and(|name| name == GATE)))
}

/// The merge patch and the fields in it. Metadata of ours would take precedence over the integrated server's.
fn changes(current: &Object, takes_reference: bool) -> (Value, Vec<Vec<String>>) {
    let mut spec = serde_json::Map::new();
    let mut changes = Vec::new();
    if !matches!(current.text("/spec/type"), "" | "IntegratedOAuth") {
        spec.insert("type".to_owned(), "IntegratedOAuth".into());
        changes.push(vec!["spec".to_owned(), "type".to_owned()]);
    }
    if !current.text("/spec/oauthMetadata/name").is_empty() {
        spec.insert("oauthMetadata".to_owned(), Value::Null);
        changes.push(vec!["spec".to_owned(), "oauthMetadata".to_owned()]);
    }
    let webhook = current.text("/spec/webhookTokenAuthenticator/kubeConfig/name");
    if takes_reference && !webhook.is_empty() && webhook != INTEGRATED_SECRET {
        spec.insert("webhookTokenAuthenticator".to_owned(), Value::Null);
        changes.push(vec!["spec".to_owned(), "webhookTokenAuthenticator".to_owned()]);
    }
    let patch = json!({"metadata": {"resourceVersion": current.text("/metadata/resourceVersion")}, "spec": spec});
    (patch, changes)
}

impl Leftovers {
    /// What an `Authentication` refers to; what is rendered by default, when it refers to nothing of ours any more.
    fn of(authentication: &Object) -> Self {
        let or = |name: &str, default: &str| if name.is_empty() { default.to_owned() } else { name.to_owned() };
        let secret = authentication.text("/spec/webhookTokenAuthenticator/kubeConfig/name");
        let secret = if secret == INTEGRATED_SECRET { "" } else { secret };
        Self {
            secret: or(secret, DEFAULT_SECRET),
            config_map: or(authentication.text("/spec/oauthMetadata/name"), DEFAULT_CONFIG_MAP),
        }
    }

    /// Waits until the authentication operator refers to its own webhook again. Whether it did, in the time given.
    ///
    /// # Errors
    /// If the API answers with a refusal.
    pub async fn released(&self, cluster: &Cluster, pace: &Pace) -> Result<bool, Stop> {
        let started = Instant::now();
        let mut ticks = interval(pace.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while started.elapsed() < pace.timeout {
            ticks.tick().await;
            match cluster.get(AUTHENTICATION_PATH).await.map(|object| object.map(Object::from)) {
                Ok(Some(object)) if !self.is_referred_to(&object) => return Ok(true),
                Err(error) if error.refusal().is_some() => return Err(Stop::cluster("authentication/cluster", error)),
                // The API may be away for a moment: API servers are being restarted.
                Ok(_) | Err(_) => {}
            }
        }
        Ok(false)
    }

    fn is_referred_to(&self, authentication: &Object) -> bool {
        authentication.text("/spec/webhookTokenAuthenticator/kubeConfig/name") == self.secret
            || authentication.text("/spec/oauthMetadata/name") == self.config_map
    }

    /// Says that neither is there; nothing if one is.
    ///
    /// # Errors
    /// If the cluster refuses or does not answer.
    pub async fn are_gone(&self, cluster: &Cluster) -> Result<Option<String>, Stop> {
        let Self { secret, config_map } = self;
        for (kind, name) in [(Kind::Secret, secret), (Kind::ConfigMap, config_map)] {
            let stop = |cause| Stop::cluster(format!("{}/{name}", kind.name().to_lowercase()), cause);
            if cluster.get(&path(kind, name)).await.map_err(stop)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(format!("there is nothing to delete: neither secret/{secret} nor configmap/{config_map} is there")))
    }

    /// Deletes them. Only what carries our label, is not referred to, and is on no node's way any more. `is_rolled_out`:
    /// whether a rollout was seen to end after the reference was taken away.
    ///
    /// # Errors
    /// If they are or may be still in use, or the cluster refuses or does not answer.
    pub async fn delete(&self, cluster: &Cluster, is_rolled_out: bool) -> Result<Vec<String>, Stop> {
        if let Some(line) = self.are_gone(cluster).await? {
            return Ok(vec![line]);
        }
        let stop = |cause| Stop::cluster("kubeapiserver/cluster", cause);
        let authentication = authentication(cluster).await?;
        if self.is_referred_to(&authentication) {
            return Err(Stop::wrong("nothing is deleted: the Authentication still refers to it"));
        }
        let api_server = cluster.get(API_SERVER_PATH).await.map_err(stop)?.map(Object::from);
        let Some(api_server) = api_server.filter(|object| !object.list("/status/nodeStatuses").is_empty()) else {
            return Err(Stop::unknown(
                "nothing is deleted: kubeapiserver/cluster does not say which revision the nodes have",
            ));
        };
        if let Some(unrest) = rules::unrest(&api_server) {
            return Err(Stop::wrong(format!("nothing is deleted: a kube-apiserver may still need it ({unrest})")));
        }
        if !is_rolled_out && !rules::has_rolled_out_since(&api_server, last_change(&authentication)) {
            return Err(Stop::unknown(
                "nothing is deleted: no rollout has ended since the Authentication was changed, so every kube-apiserver may \
                 still need it; look at clusteroperator/kube-apiserver, and run revert --delete-secret again after the rollout",
            ));
        }
        let mut done = Vec::new();
        for (kind, name) in [(Kind::Secret, &self.secret), (Kind::ConfigMap, &self.config_map)] {
            const NEXT: &str = "run revert --delete-secret again for the rest";
            let label = format!("{}/{name}", kind.name().to_lowercase());
            let stop = |cause| Stop::cluster(label.clone(), cause).after(&done, NEXT);
            let place = path(kind, name);
            let Some(object) = cluster.get(&place).await.map_err(stop)?.map(Object::from) else { continue };
            if !is_ours(&object) {
                done.push(format!("{label} kept: it has no label {MANAGED_BY}={MANAGER}"));
                continue;
            }
            cluster.delete(&place, object.text("/metadata/uid")).await.map_err(stop)?;
            done.push(format!("{label} deleted"));
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authentication(spec: Value) -> Object {
        Object::from(json!({"metadata": {"resourceVersion": "3"}, "spec": spec}))
    }

    #[test]
    fn the_patch_sets_the_type_and_takes_the_metadata_away() {
        let (patch, changes) = changes(
            &authentication(json!({
                "type": "None",
                "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}},
                "oauthMetadata": {"name": "meta"},
            })),
            false,
        );
        assert_eq!(
            patch,
            json!({"metadata": {"resourceVersion": "3"}, "spec": {"type": "IntegratedOAuth", "oauthMetadata": null}})
        );
        assert_eq!(changes, [["spec", "type"], ["spec", "oauthMetadata"]]);
    }

    #[test]
    fn there_is_nothing_to_do_when_the_integrated_server_is_in_force() {
        for spec in [json!({}), json!({"type": ""}), json!({"type": "IntegratedOAuth", "oauthMetadata": {"name": ""}})]
        {
            assert_eq!(changes(&authentication(spec), true).1, [[""; 0]; 0]);
        }
    }

    #[test]
    fn the_operators_own_secret_is_never_a_leftover() {
        let leftovers = Leftovers::of(&authentication(json!({
            "webhookTokenAuthenticator": {"kubeConfig": {"name": INTEGRATED_SECRET}},
        })));
        assert_eq!(
            leftovers,
            Leftovers { secret: DEFAULT_SECRET.to_owned(), config_map: DEFAULT_CONFIG_MAP.to_owned() }
        );
    }
}
