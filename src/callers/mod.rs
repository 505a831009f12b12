//! Who may post reviews. Nothing is done with a token before its caller is known.
//!
//! A caller is known by a client certificate of the configured authority (optionally with one of the configured names), or
//! by a bearer token from a file, or need not be known when the operator says so. The certificate of an open connection is
//! judged again whenever the configuration changed, and every `RECHECK` besides, so replaced trust, a changed list of
//! names and an expired certificate end old connections too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::{constant_time, hmac};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use rustls::RootCertStore;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::Clock;

/// How long the judgement of a certificate stands under one configuration.
const RECHECK: Duration = Duration::from_secs(30);

/// How callers are known, as configured.
pub struct Settings<'s> {
    /// The authority of client certificates, in PEM.
    pub authority: Option<&'s [u8]>,
    /// Exact names, one of which a certificate must have; empty means that any will do.
    pub allowed_names: &'s [String],
    /// Bearer tokens that are good.
    pub bearer_tokens: Vec<&'s [u8]>,
    /// Whether a caller need not be known.
    pub anonymous: bool,
}

/// The judge of callers under one configuration.
pub struct Callers {
    verifier: Option<Arc<dyn ClientCertVerifier>>,
    allowed_names: Vec<String>,
    digest_key: hmac::Key,
    bearer_digests: Vec<hmac::Tag>,
    anonymous: bool,
    clock: Arc<dyn Clock>,
}

/// The other end of a connection: its certificate chain, what the last judgement of it was, and whether it was ever let
/// in.
pub struct Peer {
    chain: Vec<CertificateDer<'static>>,
    judged: Mutex<Option<Judged>>,
    known: AtomicBool,
}

/// Under which configuration, when, and with what result a certificate was judged.
struct Judged {
    /// Weak, so that it keeps the address from being used again, and nothing else alive.
    by: Weak<Callers>,
    at: Instant,
    result: Result<(), Stranger>,
}

/// An authority that is not usable.
#[derive(Debug, thiserror::Error)]
#[error("server.callers.clientCertificateAuthorityFile is not a PEM file with certificates that can be trusted")]
pub struct AuthorityError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stranger {
    /// The bearer token is not one of the configured.
    #[error("the bearer token is not one that this webhook knows")]
    BearerToken,
    /// The certificate is not (any more) one of the authority's.
    #[error("the client certificate is not valid under this webhook's client certificate authority")]
    Certificate,
    /// The certificate is good but has none of the names.
    #[error("the client certificate has none of the names that this webhook lets in")]
    Name,
    /// Nothing was shown.
    #[error("this webhook wants a client certificate or a bearer token of the caller's own")]
    Unknown,
}

impl Callers {
    /// The judge for these settings.
    ///
    /// # Errors
    ///
    /// When the authority is not usable.
    pub fn new(settings: &Settings<'_>, clock: Arc<dyn Clock>) -> Result<Self, AuthorityError> {
        let optional = settings.anonymous || !settings.bearer_tokens.is_empty();
        let verifier = settings.authority.map(|authority| client_verifier(authority, optional)).transpose()?;
        let digest_key = hmac::Key::new(hmac::HMAC_SHA256, b"countersign caller bearer tokens");
        let bearer_digests = settings.bearer_tokens.iter().map(|token| hmac::sign(&digest_key, token)).collect();
        Ok(Self {
            verifier,
            allowed_names: settings.allowed_names.to_vec(),
            digest_key,
            bearer_digests,
            anonymous: settings.anonymous,
            clock,
        })
    }

    /// What the TLS handshake asks of clients.
    #[must_use]
    pub fn verifier(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.verifier.clone()
    }

