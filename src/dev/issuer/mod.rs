//! An OpenID provider to throw away: real TLS, real keys, and a switch for everything that can go wrong.
//!
//! `dev` shows with it how a token is checked; tests use the same one to break it on purpose. It has no login: tokens are
//! [built](TokenBuilder) in the process. It listens on loopback, keeps nothing, and is gone when it is dropped.

mod faults;
mod keys;
mod requests;
mod state;
mod token;

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::faults::Reply;
use self::state::State;
use super::https::{self, Body};
use crate::clock::UnixTime;
use crate::wiring::pki::{Authority, Identity, PkiError, Validity};

pub use self::faults::Fault;
pub use self::keys::{Algorithm, KeyError, SigningKey};
pub use self::requests::{Endpoint, Requests};
pub use self::token::TokenBuilder;

/// How many connections may wait to be accepted, as in tokio's own listener.
const BACKLOG: u32 = 1024;

/// How an issuer starts. Everything has a default.
pub struct IssuerOptions {
    /// One signing key is made for each; tokens are signed with the first.
    pub algorithms: Vec<Algorithm>,
    /// The `aud` of its tokens.
    pub audience: String,
    /// Where to listen; port 0 is a free one.
    pub address: SocketAddr,
    /// What follows host and port in the issuer's URL, for instance `/realms/demo` or `/`.
    pub path: String,
    /// The serving certificate and the PEM of who signed it; by default both are made, for `localhost` and `127.0.0.1`.
    pub tls: Option<(Identity, String)>,
}

