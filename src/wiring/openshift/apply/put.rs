//! Secret, config map, `Authentication`: each first as a dry run, then in earnest.

use serde_json::Value;

use super::super::cluster::{Change, Cluster, ClusterError, Refusal, Reply};
use super::super::live::{API_SERVER_PATH, AUTHENTICATION_PATH, path};
use super::super::objects::{Kind, Object};
use super::super::rules;
use super::plan::Plan;
use super::rollout::{Follow, last_change};
use super::stop::Stop;
use super::{Operator, Question, owners};

/// How to apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applying {
    /// Stop after the dry run.
    pub dry_run: bool,
    /// Take fields over from others without asking.
    pub force_conflicts: bool,
}

/// What was applied.
#[derive(Debug)]
pub struct Applied {
    /// One line for each object.
    pub objects: Vec<String>,
    /// Whether any of them was changed.
    pub has_changed: bool,
    /// How to follow the rollout; nothing if nothing was changed and none is under way.
    pub follow: Option<Follow>,
}

/// How to go on after a stop half-way.
const NEW: &str = "until the Authentication refers to it nothing is in force: run the same command again to go on, or delete what was made";
const IN_DOUBT: &str = "the Authentication may refer to it by now";
const IN_FORCE: &str = "the Authentication refers to it already, so it is being rolled out: delete nothing, and run the same command again to go on";

/// Applies a plan.
///
/// # Errors
/// If the cluster refuses or does not answer, or the operator does not agree. The error says what was done until then.
pub async fn apply(cluster: &Cluster, plan: &Plan, how: Applying, operator: &dyn Operator) -> Result<Applied, Stop> {
    let current = authentication(cluster).await?;
    risks(cluster, operator).await?;
    let forced = rehearse(cluster, plan, &current, how, operator).await?;
    if how.dry_run {
        let objects = vec!["nothing: all of it passed the dry run".to_owned()];
        return Ok(Applied { objects, has_changed: false, follow: None });
    }
    let before = cluster.get(API_SERVER_PATH).await.map_err(|cause| Stop::cluster("kubeapiserver/cluster", cause))?;
    let next = if plan.is_referred_to_by(&current) { IN_FORCE } else { NEW };
    let mut done = Vec::new();
    let mut has_changed = false;
    let mut since = last_change(&current).to_owned();
    for ((kind, name, body), force) in plan.prerequisites().into_iter().zip(forced) {
        let label = label(kind, name);
        let place = path(kind, name);
        let unread = |cause| Stop::cluster(label.clone(), cause).after(&done, next);
        let version = cluster.get(&place).await.map_err(unread)?.map(|object| version(&object));
        let unchanged = |cause| Stop::change(label.clone(), cause).after(&done, next);
        let reply = cluster.change(&place, &body, Change::Apply { force }, false).await.map_err(unchanged)?;
        let word = match version {
            None => "created",
            Some(version) if version == self::version(&reply.object) => "unchanged",
            Some(_) => "changed",
        };
        has_changed |= word != "unchanged";
        since = since.max(last_change(&Object::from(reply.object)).to_owned());
        done.push(format!("{label} {word}"));
        operator.hears(&format!("{label} {word}"));
    }
    let word = if plan.changes(&current).is_empty() {
        "unchanged"
    } else {
        let stop = |cause: ClusterError| {
            // It may refer to it by now, if nobody said no.
            let next = if cause.refusal().is_some_and(Refusal::is_final) { next } else { IN_DOUBT };
            Stop::change("authentication/cluster", cause).after(&done, next)
        };
        cluster.change(AUTHENTICATION_PATH, &plan.patch(&current), Change::Merge, false).await.map_err(stop)?;
        has_changed = true;
        "changed"
    };
    done.push(format!("authentication/cluster {word}"));
    operator.hears(&format!("authentication/cluster {word}"));
    let before = before.map(Object::from);
    let follow = before
        .and_then(|before| if has_changed { Some(Follow::from(&before)) } else { Follow::of_change(&before, &since) });
    Ok(Applied { objects: done, has_changed, follow })
}

