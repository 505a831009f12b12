//! Certificates and keys in the kubeconfig: what no operator looks at and a kube-apiserver dies of, or a handshake.

use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;

use super::kubeconfig::{Cluster, User};
use super::report::Report;
use crate::clock::UnixTime;
use crate::config::certificates::Age;
use crate::wiring::pem;

/// Every renewal is a rollout that somebody has to plan, so they want to hear of it a month before.
const NOTICE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const DIES: &str = "no kube-apiserver starts with this file (the operator does not look at it, and the rollout stops at the first node)";

pub(super) fn check_cluster(cluster: &Cluster, path: &str, now: UnixTime, report: &mut Report) {
    let insecure = cluster.insecure_skip_tls_verify.unwrap_or_default();
    let path_of = |field: &str| format!("{path}.{field}");
    if insecure && cluster.authority().is_some() {
        let message = format!("{DIES}: it has a certificate authority and insecure-skip-tls-verify");
        report.error(
            "authority_with_insecure",
            path_of("insecure-skip-tls-verify"),
            message,
            "remove insecure-skip-tls-verify",
        );
    } else if insecure {
        let message = "whoever gets between the API server and the webhook can be any user: the webhook's certificate is not checked";
        report.error(
            "insecure",
            path_of("insecure-skip-tls-verify"),
            message,
            "give certificate-authority-data instead",
        );
    }
    match cluster.authority() {
        Some(pem) => authority(pem, &path_of("certificate-authority-data"), now, report),
        None if !insecure && cluster.server.as_deref().is_some_and(|server| server.starts_with("https:")) => report
            .warning(
                "authority_of_the_node",
                path_of("certificate-authority-data"),
                "without an authority of its own the kubeconfig trusts every authority in the nodes' bundle",
                "give the authority that signed the webhook's certificate",
            ),
        None => {}
    }
}

fn authority(pem: &[u8], path: &str, now: UnixTime, report: &mut Report) {
    if pem::has_private_key(pem) {
        let message = "there is a private key beside the certificates to trust, in what others may read";
        report.warning(
            "authority_with_key",
            path,
            message,
            "leave the certificates alone there, and exchange that key",
        );
    }
    // As Go: what is no certificate is overlooked, as long as there is one.
    let pem = pem::certificates(pem);
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let parsed: Vec<_> =
        found.iter().filter_map(|der| Some(x509_parser::parse_x509_certificate(der).ok()?.1)).collect();
    if parsed.is_empty() {
        let message = format!("{DIES}: it has no certificate that can be read (unable to load root certificates)");
        return report.error("authority_not_pem", path, message, "put PEM certificates there, base64-encoded once");
    }
    let of_age = |is: fn(&Age) -> bool| parsed.iter().filter(|one| is(&Age::with_notice(one, now, NOTICE))).count();
    let expired = of_age(|age| matches!(age, Age::Expired));
    let early = of_age(|age| matches!(age, Age::NotYetValid));
    if expired == parsed.len() {
        let message = "the webhook's certificate is not accepted because the authority's certificate has expired";
        report.error(
            "authority_expired",
            path,
            message,
            "put the new authority there; old and new may stand side by side",
        );
    } else if expired > 0 {
        let message = format!("{expired} of the {} authorities have expired", parsed.len());
        report.warning("authority_expired", path, message, "remove them with the next change");
    }
    if early > 0 && early + expired == parsed.len() {
        let message = "the webhook's certificate is not accepted because the authority's is not valid yet";
        report.error("authority_not_yet_valid", path, message, "check the clocks, or give the present authority");
    } else if early > 0 {
        let message = format!("{early} of the {} authorities are not valid yet", parsed.len());
        report.warning("authority_not_yet_valid", path, message, "keep the present one until they are");
    }
    // Said once: a bundle may have thousands.
    if let Some(certificate) = parsed.iter().find(|one| matches!(Age::with_notice(one, now, NOTICE), Age::ExpiresSoon))
    {
        let message = format!("the authority's certificate expires on {}", certificate.validity().not_after);
        let remedy = "put the new authority beside it in time: a change of this file is a rollout";
        report.warning("authority_expires_soon", path, message, remedy);
    }
    if !parsed.iter().all(|certificate| certificate.is_ca()) {
        let message =
            "a certificate to trust is none of an authority: it is good for a server with this very certificate alone";
        report.warning("authority_is_none", path, message, "give the authority that signed the webhook's certificate");
    }
}

