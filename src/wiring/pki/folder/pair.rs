//! A certificate and its key on the disk: whether they are there, belong together, and what the certificate says.

use std::fs;
use std::io;
use std::path::Path;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use super::super::{Authority, PkiError};
use super::FolderError;
use crate::clock::UnixTime;

/// A certificate and its key, as they are on the disk.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: Zeroizing<String>,
}

impl Pair {
    /// Whether the key is that of the certificate.
    pub(super) fn belongs_together(&self, certificate: CertificateDer<'static>) -> bool {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .is_ok_and(|key| CertifiedKey::from_der(vec![certificate], key, &aws_lc_rs::default_provider()).is_ok())
    }

    /// Both, or nothing if neither is there.
    pub(super) fn read(certificate: &Path, key: &Path) -> Result<Option<Self>, FolderError> {
        let half = |missing: &Path, present: &Path| {
            Err(FolderError::Half { missing: missing.to_owned(), present: present.to_owned() })
        };
        match (text(certificate)?, text(key)?.map(Zeroizing::new)) {
            (None, None) => Ok(None),
            (Some(_), None) => half(key, certificate),
            (None, Some(_)) => half(certificate, key),
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
        }
    }
}

pub(super) fn text(path: &Path) -> Result<Option<String>, FolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(FolderError::Unusable { path: path.to_owned(), cause }),
    }
}

pub(super) fn first(pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| PkiError::Unreadable { problem: format!("the PEM cannot be read: {error}") })
}

/// What a certificate says.
pub(super) struct Facts {
    /// Whom it is for: its alternative names, or else its common name.
    pub(super) names: Vec<String>,
    pub(super) not_after: UnixTime,
    /// For how long it is good, from its beginning to its end.
    pub(super) days: u64,
    /// Whether it is one that clients show.
    pub(super) is_clients: bool,
}

impl Facts {
    pub(super) fn of(der: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let unreadable = |problem: String| PkiError::Unreadable { problem };
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
        let extension = certificate.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
        let mut names: Vec<String> = extension
            .map(|extension| extension.value.general_names.iter().filter_map(name).collect())
            .unwrap_or_default();
        if names.is_empty() {
            let common = certificate.subject().iter_common_name();
            names.extend(common.filter_map(|name| name.as_str().ok()).map(str::to_owned));
        }
        let moment = |time: ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
        let [begin, end] = [certificate.validity().not_before, certificate.validity().not_after].map(moment);
        let usage = certificate.extended_key_usage().ok().flatten();
        Ok(Self {
            names,
            not_after: UnixTime::from_seconds(end),
            days: end.saturating_sub(begin) / (24 * 60 * 60),
            is_clients: usage.is_some_and(|usage| usage.value.client_auth),
        })
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

pub(super) fn is_signed_by(der: &CertificateDer<'_>, authority: &Authority) -> bool {
    let authority = authority.certificate_der();
    let (Ok((_, certificate)), Ok((_, authority))) =
        (X509Certificate::from_der(der), X509Certificate::from_der(&authority))
    else {
        return false;
    };
    certificate.verify_signature(Some(authority.public_key())).is_ok()
}
