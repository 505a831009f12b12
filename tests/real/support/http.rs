//! HTTPS clients that trust this test's servers.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use super::pki::{Authority, Pair};

/// A client for `servers`, without redirects or a proxy, that shows `identity` if there is one.
pub(crate) fn client(servers: &Authority, identity: Option<&Pair>) -> reqwest::Client {
    let mut tls = tls(servers, identity);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    builder(tls).build().unwrap()
}

/// The same, speaking HTTP/1.1 only.
pub(crate) fn http1_client(servers: &Authority, identity: Option<&Pair>) -> reqwest::Client {
    let mut tls = tls(servers, identity);
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    builder(tls).http1_only().build().unwrap()
}

fn builder(tls: rustls::ClientConfig) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(std::time::Duration::from_secs(30))
}

fn tls(servers: &Authority, identity: Option<&Pair>) -> rustls::ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&servers.file).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_file(&pair.certificate).unwrap()],
                PrivateKeyDer::from_pem_file(&pair.key).unwrap(),
            )
            .unwrap(),
    }
}

/// The certificate that a server on a loopback port shows in a new handshake.
pub(crate) async fn served_certificate(servers: &Authority, identity: &Pair, port: u16) -> Vec<u8> {
    let connector = tokio_rustls::TlsConnector::from(Arc::new(tls(servers, Some(identity))));
    let connection = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let connection = connector.connect(ServerName::from(IpAddr::from(Ipv4Addr::LOCALHOST)), connection).await.unwrap();
    connection.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// `name=value` pairs as the body of a form.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
