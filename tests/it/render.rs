//! `countersign render`: files in, documents out.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use countersign::wiring::kubeconfig::Connection;
use serde_json::{Value, json};

/// Exit code, standard output, standard error.
fn render(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("render").args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A folder with certificates for `hook.example.com`.
fn pki() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = render(folder.path(), &["pki", "--directory", "pki", "--server-name", "hook.example.com"]);
    assert_eq!(code, Some(0), "{err}");
    folder
}

const SERVER: &str = "https://hook.example.com:8443/authenticate";

#[test]
fn certificates_are_made_listed_and_explained() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["pki", "--directory", "pki", "--server-name", "hook", "--server-name", "0:0::1", "--output", "json"];
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let mut made: Value = serde_json::from_str(&out).unwrap();
    for entry in made["certificates"].as_array_mut().unwrap() {
        let end = entry.as_object_mut().unwrap().remove("notAfter").unwrap();
        assert_eq!(end.as_str().unwrap().len(), "2027-01-01T00:00:00Z".len());
    }
    let entry = |role: &str, stem: &str, names: &[&str]| {
        json!({
            "role": role, "action": "made", "names": names,
            "certificate": format!("pki/{stem}.crt"), "privateKey": format!("pki/{stem}.key"),
        })
    };
    let expected = [
        entry("authority", "ca", &["countersign authority"]),
        entry("server", "tls", &["hook", "::1"]),
        entry("caller", "kube-apiserver", &["kube-apiserver"]),
    ];
    assert_eq!(made, json!({ "certificates": expected, "findings": [] }));

    let (code, out, err) = render(folder.path(), &["pki", "--directory", "pki"]);
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(out.lines().filter(|line| line.starts_with("kept ")).count(), 3, "{out}");
    assert!(err.contains("clientCertificateAuthorityFile: pki/ca.crt, allowedNames: [kube-apiserver]"), "{err}");
}

#[test]
fn a_certificate_is_never_replaced_unasked() {
    let folder = pki();
    let (code, out, err) = render(folder.path(), &["pki", "--directory", "pki", "--server-name", "other"]);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(
        err,
        "countersign: pki/tls.crt: is there, for hook.example.com; order it to be renewed (--renew), or use another \
         folder\n"
    );
}

