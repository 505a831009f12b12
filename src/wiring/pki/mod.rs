//! A small certificate authority: makes the serving and client certificates of a trial, of tests, and of whoever has
//! no authority of their own.
//!
//! Keys are ECDSA P-256. A private key leaves only through [`Identity::private_key_pem`] and
//! [`Authority::private_key_pem`], and what writes it to a disk must do so with
//! [`Access::Private`](super::file::Access::Private); [`folder`] does.

pub mod folder;

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::clock::UnixTime;

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The cryptographic library refused.
    #[error("making a certificate for {subject:?}")]
    Certificate {
        /// Whom the certificate is for.
        subject: String,
        /// What the library says.
        #[source]
        cause: rcgen::Error,
    },
    /// What should be an authority is none that can sign.
    #[error("this is no certificate authority that can sign: {problem}")]
    NoAuthority {
        /// What is wrong with it.
        problem: String,
    },
    /// A name that certificates cannot carry.
    #[error("{name:?} is neither a DNS name nor an IP address that a certificate can carry")]
    Name {
        /// The name.
        name: String,
    },
    /// A certificate that is there cannot be read.
    #[error("the certificate cannot be read: {problem}")]
    Unreadable {
        /// What is wrong with it.
        problem: String,
    },
}

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Validity {
    /// From one moment to another.
    #[must_use]
    pub const fn between(not_before: UnixTime, not_after: UnixTime) -> Self {
        Self { not_before, not_after }
    }

    /// A number of whole days from a moment on.
    #[must_use]
    pub const fn days(not_before: UnixTime, days: u32) -> Self {
        Self { not_before, not_after: not_before.saturating_add(Duration::from_secs(days as u64 * 24 * 60 * 60)) }
    }
}

/// A certificate authority: signs, and is what others trust.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

impl Authority {
    /// Makes a self-signed authority, which can sign end-entity certificates and no further authorities.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn new(name: &str, validity: Validity) -> Result<Self, PkiError> {
        let mut params = params(name, validity);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let signed = key_pair().and_then(|key| Ok((params.self_signed(&key)?, key)));
        let (certificate, key) = signed.map_err(|cause| PkiError::Certificate { subject: name.to_owned(), cause })?;
        Ok(Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// An authority that was made earlier, from its certificate and private key in PEM.
    ///
    /// # Errors
    /// If one of the two cannot be read, they do not belong together, or the certificate must not sign others.
    pub fn from_pem(certificate_pem: &str, private_key_pem: &str) -> Result<Self, PkiError> {
        let no = |problem: String| PkiError::NoAuthority { problem };
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| no(format!("the certificate's PEM cannot be read: {error}")))?;
        let key = KeyPair::from_pem(private_key_pem)
            .map_err(|_| no("the private key is not an unencrypted PKCS #8 key in PEM".to_owned()))?;
        let (_, parsed) = X509Certificate::from_der(&certificate)
            .map_err(|error| no(format!("the certificate cannot be read: {error}")))?;
        if !parsed.is_ca() {
            return Err(no("the certificate is not one of an authority (CA:TRUE)".to_owned()));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(no("the private key belongs to another certificate".to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|error| no(format!("the certificate cannot be used: {error}")))?;
        Ok(Self { issuer, certificate, certificate_pem: certificate_pem.to_owned() })
    }

    /// The authority's certificate: what peers are to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.certificate_pem.clone()
    }

    /// The authority's certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.certificate.clone()
    }

    /// The authority's private key (PKCS #8). Whoever has it can make certificates that all peers trust.
    #[must_use]
    pub fn private_key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// A certificate for a server that is reached under these DNS names and IP addresses.
    ///
    /// # Errors
    /// If a name cannot be part of a certificate, or no key can be made.
    pub fn serving_certificate(&self, names: &[&str], validity: Validity) -> Result<Identity, PkiError> {
        let mut params = params(names.first().copied().unwrap_or_default(), validity);
        params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client: to Kubernetes the common name is a user name and the organizations are groups.
    ///
    /// # Errors
    /// If no key can be made.
    pub fn client_certificate(
        &self,
        common_name: &str,
        organizations: &[&str],
        validity: Validity,
    ) -> Result<Identity, PkiError> {
        let mut params = params(common_name, validity);
        for organization in organizations {
            params.distinguished_name.push(DnType::OrganizationName, *organization);
        }
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Result<Identity, PkiError> {
        let subject = common_name(&params);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let certified =
            key_pair().and_then(|key| Ok((params.signed_by(&key, &self.issuer)?.pem(), key.serialize_pem())));
        let (certificate_pem, private_key_pem) = certified.map_err(|cause| PkiError::Certificate { subject, cause })?;
        Ok(Identity { certificate_pem, private_key_pem: Zeroizing::new(private_key_pem) })
    }
}

/// A certificate with its private key. It has no `Debug` that shows the key.
#[derive(Clone)]
pub struct Identity {
    certificate_pem: String,
    private_key_pem: Zeroizing<String>,
}

impl Identity {
    /// The certificate, to be shown to everyone.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The private key (PKCS #8), to be kept from everyone.
    #[must_use]
    pub fn private_key_pem(&self) -> &Zeroizing<String> {
        &self.private_key_pem
    }

    /// Both in the form that rustls takes.
    ///
    /// # Errors
    /// Never for an identity that an [`Authority`] made.
    pub fn to_rustls(
        &self,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), rustls_pki_types::pem::Error> {
        let chain = CertificateDer::pem_slice_iter(self.certificate_pem.as_bytes()).collect::<Result<_, _>>()?;
        Ok((chain, PrivateKeyDer::from_pem_slice(self.private_key_pem.as_bytes())?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificate_pem", &self.certificate_pem).finish_non_exhaustive()
    }
}

fn key_pair() -> Result<KeyPair, rcgen::Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)
}

fn params(common_name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + Duration::from_secs(validity.not_before.seconds());
    params.not_after = epoch + Duration::from_secs(validity.not_after.seconds());
    params
}

fn common_name(params: &CertificateParams) -> String {
    match params.distinguished_name.get(&DnType::CommonName) {
        Some(rcgen::DnValue::Utf8String(name)) => name.clone(),
        _ => String::new(),
    }
}

fn alternative_name(name: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    // rustls checks the syntax of DNS names; rcgen only that they are ASCII. A wildcard stands for the first label.
    rustls_pki_types::DnsName::try_from(name.strip_prefix("*.").unwrap_or(name))
        .ok()
        .and_then(|_| name.try_into().ok())
        .map(SanType::DnsName)
        .ok_or_else(|| PkiError::Name { name: name.to_owned() })
}

#[cfg(test)]
mod tests;
