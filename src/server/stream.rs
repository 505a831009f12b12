//! The encrypted stream as hyper sees it: it notes when bytes arrive, and has answers leave together.
//!
//! An answer that leaves by itself costs a TLS record, a segment, a system call and a wake-up at the other end: together more
//! than finding it. Three things keep answers of a busy HTTP/2 connection apart, and all are undone here:
//!
//! - With vectored writes, h2 sends the head and the body of each answer by themselves; without, it copies small answers
//!   together. So vectored writes are hidden.
//! - h2 writes what it has before it takes the next request. So a [`Gate`] keeps the door shut until the connection has
//!   answered whatever it could answer at once.
//! - Of requests that had to wait, each wakes the connection, and tokio runs the task that was woken last first. So a write
//!   that comes shortly after another, with requests still at work, lets other tasks have their turn before it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connection::Activity;

/// A write that comes sooner than this after the one before lets other tasks have a turn first. Longer than requests that
/// wait for nothing but their turn are apart, and shorter than the verification of a slow signature, so that no answer waits
/// for several of those.
const GATHER: Duration = Duration::from_micros(100);

/// Keeps back what a connection writes, until whoever runs the connection opens it: for one flush.
#[derive(Debug, Default)]
pub(super) struct Gate(AtomicU8);

impl Gate {
    const SHUT: u8 = 0;
    /// Shut, and somebody waits to write.
    const KNOCKED: u8 = 1;
    const OPEN: u8 = 2;

    /// Opens it if somebody waits. The connection must then be polled again: it is not woken.
    pub(super) fn open_if_knocked(&self) -> bool {
        let has_knocked = self.0.load(Ordering::Relaxed) == Self::KNOCKED;
        if has_knocked {
            self.0.store(Self::OPEN, Ordering::Relaxed);
        }
        has_knocked
    }

    fn knock(&self) -> Poll<()> {
        if self.0.load(Ordering::Relaxed) == Self::OPEN {
            return Poll::Ready(());
        }
        self.0.store(Self::KNOCKED, Ordering::Relaxed);
        Poll::Pending
    }

    fn shut(&self) {
        self.0.store(Self::SHUT, Ordering::Relaxed);
    }
}

pub(super) struct Stream<S> {
    tls: S,
    activity: Arc<Activity>,
    /// In HTTP/2, where several answers may be on their way at once. HTTP/1.1 has nothing to wait for.
    gate: Option<Arc<Gate>>,
    last_write: Option<Instant>,
    /// Whether the write that is at hand has let others go first, or belongs to one that has.
    has_waited: bool,
}

impl<S> Stream<S> {
    pub(super) fn new(tls: S, activity: Arc<Activity>, gate: Option<Arc<Gate>>) -> Self {
        Self { tls, activity, gate, last_write: None, has_waited: false }
    }

    /// Pending once, with a turn for every task that is ready to run, if the last write was a moment ago and there is
    /// somebody to wait for.
    fn poll_gathered(&mut self, cx: &Context<'_>) -> Poll<()> {
        if self.has_waited {
            return Poll::Ready(());
        }
        self.has_waited = true;
        if !self.activity.is_at_work() {
            self.last_write = None;
            return Poll::Ready(());
        }
        let now = Instant::now();
        let is_soon = self.last_write.is_some_and(|last| now.saturating_duration_since(last) < GATHER);
        self.last_write = Some(now);
        if is_soon {
            // Whoever wakes itself goes to the end of the queue.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tls).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.bytes_came();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(gate) = &self.gate {
            ready!(gate.knock());
            ready!(self.poll_gathered(cx));
        }
        Pin::new(&mut self.tls).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tls).poll_flush(cx))?;
        self.has_waited = false;
        if let Some(gate) = &self.gate {
            gate.shut();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        false
    }
}
