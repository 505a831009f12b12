//! What an operator applies is taken by a real API server, whole and without a warning, and fits Kubernetes' own schema, that of
//! the Prometheus operator's objects, and Grafana's.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::support::{ApiServer, Countersign, Kubectl, OidcProvider, Reviews, Rig, Settings, component};

/// The Prometheus operator's: the API server knows them once their definitions are there.
const FOREIGN: [&str; 2] = ["PrometheusRule", "ServiceMonitor"];

fn deploy(path: &str) -> String {
    format!("{}/deploy/{path}", env!("CARGO_MANIFEST_DIR"))
}

async fn cluster(rig: &Rig) -> (ApiServer, Countersign) {
    let provider = OidcProvider::start(rig).await;
    let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
    let countersign = Countersign::start(rig, &settings).await;
    (ApiServer::start(rig, &countersign.webhook(rig), Reviews::V1).await, countersign)
}

/// A namespace that enforces what the objects promise.
async fn namespace(kubectl: &Kubectl, level: &str) {
    kubectl.admin(&["create", "namespace", "countersign"]).await;
    let label = format!("pod-security.kubernetes.io/enforce={level}");
    kubectl.admin(&["label", "namespace", "countersign", &label]).await;
}

async fn dry_run(kubectl: &Kubectl, kind: &str, path: &str) -> BTreeSet<String> {
    let arguments = [
        "apply",
        "--dry-run=server",
        "--validate=strict",
        "--warnings-as-errors",
        "--output=name",
        "-n",
        "countersign",
        kind,
        path,
    ];
    kubectl.admin(&arguments).await.lines().map(str::to_owned).collect()
}

/// Has the API server know the Prometheus operator's objects.
async fn monitoring(kubectl: &Kubectl) {
    for definition in ["CRD_PROMETHEUS_RULE", "CRD_SERVICE_MONITOR"] {
        let file = component(definition);
        let file = file.to_str().unwrap();
        kubectl.admin(&["apply", "--server-side", "-f", file]).await;
        kubectl.admin(&["wait", "--for=condition=Established", "--timeout=30s", "-f", file]).await;
    }
}

fn names(list: &[&str]) -> BTreeSet<String> {
    list.iter().map(ToString::to_string).collect()
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn replicas_are_taken_as_restricted_pods() {
    let rig = Rig::new();
    let (cluster, _countersign) = cluster(&rig).await;
    namespace(&cluster.kubectl, "restricted").await;
    let applied = dry_run(&cluster.kubectl, "-k", &deploy("kustomize/overlays/replicas")).await;
    assert_eq!(
        applied,
        names(&[
            "namespace/countersign",
            "deployment.apps/countersign",
            "service/countersign",
            "service/countersign-admin",
            "poddisruptionbudget.policy/countersign",
            "horizontalpodautoscaler.autoscaling/countersign",
            "networkpolicy.networking.k8s.io/countersign",
        ])
    );
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn the_monitoring_component_is_taken() {
    let rig = Rig::new();
    let (cluster, _countersign) = cluster(&rig).await;
    namespace(&cluster.kubectl, "restricted").await;
    monitoring(&cluster.kubectl).await;
    let folder = rig.folder().join("monitored");
    std::fs::create_dir(&folder).unwrap();
    // kustomize takes relative ways to bases only.
    let up = "../".repeat(folder.components().count() - 1);
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: ['{up}{}']\ncomponents: ['{up}{}']\n",
        &deploy("kustomize/overlays/replicas")[1..],
        &deploy("kustomize/components/monitoring")[1..],
    );
    std::fs::write(folder.join("kustomization.yaml"), text).unwrap();
    let applied = dry_run(&cluster.kubectl, "-k", folder.to_str().unwrap()).await;
    for object in ["prometheusrule", "servicemonitor"] {
        assert!(applied.contains(&format!("{object}.monitoring.coreos.com/countersign")), "{applied:?}");
    }
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn grafana_understands_the_dashboard() {
    let read = |text: &str| {
        let mut reader = Command::new(component("SCHEMA_GRAFANA"));
        let mut reader = reader.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        reader.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        reader.wait_with_output().unwrap()
    };
    let text = std::fs::read_to_string(deploy("grafana/countersign.json")).unwrap();
    let output = read(&text);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = read(&text.replacen("\"fieldConfig\"", "\"fieldsConfig\"", 1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("fieldsConfig"), "the reader is strict");
}

/// The host's network is the one thing that keeps it from being restricted.
#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn one_beside_each_api_server_is_taken_and_is_restricted_but_for_its_network() {
    let rig = Rig::new();
    let (cluster, _countersign) = cluster(&rig).await;
    namespace(&cluster.kubectl, "privileged").await;
    let applied = dry_run(&cluster.kubectl, "-k", &deploy("kustomize/overlays/control-plane")).await;
    assert_eq!(applied, names(&["namespace/countersign", "daemonset.apps/countersign"]));

    let output = Command::new(component("KUBECTL"))
        .args(["kustomize", &deploy("kustomize/overlays/control-plane")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let daemon_set = text.split("\n---\n").find(|document| document.contains("kind: DaemonSet")).unwrap();
    let daemon_set: Value = serde_saphyr::from_str(daemon_set).unwrap();
    let mut pod =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "as-restricted", "namespace": "countersign"}});
    pod["spec"] = daemon_set["spec"]["template"]["spec"].clone();
    let spec = pod["spec"].as_object_mut().unwrap();
    spec.remove("hostNetwork");
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        spec["containers"][0][probe]["httpGet"].as_object_mut().unwrap().remove("host");
    }
    let file = rig.folder().join("pod.json");
    std::fs::write(&file, pod.to_string()).unwrap();
    let restricted = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl.admin(&["label", "--overwrite", "namespace", "countersign", restricted]).await;
    // The service-account controller is not there to make it.
    cluster.kubectl.admin(&["-n", "countersign", "create", "serviceaccount", "default"]).await;
    cluster.kubectl.admin(&["create", "--dry-run=server", "--validate=strict", "-f", file.to_str().unwrap()]).await;
}

