//! A running service with its files, its issuer, its clock and a caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign::app::reload::Outcome;
use countersign::app::{self, Running};
use countersign::clock::{Clock, ManualClock, SystemClock, UnixTime};
use countersign::config::Config;
use countersign::dev::issuer::{Issuer, IssuerOptions, TokenBuilder};
use countersign::limits::Limits;
use countersign::wiring::pki::{Authority, Validity};
use serde_json::{Value, json};

use super::Caller;

/// The audience that the API server asks for, and the service vouches for by default.
pub(crate) const API_AUDIENCE: &str = "https://kubernetes.default.svc";

/// Everything that a test needs. Fields are dropped in this order.
pub(crate) struct Rig {
    pub(crate) service: Running,
    pub(crate) caller: Caller,
    pub(crate) issuer: Issuer,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) settings: Settings,
    pub(crate) authority: Authority,
    /// Shows metrics and readiness; speaks plain HTTP.
    visitor: reqwest::Client,
    directory: tempfile::TempDir,
}

/// The two files of a configuration, to be changed before or while the service runs.
#[derive(Clone)]
pub(crate) struct Settings {
    /// CountersignConfiguration.
    pub(crate) service: Value,
    /// AuthenticationConfiguration.
    pub(crate) authentication: Value,
    pub(crate) limits: Limits,
}

impl Rig {
    /// A service with one issuer, as it is usually configured; ready.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A service whose settings deviate; ready.
    pub(crate) async fn start_with(deviate: impl FnOnce(&mut Settings)) -> Self {
        let rig = Self::launch(issuer().await, deviate).await;
        rig.until_ready().await;
        rig
    }

    /// A service in front of a given issuer, which may be broken: not waited for.
    pub(crate) async fn launch(issuer: Issuer, deviate: impl FnOnce(&mut Settings)) -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        let directory = tempfile::tempdir().unwrap();
        let validity = validity(&clock);
        let authority = Authority::new("countersign tests", validity).unwrap();
        let serving = authority.serving_certificate(&["localhost", "127.0.0.1"], validity).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("tls.crt", serving.certificate_pem());
        write("tls.key", serving.private_key_pem());
        write("callers-ca.crt", &authority.certificate_pem());
        let mut settings = Settings::usual(&issuer);
        deviate(&mut settings);
        settings.write(directory.path());
        let service = serve(&directory.path().join("config.yaml"), &clock, settings.limits).await.unwrap();
        let caller = api_server(&service, &authority, &clock);
        let trust = countersign::outbound::client_config(Some(&authority.certificate_pem())).unwrap();
        let visitor = reqwest::Client::builder().tls_backend_preconfigured(trust).no_proxy().build().unwrap();
        Self { service, caller, issuer, clock, settings, authority, visitor, directory }
    }

    /// Stops the service and starts another one over the same files.
    pub(crate) async fn restart(self) -> Self {
        self.restart_over("config.yaml").await
    }

    /// Stops the service and starts another one over another configuration file.
    pub(crate) async fn restart_over(self, file: &str) -> Self {
        let Self { service, caller, issuer, clock, settings, authority, visitor, directory } = self;
        drop(caller);
        service.stop(std::future::ready(())).await;
        let service = serve(&directory.path().join(file), &clock, settings.limits).await.unwrap();
        let caller = api_server(&service, &authority, &clock);
        Self { service, caller, issuer, clock, settings, authority, visitor, directory }
    }

    /// A good token of the issuer's, by the rig's clock.
    pub(crate) fn token(&self) -> TokenBuilder {
        self.issuer.token(self.now())
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// A file of the configuration.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Changes the settings and has the service look at its files.
    pub(crate) fn reconfigure(&mut self, change: impl FnOnce(&mut Settings)) -> Outcome {
        change(&mut self.settings);
        self.settings.write(self.directory.path());
        self.look()
    }

    /// Has the service look at its files, which were changed in one step. What came of it, even if the service itself
    /// was a moment earlier.
    pub(crate) fn look(&self) -> Outcome {
        match (self.service.reloader().look(), self.service.reloader().problem()) {
            (Outcome::Same, None) => Outcome::Changed,
            (Outcome::Same, Some(problem)) => Outcome::Refused(problem),
            (outcome, _) => outcome,
        }
    }

    /// Waits until the service calls itself ready, asking again whenever the issuer has answered.
    pub(crate) async fn until_ready(&self) {
        let first = countersign::dev::issuer::Endpoint::Keys;
        self.issuer.wait_for(first, 1).await;
        while self.admin("/readyz").await.0 != 200 {
            tokio::task::yield_now().await;
        }
    }

    /// Status and body of a page of the admin listener.
    pub(crate) async fn admin(&self, path: &str) -> (u16, String) {
        let url = format!("http://{}{path}", self.service.admin_address);
        let response = self.visitor.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    /// The value of a series, named as it is exposed; zero when it is not there.
    pub(crate) async fn metric(&self, series: &str) -> f64 {
        let (_, text) = self.admin("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.trim().parse().unwrap())
    }
}

impl Settings {
    fn usual(issuer: &Issuer) -> Self {
        let service = json!({
            "apiVersion": "countersign.dev/v1alpha1",
            "kind": "CountersignConfiguration",
            "server": {
                "address": "127.0.0.1:0",
                "tls": {"certificateFile": "tls.crt", "privateKeyFile": "tls.key"},
                "callers": {"clientCertificateAuthorityFile": "callers-ca.crt"},
                "drain": {"lameDuck": "0s"},
            },
            "admin": {"address": "127.0.0.1:0"},
            "authenticationConfigurationFile": "authentication.yaml",
        });
        let authentication = json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [jwt(issuer, "oidc:")],
        });
        Self { service, authentication, limits: Limits::default() }
    }

    /// The issuer's entry in Kubernetes' part.
    pub(crate) fn jwt(&mut self) -> &mut Value {
        &mut self.authentication["jwt"][0]
    }

    /// The issuer's entry in countersign's own part, made when it is first needed.
    pub(crate) fn of_issuer(&mut self) -> &mut Value {
        if self.service["issuers"].is_null() {
            self.service["issuers"] = json!([{"url": self.jwt()["issuer"]["url"]}]);
        }
        &mut self.service["issuers"][0]
    }

    /// Adds another issuer, whose names get a prefix.
    pub(crate) fn add(&mut self, issuer: &Issuer, prefix: &str) {
        self.authentication["jwt"].as_array_mut().unwrap().push(jwt(issuer, prefix));
    }

    fn write(&self, directory: &Path) {
        // The service may look at any moment, so what does not change is left alone.
        let write = |name: &str, value: &Value| {
            let (path, text) = (directory.join(name), value.to_string());
            if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
                replace(&path, &text);
            }
        };
        write("config.yaml", &self.service);
        write("authentication.yaml", &self.authentication);
    }
}

