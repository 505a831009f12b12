//! What every test here starts from: a service, the cluster that asks it by the rendered secret, and OpenShift's kinds in it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign::wiring::openshift::objects::{Kind, Objects};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::operators::Operators;
use crate::support::{ApiServer, Countersign, OidcProvider, Reviews, Rig, SOON, Settings, component, eventually};

/// The world of one test. Fields are dropped in order: processes before their folder.
pub(super) struct Stage {
    pub(super) operators: Operators,
    pub(super) cluster: ApiServer,
    _service: Countersign,
    pub(super) provider: OidcProvider,
    pub(super) rig: Rig,
    /// What `render openshift` printed.
    pub(super) manifest: PathBuf,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let rig = Rig::new();
        let provider = OidcProvider::start(&rig).await;
        let settings = Settings { issuers: vec![provider.issuer()], ..Settings::default() };
        let service = Countersign::start(&rig, &settings).await;
        let manifest = render(&rig, &service).await;
        let cluster = ApiServer::start(&rig, &webhook_in(&manifest, &rig), Reviews::V1).await;
        let kubectl = &cluster.kubectl;
        let file = |name: &str| format!("{}/tests/real/openshift/{name}", env!("CARGO_MANIFEST_DIR"));
        kubectl.admin(&["apply", "-f", &file("schemas.yaml")]).await;
        kubectl.admin(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await;
        eventually("OpenShift's kinds are served", SOON, async || {
            kubectl.try_admin(&["apply", "--server-side", "-f", &file("cluster.yaml")]).await.map(drop)
        })
        .await;
        let operators = Operators::start(kubectl.clone()).await;
        Self { operators, cluster, _service: service, provider, rig, manifest }
    }

    /// Runs `countersign openshift …` as the cluster's administrator.
    pub(super) async fn openshift(&self, arguments: &[&str]) -> Output {
        self.openshift_as(self.cluster.kubectl.admin_kubeconfig(), arguments).await
    }

    /// Runs `countersign openshift …` by another kubeconfig.
    pub(super) async fn openshift_as(&self, kubeconfig: &Path, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("openshift").args(arguments).arg("--kubeconfig").arg(kubeconfig);
        command.stdin(Stdio::null()).output().await.unwrap()
    }

    /// Runs `countersign openshift apply -f MANIFEST …` at a terminal, where somebody types an answer when they are asked.
    /// The exit code and the screen.
    pub(super) async fn apply_at_a_terminal(&self, arguments: &[&str], answer: &str) -> (Option<i32>, String) {
        let program = env!("CARGO_BIN_EXE_countersign");
        let (manifest, kubeconfig) = (self.manifest.display(), self.cluster.kubectl.admin_kubeconfig().display());
        let arguments = arguments.join(" ");
        let line = format!("{program} openshift apply -f {manifest} --kubeconfig {kubeconfig} {arguments}");
        let mut command = Command::new(component("SCRIPT"));
        command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut shown = Vec::new();
        while screen.read_buf(&mut shown).await.unwrap() > 0 {
            if String::from_utf8_lossy(&shown).contains("[y/N]") {
                keyboard.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
                break;
            }
        }
        screen.read_to_end(&mut shown).await.unwrap();
        (child.wait().await.unwrap().code(), String::from_utf8_lossy(&shown).into_owned())
    }

    /// Runs `countersign openshift apply -f MANIFEST …`.
    pub(super) async fn apply(&self, arguments: &[&str]) -> Output {
        let manifest = self.manifest.to_str().unwrap();
        self.openshift(&[&["apply", "-f", manifest], arguments].concat()).await
    }

    /// A field of an object, as kubectl prints it.
    pub(super) async fn field(&self, object: &str, path: &str) -> String {
        self.cluster.kubectl.admin(&["get", object, "--output", &format!("jsonpath={{{path}}}")]).await
    }

    /// The names of all secrets in `openshift-config`.
    pub(super) async fn secrets(&self) -> String {
        self.cluster.kubectl.admin(&["get", "secrets", "--namespace=openshift-config", "--output=name"]).await
    }
}

async fn render(rig: &Rig, service: &Countersign) -> PathBuf {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(["render", "openshift", "--server", &format!("{}/authenticate", service.url())]);
    command.arg("--config").arg(service.configuration());
    command.arg("--certificate-authority").arg(&rig.servers.file);
    command.arg("--client-certificate").arg(&rig.caller.certificate).arg("--client-key").arg(&rig.caller.key);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = rig.folder().join("openshift.yaml");
    std::fs::write(&file, output.stdout).unwrap();
    file
}

/// The kubeconfig in the rendered secret, as the operator puts it beside kube-apiserver.
fn webhook_in(manifest: &Path, rig: &Rig) -> PathBuf {
    let mut objects = Objects::default();
    objects.read(&std::fs::read_to_string(manifest).unwrap(), "manifest").unwrap();
    let secret = objects.named(Kind::Secret, "countersign-webhook").unwrap();
    let file = rig.folder().join("kubeConfig");
    std::fs::write(&file, BASE64_STANDARD.decode(secret.text("/data/kubeConfig")).unwrap()).unwrap();
    file
}
