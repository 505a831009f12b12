//! A client of the review listener: kube-apiserver's part.

use std::net::SocketAddr;
use std::sync::Arc;

use countersign::token::BearerToken;
use countersign::wiring::pki::Identity;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
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
        let config = client_tls(authority, identity, alpn);
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

/// The TLS settings of a client that trusts `authority` (PEM) and shows `identity`, if it has one.
pub(crate) fn client_tls(authority: &str, identity: Option<&Identity>, alpn: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let (chain, key) = identity.to_rustls().unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}
