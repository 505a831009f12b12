//! What kubectl gets.

use std::time::Duration;

use countersign::login::exec_credential::rfc3339;
use serde_json::{Value, json};

use crate::support::{ACCESS_TOKEN, Home, ID_TOKEN, Run, finish, get_token, info, now};

fn credential(run: &Run) -> Value {
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_stored_token_is_printed_in_the_version_that_kubectl_speaks() {
    for version in ["v1", "v1beta1"] {
        let mut document = credential(&Home::with(&["me"]).kubectl(version, &["--account=me"]));
        let end = document["status"]["expirationTimestamp"].take();
        let expected = json!({"apiVersion": format!("client.authentication.k8s.io/{version}"), "kind": "ExecCredential",
            "status": {"token": ID_TOKEN, "expirationTimestamp": null}});
        assert_eq!(document, expected);
        // K8: thirty seconds before the token's end, which is an hour from a moment ago.
        let latest = rfc3339(now().saturating_add(Duration::from_secs(3570)));
        assert!(end.as_str().is_some_and(|end| *end <= *latest && *end > *rfc3339(now())), "{end}");
    }
}

#[test]
fn a_run_by_hand_is_answered_in_v1() {
    let home = Home::with(&["me"]);
    let document = credential(&home.run(&get_token(&[])));
    assert_eq!(document["apiVersion"], "client.authentication.k8s.io/v1");
}

#[test]
fn the_access_token_is_sent_on_request() {
    let home = Home::with(&["me"]);
    let document = credential(&home.kubectl("v1", &["--oidc-use-access-token"]));
    assert_eq!(document["status"]["token"], ACCESS_TOKEN);
}

#[test]
fn explanations_go_to_standard_error_alone() {
    let home = Home::with(&["me"]);
    let run = home.kubectl("v1", &["-v", "--oidc-use-pkce"]);
    let expected = "countersign: run by a Kubernetes client for a cluster that it does not name, in \
                    client.authentication.k8s.io/v1; nobody can be asked\n\
                    countersign: PKCE with S256 is always used; its flags change nothing\n";
    assert_eq!(run.stderr, expected);
    assert!(serde_json::from_str::<Value>(&run.stdout).is_ok());
}

#[test]
fn one_stanza_serves_many_clusters() {
    let home = Home::with(&["me"]);
    let mut info = info("v1");
    info["spec"]["cluster"] = json!({"server": "https://c:6443",
        "config": {"issuer": "https://idp.example.com", "clientId": "kubectl"}});
    let run = finish(home.command(&["get-token"]).env("KUBERNETES_EXEC_INFO", info.to_string()));
    assert_eq!(credential(&run)["status"]["token"], ID_TOKEN);
}

#[test]
fn k6_another_clusters_session_is_not_used() {
    let home = Home::with(&["me"]);
    for other in ["--audience=other", "--oidc-extra-scope=groups", "--oidc-client-id=other"] {
        let arguments = if other.starts_with("--oidc-client") {
            vec!["get-token", "--oidc-issuer-url=https://idp.example.com", other]
        } else {
            get_token(&[other])
        };
        let run = finish(home.command(&arguments).env("KUBERNETES_EXEC_INFO", info("v1").to_string()));
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{other}");
    }
}

#[test]
fn k3_kubectls_second_try_with_a_new_token_gets_advice_and_no_login() {
    let home = Home::with(&["me"]);
    assert_eq!(home.kubectl("v1", &[]).stderr, "");
    // The same parent, within a minute, for a token that is a moment old.
    let again = home.kubectl("v1", &[]);
    assert_eq!(again.code, Some(0));
    assert!(
        again.stderr.starts_with("countersign: the API server seems to refuse the token of me, "),
        "{}",
        again.stderr
    );
    assert_eq!(again.stderr.lines().count(), 1);
}

#[test]
fn a_token_file_is_handed_out_as_it_is() {
    let home = Home::new();
    let file = home.path().join("token");
    std::fs::write(&file, "opaque-token\n").unwrap();
    let flag = format!("--token-file={}", file.display());
    let document = credential(&home.run(&["get-token", &flag]));
    assert_eq!(document["status"], json!({"token": "opaque-token"}));
    assert!(!home.sessions().exists());
}

#[test]
fn a_token_file_that_cannot_be_read_is_named_with_what_to_check() {
    let home = Home::new();
    let file = home.path().join("token");
    let run = home.run(&["get-token", &format!("--token-file={}", file.display())]);
    let start = format!("countersign: cannot read {}: ", file.display());
    assert!(
        run.stderr.starts_with(&start) && run.stderr.ends_with("; check the path and its permissions\n"),
        "{run:?}"
    );
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""));
}

#[cfg(unix)]
#[test]
fn it_works_as_a_plugin_of_kubectl_too() {
    let home = Home::with(&["me"]);
    let link = home.path().join("kubectl-countersign");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_countersign"), &link).unwrap();
    let mut command = std::process::Command::new(&link);
    command.env_clear().env("HOME", home.path()).args(get_token(&[])).stdin(std::process::Stdio::null());
    assert_eq!(credential(&finish(&mut command))["status"]["token"], ID_TOKEN);
}

#[test]
fn somebody_with_several_accounts_is_asked_once() {
    use std::io::Write as _;
    let home = Home::with(&["alice", "bob"]);
    let mut info = info("v1");
    info["spec"]["interactive"] = true.into();
    let mut command = home.command(&get_token(&[]));
    command.env("KUBERNETES_EXEC_INFO", info.to_string()).stdin(std::process::Stdio::piped());
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"2\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr, "Several accounts are logged in:\n  1  alice\n  2  bob\nWhich one? [1-2]\n");
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &document["status"]["token"]), (Some(0), &json!(ID_TOKEN)));
    assert_eq!(home.kubectl("v1", &[]).code, Some(0), "the answer is remembered, also where nobody can be asked");
    let whoami: Value = serde_json::from_str(&home.run(&["whoami", "--output=json"]).stdout).unwrap();
    let default = whoami["sessions"].as_array().unwrap().iter().find(|session| session["default"] == true).unwrap();
    assert_eq!(default["account"], "bob");
}
