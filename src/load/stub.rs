//! A webhook for tests, over real sockets and TLS, that answers when the test lets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::clock::{Clock as _, SystemClock};
use crate::dev::https;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::pki::{Authority, Validity};

/// Runs until it is dropped.
pub(crate) struct Stub {
    /// The way there.
    pub(crate) connection: Connection,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Stub {
    /// Says yes to each question when what `hold` returns for its number, from 0, is through.
    pub(crate) async fn answering<F>(hold: impl Fn(u64) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::closing(u64::MAX, hold).await
    }

    /// The same, until the connection with that number, from 1, comes: then nothing listens any more.
    pub(crate) async fn closing<F>(at: u64, hold: impl Fn(u64) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (hold, asked) = (Arc::new(hold), Arc::new(AtomicU64::new(0)));
        Self::start(|listener, tls, accepted| async move {
            let enough = Notify::new();
            let on_accept = || {
                if accepted.fetch_add(1, Ordering::Relaxed) + 1 == at {
                    enough.notify_one();
                }
            };
            let serve = https::serve(listener, tls, on_accept, move |request| {
                let (hold, asked) = (Arc::clone(&hold), Arc::clone(&asked));
                async move {
                    request.into_body().collect().await.unwrap();
                    hold(asked.fetch_add(1, Ordering::Relaxed)).await;
                    let yes = Full::new(Bytes::from_static(br#"{"status":{"authenticated":true}}"#));
                    Response::new(yes.map_err(|never| match never {}).boxed())
                }
            });
            tokio::select! {
                biased;
                never = serve => match never {},
                () = enough.notified() => {}
            }
        })
        .await
    }

    /// Accepts connections, reads nothing, says nothing; after the handshake, or not even that.
    pub(crate) async fn mute(with_handshake: bool) -> Self {
        Self::start(move |listener, tls, _| async move {
            let acceptor = TlsAcceptor::from(tls);
            let (mut sockets, mut streams) = (Vec::new(), Vec::new());
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                if with_handshake {
                    streams.push(acceptor.accept(socket).await);
                } else {
                    sockets.push(socket);
                }
            }
        })
        .await
    }

    /// How many connections there were.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    async fn start<F>(serve: impl FnOnce(TcpListener, Arc<rustls::ServerConfig>, Arc<AtomicU64>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let day = Duration::from_secs(24 * 60 * 60);
        let validity = Validity::days(SystemClock.now().saturating_sub(day), 2);
        let authority = Authority::new("stub", validity).unwrap();
        let tls = https::tls(&authority.serving_certificate(&["127.0.0.1"], validity).unwrap()).unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = format!("https://{}/authenticate", listener.local_addr().unwrap()).parse().unwrap();
        let connection = Connection::to(server, Some(authority.certificate_pem().into_bytes()));
        let accepted = Arc::new(AtomicU64::new(0));
        let task = tokio::spawn(serve(listener, Arc::new(tls), Arc::clone(&accepted)));
        Self { connection, accepted, task }
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}
