//! What the operators say: conditions, what they observed, and how far a rollout is.

use serde_json::Value;

use super::super::INTEGRATED_SECRET;
use super::super::objects::{Kind, Object, Objects};
use super::platform::condition;
use super::report::Report;
use super::{Authentication, Type};

const OBJECT: &str = "kubeapiserver/cluster:";

/// The API server's flag for a webhook, as the operator observes it.
const WEBHOOK_FLAG: &str = "authentication-token-webhook-config-file";

pub(super) fn check(authentication: Option<&Authentication<'_>>, objects: &Objects, report: &mut Report) {
    if let Some(api_server) = objects.named(Kind::KubeApiServer, "cluster") {
        conditions(api_server, report);
        revisions(api_server, report);
        overrides(api_server, report);
        if let Some(authentication) = authentication {
            observed(authentication, api_server, report);
        }
    }
    for operator in objects.of(Kind::ClusterOperator) {
        cluster_operator(operator, authentication, report);
    }
}

fn conditions(api_server: &Object, report: &mut Report) {
    let state = api_server.text("/spec/managementState");
    if !matches!(state, "" | "Managed") {
        let message =
            format!("the webhook is not honored because the operator of kube-apiserver is switched off ({state})");
        report.error(
            "operator_unmanaged",
            format!("{OBJECT}spec.managementState"),
            message,
            "set managementState to Managed",
        );
    }
    for (name, status, message) in all_conditions(api_server) {
        let path = format!("{OBJECT}status.conditions.{name}");
        if name.ends_with("Degraded") && status == "True" {
            let message = format!("{name}: {}", if message.is_empty() { "no reason is given" } else { message });
            report.error(
                "operator_degraded",
                path,
                message,
                "mend what it names; until then nothing new is rolled out",
            );
        }
    }
}

fn all_conditions(object: &Object) -> impl Iterator<Item = (&str, &str, &str)> {
    object.list("/status/conditions").iter().map(|condition| {
        let text = |field| condition.get(field).and_then(Value::as_str).unwrap_or_default();
        (text("type"), text("status"), text("message"))
    })
}

fn revisions(api_server: &Object, report: &mut Report) {
    let path = format!("{OBJECT}status.nodeStatuses");
    let latest = api_server.at("/status/latestAvailableRevision").as_i64().unwrap_or_default();
    let mut behind = Vec::new();
    for node in api_server.list("/status/nodeStatuses") {
        let number = |field| node.get(field).and_then(Value::as_i64).unwrap_or_default();
        let name = node.get("nodeName").and_then(Value::as_str).unwrap_or_default();
        let (current, failed) = (number("currentRevision"), number("lastFailedRevision"));
        if failed > current {
            let reason = failure(node);
            report.error(
                "revision_failed",
                path.clone(),
                format!("revision {failed} did not start on {name} ({reason}); it still runs revision {current}"),
                "see the installer's and kube-apiserver's log on that node, and mend the secret or the config map",
            );
        } else if current < latest {
            behind.push(format!("{name} ({current})"));
        }
    }
    if !behind.is_empty() {
        report.warning(
            "revision_pending",
            path,
            format!("revision {latest} is not yet in force on {}", behind.join(", ")),
            "wait: three to six minutes for each node",
        );
    }
}

fn overrides(api_server: &Object, report: &mut Report) {
    let arguments = api_server.at("/spec/unsupportedConfigOverrides/apiServerArguments");
    for name in arguments.as_object().into_iter().flat_map(|map| map.keys()) {
        if name.starts_with("authentication") || name == "api-audiences" {
            report.warning(
                "operator_override",
                format!("{OBJECT}spec.unsupportedConfigOverrides.apiServerArguments.{name}"),
                "an unsupported override decides on authentication, whatever the Authentication says",
                "remove it",
            );
        }
    }
}

