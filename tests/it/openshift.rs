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
        (&["-f", "-", "TOKEN"], "", "a token is of use with --probe only"),
        (&[], "", "/none: there is no kubeconfig; give one with --kubeconfig"),
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
