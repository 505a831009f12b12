//! Questions, and what happens before and after them, in a cluster that is played.

use std::sync::Mutex;

use http::Method;
use serde_json::{Value, json};

use super::super::live::{API_SERVER_PATH, AUTHENTICATION_PATH, FEATURE_GATES_PATH};
use super::super::objects::Objects;
use super::super::played::{Played, SECRET, at_rest, authentication, webhook};
use super::*;

impl Played {
    async fn apply(&self, person: &Person) -> Result<Applied, Stop> {
        apply(&self.cluster, &plan(), Applying::default(), person).await
    }

    async fn revert(&self, person: &Person) -> Result<Reverted, Stop> {
        revert(&self.cluster, Reverting::default(), person).await
    }
}

fn ours() -> Value {
    json!({"kind": "Secret", "metadata": {"name": "hook", "uid": "u", "labels": {"app.kubernetes.io/managed-by": "countersign"}}})
}

fn plan() -> Plan {
    let mut objects = Objects::default();
    objects.add(json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"}, "spec": webhook()}));
    objects.add(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "data": {"kubeConfig": "YQ=="}}),
    );
    Plan::new(&objects).unwrap()
}

/// Somebody with one answer to everything, who remembers what they were asked.
struct Person {
    answer: bool,
    asked: Mutex<Vec<Question>>,
}

impl Person {
    fn who(answer: bool) -> Self {
        Self { answer, asked: Mutex::default() }
    }

    fn asked(&self) -> Vec<Question> {
        self.asked.lock().unwrap().clone()
    }
}

impl Operator for Person {
    fn agrees(&self, question: &Question) -> bool {
        self.asked.lock().unwrap().push(question.clone());
        self.answer
    }

    fn hears(&self, _: &str) {}
}

fn conflict(field: &str) -> Question {
    Question::Conflict { fields: vec![field.to_owned()] }
}

fn type_of_others() -> Question {
    conflict("spec.type (set by cluster-bootstrap)")
}

const PATCH_SECRET: &str = "PATCH /api/v1/namespaces/openshift-config/secrets/hook";
const PATCH_AUTHENTICATION: &str = "PATCH /apis/config.openshift.io/v1/authentications/cluster";

#[tokio::test]
async fn fields_of_others_are_taken_over_when_a_person_agrees() {
    let played = Played::start().await;
    let person = Person::who(true);
    let applied = played.apply(&person).await.unwrap();
    assert_eq!(applied.objects, ["secret/hook created", "authentication/cluster changed"]);
    assert_eq!(person.asked(), [type_of_others()]);
    assert_eq!(played.changes(), [PATCH_SECRET, PATCH_AUTHENTICATION]);
}

#[tokio::test]
async fn nothing_is_changed_when_a_person_does_not_agree() {
    let played = Played::start().await;
    let stop = played.apply(&Person::who(false)).await.unwrap_err();
    assert_eq!(
        stop.to_string(),
        "stopped, because fields belong to others: spec.type (set by cluster-bootstrap); --force-conflicts takes them over; \
         nothing was changed"
    );
    assert!(stop.is_refusal());
    assert_eq!(played.changes(), [""; 0]);
}

#[tokio::test]
async fn a_secret_of_somebody_else_is_asked_about_and_taken_by_force() {
    let played = Played::start().await;
    played.state().owner = Some("somebody");
    let person = Person::who(true);
    played.apply(&person).await.unwrap();
    let field = "secret/hook.data.kubeConfig (conflict with \"somebody\")";
    assert_eq!(person.asked(), [conflict(field), type_of_others()]);
    assert_eq!(played.changes(), [format!("{PATCH_SECRET} by force"), PATCH_AUTHENTICATION.to_owned()]);
}

#[tokio::test]
async fn force_beforehand_asks_nobody() {
    let played = Played::start().await;
    played.state().owner = Some("somebody");
    let person = Person::who(false);
    let how = Applying { dry_run: false, force_conflicts: true };
    apply(&played.cluster, &plan(), how, &person).await.unwrap();
    assert_eq!((person.asked(), played.changes().len()), (Vec::new(), 2));
}