pub(super) fn check_user(user: &User, path: &str, now: UnixTime, report: &mut Report) {
    let Some(certificate) = user.certificate() else { return };
    let path_of = |field: &str| format!("{path}.{field}");
    let chain: Vec<_> = CertificateDer::pem_slice_iter(certificate).filter_map(Result::ok).collect();
    let leaf = chain.first().and_then(|der| Some(x509_parser::parse_x509_certificate(der).ok()?.1));
    let Some(leaf) = leaf else {
        let message = format!("{DIES}: the client certificate is not PEM");
        let remedy = "put the PEM certificate there, base64-encoded once";
        return report.error("client_certificate_not_pem", path_of("client-certificate-data"), message, remedy);
    };
    validity(&leaf, &path_of("client-certificate-data"), now, report);
    if let Ok(Some(usage)) = leaf.extended_key_usage()
        && !usage.value.client_auth
        && !usage.value.any
    {
        let message = "webhooks refuse the certificate because it is not for clients (extended key usage)";
        report.error(
            "client_certificate_usage",
            path_of("client-certificate-data"),
            message,
            "issue it with clientAuth",
        );
    }
    if leaf.is_ca() {
        let message =
            "the client certificate is an authority: whoever has this file can issue callers, and maybe webhooks";
        let remedy = "let the authority issue a client certificate; its key belongs into no kubeconfig";
        report.warning("client_certificate_is_authority", path_of("client-certificate-data"), message, remedy);
    }
    let Some(key) = user.key() else { return };
    let Ok(key) = PrivateKeyDer::from_pem_slice(key) else {
        let message = format!("{DIES}: the client key is not an unencrypted PEM key");
        let remedy = "put a PKCS#8, PKCS#1 or SEC1 key there, base64-encoded once";
        return report.error("client_key_not_pem", path_of("client-key-data"), message, remedy);
    };
    match CertifiedKey::from_der(chain.clone(), key, &aws_lc_rs::default_provider()) {
        Ok(_) => {}
        Err(TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch)) => report.error(
            "client_key_mismatch",
            path_of("client-key-data"),
            format!("{DIES}: the client key does not belong to the client certificate"),
            "use the pair that was issued together",
        ),
        Err(error) => report.error(
            "client_key_not_pem",
            path_of("client-key-data"),
            format!("the client key cannot be used: {error}"),
            "use an RSA, ECDSA (P-256, P-384, P-521) or Ed25519 key",
        ),
    }
}

fn validity(certificate: &X509Certificate<'_>, path: &str, now: UnixTime, report: &mut Report) {
    let validity = certificate.validity();
    match Age::with_notice(certificate, now, NOTICE) {
        Age::NotYetValid => {
            let message = format!(
                "webhooks refuse the client certificate because it is not valid before {}",
                validity.not_before
            );
            report.error("client_certificate_not_yet_valid", path, message, "check the clocks, or issue it anew");
        }
        Age::Expired => {
            let message =
                format!("webhooks refuse the client certificate because it expired on {}", validity.not_after);
            report.error("client_certificate_expired", path, message, "issue it anew; applying it is a rollout");
        }
        Age::ExpiresSoon => {
            let message = format!(
                "the client certificate expires on {}, and no API server reads a new one by itself",
                validity.not_after
            );
            let remedy = "issue it anew, for years rather than months, and plan the rollout";
            report.warning("client_certificate_expires_soon", path, message, remedy);
        }
        Age::Good => {}
    }
}
