//! The loopback redirect of RFC 8252: a small HTTP server that waits for one answer and is gone.
//!
//! What must hold: it listens on loopback only; it takes one answer, the first that carries this login's `state`, and
//! stops listening before the code in it is used; requests of anything else on this machine (the browser asking for an
//! icon, a page in another window, a port scan) are answered and change nothing.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;
use http::header::HOST;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use url::form_urlencoded;

use super::page::{Page, plain};
use crate::login::flows::FlowError;

/// More than a browser opens to one host; whoever holds more open gets no answer.
const MAX_CONNECTIONS: usize = 32;
/// The request comes with the connection; a browser that connects early for speed is let go after this.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Loopback is fast: the last page is on the screen by then, or the browser is gone.
const FAREWELL: Duration = Duration::from_secs(2);
/// The longest request that is read, in bytes: codes are short, but some providers' are not.
const MAX_REQUEST: usize = 64 * 1024;

/// The port that an http address without one means.
const HTTP: u16 = 80;

/// A redirect that is being listened for.
pub(in crate::login) struct Loopback {
    listeners: Vec<TcpListener>,
    authority: String,
    path: String,
}

/// The answer to a login: its parameters, and a browser that waits for a page.
pub(in crate::login) struct Landing {
    parameters: BTreeMap<String, String>,
    reply: oneshot::Sender<Response<Full<Bytes>>>,
    connections: JoinSet<()>,
}

/// What a connection reports.
enum Event {
    Answer(BTreeMap<String, String>, oneshot::Sender<Response<Full<Bytes>>>),
    Foreign,
}