/// Writes a file in one step, as whoever cares for it does.
pub(crate) fn replace(path: &Path, content: impl AsRef<[u8]>) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, content).unwrap();
    std::fs::rename(draft, path).unwrap();
}

/// Starts the service over a configuration file.
pub(crate) async fn serve(path: &Path, clock: &Arc<ManualClock>, limits: Limits) -> Result<Running, app::StartError> {
    let loaded = Config::load(path, clock.now());
    assert!(loaded.config.is_some(), "{}", loaded.findings);
    app::start(path, loaded, Arc::clone(clock) as _, limits).await
}

/// A caller that is let in.
fn api_server(service: &Running, authority: &Authority, clock: &ManualClock) -> Caller {
    let identity = authority.client_certificate("kube-apiserver", &[], validity(clock)).unwrap();
    Caller::new(service.review_address, &authority.certificate_pem(), Some(&identity), &["h2"])
}

/// From well before the rig's time on: its clock stands still while certificates are made.
pub(crate) fn validity(clock: &ManualClock) -> Validity {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);
    Validity::days(clock.now().saturating_sub(DAY), 4)
}

/// An entry of `jwt` for an issuer: names and groups by `sub` and `groups`, with a prefix.
pub(crate) fn jwt(issuer: &Issuer, prefix: &str) -> Value {
    json!({
        "issuer": {
            "url": issuer.url(),
            "audiences": [issuer.audience()],
            "certificateAuthority": issuer.ca_pem(),
        },
        "claimMappings": {
            "username": {"claim": "sub", "prefix": prefix},
            "groups": {"claim": "groups", "prefix": prefix},
        },
    })
}

/// A working issuer with an ES256 key.
pub(crate) async fn issuer() -> Issuer {
    Issuer::start(IssuerOptions::default(), SystemClock.now()).await.unwrap()
}
