//! The HTTPS client for identity providers: one per issuer, with its trust roots, and bounds on everything.
//!
//! What must hold: nothing but the configured URLs is contacted; redirects are not followed (a redirect would let
//! whoever can answer choose the next address, with our trust); an answer is read up to a cap, never inflated; link-local
//! addresses, where clouds keep their metadata services, are refused after name resolution, on the very addresses that
//! are connected to. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY`), except for loopback.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, DATE, ETAG, HeaderMap,
    HeaderValue, IF_NONE_MATCH,
};
use reqwest::{StatusCode, Url};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::clock::UnixTime;

/// How long an exchange may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// To open a connection.
    pub connect: Duration,
    /// Between two reads: the first byte, and each further one.
    pub read: Duration,
    /// For the whole exchange, so that a provider that drips cannot hold its peer for longer.
    pub total: Duration,
}

impl Limits {
    /// For the service: a provider that is up answers a SYN and a TLS hello well within it, even across oceans.
    pub const SERVICE: Self =
        Self { connect: Duration::from_secs(2), read: Duration::from_secs(3), total: Duration::from_secs(5) };
    /// For a person at a workstation: hotel networks and providers that wake up first are slow, and nobody else waits.
    pub const PERSON: Self =
        Self { connect: Duration::from_secs(10), read: Duration::from_secs(20), total: Duration::from_secs(30) };
}

/// A client bound to one issuer's trust roots.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: reqwest::Client,
    /// For loopback, where no proxy of the environment can go for us.
    direct: reqwest::Client,
}

/// What a conditional GET brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The document, with what may be said about its next fetch.
    Document {
        /// The body, uncompressed.
        body: Bytes,
        /// The entity tag, for the next conditional GET.
        etag: Option<String>,
        /// `max-age` of `Cache-Control`, if the server gave one.
        max_age: Option<Duration>,
    },
    /// The document of the given entity tag is still the current one.
    NotModified {
        /// `max-age` of `Cache-Control`, if the server gave one.
        max_age: Option<Duration>,
    },
}

/// A request whose answer counts whatever its status: OAuth endpoints say in the body of a 400 what is wrong.
pub enum Question<'a> {
    /// A GET.
    Document,
    /// A POST of an encoded form, with the value of an `Authorization` header if there is one.
    Form {
        /// The encoded form.
        body: Zeroizing<String>,
        /// The header's value, marked as sensitive by its maker.
        authorization: Option<&'a HeaderValue>,
    },
    /// A GET of a signed token, with the value of an `Authorization` header if there is one.
    Signed {
        /// The header's value, marked as sensitive by its maker.
        authorization: Option<&'a HeaderValue>,
    },
}