#[test]
fn the_kubeconfig_has_everything_inline() {
    let folder = pki();
    let arguments = ["kubeconfig", "--server", SERVER, "--pki", "pki", "--tls-server-name", "hook.example.com"];
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    let connection = Connection::from_yaml(&out, Path::new("printed")).unwrap();
    let read = |name: &str| fs::read(folder.path().join("pki").join(name)).unwrap();
    assert_eq!(connection.server.as_str(), SERVER);
    assert_eq!(connection.tls_server_name.as_deref(), Some("hook.example.com"));
    assert_eq!(connection.authority_pem, Some(read("ca.crt")));
    let client = connection.client.unwrap();
    assert_eq!(client.certificate_pem, read("kube-apiserver.crt"));
    assert_eq!(*client.private_key_pem, read("kube-apiserver.key"));
    assert_eq!(out.lines().count(), 19, "one line for each value: {out}");

    let (_, json, _) = render(folder.path(), &[&arguments[..], &["--output", "json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["clusters"][0]["cluster"]["server"], SERVER);
    assert_eq!(json["current-context"], "countersign");
}

#[test]
fn a_kubeconfig_with_a_token_has_no_certificate() {
    let folder = pki();
    fs::write(folder.path().join("token"), "caller-of-reviews\n").unwrap();
    let arguments =
        ["kubeconfig", "--server", SERVER, "--certificate-authority", "pki/ca.crt", "--caller-token-file", "token"];
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains("\nusers:\n- name: countersign\n  user:\n    token: caller-of-reviews\n"), "{out}");
}

#[test]
fn a_written_kubeconfig_is_private_and_not_replaced_unasked() {
    let folder = pki();
    let arguments = ["kubeconfig", "--server", SERVER, "--pki", "pki", "--write", "webhook.kubeconfig"];
    assert_eq!(render(folder.path(), &arguments).1, "webhook.kubeconfig: written\n");
    let file = folder.path().join("webhook.kubeconfig");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert_eq!(err, "countersign: webhook.kubeconfig: is there already; --force replaces it\n");
    assert_eq!(render(folder.path(), &[&arguments[..], &["--force"]].concat()).0, Some(0));
}

#[test]
fn what_could_not_work_is_not_rendered() {
    let folder = pki();
    let (code, out, err) =
        render(folder.path(), &["kubeconfig", "--server", "http://hook/authenticate", "--pki", "pki"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        err,
        "error  clusters[0].cluster.server: every bearer token of the cluster would cross the network unencrypted\n  \
         fix: use https://\ncountersign: nothing was rendered: it could not work, for the reasons given\n"
    );
}

#[test]
fn to_programs_a_refusal_is_a_document_too() {
    let folder = pki();
    let findings = json!([{
        "code": "plain_http", "severity": "error", "path": "clusters[0].cluster.server", "remedy": "use https://",
        "message": "every bearer token of the cluster would cross the network unencrypted",
    }]);
    for what in ["kubeconfig", "kubeadm"] {
        let (code, out, err) =
            render(folder.path(), &[what, "--server", "http://10.0.0.1/a", "--pki", "pki", "-o", "json"]);
        let error = "nothing was rendered: it could not work, for the reasons given";
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((code, document), (Some(1), json!({"findings": findings, "error": error})), "{what}");
        assert_eq!(err, format!("countersign: {error}\n"));
    }
    let openshift =
        ["openshift", "--server", "https://hook.hooks.svc/a", "--pki", "pki", "--no-metadata", "-o", "json"];
    let (code, out, _) = render(folder.path(), &openshift);
    let document: Value = serde_json::from_str(&out).unwrap();
    let codes: Vec<_> = document["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str()).collect();
    assert_eq!((code, codes), (Some(1), vec![Some("cluster_dns_name"), Some("server_service_name")]));

    let (code, out, err) = render(folder.path(), &["k3s", "--pki", "pki", "-o", "yaml"]);
    let error = "--server is missing; give https://HOST:PORT/authenticate";
    assert_eq!((code, out), (Some(2), format!("findings: []\nerror: {error}\n")));
    assert_eq!(err, format!("countersign: {error}\n"));
}

#[test]
fn a_written_kubeconfig_looks_as_it_was_asked_for() {
    let folder = pki();
    let arguments = ["kubeconfig", "--server", SERVER, "--pki", "pki", "--output", "json", "--write"];
    let (_, printed, _) = render(folder.path(), &arguments[..7]);
    assert_eq!(render(folder.path(), &[&arguments[..], &["-"]].concat()).1, printed);
    assert_eq!(render(folder.path(), &[&arguments[..], &["hook.json"]].concat()).0, Some(0));
    assert_eq!(fs::read_to_string(folder.path().join("hook.json")).unwrap(), printed);
    // What is changed cannot be standard output.
    let exec = ["exec", "--oidc-issuer-url", "https://idp", "--oidc-client-id", "me", "--write", "-"];
    let (code, out, err) = render(folder.path(), &exec);
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.starts_with("countersign: --write: is the kubeconfig to change, and - is none"), "{err}");
    assert!(!folder.path().join("-").exists());
}

#[test]
fn a_folder_gets_all_documents_or_none() {
    let folder = pki();
    let arguments = ["kubeadm", "--server", SERVER, "--pki", "pki", "--directory", "new", "--force"];
    fs::create_dir_all(folder.path().join("new/kubeadm.yaml")).unwrap();
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, out.as_str()), (Some(3), ""));
    assert_eq!(err, "countersign: new/kubeadm.yaml: cannot be written: is a directory\n");
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1, "nothing else is there");
}

#[test]
fn all_callers_of_the_folder_are_named_when_one_is_added() {
    let folder = pki();
    let (code, _, err) = render(folder.path(), &["pki", "--directory", "pki", "--caller", "second"]);
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("allowedNames: [second, kube-apiserver]"), "{err}");
}

