//! Certificates and keys, checked when they are loaded, so that a bad one never replaces a good one.

use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;

use super::report::Report;
use crate::clock::UnixTime;
use crate::findings::FieldPath;

/// When an operator wants to hear of a certificate that runs out. Certificates that live for days are replaced by
/// machines, in the last third of their life; for those, that third counts.
const EXPIRY_NOTICE: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Checks a server's certificate chain: readable, within its time, with a name that clients accept.
/// Returns the certificates if they can be read.
pub(super) fn server_chain(
    pem: &[u8],
    path: &FieldPath,
    now: UnixTime,
    report: &mut Report,
) -> Option<Vec<CertificateDer<'static>>> {
    let chain = certificates(pem, path, report)?;
    let leaf = parsed(chain.first()?, path, report)?;
    check_validity(&leaf, path, now, report);
    if !has_subject_alternative_name(&leaf) {
        let message = "the certificate has no subject alternative name, so API servers refuse it";
        report.warning("certificate_without_name", path, message, "issue it with a DNS name or IP address");
    }
    Some(chain)
}

/// Checks that a private key can be used and belongs to the chain's first certificate.
pub(super) fn server_key(
    pem: &[u8],
    chain: Option<Vec<CertificateDer<'static>>>,
    path: &FieldPath,
    report: &mut Report,
) {
    let key = match PrivateKeyDer::from_pem_slice(pem) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => {
            let remedy = "put a PKCS#8, PKCS#1 or SEC1 key into the file as PEM; an encrypted one must be decrypted";
            return report.error("invalid_private_key", path, "the file has no usable private key", remedy);
        }
        Err(error) => {
            let message = format!("the private key's PEM is broken: {error}");
            return report.error("invalid_private_key", path, message, "write the file anew");
        }
    };
    let Some(chain) = chain else { return };
    // With the configured chain, this also tells whether the two belong together.
    match CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()) {
        Ok(_) => {}
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            let message = "the private key does not belong to the first certificate of certificateFile";
            let remedy = "use the pair that was issued together, the server's certificate first in its file";
            report.error("key_mismatch", path, message, remedy);
        }
        Err(error) => {
            let message = format!("the private key cannot be used: {error}");
            report.error(
                "invalid_private_key",
                path,
                message,
                "use an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key",
            );
        }
    }
}

/// Checks certificates that are to be trusted: at least one, and all of them usable.
pub(super) fn authorities(pem: &[u8], path: &FieldPath, now: UnixTime, report: &mut Report) {
    for certificate in certificates(pem, path, report).unwrap_or_default() {
        if let Err(error) = webpki::anchor_from_trusted_cert(&certificate) {
            let message = format!("a certificate in it cannot be trusted as an authority: {error}");
            report.error("invalid_certificate", path, message, "replace or remove it");
        } else if let Some(authority) = parsed(&certificate, path, report) {
            check_authority_validity(&authority, path, now, report);
        }
    }
}

fn certificates(pem: &[u8], path: &FieldPath, report: &mut Report) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(found) if found.is_empty() => {
            let remedy = "give it as PEM: blocks that start with -----BEGIN CERTIFICATE-----";
            report.error("invalid_certificate", path, "there is no certificate in it", remedy);
            None
        }
        Ok(found) => Some(found),
        Err(error) => {
            let message = format!("a certificate's PEM is broken: {error}");
            report.error("invalid_certificate", path, message, "copy the certificate anew, whole lines only");
            None
        }
    }
}

fn parsed<'a>(der: &'a CertificateDer<'_>, path: &FieldPath, report: &mut Report) -> Option<X509Certificate<'a>> {
    match x509_parser::parse_x509_certificate(der) {
        Ok((_, certificate)) => Some(certificate),
        Err(error) => {
            let message = format!("a certificate cannot be read: {error}");
            report.error("invalid_certificate", path, message, "issue it anew");
            None
        }
    }
}

fn check_validity(certificate: &X509Certificate<'_>, path: &FieldPath, now: UnixTime, report: &mut Report) {
    let validity = certificate.validity();
    match Age::of(certificate, now) {
        Age::NotYetValid => {
            let message = format!("the certificate is not valid before {}", validity.not_before);
            report.error("certificate_not_yet_valid", path, message, "check this machine's clock, or issue it anew");
        }
        Age::Expired => {
            let message = format!("the certificate expired on {}", validity.not_after);
            report.error("certificate_expired", path, message, "renew it");
        }
        Age::ExpiresSoon => {
            let message = format!("the certificate expires on {}", validity.not_after);
            report.warning("certificate_expires_soon", path, message, "renew it in time");
        }
        Age::Good => {}
    }
}

/// An authority's dates are not enforced when it is trusted by configuration, so they are only worth a warning.
fn check_authority_validity(certificate: &X509Certificate<'_>, path: &FieldPath, now: UnixTime, report: &mut Report) {
    let until = certificate.validity().not_after;
    match Age::of(certificate, now) {
        Age::Expired => {
            let message = format!("the authority's certificate expired on {until}");
            report.warning("certificate_expired", path, message, "replace it");
        }
        Age::ExpiresSoon => {
            let message = format!("the authority's certificate expires on {until}");
            report.warning("certificate_expires_soon", path, message, "replace it in time");
        }
        Age::NotYetValid | Age::Good => {}
    }
}

/// Where a moment is in a certificate's life.
pub(crate) enum Age {
    NotYetValid,
    Good,
    ExpiresSoon,
    Expired,
}

impl Age {
    /// The age at a moment.
    pub(crate) fn of(certificate: &X509Certificate<'_>, now: UnixTime) -> Self {
        Self::with_notice(certificate, now, EXPIRY_NOTICE)
    }

    /// The same for whoever needs more time to renew it; of a short life, the last third.
    pub(crate) fn with_notice(certificate: &X509Certificate<'_>, now: UnixTime, notice: Duration) -> Self {
        let seconds = |time: i64| UnixTime::from_seconds(u64::try_from(time).unwrap_or(0));
        let from = seconds(certificate.validity().not_before.timestamp());
        let until = seconds(certificate.validity().not_after.timestamp());
        let notice = notice.min(until.since(from) / 3);
        if now < from {
            Self::NotYetValid
        } else if now > until {
            Self::Expired
        } else if until.since(now) < notice {
            Self::ExpiresSoon
        } else {
            Self::Good
        }
    }
}

fn has_subject_alternative_name(certificate: &X509Certificate<'_>) -> bool {
    certificate.extensions().iter().any(|extension| {
        matches!(extension.parsed_extension(), ParsedExtension::SubjectAlternativeName(names) if !names.general_names.is_empty())
    })
}
