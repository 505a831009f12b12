//! Whom to trust and whom to be, from a kubeconfig to rustls.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, HeaderValue};
use reqwest::ClientBuilder;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use url::Url;

use super::ReviewerError;
use crate::wiring::kubeconfig::{ClientCertificate, Connection};

/// The TLS of a kubeconfig's connection: 1.2 or 1.3, HTTP/2 before HTTP/1.1, as Go's client offers it.
///
/// # Errors
/// If certificates or keys of the connection cannot be used, or there is nothing to trust.
pub fn client_config(connection: &Connection) -> Result<ClientConfig, ReviewerError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for both protocol versions");
    let builder = if connection.insecure {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer { provider }))
    } else {
        builder.with_root_certificates(roots(connection)?)
    };
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
    Ok(config)
}

/// Reaches the server under the name that its certificate has. The request's host stays that of the server.
pub(super) fn under_another_name(
    builder: ClientBuilder,
    connection: &Connection,
    name: &str,
    url: &mut Url,
) -> Result<ClientBuilder, ReviewerError> {
    let not_dns = ReviewerError::ServerName { problem: "is not a DNS name; give a name that the certificate has" };
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

/// The authorities that a connection trusts: its own, or else the system's.
///
/// # Errors
/// If they cannot be used, or there are none.
pub fn roots(connection: &Connection) -> Result<RootCertStore, ReviewerError> {
    let mut roots = RootCertStore::empty();
    let Some(pem) = &connection.authority_pem else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let is_needed = connection.server.scheme() == "https";
        return if is_needed && roots.is_empty() { Err(ReviewerError::NoRoots) } else { Ok(roots) };
    };
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|cause| ReviewerError::Authority { problem: cause.to_string() })?;
        roots.add(certificate).map_err(|cause| ReviewerError::Authority { problem: cause.to_string() })?;
    }
    Ok(roots)
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

/// Takes any certificate: `insecure-skip-tls-verify`. Signatures are still checked, so that the handshake is sound.
#[derive(Debug)]
struct AnyServer {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
