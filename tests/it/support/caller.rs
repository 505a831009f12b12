//! A client of the review listener: kube-apiserver's part.

use std::net::SocketAddr;

use countersign::token::BearerToken;
use countersign::wiring::pki::Identity;
use serde_json::{Value, json};

use super::{API_AUDIENCE, Answer};

/// Posts reviews over one pool of connections.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) client: reqwest::Client,
    pub(crate) base: String,
}

impl Caller {
    /// A caller that trusts `authority` (PEM) and shows `identity`, if it has one. HTTP/2, unless told otherwise.
    pub(crate) fn new(address: SocketAddr, authority: &str, identity: Option<&Identity>, alpn: &[&str]) -> Self {
        let config = countersign::outbound::client_config(Some(authority)).unwrap();
        let roots = config; // the roots and versions of the product's own client
        let mut config = match identity {
            None => roots,
            Some(identity) => with_identity(authority, identity),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
        Self { client, base: format!("https://{address}") }
    }

    /// Asks for the API server's own audience.
    pub(crate) async fn review(&self, token: &BearerToken) -> Answer {
        self.review_for(token, &[API_AUDIENCE]).await
    }

    /// Asks for some audiences.
    pub(crate) async fn review_for(&self, token: &BearerToken, audiences: &[&str]) -> Answer {
        Answer::of(&self.review_raw("v1", token.expose_secret(), audiences).await)
    }

    /// The whole TokenReview that comes back.
    pub(crate) async fn review_raw(&self, version: &str, token: &str, audiences: &[&str]) -> Value {
        let response = self.post("/authenticate?timeout=30s", &review_body(version, token, audiences)).await;
        assert_eq!(response.status(), 200);
        response.json().await.unwrap()
    }

    /// Posts JSON to a path.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.client.post(format!("{}{path}", self.base)).json(body).send().await.unwrap()
    }
}

/// The body that kube-apiserver sends.
pub(crate) fn review_body(version: &str, token: &str, audiences: &[&str]) -> Value {
    json!({
        "kind": "TokenReview",
        "apiVersion": format!("authentication.k8s.io/{version}"),
        "metadata": {},
        "spec": {"token": token, "audiences": audiences},
        "status": {"user": {}},
    })
}

fn with_identity(authority: &str, identity: &Identity) -> rustls::ClientConfig {
    use rustls_pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let (chain, key) = identity.to_rustls().unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap()
}
