//! `countersign openshift check`: documents in, findings and an exit code out.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

/// Exit code, standard output, standard error.
type Ended = (Option<i32>, String, String);

fn countersign(folder: &Path, arguments: &[&str], input: &str) -> Ended {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    // Nobody's own cluster is asked.
    command.args(arguments).current_dir(folder).env("KUBECONFIG", folder.join("none")).env("HOME", folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A command that reads nothing may have ended by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What `render openshift` prints, and the folder with its certificates.
fn rendered(server: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let pki = ["render", "pki", "--directory", "pki", "--server-name", "127.0.0.1"];
    assert_eq!(countersign(folder.path(), &pki, "").0, Some(0));
    let render = ["render", "openshift", "--server", server, "--pki", "pki", "--no-metadata"];
    let (code, manifest, err) = countersign(folder.path(), &render, "");
    assert_eq!(code, Some(0), "{err}");
    (folder, manifest)
}

fn codes(out: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(out).unwrap();
    document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| finding["code"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_rendered_passes_from_standard_input_and_from_a_folder() {
    let (folder, manifest) = rendered("https://127.0.0.1:8443");
    let (code, out, err) = countersign(folder.path(), &["openshift", "check", "-f", "-"], &manifest);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.ends_with("-: no problems\n"), "{out}");

    std::fs::create_dir(folder.path().join("manifests")).unwrap();
    for (number, document) in manifest.split("---\n").enumerate() {
        std::fs::write(folder.path().join(format!("manifests/{number}.yaml")), document).unwrap();
    }
    let (code, out, err) = countersign(folder.path(), &["openshift", "check", "-f", "manifests", "-o", "json"], "");
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(codes(&out), ["server_loopback", "metadata_none"]);
}

#[test]
fn an_error_among_the_findings_is_a_no_with_reason_and_fix() {
    let (folder, manifest) = rendered("https://127.0.0.1:8443");
    let (code, out, _) = countersign(
        folder.path(),
        &["openshift", "check", "-f", "-", "--output=json"],
        &manifest.replace("type: None", "type: IntegratedOAuth"),
    );
    assert_eq!(code, Some(1));
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        document["findings"][0],
        json!({
            "code": "webhook_overwritten",
            "severity": "error",
            "path": "spec.webhookTokenAuthenticator.kubeConfig.name",
            "message": "the webhook is not honored because with the type IntegratedOAuth (or none) the authentication operator \
                        overwrites the reference with webhook-authentication-integrated-oauth within two minutes",
            "remedy": "set spec.type to None",
        })
    );
}

#[test]
fn what_cannot_be_read_is_wrong_use() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, input, message) in [
        (&["-f", "absent.yaml"][..], "", "absent.yaml: cannot be read: No such file or directory (os error 2)"),
        (&["-f", "-"], "a: [", "standard input: is not YAML (line 1, column 4)"),
        (&["-f", "-"], "", "-: there is nothing to check in it"),
        (
            &["-f", "-"],
            "{kind: Pod, apiVersion: v1}",
            "-: there is nothing to check in it but Pod (v1); give any of Authentication, ClusterOperator, ",
        ),
        (&["-f", "-", "TOKEN"], "", "a token is of use with --probe only"),
        (&[], "", "/none: there is no kubeconfig; give one with --kubeconfig, or documents with -f"),
    ] {
        let (code, out, err) = countersign(folder.path(), &[&["openshift", "check"], arguments].concat(), input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.starts_with("countersign: ") && err.contains(message), "{arguments:?}: {err}");
    }
}

#[test]
fn a_probe_asks_the_webhook_by_the_secrets_own_kubeconfig() {
    // Nothing listens there.
    let (folder, manifest) = rendered("https://127.0.0.1:1");
    let (code, out, _) =
        countersign(folder.path(), &["openshift", "check", "-f", "-", "--probe", "-o", "json"], &manifest);
    assert_eq!((code, codes(&out).last().map(String::as_str)), (Some(3), Some("probe_unreached")), "{out}");
}

#[test]
fn apply_needs_documents_with_a_webhook_and_deleting_needs_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let integrated = "{kind: Authentication, apiVersion: config.openshift.io/v1, metadata: {name: cluster}, spec: {}}";
    for (arguments, input, message) in [
        (&["apply"][..], "", "there is nothing to apply: give documents with -f"),
        (&["apply", "-f", "-"], integrated, "spec.type is \"\", and a webhook needs None"),
        (&["revert", "--delete-secret", "--wait=false"], "", "--delete-secret needs --wait"),
        (&["revert", "--timeout", "30"], "", ""),
    ] {
        let (code, out, err) = countersign(folder.path(), &[&["openshift"], arguments].concat(), input);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(err.contains(message), "{arguments:?}: {err}");
    }
}

