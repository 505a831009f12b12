//! What the API or somebody at it does not allow, and what is said then.

use std::path::Path;
use std::time::Duration;

use countersign::wiring::openshift::apply::{self, Applying, End, Operator, Pace, Plan, Question};
use countersign::wiring::openshift::cluster::{Change, Cluster, Refusal};
use countersign::wiring::openshift::live::AUTHENTICATION_PATH;
use countersign::wiring::openshift::objects::Objects;
use serde_json::{Value, json};

use super::operators::apply as make;
use super::stage::Stage;
use super::text;
use crate::support::{SOON, eventually, kubeconfig};

/// As quick as the operators of these tests are.
const PACE: Pace = Pace {
    interval: Duration::from_millis(100),
    timeout: Duration::from_secs(60),
    settle: Duration::from_secs(30),
    steady: Duration::from_secs(2),
    inertia: Duration::from_secs(2),
};

/// Somebody who agrees to everything and writes down what is said.
#[derive(Default)]
struct Agreeable(std::sync::Mutex<Vec<String>>);

impl Operator for Agreeable {
    fn agrees(&self, _: &Question) -> bool {
        true
    }

    fn hears(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

fn cluster(stage: &Stage) -> Cluster {
    Cluster::connect(vec![stage.cluster.kubectl.admin_kubeconfig().to_owned()], None).unwrap()
}

fn plan(file: &Path) -> Plan {
    let mut objects = Objects::default();
    objects.read(&std::fs::read_to_string(file).unwrap(), "manifest").unwrap();
    Plan::new(&objects).unwrap()
}

/// An admission policy for what happens to `Authentication`s, in force when this returns.
async fn policy(stage: &Stage, action: &str, expression: &str, message: &str) {
    let kubectl = &stage.cluster.kubectl;
    make(
        kubectl,
        &json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "test"},
            "spec": {
                "matchConstraints": {"resourceRules": [{"apiGroups": ["config.openshift.io"], "apiVersions": ["v1"],
                    "operations": ["UPDATE"], "resources": ["authentications"]}]},
                "validations": [{"expression": expression, "message": message}],
            },
        }),
        "test",
    )
    .await;
    make(
        kubectl,
        &json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "test"},
            "spec": {"policyName": "test", "validationActions": [action]},
        }),
        "test",
    )
    .await;
    let canary = r#"{"spec":{"serviceAccountIssuer":"canary"}}"#;
    eventually("the policy is in force", SOON, async || {
        let patch = ["patch", "authentication", "cluster", "--type=merge", "--patch", canary, "--field-manager=canary"];
        match kubectl.try_admin(&[&patch[..], &["--warnings-as-errors"]].concat()).await {
            Err(error) if error.contains(message) => Ok(()),
            answer => {
                let undo = r#"{"spec":{"serviceAccountIssuer":null}}"#;
                let _ =
                    kubectl.try_admin(&["patch", "authentication", "cluster", "--type=merge", "--patch", undo]).await;
                Err(format!("{answer:?}"))
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn nothing_is_taken_from_other_field_managers_without_being_told_to() {
    let stage = Stage::new().await;
    let before = stage.secrets().await;

    let stopped = stage.apply(&[]).await;
    assert_eq!(stopped.status.code(), Some(1));
    let said = text(&stopped.stderr);
    for part in [
        "spec.type (set by cluster-bootstrap)",
        "spec.webhookTokenAuthenticator.kubeConfig.name (set by authentication-operator)",
        "--force-conflicts takes them over; nothing was changed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(stage.secrets().await, before);

    // Somebody at a terminal is asked, and their no counts.
    let (code, screen) = stage.apply_at_a_terminal(&[], "n").await;
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("These fields belong to others:") && screen.contains("nothing was changed"), "{screen}");
    assert_eq!(stage.secrets().await, before);

    // Nor from a secret of that name that somebody else made.
    let theirs = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "countersign-webhook", "namespace": "openshift-config"},
        "data": {"kubeConfig": "dGhlaXJz"}});
    make(&stage.cluster.kubectl, &theirs, "somebody").await;
    let stopped = stage.apply(&[]).await;
    assert_eq!(stopped.status.code(), Some(1));
    let said = text(&stopped.stderr);
    assert!(said.contains("secret/countersign-webhook.data.kubeConfig (conflict with \"somebody\")"), "{said}");

    // Their yes counts too, for each object.
    let (code, screen) = stage.apply_at_a_terminal(&["--wait=false", "--dry-run"], "y\ny").await;
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("all of it passed the dry run"), "{screen}");

    let taken = stage.apply(&["--force-conflicts", "--wait=false"]).await;
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken.stderr));
    assert!(text(&taken.stdout).starts_with("secret/countersign-webhook changed\n"), "{}", text(&taken.stdout));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn strict_validation_and_stale_versions_are_understood_in_each_form() {
    let stage = Stage::new().await;
    let cluster = cluster(&stage);
    let refusal = async |body: Value, change: Change| -> Refusal {
        let error = cluster.change(AUTHENTICATION_PATH, &body, change, true).await.unwrap_err();
        error.refusal().unwrap_or_else(|| panic!("{error}")).clone()
    };
    let kind =
        json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"}});
    let with = |spec: Value| {
        let mut object = kind.clone();
        object["spec"] = spec;
        object
    };

    let merged = refusal(json!({"spec": {"audiences": []}}), Change::Merge).await;
    assert_eq!((merged.status.as_u16(), merged.is_invalid()), (422, true), "{merged}");
    assert!(merged.to_string().contains(r#"unknown field "spec.audiences""#), "{merged}");
    let applied = refusal(with(json!({"audiences": []})), Change::Apply { force: true }).await;
    assert!(applied.is_invalid() && applied.to_string().contains("audiences"), "{applied}");

    let mut renamed = with(json!({}));
    renamed["metadata"]["name"] = "other".into();
    let renamed = refusal(renamed, Change::Apply { force: true }).await;
    assert_eq!((renamed.status.as_u16(), renamed.is_invalid()), (400, true), "{renamed}");

    let enumerated = refusal(json!({"spec": {"type": "none"}}), Change::Merge).await;
    assert_eq!(enumerated.status.as_u16(), 422);
    assert_eq!(enumerated.causes[0].field, "spec.type", "{enumerated:?}");

    let stale = refusal(json!({"metadata": {"resourceVersion": "1"}, "spec": {"type": "None"}}), Change::Merge).await;
    assert!(stale.is_stale(), "{stale}");
    let owned = refusal(with(json!({"type": "None"})), Change::Apply { force: false }).await;
    assert!(owned.is_field_conflict() && !owned.is_stale(), "{owned}");

    // Through the command: a label that our own check does not look at, on a secret.
    let manifest = std::fs::read_to_string(&stage.manifest).unwrap();
    std::fs::write(&stage.manifest, manifest.replacen("labels:\n", "labels:\n    no label: x\n", 1)).unwrap();
    let stopped = stage.apply(&["--force-conflicts"]).await;
    let said = text(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(1), "{said}");
    assert!(said.contains("secret/countersign-webhook (dry run): ") && said.contains("no label"), "{said}");
    assert!(said.contains("mend the document; nothing was changed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn warnings_of_the_api_server_are_shown() {
    let stage = Stage::new().await;
    policy(
        &stage,
        "Warn",
        "object.spec.type == 'IntegratedOAuth' && !has(object.spec.serviceAccountIssuer)",
        "think again",
    )
    .await;
    let applied = stage.apply(&["--force-conflicts", "--dry-run"]).await;
    let said = text(&applied.stderr);
    assert_eq!(applied.status.code(), Some(0), "{said}");
    assert!(said.contains("authentication/cluster: the API server warns: ") && said.contains("think again"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn what_stops_half_way_says_what_was_done_and_how_to_go_on() {
    let stage = Stage::new().await;
    // The rehearsal goes through; in earnest the last step does not.
    policy(
        &stage,
        "Deny",
        "request.dryRun || object.spec.type != 'None' && !has(object.spec.serviceAccountIssuer)",
        "not today",
    )
    .await;
    let stopped = stage.apply(&["--force-conflicts"]).await;
    let said = text(&stopped.stderr);
    assert_eq!(stopped.status.code(), Some(1), "{said}");
    for part in [
        "authentication/cluster: 422 Invalid",
        "not today",
        "done before: secret/countersign-webhook created, configmap/countersign-oauth-metadata created",
        "run the same command again to go on",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(stage.field("authentication/cluster", ".spec.type").await, "IntegratedOAuth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn rollouts_are_followed_to_a_good_or_a_bad_end() {
    let stage = Stage::new().await;
    let (cluster, operator) = (cluster(&stage), Agreeable::default());
    let how = Applying { dry_run: false, force_conflicts: true };

    stage.operators.fail();
    let applied = apply::apply(&cluster, &plan(&stage.manifest), how, &operator).await.unwrap();
    let end = apply::follow(&cluster, applied.follow.unwrap(), &PACE, &operator).await;
    assert_eq!(end, End::Degraded("revision 8 did not start on master-0: InstallerFailed".to_owned()));

    // Checked live, it is said too.
    let checked = stage.openshift(&["check"]).await;
    assert_eq!(checked.status.code(), Some(1));
    assert!(text(&checked.stdout).contains("revision 8 did not start on master-0"), "{}", text(&checked.stdout));

    // And nothing is deleted while a node is behind.
    let reverted =
        apply::revert(&cluster, apply::Reverting { dry_run: false, force_conflicts: true }, &operator).await.unwrap();
    assert!(reverted.leftovers.released(&cluster, &PACE).await.unwrap());
    stage.operators.stop();
    let refused = reverted.leftovers.delete(&cluster, false).await.unwrap_err();
    assert!(refused.to_string().starts_with("nothing is deleted: a kube-apiserver may still need it"), "{refused}");

    // With nobody to roll it out, waiting ends.
    let impatient = Pace { timeout: Duration::from_secs(1), ..PACE };
    let end = apply::follow(&cluster, reverted.follow.unwrap(), &impatient, &operator).await;
    assert!(matches!(end, End::TimedOut(_) | End::Degraded(_)), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn what_would_not_be_honored_is_not_applied() {
    let stage = Stage::new().await;
    let manifest = std::fs::read_to_string(&stage.manifest).unwrap();
    let before = stage.secrets().await;

    // The API would take it; the operator would not.
    let alone = manifest.split("---\n").find(|document| document.contains("kind: Authentication")).unwrap();
    std::fs::write(&stage.manifest, alone).unwrap();
    let refused = stage.apply(&["--force-conflicts"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("nothing was changed"), "{}", text(&refused.stderr));
    let said = text(&refused.stdout);
    assert!(said.contains("there is no secret openshift-config/countersign-webhook"), "{said}");

    // On a hosted control plane nothing of it would be.
    std::fs::write(&stage.manifest, manifest).unwrap();
    let hosted = r#"{"status":{"controlPlaneTopology":"External"}}"#;
    let patch = ["patch", "infrastructure", "cluster", "--subresource=status", "--type=merge", "--patch", hosted];
    stage.cluster.kubectl.admin(&patch).await;
    let refused = stage.apply(&["--force-conflicts", "--output=json"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let document: Value = serde_json::from_slice(&refused.stdout).unwrap();
    let codes: Vec<&Value> = document["findings"].as_array().unwrap().iter().map(|found| &found["code"]).collect();
    assert!(codes.contains(&&json!("platform_hosted")) && document["objects"] == json!([]), "{document:#}");
    assert_eq!(stage.secrets().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs tests/real/setup.sh"]
async fn the_documented_rights_are_enough_and_without_them_it_is_said_what_is_missing() {
    let stage = Stage::new().await;
    let kubectl = &stage.cluster.kubectl;
    let identity = stage.rig.callers.client("webhook-administrator", None);
    let url = kubectl.admin(&["config", "view", "--output=jsonpath={.clusters[0].cluster.server}"]).await;
    let kubeconfig = kubeconfig::write(&stage.rig, "limited", &url, &stage.rig.servers, Some(&identity));
    let manifest = stage.manifest.to_str().unwrap();
    let apply = ["apply", "-f", manifest, "--force-conflicts", "--wait=false"];

    let refused = stage.openshift_as(&kubeconfig, &apply).await;
    assert_eq!(refused.status.code(), Some(3));
    let said = text(&refused.stderr);
    assert!(said.contains("403 Forbidden") && said.contains("authentications"), "{said}");

    let rights = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/openshift/administrator.yaml");
    kubectl.admin(&["apply", "-f", rights]).await;
    let name = "countersign-webhook-administrator";
    let whom = "--user=webhook-administrator";
    kubectl.admin(&["create", "clusterrolebinding", name, &format!("--clusterrole={name}"), whom]).await;
    kubectl
        .admin(&["create", "rolebinding", name, &format!("--role={name}"), whom, "--namespace=openshift-config"])
        .await;
    eventually("the rights are there", SOON, async || {
        let may = ["auth", "can-i", "patch", "secrets", "--namespace=openshift-config", "--as=webhook-administrator"];
        kubectl.try_admin(&may).await.map(drop)
    })
    .await;

    let applied = stage.openshift_as(&kubeconfig, &apply).await;
    assert_eq!(applied.status.code(), Some(0), "{}", text(&applied.stderr));
    let checked = stage.openshift_as(&kubeconfig, &["check", "--output=json"]).await;
    let findings: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let unread =
        findings["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "not_readable").count();
    assert_eq!(unread, 0, "{findings:#}");
}
