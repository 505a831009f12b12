use std::fs;

use super::*;
use crate::commands::render::webhook::WebhookFlags;
use crate::dev::trial::{Trial, TrialOptions};
use crate::wiring::openshift::objects::{Kind, Objects};
use crate::wiring::pki::folder::{Days, Order, fill};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

/// What there is to render from: certificates of `render pki`, a discovery document.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let order = Order {
            server_names: vec!["hook.countersign.svc".to_owned()],
            callers: vec!["kube-apiserver".to_owned()],
            authority_name: Some("the authority".to_owned()),
            days: Days { authority: Some(3000), server: Some(2000), caller: Some(2000) },
            renew: false,
        };
        fill(folder.path(), &order, NOW).unwrap();
        let discovery = json!({
            "issuer": "https://idp.example.com",
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
        });
        fs::write(folder.path().join("discovery.json"), discovery.to_string()).unwrap();
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Flags that render everything.
    fn arguments(&self) -> Arguments {
        Arguments {
            webhook: WebhookFlags {
                server: Some("https://172.30.0.99".to_owned()),
                tls_server_name: Some("hook.countersign.svc".to_owned()),
                pki: Some(self.folder.path().to_owned()),
                caller: "kube-apiserver".to_owned(),
                ..WebhookFlags::default()
            },
            secret: DEFAULT_SECRET.to_owned(),
            config_map: DEFAULT_CONFIG_MAP.to_owned(),
            discovery: Some(self.file("discovery.json")),
            ..Arguments::default()
        }
    }
}

fn objects(text: &str) -> Objects {
    let mut objects = Objects::default();
    objects.read(text, "rendered").unwrap();
    objects
}

fn codes(findings: &Findings) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn what_is_rendered_passes_the_check_in_every_form() {
    let place = Place::new();
    for output in [Output::Text, Output::Yaml, Output::Json] {
        let rendered = render(&Arguments { output, ..place.arguments() }, NOW).unwrap();
        let findings = rules::check(&objects(&rendered.text), &Circumstances { now: NOW, served: None });
        assert_eq!(codes(&findings), ["server_cluster_address"], "{findings}");
    }
}

#[test]
fn the_order_is_secret_config_map_authentication() {
    let rendered = render(&Place::new().arguments(), NOW).unwrap();
    let kinds: Vec<&str> = rendered.text.lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
    assert_eq!(kinds, ["Secret", "ConfigMap", "Authentication"]);
    assert!(rendered.text.starts_with("# Apply in this order"), "{}", *rendered.text);
}

#[test]
fn the_authentication_refers_to_what_is_beside_it() {
    let rendered = render(&Place::new().arguments(), NOW).unwrap();
    let objects = objects(&rendered.text);
    assert_eq!(
        objects.authentication().unwrap().at("/spec"),
        &json!({
            "type": "None",
            "webhookTokenAuthenticator": {"kubeConfig": {"name": "countersign-webhook"}},
            "oauthMetadata": {"name": "countersign-oauth-metadata"},
        })
    );
    let metadata = objects.named(Kind::ConfigMap, "countersign-oauth-metadata").unwrap().text("/data/oauthMetadata");
    assert_eq!(
        serde_json::from_str::<Value>(metadata).unwrap(),
        json!({
            "issuer": "https://idp.example.com",
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "implicit"],
            "code_challenge_methods_supported": ["S256"],
        })
    );
}

#[test]
fn without_metadata_nothing_refers_to_it() {
    let place = Place::new();
    let arguments = Arguments { no_metadata: true, discovery: None, ..place.arguments() };
    let rendered = render(&arguments, NOW).unwrap();
    let objects = objects(&rendered.text);
    assert_eq!(objects.authentication().unwrap().at("/spec/oauthMetadata"), &Value::Null);
    assert!(objects.of(Kind::ConfigMap).next().is_none());
}

#[test]
fn a_caller_without_credentials_is_refused_as_the_operator_would() {
    let place = Place::new();
    let webhook = WebhookFlags {
        server: Some("https://172.30.0.99".to_owned()),
        tls_server_name: Some("hook.countersign.svc".to_owned()),
        certificate_authority: Some(place.file("ca.crt")),
        ..WebhookFlags::default()
    };
    let refusal = render(&Arguments { webhook, ..place.arguments() }, NOW).err().unwrap();
    let message = "nothing was rendered: OpenShift would not honor it, for the reasons given".to_owned();
    assert_eq!(refusal.failure, Failure::Refused(message));
    assert!(refusal.findings.iter().any(|finding| finding.code == "kubeconfig_no_credentials"), "{}", refusal.findings);
}

#[test]
fn a_service_name_is_refused_because_the_node_does_not_resolve_it() {
    let place = Place::new();
    let mut arguments = place.arguments();
    arguments.webhook.server = Some("https://hook.countersign.svc".to_owned());
    let refusal = render(&arguments, NOW).err().unwrap();
    assert!(refusal.findings.iter().any(|finding| finding.code == "server_service_name"), "{}", refusal.findings);
}

#[test]
fn another_issuers_document_is_refused() {
    let place = Place::new();
    let arguments = Arguments { issuer: Some("https://idp".to_owned()), ..place.arguments() };
    let failure = render(&arguments, NOW).err().map(|refusal| refusal.failure);
    let message = "the discovery document is of the issuer \"https://idp.example.com\", not of \"https://idp\"; write the \
                   issuer exactly as it says; --no-metadata renders the rest";
    assert_eq!(failure, Some(Failure::Refused(message.to_owned())));
}

#[test]
fn a_live_issuer_of_a_configuration_is_asked_with_its_own_authority() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = TrialOptions { directory: Some(folder.path().to_owned()), ..TrialOptions::default() };
    let now = SystemClock.now();
    let trial = runtime.block_on(Trial::prepare(options, now)).unwrap();
    let config = trial.config();
    let arguments =
        Arguments { webhook: WebhookFlags { config: Some(config), ..WebhookFlags::default() }, ..Arguments::default() };
    // The throw-away issuer was reached; it has no token endpoint.
    let message = "the discovery document's token_endpoint is missing; OpenShift's clients need it; a provider without it \
                   cannot be used with oc login; --no-metadata renders the rest";
    assert_eq!(oauth_metadata(&arguments, now).err(), Some(Failure::Refused(message.to_owned())));
}