/// The `Authentication` as it is.
pub(super) async fn authentication(cluster: &Cluster) -> Result<Object, Stop> {
    let stop = |cause| Stop::cluster("authentication/cluster", cause);
    if let Some(object) = cluster.get(AUTHENTICATION_PATH).await.map_err(stop)? {
        return Ok(Object::from(object));
    }
    cluster.is_api_server().await.map_err(stop)?;
    Err(Stop::wrong(
        "there is no Authentication named cluster: this is no OpenShift cluster whose API servers can be told",
    ))
}

/// What must be agreed to before anything is changed.
pub(super) async fn risks(cluster: &Cluster, operator: &dyn Operator) -> Result<(), Stop> {
    if cluster.has_integrated_token() {
        agree(
            operator,
            &Question::Risk(
                "your own credential is a token of the integrated OAuth server, which is refused as soon as the webhook is in \
                 force; the rollout cannot be followed with it: use the installer's kubeconfig"
                    .to_owned(),
            ),
        )?;
    }
    let stop = |cause| Stop::cluster("kubeapiserver/cluster", cause);
    let risk = match cluster.get(API_SERVER_PATH).await.map_err(stop)?.map(Object::from) {
        Some(api_server) => {
            rules::unrest(&api_server).map(|unrest| format!("the API servers are not at rest: {unrest}"))
        }
        None => Some("kubeapiserver/cluster is not there, so nobody can see whether a rollout goes well".to_owned()),
    };
    risk.map_or(Ok(()), |risk| agree(operator, &Question::Risk(risk)))
}

pub(super) fn agree(operator: &dyn Operator, question: &Question) -> Result<(), Stop> {
    if operator.agrees(question) {
        return Ok(());
    }
    Err(Stop::declined(match question {
        Question::Conflict { fields } => {
            format!(
                "stopped, because fields belong to others: {}; --force-conflicts takes them over",
                fields.join(", ")
            )
        }
        Question::Risk(what) => format!("stopped, because {what}; --yes goes on all the same"),
    }))
}

/// The whole plan as a dry run. Returns for each prerequisite whether fields are taken over from others.
async fn rehearse(
    cluster: &Cluster,
    plan: &Plan,
    current: &Object,
    how: Applying,
    operator: &dyn Operator,
) -> Result<Vec<bool>, Stop> {
    let mut forced = Vec::new();
    for (kind, name, body) in plan.prerequisites() {
        forced.push(rehearse_one(cluster, kind, name, &body, how, operator).await?);
    }
    let fields = owners::foreign(current, &plan.changes(current));
    if !fields.is_empty() && !how.force_conflicts {
        agree(operator, &Question::Conflict { fields })?;
    }
    let reply = cluster.change(AUTHENTICATION_PATH, &plan.patch(current), Change::Merge, true).await;
    hear("authentication/cluster", reply, operator)?;
    Ok(forced)
}

async fn rehearse_one(
    cluster: &Cluster,
    kind: Kind,
    name: &str,
    body: &Value,
    how: Applying,
    operator: &dyn Operator,
) -> Result<bool, Stop> {
    let (place, label) = (path(kind, name), label(kind, name));
    let polite = cluster.change(&place, body, Change::Apply { force: false }, true).await;
    let conflicts: Vec<String> = match &polite {
        Err(ClusterError::Refused(refusal)) if refusal.is_field_conflict() => {
            refusal.causes.iter().map(|cause| format!("{label}{} ({})", cause.field, cause.message)).collect()
        }
        _ => {
            hear(&label, polite, operator)?;
            return Ok(false);
        }
    };
    if !how.force_conflicts {
        agree(operator, &Question::Conflict { fields: conflicts })?;
    }
    hear(&label, cluster.change(&place, body, Change::Apply { force: true }, true).await, operator)?;
    Ok(true)
}

/// Passes on what the API server warns of.
pub(super) fn hear(label: &str, reply: Result<Reply, ClusterError>, operator: &dyn Operator) -> Result<(), Stop> {
    let warnings = match &reply {
        Ok(reply) => reply.warnings.as_slice(),
        Err(error) => error.refusal().map_or(&[][..], |refusal| refusal.warnings.as_slice()),
    };
    for warning in warnings {
        operator.hears(&format!("{label}: the API server warns: {warning}"));
    }
    reply.map(drop).map_err(|cause| Stop::cluster(format!("{label} (dry run)"), cause))
}

fn label(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.name().to_lowercase())
}

fn version(object: &Value) -> String {
    object.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
}
