//! npm's oidc-provider over TLS, as `tests/real/oidc-provider/server.mjs` configures it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::countersign::Issuer;
use super::oidc_tokens::Tokens;
use super::pki::Pair;
use super::process::Process;
use super::rig::{Rig, free_port};
use super::wait::{SOON, eventually};
use super::{component, http};

/// A running (or stopped) provider. Its keys live in a file, so they are the same after a restart.
pub(crate) struct OidcProvider {
    /// How to get tokens from it.
    pub(crate) tokens: Tokens,
    issuer: String,
    port: u16,
    folder: PathBuf,
    tls: Pair,
    authority: String,
    client: reqwest::Client,
    process: Option<Process>,
    with_pages: bool,
}

impl OidcProvider {
    pub(crate) async fn start(rig: &Rig) -> Self {
        let mut provider = Self::stopped(rig);
        provider.restart().await;
        provider
    }

    /// A provider that shows people its own pages for login and consent, instead of finishing logins by itself.
    pub(crate) async fn start_with_pages(rig: &Rig) -> Self {
        let mut provider = Self { with_pages: true, ..Self::stopped(rig) };
        provider.restart().await;
        provider
    }

    /// A provider that is down from the beginning.
    pub(crate) fn stopped(rig: &Rig) -> Self {
        let port = free_port();
        let issuer = format!("https://127.0.0.1:{port}");
        let client = http::client(&rig.servers, None);
        Self {
            tokens: Tokens::new(&issuer, client.clone()),
            issuer,
            port,
            folder: rig.folder().to_owned(),
            tls: rig.servers.server("oidc-provider"),
            authority: rig.servers.pem(),
            client,
            process: None,
            with_pages: false,
        }
    }

    /// Starts the provider, which has to be down.
    pub(crate) async fn restart(&mut self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/oidc-provider/server.mjs");
        let mut command = Command::new(component("NODE"));
        command
            .arg(script)
            .env("PORT", self.port.to_string())
            .env("ISSUER", &self.issuer)
            .env("TLS_CERT", &self.tls.certificate)
            .env("TLS_KEY", &self.tls.key)
            .env("JWKS", self.folder.join("oidc-provider.jwks"))
            .env("MACHINE_KEY", self.machine_key())
            .env("TRUSTED_KEY", self.folder.join("service-account.pub"))
            .env("PAGES", if self.with_pages { "1" } else { "" })
            .env("MODULES", component("NODE_MODULES"));
        let mut process = Process::start("oidc-provider", &self.folder, &command);
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        eventually("oidc-provider answers", SOON, async || {
            process.assert_running();
            self.client.get(&url).send().await.map(drop).map_err(|error| format!("{error:?}"))
        })
        .await;
        self.process = Some(process);
    }

    /// Ends the provider: from now on connections are refused.
    pub(crate) fn stop(&mut self) {
        self.process.take().expect("the provider runs");
    }

    /// How many requests for this method and path it has had.
    pub(crate) fn requests(&self, line: &str) -> usize {
        let log = self.process.as_ref().expect("the provider runs").log();
        log.lines().filter(|logged| *logged == line).count()
    }

    /// The private key of its client `machine` (ES256, kid `machine`), as PEM.
    pub(crate) fn machine_key(&self) -> PathBuf {
        self.folder.join("machine.pem")
    }

    /// Keeps connections open and answers nothing.
    pub(crate) fn freeze(&self) {
        self.process.as_ref().expect("the provider runs").signal("STOP");
    }

    pub(crate) fn thaw(&self) {
        self.process.as_ref().expect("the provider runs").signal("CONT");
    }

    /// This provider as an entry of countersign's configuration, for all its resources but `urn:api:other`.
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer {
            url: self.issuer.clone(),
            authority: self.authority.clone(),
            audiences: ["kubectl", "urn:api:rs256", "urn:api:ps256", "urn:api:es256", "urn:api:es384", "urn:api:eddsa"]
                .map(str::to_owned)
                .to_vec(),
            prefix: String::new(),
        }
    }

    /// Signs with a new key of `algorithm` from now on. The old one stays published with [`OldKey::Published`].
    pub(crate) async fn rotate(&self, algorithm: &str, old: OldKey) {
        let drop = match old {
            OldKey::Published => "",
            OldKey::Withdrawn => "&drop",
        };
        let url = format!("{}/admin/rotate?alg={algorithm}{drop}", self.issuer);
        self.client.post(url).send().await.unwrap().error_for_status().unwrap();
    }
}

/// What becomes of the key that was in use before a rotation.
pub(crate) enum OldKey {
    Published,
    Withdrawn,
}
