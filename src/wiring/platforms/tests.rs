use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use url::Url;
use zeroize::Zeroizing;

use super::*;
use crate::token::BearerToken;
use crate::wiring::kubeconfig::ClientCertificate;

fn all() -> [(&'static str, Platform); 15] {
    let talos = |text: &str| Platform::Talos(text.parse().unwrap());
    [
        ("cluster-api", Platform::ClusterApi(ClusterApiVersion::V1beta2)),
        ("cluster-api-v1beta1", Platform::ClusterApi(ClusterApiVersion::V1beta1)),
        ("k0s", Platform::K0s),
        ("k3s", Platform::K3s),
        ("kind", Platform::Kind),
        ("kops", Platform::Kops),
        ("kubeadm", Platform::Kubeadm(KubeadmVersion::V1beta4)),
        ("kubeadm-v1beta3", Platform::Kubeadm(KubeadmVersion::V1beta3)),
        ("kubespray", Platform::Kubespray),
        ("microk8s", Platform::MicroK8s),
        ("minikube", Platform::Minikube),
        ("rke2", Platform::Rke2),
        ("talos", talos("1.14")),
        ("talos-1.15", talos("v1.15.2")),
        ("vcluster", Platform::VCluster),
    ]
}

fn connection() -> Connection {
    let authority_pem = Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into());
    Connection {
        tls_server_name: Some("countersign.countersign.svc".into()),
        client: Some(ClientCertificate {
            certificate_pem: "-----BEGIN CERTIFICATE-----\nBBBB\n-----END CERTIFICATE-----\n".into(),
            private_key_pem: Zeroizing::new("-----BEGIN PRIVATE KEY-----\nCCCC\n-----END PRIVATE KEY-----\n".into()),
        }),
        ..Connection::to(Url::parse("https://10.96.0.50/authenticate").unwrap(), authority_pem)
    }
}

fn request(connection: &Connection) -> Request<'_> {
    Request { connection, version: None, cache_ttl: Duration::from_secs(30) }
}

fn wire(platform: Platform) -> Wiring {
    platform.wire(&request(&connection())).unwrap()
}

fn document(wiring: &Wiring, file: &str) -> Value {
    let document = wiring.documents.iter().find(|document| document.file == file).unwrap();
    serde_saphyr::from_str(&document.content).unwrap_or_else(|error| panic!("{file}: {error}\n{}", document.content))
}

/// What each platform's own pages and sources say, as text that people have looked at. To take over a change that is
/// meant: `COUNTERSIGN_BLESS=1 cargo test platforms`.
#[test]
fn every_platform_is_as_it_was_looked_at() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/platforms");
    for (name, platform) in all() {
        let wiring = wire(platform);
        let steps: String = wiring.steps.iter().map(|step| format!("next  {step}\n")).collect();
        let text = format!("{}\n== standard error ==\n{steps}{}", wiring.to_text(), wiring.traps);
        let file = folder.join(format!("{name}.txt"));
        if std::env::var_os("COUNTERSIGN_BLESS").is_some() {
            fs::write(&file, &text).unwrap();
        }
        let known = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        assert_eq!(text, known, "{name}");
    }
}

#[test]
fn the_kubeconfig_arrives_whole_wherever_it_is_put() {
    let expected = connection().to_yaml("countersign");
    let places = [
        ("cluster-api", "secret.yaml", "/stringData/webhook.kubeconfig"),
        ("cluster-api-v1beta1", "secret.yaml", "/stringData/webhook.kubeconfig"),
        ("kops", "kops.yaml", "/spec/fileAssets/0/content"),
        ("microk8s", "microk8s.yaml", "/extraConfigFiles/countersign-webhook.kubeconfig"),
        ("talos", "talos.yaml", "/machine/files/0/content"),
        ("talos-1.15", "talos.yaml", "/kubeconfig"),
        ("vcluster", "secret.yaml", "/stringData/webhook.kubeconfig"),
    ];
    for (name, platform) in all() {
        let wiring = wire(platform);
        let inline = places.iter().find(|place| place.0 == name);
        let found = match inline {
            Some((_, file, pointer)) => {
                document(&wiring, file).pointer(pointer).and_then(Value::as_str).map(str::to_owned)
            }
            None => {
                wiring.documents.iter().find(|document| document.file == KUBECONFIG).map(|found| found.content.clone())
            }
        };
        assert_eq!(found.as_deref(), Some(expected.as_str()), "{name}");
        let secrets = wiring.documents.iter().filter(|document| document.access == Access::Private);
        let with_key = wiring.documents.iter().filter(|document| document.content.contains("client-key-data"));
        assert_eq!(secrets.count(), with_key.count(), "{name}: what holds the key is private, and nothing else");
    }
}

