//! What `render PLATFORM` prints, read by the platforms' own code where that can be had.
//!
//! kubeadm's, kind's and Talos' configuration by their Go types, Cluster API's by its schema in a real API server, and the
//! flags of all of them by the real kube-apiserver. There is no such reader for kOps, Kubespray, vCluster, MicroK8s, k0s,
//! K3s and RKE2: for those, flags are all that is checked here.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{ApiServer, Countersign, OidcProvider, Reviews, Rig, Settings, component};

const SERVER: &str = "https://127.0.0.1:8443/authenticate";

/// Runs `countersign render` with the rig's certificates.
fn render(rig: &Rig, server: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.arg("render").args(arguments).args(["--output", "json", "--server", server]);
    command.arg("--certificate-authority").arg(&rig.servers.file);
    command.arg("--client-certificate").arg(&rig.caller.certificate).arg("--client-key").arg(&rig.caller.key);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn document(rendered: &Value, file: &str) -> String {
    let documents = rendered["documents"].as_array().unwrap();
    let found = documents.iter().find(|document| document["file"] == file);
    found.unwrap_or_else(|| panic!("no {file} in {rendered}"))["content"].as_str().unwrap().to_owned()
}

/// Runs a reader with a document on its standard input.
fn read(reader: &str, arguments: &[&Path], document: &str) -> Output {
    let mut command = Command::new(component(reader));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn understood(reader: &str, arguments: &[&Path], document: &str) -> String {
    let output = read(reader, arguments, document);
    assert!(output.status.success(), "{reader}: {}\n{document}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn arguments(path: &str) -> Value {
    json!({
        "authentication-token-webhook-config-file": path,
        "authentication-token-webhook-version": "v1",
        "authentication-token-webhook-cache-ttl": "30s",
    })
}

fn kubeadm_volume() -> Value {
    let folder = "/etc/kubernetes/countersign";
    json!([{"Name": "countersign", "HostPath": folder, "MountPath": folder, "ReadOnly": true, "PathType": "DirectoryOrCreate"}])
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn kubeadm_understands_its_configuration() {
    let rig = Rig::new();
    for version in ["v1beta3", "v1beta4"] {
        let rendered = render(&rig, SERVER, &["kubeadm", "--api-version", version]);
        let read = understood("KUBEADM_CONFIG", &[], &document(&rendered, "kubeadm.yaml"));
        let read: Value = serde_json::from_str(&read).unwrap();
        let path = "/etc/kubernetes/countersign/webhook.kubeconfig";
        assert_eq!(read, json!({"arguments": arguments(path), "volumes": kubeadm_volume()}), "{version}");
    }
    let misspelt = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\napiServer: {extraVolume: []}\n";
    let refused = read("KUBEADM_CONFIG", &[], misspelt);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown field"), "the reader is strict");
}

/// Patched as kind patches its own configuration: nothing of that is lost.
#[test]
#[ignore = "needs tests/real/setup.sh"]
fn kind_understands_its_configuration_and_kubeadm_the_patched_one() {
    let rig = Rig::new();
    let cluster = document(&render(&rig, SERVER, &["kind"]), "kind.yaml");
    for (version, own) in
        [("v1beta3", "{runtime-config: api/all=true}"), ("v1beta4", "[{name: runtime-config, value: api/all=true}]")]
    {
        let file = rig.folder().join(version);
        let text = format!(
            "apiVersion: kubeadm.k8s.io/{version}\nkind: ClusterConfiguration\napiServer: {{extraArgs: {own}}}\n"
        );
        std::fs::write(&file, text).unwrap();
        let patched = understood("SCHEMA_KIND", &[&file], &cluster);
        let read: Value = serde_json::from_str(&understood("KUBEADM_CONFIG", &[], &patched)).unwrap();
        let mut expected = arguments("/etc/kubernetes/countersign/webhook.kubeconfig");
        expected["runtime-config"] = json!("api/all=true");
        assert_eq!(read, json!({"arguments": expected, "volumes": kubeadm_volume()}), "{version}");
    }
    let refused = read("SCHEMA_KIND", &[&rig.folder().join("v1beta4")], "kind: Cluster\nnodes: [{extraMount: []}]\n");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("extraMount"), "the reader is strict");
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn talos_understands_its_patch() {
    let rig = Rig::new();
    let patch = document(&render(&rig, SERVER, &["talos", "--talos-version", "1.13"]), "talos.yaml");
    let mut read: Value = serde_json::from_str(&understood("SCHEMA_TALOS", &[], &patch)).unwrap();
    let arguments = read["arguments"].as_object_mut().unwrap();
    arguments.retain(|name, _| name.starts_with("authentication-token-webhook"));
    let content = read["files"][0].as_object_mut().unwrap().remove("content").unwrap();
    assert!(content.as_str().unwrap().ends_with("current-context: countersign\n"), "{content}");
    let folder = "/var/countersign";
    assert_eq!(
        read,
        json!({
            "files": [{"path": "/var/countersign/webhook.kubeconfig", "op": "create", "permissions": "444"}],
            "arguments": {
                "authentication-token-webhook-config-file": ["/var/countersign/webhook.kubeconfig"],
                "authentication-token-webhook-version": ["v1"],
                "authentication-token-webhook-cache-ttl": ["30s"],
            },
            "volumes": [{"hostPath": folder, "mountPath": folder, "readOnly": true}],
        })
    );
    let refused = read_talos("machine: {file: []}\n");
    assert!(refused.contains("unknown keys"), "the reader is strict: {refused}");
}

fn read_talos(patch: &str) -> String {
    String::from_utf8(read("SCHEMA_TALOS", &[], patch).stderr).unwrap()
}

/// The flags of every platform are flags of the real API server, with values that it can read.
#[test]
#[ignore = "needs tests/real/setup.sh"]
fn kube_apiserver_knows_every_flag() {
    let rig = Rig::new();
    for (platform, file, pointer) in [
        ("k0s", "k0s.yaml", "/spec/api/extraArgs"),
        ("k3s", "90-countersign.yaml", "/kube-apiserver-arg+"),
        ("kubespray", "countersign.yml", "/kube_kubeadm_apiserver_extra_args"),
        ("microk8s", "microk8s.yaml", "/extraKubeAPIServerArgs"),
        ("rke2", "90-countersign.yaml", "/kube-apiserver-arg+"),
        ("vcluster", "vcluster.yaml", "/controlPlane/distro/k8s/apiServer/extraArgs"),
    ] {
        let rendered = render(&rig, SERVER, &[platform, "--cache-ttl", "1m30s"]);
        let read: Value = serde_saphyr::from_str(&document(&rendered, file)).unwrap();
        let flags: Vec<String> = match read.pointer(pointer).unwrap() {
            Value::Array(flags) => flags.iter().map(|flag| flag.as_str().unwrap().to_owned()).collect(),
            Value::Object(flags) => {
                flags.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap())).collect()
            }
            other => panic!("{platform}: {other}"),
        };
        assert_eq!(flags.len(), 3, "{platform}");
        let flags = flags.iter().map(|flag| format!("--{}", flag.trim_start_matches("--")));
        let output = Command::new(component("KUBE_APISERVER")).args(flags).arg("--version").output().unwrap();
        assert!(output.status.success(), "{platform}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Cluster API's own schema, and Kubernetes', in a real API server: unknown fields are errors there.
#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn cluster_api_takes_the_control_plane_and_kubernetes_the_secrets() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let cluster = ApiServer::start(&rig, &countersign.webhook(&rig), Reviews::V1).await;
    let kubectl = &cluster.kubectl;
    let schema = component("CRD_KUBEADM_CONTROL_PLANE");
    kubectl.admin(&["apply", "--server-side", "-f", schema.to_str().unwrap()]).await;
    kubectl.admin(&["wait", "--for=condition=Established", "--timeout=30s", "-f", schema.to_str().unwrap()]).await;

    for version in ["v1beta1", "v1beta2"] {
        let rendered = render(&rig, SERVER, &["cluster-api", "--api-version", version]);
        let mut control_plane: Value =
            serde_saphyr::from_str(&document(&rendered, "kubeadm-control-plane.yaml")).unwrap();
        // What an operator's own object has.
        control_plane["metadata"] = json!({"name": "trial", "namespace": "default"});
        control_plane["spec"]["version"] = json!("v1.36.2");
        let template = json!({"kind": "DockerMachineTemplate", "name": "trial"});
        control_plane["spec"]["machineTemplate"] = if version == "v1beta1" {
            json!({"infrastructureRef": {"apiVersion": "infrastructure.cluster.x-k8s.io/v1beta1", "kind": template["kind"],
                "name": "trial"}})
        } else {
            json!({"spec": {"infrastructureRef": {"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": template["kind"],
                "name": "trial"}}})
        };
        let file = rig.folder().join(format!("{version}.json"));
        std::fs::write(&file, control_plane.to_string()).unwrap();
        kubectl.admin(&strict_dry_run(&file)).await;

        control_plane["spec"]["kubeadmConfigSpec"]["clusterConfiguration"]["apiServer"]["extraArg"] = json!([]);
        std::fs::write(&file, control_plane.to_string()).unwrap();
        let refused = kubectl.try_admin(&strict_dry_run(&file)).await.unwrap_err();
        assert!(refused.contains("extraArg"), "{refused}");
    }
    for platform in ["cluster-api", "vcluster"] {
        let file = rig.folder().join(format!("{platform}-secret.yaml"));
        std::fs::write(&file, document(&render(&rig, SERVER, &[platform]), "secret.yaml")).unwrap();
        kubectl.admin(&strict_dry_run(&file)).await;
    }
}

fn strict_dry_run(file: &Path) -> [&str; 5] {
    ["create", "--dry-run=server", "--validate=strict", "-f", file.to_str().unwrap()]
}

/// A whole control plane from what is rendered for kubeadm: the file and the flags, and a user who logs in through both.
#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn an_api_server_started_as_rendered_lets_a_user_in() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(&rig, &settings).await;
    let rendered = render(&rig, &format!("{}/authenticate", countersign.url()), &["kubeadm"]);
    let file = rig.folder().join("rendered.kubeconfig");
    std::fs::write(&file, document(&rendered, "webhook.kubeconfig")).unwrap();
    let read = understood("KUBEADM_CONFIG", &[], &document(&rendered, "kubeadm.yaml"));
    let mut read: Value = serde_json::from_str(&read).unwrap();
    read["arguments"].as_object_mut().unwrap().remove("authentication-token-webhook-config-file").unwrap();
    let flags = read["arguments"].as_object().unwrap().iter();
    let flags = flags.map(|(name, value)| format!("--{name}={}", value.as_str().unwrap())).collect();
    let cluster = ApiServer::start(&rig, &file, Reviews::Flags(flags)).await;
    let token = provider.tokens.of("alice").await;
    assert_eq!(cluster.kubectl.whoami(&token).await.unwrap()["username"], "alice");
}
