//! A running service with its files, its issuer, its clock and a caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::app::{self, Running};
use countersign::clock::{Clock, ManualClock, SystemClock, UnixTime};
use countersign::config::Config;
use countersign::dev::issuer::{Issuer, IssuerOptions, TokenBuilder};
use countersign::server::Limits;
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
        let validity = validity();
        let authority = Authority::new("countersign tests", validity).unwrap();
        let serving = authority.serving_certificate(&["localhost", "127.0.0.1"], validity).unwrap();
        let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
        write("tls.crt", serving.certificate_pem());
        write("tls.key", serving.private_key_pem());
        write("callers-ca.crt", &authority.certificate_pem());
        let mut settings = Settings::usual(&issuer);
        deviate(&mut settings);
        settings.write(directory.path());
        let path = directory.path().join("config.yaml");
        let loaded = Config::load(&path, clock.now());
        assert!(loaded.config.is_some(), "{}", loaded.findings);
        let service = app::start(&path, loaded, Arc::clone(&clock) as _, settings.limits).await.unwrap();
        let identity = authority.client_certificate("kube-apiserver", &[], validity).unwrap();
        let caller = Caller::new(service.review_address, &authority.certificate_pem(), Some(&identity), &["h2"]);
        Self { service, caller, issuer, clock, settings, authority, directory }
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
        self.service.reloader().look()
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
        let response = reqwest::Client::builder()
            .tls_backend_preconfigured(countersign::outbound::client_config(Some(self.issuer.ca_pem())).unwrap())
            .no_proxy()
            .build()
            .unwrap()
            .get(url)
            .send()
            .await
            .unwrap();
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

    fn write(&self, directory: &Path) {
        let write = |name: &str, value: &Value| std::fs::write(directory.join(name), value.to_string()).unwrap();
        write("config.yaml", &self.service);
        write("authentication.yaml", &self.authentication);
    }
}

/// From an hour ago on, so that the second in which the rig's clock was set is in it.
pub(crate) fn validity() -> Validity {
    Validity::days(SystemClock.now().saturating_sub(Duration::from_secs(3600)), 2)
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
