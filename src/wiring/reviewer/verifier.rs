//! Whether a server is the one that is meant, as kube-apiserver decides it.
//!
//! Go takes what rustls does not: a certificate that is itself among those to trust, be it an authority's or nobody's, and a
//! wildcard in front of a single label (`*.svc`). Whoever asks in kube-apiserver's place must take the same.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::ReviewerError;
use super::tls::Roots;
use crate::wiring::kubeconfig::Connection;

/// The judge of a connection's server.
#[derive(Debug)]
pub struct ServerVerifier {
    inner: Arc<WebPkiServerVerifier>,
    trusted: Vec<CertificateDer<'static>>,
    /// The address that the certificate must have, if it is not the URL's host. A name is what TLS asks for, so it comes from there.
    address: Option<ServerName<'static>>,
}

impl ServerVerifier {
    /// The judge for a connection.
    ///
    /// # Errors
    /// If there is nothing to trust.
    pub fn new(connection: &Connection) -> Result<Self, ReviewerError> {
        let Roots { store, trusted } = Roots::of(connection)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
            .build()
            .map_err(|cause| ReviewerError::Authority { problem: cause.to_string() })?;
        Ok(Self { inner, trusted, address: connection.other_address() })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = self.address.as_ref().unwrap_or(server_name);
        if self.trusted.iter().any(|trusted| trusted == end_entity) {
            return is_good_by_itself(end_entity, name, now)
                .map(|()| ServerCertVerified::assertion())
                .map_err(Error::InvalidCertificate);
        }
        match self.inner.verify_server_cert(end_entity, intermediates, name, ocsp_response, now) {
            // The name is looked at last, when all else is good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if X509Certificate::from_der(end_entity).is_ok_and(|(_, certificate)| is_for(&certificate, name)) => {
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// Go's checks of a certificate that is trusted itself, so that nobody has to vouch for it.
fn is_good_by_itself(der: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Result<(), CertificateError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let is_unknown = |extension: &ParsedExtension<'_>| {
        matches!(extension, ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::ParseError { .. })
    };
    if certificate.extensions().iter().any(|one| one.critical && is_unknown(one.parsed_extension())) {
        return Err(CertificateError::UnhandledCriticalExtension);
    }
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now < certificate.validity().not_before.timestamp() {
        return Err(CertificateError::NotValidYet);
    }
    if now > certificate.validity().not_after.timestamp() {
        return Err(CertificateError::Expired);
    }
    if !is_for(&certificate, name) {
        return Err(CertificateError::NotValidForName);
    }
    let usage = certificate.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(CertificateError::InvalidPurpose);
    }
    Ok(())
}

/// Go's `VerifyHostname`: alternative names only, never the common name.
fn is_for(certificate: &X509Certificate<'_>, name: &ServerName<'_>) -> bool {
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return false };
    names.value.general_names.iter().any(|one| match (one, name) {
        (GeneralName::DNSName(pattern), ServerName::DnsName(host)) => is_match(pattern, host.as_ref()),
        (GeneralName::IPAddress(bytes), ServerName::IpAddress(address)) => match IpAddr::from(*address) {
            IpAddr::V4(address) => *bytes == address.octets(),
            IpAddr::V6(address) => *bytes == address.octets(),
        },
        _ => false,
    })
}

/// Go's `matchHostnames`: a `*` stands for exactly one label, the left-most, and never for all of a name.
fn is_match(pattern: &str, host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let (Some((first, parents)), Some((label, of))) = (pattern.split_once('.'), host.split_once('.')) else {
        return is_name(pattern) && pattern.eq_ignore_ascii_case(host);
    };
    let is_first = (first == "*" && !label.is_empty()) || (is_name(first) && first.eq_ignore_ascii_case(label));
    is_first && is_name(parents) && parents.eq_ignore_ascii_case(of)
}

/// Labels of letters, digits, underscores and, not in front, dashes.
fn is_name(text: &str) -> bool {
    text.split('.').all(|label| {
        let is_plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_plain && !label.is_empty() && !label.starts_with('-')
    })
}

/// Takes any certificate: `insecure-skip-tls-verify`. Signatures are still checked, so that the handshake is sound.
#[derive(Debug)]
pub(super) struct AnyServer {
    pub(super) provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
    use url::Url;

    use super::*;
    use crate::clock::{Clock, SystemClock};
    use crate::wiring::pki::{Authority, Validity};