#[test]
fn the_flags_name_the_file_that_was_put_there() {
    for (name, file, pointer, expected) in [
        (
            "k0s",
            "k0s.yaml",
            "/spec/api/extraArgs",
            json!({
                "authentication-token-webhook-config-file": "/etc/k0s/countersign/webhook.kubeconfig",
                "authentication-token-webhook-version": "v1",
                "authentication-token-webhook-cache-ttl": "30s",
            }),
        ),
        (
            "k3s",
            "90-countersign.yaml",
            "/kube-apiserver-arg+",
            json!([
                "authentication-token-webhook-config-file=/etc/rancher/k3s/countersign/webhook.kubeconfig",
                "authentication-token-webhook-version=v1",
                "authentication-token-webhook-cache-ttl=30s",
            ]),
        ),
        (
            "rke2",
            "90-countersign.yaml",
            "/kube-apiserver-extra-mount+",
            json!(["/etc/rancher/rke2/countersign:/etc/rancher/rke2/countersign:ro",]),
        ),
        (
            "kops",
            "kops.yaml",
            "/spec/kubeAPIServer",
            json!({
                "authenticationTokenWebhookConfigFile": "/srv/kubernetes/kube-apiserver/countersign.kubeconfig",
                "authenticationTokenWebhookCacheTtl": "30s",
            }),
        ),
        (
            "microk8s",
            "microk8s.yaml",
            "/extraKubeAPIServerArgs",
            json!({
                "--authentication-token-webhook-config-file": "/var/snap/microk8s/current/args/countersign-webhook.kubeconfig",
                "--authentication-token-webhook-version": "v1",
                "--authentication-token-webhook-cache-ttl": "30s",
            }),
        ),
        (
            "vcluster",
            "vcluster.yaml",
            "/controlPlane/distro/k8s/apiServer/extraArgs",
            json!([
                "--authentication-token-webhook-config-file=/etc/countersign/webhook.kubeconfig",
                "--authentication-token-webhook-version=v1",
                "--authentication-token-webhook-cache-ttl=30s",
            ]),
        ),
    ] {
        let (_, platform) = all().into_iter().find(|(other, _)| *other == name).unwrap();
        assert_eq!(document(&wire(platform), file).pointer(pointer), Some(&expected), "{name}");
    }
}

#[test]
fn kops_speaks_v1beta1_and_refuses_to_promise_more() {
    let connection = connection();
    let asked = |version| Platform::Kops.wire(&Request { version, ..request(&connection) });
    assert_eq!(asked(Some(ReviewVersion::V1)).unwrap_err(), PlatformError::VersionFixed);
    assert_eq!(asked(Some(ReviewVersion::V1beta1)), asked(None));
}

#[test]
fn the_asked_for_version_is_asked_for() {
    let connection = connection();
    let request = Request { version: Some(ReviewVersion::V1beta1), ..request(&connection) };
    for (name, platform) in all().into_iter().filter(|(name, _)| *name != "kops") {
        let (asked, default) = (platform.wire(&request).unwrap().to_text(), wire(platform).to_text());
        let changed: Vec<_> = asked.lines().zip(default.lines()).filter(|(asked, default)| asked != default).collect();
        assert!(!changed.is_empty(), "{name}");
        for (asked, default) in changed {
            assert_eq!(asked.replace("v1beta1", "v1"), default, "{name}");
        }
    }
}

#[test]
fn kubespray_uses_its_own_variables_when_there_is_nothing_to_show() {
    let connection = Connection { client: None, tls_server_name: None, ..connection() };
    let wiring = Platform::Kubespray.wire(&request(&connection)).unwrap();
    assert_eq!(
        document(&wiring, "countersign.yml"),
        json!({
            "kube_webhook_token_auth": true,
            "kube_webhook_token_auth_url": "https://10.96.0.50/authenticate",
            "kube_webhook_token_auth_url_skip_tls_verify": false,
            "kube_webhook_token_auth_ca_data":
                "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=",
            "kube_kubeadm_apiserver_extra_args": {
                "authentication-token-webhook-version": "v1",
                "authentication-token-webhook-cache-ttl": "30s",
            },
        })
    );
    assert_eq!(wiring.documents.len(), 1);
    assert_eq!(wiring.traps.iter().next().unwrap().code, "no_caller_credential");
}

#[test]
fn kubespray_carries_a_token_by_arguments_and_volumes() {
    let connection = Connection { client: None, bearer: Some(BearerToken::from("caller")), ..connection() };
    let wiring = Platform::Kubespray.wire(&request(&connection)).unwrap();
    let files: Vec<&str> = wiring.documents.iter().map(|document| document.file).collect();
    assert_eq!(files, ["webhook.kubeconfig", "countersign.yml"]);
    assert!(!wiring.to_text().contains("kube_webhook_token_auth"));
}

#[test]
fn how_long_answers_are_remembered_is_said_with_its_price() {
    let said = |seconds| {
        let findings = remembering(Duration::from_secs(seconds));
        let finding = findings.iter().next().unwrap();
        (finding.severity, finding.message.clone())
    };
    let lag = |lag: &str| {
        format!("a token that was revoked or has expired is still taken for up to {lag} (the TTL, and 10s more)")
    };
    assert_eq!(said(30), (Severity::Info, lag("40s")));
    assert_eq!(said(120), (Severity::Info, lag("2m10s")));
    assert_eq!(said(3600), (Severity::Warning, lag("1h10s")));
    assert_eq!(
        said(0),
        (Severity::Warning, lag("10s") + "; with a TTL of zero every refused token is asked about with every request")
    );
}

#[test]
fn talos_releases_are_read_as_people_write_them() {
    for (text, by_document) in
        [("1.14", false), ("v1.9.3", false), ("1.15", true), ("v1.15.0-alpha.1", true), ("2.0", true)]
    {
        let wiring = wire(Platform::Talos(text.parse().unwrap()));
        assert_eq!(wiring.to_text().contains("KubeAuthenticationWebhookConfig"), by_document, "{text}");
    }
    for text in ["", "one", "1", "1.x", "-1.2"] {
        assert_eq!(text.parse::<TalosRelease>(), Err(TalosReleaseError), "{text}");
    }
}

#[test]
fn every_platform_has_its_page() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/platforms");
    for (name, _) in all() {
        let platform = name.trim_end_matches("-v1beta1").trim_end_matches("-v1beta3").trim_end_matches("-1.15");
        let page = fs::read_to_string(folder.join(format!("{platform}.md"))).unwrap_or_default();
        assert!(page.contains(&format!("countersign render {platform} ")), "docs/platforms/{platform}.md");
    }
}
