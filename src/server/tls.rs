//! The TLS side of the review listener: TLS 1.3 and 1.2 with aws-lc-rs, ALPN, client certificates.
//!
//! What must hold: a reload builds the whole setting by this one function, so no limit gets lost on the way; sessions are
//! never resumed, since a resumed one skips the check of the client's certificate against the current authority.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::UnixTime;

/// Why TLS cannot be set up. Never quotes a key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate's file.
    #[error("server.tls.certificateFile is not a PEM certificate chain")]
    Certificate(#[source] rustls_pki_types::pem::Error),
    /// The key's file.
    #[error("server.tls.privateKeyFile is not a PEM private key")]
    Key(#[source] rustls_pki_types::pem::Error),
    /// The two do not belong together, or the key is of an unsupported kind.
    #[error("server.tls.certificateFile and privateKeyFile do not go together")]
    Pair(#[source] rustls::Error),
}

/// The setting for the listener.
///
/// # Errors
///
/// When certificate and key are not usable or not a pair.
pub fn server_config(
    certificate_chain: &[u8],
    private_key: &[u8],
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(certificate_chain).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(private_key).map_err(TlsError::Key)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        .with_client_cert_verifier(clients.unwrap_or_else(WebPkiClientVerifier::no_client_auth))
        .with_single_cert(chain, key)
        .map_err(TlsError::Pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// When the first certificate of a chain expires; `None` when it cannot be read.
#[must_use]
pub fn leaf_expiry(certificate_chain: &[u8]) -> Option<UnixTime> {
    let leaf = CertificateDer::from_pem_slice(certificate_chain).ok()?;
    let (_, leaf) = X509Certificate::from_der(&leaf).ok()?;
    Some(UnixTime::from_seconds(leaf.validity().not_after.timestamp().try_into().ok()?))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