const ISSUER: [&str; 2] = [
    "authenticationConfiguration.jwt[0].issuer.url=https://idp.example.com",
    "authenticationConfiguration.jwt[0].issuer.audiences[0]=kubernetes",
];

fn helm(values: &[&str]) -> Output {
    let mut command = Command::new(component("HELM"));
    command.args(["template", "countersign", &deploy("helm/countersign"), "--namespace", "countersign"]);
    for value in ISSUER.iter().chain(values) {
        command.args(["--set", value]);
    }
    command.output().unwrap()
}

/// The chart with these values, rendered, each document by itself.
fn rendered(values: &[&str]) -> Vec<Value> {
    let output = helm(values);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text.split("\n---\n").filter(|document| document.contains("kind:"));
    documents
        .map(|document| serde_saphyr::from_str(document).unwrap_or_else(|error| panic!("{error}\n{document}")))
        .collect()
}

fn variants() -> [Vec<&'static str>; 3] {
    [
        vec![],
        vec![
            "autoscaling.enabled=true",
            "serviceMonitor.enabled=true",
            "prometheusRule.enabled=true",
            "dashboard.enabled=true",
            "service.clusterIP=10.0.0.50",
        ],
        vec!["kind=DaemonSet"],
    ]
}

fn write<'d>(rig: &Rig, name: &str, documents: impl IntoIterator<Item = &'d Value>) -> PathBuf {
    let file = rig.folder().join(name);
    let items: Vec<&Value> = documents.into_iter().collect();
    std::fs::write(&file, json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()).unwrap();
    file
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn the_chart_is_taken_in_all_its_variants_and_fits_the_schema() {
    let rig = Rig::new();
    let (cluster, _countersign) = cluster(&rig).await;
    namespace(&cluster.kubectl, "privileged").await;
    monitoring(&cluster.kubectl).await;
    let schemas = schemas(&rig, &cluster.kubectl).await;
    for (number, values) in variants().iter().enumerate() {
        let documents = rendered(values);
        let file = write(&rig, &format!("chart-{number}.json"), &documents);
        let applied = dry_run(&cluster.kubectl, "-f", file.to_str().unwrap()).await;
        assert!(applied.contains("configmap/countersign"), "{applied:?}");
        // The API server's own document has no schema of what others define.
        let own = documents.iter().filter(|document| !FOREIGN.contains(&document["kind"].as_str().unwrap()));
        let output = kubeconform(&schemas, &write(&rig, &format!("own-{number}.json"), own));
        assert!(output.contains("Invalid: 0, Errors: 0, Skipped: 0"), "{values:?}: {output}");
    }
    let kinds = |values: &[&str]| -> BTreeSet<String> {
        rendered(values).iter().map(|document| document["kind"].as_str().unwrap().to_owned()).collect()
    };
    let all = [
        "ConfigMap",
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PrometheusRule",
        "Service",
        "ServiceMonitor",
    ];
    assert_eq!(kinds(&variants()[1]), names(&all));
    assert_eq!(kinds(&variants()[2]), names(&["ConfigMap", "DaemonSet"]));

    // The schema is strict, or the test above says nothing.
    let mut misspelt = rendered(&[]);
    misspelt.retain(|document| document["kind"] == "Deployment");
    misspelt[0]["spec"]["template"]["spec"]["containers"][0]["resource"] = json!({});
    let output = kubeconform(&schemas, &write(&rig, "misspelt.json", &misspelt));
    assert!(output.contains("Invalid: 1"), "{output}");
}

fn image(values: &[&str]) -> String {
    let workload = rendered(values).into_iter().find(|document| document["kind"] == "Deployment").unwrap();
    workload["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap().to_owned()
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn the_charts_image_has_the_tag_or_the_digest_that_is_given() {
    assert_eq!(image(&[]), concat!("countersign:", env!("CARGO_PKG_VERSION")));
    assert_eq!(image(&["image.tag=v2"]), "countersign:v2");
    let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let given = [&*format!("image.digest={digest}"), "image.repository=registry.example.com/countersign"];
    assert_eq!(image(&given), format!("registry.example.com/countersign@{digest}"));
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn values_that_the_chart_would_overlook_or_could_not_use_are_refused() {
    for (values, part) in [
        (&["image.digest=0123"][..], "/image/digest"),
        (&["image.tag=sha256:0123"], "/image/tag"),
        (&["image.digests=x"], "digests"),
        (&["kind=daemonset"], "/kind"),
        (&["ports.reviews=0"], "/ports/reviews"),
        (&["config.server.address=0.0.0.0:1"], "config.server.address: the chart sets it"),
        (&["config.stateDirectory=/tmp"], "config.stateDirectory: the chart sets it"),
        (&["kind=DaemonSet", "service.clusterIP=10.0.0.50"], "service.clusterIP: a DaemonSet"),
        (&["kind=DaemonSet", "serviceMonitor.enabled=true"], "serviceMonitor.enabled: a DaemonSet"),
        (&["kind=DaemonSet", "autoscaling.enabled=true"], "autoscaling.enabled: a DaemonSet"),
        (&["kind=DaemonSet", "prometheusRule.enabled=true"], "prometheusRule.enabled: a DaemonSet"),
        (&["autoscaling.enabled=true", "replicas=7"], "autoscaling.maxReplicas: must not be less than replicas"),
        (&["autoscaling.enabled=true", "replicas=0"], "replicas: the autoscaler needs at least 1"),
        (&["ports.admin=8443"], "ports.admin: 8443 is the port of reviews, too"),
        (&["kind=DaemonSet", "ports.reviews=18080"], "ports.admin: 18080 is the port of reviews, too"),
        (&["networkPolicy.egressPorts={0}"], "/networkPolicy/egressPorts/0"),
    ] {
        let output = helm(values);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(part), "{values:?}: {text}");
    }
}

/// Distributions give the label different values, and a node selector knows no wildcard.
#[test]
#[ignore = "needs tests/real/setup.sh"]
fn daemon_sets_find_the_control_plane_whatever_its_labels_value_is() {
    let output = Command::new(component("KUBECTL"))
        .args(["kustomize", &deploy("kustomize/overlays/control-plane")])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let overlay = text
        .split("\n---\n")
        .map(|document| serde_saphyr::from_str::<Value>(document).unwrap())
        .find(|document| document["kind"] == "DaemonSet")
        .unwrap();
    let chart = |values: &[&str]| {
        let documents = rendered(&[&["kind=DaemonSet"], values].concat());
        documents.into_iter().find(|document| document["kind"] == "DaemonSet").unwrap()
    };
    let on_the_control_plane = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}]},
    ]}});
    for daemon_set in [&overlay, &chart(&[]), &chart(&["nodeSelector.disk=fast"])] {
        let pod = &daemon_set["spec"]["template"]["spec"];
        assert_eq!(pod["affinity"]["nodeAffinity"], on_the_control_plane);
        let tolerated: Vec<&Value> =
            pod["tolerations"].as_array().unwrap().iter().map(|toleration| &toleration["key"]).collect();
        for role in ["control-plane", "master"] {
            assert!(tolerated.contains(&&json!(format!("node-role.kubernetes.io/{role}"))), "{tolerated:?}");
        }
    }
    let selector = |daemon_set: &Value| daemon_set["spec"]["template"]["spec"]["nodeSelector"].clone();
    assert_eq!(selector(&overlay), Value::Null);
    assert_eq!(selector(&chart(&[])), Value::Null);
    assert_eq!(selector(&chart(&["nodeSelector.disk=fast"])), json!({"disk": "fast"}));
}