    /// The peer of a connection whose handshake was done with this judge's [`verifier`](Self::verifier) a moment ago: that
    /// its certificate is good need not be found out again at its first request.
    #[must_use]
    pub fn peer(self: &Arc<Self>, chain: Option<&[CertificateDer<'static>]>) -> Peer {
        let peer = Peer::new(chain);
        if let (Some(leaf), Some(_)) = (peer.chain.first(), &self.verifier) {
            let judged = Judged { by: Arc::downgrade(self), at: self.clock.monotonic(), result: self.judge_name(leaf) };
            *peer.judged.lock().unwrap_or_else(PoisonError::into_inner) = Some(judged);
        }
        peer
    }

    /// Judges the caller of a request.
    ///
    /// # Errors
    ///
    /// Why it is not let in.
    pub fn judge(self: &Arc<Self>, peer: &Peer, headers: &HeaderMap) -> Result<(), Stranger> {
        let judged = self.find(peer, headers);
        if judged.is_ok() {
            peer.known.store(true, Ordering::Relaxed);
        }
        judged
    }

    fn find(self: &Arc<Self>, peer: &Peer, headers: &HeaderMap) -> Result<(), Stranger> {
        let mut refused = None;
        if !peer.chain.is_empty() && self.verifier.is_some() {
            match self.recall_or_judge(peer) {
                Ok(()) => return Ok(()),
                Err(stranger) => refused = Some(stranger),
            }
        }
        if !self.bearer_digests.is_empty() && headers.contains_key(AUTHORIZATION) {
            match only(headers).and_then(bearer).filter(|token| self.knows(token)) {
                Some(_) => return Ok(()),
                None => refused = Some(Stranger::BearerToken),
            }
        }
        if self.anonymous { Ok(()) } else { Err(refused.unwrap_or(Stranger::Unknown)) }
    }

    fn recall_or_judge(self: &Arc<Self>, peer: &Peer) -> Result<(), Stranger> {
        let now = self.clock.monotonic();
        let mut judged = peer.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(judged) = &*judged
            && judged.by.as_ptr() == Arc::as_ptr(self)
            && now.saturating_duration_since(judged.at) < RECHECK
        {
            return judged.result;
        }
        let result = self.judge_chain(&peer.chain);
        *judged = Some(Judged { by: Arc::downgrade(self), at: now, result });
        result
    }

    fn judge_chain(&self, chain: &[CertificateDer<'static>]) -> Result<(), Stranger> {
        let (Some(verifier), Some((leaf, intermediates))) = (&self.verifier, chain.split_first()) else {
            return Err(Stranger::Unknown);
        };
        let now = rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(self.clock.now().seconds()));
        verifier.verify_client_cert(leaf, intermediates, now).map_err(|_| Stranger::Certificate)?;
        self.judge_name(leaf)
    }

    fn judge_name(&self, leaf: &CertificateDer<'static>) -> Result<(), Stranger> {
        if self.allowed_names.is_empty() || names(leaf).iter().any(|name| self.allowed_names.contains(name)) {
            Ok(())
        } else {
            Err(Stranger::Name)
        }
    }

    /// Compares keyed digests, every one of them, so that time tells neither how much of a token was right nor which.
    fn knows(&self, token: &[u8]) -> bool {
        let digest = hmac::sign(&self.digest_key, token);
        self.bearer_digests.iter().fold(false, |known, digest_of_known| {
            known | constant_time::verify_slices_are_equal(digest.as_ref(), digest_of_known.as_ref()).is_ok()
        })
    }
}

impl Peer {
    /// The peer of a connection; its certificate, if it has one, is judged at its first request.
    #[must_use]
    pub fn new(chain: Option<&[CertificateDer<'static>]>) -> Self {
        Self { chain: chain.unwrap_or_default().to_vec(), judged: Mutex::new(None), known: AtomicBool::new(false) }
    }

    /// Whether any request on the connection was a caller's.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }
}

/// The one `Authorization` header. Of several, two readers could each take another.
fn only(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    values.next().filter(|_| values.next().is_none()).map(HeaderValue::as_bytes)
}

/// The verifier of client certificates under an authority (PEM). With `optional`, a client without a certificate gets
/// through the handshake, because it may be known otherwise.
///
/// # Errors
///
/// When the authority is not usable.
fn client_verifier(authority: &[u8], optional: bool) -> Result<Arc<dyn ClientCertVerifier>, AuthorityError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        let certificate = certificate.map_err(|cause| AuthorityError(cause.into()))?;
        roots.add(certificate).map_err(|cause| AuthorityError(cause.into()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
    );
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map_err(|cause: VerifierBuilderError| AuthorityError(cause.into()))
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750): one space, nothing around it.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    let is_plain = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    (scheme.eq_ignore_ascii_case(b"bearer ") && is_plain).then_some(token)
}

/// The subject's common names and the DNS names of a certificate, exactly as they are in it.
fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let dns = alternative.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    common.chain(dns).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
