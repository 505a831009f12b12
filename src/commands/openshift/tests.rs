//! The commands in a cluster that is played.

use clap::Parser;
use http::Method;
use serde_json::{Value, json};

use super::super::{Conclusion, Failure};
use super::report::Report;
use super::{apply, check};
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::wiring::kubeconfig::{ClientCertificate, Connection};
use crate::wiring::openshift::apply::{Applying, Operator, Plan, Question, apply as put};
use crate::wiring::openshift::live::{API_SERVER_PATH, AUTHENTICATION_PATH};
use crate::wiring::openshift::objects::{Kind, Objects};
use crate::wiring::openshift::played::{Played, SECRET, at_rest, authentication};
use crate::wiring::pki::{Authority, Validity};

#[derive(Parser)]
struct Check {
    #[command(flatten)]
    arguments: check::Arguments,
}

#[derive(Parser)]
struct Apply {
    #[command(flatten)]
    arguments: apply::Arguments,
}

/// Somebody who agrees to nothing.
struct Nobody;

impl Operator for Nobody {
    fn agrees(&self, _: &Question) -> bool {
        false
    }

    fn hears(&self, _: &str) {}
}

/// A good webhook's documents.
fn documents() -> Objects {
    let valid = Validity::days(UnixTime::from_seconds(SystemClock.now().seconds() - 60), 365);
    let authority = Authority::new("webhook", valid).unwrap();
    let client = authority.client_certificate("kube-apiserver", &[], valid).unwrap();
    let server = "https://192.0.2.7:8443/authenticate".parse().unwrap();
    let authority_pem = Some(authority.certificate_pem().into_bytes());
    let connection =
        Connection { client: Some(ClientCertificate::from(&client)), ..Connection::to(server, authority_pem) };
    let metadata = json!({"issuer": "https://idp", "authorization_endpoint": "https://idp/a", "token_endpoint": "https://idp/t",
        "response_types_supported": ["code"], "grant_types_supported": ["authorization_code"],
        "code_challenge_methods_supported": ["S256"]});
    let mut objects = Objects::default();
    objects.add(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "openshift-config"},
        "stringData": {"kubeConfig": connection.to_yaml("webhook").as_str()}}),
    );
    objects.add(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "meta", "namespace": "openshift-config"},
        "data": {"oauthMetadata": metadata.to_string()}}),
    );
    objects.add(json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"},
        "spec": {"type": "None", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}, "oauthMetadata": {"name": "meta"}}}));
    objects
}

/// What is found about the documents in a cluster: severities and codes, without what is only worth knowing.
async fn found(played: &Played) -> Vec<String> {
    let kubeconfig = played.file.to_str().unwrap();
    let Check { arguments } = Check::parse_from(["check", "-f", "documents", "--kubeconfig", kubeconfig]);
    let Ok((_, findings)) = check::check(&arguments, documents(), None, SystemClock.now()).await else {
        panic!("not checked")
    };
    let lines = findings.iter().map(|finding| format!("{} {}", finding.severity, finding.code));
    lines.filter(|line| !line.starts_with("info ")).collect()
}

/// What the operator says as long as no webhook is asked, whoever was asked before.
fn without_webhook() -> Value {
    let mut api_server = at_rest();
    api_server["spec"] = json!({"observedConfig": {"apiServerArguments": {"authentication-config": ["/auth.json"]}}});
    api_server
}

#[tokio::test]
async fn documents_are_not_blamed_for_what_is_not_in_force_before_they_are_applied() {
    for spec in [json!({"type": "None"}), json!({"type": "OIDC"}), json!({"type": "IntegratedOAuth"})] {
        let played = Played::start().await;
        played.put(AUTHENTICATION_PATH, authentication(&spec));
        played.put(API_SERVER_PATH, without_webhook());
        assert_eq!(found(&played).await, [""; 0], "{spec}");
    }
}

