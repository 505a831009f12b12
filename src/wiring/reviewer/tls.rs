//! Whom to trust and whom to be, from a kubeconfig to rustls.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;

use super::ReviewerError;
use super::verifier::{AnyServer, ServerVerifier};
use crate::wiring::kubeconfig::{ClientCertificate, Connection};
use crate::wiring::pem;

/// The TLS of a kubeconfig's connection: 1.2 or 1.3, HTTP/2 before HTTP/1.1, as Go's client offers it.
///
/// # Errors
/// If certificates or keys of the connection cannot be used, or there is nothing to trust.
pub fn client_config(connection: &Connection) -> Result<ClientConfig, ReviewerError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for both protocol versions");
    let verifier: Arc<dyn ServerCertVerifier> =
        if connection.insecure { Arc::new(AnyServer { provider }) } else { Arc::new(ServerVerifier::new(connection)?) };
    let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
    let mut config = match &connection.client {
        None => builder.with_no_client_auth(),
        Some(client) => {
            let (chain, key) = pem_pair(client)?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|cause| ReviewerError::ClientCertificate { cause: cause.into() })?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // TLS asks for names only, and not for the URL's when the certificate is for an address.
    config.enable_sni = connection.other_address().is_none();
    Ok(config)
}

/// Reaches the server under the name that its certificate has. The request's host stays that of the server.
pub(super) fn under_another_name(
    builder: ClientBuilder,
    connection: &Connection,
    name: &str,
    url: &mut Url,
) -> Result<ClientBuilder, ReviewerError> {
    let not_dns = ReviewerError::ServerName {
        problem: "is neither a DNS name nor an address; give one that the certificate has",
    };
    if !matches!(url::Host::parse(name), Ok(url::Host::Domain(_))) {
        return Err(not_dns);
    }
    let host = connection.server.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    url.set_host(Some(name)).map_err(|_| not_dns)?;
    let named = connection.server.authority().rsplit('@').next().unwrap_or_default();
    let named = HeaderValue::try_from(named).expect("a URL's host and port are visible ASCII");
    Ok(builder
        .http1_only()
        .default_headers(HeaderMap::from_iter([(HOST, named)]))
        .dns_resolver(Arc::new(Always { host })))
}

/// The certificates that a connection trusts: its own, or else the system's.
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    /// Its own, one by one.
    pub(super) trusted: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// As Go reads them: what is no certificate is overlooked, as long as there is one.
    pub(super) fn of(connection: &Connection) -> Result<Self, ReviewerError> {
        let mut store = RootCertStore::empty();
        let Some(pem) = &connection.authority_pem else {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            let is_needed = connection.server.scheme() == "https";
            let nothing = is_needed && store.is_empty();
            return if nothing { Err(ReviewerError::NoRoots) } else { Ok(Self { store, trusted: Vec::new() }) };
        };
        let (mut trusted, mut problem) = (Vec::new(), "there is no certificate in it".to_owned());
        for certificate in CertificateDer::pem_slice_iter(&pem::certificates(pem)) {
            let added = certificate.map_err(|error| error.to_string()).and_then(|certificate| {
                store.add(certificate.clone()).map_err(|error| error.to_string())?;
                Ok(certificate)
            });
            match added {
                Ok(certificate) => trusted.push(certificate),
                Err(error) => problem = error,
            }
        }
        if trusted.is_empty() { Err(ReviewerError::Authority { problem }) } else { Ok(Self { store, trusted }) }
    }
}

fn pem_pair(
    client: &ClientCertificate,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), ReviewerError> {
    let read = || -> Result<_, rustls_pki_types::pem::Error> {
        let chain = CertificateDer::pem_slice_iter(&client.certificate_pem).collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(&client.private_key_pem)?))
    };
    read().map_err(|cause| ReviewerError::ClientCertificate { cause: cause.into() })
}

/// Finds the addresses of one host, whatever name is asked for.
struct Always {
    host: String,
}

impl Resolve for Always {
    fn resolve(&self, _name: Name) -> Resolving {
        let host = self.host.clone();
        Box::pin(async move { Ok(Box::new(tokio::net::lookup_host((host, 0)).await?) as Addrs) })
    }
}