/// What came back, of any status. The body may hold tokens.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// Whether `Content-Type` calls it JSON of any kind.
    pub is_json: bool,
    /// The body, uncompressed.
    pub body: Zeroizing<Vec<u8>>,
    /// The peer's clock, from `Date`.
    pub date: Option<UnixTime>,
}

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The given certificate authority is not usable.
    #[error("the certificate authority is not a PEM certificate that can be used")]
    Authority(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The body is longer than the cap.
    #[error("the answer of {url} is longer than {cap} bytes")]
    BodyTooLong {
        /// Which address.
        url: Url,
        /// The cap in bytes.
        cap: usize,
    },
    /// The client could not be made.
    #[error("setting up the HTTPS client")]
    Client(#[source] reqwest::Error),
    /// The answer is compressed though we asked for it plain.
    #[error("{url} answered compressed, though asked not to")]
    Encoded {
        /// Which address.
        url: Url,
    },
    /// The address is one that is never contacted.
    #[error("{url} is a link-local address, which is never contacted")]
    Forbidden {
        /// Which address.
        url: Url,
    },
    /// No answer.
    #[error("no answer from {url}")]
    Request {
        /// Which address.
        url: Url,
        /// What went wrong on the way.
        #[source]
        cause: reqwest::Error,
    },
    /// The system has no trust roots.
    #[error("this system has no trusted root certificates; give the issuer a certificateAuthority")]
    Roots,
    /// Another status than 200 (or 304 for a conditional GET). Redirects end here.
    #[error("{url} answered {status}")]
    Status {
        /// Which address.
        url: Url,
        /// The status.
        status: StatusCode,
    },
    /// Not an https address.
    #[error("{url} is not an https address")]
    Scheme {
        /// Which address.
        url: Url,
    },
}

impl Outbound {
    /// A client that trusts the given certificate authority and no other, or the system's roots without one.
    ///
    /// # Errors
    ///
    /// When the authority does not parse or the system has no roots.
    pub fn new(certificate_authority: Option<&str>) -> Result<Self, OutboundError> {
        Self::with_limits(certificate_authority, Limits::SERVICE)
    }

    /// The same through a proxy, if there is one, whatever the environment says.
    ///
    /// # Errors
    ///
    /// When the authority does not parse, the system has no roots, or the proxy's address is none.
    pub fn through(certificate_authority: Option<&str>, proxy: Option<&str>) -> Result<Self, OutboundError> {
        let Some(proxy) = proxy else { return Self::new(certificate_authority) };
        let tls = client_config(certificate_authority)?;
        let proxy = reqwest::Proxy::all(proxy).map_err(OutboundError::Client)?;
        let client = Self::builder(tls, Limits::SERVICE).proxy(proxy).build().map_err(OutboundError::Client)?;
        Ok(Self { direct: client.clone(), client })
    }

    /// The same with other limits.
    ///
    /// # Errors
    ///
    /// When the authority does not parse or the system has no roots.
    pub fn with_limits(certificate_authority: Option<&str>, limits: Limits) -> Result<Self, OutboundError> {
        let tls = client_config(certificate_authority)?;
        let client = Self::builder(tls.clone(), limits).build().map_err(OutboundError::Client)?;
        let direct = Self::builder(tls, limits).no_proxy().build().map_err(OutboundError::Client)?;
        Ok(Self { client, direct })
    }

    fn builder(tls: ClientConfig, limits: Limits) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(limits.connect)
            .read_timeout(limits.read)
            .timeout(limits.total)
            // A connection of its own for every fetch. One that the network has silently lost would be taken again and
            // again: HTTP/2 shares it as long as TCP believes in it, which can be a quarter of an hour.
            .pool_max_idle_per_host(0)
            .dns_resolver(Resolver)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
    }

    /// Fetches a document of at most `cap` bytes, unless it still has the given entity tag.
    ///
    /// # Errors
    ///
    /// For every answer that is not that document.
    pub async fn get(&self, url: &Url, etag: Option<&str>, cap: usize) -> Result<Fetched, OutboundError> {
        check(url)?;
        let failed = |cause: reqwest::Error| OutboundError::Request { url: url.clone(), cause: cause.without_url() };
        let client = if is_loopback(url) { &self.direct } else { &self.client };
        let mut request =
            client.get(url.clone()).header(ACCEPT, "application/json, */*").header(ACCEPT_ENCODING, "identity");
        // Whoever asks keeps what it got for as long as it means to; a cache on the way may hold keys that were replaced.
        request = request.header(CACHE_CONTROL, "no-cache");
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(failed)?;
        let max_age = max_age(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(Fetched::NotModified { max_age }),
            status => return Err(OutboundError::Status { url: url.clone(), status }),
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(OutboundError::Encoded { url: url.clone() });
        }
        let etag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > cap {
                return Err(OutboundError::BodyTooLong { url: url.clone(), cap });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched::Document { body: body.freeze(), etag, max_age })
    }

    /// Asks, and reads an answer of at most `cap` bytes, whatever its status but a redirect.
    ///
    /// # Errors
    ///
    /// When there is no answer, or it is too long, compressed, or a redirect.
    pub async fn ask(&self, url: &Url, question: Question<'_>, cap: usize) -> Result<Answer, OutboundError> {
        check(url)?;
        let failed = |cause: reqwest::Error| OutboundError::Request { url: url.clone(), cause: cause.without_url() };
        let client = if is_loopback(url) { &self.direct } else { &self.client };
        let accept = match question {
            Question::Document | Question::Form { .. } => "application/json",
            Question::Signed { .. } => "application/jwt, */*",
        };
        let request = match question {
            Question::Document => client.get(url.clone()),
            Question::Signed { authorization: None } => client.get(url.clone()),
            Question::Signed { authorization: Some(authorization) } => {
                client.get(url.clone()).header(AUTHORIZATION, authorization)
            }
            Question::Form { body, authorization } => {
                let mut request = client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
                if let Some(authorization) = authorization {
                    request = request.header(AUTHORIZATION, authorization);
                }
                request.body(Bytes::from_owner(body))
            }
        };
        let request = request.header(ACCEPT, accept).header(ACCEPT_ENCODING, "identity");
        let mut response = request.send().await.map_err(failed)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(OutboundError::Status { url: url.clone(), status });
        }
        if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(OutboundError::Encoded { url: url.clone() });
        }
        let (date, is_json) = (date(response.headers()), is_json(response.headers()));
        let mut body = Zeroizing::new(Vec::new());
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > cap {
                return Err(OutboundError::BodyTooLong { url: url.clone(), cap });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, is_json, body, date })
    }
}

