//! TLS: whether it is the webhook, and what it speaks.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, CertificateError, Error as TlsError, ProtocolVersion, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Broken;
use crate::clock::UnixTime;
use crate::config::certificates::Age;
use crate::outbound;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::client_config;

/// What a handshake showed.
pub(super) struct Seen {
    pub(super) summary: String,
    /// Whether the webhook asked for a client certificate.
    pub(super) asks_for_certificate: bool,
    /// Code and message.
    pub(super) remarks: Vec<(&'static str, String)>,
}

/// Shakes hands as kube-apiserver would.
pub(super) async fn perform(
    connection: &Connection,
    stream: TcpStream,
    now: UnixTime,
    limit: Duration,
) -> Result<Seen, Broken> {
    let asked = Arc::new(AtomicBool::new(false));
    let stream = shake(connection, stream, limit, &asked).await?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS 1.2",
    };
    let protocol = if session.alpn_protocol() == Some(b"h2") { "HTTP/2" } else { "HTTP/1.1" };
    let seen = look(version, protocol, session.peer_certificates().unwrap_or_default(), now);
    Ok(Seen { asks_for_certificate: asked.load(Ordering::Relaxed), ..seen })
}

/// Shakes hands and only listens: a TLS 1.3 server refuses a client's certificate after the handshake, and whoever has sent
/// something by then may lose the alert with the reset connection.
pub(super) async fn refusal(connection: &Connection, stream: TcpStream, limit: Duration) -> Option<AlertDescription> {
    let mut stream = shake(connection, stream, limit, &Arc::default()).await.ok()?;
    let error = timeout(limit, stream.read_u8()).await.ok()?.err()?;
    match error.get_ref()?.downcast_ref::<TlsError>()? {
        TlsError::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// The client certificate, and whether anybody wanted to see one.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn ResolvesClientCert>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Watched {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.inner.resolve(authorities, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}

async fn shake(
    connection: &Connection,
    stream: TcpStream,
    limit: Duration,
    asked: &Arc<AtomicBool>,
) -> Result<TlsStream<TcpStream>, Broken> {
    let broken = |code, field, message, remedy| Broken { code, field, message, remedy };
    let mut config = client_config(connection).map_err(|error| {
        let remedy = "give PEM certificates, and a key that belongs to its certificate";
        broken("kubeconfig_unusable", "certificate-authority-data", outbound::chain(&error), remedy)
    })?;
    let inner = Arc::clone(&config.client_auth_cert_resolver);
    config.client_auth_cert_resolver = Arc::new(Watched { inner, asked: Arc::clone(asked) });
    let host = connection.server.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = connection.tls_server_name.as_deref().unwrap_or(host);
    let server_name = ServerName::try_from(name.to_owned()).map_err(|_| {
        let message = format!("{name:?} is no name that a certificate can have");
        broken("server_name_invalid", "tls-server-name", message, "give a DNS name or an IP address")
    })?;
    let connector = TlsConnector::from(Arc::new(config));
    match timeout(limit, connector.connect(server_name, stream)).await {
        Err(_) => Err(broken(
            "tls_timed_out",
            "server",
            format!("no TLS handshake within {limit:?}: kube-apiserver gives up then too"),
            "see that the port is the webhook's, and that the webhook is not overloaded",
        )),
        Ok(Err(error)) => Err(explain(&error, name)),
        Ok(Ok(stream)) => Ok(stream),
    }
}

/// Looks at the certificates that were shown.
fn look(version: &str, protocol: &str, chain: &[CertificateDer<'_>], now: UnixTime) -> Seen {
    let mut summary = format!("{version}, {protocol}");
    let mut remarks = Vec::new();
    for (position, der) in chain.iter().enumerate() {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { continue };
        let (subject, end) = (certificate.subject(), certificate.validity().not_after);
        if position == 0 {
            summary += &format!(", certificate of {subject} until {end}");
        }
        if matches!(Age::of(&certificate, now), Age::ExpiresSoon) {
            remarks.push(("certificate_expires_soon", format!("the certificate of {subject} expires on {end}")));
        }
    }
    Seen { summary, asks_for_certificate: false, remarks }
}

fn explain(error: &io::Error, name: &str) -> Broken {
    let tls = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>());
    let (code, field, message, remedy) = match tls {
        Some(TlsError::InvalidCertificate(problem)) => return distrust(problem, name),
        Some(TlsError::AlertReceived(AlertDescription::ProtocolVersion)) => (
            "tls_version",
            "server",
            "the webhook speaks neither TLS 1.2 nor 1.3".to_owned(),
            "let it speak TLS 1.2 or newer",
        ),
        Some(TlsError::AlertReceived(alert)) => (
            "tls_alert",
            "server",
            format!("the webhook ended the handshake: {alert:?}"),
            "its log says why; often it wants a client certificate of another authority",
        ),
        Some(TlsError::InvalidMessage(_)) => (
            "not_tls",
            "server",
            "what listens there does not speak TLS".to_owned(),
            "use the port of the webhook's HTTPS listener (not that of its metrics)",
        ),
        _ => (
            "tls_failed",
            "server",
            format!("the connection ended during the TLS handshake: {}", outbound::chain(error)),
            "see what listens there, and the webhook's log",
        ),
    };
    Broken { code, field, message, remedy }
}

fn distrust(problem: &CertificateError, name: &str) -> Broken {
    const RENEW: &str = "renew the webhook's certificate; countersign takes up a new file without a restart";
    let (code, field, message, remedy) = match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            ("certificate_expired", "server", "the webhook's certificate has expired".to_owned(), RENEW)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            "certificate_not_yet_valid",
            "server",
            "the webhook's certificate is not valid yet".to_owned(),
            "compare the clocks of both machines",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            "certificate_name",
            "server",
            format!("the webhook's certificate is not for {name}: {problem}"),
            "use a name or address that it has in the URL, name it as tls-server-name, or issue one with this name (a subject \
             alternative name: a common name does not count)",
        ),
        // A bad signature is what another authority of the same name gives.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "certificate_untrusted",
            "certificate-authority-data",
            "the webhook's certificate is not signed by an authority of the kubeconfig, or an intermediate is missing"
                .to_owned(),
            "give the authority that signed it, and let the webhook send intermediates after its own certificate",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "certificate_refused",
            "server",
            "the webhook's certificate is not for servers (its extended key usage lacks serverAuth)".to_owned(),
            "issue a server's certificate",
        ),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "certificate_refused",
            "server",
            "the webhook shows an authority's certificate as its own (CA:TRUE), as `openssl req -x509` makes it; kube-apiserver may take \
             it, countersign does not"
                .to_owned(),
            "let an authority issue a server's certificate; `countersign render pki` makes both",
        ),
        other => ("certificate_refused", "server", format!("the webhook's certificate is refused: {other}"), RENEW),
    };
    Broken { code, field, message, remedy }
}
