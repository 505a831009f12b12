//! One connection: handshake with a deadline, HTTP/1.1 or HTTP/2 as ALPN says, and an eye on its pace.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulConnection, Watcher};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Stage;
use super::eager::Eager;
use super::places::Places;
use super::stream::{Gate, Stream};
use crate::callers::Peer;
use crate::events::{ConnectionEvent, Event, Events, Handshake};
use crate::http::{Body, Gateway};
use crate::limits::Limits;

/// How often the pace of a connection is looked at, as a part of the shortest time limit.
const LOOKS_PER_LIMIT: u32 = 4;

/// How long a quiet HTTP/1.1 connection stays open when draining begins: longer than a request is on its way.
const LAST_WORD: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    pub(super) gateway: Arc<Gateway>,
    pub(super) limits: Limits,
    pub(super) events: Arc<dyn Events>,
    pub(super) handshakes: Arc<Places>,
    pub(super) watcher: Watcher,
    pub(super) stage: watch::Receiver<Stage>,
}

impl Connection {
    pub(super) async fn serve(self, socket: TcpStream) {
        self.events.record(Event::Connection(ConnectionEvent::Opened));
        // One configuration for the handshake and for what follows from it.
        let front = self.gateway.front();
        if let Some(stream) = self.handshake(socket, TlsAcceptor::from(Arc::clone(&front.tls))).await {
            let peer = Arc::new(front.callers.peer(stream.get_ref().1.peer_certificates()));
            drop(front);
            self.exchange(stream, peer).await;
        } else {
            self.events.record(Event::Connection(ConnectionEvent::Closed));
        }
    }

    async fn handshake(&self, socket: TcpStream, acceptor: TlsAcceptor) -> Option<TlsStream<TcpStream>> {
        let work = self.handshakes.run(acceptor.accept(socket));
        let ended = tokio::time::timeout(self.limits.handshake_time, work).await;
        let result = match &ended {
            Ok(Some(Ok(_))) => Handshake::Done,
            Ok(Some(Err(error))) => Handshake::Failed(error),
            Ok(None) => Handshake::Displaced,
            Err(_) => Handshake::TimedOut,
        };
        self.events.record(Event::Connection(ConnectionEvent::Handshake(result)));
        ended.ok()??.ok()
    }

    async fn exchange(self, tls: TlsStream<TcpStream>, peer: Arc<Peer>) {
        let (_, session) = tls.get_ref();
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        let activity = Arc::new(Activity::new(!is_h2));
        let gate = is_h2.then(Arc::<Gate>::default);
        let io = TokioIo::new(Stream::new(tls, Arc::clone(&activity), gate.clone()));
        let (gateway, for_requests) = (Arc::clone(&self.gateway), Arc::clone(&activity));
        let caller = Arc::clone(&peer);
        let stopping = self.stage.clone();
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, peer, stopping) = (Arc::clone(&gateway), Arc::clone(&peer), stopping.clone());
            let busy = Activity::begin_request(&for_requests);
            async move {
                let mut response: Response<Body> = gateway.handle(request, &peer).await;
                // HTTP/2 says goodbye in a frame of its own.
                if !is_h2 && *stopping.borrow() >= Stage::LameDuck {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                drop(busy);
                Ok::<_, Infallible>(response)
            }
        });
        let Self { limits, events, watcher, stage, .. } = self;
        let told = FuturesUnordered::new();
        told.push(last_call(is_h2, stage.clone()).boxed());
        told.push(activity.until_too_slow(&limits, &caller).map(|()| Told::End).boxed());
        told.push(ended(stage).boxed());
        if let Some(gate) = gate {
            until_told(h2(&limits, Eager).serve_connection(io, service), told, &gate).await;
        } else {
            until_told(h1(&limits).serve_connection(io, service), told, &Gate::default()).await;
        }
        // Whoever stops waits for this.
        drop(watcher);
        events.record(Event::Connection(ConnectionEvent::Closed));
    }
}

/// What a connection may be told from outside.
enum Told {
    /// Say goodbye: what is under way is finished, nothing new begins.
    Finish,
    /// Cut it. On an idle connection no request is lost.
    End,
}

/// When draining begins, it is time to finish. HTTP/2 has a frame that says so; HTTP/1.1 can say it with an answer only, so
/// a connection that is quiet then is left open for a moment: a request that is on its way already gets its answer.
async fn last_call(is_h2: bool, mut stage: watch::Receiver<Stage>) -> Told {
    // An error means that nobody is left to say so.
    let _ = stage.wait_for(|stage| *stage >= Stage::Draining).await;
    if !is_h2 {
        tokio::time::sleep(LAST_WORD).await;
    }
    Told::Finish
}

async fn ended(mut stage: watch::Receiver<Stage>) -> Told {
    let _ = stage.wait_for(|stage| *stage >= Stage::Ended).await;
    Told::End
}