/// Why a revision did not start on a node: the operator's reason, and the errors that it found, shortened.
#[must_use]
pub fn failure(node: &Value) -> String {
    const LONGEST: usize = 300;
    let reason = node.get("lastFailedReason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
    let errors = node.get("lastFailedRevisionErrors").and_then(Value::as_array).into_iter().flatten();
    let errors = errors.filter_map(Value::as_str).map(|error| error.split_whitespace().collect::<Vec<_>>().join(" "));
    let errors = errors.filter(|error| !error.is_empty()).collect::<Vec<_>>().join("; ");
    let mut shortened: String = errors.chars().take(LONGEST).collect();
    if shortened.len() < errors.len() {
        shortened.push('…');
    }
    match (reason, shortened.is_empty()) {
        (None, true) => "no reason is given".to_owned(),
        (None, false) => shortened,
        (Some(reason), true) => reason.to_owned(),
        (Some(reason), false) => format!("{reason}: {shortened}"),
    }
}

/// The first degraded condition and what it says.
#[must_use]
pub fn degraded(api_server: &Object) -> Option<String> {
    all_conditions(api_server).find(|(name, status, _)| name.ends_with("Degraded") && *status == "True").map(
        |(name, _, message)| format!("{name}: {}", if message.is_empty() { "no reason is given" } else { message }),
    )
}

/// Why a further change would come at a bad time: something is degraded, or a rollout is under way.
#[must_use]
pub fn unrest(api_server: &Object) -> Option<String> {
    let mut report = Report::default();
    conditions(api_server, &mut report);
    revisions(api_server, &mut report);
    report.into_findings().iter().next().map(|finding| finding.message.clone())
}

/// Whether every node has got a new revision after a moment (as Kubernetes writes times, which sort as text).
#[must_use]
pub fn has_rolled_out_since(api_server: &Object, moment: &str) -> bool {
    let text = |condition: &Value, field| condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    !moment.is_empty()
        && api_server.list("/status/conditions").iter().any(|condition| {
            text(condition, "type") == "NodeInstallerProgressing"
                && text(condition, "status") == "False"
                && text(condition, "lastTransitionTime").as_str() > moment
        })
}

/// What the operator made of the `Authentication`: the live truth before it is rolled out.
fn observed(authentication: &Authentication<'_>, api_server: &Object, report: &mut Report) {
    let observed = api_server.at("/spec/observedConfig");
    if !observed.is_object() {
        return;
    }
    let arguments = observed.get("apiServerArguments");
    let has = |flag: &str| arguments.and_then(|arguments| arguments.get(flag)).is_some();
    let path = format!("{OBJECT}spec.observedConfig");
    let wants_webhook = authentication.kind == Type::None && !authentication.webhook().is_empty();
    if wants_webhook && !has(WEBHOOK_FLAG) {
        report.error(
            "webhook_not_observed",
            path.clone(),
            "the webhook is not honored because the operator has not taken it over (its configuration has no webhook)",
            "see the condition ConfigObservationDegraded and the findings about the secret",
        );
    }
    if authentication.kind != Type::Oidc && has("authentication-config") {
        report.warning(
            "oidc_still_observed",
            path.clone(),
            "the operator still has the configuration of the type OIDC, with which neither webhook nor metadata is in force",
            "wait some minutes; see the conditions of the authentication operator",
        );
    }
    let metadata = observed.pointer("/authConfig/oauthMetadataFile").and_then(Value::as_str).unwrap_or_default();
    if authentication.kind == Type::None && !authentication.metadata().is_empty() && metadata.is_empty() {
        report.warning(
            "metadata_not_observed",
            path,
            "the OAuth metadata is not served because the operator has not taken it over",
            "with OpenShift 4.19 to 4.22 take the newest release: earlier ones ignore it with the type None",
        );
    }
}

fn cluster_operator(operator: &Object, authentication: Option<&Authentication<'_>>, report: &mut Report) {
    let name = operator.name();
    if !matches!(name, "kube-apiserver" | "authentication") {
        return;
    }
    // With another webhook than its own, what the authentication operator misses is not what logins depend on.
    let is_own = authentication.is_some_and(|authentication| {
        authentication.kind == Type::Integrated || authentication.webhook() == INTEGRATED_SECRET
    });
    let matters = name == "kube-apiserver" || is_own;
    for (kind, bad) in [("Degraded", "True"), ("Available", "False")] {
        let Some((status, message)) = condition(operator, kind) else { continue };
        if status != bad {
            continue;
        }
        let path = format!("clusteroperator/{name}:status.conditions.{kind}");
        let message = format!("{kind} is {bad}: {}", if message.is_empty() { "no reason is given" } else { message });
        if matters {
            report.error(
                "cluster_operator_degraded",
                path,
                message,
                "mend what it names; until then nothing new is rolled out",
            );
        } else {
            report.warning(
                "cluster_operator_degraded",
                path,
                message,
                "see whether it is about the integrated OAuth server alone",
            );
        }
    }
    if condition(operator, "Progressing").is_some_and(|(status, _)| status == "True") && matters {
        let path = format!("clusteroperator/{name}:status.conditions.Progressing");
        report.info(
            "cluster_operator_progressing",
            path,
            format!("{name} is rolling something out"),
            "wait before you apply more",
        );
    }
    if condition(operator, "Upgradeable").is_some_and(|(status, _)| status == "False") {
        let path = format!("clusteroperator/{name}:status.conditions.Upgradeable");
        let message = condition(operator, "Upgradeable").map(|(_, message)| message).unwrap_or_default();
        report.warning(
            "cluster_operator_not_upgradeable",
            path,
            format!("the cluster cannot be upgraded: {message}"),
            "mend what it names",
        );
    }
}
