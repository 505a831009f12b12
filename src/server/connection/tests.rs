use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::future::join_all;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::sync::Notify;
use tokio::task::coop::consume_budget;
use tokio::task::{Id, yield_now};

use super::*;

/// An HTTP/2 peer that begins well and then sends frames of a kind that nobody knows, faster than they can be read. As with
/// a socket, each reading takes from what a task may do in one turn.
struct Flood {
    left: &'static [u8],
}

impl Flood {
    /// The preface, and SETTINGS without any.
    const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    const FRAME: &[u8] = &[0, 0, 0, 0xfa, 0, 0, 0, 0, 0];
}

impl AsyncRead for Flood {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        ready!(pin!(consume_budget()).poll(cx));
        let (now, later) = self.left.split_at(self.left.len().min(buffer.remaining()));
        buffer.put_slice(now);
        self.left = if later.is_empty() { Self::FRAME } else { later };
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn h2_a_peer_that_never_falls_silent_is_told_its_end_too() {
    let service = service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())));
    let flood = h2(&Limits::default(), Eager).serve_connection(TokioIo::new(Flood { left: Flood::BEGIN }), service);
    let told = FuturesUnordered::new();
    // As the limits are: a tick of a timer, which also takes from what a task may do.
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    told.push(
        async move {
            for _ in 0..3 {
                tick.tick().await;
            }
            Told::End
        }
        .boxed(),
    );
    let served = tokio::time::timeout(Duration::from_secs(10), until_told(flood, told, &Gate::default())).await;
    assert!(served.is_ok(), "the flood went on");
}

/// The server's end of a connection, which counts how often it is written to.
struct Counted {
    end: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.end).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.end).poll_shutdown(cx)
    }
}

/// An HTTP/2 connection as the product serves it, but for TLS: a client, the writes so far, and the connection's task. What
/// is answered is what `work` says about a path.
async fn connected<W>(work: impl Fn(String) -> W + Send + 'static) -> (Asking, Arc<AtomicUsize>, Id)
where
    W: Future<Output = String> + Send + 'static,
{
    let (ours, theirs) = duplex(1 << 16);
    let writes = Arc::<AtomicUsize>::default();
    let gate = Arc::<Gate>::default();
    let activity = Arc::new(Activity::new(false));
    let counted = Counted { end: ours, writes: Arc::clone(&writes) };
    let io = TokioIo::new(Stream::new(counted, Arc::clone(&activity), Some(Arc::clone(&gate))));
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = Activity::begin_request(&activity);
        let work = work(request.uri().path().to_owned());
        async move {
            let answer = work.await;
            drop(busy);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(answer)))
        }
    });
    let server = tokio::spawn(async move {
        let told = FuturesUnordered::new();
        told.push(std::future::pending().boxed());
        until_told(h2(&Limits::default(), Eager).serve_connection(io, service), told, &gate).await;
    });
    let (asking, client) = handshake(TokioExecutor::new(), TokioIo::new(theirs)).await.unwrap();
    tokio::spawn(client);
    let asking = Asking(asking);
    asking.ask("/first").await;
    (asking, writes, server.id())
}

struct Asking(SendRequest<Full<Bytes>>);

impl Asking {
    fn ask(&self, path: &str) -> impl Future<Output = String> + use<> {
        let mut asking = self.0.clone();
        let request = Request::post(format!("https://localhost{path}")).body(Full::<Bytes>::default()).unwrap();
        async move {
            let answer = asking.send_request(request).await.unwrap();
            let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
            String::from_utf8(body.to_bytes().to_vec()).unwrap()
        }
    }
}

#[tokio::test]
async fn answers_to_requests_that_come_together_leave_together() {
    let (asking, writes, _) = connected(async |path| path).await;
    let before = writes.load(Ordering::Relaxed);
    let answers = join_all((0..10).map(|number| asking.ask(&format!("/{number}")))).await;
    assert_eq!(answers, (0..10).map(|number| format!("/{number}")).collect::<Vec<_>>());
    assert_eq!(writes.load(Ordering::Relaxed) - before, 1);
}

#[tokio::test]
async fn answers_that_had_to_wait_their_turn_leave_together_too() {
    let (asking, writes, _) = connected(async |path| {
        yield_now().await;
        path
    })
    .await;
    let before = writes.load(Ordering::Relaxed);
    join_all((0..10).map(|number| asking.ask(&format!("/{number}")))).await;
    let writes = writes.load(Ordering::Relaxed) - before;
    assert!(writes <= 2, "ten answers in {writes} writes");
}

#[tokio::test]
async fn a_request_gets_a_task_of_its_own_only_if_it_waits() {
    let (asking, _, connection) = connected(async |path| {
        let before = tokio::task::id();
        if path == "/waits" {
            yield_now().await;
        }
        format!("{before} {}", tokio::task::id())
    })
    .await;
    assert_eq!(asking.ask("/at-once").await, format!("{connection} {connection}"));
    let waited = asking.ask("/waits").await;
    assert!(
        waited.starts_with(&format!("{connection} ")) && waited != format!("{connection} {connection}"),
        "{waited}"
    );
}

#[tokio::test]
async fn a_request_that_waits_holds_up_no_other() {
    let bell = Arc::new(Notify::new());
    let rung = Arc::clone(&bell);
    let (asking, ..) = connected(move |path| {
        let rung = Arc::clone(&rung);
        async move {
            if path == "/waits" {
                rung.notified().await;
            }
            path
        }
    })
    .await;
    let mut waits = pin!(asking.ask("/waits"));
    assert!(futures_util::poll!(&mut waits).is_pending());
    assert_eq!(asking.ask("/other").await, "/other");
    bell.notify_one();
    assert_eq!(waits.await, "/waits");
}
