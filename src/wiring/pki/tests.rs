//! Certificates as others see them.

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
    let identity = authority().serving_certificate(&["localhost", "127.0.0.1", "::1"], Validity::days(NOW, 1)).unwrap();
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