#[tokio::test]
async fn ones_own_credential_and_a_rollout_under_way_are_risks_to_be_agreed_to() {
    let played = Played::with_token("sha256~of-the-integrated-server").await;
    let mut restless = at_rest();
    restless["status"]["latestAvailableRevision"] = 8.into();
    played.put(API_SERVER_PATH, restless);
    let person = Person::who(true);
    played.apply(&person).await.unwrap();
    let asked = person.asked();
    let [Question::Risk(credential), Question::Risk(rollout), Question::Conflict { .. }] = asked.as_slice() else {
        panic!("{asked:?}")
    };
    assert!(credential.starts_with("your own credential is a token of the integrated OAuth server"), "{credential}");
    assert!(rollout.starts_with("the API servers are not at rest: "), "{rollout}");

    let declined = played.revert(&Person::who(false)).await.unwrap_err().to_string();
    assert!(declined.ends_with("--yes goes on all the same; nothing was changed"), "{declined}");
}

#[tokio::test]
async fn a_stop_half_way_says_what_may_be_deleted() {
    for (spec, next) in [
        (json!({"type": "None"}), "nothing is in force: run the same command again to go on, or delete what was made"),
        (webhook(), "the Authentication refers to it already, so it is being rolled out: delete nothing"),
    ] {
        let played = Played::start().await;
        played.put(AUTHENTICATION_PATH, authentication(&spec));
        // Something is left to be changed in the last step.
        let mut objects = Objects::default();
        let mut wanted = webhook();
        wanted["serviceAccountIssuer"] = "https://other".into();
        objects.add(json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"}, "spec": wanted}));
        objects.add(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "data": {"kubeConfig": "YQ=="}}),
        );
        played.trouble(Method::PATCH, AUTHENTICATION_PATH, 403, json!({"message": "not today"}));
        let stop = apply(&played.cluster, &Plan::new(&objects).unwrap(), Applying::default(), &Person::who(true)).await;
        let said = stop.unwrap_err().to_string();
        assert!(said.contains("403 Forbidden: not today") && said.contains(next), "{said}");
        assert!(said.contains("done before: secret/hook created"), "{said}");
    }
}

#[tokio::test]
async fn a_last_step_without_an_answer_is_not_said_to_have_changed_nothing() {
    let played = Played::start().await;
    played.trouble(Method::PATCH, AUTHENTICATION_PATH, 502, json!({"message": "not today"}));
    let stop = played.apply(&Person::who(true)).await.unwrap_err();
    let said = stop.to_string();
    assert!(!stop.is_refusal());
    assert!(said.contains("whether it was changed is not known: delete nothing, see openshift check"), "{said}");
    assert!(said.ends_with("done before: secret/hook created; the Authentication may refer to it by now"), "{said}");

    played.put(AUTHENTICATION_PATH, authentication(&webhook()));
    let said = played.revert(&Person::who(true)).await.unwrap_err().to_string();
    assert!(said.contains("whether it was changed is not known") && !said.contains("nothing was changed"), "{said}");
}

/// What is left when the type has been set back, and the operator's own reference is restored.
async fn leftovers(played: &Played) -> Leftovers {
    played.put(SECRET, ours());
    played.put(AUTHENTICATION_PATH, authentication(&webhook()));
    let leftovers = played.revert(&Person::who(true)).await.unwrap().leftovers;
    played.put(AUTHENTICATION_PATH, authentication(&json!({"type": "IntegratedOAuth"})));
    leftovers
}

#[tokio::test]
async fn a_secret_is_deleted_when_every_node_has_got_a_revision_without_it() {
    let played = Played::start().await;
    let leftovers = leftovers(&played).await;
    assert_eq!(leftovers.delete(&played.cluster, true).await.unwrap(), ["secret/hook deleted"]);
}

/// Every node is at rest since then.
fn finished(time: &str) -> Value {
    let mut object = at_rest();
    object["status"]["conditions"] =
        json!([{"type": "NodeInstallerProgressing", "status": "False", "lastTransitionTime": time}]);
    object
}