impl Loopback {
    /// Listens on the first of the addresses that is free. None given: any port of 127.0.0.1.
    pub(in crate::login) async fn bind(
        listen: &[SocketAddr],
        host: Option<&str>,
        path: &str,
    ) -> Result<Self, FlowError> {
        const ANY: &[SocketAddr] = &[SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)];
        let listen = if listen.is_empty() { ANY } else { listen };
        if let Some(outside) = listen.iter().find(|address| !address.ip().is_loopback()) {
            return Err(FlowError::Settings {
                what: format!(
                    "{outside} is not a loopback address: others on the network could take the login's answer"
                ),
                remedy: "listen on 127.0.0.1 or [::1]",
            });
        }
        let is_host = |host: &&str| url::Host::parse(host).is_ok_and(|parsed| parsed.to_string() == **host);
        if host.is_some_and(|host| !is_host(&host)) {
            return Err(FlowError::Settings {
                what: "the host of the redirect address is not a host name".to_owned(),
                remedy: "use localhost, 127.0.0.1 or [::1]",
            });
        }
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in listen {
            // Of the ports that are free in one family, few are taken in the other.
            let tries = if address.port() == 0 { 8 } else { 1 };
            for _ in 0..tries {
                match Self::on(*address, host, path).await {
                    Ok(loopback) => return Ok(loopback),
                    Err(error) => last = error,
                }
            }
        }
        Err(FlowError::listen(listen, &last))
    }

    async fn on(address: SocketAddr, host: Option<&str>, path: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        let mut listeners = vec![listener];
        if host == Some("localhost") {
            // Browsers try either family for this name. Where the other is not there, one is enough; where somebody else
            // listens, the answer would be theirs.
            let other: IpAddr = if bound.is_ipv4() { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
            match TcpListener::bind((other, bound.port())).await {
                Ok(listener) => listeners.push(listener),
                Err(error) if is_family_missing(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { listeners, authority: authority(host, bound), path: path.to_owned() })
    }

    /// The redirect address, as it goes to the provider.
    pub(in crate::login) fn redirect_uri(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }

    /// Waits for the answer with this state. `foreign` hears of answers with another.
    pub(in crate::login) async fn wait(self, state: &str, foreign: impl Fn()) -> Landing {
        let (events, mut heard) = mpsc::channel(MAX_CONNECTIONS);
        let path = if self.path.is_empty() { "/".to_owned() } else { self.path };
        let service = Arc::new(Service { authority: self.authority, path, state: state.to_owned(), events });
        let mut connections = JoinSet::new();
        let mut listeners = self.listeners.into_iter();
        let (first, second) = (listeners.next(), listeners.next());
        loop {
            tokio::select! {
                Some(event) = heard.recv() => match event {
                    // Returning drops the listeners: from here on connections are refused.
                    Event::Answer(parameters, reply) => return Landing { parameters, reply, connections },
                    Event::Foreign => foreign(),
                },
                stream = accept(first.as_ref()), if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(serve(stream, Arc::clone(&service)));
                }
                stream = accept(second.as_ref()), if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(serve(stream, Arc::clone(&service)));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Whether a machine has no addresses of this kind, as one without IPv6.
fn is_family_missing(error: &io::Error) -> bool {
    /// "Address family not supported by protocol", for which the standard library has no name.
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
    matches!(error.kind(), io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported)
        || error.raw_os_error() == Some(EAFNOSUPPORT)
}

/// Host and port as in the redirect address. A browser leaves out the port that http has anyway.
fn authority(host: Option<&str>, bound: SocketAddr) -> String {
    let host = host.map_or_else(|| bound.ip().to_string(), str::to_owned);
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    if bound.port() == HTTP { host } else { format!("{host}:{}", bound.port()) }
}

/// Whether a request is for this redirect, as browsers and others may spell it.
fn is_for(authority: &str, host: &[u8]) -> bool {
    let has_port = authority.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    host == authority.as_bytes() || (!has_port && host.strip_suffix(b":80") == Some(authority.as_bytes()))
}

impl Landing {
    /// A parameter of the answer.
    pub(in crate::login) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    /// Shows the last page and waits until it is delivered.
    pub(in crate::login) async fn finish(mut self, page: Page<'_>) {
        // A browser that is gone needs no page.
        let _ = self.reply.send(page.response());
        let delivered = async { while let Some(_ended) = self.connections.join_next().await {} };
        let _ = tokio::time::timeout(FAREWELL, delivered).await;
    }
}

/// The next connection; never, without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // Out of descriptors, or the peer is gone already: neither is ours to repair.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

struct Service {
    authority: String,
    path: String,
    state: String,
    events: mpsc::Sender<Event>,
}

async fn serve(stream: TcpStream, service: Arc<Service>) {
    let handler = service_fn(|request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).keep_alive(false).max_buf_size(MAX_REQUEST);
    // A browser that goes away in the middle is no error here.
    let _ = builder.serve_connection(TokioIo::new(stream), handler).await;
}

impl Service {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        // Another name that leads here is one that somebody else controls.
        let is_ours = request.headers().get(HOST).is_some_and(|host| is_for(&self.authority, host.as_bytes()));
        if !is_ours {
            return plain(StatusCode::MISDIRECTED_REQUEST);
        }
        if request.method() != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED);
        }
        if request.uri().path() != self.path {
            return plain(StatusCode::NOT_FOUND);
        }
        let Some(parameters) = parameters(request.uri().query().unwrap_or_default()) else {
            return Page::Foreign.response();
        };
        let state = parameters.get("state").map(String::as_bytes).unwrap_or_default();
        if verify_slices_are_equal(state, self.state.as_bytes()).is_err() {
            if parameters.contains_key("code") || parameters.contains_key("error") {
                let _ = self.events.try_send(Event::Foreign);
            }
            return Page::Foreign.response();
        }
        let (reply, page) = oneshot::channel();
        if self.events.send(Event::Answer(parameters, reply)).await.is_err() {
            return Page::Foreign.response();
        }
        // A second answer with the same state is never looked at: its end of the channel is dropped.
        page.await.unwrap_or_else(|_| Page::Foreign.response())
    }
}

/// The parameters of an answer. RFC 6749 section 3.1: none may come twice.
fn parameters(query: &str) -> Option<BTreeMap<String, String>> {
    let mut parameters = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if parameters.insert(name.into_owned(), value.into_owned()).is_some() {
            return None;
        }
    }
    Some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_that_somebody_has_in_the_other_family_counts_as_taken() {
        // Without IPv6 there is no other family.
        let Ok(taken) = std::net::TcpListener::bind("[::1]:0") else { return };
        let port = taken.local_addr().unwrap().port();
        let listen = [SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([127, 0, 0, 1], 0))];
        let loopback = Loopback::bind(&listen, Some("localhost"), "").await.unwrap();
        let redirect = loopback.redirect_uri();
        assert!(redirect.starts_with("http://localhost:") && !redirect.ends_with(&format!(":{port}")), "{redirect}");
        assert_eq!(loopback.listeners.len(), 2);
        let error = Loopback::bind(&listen[..1], Some("localhost"), "").await.err().unwrap().to_string();
        assert!(error.contains(&format!("on 127.0.0.1:{port}: the port is taken; ")), "{error}");
    }

    #[test]
    fn the_port_of_http_is_left_out_and_heard_either_way() {
        let bound = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(authority(Some("localhost"), bound("127.0.0.1:80")), "localhost");
        assert_eq!(authority(None, bound("[::1]:80")), "[::1]");
        assert_eq!(authority(Some("[::1]"), bound("[::1]:8000")), "[::1]:8000");
        assert_eq!(authority(None, bound("127.0.0.1:8000")), "127.0.0.1:8000");
        for (redirect, host, expected) in [
            ("localhost", "localhost", true),
            ("localhost", "localhost:80", true),
            ("[::1]", "[::1]:80", true),
            ("localhost", "localhost:8000", false),
            ("localhost:8000", "localhost", false),
            ("localhost:8000", "localhost:8000:80", false),
            ("localhost", "evil.example:80", false),
        ] {
            assert_eq!(is_for(redirect, host.as_bytes()), expected, "{redirect} {host}");
        }
    }

    #[test]
    fn only_a_family_that_is_not_there_is_done_without() {
        let missing = [io::Error::from_raw_os_error(97), io::ErrorKind::AddrNotAvailable.into()];
        assert!(missing.iter().all(is_family_missing) || !cfg!(target_os = "linux"), "{missing:?}");
        for kind in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            assert!(!is_family_missing(&kind.into()), "{kind}");
        }
    }
}
