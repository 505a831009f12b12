//! A small HTTPS server for loopback: HTTP/1.1 and HTTP/2, one handler, gone when its future is dropped.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// A body that may fail on its way, which ends the connection as a crashed server would.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// Handshake and request header together; on loopback both take milliseconds.
const HEADER_DEADLINE: Duration = Duration::from_secs(10);

/// More than any trial or test opens; a leaking client hits this before the process runs out of descriptors.
const MAX_CONNECTIONS: usize = 512;

/// A server configuration with one certificate, HTTP/2 preferred, and no client certificates.
///
/// # Errors
/// If certificate and key do not fit.
pub(crate) fn tls(identity: &crate::wiring::pki::Identity) -> Result<ServerConfig, rustls::Error> {
    let (chain, key) = identity.to_rustls().map_err(|error| rustls::Error::General(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// Serves until the future is dropped, which also drops every connection.
pub(crate) async fn serve<H, F>(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    on_accept: impl Fn(),
    handler: H,
) -> Infallible
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    on_accept();
                    // An answer is two small writes; without this the second waits 40 ms for the first to be acknowledged.
                    let _ = stream.set_nodelay(true);
                    connections.spawn(connection(stream, acceptor.clone(), handler.clone()));
                }
                // Out of descriptors, or the peer is gone already: neither is ours to repair.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<H, F>(stream: TcpStream, acceptor: TlsAcceptor, handler: H)
where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Body>> + Send + 'static,
{
    let Ok(Ok(stream)) = timeout(HEADER_DEADLINE, acceptor.accept(stream)).await else { return };
    let service = service_fn(move |request| {
        let answer = handler(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_DEADLINE);
    builder.http2().timer(TokioTimer::new());
    // A client that goes away in the middle is no error here.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