#[tokio::test]
async fn a_secret_is_kept_as_long_as_a_rollout_is_not_seen() {
    let mut without_nodes = at_rest();
    without_nodes["status"]["nodeStatuses"] = json!([]);
    for (api_server, problem) in [
        (at_rest(), "no rollout has ended since the Authentication was changed"),
        (finished("2026-11-26T09:00:00Z"), "no rollout has ended since the Authentication was changed"),
        (without_nodes, "kubeapiserver/cluster does not say which revision the nodes have"),
        (json!({}), "answered something else than what was asked for: no object"),
    ] {
        let played = Played::start().await;
        let leftovers = leftovers(&played).await;
        played.put(API_SERVER_PATH, api_server);
        let stop = leftovers.delete(&played.cluster, false).await.unwrap_err();
        assert!(stop.to_string().contains(problem) && !stop.is_refusal(), "{stop}");
        assert!(played.state().objects.contains_key(SECRET));
    }
    let played = Played::start().await;
    let leftovers = leftovers(&played).await;
    played.put(API_SERVER_PATH, finished("2026-11-26T11:00:00Z"));
    assert_eq!(leftovers.delete(&played.cluster, false).await.unwrap(), ["secret/hook deleted"]);
}

#[tokio::test]
async fn run_again_it_takes_up_the_rollout_that_is_under_way() {
    let played = Played::start().await;
    let mut half_way = at_rest();
    half_way["status"]["latestAvailableRevision"] = 8.into();
    played.put(API_SERVER_PATH, half_way);
    let reverted = played.revert(&Person::who(true)).await.unwrap();
    assert_eq!((reverted.objects, reverted.has_changed), (vec!["authentication/cluster unchanged".to_owned()], false));
    assert!(reverted.follow.is_some());
    // Nodes that have all there is: the next revision may be about to be made.
    played.put(API_SERVER_PATH, at_rest());
    assert!(played.revert(&Person::who(true)).await.unwrap().follow.is_some());
    played.put(API_SERVER_PATH, finished("2026-11-26T09:00:00Z"));
    assert!(played.revert(&Person::who(true)).await.unwrap().follow.is_some());
    played.put(API_SERVER_PATH, finished("2026-11-26T11:00:00Z"));
    assert_eq!(played.revert(&Person::who(true)).await.unwrap().follow, None);
}

#[tokio::test]
async fn applied_again_it_is_followed_until_a_rollout_has_ended_since_the_last_change() {
    let played = Played::start().await;
    let person = Person::who(true);
    played.apply(&person).await.unwrap();
    let mut secret = played.state().objects[SECRET].clone();
    secret["metadata"]["managedFields"] = json!([{"manager": "countersign", "time": "2026-11-26T10:30:00Z"}]);
    played.put(SECRET, secret);
    for (ended, is_followed) in
        [("2026-11-26T09:00:00Z", true), ("2026-11-26T10:15:00Z", true), ("2026-11-26T10:45:00Z", false)]
    {
        played.put(API_SERVER_PATH, finished(ended));
        let applied = played.apply(&person).await.unwrap();
        assert_eq!((applied.has_changed, applied.follow.is_some()), (false, is_followed), "{ended}");
    }
}

#[tokio::test]
async fn there_is_nothing_to_delete_twice() {
    let played = Played::start().await;
    let leftovers = leftovers(&played).await;
    played.state().objects.remove(SECRET);
    let said = "there is nothing to delete: neither secret/hook nor configmap/countersign-oauth-metadata is there";
    assert_eq!(leftovers.delete(&played.cluster, false).await.unwrap(), [said]);
}

#[tokio::test]
async fn a_cluster_that_asks_a_provider_itself_is_not_reverted_without_asking() {
    let played = Played::start().await;
    played.put(AUTHENTICATION_PATH, authentication(&json!({"type": "OIDC"})));
    let person = Person::who(false);
    let said = played.revert(&person).await.unwrap_err().to_string();
    assert!(said.starts_with("stopped, because the type is OIDC"), "{said}");
    assert_eq!(played.changes(), [""; 0]);
}

