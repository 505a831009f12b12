//! What a cluster says of itself: platform, version, operators, and what it serves.

use serde_json::{Value, json};

use super::super::{Circumstances, Served};
use super::world::{GONE, NOW, found, now, objects, set, well};

type Row = (&'static [(&'static str, &'static str)], &'static str);

const CONDITION: &str = "api_server/status/conditions/0/status";

/// Changes (path and JSON) to a cluster in which all is well, and what is found then.
const ROWS: &[Row] = &[
    (
        &[("infrastructure/status/controlPlaneTopology", "\"External\"")],
        "error platform_hosted infrastructure/cluster:status.controlPlaneTopology",
    ),
    (
        &[("infrastructure/status/controlPlaneTopology", "\"SingleReplica\"")],
        "warning platform_single_node infrastructure/cluster:status.controlPlaneTopology",
    ),
    (
        &[(
            "infrastructure/status/platformStatus/aws/resourceTags",
            r#"[{"key": "red-hat-managed", "value": "true"}]"#,
        )],
        "warning platform_managed infrastructure/cluster:status.platformStatus",
    ),
    (&[("infrastructure/status/platformStatus/aws/resourceTags", r#"[{"key": "team", "value": "true"}]"#)], ""),
    (
        &[(
            "microshift",
            r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "microshift-version", "namespace": "kube-public"}}"#,
        )],
        "error platform_microshift configmap/microshift-version",
    ),
    (
        &[("version/status/desired/version", "\"4.5.41\"")],
        "error version_too_old clusterversion/version:status.desired.version",
    ),
    (
        &[("version/status/desired/version", "\"4.1.0\"")],
        "error version_too_old clusterversion/version:status.desired.version",
    ),
    (
        &[("version/status/desired/version", "\"3.11.784\"")],
        "error version_too_old clusterversion/version:status.desired.version",
    ),
    (&[("version/status/desired/version", "\"4.8.0-fc.3\"")], ""),
    (&[("version/status/desired/version", "\"5.0.0\"")], ""),
    (
        &[("version/status/desired/version", "\"4.6.1\"")],
        "warning version_v1beta1 clusterversion/version:status.desired.version",
    ),
    (
        &[("version/status/desired/version", "\"4.7.0\"")],
        "warning version_blocks_upgrades clusterversion/version:status.desired.version",
    ),
    (&[("version/status/desired/version", "\"4.20.1\"")], "warning version_ignores_metadata spec.oauthMetadata.name"),
    (&[("version/status/desired/version", "\"4.20.1\""), ("authentication/spec/oauthMetadata", "\"<gone>\"")], ""),
    (&[("version/status/desired/version", "\"4.23.0-ec.1\"")], ""),
    (&[("version/status/desired/version", "\"latest\"")], ""),
    (
        &[("version/status/conditions/0/status", "\"True\"")],
        "warning upgrade_in_progress clusterversion/version:status.conditions",
    ),
    (
        &[(
            "authentication_2",
            r#"{"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"}}"#,
        )],
        "error authentication_duplicate metadata.name",
    ),
    (
        &[("api_server/spec/managementState", "\"Unmanaged\"")],
        "error operator_unmanaged kubeapiserver/cluster:spec.managementState",
    ),
    (
        &[(CONDITION, "\"True\"")],
        "error operator_degraded kubeapiserver/cluster:status.conditions.ConfigObservationDegraded",
    ),
    (&[(CONDITION, "\"Unknown\"")], ""),
    (
        &[("api_server/status/latestAvailableRevision", "8")],
        "warning revision_pending kubeapiserver/cluster:status.nodeStatuses",
    ),
    (
        &[
            ("api_server/status/nodeStatuses/1/lastFailedRevision", "8"),
            ("api_server/status/latestAvailableRevision", "8"),
        ],
        "error revision_failed kubeapiserver/cluster:status.nodeStatuses, warning revision_pending kubeapiserver/cluster:status.nodeStatuses",
    ),
    (&[("api_server/status/nodeStatuses/1/lastFailedRevision", "6")], ""),
    (
        &[(
            "api_server/spec/unsupportedConfigOverrides/apiServerArguments/authentication-token-webhook-cache-ttl",
            r#"["10s"]"#,
        )],
        "warning operator_override kubeapiserver/cluster:spec.unsupportedConfigOverrides.apiServerArguments.authentication-token-webhook-cache-ttl",
    ),
    (&[("api_server/spec/unsupportedConfigOverrides/apiServerArguments/v", r#"["4"]"#)], ""),
    (
        &[("api_server/spec/observedConfig/apiServerArguments", "{}")],
        "error webhook_not_observed kubeapiserver/cluster:spec.observedConfig",
    ),
    (
        &[("api_server/spec/observedConfig/apiServerArguments/authentication-config", r#"["x"]"#)],
        "warning oidc_still_observed kubeapiserver/cluster:spec.observedConfig",
    ),
    (
        &[("api_server/spec/observedConfig/authConfig/oauthMetadataFile", "\"\"")],
        "warning metadata_not_observed kubeapiserver/cluster:spec.observedConfig",
    ),
    (
        &[("operator/status/conditions/0/status", "\"True\"")],
        "error cluster_operator_degraded clusteroperator/kube-apiserver:status.conditions.Degraded",
    ),
    (
        &[("operator/status/conditions/1/status", "\"False\"")],
        "error cluster_operator_degraded clusteroperator/kube-apiserver:status.conditions.Available",
    ),
    (
        &[("operator/metadata/name", "\"authentication\""), ("operator/status/conditions/0/status", "\"True\"")],
        "warning cluster_operator_degraded clusteroperator/authentication:status.conditions.Degraded",
    ),
    (&[("operator/metadata/name", "\"dns\""), ("operator/status/conditions/0/status", "\"True\"")], ""),
    (
        &[("operator/status/conditions/2", r#"{"type": "Progressing", "status": "True"}"#)],
        "info cluster_operator_progressing clusteroperator/kube-apiserver:status.conditions.Progressing",
    ),
    (
        &[("operator/status/conditions/2", r#"{"type": "Upgradeable", "status": "False"}"#)],
        "warning cluster_operator_not_upgradeable clusteroperator/kube-apiserver:status.conditions.Upgradeable",
    ),
    (
        &[("authentication/spec/serviceAccountIssuer", "\"https://sa.example.com\"")],
        "info service_account_issuer_pending spec.serviceAccountIssuer, info service_account_issuer_custom spec.serviceAccountIssuer",
    ),
    (
        &[("authentication/spec/serviceAccountIssuer", "\"https://sa example\"")],
        "error service_account_issuer_invalid spec.serviceAccountIssuer",
    ),
    (&[("authentication/spec/serviceAccountIssuer", "\"no-url\"")], ""),
    (
        &[("authentication/spec/serviceAccountIssuer", "\"http://sa.example.com\"")],
        "warning service_account_issuer_without_discovery spec.serviceAccountIssuer",
    ),
    (
        &[(
            "api_server/status/serviceAccountIssuers",
            r#"[{"name": "https://old", "expirationTime": "2027-01-16T08:00:00Z"}]"#,
        )],
        "info service_account_issuer_former kubeapiserver/cluster:status.serviceAccountIssuers",
    ),
    // Its time is over, so that nothing of it counts any more.
    (
        &[
            ("metadata/issuer", "\"https://old\""),
            (
                "api_server/status/serviceAccountIssuers",
                r#"[{"name": "https://old", "expirationTime": "2027-01-15T07:59:59Z"}]"#,
            ),
        ],
        "",
    ),
    (
        &[
            ("authentication/spec/serviceAccountIssuer", "\"https://sa.example.com\""),
            (
                "api_server/status/serviceAccountIssuers",
                r#"[{"name": "1"}, {"name": "2"}, {"name": "3"}, {"name": "4"}, {"name": "5"}, {"name": "6"}, {"name": "7"}, {"name": "8"}, {"name": "9"}, {"name": "10"}]"#,
            ),
        ],
        "error service_account_issuers_full kubeapiserver/cluster:status.serviceAccountIssuers",
    ),
    (
        &[
            ("metadata/issuer", "\"https://old\""),
            (
                "api_server/status/serviceAccountIssuers",
                r#"[{"name": "https://old", "expirationTime": "2027-01-16T08:00:00Z"}]"#,
            ),
        ],
        "error issuer_of_service_accounts configmap/meta:data.oauthMetadata.issuer",
    ),
];

const SERVED: &str = "metadata_served metadata_served_differs metadata_served_unknown metadata_not_served";

/// What the cluster serves, and what is found then.
fn served_rows() -> Vec<(Served, &'static str)> {
    let document = well()["metadata"].to_string();
    vec![
        (Served::Document(format!("{document}\n")), "info metadata_served spec.oauthMetadata.name"),
        (Served::Document("{}".to_owned()), "warning metadata_served_differs spec.oauthMetadata.name"),
        (Served::Forbidden, "info metadata_served_unknown spec.oauthMetadata.name"),
        (Served::Nothing, "warning metadata_not_served spec.oauthMetadata.name"),
    ]
}

/// What is not there in a cluster, where documents alone would prove nothing.
const MISSING: &[(&str, &str, &str)] = &[
    ("authentication", GONE, "error authentication_missing metadata.name"),
    ("secret", "null", "error secret_missing spec.webhookTokenAuthenticator.kubeConfig.name"),
    ("config_map", "null", "error metadata_missing spec.oauthMetadata.name"),
];

pub(super) fn rows() -> impl Iterator<Item = &'static str> {
    ROWS.iter()
        .map(|(_, expected)| *expected)
        .chain(served_rows().into_iter().map(|(_, expected)| expected))
        .chain(MISSING.iter().map(|(.., expected)| *expected))
}

#[test]
fn the_cluster_is_one_that_honors_webhooks_and_has_rolled_this_one_out() {
    for (changes, expected) in ROWS {
        let mut world = well();
        for (path, value) in *changes {
            set(&mut world, path, serde_json::from_str(value).unwrap());
        }
        assert_eq!(found(&objects(world), &now(), expected), *expected, "{changes:?}");
    }
}

#[test]
fn what_is_served_is_what_the_config_map_has() {
    for (served, expected) in served_rows() {
        let circumstances = Circumstances { now: NOW, served: Some(served) };
        assert_eq!(found(&objects(well()), &circumstances, SERVED), expected);
    }
}

#[test]
fn what_a_cluster_does_not_have_is_missing() {
    for (what, value, expected) in MISSING {
        let mut world = well();
        set(&mut world, what, if *value == "null" { Value::Null } else { json!(value) });
        let mut without = objects(world);
        without.is_complete = true;
        assert_eq!(found(&without, &now(), expected), *expected);
    }
}