#[test]
#[ignore = "needs tests/real/setup.sh"]
fn the_charts_policy_opens_the_providers_ports() {
    let egress = |values: &[&str]| {
        let documents = rendered(values);
        let policy = documents.into_iter().find(|document| document["kind"] == "NetworkPolicy").unwrap();
        policy["spec"]["egress"].clone()
    };
    let dns = json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]});
    let tcp = |ports: &[u16]| {
        let ports: Vec<Value> = ports.iter().map(|port| json!({"port": port, "protocol": "TCP"})).collect();
        json!({"ports": ports})
    };
    assert_eq!(egress(&[]), json!([dns, tcp(&[443])]));
    assert_eq!(egress(&["networkPolicy.egressPorts={443,8443}"]), json!([dns, tcp(&[443, 8443])]));
    assert_eq!(egress(&["networkPolicy.egressPorts=null"]), json!([dns]));
}

/// The chart's configuration is one that the program takes.
#[test]
#[ignore = "needs tests/real/setup.sh"]
fn the_charts_configuration_passes_check() {
    let rig = Rig::new();
    for (number, values) in variants().iter().enumerate() {
        let documents = rendered(values);
        let config = documents
            .iter()
            .find(|document| document["kind"] == "ConfigMap" && document["data"]["config.yaml"].is_string());
        let folder = rig.folder().join(format!("etc-{number}"));
        std::fs::create_dir_all(folder.join("state")).unwrap();
        let (certificate, key) = rig.servers.server_pem("countersign");
        for (name, content) in [("tls.crt", certificate), ("tls.key", key), ("callers-ca.crt", rig.callers.pem())] {
            std::fs::write(folder.join(name), content).unwrap();
        }
        let text = config.unwrap()["data"]["config.yaml"].as_str().unwrap();
        let here = folder.to_str().unwrap();
        // The same files, in a place that this machine has.
        let text = ["/etc/countersign/tls", "/etc/countersign/callers", "/var/lib/countersign"]
            .iter()
            .fold(text.to_owned(), |text, there| text.replace(there, here));
        std::fs::write(folder.join("config.yaml"), text).unwrap();
        let jwt = "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt: [{issuer: {url: 'https://idp.example.com', audiences: [kubernetes]}, claimMappings: {username: {claim: sub, prefix: ''}}}]\n";
        std::fs::write(folder.join("authentication.yaml"), jwt).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let output = check.args(["check", "--config"]).arg(folder.join("config.yaml")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

fn kubeconform(schemas: &Path, file: &Path) -> String {
    let location = format!("{}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json", schemas.display());
    let mut command = Command::new(component("KUBECONFORM"));
    let output = command.args(["-summary", "-schema-location", &location]).arg(file).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// JSON schemas, one for each kind, from the API server's own OpenAPI document; unknown fields are errors in them.
async fn schemas(rig: &Rig, kubectl: &Kubectl) -> PathBuf {
    let folder = rig.folder().join("schemas");
    std::fs::create_dir_all(&folder).unwrap();
    let text = kubectl.admin(&["get", "--raw", "/openapi/v2"]).await;
    let mut document: Value = serde_json::from_str(&text).unwrap();
    let definitions = document["definitions"].as_object_mut().unwrap();
    for definition in definitions.values_mut() {
        if definition["format"] == "int-or-string" {
            *definition = json!({"oneOf": [{"type": "string"}, {"type": "integer"}]});
        } else if definition.get("properties").is_some() {
            definition["additionalProperties"] = json!(false);
        }
    }
    definitions["io.k8s.apimachinery.pkg.api.resource.Quantity"] =
        json!({"oneOf": [{"type": "string"}, {"type": "number"}]});
    let mut kinds = Vec::new();
    for (name, definition) in definitions.iter() {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let text = |field: &str| kind[field].as_str().unwrap().to_lowercase();
            let group = text("group").split('.').next().unwrap().to_owned();
            let group = if group.is_empty() { String::new() } else { format!("-{group}") };
            kinds.push((format!("{}{group}-{}.json", text("kind"), text("version")), name.clone()));
        }
    }
    std::fs::write(folder.join("definitions.json"), json!({"definitions": definitions}).to_string()).unwrap();
    let definitions = folder.join("definitions.json");
    for (file, name) in kinds {
        let reference = format!("file://{}#/definitions/{name}", definitions.display());
        std::fs::write(folder.join(file), json!({"$ref": reference}).to_string()).unwrap();
    }
    folder
}