/// The TLS settings of a client: the given authority and no other, or the system's roots; aws-lc-rs; h2 and HTTP/1.1.
///
/// # Errors
///
/// When the authority does not parse or the system has no roots.
pub fn client_config(certificate_authority: Option<&str>) -> Result<ClientConfig, OutboundError> {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = certificate_authority {
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let certificate = certificate.map_err(|cause| OutboundError::Authority(cause.into()))?;
            roots.add(certificate).map_err(|cause| OutboundError::Authority(cause.into()))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    if roots.is_empty() {
        return Err(match certificate_authority {
            Some(_) => OutboundError::Authority("it holds no certificate".into()),
            None => OutboundError::Roots,
        });
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Whether a URL leads to this machine. As for Go programs, the environment's proxy has no part in that.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The whole chain of an error in one line, each cause once.
#[must_use]
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

fn check(url: &Url) -> Result<(), OutboundError> {
    if url.scheme() != "https" {
        return Err(OutboundError::Scheme { url: url.clone() });
    }
    let literal = match url.host() {
        Some(url::Host::Ipv4(address)) => Some(IpAddr::V4(address)),
        Some(url::Host::Ipv6(address)) => Some(IpAddr::V6(address)),
        Some(url::Host::Domain(_)) | None => None,
    };
    if literal.is_some_and(is_forbidden) {
        return Err(OutboundError::Forbidden { url: url.clone() });
    }
    Ok(())
}

/// Link-local addresses: 169.254.0.0/16 (also in IPv6 clothing) and fe80::/10.
fn is_forbidden(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_unspecified(),
    }
}

fn date(headers: &HeaderMap) -> Option<UnixTime> {
    let date = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_seconds(since_epoch.as_secs()))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    let mut max_age = None;
    for directive in directives.split(',').map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            max_age = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    max_age
}

/// The system's resolver, less the addresses that are never contacted.
struct Resolver;

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_forbidden(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no address, or only link-local ones, which are never contacted".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_link_local_addresses_are_never_contacted() {
        for forbidden in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::"] {
            assert!(is_forbidden(forbidden.parse().unwrap()), "{forbidden}");
        }
        for allowed in ["127.0.0.1", "::1", "10.0.0.1", "192.0.2.1", "2001:db8::1"] {
            assert!(!is_forbidden(allowed.parse().unwrap()), "{allowed}");
        }
        for literal in ["https://169.254.169.254/keys", "https://[fe80::1]/", "https://0xA9FEA9FE/"] {
            let url = Url::parse(literal).unwrap();
            assert!(matches!(check(&url), Err(OutboundError::Forbidden { .. })), "{literal}");
        }
    }

    #[test]
    fn e12_only_https_is_contacted() {
        let url = Url::parse("http://idp.example.com/").unwrap();
        assert!(matches!(check(&url), Err(OutboundError::Scheme { .. })));
    }

    #[test]
    fn g3_max_age_is_read_from_cache_control() {
        let age = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CACHE_CONTROL, value.parse().unwrap());
            max_age(&headers)
        };
        assert_eq!(age("public, max-age=600, must-revalidate"), Some(Duration::from_secs(600)));
        assert_eq!(age("Max-Age=\"60\""), Some(Duration::from_secs(60)));
        assert_eq!(age("no-cache, max-age=600"), Some(Duration::ZERO));
        assert_eq!(age("max-age=-1"), None);
        assert_eq!(age("private"), None);
    }

    #[test]
    fn an_authority_that_is_no_certificate_is_an_error() {
        assert!(matches!(client_config(Some("nothing")), Err(OutboundError::Authority(_))));
    }
}
