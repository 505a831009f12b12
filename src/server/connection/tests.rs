use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body_util::Full;
use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::coop::consume_budget;

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
    let flood = h2(&Limits::default()).serve_connection(TokioIo::new(Flood { left: Flood::BEGIN }), service);
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
    let served = tokio::time::timeout(Duration::from_secs(10), until_told(flood, told)).await;
    assert!(served.is_ok(), "the flood went on");
}
