use http::Method;
use serde_json::{Value, json};

use super::super::live::{API_SERVER_PATH, AUTHENTICATION_PATH};
use super::super::played::{Played, authentication};
use super::*;

/// What no message may have in it.
const SECRET: &str = "GEHEIM";

/// What is said about a kubeconfig with this cluster and this user; `nothing` if it can be used.
fn said_of(cluster: &Value, user: &Value) -> String {
    said_of_text(
        &json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": cluster}], "users": [{"name": "it", "user": user}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        })
        .to_string(),
    )
}

fn said_of_text(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, text).unwrap();
    let said = Cluster::connect(vec![file], None).err().map_or_else(|| "nothing".to_owned(), |error| chain(&error));
    assert!(!said.contains(SECRET) && !said.contains('\n'), "{said}");
    said.split_once("kubeconfig: ").map_or_else(|| said.clone(), |(_, problem)| problem.to_owned())
}

fn here() -> Value {
    json!({"server": "https://127.0.0.1:1"})
}

#[tokio::test]
async fn what_is_wrong_with_a_credential_is_said_without_repeating_it() {
    for (user, problem) in [
        (json!({"token": [SECRET]}), "users[0].user.token: must be a string; put it in quotes"),
        (
            json!({"token": "GEHEIM\n"}),
            "users[0].user: the token has a line break or another character that cannot be sent; give it as it was issued",
        ),
        (
            json!({"token": "GEHEIM\u{1}"}),
            "users[0].user: the token has a line break or another character that cannot be sent; give it as it was issued",
        ),
        (
            json!({"client-certificate-data": "GEHEIM!!!"}),
            "users[0].user.client-certificate-data: is not base64; encode the file with `base64 -w0`",
        ),
        (
            json!({"username": "u", "password": SECRET}),
            "users[0].user.username: is not supported here; use a client certificate or a token",
        ),
        (
            json!({"auth-provider": {"name": "oidc", "config": {"id-token": SECRET}}}),
            "users[0].user.auth-provider: is not supported here; put a client certificate or a token (or tokenFile) in its place",
        ),
        (json!({"as-groups": SECRET}), "users[0].user.as-groups: has a value of the wrong type"),
    ] {
        assert_eq!(said_of(&here(), &user), problem, "{user}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_said_without_repeating_it() {
    let proxy = |url: &str| json!({"server": "https://127.0.0.1:1", "proxy-url": url});
    for (cluster, problem) in [
        (
            json!({"server": "https://u:GEHEIM@127.0.0.1:1/a"}),
            "clusters[0].cluster.server: is not supported here; take the user name and password out of the URL",
        ),
        (
            json!({"server": "https://u:GEHEIM@[::z/a"}),
            "clusters[0].cluster.server: is not a URL that can be used; write https://HOST:PORT/PATH",
        ),
        (
            proxy("http://u:GEHEIM@[::x"),
            "clusters[0].cluster.proxy-url: is not a URL that can be used; write http://HOST:PORT or https://HOST:PORT",
        ),
        (proxy("http://u:GEHEIM@127.0.0.1:1"), "nothing"),
        (json!({"server": "127.0.0.1:1"}), "nothing"),
        (json!({}), "clusters[0].cluster.server: is missing; write https://HOST:PORT/PATH"),
    ] {
        assert_eq!(said_of(&cluster, &json!({"token": "t"})), problem, "{cluster}");
    }
}

#[tokio::test]
async fn a_kubeconfig_that_is_no_yaml_is_not_quoted() {
    for (text, problem) in [
        ("users:\n- user:\n    token: \"GEHEIM\n", "is not YAML (line 3, column 12)"),
        ("users:\n- user:\n    token: GEHEIM: x\n", "is not YAML (line 3, column 18)"),
        ("token: GEHEIM\ntoken: GEHEIM\n", "is not YAML (line 2, column 1)"),
        ("- GEHEIM\n", "is not a kubeconfig; its apiVersion must be v1 and its kind Config"),
        ("current-context: other\n", "current-context: no entry has this name; there are: none"),
    ] {
        assert_eq!(said_of_text(text), problem, "{text}");
    }
}

fn exec(script: &str) -> Value {
    json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "/bin/sh",
        "args": ["-c", script, SECRET], "env": [{"name": "X", "value": SECRET}]}})
}

