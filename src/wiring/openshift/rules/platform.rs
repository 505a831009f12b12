//! What kind of cluster it is, and whether a webhook can be had there at all.

use serde_json::Value;

use super::super::objects::{Kind, Object, Objects};
use super::Report;

/// The versions whose first releases do not serve metadata with the type None: the minor versions of 4.
const IGNORES_METADATA: std::ops::RangeInclusive<u32> = 19..=22;

pub(super) fn check(objects: &Objects, report: &mut Report) {
    if let Some(infrastructure) = objects.named(Kind::Infrastructure, "cluster") {
        topology(infrastructure, report);
        managed(infrastructure, report);
    }
    microshift(objects, report);
    if let Some(cluster_version) = objects.named(Kind::ClusterVersion, "version") {
        version(cluster_version, objects, report);
        upgrade(cluster_version, report);
    }
}

fn topology(infrastructure: &Object, report: &mut Report) {
    const PATH: &str = "infrastructure/cluster:status.controlPlaneTopology";
    match infrastructure.text("/status/controlPlaneTopology") {
        "External" => report.error(
            "platform_hosted",
            PATH,
            "the webhook is not honored because the control plane is hosted (HyperShift, ROSA HCP, ARO HCP): its \
             kube-apiserver always asks the built-in webhook, and the cluster's Authentication is overwritten",
            "configure your provider as type OIDC in HostedCluster.spec.configuration.authentication (ROSA HCP: created with \
             --external-auth-providers-enabled, then rosa create external-auth-provider)",
        ),
        "SingleReplica" => report.warning(
            "platform_single_node",
            PATH,
            "with a single control-plane node the API is away during each rollout; a revision that does not start is rolled \
             back to the last good one",
            "apply it when the API may be away for some minutes",
        ),
        _ => {}
    }
}

/// ROSA classic and OpenShift Dedicated mark what they create.
fn managed(infrastructure: &Object, report: &mut Report) {
    let tags = infrastructure.list("/status/platformStatus/aws/resourceTags").iter();
    let labels = infrastructure.list("/status/platformStatus/gcp/resourceLabels").iter();
    let is_mark = |tag: &Value| {
        let text = |name| tag.get(name).and_then(Value::as_str).unwrap_or_default();
        text("key") == "red-hat-managed" && text("value") == "true"
    };
    if infrastructure.text("/status/controlPlaneTopology") != "External" && tags.chain(labels).any(is_mark) {
        report.warning(
            "platform_managed",
            "infrastructure/cluster:status.platformStatus",
            "this is a managed cluster (ROSA or OpenShift Dedicated): a webhook of your own is technically possible and not \
             supported by its operators",
            "ask Red Hat's support before you apply it",
        );
    }
}

fn microshift(objects: &Objects, report: &mut Report) {
    let is_microshift = |object: &Object| object.name() == "microshift-version" && object.namespace() == "kube-public";
    if objects.of(Kind::ConfigMap).any(is_microshift) {
        report.error(
            "platform_microshift",
            "configmap/microshift-version",
            "the webhook is not honored because this is MicroShift, which has no Authentication and no setting for the API \
             server's webhook",
            "use client certificates or service-account tokens there",
        );
    }
}

fn version(cluster_version: &Object, objects: &Objects, report: &mut Report) {
    const PATH: &str = "clusterversion/version:status.desired.version";
    let Some((major, minor)) = numbers(cluster_version) else { return };
    if major > 4 {
        return;
    }
    if major < 4 || minor < 6 {
        report.error(
            "version_too_old",
            PATH,
            format!("the webhook is not honored because no operator of OpenShift {major}.{minor} reads the reference"),
            "upgrade to 4.8 or later",
        );
    } else if minor == 6 {
        report.warning(
            "version_v1beta1",
            PATH,
            "OpenShift 4.6 posts reviews of authentication.k8s.io/v1beta1",
            "countersign answers both versions; other webhooks must know v1beta1",
        );
    } else if minor == 7 {
        report.warning(
            "version_blocks_upgrades",
            PATH,
            "OpenShift 4.7 is not upgradeable while a webhook is configured (Upgradeable=False)",
            "upgrade to 4.8 first, then apply the webhook",
        );
    }
    let has_metadata = objects.authentication().is_some_and(|authentication| {
        authentication.text("/spec/type") == "None" && !authentication.text("/spec/oauthMetadata/name").is_empty()
    });
    if has_metadata && IGNORES_METADATA.contains(&minor) {
        report.warning(
            "version_ignores_metadata",
            "spec.oauthMetadata.name",
            format!(
                "the OAuth metadata may not be served because earlier releases of OpenShift 4.{minor} ignore it with the \
                 type None"
            ),
            "take the newest release of this minor version, and compare what the cluster serves (check --kubeconfig does)",
        );
    }
}

fn upgrade(cluster_version: &Object, report: &mut Report) {
    if condition(cluster_version, "Progressing").is_some_and(|(status, _)| status == "True") {
        report.warning(
            "upgrade_in_progress",
            "clusterversion/version:status.conditions",
            "the cluster is being upgraded, and a change of the webhook rolls out the API servers once more",
            "wait until the upgrade is through",
        );
    }
}

/// The version's first two numbers.
fn numbers(cluster_version: &Object) -> Option<(u32, u32)> {
    let desired = cluster_version.text("/status/desired/version");
    let newest = cluster_version.text("/status/history/0/version");
    let version = if desired.is_empty() { newest } else { desired };
    let mut parts = version.split(['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The status and message of a condition.
pub(super) fn condition<'a>(object: &'a Object, name: &str) -> Option<(&'a str, &'a str)> {
    let text = |condition: &'a Value, field| condition.get(field).and_then(Value::as_str).unwrap_or_default();
    object
        .list("/status/conditions")
        .iter()
        .find(|condition| text(condition, "type") == name)
        .map(|condition| (text(condition, "status"), text(condition, "message")))
}
