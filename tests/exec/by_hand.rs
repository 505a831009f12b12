//! `whoami`, `logout`, `render exec`.

use std::fs;
use std::time::Duration;

use countersign::login::session::{Record, Session, SessionKey};
use countersign::login::settings::TokenKind;
use serde_json::{Value, json};

use crate::support::{Home, ISSUER, now, settings, tokens};

#[test]
fn whoami_says_who_is_logged_in_where() {
    let home = Home::with(&["alice", "bob"]);
    let run = home.run(&["whoami", "--output=json"]);
    let mut document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    for session in document["sessions"].as_array_mut().unwrap() {
        session["expirationTimestamp"].take();
    }
    let session = |account: &str| {
        json!({"issuer": ISSUER, "clientId": "kubectl", "scopes": [], "audience": null, "grant": "user", "account": account,
            "subject": format!("subject-of-{account}"), "default": false, "usable": true, "renewable": true,
            "expirationTimestamp": null, "clusterUser": null, "storage": "disk"})
    };
    assert_eq!(document, json!({"sessions": [session("alice"), session("bob")]}));
}

#[test]
fn whoami_judges_the_token_that_is_sent() {
    let home = Home::new();
    let mut tokens = tokens("me");
    tokens.access_token_expires_at = Some(now().saturating_sub(Duration::from_secs(10)));
    let mut record = Record::new(SessionKey::of(&settings()));
    record.put(Session::new(tokens, "kubectl", now()).sending(TokenKind::AccessToken));
    home.store().write(&record, None).unwrap();
    let kubeconfig = home.path().join("config");
    let write = |more: &str| {
        let stanza = format!(
            "{{command: countersign, args: [get-token, '--oidc-issuer-url={ISSUER}', \
                              --oidc-client-id=kubectl{more}]}}"
        );
        let text = format!(
            "kind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: me}}}}]\n\
                            clusters: [{{name: c, cluster: {{server: 'https://c:6443'}}}}]\n\
                            users: [{{name: me, user: {{exec: {stanza}}}}}]\n"
        );
        fs::write(&kubeconfig, text).unwrap();
    };
    let is_usable = |more: &[&str]| {
        let run = home.run(&[&["whoami", "--output=json"], more].concat());
        let document: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run:?}"));
        document["sessions"][0]["usable"].clone()
    };
    let flag = format!("--kubeconfig={}", kubeconfig.display());
    assert_eq!(is_usable(&[]), false, "the access token was sent last");
    write("");
    assert_eq!(is_usable(&[&flag]), true, "this context sends the ID token");
    write(", --oidc-use-access-token");
    assert_eq!(is_usable(&[&flag]), false);
}

#[test]
fn whoami_without_a_session_is_a_no() {
    let run = Home::new().run(&["whoami"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), "nobody is logged in\n"));
}

#[test]
fn logout_forgets_one_account_or_all() {
    let home = Home::with(&["alice", "bob"]);
    let logout = |more: &str| {
        let run = home.run(&["logout", "--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubectl", more]);
        (run.code, run.stdout)
    };
    let said = |text: &str| (Some(0), text.to_owned());
    assert_eq!(logout("--account=bob"), said("logged out bob at https://idp.example.com, here\n"));
    assert_eq!(logout("--account=bob"), said("nobody was logged in at https://idp.example.com\n"));
    assert_eq!(logout("-v"), said("logged out alice at https://idp.example.com, here\n"));
    assert_eq!(home.run(&["whoami"]).code, Some(1));
}

#[test]
fn logout_of_everything_needs_no_flags_of_a_login() {
    let home = Home::with(&["alice"]);
    let run = home.run(&["logout", "--all"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "logged out alice at https://idp.example.com, here\n"));
    assert!(fs::read_dir(home.sessions()).unwrap().all(|entry| entry.unwrap().path().extension().unwrap() != "json"));
}

#[test]
fn render_exec_writes_a_kubeconfig_once() {
    let home = Home::new();
    let file = home.path().join("config");
    let write = format!("--write={}", file.display());
    let flags = [
        "render",
        "exec",
        "--oidc-issuer-url=https://idp.example.com",
        "--oidc-client-id=kubectl",
        "--user=me",
        &write,
    ];
    let run = home.run(&flags);
    assert_eq!((run.code, run.stdout), (Some(0), format!("{}: wrote the user me\n", file.display())));
    let run = home.run(&flags);
    assert_eq!((run.code, run.stdout), (Some(0), format!("{}: the user me was there already\n", file.display())));
}

#[test]
fn a_rendered_entry_runs_and_finds_the_session() {
    let home = Home::with(&["me"]);
    let run = home.run(&["render", "exec", "--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubectl"]);
    let document: Value = serde_saphyr::from_str(&run.stdout).unwrap();
    let arguments = document["users"][0]["user"]["exec"]["args"].as_array().unwrap().clone();
    let arguments: Vec<&str> = arguments.iter().map(|argument| argument.as_str().unwrap()).collect();
    assert_eq!(home.run(&arguments).code, Some(0));
}

#[test]
fn whoever_works_by_hand_uses_the_kubeconfig() {
    let home = Home::with(&["me"]);
    fs::create_dir(home.path().join(".kube")).unwrap();
    let kubeconfig = "kind: Config\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: c, user: me}}]\nclusters:\n- name: c\n  \
                      cluster: {server: 'https://c:6443', extensions: [{name: client.authentication.k8s.io/exec, extension: \
                      {issuer: 'https://idp.example.com'}}]}\nusers: [{name: me, user: {exec: {command: countersign, args: \
                      [get-token, --oidc-client-id=kubectl]}}}]\n";
    fs::write(home.path().join(".kube").join("config"), kubeconfig).unwrap();
    let run = home.run(&["whoami", "--context=c", "--output=json"]);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(document["sessions"].as_array().unwrap().len(), 1, "{run:?}");
    let run = home.run(&["logout"]);
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (Some(0), "logged out me at https://idp.example.com, here\n"),
        "{run:?}"
    );
    let run = home.run(&["logout", "--context=d"]);
    let expected = format!(
        "countersign: {}: there is no context \"d\"; `kubectl config get-contexts` lists them\n",
        home.path().join(".kube").join("config").display()
    );
    assert_eq!((run.code, run.stderr), (Some(2), expected));
}
