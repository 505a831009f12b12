//! The encrypted stream as hyper sees it: it notes when bytes arrive, and has answers leave together.
//!
//! An answer that leaves by itself costs a TLS record, a segment, a system call and a wake-up at the other end: together more
//! than finding it. Two things keep answers of a busy HTTP/2 connection apart, and both are undone here:
//!
//! - With vectored writes, h2 sends the head and the body of each answer by themselves; without, it copies small answers
//!   together. So vectored writes are hidden.
//! - tokio runs the task that was woken last first: the connection's, as soon as one answer is ready, though the tasks of a
//!   hundred others are waiting to run. So a write that comes shortly after another lets them have their turn before it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::connection::Activity;

/// A write that comes sooner than this after the one before lets other tasks have a turn first. Longer than remembered answers
/// are apart, and shorter than the verification of a slow signature, so that no answer waits for several of those.
const GATHER: Duration = Duration::from_micros(100);

pub(super) struct Stream {
    tls: TlsStream<TcpStream>,
    activity: Arc<Activity>,
    /// Whether several answers may be on their way at once.
    gathers: bool,
    last_write: Option<Instant>,
    /// Whether the write that is at hand has let others go first, or belongs to one that has.
    has_waited: bool,
}

impl Stream {
    /// `is_h2`: HTTP/1.1 has one answer at a time, for which there is nothing to wait.
    pub(super) fn new(tls: TlsStream<TcpStream>, activity: Arc<Activity>, is_h2: bool) -> Self {
        Self { tls, activity, gathers: is_h2, last_write: None, has_waited: false }
    }

    /// Pending once, with a turn for every task that is ready to run, if the last write was a moment ago.
    fn poll_gathered(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waits = self.gathers && !self.has_waited && self.last_write.is_some_and(|last| last.elapsed() < GATHER);
        self.has_waited = true;
        if waits {
            // Whoever wakes itself goes to the end of the queue.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tls).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_gathered(cx));
        let written = ready!(Pin::new(&mut self.tls).poll_write(cx, bytes))?;
        self.last_write = Some(Instant::now());
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
        self.has_waited = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}
