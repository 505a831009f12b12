//! A small certificate authority: makes the serving and client certificates of a trial, of tests, and of whoever has
//! no authority of their own.
//!
//! Keys are ECDSA P-256. A private key leaves only through [`Identity::private_key_pem`], and what writes it to a disk
//! must do so with [`Access::Private`](super::file::Access::Private).

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
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
    /// A name that certificates cannot carry.
    #[error("{name:?} is neither a DNS name nor an IP address that a certificate can carry")]
    Name {
        /// The name.
        name: String,
    },
}

/// From when to when a certificate is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Validity {
    /// A number of whole days from a moment on.
    #[must_use]
    pub const fn days(not_before: UnixTime, days: u32) -> Self {
        Self { not_before, not_after: not_before.saturating_add(Duration::from_secs(days as u64 * 24 * 60 * 60)) }
    }
}

/// A certificate authority: signs, and is what others trust.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
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
        let issuer = key_pair()
            .and_then(|key| CertifiedIssuer::self_signed(params, key))
            .map_err(|cause| PkiError::Certificate { subject: name.to_owned(), cause })?;
        Ok(Self { issuer })
    }

    /// The authority's certificate: what peers are to trust.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.issuer.pem()
    }

    /// The authority's certificate in DER.
    #[must_use]
    pub fn certificate_der(&self) -> CertificateDer<'static> {
        self.issuer.der().clone()
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
    // rustls checks the syntax of DNS names; rcgen only that they are ASCII.
    rustls_pki_types::DnsName::try_from(name)
        .ok()
        .and_then(|_| name.try_into().ok())
        .map(SanType::DnsName)
        .ok_or_else(|| PkiError::Name { name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use x509_parser::extensions::GeneralName;
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn authority() -> Authority {
        Authority::new("trial authority", Validity::days(NOW, 2)).unwrap()
    }

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn an_authority_signs_end_entities_and_no_further_authorities() {
        let der = authority().certificate_der();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let constraints = certificate.basic_constraints().unwrap().unwrap().value;
        assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(0)));
        assert_eq!(certificate.subject().to_string(), "CN=trial authority");
    }

    #[test]
    fn certificates_are_good_for_exactly_the_given_days() {
        let identity = authority().serving_certificate(&["localhost"], Validity::days(NOW, 2)).unwrap();
        let der = der(identity.certificate_pem());
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let validity = certificate.validity();
        assert_eq!(validity.not_before.timestamp(), 1_800_000_000);
        assert_eq!(validity.not_after.timestamp(), 1_800_000_000 + 2 * 86_400);
    }

    #[test]
    fn a_serving_certificate_names_hosts_and_addresses() {
        let identity =
            authority().serving_certificate(&["localhost", "127.0.0.1", "::1"], Validity::days(NOW, 1)).unwrap();
        let der = der(identity.certificate_pem());
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let loopback6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(
            certificate.subject_alternative_name().unwrap().unwrap().value.general_names,
            [
                GeneralName::DNSName("localhost"),
                GeneralName::IPAddress(&[127, 0, 0, 1]),
                GeneralName::IPAddress(&loopback6)
            ]
        );
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert_eq!((usage.server_auth, usage.client_auth), (true, false));
    }

    #[test]
    fn a_client_certificate_carries_user_name_and_groups_and_serves_nobody() {
        let identity =
            authority().client_certificate("kube-apiserver", &["system:masters"], Validity::days(NOW, 1)).unwrap();
        let der = der(identity.certificate_pem());
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        assert_eq!(certificate.subject().to_string(), "CN=kube-apiserver, O=system:masters");
        let usage = certificate.extended_key_usage().unwrap().unwrap().value;
        assert_eq!((usage.server_auth, usage.client_auth), (false, true));
        assert!(!certificate.is_ca());
    }

    #[test]
    fn a_name_that_no_certificate_can_carry_is_named() {
        let error = authority().serving_certificate(&["white space"], Validity::days(NOW, 1)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "\"white space\" is neither a DNS name nor an IP address that a certificate can carry"
        );
    }

    #[test]
    fn an_identity_fits_rustls_and_hides_its_key() {
        let identity = authority().client_certificate("someone", &[], Validity::days(NOW, 1)).unwrap();
        let (chain, key) = identity.to_rustls().unwrap();
        let signing_key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
        rustls::sign::CertifiedKey::new(chain, signing_key).keys_match().unwrap();
        assert!(!format!("{identity:?}").contains("PRIVATE KEY"));
    }

    #[test]
    fn two_authorities_of_one_name_do_not_vouch_for_each_other() {
        let (ours, theirs) = (authority(), authority());
        let identity = theirs.serving_certificate(&["localhost"], Validity::days(NOW, 1)).unwrap();
        let der = der(identity.certificate_pem());
        let anchor_der = ours.certificate_der();
        let anchors = [webpki::anchor_from_trusted_cert(&anchor_der).unwrap()];
        let leaf = webpki::EndEntityCert::try_from(&der).unwrap();
        let verified = leaf.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &[],
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(NOW.seconds() + 1)),
            webpki::KeyUsage::server_auth(),
            None,
            None,
        );
        assert!(verified.is_err());
    }
}
