//! What a configuration of the service says about how to reach it, and whether a connection would be let in there.
//!
//! All of it offline, with the judges that the running service uses: a kubeconfig that passes here fails only for reasons
//! of the network.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use url::Url;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::kubeconfig::Connection;
use super::reviewer::ServerVerifier;
use super::soundness::Places;
use crate::app::caller_settings;
use crate::callers::{Callers, Peer};
use crate::clock::{ManualClock, UnixTime};
use crate::config::{self, Config};
use crate::findings::{Finding, Findings, Severity};
use crate::token::BearerToken;

/// Where the service answers reviews.
pub const PATH: &str = "/authenticate";

/// The path of the same resource in the Kubernetes API, for clients that create TokenReviews there.
const API_PATHS: [&str; 2] =
    ["/apis/authentication.k8s.io/v1/tokenreviews", "/apis/authentication.k8s.io/v1beta1/tokenreviews"];

/// The URL of a service that listens on one address. On all addresses, the configuration does not tell which to use.
#[must_use]
pub fn url(config: &Config) -> Option<Url> {
    let address = config.server.address;
    let is_one = match address.ip() {
        IpAddr::V4(ip) => !ip.is_unspecified(),
        IpAddr::V6(ip) => !ip.is_unspecified(),
    };
    (is_one && address.port() != 0).then(|| Url::parse(&format!("https://{address}{PATH}")).ok()).flatten()
}

/// The authority to trust, if the serving certificate's file ends with it.
#[must_use]
pub fn authority_pem(config: &Config) -> Option<Vec<u8>> {
    let pem = &config.server.tls.certificate_chain;
    let last = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).last()?;
    let (_, certificate) = X509Certificate::from_der(&last).ok()?;
    if certificate.issuer() != certificate.subject() {
        return None;
    }
    // The block as it is in the file, so that people recognise it.
    let text = std::str::from_utf8(pem).ok()?;
    text.rfind("-----BEGIN CERTIFICATE-----").and_then(|start| text.get(start..)).map(|block| block.as_bytes().to_vec())
}

/// The first of the tokens that callers may show.
#[must_use]
pub fn bearer(config: &Config) -> Option<BearerToken> {
    let secret = config.server.callers.bearer_tokens.first()?;
    std::str::from_utf8(secret.expose_secret()).ok().map(BearerToken::from)
}

/// Whether a connection would lead to this service and be let in.
#[must_use]
pub fn examine(connection: &Connection, places: &Places, config: &Config, now: UnixTime) -> Findings {
    let mut findings = Findings::new();
    let mut error = |path: String, code, message: String, remedy: &str| {
        let remedy = remedy.to_owned();
        findings.push(Finding { code, severity: Severity::Error, path, message, remedy });
    };
    let path = connection.server.path();
    if path != PATH && !API_PATHS.contains(&path) {
        let remedy = format!("post to {PATH}");
        error(
            places.cluster_field("server"),
            "unknown_route",
            format!("the service does not answer at {path}"),
            &remedy,
        );
    }
    if let Err(problem) = server_is_trusted(connection, &config.server.tls, now) {
        let (field, code, remedy) = match problem {
            Distrust::Authority => (
                "certificate-authority-data",
                "serving_certificate_untrusted",
                "give the authority that signed the certificate in server.tls.certificateFile",
            ),
            Distrust::Name => (
                "server",
                "serving_certificate_name",
                "use a name or address that the certificate has, or name it as tls-server-name",
            ),
        };
        let message = format!("API servers would not take the service's certificate: {}", problem.sentence());
        error(places.cluster_field(field), code, message, remedy);
    }
    if let Err(message) = caller_is_let_in(connection, &config.server.callers, now) {
        let remedy = "show what server.callers of the configuration asks for";
        error(places.user.clone(), "caller_refused", message, remedy);
    }
    findings
}

/// Why API servers would not believe the service to be who it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distrust {
    Authority,
    Name,
}

impl Distrust {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Authority => "it is not signed by the authority that they are told to trust",
            Self::Name => "it is for other names than the one that they ask for",
        }
    }
}

fn server_is_trusted(connection: &Connection, tls: &config::Tls, now: UnixTime) -> Result<(), Distrust> {
    if connection.insecure || connection.server.scheme() != "https" {
        return Ok(());
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&tls.certificate_chain).filter_map(Result::ok).collect();
    let host = connection.server.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let name = connection.tls_server_name.as_deref().unwrap_or(host);
    let name = ServerName::try_from(name).map_err(|_| Distrust::Name)?;
    let (leaf, intermediates) = chain.split_first().ok_or(Distrust::Authority)?;
    let verifier = ServerVerifier::new(connection).map_err(|_| Distrust::Authority)?;
    let now = rustls_pki_types::UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.seconds()));
    match verifier.verify_server_cert(leaf, intermediates, &name, &[], now) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(
            rustls::CertificateError::NotValidForName | rustls::CertificateError::NotValidForNameContext { .. },
        )) => Err(Distrust::Name),
        Err(_) => Err(Distrust::Authority),
    }
}

/// Asks the judge that the running service asks.
fn caller_is_let_in(connection: &Connection, callers: &config::Callers, now: UnixTime) -> Result<(), String> {
    let judge =
        Callers::new(&caller_settings(callers), Arc::new(ManualClock::at(now))).map_err(|error| error.to_string())?;
    let chain: Option<Vec<_>> = connection
        .client
        .as_ref()
        .map(|client| CertificateDer::pem_slice_iter(&client.certificate_pem).filter_map(Result::ok).collect());
    let mut headers = HeaderMap::new();
    if let Some(token) = &connection.bearer {
        let value = HeaderValue::try_from(format!("Bearer {}", token.expose_secret()))
            .map_err(|_| "the token has characters that no HTTP header can carry".to_owned())?;
        headers.insert(AUTHORIZATION, value);
    }
    Arc::new(judge).judge(&Peer::new(chain.as_deref()), &headers).map_err(|stranger| stranger.to_string())
}

#[cfg(test)]
mod tests;