#[tokio::test]
async fn documents_are_judged_with_what_the_cluster_has_beneath_them() {
    let played = Played::start().await;
    played.put(AUTHENTICATION_PATH, authentication(&json!({"serviceAccountIssuer": "https://idp"})));
    assert_eq!(found(&played).await, ["error issuer_of_service_accounts"]);

    let played = Played::start().await;
    let mut api_server = at_rest();
    api_server["status"]["serviceAccountIssuers"] =
        json!([{"name": "https://idp", "expirationTime": "2030-01-01T00:00:00Z"}]);
    played.put(API_SERVER_PATH, api_server);
    assert_eq!(found(&played).await, ["error issuer_of_service_accounts"]);
}

#[tokio::test]
async fn what_a_cluster_suffers_from_is_no_error_of_documents() {
    let played = Played::start().await;
    let mut api_server = at_rest();
    api_server["status"]["conditions"] =
        json!([{"type": "ConfigObservationDegraded", "status": "True", "message": "bad secret"}]);
    played.put(API_SERVER_PATH, api_server);
    assert_eq!(found(&played).await, ["warning operator_degraded"]);
}

/// The documents without the secret.
fn without_secret() -> Objects {
    let mut objects = documents();
    objects.drop_kind(Kind::Secret);
    objects
}

#[tokio::test]
async fn a_secret_that_cannot_be_judged_is_asked_about() {
    let played = Played::start().await;
    played.trouble(Method::GET, SECRET, 403, json!({"message": "no"}));
    let objects = without_secret();
    let plan = Plan::new(&objects).unwrap();
    let stop = apply::would_be_honored(&played.cluster, &objects, &plan, &Nobody, &mut Report::default()).await;
    let Err(Failure::Refused(said)) = stop else { panic!("{stop:?}") };
    assert!(said.starts_with("stopped, because secret/hook is referred to and cannot be judged ("), "{said}");
    assert!(said.ends_with("--yes goes on all the same; nothing was changed"), "{said}");
}

#[tokio::test]
async fn applying_what_is_there_already_says_how_the_cluster_is() {
    let played = Played::start().await;
    let mut report = Report::default();
    let objects = documents();
    let plan = Plan::new(&objects).unwrap();
    let how = Applying { dry_run: false, force_conflicts: true };
    put(&played.cluster, &plan, how, &Nobody).await.unwrap();
    // The operator has not taken it over.
    let mut api_server = at_rest();
    api_server["spec"] = json!({"observedConfig": {}});
    api_server["status"]["conditions"] = json!([{"type": "NodeInstallerProgressing", "status": "False",
        "lastTransitionTime": "2026-11-26T11:00:00Z"}]);
    played.put(API_SERVER_PATH, api_server);
    let kubeconfig = played.file.to_str().unwrap();
    let line = ["apply", "-f", "documents", "--yes", "--force-conflicts", "--kubeconfig", kubeconfig];
    let Apply { arguments } = Apply::parse_from(line);
    let outcome = apply::apply(&arguments, &objects, &plan, &mut report).await;
    assert_eq!(outcome, Ok(Conclusion::No));
    assert_eq!(
        report.objects,
        ["secret/hook unchanged", "configmap/meta unchanged", "authentication/cluster unchanged"]
    );
    assert!(report.findings.iter().any(|finding| finding.code == "webhook_not_observed"));
}

#[test]
fn of_several_secrets_none_is_probed_unless_one_is_referred_to() {
    let mut objects = documents();
    assert_eq!(check::webhook(&objects).unwrap().name(), "hook");
    objects.add(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}}));
    assert_eq!(check::webhook(&objects).unwrap().name(), "hook");
    objects.drop_kind(Kind::Authentication);
    let why = "the webhook is not asked because there are several secrets, and nothing says which is its";
    assert_eq!(check::webhook(&objects).err(), Some(why));
    objects.drop_kind(Kind::Secret);
    let why = "the webhook is not asked because its secret is not there, or cannot be read";
    assert_eq!(check::webhook(&objects).err(), Some(why));
}