    #[test]
    fn a_wildcard_is_exactly_one_label_in_front() {
        for (pattern, host, expected) in [
            ("*.svc", "c.svc", true),
            ("*.hooks.svc", "c.hooks.svc", true),
            ("*.Hooks.svc", "C.hooks.SVC.", true),
            ("hook", "hook", true),
            ("hook_1.svc", "hook_1.svc", true),
            ("*.svc", "a.c.svc", false),
            ("*.svc", "svc", false),
            ("*.svc", ".svc", false),
            ("c*.svc", "c1.svc", false),
            ("a.*.svc", "a.c.svc", false),
            ("*.*", "c.svc", false),
            ("*", "svc", false),
            ("-a.svc", "-a.svc", false),
            ("hook.svc", "hook.svc.cluster.local", false),
        ] {
            assert_eq!(is_match(pattern, host), expected, "{pattern} {host}");
        }
    }

    fn connection(pem: &str) -> Connection {
        Connection::to(Url::parse("https://127.0.0.1/").unwrap(), Some(pem.into()))
    }

    fn judge(connection: &Connection, der: &CertificateDer<'_>, name: &str) -> Result<(), Error> {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(SystemClock.now().seconds()));
        let name = ServerName::try_from(name).unwrap();
        ServerVerifier::new(connection).unwrap().verify_server_cert(der, &[], &name, &[], now).map(|_| ())
    }

    /// A self-signed certificate for `127.0.0.1` and `*.svc`, with one deviation.
    fn own(deviate: impl FnOnce(&mut CertificateParams)) -> (String, CertificateDer<'static>) {
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "*.svc".to_owned()]).unwrap();
        deviate(&mut params);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        (certificate.pem(), certificate.der().clone())
    }

    #[test]
    fn a_certificate_that_is_trusted_itself_needs_nobody_to_vouch_for_it() {
        let refused = |error| Err(Error::InvalidCertificate(error));
        type Deviation = fn(&mut CertificateParams);
        let clients: Deviation = |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let old: Deviation = |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        let early: Deviation = |params| params.not_before = rcgen::date_time_ymd(2090, 1, 1);
        for (deviation, name, expected) in [
            ((|_| {}) as Deviation, "127.0.0.1", Ok(())),
            // As `openssl req -x509` makes it.
            (|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained), "127.0.0.1", Ok(())),
            (|_| {}, "c.svc", Ok(())),
            (|_| {}, "127.0.0.2", refused(CertificateError::NotValidForName)),
            (|_| {}, "a.c.svc", refused(CertificateError::NotValidForName)),
            (clients, "127.0.0.1", refused(CertificateError::InvalidPurpose)),
            (old, "127.0.0.1", refused(CertificateError::Expired)),
            (early, "127.0.0.1", refused(CertificateError::NotValidYet)),
        ] {
            let (pem, der) = own(deviation);
            assert_eq!(judge(&connection(&pem), &der, name), expected, "{name}");
        }
        let ((_, stranger), (pem, _)) = (own(|_| {}), own(|_| {}));
        assert!(judge(&connection(&pem), &stranger, "127.0.0.1").is_err(), "of the same name, and another key");
    }

    #[test]
    fn a_wildcard_counts_only_when_all_else_is_good() {
        let now = SystemClock.now();
        let authority = Authority::new("hooks", Validity::days(now, 10)).unwrap();
        let of = |authority: &Authority, validity| {
            let (chain, _) = authority.serving_certificate(&["*.svc"], validity).unwrap().to_rustls().unwrap();
            chain[0].clone()
        };
        let connection = connection(&authority.certificate_pem());
        let good = of(&authority, Validity::days(now, 5));
        assert_eq!(judge(&connection, &good, "c.svc"), Ok(()));
        assert!(judge(&connection, &good, "a.c.svc").is_err());
        let stranger = Authority::new("hooks", Validity::days(now, 10)).unwrap();
        assert!(judge(&connection, &of(&stranger, Validity::days(now, 5)), "c.svc").is_err());
        let old = Validity::days(now.saturating_sub(std::time::Duration::from_secs(900_000)), 1);
        assert!(judge(&connection, &of(&authority, old), "c.svc").is_err());
    }

    #[test]
    fn an_address_as_tls_server_name_is_what_the_certificate_must_have() {
        let now = SystemClock.now();
        let authority = Authority::new("hooks", Validity::days(now, 10)).unwrap();
        let identity = authority.serving_certificate(&["10.0.0.7"], Validity::days(now, 5)).unwrap();
        let (chain, _) = identity.to_rustls().unwrap();
        let named = |name: &str| Connection {
            tls_server_name: Some(name.to_owned()),
            ..connection(&authority.certificate_pem())
        };
        assert_eq!(judge(&named("10.0.0.7"), &chain[0], "127.0.0.1"), Ok(()));
        assert!(judge(&named("10.0.0.8"), &chain[0], "127.0.0.1").is_err());
    }
}