/// Serves a connection until its end, or until it is told to end. What it may be told is looked at when it says something,
/// and not whenever a byte moves the connection on: that is every request's time. But it is looked at first: a peer that
/// never lets the socket run dry takes up all that this task may do in one turn.
async fn until_told<C: GracefulConnection>(
    connection: C,
    mut told: FuturesUnordered<BoxFuture<'_, Told>>,
    gate: &Gate,
) {
    let mut connection = pin!(connection);
    loop {
        let said = tokio::select! {
            biased;
            said = told.next() => said,
            _ = poll_fn(|cx| poll_through(connection.as_mut(), gate, cx)) => return,
        };
        match said {
            Some(Told::Finish) => connection.as_mut().graceful_shutdown(),
            Some(Told::End) | None => return,
        }
    }
}

/// Has the connection do what it can do now, and then lets it write, until there is nothing left of either. A peer that keeps it
/// busy ends that by using up what a task may do in one turn.
fn poll_through<C: Future>(mut connection: Pin<&mut C>, gate: &Gate, cx: &mut Context<'_>) -> Poll<C::Output> {
    loop {
        let polled = connection.as_mut().poll(cx);
        if polled.is_ready() || !gate.open_if_knocked() {
            return polled;
        }
    }
}

/// HTTP/1.1 within the limits.
#[must_use]
pub fn h1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // hyper's own timer also runs while a connection is idle; `Activity` tells the two apart.
        .header_read_timeout(limits.idle_time)
        .max_headers(Limits::HEADER_LINES)
        .max_header_size(usize::try_from(limits.header_bytes).unwrap_or(usize::MAX))
        .max_buf_size(limits.body_bytes.max(8 * 1024));
    builder
}

/// HTTP/2 within the limits, its requests run by `executor`.
#[must_use]
pub fn h2<E: Clone>(limits: &Limits, executor: E) -> http2::Builder<E> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(limits.header_bytes)
        .max_pending_accept_reset_streams(Limits::PENDING_RESETS)
        .max_local_error_reset_streams(Limits::LOCAL_RESETS)
        .initial_stream_window_size(Limits::STREAM_WINDOW)
        .initial_connection_window_size(Limits::CONNECTION_WINDOW)
        .max_send_buf_size(Limits::SEND_BUFFER)
        .keep_alive_interval(Limits::PING_AFTER)
        .keep_alive_timeout(Limits::PING_WAIT);
    builder
}

/// What a connection is doing, in milliseconds since it began.
pub(super) struct Activity {
    start: Instant,
    /// Whether bytes between requests are the head of the next one. In HTTP/2 they may be anything.
    heads_only: bool,
    in_flight: AtomicUsize,
    /// When the last request ended.
    quiet_since: AtomicU64,
    /// When the first byte of an unfinished request head came; zero when there is none.
    head_since: AtomicU64,
}

/// A request at work. Its end is noted however it comes.
struct Busy(Arc<Activity>);

impl Activity {
    fn new(heads_only: bool) -> Self {
        Self {
            start: Instant::now(),
            heads_only,
            in_flight: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(0),
            head_since: AtomicU64::new(0),
        }
    }

    pub(super) fn bytes_came(&self) {
        if self.heads_only && !self.is_at_work() {
            let now = self.now();
            let _ = self.head_since.compare_exchange(0, now, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn begin_request(this: &Arc<Self>) -> Busy {
        this.in_flight.fetch_add(1, Ordering::Relaxed);
        this.head_since.store(0, Ordering::Relaxed);
        Busy(Arc::clone(this))
    }

    /// Whether a request waits for its answer.
    pub(super) fn is_at_work(&self) -> bool {
        self.in_flight.load(Ordering::Relaxed) > 0
    }

    /// Resolves when the peer takes too long over a request head or over nothing at all. Whoever is no known caller has
    /// as long as it takes to become one, whatever he asks meanwhile.
    fn until_too_slow(&self, limits: &Limits, peer: &Peer) -> impl Future<Output = ()> {
        let shortest = limits.header_time.min(limits.idle_time);
        let pause = (shortest / LOOKS_PER_LIMIT).clamp(Duration::from_millis(10), Duration::from_secs(1));
        let (header_time, idle_time) = (millis(limits.header_time), millis(limits.idle_time));
        async move {
            let mut ticks = pin!(tokio::time::interval(pause));
            loop {
                ticks.tick().await;
                let now = self.now();
                let is_slow = if !peer.is_known() {
                    now > header_time
                } else if self.is_at_work() {
                    false
                } else {
                    let head_since = self.head_since.load(Ordering::Relaxed);
                    let head_is_slow = head_since > 0 && now.saturating_sub(head_since) > header_time;
                    head_is_slow || now.saturating_sub(self.quiet_since.load(Ordering::Relaxed)) > idle_time
                };
                if is_slow {
                    return;
                }
            }
        }
    }

    /// At least one, since zero means "never".
    fn now(&self) -> u64 {
        millis(self.start.elapsed()).max(1)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.quiet_since.store(self.0.now(), Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
