//! OpenShift's `Authentication` in a real API server: rendered, applied, checked, reverted. Only what OpenShift's operators would
//! do is played (see [`operators`]); the API, its validation, its conflicts and the login are real.

mod agreement;
mod operators;
mod refusals;
mod stage;

use serde_json::{Value, json};

use self::stage::Stage;
use crate::support::RESOURCE;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn rendered_webhook_is_applied_checked_asked_and_taken_out_again() {
    let stage = Stage::new().await;
    let kubectl = &stage.cluster.kubectl;

    // The API server asks by the secret's own kubeconfig: a login goes through.
    let token = stage.provider.tokens.with(RESOURCE, json!({"sub": "alice", "groups": ["dev"]})).await;
    assert_eq!(kubectl.whoami(&token).await.unwrap()["username"], "alice");

    // The dry run changes nothing.
    let before = stage.secrets().await;
    let rehearsed = stage.apply(&["--force-conflicts", "--dry-run"]).await;
    assert_eq!(rehearsed.status.code(), Some(0), "{}", text(&rehearsed.stderr));
    assert_eq!(
        (stage.secrets().await, stage.field("authentication/cluster", ".spec.type").await),
        (before, "IntegratedOAuth".to_owned())
    );

    let applied = stage.apply(&["--force-conflicts"]).await;
    assert_eq!(applied.status.code(), Some(0), "{}{}", text(&applied.stdout), text(&applied.stderr));
    let said: Vec<String> = text(&applied.stdout).lines().take(4).map(str::to_owned).collect();
    assert_eq!(
        said,
        [
            "secret/countersign-webhook created",
            "configmap/countersign-oauth-metadata created",
            "authentication/cluster changed",
            "every API server has revision 8",
        ]
    );
    assert!(text(&applied.stderr).contains("master-0"), "progress per node: {}", text(&applied.stderr));
    assert_eq!(
        stage.field("authentication/cluster", ".spec").await.parse::<Value>().unwrap(),
        json!({
            "type": "None",
            "webhookTokenAuthenticator": {"kubeConfig": {"name": "countersign-webhook"}},
            "oauthMetadata": {"name": "countersign-oauth-metadata"},
        })
    );

    // Checked live, with a review by the secret's own kubeconfig.
    let checked = stage.openshift(&["check", "--probe", "--output=json"]).await;
    let findings: Value = serde_json::from_slice(&checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(0), "{findings:#}");
    let codes: Vec<&str> =
        findings["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"probe_refused") && codes.contains(&"server_loopback"), "{codes:?}");
    let probed = stage.openshift(&["check", "--probe", &token]).await;
    assert_eq!(probed.status.code(), Some(0), "{}", text(&probed.stdout));
    assert!(text(&probed.stdout).contains("accepted the token as \"alice\""), "{}", text(&probed.stdout));

    // The same again is nothing to do, and says how the cluster is.
    let again = stage.apply(&[]).await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let unchanged = "secret/countersign-webhook unchanged\nconfigmap/countersign-oauth-metadata unchanged\nauthentication/cluster unchanged\n";
    assert!(text(&again.stdout).starts_with(unchanged), "{}", text(&again.stdout));

    let reverted = stage.openshift(&["revert", "--delete-secret", "--output=json"]).await;
    assert_eq!(reverted.status.code(), Some(0), "{}{}", text(&reverted.stdout), text(&reverted.stderr));
    let mut report: Value = serde_json::from_slice(&reverted.stdout).unwrap();
    // The operator may see the two changes at once or one after the other.
    let rollout = report["rollout"].take();
    assert!(["9", "10"].map(|revision| json!(format!("every API server has revision {revision}"))).contains(&rollout));
    assert_eq!(
        report,
        json!({
            "objects": [
                "authentication/cluster changed",
                "secret/countersign-webhook deleted",
                "configmap/countersign-oauth-metadata deleted",
            ],
            "rollout": null,
            "findings": [],
        })
    );
    assert_eq!(
        stage.field("authentication/cluster", ".spec").await.parse::<Value>().unwrap(),
        json!({
            "type": "IntegratedOAuth",
            "webhookTokenAuthenticator": {"kubeConfig": {"name": "webhook-authentication-integrated-oauth"}},
        })
    );
    assert_eq!(stage.secrets().await, "secret/webhook-authentication-integrated-oauth\n");
}