impl Default for IssuerOptions {
    fn default() -> Self {
        Self {
            algorithms: vec![Algorithm::Es256],
            audience: "kubernetes".to_owned(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            path: String::new(),
            tls: None,
        }
    }
}

/// An issuer that could not start.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The address is taken, or not this machine's.
    #[error("the issuer cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// No key.
    #[error("the issuer has no signing key")]
    Key(#[source] KeyError),
    /// No algorithm.
    #[error("the issuer needs at least one algorithm")]
    NoAlgorithm,
    /// No certificate.
    #[error("the issuer has no certificate")]
    Pki(#[source] PkiError),
    /// Certificate and key do not fit.
    #[error("the issuer cannot use its certificate")]
    Tls(#[source] rustls::Error),
}

/// A running issuer.
pub struct Issuer {
    url: String,
    ca_pem: String,
    address: SocketAddr,
    audience: String,
    tls: Arc<ServerConfig>,
    shared: Arc<Shared>,
    minted: AtomicU64,
    /// Holds the port while nobody listens on it.
    reserved: Option<TcpSocket>,
    server: JoinSet<Infallible>,
}

/// What the server's tasks and the issuer's owner have in common.
struct Shared {
    discovery_path: String,
    keys_path: String,
    claims_path: String,
    state: watch::Sender<State>,
    requests: watch::Sender<Requests>,
}

impl Issuer {
    /// Starts an issuer, whose certificate is good from `now` for two days.
    ///
    /// # Errors
    /// If it cannot listen, or no key or certificate can be made.
    pub async fn start(options: IssuerOptions, now: UnixTime) -> Result<Self, IssuerError> {
        let (identity, ca_pem) = match options.tls {
            Some(given) => given,
            None => throw_away_tls(now).map_err(IssuerError::Pki)?,
        };
        let tls = Arc::new(https::tls(&identity).map_err(IssuerError::Tls)?);
        let keys = keys(&options.algorithms)?;
        let fail = |cause| IssuerError::Listen { address: options.address, cause };
        let listener = TcpListener::bind(options.address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let base = options.path.trim_end_matches('/');
        let url = format!("https://{address}{}", options.path);
        let shared = Arc::new(Shared {
            discovery_path: format!("{base}/.well-known/openid-configuration"),
            keys_path: format!("{base}/jwks"),
            claims_path: format!("{base}/claims"),
            state: watch::Sender::new(State::new(url.clone(), keys)),
            requests: watch::Sender::new(Requests::default()),
        });
        let mut issuer = Self {
            url,
            ca_pem,
            address,
            audience: options.audience,
            tls,
            shared,
            minted: AtomicU64::new(0),
            reserved: None,
            server: JoinSet::new(),
        };
        issuer.serve(listener);
        Ok(issuer)
    }

    /// The issuer's URL: the `iss` of its tokens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of who signed the serving certificate, in PEM.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The audience of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The key that tokens are signed with, unless told otherwise.
    #[must_use]
    pub fn key(&self) -> Arc<SigningKey> {
        Arc::clone(self.shared.state.borrow().keys.first().expect("there is always a signing key"))
    }

    /// A good token of a verified person, for an hour from `now`.
    pub fn token(&self, now: UnixTime) -> TokenBuilder {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        let serial = self.minted.fetch_add(1, Ordering::Relaxed);
        TokenBuilder::new(&self.key())
            .issuer(&self.url)
            .subject("alice")
            .audience(&self.audience)
            .issued_at(now)
            .not_before(now)
            .expires_at(now.saturating_add(HOUR))
            .claim("jti", format!("token-{serial}"))
            .claim("email", "alice@example.com")
            .claim("email_verified", true)
            .groups(&["developers"])
    }

    /// Makes a new key, publishes it before the others and signs with it from now on. The others stay published until
    /// they are [dropped](Self::drop_key).
    ///
    /// # Errors
    /// If no key can be made.
    pub fn rotate(&self, algorithm: Algorithm) -> Result<Arc<SigningKey>, KeyError> {
        let serial = self.minted.fetch_add(1, Ordering::Relaxed);
        let key = Arc::new(SigningKey::generate(algorithm, format!("rotated-{serial}"))?);
        self.shared.state.send_modify(|state| state.keys.insert(0, Arc::clone(&key)));
        Ok(key)
    }

    /// Withdraws a key. The last one stays, since tokens must be signed with something.
    pub fn drop_key(&self, kid: &str) {
        self.shared.state.send_modify(|state| {
            if state.keys.len() > 1 {
                state.keys.retain(|key| key.kid() != kid);
            }
        });
    }

    /// Serves these bytes as the key set, whatever they are.
    pub fn publish(&self, key_set: impl Into<Bytes>) {
        let key_set = key_set.into();
        self.shared.state.send_modify(|state| state.published = Some(key_set));
    }

    /// Serves the real keys again.
    pub fn publish_keys(&self) {
        self.shared.state.send_modify(|state| state.published = None);
    }

    /// Answers this to questions for claims that are not in a token: a signed token, usually.
    pub fn serve_claims(&self, answer: impl Into<Bytes>) {
        let answer = answer.into();
        self.shared.state.send_modify(|state| state.claims = Some(answer));
    }

    /// Breaks an endpoint.
    pub fn fail(&self, endpoint: Endpoint, fault: Fault) {
        self.switch(endpoint, |switches| switches.fault = Some(fault));
    }

    /// Mends an endpoint, and releases the requests that hang there. Headers that were set stay.
    pub fn heal(&self, endpoint: Endpoint) {
        self.switch(endpoint, |switches| switches.fault = None);
    }

    /// Adds a header to an endpoint's answers, for instance `Cache-Control` or `Retry-After`.
    pub fn send_header(&self, endpoint: Endpoint, name: HeaderName, value: HeaderValue) {
        self.switch(endpoint, |switches| drop(switches.headers.insert(name, value)));
    }

    /// Sends an `ETag` with healthy answers, and 304 to who has it already.
    pub fn send_etag(&self, endpoint: Endpoint) {
        self.switch(endpoint, |switches| switches.etag = true);
    }

    /// The requests so far, and a way to wait for more.
    #[must_use]
    pub fn requests(&self) -> watch::Receiver<Requests> {
        self.shared.requests.subscribe()
    }

    /// How many requests an endpoint has had.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        self.shared.requests.borrow().count(endpoint)
    }

    /// Waits until an endpoint has had this many requests since the start.
    pub async fn wait_for(&self, endpoint: Endpoint, count: u64) {
        let reached = |requests: &Requests| requests.count(endpoint) >= count;
        self.requests().wait_for(reached).await.expect("the issuer holds the sender");
    }

    /// Stops listening and cuts every connection; new ones are refused. The port stays reserved.
    ///
    /// # Errors
    /// If another process took the port in the meantime.
    pub async fn go_down(&mut self) -> io::Result<()> {
        self.server.shutdown().await;
        self.reserved = Some(bound(self.address)?);
        Ok(())
    }

    /// Listens again, on the same port.
    ///
    /// # Errors
    /// If another process took the port in the meantime.
    pub async fn come_back(&mut self) -> io::Result<()> {
        self.server.shutdown().await;
        let socket = match self.reserved.take() {
            Some(socket) => socket,
            None => bound(self.address)?,
        };
        self.serve(socket.listen(BACKLOG)?);
        Ok(())
    }

    fn serve(&mut self, listener: TcpListener) {
        let (shared, tls) = (Arc::clone(&self.shared), Arc::clone(&self.tls));
        self.server.spawn(async move {
            let counted = Arc::clone(&shared);
            let on_accept = move || counted.requests.send_modify(Requests::add_connection);
            https::serve(listener, tls, on_accept, move |request| answer(Arc::clone(&shared), request)).await
        });
    }

    fn switch(&self, endpoint: Endpoint, change: impl FnOnce(&mut state::Switches)) {
        self.shared.state.send_modify(|state| {
            if let Some(switches) = state.switches(endpoint) {
                change(switches);
            }
        });
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    let endpoint = match request.uri().path() {
        path if path == shared.discovery_path => Endpoint::Discovery,
        path if is_within(path, &shared.claims_path) => Endpoint::Claims,
        path if path == shared.keys_path => Endpoint::Keys,
        _ => Endpoint::Other,
    };
    let mut state = shared.state.subscribe();
    shared.requests.send_modify(|requests| requests.add(endpoint, request.headers()));
    loop {
        let reply = state.borrow_and_update().answer(endpoint, request.headers());
        match reply {
            Reply::Now(response) => return response,
            Reply::After(pause, response) => {
                tokio::time::sleep(pause).await;
                return response;
            }
            Reply::InHalves(first, second) => return in_halves(first, second, endpoint, state),
            Reply::OnRelease => drop(state.changed().await),
        }
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The first part at once, the second when the endpoint is released.
fn in_halves(first: Bytes, second: Bytes, endpoint: Endpoint, mut state: watch::Receiver<State>) -> Response<Body> {
    let rest = stream::once(async move {
        drop(state.wait_for(|state| !state.is_stalled(endpoint)).await);
        Ok(Frame::data(second))
    });
    let frames = stream::iter([Ok(Frame::data(first))]).chain(rest);
    faults::with_body(BodyExt::boxed(StreamBody::new(frames)))
}

fn keys(algorithms: &[Algorithm]) -> Result<Vec<Arc<SigningKey>>, IssuerError> {
    if algorithms.is_empty() {
        return Err(IssuerError::NoAlgorithm);
    }
    let make = |(index, algorithm): (usize, &Algorithm)| {
        let kid = format!("{}-{index}", algorithm.name().to_ascii_lowercase());
        SigningKey::generate(*algorithm, kid).map(Arc::new)
    };
    algorithms.iter().enumerate().map(make).collect::<Result<_, _>>().map_err(IssuerError::Key)
}

fn throw_away_tls(now: UnixTime) -> Result<(Identity, String), PkiError> {
    // An hour back, so that a peer whose clock lags behind still takes the certificate.
    let validity = Validity::days(now.saturating_sub(Duration::from_secs(60 * 60)), 2);
    let authority = Authority::new("countersign throw-away issuer CA", validity)?;
    let identity = authority.serving_certificate(&["localhost", "127.0.0.1"], validity)?;
    Ok((identity, authority.certificate_pem()))
}

/// A socket that has the address and does not listen: connections to it are refused.
fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