/// Documents whose secret has this kubeconfig.
fn documents(cluster: &Value, user: &Value) -> String {
    let kubeconfig = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    });
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook", "namespace": "openshift-config"},
        "stringData": {"kubeConfig": kubeconfig.to_string()}});
    let spec = json!({"type": "None", "webhookTokenAuthenticator": {"kubeConfig": {"name": "hook"}}});
    let authentication = json!({"apiVersion": "config.openshift.io/v1", "kind": "Authentication", "metadata": {"name": "cluster"}, "spec": spec});
    format!("{secret}\n---\n{authentication}\n")
}

/// What a probe of such documents says, and whether it came to a server that listens on plain TCP.
fn probed(cluster: impl Fn(&str) -> Value, user: &Value, arguments: &[&str]) -> (String, bool) {
    let folder = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let input = documents(&cluster(&listener.local_addr().unwrap().to_string()), user);
    let probe = ["openshift", "check", "-f", "-", "-o", "json", "--probe"];
    let (code, out, err) = countersign(folder.path(), &[&probe[..], arguments].concat(), &input);
    assert_eq!(code, Some(1), "{out}{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    let last = document["findings"].as_array().unwrap().last().unwrap();
    assert_eq!(last["code"], "probe_failed", "{document:#}");
    (last["message"].as_str().unwrap().to_owned(), listener.accept().is_ok())
}

#[test]
fn files_that_a_secret_names_are_not_read_for_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "LOCAL-FILE-CONTENT").unwrap();
    let cluster = |address: &str| json!({"server": format!("https://{address}/a"), "insecure-skip-tls-verify": true});
    let (message, came) = probed(cluster, &json!({"tokenFile": file.path()}), &[]);
    assert_eq!(message, "the webhook is not asked because the kubeconfig names files, which no operator follows");
    assert!(!came);
}

#[test]
fn a_token_of_ones_own_is_not_sent_in_the_clear() {
    let cluster = |address: &str| json!({"server": format!("http://{address}/a")});
    let (message, came) = probed(cluster, &json!({"token": "caller"}), &["a.real.token"]);
    assert_eq!(message, "the token is not sent because others could read it on its way; ask without one");
    assert!(!came);
}

#[test]
fn a_file_without_an_end_does_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let server = ["render", "openshift", "--server", "https://127.0.0.1:8443"];
    for (arguments, message) in [
        (
            [&server[..], &["--issuer", "https://idp", "--discovery", "/dev/zero"]].concat(),
            "/dev/zero: cannot be read: it has more than 1 MiB; give the right file",
        ),
        (
            vec!["openshift", "check", "--kubeconfig", "/dev/zero"],
            "/dev/zero: cannot be read: it has more than 16 MiB; give the right file",
        ),
        (
            vec![
                "render",
                "exec",
                "--oidc-issuer-url",
                "https://idp",
                "--oidc-client-id",
                "me",
                "--write",
                "/dev/zero",
            ],
            "/dev/zero: cannot be read: it has more than 16 MiB; give the right file",
        ),
    ] {
        let (code, out, err) = countersign(folder.path(), &arguments, "");
        assert!(matches!(code, Some(2 | 3)) && out.is_empty(), "{arguments:?}: {out}");
        assert!(err.ends_with(&format!("countersign: {message}\n")), "{arguments:?}: {err}");
    }
}

#[test]
fn programs_get_one_document_however_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, input) in [
        (&["check", "-f", "absent.yaml"][..], ""),
        (&["check", "-f", "-"], "{kind: Pod, apiVersion: v1}"),
        (&["check"], ""),
        (&["apply"], ""),
        (&["apply", "-f", "-"], "{kind: Pod, apiVersion: v1}"),
        (&["revert"], ""),
        (&["revert", "--delete-secret", "--wait=false"], ""),
    ] {
        let (code, out, err) =
            countersign(folder.path(), &[&["openshift"], arguments, &["-o", "json"]].concat(), input);
        assert_eq!(code, Some(2), "{arguments:?}: {err}");
        let document: Value =
            serde_json::from_str(&out).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {out}"));
        assert_eq!(err, format!("countersign: {}\n", document["error"].as_str().unwrap()), "{arguments:?}");
        assert!(document["findings"].is_array(), "{arguments:?}");
    }
}