/// A script that answers with a status.
fn answering(status: &Value) -> String {
    let answer = json!({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status});
    format!("printf '%s' '{answer}'")
}

#[tokio::test]
async fn what_goes_wrong_with_a_plugin_is_said_without_what_it_was_given_or_gave() {
    let of = |user: &Value| said_of(&here(), user);
    assert_eq!(of(&exec("exit 1")), "users[0].user.exec: the plugin failed; run it by hand to see why");
    let no_credential =
        "users[0].user.exec: the plugin's answer is no ExecCredential of the version that was asked for";
    assert_eq!(of(&exec("echo GEHEIM")), no_credential);
    let neither = "users[0].user.exec: the plugin's answer has neither a token nor a certificate with its key";
    assert_eq!(of(&exec(&answering(&json!({"token": ""})))), neither);
    let unfit =
        "users[0].user: the token has a line break or another character that cannot be sent; give it as it was issued";
    assert_eq!(of(&exec(&answering(&json!({"token": "GEHEIM\u{1}"})))), unfit);
    let absent = json!({"exec": {"command": "/nonexistent/GEHEIM"}});
    assert_eq!(of(&absent), "users[0].user.exec.command: cannot be run: No such file or directory (os error 2)");
    assert_eq!(of(&json!({"exec": {"args": []}})), "users[0].user.exec.command: is missing; name the plugin");
    assert_eq!(
        of(&json!({"exec": {"command": "x", "args": SECRET}})),
        "users[0].user.exec.args: is missing, or has a value of the wrong type"
    );
}

#[tokio::test]
async fn a_token_of_the_integrated_server_is_known_wherever_it_is_from() {
    let file = |folder: &std::path::Path| {
        std::fs::write(folder.join("token"), "sha256~abc\n").unwrap();
        json!({"tokenFile": "token"})
    };
    assert!(Played::with_token("sha256~abc").await.cluster.has_integrated_token());
    assert!(Played::with_user(file).await.cluster.has_integrated_token());
    let plugin = exec(&answering(&json!({"token": "sha256~abc"})));
    assert!(Played::with_user(|_| plugin).await.cluster.has_integrated_token());
    assert!(!Played::with_token("sha512~abc").await.cluster.has_integrated_token());
}

#[tokio::test]
async fn a_credential_that_has_run_out_is_looked_for_again() {
    let played = Played::with_user(|folder| {
        std::fs::write(folder.join("token"), "first\n").unwrap();
        json!({"tokenFile": "token"})
    })
    .await;
    played.state().token = Some("second".to_owned());
    let refused = played.cluster.get(AUTHENTICATION_PATH).await.unwrap_err();
    assert_eq!(refused.refusal().map(|refusal| refusal.status.as_u16()), Some(401));
    std::fs::write(played.folder().join("token"), "second\n").unwrap();
    assert!(played.cluster.get(AUTHENTICATION_PATH).await.unwrap().is_some());
}

