//! Bad days: one line that says what, where and what to do; nothing on standard output; the session intact.

use std::fs;

use crate::support::{Home, Run, finish, get_token, info};

/// Checks a failure's form, and gives its line.
fn line(run: &Run, code: i32) -> &str {
    assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{run:?}");
    let line = run.stderr.strip_suffix('\n').and_then(|text| text.strip_prefix("countersign: ")).unwrap();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn without_session_and_person_the_answer_is_no_and_says_how_to_log_in() {
    let home = Home::new();
    assert_eq!(
        line(&home.kubectl("v1", &[]), 1),
        "nobody is logged in, and nobody can be asked here; log in with `countersign login` and the same flags \
         (https://idp.example.com)"
    );
}

#[test]
fn several_accounts_without_a_person_are_named() {
    let home = Home::with(&["alice", "bob"]);
    let expected = "several accounts are logged in (alice, bob); choose one with --account";
    assert_eq!(line(&home.kubectl("v1", &[]), 2), expected);
}

#[test]
fn a_request_that_cannot_be_understood_is_wrong_use() {
    let home = Home::with(&["me"]);
    for (text, expected) in [
        (
            "{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1alpha1\"}",
            "KUBERNETES_EXEC_INFO asks for an API version that is not spoken here; set `apiVersion: \
             client.authentication.k8s.io/v1` in the kubeconfig's exec entry",
        ),
        ("<html>", "KUBERNETES_EXEC_INFO is not a JSON object; run this from kubectl, or unset the variable"),
        ("", "KUBERNETES_EXEC_INFO is not a JSON object; run this from kubectl, or unset the variable"),
    ] {
        let run = finish(home.command(&get_token(&[])).env("KUBERNETES_EXEC_INFO", text));
        assert_eq!(line(&run, 2), expected);
    }
}

#[test]
fn without_a_home_the_way_out_is_named() {
    let home = Home::new();
    let run = finish(home.command(&get_token(&[])).env_remove("HOME"));
    assert_eq!(line(&run, 2), "there is no home folder to keep sessions in; set HOME or give --token-cache-dir");
}

#[test]
fn a_home_that_cannot_be_written_is_named_with_a_way_out() {
    let home = Home::new();
    fs::write(home.path().join(".local"), "a file").unwrap();
    let text = home.kubectl("v1", &[]);
    let text = line(&text, 3);
    assert!(text.starts_with(&home.sessions().display().to_string()), "{text}");
    assert!(text.contains("choose another with --token-cache-dir"), "{text}");
}

#[test]
fn a_later_versions_session_is_neither_used_nor_destroyed() {
    let home = Home::with(&["me"]);
    let file = fs::read_dir(home.sessions()).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "{\"version\":7}").unwrap();
    let text = home.kubectl("v1", &[]);
    assert!(line(&text, 3).ends_with("was written by a later version of countersign; update this one"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"version\":7}");
}

#[test]
fn a_damaged_session_counts_as_none() {
    let home = Home::with(&["me"]);
    let file = fs::read_dir(home.sessions()).unwrap().next().unwrap().unwrap().path();
    fs::write(&file, "{\"version\":1,\"key\":").unwrap();
    assert!(line(&home.kubectl("v1", &[]), 1).starts_with("nobody is logged in, "));
}

#[test]
fn a_token_file_that_has_ended_is_not_sent() {
    use base64::Engine as _;
    let home = Home::new();
    let file = home.path().join("token");
    let claims = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode("{\"exp\":1700000000}");
    fs::write(&file, format!("e30.{claims}.x")).unwrap();
    let flag = format!("--token-file={}", file.display());
    let run = home.run(&["get-token", &flag]);
    let expected = format!(
        "{}: the token ended at 2023-11-14T22:13:20Z; see that whoever writes the file still does",
        file.display()
    );
    assert_eq!(line(&run, 3), expected);
}

#[test]
fn nothing_is_kept_where_nothing_was_to_be_kept() {
    let home = Home::with(&["me"]);
    let before = fs::read_dir(home.sessions()).unwrap().count();
    let run = home.kubectl("v1", &["--token-cache-storage=none"]);
    assert!(line(&run, 1).starts_with("nothing is stored (--token-cache-storage none), and nobody can be asked here"));
    assert_eq!(fs::read_dir(home.sessions()).unwrap().count(), before);
}

#[test]
fn k7_flags_that_are_refused_are_refused_before_anything_is_read() {
    let home = Home::with(&["me"]);
    for flag in
        ["--insecure-skip-tls-verify", "--password=hunter2", "--grant-type=password", "--oidc-pkce-method=plain"]
    {
        let run = finish(home.command(&get_token(&[flag])).env("KUBERNETES_EXEC_INFO", info("v1").to_string()));
        assert!(line(&run, 2).starts_with("--"), "{flag}");
        assert!(!run.stderr.contains("hunter2"));
    }
}
