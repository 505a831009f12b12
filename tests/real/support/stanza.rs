//! The flags of a login at oidc-provider, as they stand in a kubeconfig.

use serde_json::{Value, json};

use super::oidc_provider::OidcProvider;
use super::oidc_tokens::RESOURCE;
use super::rig::Rig;

/// Flags that say where and how to log in.
#[derive(Clone)]
pub(crate) struct Stanza(Vec<String>);

impl Stanza {
    /// The client `svc`'s own login, by its secret.
    pub(crate) fn machine(rig: &Rig, provider: &OidcProvider) -> Self {
        let secret = write(rig, "client-secret", "not-a-secret-this-is-a-test\n");
        let client = ["--oidc-client-id=svc".to_owned(), format!("--oidc-client-secret-file={secret}")];
        let kind = ["--grant-type=client-credentials", "--oidc-use-access-token"].map(str::to_owned);
        let stanza = Self::at(rig, provider).and(client).and(kind);
        stanza.and([format!("--audience={RESOURCE}")])
    }

    /// A person's login in the browser, with a session that can be renewed.
    pub(crate) fn person(rig: &Rig, provider: &OidcProvider) -> Self {
        Self::at(rig, provider).and(
            [
                "--oidc-client-id=kubectl",
                "--oidc-extra-scope=groups,offline_access",
                "--grant-type=authcode",
                "--listen-address=127.0.0.1:0",
                "--oidc-redirect-url-hostname=127.0.0.1",
            ]
            .map(str::to_owned),
        )
    }

    /// Only the provider.
    pub(crate) fn at(rig: &Rig, provider: &OidcProvider) -> Self {
        let issuer = provider.issuer();
        let authority = write(rig, "provider-ca.crt", &issuer.authority);
        Self(vec![format!("--oidc-issuer-url={}", issuer.url), format!("--certificate-authority={authority}")])
    }

    pub(crate) fn and(mut self, more: impl IntoIterator<Item = String>) -> Self {
        self.0.extend(more);
        self
    }

    /// These flags without those that begin so.
    pub(crate) fn without(mut self, flag: &str) -> Self {
        self.0.retain(|given| !given.starts_with(flag));
        self
    }

    /// A command line.
    pub(crate) fn line<'a>(&'a self, command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [command].into_iter().chain(self.0.iter().map(String::as_str)).chain(more.iter().copied()).collect()
    }

    /// An exec entry of a kubeconfig; `more` is laid over it.
    pub(crate) fn exec(&self, version: &str, more: Value) -> Value {
        let mut entry = json!({
            "apiVersion": format!("client.authentication.k8s.io/{version}"),
            "command": env!("CARGO_BIN_EXE_countersign"),
            "interactiveMode": "Never",
            "args": self.line("get-token", &[]),
        });
        let more = more.as_object().unwrap().clone();
        entry.as_object_mut().unwrap().extend(more);
        entry
    }
}

/// Writes a file of the test's folder, and gives its path.
pub(crate) fn write(rig: &Rig, name: &str, text: &str) -> String {
    let file = rig.folder().join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}