#[tokio::test]
async fn of_several_kubeconfigs_the_first_entry_counts_and_paths_start_at_each() {
    let played = Played::start().await;
    let other = played.folder().join("other");
    std::fs::create_dir(&other).unwrap();
    let first = other.join("first");
    let entries = json!({"apiVersion": "v1", "kind": "Config", "current-context": "mine",
        "users": [{"name": "me", "user": {"tokenFile": "token"}}],
        "contexts": [{"name": "mine", "context": {"cluster": "it", "user": "me"}}]});
    std::fs::write(&first, entries.to_string()).unwrap();
    std::fs::write(other.join("token"), "mine").unwrap();
    played.state().token = Some("mine".to_owned());
    let files = vec![first, played.folder().join("missing"), played.file.clone()];
    let cluster = Cluster::connect(files.clone(), None).unwrap();
    assert!(cluster.get(AUTHENTICATION_PATH).await.unwrap().is_some());
    // Another context is another user.
    let cluster = Cluster::connect(files, Some("it")).unwrap();
    assert!(cluster.get(AUTHENTICATION_PATH).await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_not_the_object_is_not_taken_for_it() {
    let mut other = authentication(&json!({}));
    other["metadata"]["name"] = "other".into();
    for (body, what) in [
        ("{}".to_owned(), "no object"),
        (json!({"kind": "Status"}).to_string(), "the Status \"\""),
        (other.to_string(), "the Authentication \"other\""),
    ] {
        let played = Played::start().await;
        played.trouble(Method::GET, AUTHENTICATION_PATH, 200, &body);
        let error = played.cluster.get(AUTHENTICATION_PATH).await.unwrap_err();
        assert!(matches!(&error, ClusterError::NotUnderstood { what: found, .. } if found == what), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_change_that_is_not_in_the_answer_was_not_made() {
    let patch = json!({"spec": {"type": "None", "oauthMetadata": null}});
    let mut unchanged = authentication(&json!({"type": "IntegratedOAuth"}));
    for (answer, what) in
        [(json!({}), "no object"), (unchanged.clone(), "an object whose spec.type is not what was sent")]
    {
        let played = Played::start().await;
        played.trouble(Method::PATCH, AUTHENTICATION_PATH, 200, &answer);
        let error = played.cluster.change(AUTHENTICATION_PATH, &patch, Change::Merge, false).await.unwrap_err();
        assert!(matches!(&error, ClusterError::NotUnderstood { what: found, .. } if found == what), "{error}");
    }
    // More than what was sent is no other thing.
    let played = Played::start().await;
    unchanged["spec"] = json!({"type": "None", "serviceAccountIssuer": "https://a"});
    played.trouble(Method::PATCH, AUTHENTICATION_PATH, 200, &unchanged);
    played.cluster.change(AUTHENTICATION_PATH, &patch, Change::Merge, false).await.unwrap();
}

#[tokio::test]
async fn what_has_no_version_is_no_api_server() {
    let played = Played::start().await;
    played.cluster.is_api_server().await.unwrap();
    played.trouble(Method::GET, "/version", 404, json!({"message": "reviews are posted to /authenticate"}));
    let error = played.cluster.is_api_server().await.unwrap_err();
    assert!(error.to_string().contains("is no Kubernetes API server"), "{error}");
}

#[tokio::test]
async fn an_api_server_that_is_not_there_is_named_with_the_reason() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    let kubeconfig = json!({"clusters": [{"name": "", "cluster": {"server": format!("https://{address}"), "insecure-skip-tls-verify": true}}]});
    std::fs::write(&file, kubeconfig.to_string()).unwrap();
    let error = Cluster::connect(vec![file], None).unwrap().get(API_SERVER_PATH).await.unwrap_err();
    let said = error.to_string();
    assert!(said.starts_with(&format!("no answer from https://{address}/: ")) && said.contains("refused"), "{said}");
    assert!(!said.contains("ServiceError") && !said.contains("client error"), "{said}");
}

#[tokio::test]
async fn a_context_that_is_not_there_is_the_flags_fault() {
    let played = Played::start().await;
    let error = Cluster::connect(vec![played.file], Some("nope")).err().unwrap();
    let said = error.to_string();
    assert!(said.ends_with(": --context: there is no context \"nope\"; there are: [\"it\"]"), "{said}");
}

#[test]
fn a_connection_that_is_cut_is_said_without_the_librarys_manual() {
    let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "see https://docs.rs/rustls/manual");
    assert_eq!(trouble(&cause), "the connection ended before the answer did");
}