#[tokio::test]
async fn what_stops_says_what_to_do() {
    for (status, said) in [
        (
            401,
            "authentication/cluster: 401 Unauthorized: no; the kubeconfig's credential is not accepted: log in again",
        ),
        (403, "authentication/cluster: 403 Forbidden: no; ask for the rights that the page on OpenShift lists"),
        (302, "authentication/cluster: 302 Found: no; this is no API server: correct the address in the kubeconfig"),
        (500, "authentication/cluster: 500 Internal Server Error: no; run this again later"),
    ] {
        let played = Played::start().await;
        played.trouble(Method::GET, AUTHENTICATION_PATH, status, json!({"message": "no"}));
        let stop = played.revert(&Person::who(true)).await.unwrap_err().to_string();
        assert!(stop.starts_with(said) && stop.ends_with("; nothing was changed"), "{stop}");
    }
}

#[tokio::test]
async fn what_answers_every_change_alike_has_changed_nothing() {
    let played = Played::start().await;
    played.put(AUTHENTICATION_PATH, authentication(&webhook()));
    played.trouble(Method::PATCH, AUTHENTICATION_PATH, 200, "<html>portal</html>");
    let stop = played.revert(&Person::who(true)).await.unwrap_err();
    assert!(!stop.is_refusal());
    let said = stop.to_string();
    assert!(said.contains("the answer is no Kubernetes object"), "{said}");
    assert!(said.contains("whether it was changed is not known"), "{said}");
}

#[tokio::test]
async fn a_webhook_of_somebody_else_is_not_taken_out_without_asking() {
    let played = Played::start().await;
    played.put(AUTHENTICATION_PATH, authentication(&webhook()));
    played.put(SECRET, json!({"kind": "Secret", "metadata": {"name": "hook"}}));
    let said = played.revert(&Person::who(false)).await.unwrap_err().to_string();
    assert!(said.contains("secret/hook was not made by countersign") && said.contains("nothing was changed"), "{said}");
    played.trouble(Method::GET, SECRET, 403, json!({"message": "no"}));
    let said = played.revert(&Person::who(false)).await.unwrap_err().to_string();
    assert!(said.contains("secret/hook may not be read"), "{said}");
    assert_eq!(played.changes(), [""; 0]);
}

#[tokio::test]
async fn the_reference_is_taken_away_where_the_authentication_operator_leaves_it_alone() {
    let gates = |name: &str| json!({"kind": "FeatureGate", "metadata": {"name": "cluster"}, "status": {"featureGates": [{"enabled": [{"name": name}]}]}});
    for (gates, spec) in [
        (gates("ExternalOIDCExternalClaimsSourcing"), json!({"type": "IntegratedOAuth"})),
        (
            gates("ExternalOIDC"),
            json!({"type": "IntegratedOAuth", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}}),
        ),
    ] {
        let played = Played::start().await;
        played.put(AUTHENTICATION_PATH, authentication(&webhook()));
        played.put(FEATURE_GATES_PATH, gates);
        played.revert(&Person::who(true)).await.unwrap();
        assert_eq!(played.state().objects[AUTHENTICATION_PATH]["spec"], spec);
    }
}

#[tokio::test]
async fn a_rollout_that_nobody_could_see_is_a_risk() {
    let played = Played::start().await;
    played.state().objects.remove(API_SERVER_PATH);
    let said = played.apply(&Person::who(false)).await.unwrap_err().to_string();
    assert!(said.contains("kubeapiserver/cluster is not there"), "{said}");
    let applied = played.apply(&Person::who(true)).await.unwrap();
    assert_eq!((applied.has_changed, applied.follow), (true, None));
}

#[tokio::test]
async fn a_rollout_that_may_not_be_looked_at_any_more_is_not_waited_for() {
    let played = Played::start().await;
    let follow = played.apply(&Person::who(true)).await.unwrap().follow.unwrap();
    played.trouble(Method::GET, API_SERVER_PATH, 403, json!({"message": "no"}));
    let instant = Pace {
        interval: Duration::from_millis(1),
        inertia: Duration::from_millis(5),
        ..Pace::with_timeout(Duration::from_secs(60))
    };
    let end = super::follow(&played.cluster, follow, &instant, &Person::who(true)).await;
    assert_eq!(end, End::LockedOut("403 Forbidden: no".to_owned()));
}
