//! A cluster that is played: it keeps what it is given as an API server does, notes every change, and misbehaves on command. What
//! a real API server refuses is tried against a real one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::live::{API_SERVER_PATH, AUTHENTICATION_PATH};
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::dev::https;
use crate::wiring::pki::{Authority, Validity};

/// The path of the secret `hook`.
pub(crate) const SECRET: &str = "/api/v1/namespaces/openshift-config/secrets/hook";

/// What is answered whatever was asked: method, path, status, body. Changes in a dry run go well.
type Trouble = (Method, &'static str, u16, String);

/// What the cluster has, what was asked of it, and how it misbehaves.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Value>,
    pub(crate) changes: Vec<String>,
    /// The owner of the secret's fields, who is not us.
    pub(crate) owner: Option<&'static str>,
    trouble: Vec<Trouble>,
    /// The credential that is let in; any if it is not said.
    pub(crate) token: Option<String>,
}

/// A cluster with the integrated OAuth server in force and everything at rest.
pub(crate) struct Played {
    pub(crate) cluster: Cluster,
    pub(crate) file: PathBuf,
    state: Arc<Mutex<State>>,
    _server: JoinSet<Infallible>,
    folder: tempfile::TempDir,
}

impl Played {
    pub(crate) async fn start() -> Self {
        Self::with_token("sha512~installer").await
    }

    pub(crate) async fn with_token(token: &str) -> Self {
        Self::with_user(|_| json!({"token": token})).await
    }

    /// With a user's entry that may need a folder for files.
    pub(crate) async fn with_user(user: impl FnOnce(&std::path::Path) -> Value) -> Self {
        let valid = Validity::days(UnixTime::from_seconds(SystemClock.now().seconds() - 60), 1);
        let authority = Authority::new("cluster", valid).unwrap();
        let identity = authority.serving_certificate(&["127.0.0.1"], valid).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut state = State::default();
        state.objects.insert(AUTHENTICATION_PATH.to_owned(), authentication(&json!({"type": "IntegratedOAuth"})));
        state.objects.insert(API_SERVER_PATH.to_owned(), at_rest());
        state.objects.insert("/version".to_owned(), json!({"gitVersion": "v1.36.0"}));
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
        std::fs::write(folder.path().join("ca.crt"), authority.certificate_pem()).unwrap();
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": format!("https://{address}"), "certificate-authority": "ca.crt"}}],
            "users": [{"name": "it", "user": user(folder.path())}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        });
        std::fs::write(&file, kubeconfig.to_string()).unwrap();
        let cluster = Cluster::connect(vec![file.clone()], None).unwrap();
        Self { cluster, file, state, _server: server, folder }
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn put(&self, path: &str, object: Value) {
        self.state().objects.insert(path.to_owned(), object);
    }

    /// From now on this is answered.
    pub(crate) fn trouble(&self, method: Method, path: &'static str, status: u16, body: impl ToString) {
        self.state().trouble.push((method, path, status, body.to_string()));
    }

    /// Changes in earnest so far.
    pub(crate) fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Response<https::Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let shown =
        request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let (status, text) = {
        let mut state = state.lock().unwrap();
        match &state.token {
            Some(token) if shown != format!("Bearer {token}") => {
                (StatusCode::UNAUTHORIZED, json!({"reason": "Unauthorized", "message": "Unauthorized"}).to_string())
            }
            _ => state.answer(&method, &path, &query, &body),
        }
    };
    let pieces = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut response = Response::new(pieces);
    *response.status_mut() = status;
    response
}

impl State {
    fn answer(&mut self, method: &Method, path: &str, query: &str, body: &[u8]) -> (StatusCode, String) {
        let is_dry = query.contains("dryRun=All");
        let is_forced = query.contains("force=true");
        let here = self.trouble.iter().find(|(other, place, ..)| other == method && *place == path && !is_dry);
        if let Some((.., status, text)) = here {
            return (StatusCode::from_u16(*status).unwrap(), text.clone());
        }
        if method == Method::GET {
            let missing = || (StatusCode::NOT_FOUND, json!({}).to_string());
            return self.objects.get(path).map_or_else(missing, |found| (StatusCode::OK, found.to_string()));
        }
        if let Some(owner) = self.owner.filter(|_| path == SECRET && !is_forced) {
            let cause = json!({"reason": "FieldManagerConflict", "message": format!("conflict with \"{owner}\""), "field": ".data.kubeConfig"});
            let refusal = json!({"reason": "Conflict", "message": "no", "details": {"causes": [cause]}});
            return (StatusCode::CONFLICT, refusal.to_string());
        }
        if method == Method::DELETE {
            self.changes.push(format!("{method} {path}"));
            self.objects.remove(path);
            return (StatusCode::OK, json!({"kind": "Status"}).to_string());
        }
        let mut object = self.objects.get(path).cloned().unwrap_or_default();
        merge(&mut object, &serde_json::from_slice(body).unwrap());
        // What changes nothing is no new version.
        if !is_dry && self.objects.get(path) != Some(&object) {
            self.changes.push(format!("{method} {path}{}", if is_forced { " by force" } else { "" }));
            object["metadata"]["resourceVersion"] = format!("changed-{}", self.changes.len()).into();
            self.objects.insert(path.to_owned(), object.clone());
        }
        (StatusCode::OK, object.to_string())
    }
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// The `Authentication`, whose type is `cluster-bootstrap`'s.
pub(crate) fn authentication(spec: &Value) -> Value {
    let owned =
        json!({"manager": "cluster-bootstrap", "time": "2026-11-26T10:00:00Z", "fieldsV1": {"f:spec": {"f:type": {}}}});
    json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "spec": spec,
        "metadata": {"name": "cluster", "resourceVersion": "7", "managedFields": [owned]}})
}

/// What the operator of kube-apiserver says when every node has revision 7.
pub(crate) fn at_rest() -> Value {
    json!({"apiVersion": "operator.openshift.io/v1", "kind": "KubeAPIServer", "metadata": {"name": "cluster"}, "status": {
        "latestAvailableRevision": 7, "nodeStatuses": [{"nodeName": "m-0", "currentRevision": 7}]}})
}

/// A spec that refers to the secret `hook`.
pub(crate) fn webhook() -> Value {
    json!({"type": "None", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}})
}
