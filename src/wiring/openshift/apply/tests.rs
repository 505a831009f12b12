//! Questions, and what happens before and after them, in a cluster that is played: it keeps what it is given and notes every
//! change. What a real API server refuses is tried against a real one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::super::cluster::Cluster;
use super::super::live::{API_SERVER_PATH, AUTHENTICATION_PATH};
use super::super::objects::Objects;
use super::*;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::dev::https;
use crate::wiring::pki::{Authority, Validity};

const SECRET: &str = "/api/v1/namespaces/openshift-config/secrets/hook";

/// What the cluster has, what was asked of it, and how it misbehaves.
#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    changes: Vec<String>,
    /// The owner of the secret's fields, who is not us.
    owner: Option<&'static str>,
    /// The path whose changes in earnest are refused with 403, or get no answer (0).
    trouble: Option<(&'static str, u16)>,
}

/// A cluster with the integrated OAuth server in force and everything at rest.
struct Played {
    cluster: Cluster,
    state: Arc<Mutex<State>>,
    _server: JoinSet<Infallible>,
    _folder: tempfile::TempDir,
}

impl Played {
    async fn start() -> Self {
        Self::with_token("sha512~installer").await
    }

    async fn with_token(token: &str) -> Self {
        let valid = Validity::days(UnixTime::from_seconds(SystemClock.now().seconds() - 60), 1);
        let authority = Authority::new("cluster", valid).unwrap();
        let identity = authority.serving_certificate(&["127.0.0.1"], valid).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::default();
        state.objects.insert(AUTHENTICATION_PATH.to_owned(), authentication(&json!({"type": "IntegratedOAuth"})));
        state.objects.insert(API_SERVER_PATH.to_owned(), at_rest());
        let state = Arc::new(Mutex::new(state));
        let mut server = JoinSet::new();
        let shared = Arc::clone(&state);
        server.spawn(https::serve(
            listener,
            Arc::new(https::tls(&identity).unwrap()),
            || (),
            move |request| answer(Arc::clone(&shared), request),
        ));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        let ca = folder.path().join("ca.crt");
        std::fs::write(&ca, authority.certificate_pem()).unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": format!("https://{address}"), "certificate-authority": ca}}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        std::fs::write(&file, kubeconfig.to_string()).unwrap();
        let cluster = Cluster::connect(Some(&file), None).await.unwrap();
        Self { cluster, state, _server: server, _folder: folder }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn put(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    /// Changes in earnest so far.
    fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    async fn apply(&self, person: &Person) -> Result<Applied, Stop> {
        apply(&self.cluster, &plan(), Applying::default(), person).await
    }

    async fn revert(&self, person: &Person) -> Result<Reverted, Stop> {
        revert(&self.cluster, Reverting::default(), person).await
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Response<https::Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, document) = state.lock().unwrap().answer(&method, &path, &query, &body);
    let pieces = Full::new(Bytes::from(document.to_string())).map_err(|never| match never {}).boxed();
    let mut response = Response::new(pieces);
    // A status that no client takes for an answer stands for none.
    *response.status_mut() = status;
    response
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &[u8]) -> (StatusCode, Value) {
        let is_dry = query.contains("dryRun=All");
        if method == Method::GET {
            return self
                .objects
                .get(path)
                .map_or_else(|| (StatusCode::NOT_FOUND, json!({})), |found| (StatusCode::OK, found.clone()));
        }
        if let Some(owner) = self.owner.filter(|_| path == SECRET && !query.contains("force=true")) {
            let cause = json!({"reason": "FieldManagerConflict", "message": format!("conflict with \"{owner}\""), "field": ".data.kubeConfig"});
            return (
                StatusCode::CONFLICT,
                json!({"reason": "Conflict", "message": "no", "details": {"causes": [cause]}}),
            );
        }
        if let Some((_, status)) = self.trouble.filter(|(where_, _)| *where_ == path && !is_dry) {
            return (StatusCode::from_u16(status).unwrap(), json!({"message": "not today"}));
        }
        if is_dry {
            return (StatusCode::OK, serde_json::from_slice(body).unwrap());
        }
        self.changes.push(format!("{method} {path}{}", if query.contains("force=true") { " by force" } else { "" }));
        if method == Method::DELETE {
            self.objects.remove(path);
            return (StatusCode::OK, json!({"kind": "Status"}));
        }
        let mut object: Value = serde_json::from_slice(body).unwrap();
        object["metadata"]["resourceVersion"] = self.changes.len().to_string().into();
        self.objects.insert(path.to_owned(), object.clone());
        (StatusCode::OK, object)
    }
}

fn authentication(spec: &Value) -> Value {
    let owned =
        json!({"manager": "cluster-bootstrap", "time": "2026-11-26T10:00:00Z", "fieldsV1": {"f:spec": {"f:type": {}}}});
    json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "spec": spec,
        "metadata": {"name": "cluster", "resourceVersion": "7", "managedFields": [owned]}})
}

fn at_rest() -> Value {
    json!({"apiVersion": "operator.openshift.io/v1", "kind": "KubeAPIServer", "metadata": {"name": "cluster"}, "status": {
        "latestAvailableRevision": 7, "nodeStatuses": [{"nodeName": "m-0", "currentRevision": 7}]}})
}

fn ours() -> Value {
    json!({"kind": "Secret", "metadata": {"uid": "u", "labels": {"app.kubernetes.io/managed-by": "countersign"}}})
}

fn webhook() -> Value {
    json!({"type": "None", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}})
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
        played.state().trouble = Some((AUTHENTICATION_PATH, 403));
        let stop = apply(&played.cluster, &Plan::new(&objects).unwrap(), Applying::default(), &Person::who(true)).await;
        let said = stop.unwrap_err().to_string();
        assert!(said.contains("403 Forbidden: not today") && said.contains(next), "{said}");
        assert!(said.contains("done before: secret/hook created"), "{said}");
    }
}

#[tokio::test]
async fn a_last_step_without_an_answer_is_not_said_to_have_changed_nothing() {
    let played = Played::start().await;
    played.state().trouble = Some((AUTHENTICATION_PATH, 502));
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

#[tokio::test]
async fn a_secret_is_kept_as_long_as_a_rollout_is_not_seen() {
    let finished = |time: &str| {
        let mut object = at_rest();
        object["status"]["conditions"] =
            json!([{"type": "NodeInstallerProgressing", "status": "False", "lastTransitionTime": time}]);
        object
    };
    let mut without_nodes = at_rest();
    without_nodes["status"]["nodeStatuses"] = json!([]);
    for (api_server, problem) in [
        (at_rest(), "no rollout has ended since the Authentication was changed"),
        (finished("2026-11-26T09:00:00Z"), "no rollout has ended since the Authentication was changed"),
        (without_nodes, "kubeapiserver/cluster does not say which revision the nodes have"),
        (json!({}), "kubeapiserver/cluster does not say which revision the nodes have"),
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
    played.put(API_SERVER_PATH, at_rest());
    assert_eq!(played.revert(&Person::who(true)).await.unwrap().follow, None);
}

#[tokio::test]
async fn a_cluster_that_asks_a_provider_itself_is_not_reverted_without_asking() {
    let played = Played::start().await;
    played.put(AUTHENTICATION_PATH, json!({"metadata": {"name": "cluster"}, "spec": {"type": "OIDC"}}));
    let person = Person::who(false);
    let said = played.revert(&person).await.unwrap_err().to_string();
    assert!(said.starts_with("stopped, because the type is OIDC"), "{said}");
    assert_eq!(played.changes(), [""; 0]);
}
