//! The certificates of a connection: readable, of the right kind, and for how long.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Notes;
use crate::clock::UnixTime;
use crate::config::certificates::Age;
use crate::findings::Severity;
use crate::wiring::pem;

/// What a certificate is in a connection for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// To be trusted.
    Authority,
    /// To be shown.
    Caller,
}

impl Role {
    const fn field(self) -> &'static str {
        match self {
            Self::Authority => "certificate-authority-data",
            Self::Caller => "client-certificate-data",
        }
    }

    fn note(self, notes: &mut Notes<'_>, severity: Severity, code: &'static str, message: String, fix: &str) {
        match self {
            Self::Authority => notes.cluster(self.field(), severity, code, message, fix),
            Self::Caller => notes.user(self.field(), severity, code, message, fix),
        }
    }
}

/// Examines a PEM text's certificates; of a caller's chain, the first.
pub(super) fn examine(pem: &[u8], role: Role, now: UnixTime, notes: &mut Notes<'_>) {
    if role == Role::Authority && pem::has_private_key(pem) {
        let message = "there is a private key beside the certificates to trust, in what others may read".to_owned();
        let fix = "leave the certificates alone there, and exchange that key";
        role.note(notes, Severity::Warning, "authority_with_key", message, fix);
    }
    // As Go: what is no certificate is overlooked, as long as there is one.
    let pem = pem::certificates(pem);
    let read: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let mut certificates: Vec<_> =
        read.iter().filter_map(|certificate| Some(X509Certificate::from_der(certificate).ok()?.1)).collect();
    if certificates.is_empty() {
        return unreadable(role, notes);
    }
    if role == Role::Caller {
        certificates.truncate(1);
    }
    let counted = certificates.len();
    let (mut ended, mut early) = (0, 0);
    for certificate in &certificates {
        match Age::of(certificate, now) {
            Age::Expired => ended += 1,
            Age::NotYetValid => early += 1,
            Age::ExpiresSoon | Age::Good => {}
        }
        kind(certificate, role, notes);
        age(certificate, role, now, counted > 1, notes);
    }
    if counted > 1 && ended + early == counted {
        let (code, what) = if early == 0 {
            (
                "certificate_expired",
                "all of the authorities have expired, and kube-apiserver trusts none of them any more",
            )
        } else {
            (
                "certificate_not_yet_valid",
                "none of the authorities is valid now, and kube-apiserver trusts none of them",
            )
        };
        role.note(notes, Severity::Error, code, what.to_owned(), "give the present authority");
    }
}

fn unreadable(role: Role, notes: &mut Notes<'_>) {
    let message = "kube-apiserver would not start: there is no certificate in it that can be read".to_owned();
    let fix = "give PEM: blocks that start with -----BEGIN CERTIFICATE-----";
    role.note(notes, Severity::Error, "unreadable_certificate", message, fix);
}

fn kind(certificate: &X509Certificate<'_>, role: Role, notes: &mut Notes<'_>) {
    let name = certificate.subject();
    if role == Role::Authority && !certificate.is_ca() && certificate.issuer() != name {
        let message = format!("{name} is no authority: it is good for a server with this very certificate alone");
        let fix = "give the certificate of the authority that signed the webhook's";
        return role.note(notes, Severity::Warning, "not_an_authority", message, fix);
    }
    if role == Role::Caller && certificate.is_ca() {
        let message =
            format!("{name} is an authority: whoever has the kubeconfig can issue callers, and maybe webhooks");
        let fix = "let the authority issue a client certificate; its key belongs into no kubeconfig";
        role.note(notes, Severity::Warning, "authority_as_caller", message, fix);
    }
    let usage = certificate.extended_key_usage().ok().flatten().map(|extension| extension.value);
    if role == Role::Caller && usage.is_some_and(|usage| !usage.client_auth && !usage.any) {
        let message = format!("{name} is not for clients (its extended key usage lacks clientAuth)");
        role.note(notes, Severity::Error, "not_for_clients", message, "issue a client certificate");
    }
}

/// Go, and so kube-apiserver, refuses an expired authority too; one of several may be the old one of a change.
fn age(certificate: &X509Certificate<'_>, role: Role, now: UnixTime, one_of_several: bool, notes: &mut Notes<'_>) {
    let (name, validity) = (certificate.subject(), certificate.validity());
    let (severity, code, message) = match Age::of(certificate, now) {
        Age::Good => return,
        Age::NotYetValid if one_of_several => {
            let message = format!("{name}, one of the authorities, is not valid before {}", validity.not_before);
            (Severity::Warning, "authority_not_yet_valid", message)
        }
        Age::NotYetValid => {
            let message = format!("{name} is not valid before {}", validity.not_before);
            (Severity::Error, "certificate_not_yet_valid", message)
        }
        Age::Expired if one_of_several => {
            let message = format!("{name}, one of the authorities, expired on {}", validity.not_after);
            (Severity::Warning, "authority_expired", message)
        }
        Age::Expired => {
            let message = format!("{name} expired on {}", validity.not_after);
            (Severity::Error, "certificate_expired", message)
        }
        Age::ExpiresSoon => {
            let message = format!("{name} expires on {}", validity.not_after);
            (Severity::Warning, "certificate_expires_soon", message)
        }
    };
    let fix = "renew it and write the kubeconfig anew; kube-apiserver reads it at its next start";
    role.note(notes, severity, code, message, fix);
}