#[test]
fn a_configuration_fills_in_what_it_says_and_must_fit() {
    let folder = pki();
    let path = |name: &str| folder.path().join(name);
    let chain = ["tls.crt", "ca.crt"].map(|name| fs::read_to_string(path("pki").join(name)).unwrap()).concat();
    fs::write(path("pki/tls.crt"), chain).unwrap();
    fs::write(path("caller.token"), "0123456789abcdef0123456789abcdef").unwrap();
    fs::write(
        path("config.yaml"),
        "apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
server:
  address: 127.0.0.1:8443
  tls: {certificateFile: pki/tls.crt, privateKeyFile: pki/tls.key}
  callers: {bearerTokenFiles: [caller.token]}
authenticationConfiguration:
  apiVersion: apiserver.config.k8s.io/v1
  kind: AuthenticationConfiguration
  jwt:
    - issuer: {url: 'https://idp.example.com', audiences: [kubernetes]}
      claimMappings: {username: {claim: sub, prefix: ''}}
",
    )
    .unwrap();
    let arguments = ["kubeconfig", "--config", "config.yaml"];
    let (code, _, err) = render(folder.path(), &arguments);
    assert_eq!(code, Some(1));
    assert!(err.contains("it is for other names than the one that they ask for"), "{err}");

    let (code, out, err) =
        render(folder.path(), &[&arguments[..], &["--tls-server-name", "hook.example.com"]].concat());
    assert_eq!(code, Some(0), "{err}");
    let connection = Connection::from_yaml(&out, Path::new("printed")).unwrap();
    assert_eq!(connection.server.as_str(), "https://127.0.0.1:8443/authenticate");
    assert_eq!(connection.bearer.unwrap().expose_secret(), "0123456789abcdef0123456789abcdef");
    assert_eq!(connection.authority_pem, Some(fs::read(path("pki/ca.crt")).unwrap()));
}

#[test]
fn no_private_key_goes_where_certificates_belong() {
    let folder = pki();
    let read = |name: &str| fs::read_to_string(folder.path().join("pki").join(name)).unwrap();
    fs::write(folder.path().join("both.pem"), read("ca.crt") + &read("ca.key")).unwrap();
    let arguments = ["kubeconfig", "--server", SERVER, "--certificate-authority", "both.pem"];
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!(code, Some(0), "{err}");
    let connection = Connection::from_yaml(&out, Path::new("printed")).unwrap();
    assert_eq!(String::from_utf8(connection.authority_pem.unwrap()).unwrap(), read("ca.crt"));
}

#[test]
fn the_authority_and_what_lies_elsewhere_are_no_callers() {
    let folder = pki();
    for caller in ["ca", "tls", "../pki/kube-apiserver"] {
        let (code, out, err) =
            render(folder.path(), &["kubeconfig", "--server", SERVER, "--pki", "pki", "--caller", caller]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{caller}");
        assert!(err.starts_with(&format!("countersign: --caller: {caller:?} cannot be a caller's name here")), "{err}");
    }
}

#[test]
fn a_url_that_kube_apiserver_would_not_start_with_is_refused() {
    let folder = pki();
    for server in
        ["https://10.0.0.1/%zz", "https:///a", "https://10.0.0.1/a\nb: c", " https://10.0.0.1", "https://0x7f.1"]
    {
        for what in ["kubeconfig", "kubeadm", "openshift"] {
            let (code, out, err) = render(folder.path(), &[what, "--server", server, "--pki", "pki"]);
            assert_eq!((code, out.as_str()), (Some(2), ""), "{what} {server:?}");
            assert!(err.contains("--server: is not a URL that an API server can use"), "{what} {server:?}: {err}");
        }
    }
}

#[test]
fn openshifts_documents_go_into_a_file_for_their_owner_alone() {
    let folder = pki();
    let address = "https://10.0.0.1:8443/authenticate";
    let arguments = ["openshift", "--server", address, "--pki", "pki", "--no-metadata", "--write", "openshift.yaml"];
    let (code, out, err) = render(folder.path(), &arguments);
    assert_eq!((code, out.as_str()), (Some(0), "openshift.yaml: written\n"), "{err}");
    let file = folder.path().join("openshift.yaml");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).unwrap().contains("kind: Authentication"));
    let (code, _, err) = render(folder.path(), &arguments);
    assert_eq!((code, err.contains("is there already; --force replaces it")), (Some(2), true), "{err}");

    let theirs = ["openshift", "--server", address, "--pki", "pki", "--no-metadata", "--secret"];
    let (code, out, err) = render(folder.path(), &[&theirs[..], &["webhook-authentication-integrated-oauth"]].concat());
    assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
}

#[test]
fn a_folder_of_certificates_that_is_not_there_is_to_be_made_first() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = render(folder.path(), &["kubeadm", "--server", SERVER, "--pki", "nope"]);
    let said = "countersign: --pki: nope is no folder; make it with `countersign render pki --directory nope`\n";
    assert_eq!((code, err.as_str()), (Some(2), said));
}
