//! What an operator applies is taken by a real API server.

use crate::support::{ApiServer, Countersign, OidcProvider, Reviews, Rig, Settings};

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn manifest_is_taken_whole_and_without_a_warning() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/kubernetes/countersign.yaml");

    // The rest of a dry run needs the namespace to be there.
    cluster.kubectl.admin(&["create", "namespace", "countersign"]).await;
    cluster
        .kubectl
        .admin(&["label", "namespace", "countersign", "pod-security.kubernetes.io/enforce=restricted"])
        .await;
    let applied = cluster
        .kubectl
        .admin(&[
            "apply",
            "--dry-run=server",
            "--validate=strict",
            "--warnings-as-errors",
            "--output=name",
            "-f",
            manifest,
        ])
        .await;
    assert_eq!(
        applied.lines().collect::<Vec<_>>(),
        [
            "namespace/countersign",
            "deployment.apps/countersign",
            "service/countersign",
            "poddisruptionbudget.policy/countersign",
        ]
    );
}
