//! The review listener: accept, take a place, hand over. Nothing slow happens in the accept loop.
//!
//! Called by [`app`](crate::app) with a listener and a signal, so that tests own both; each connection is served by
//! [`connection`]. The plain admin listener is [`admin`].

pub mod admin;
pub mod connection;
mod eager;
mod places;
mod stream;
pub mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::events::{ConnectionEvent, Event, Events};
use crate::http::Gateway;
use crate::limits::Limits;
use places::Places;

/// After `accept` failed for want of file descriptors or memory: long enough not to spin, short enough not to be noticed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);

/// How far a stop has come. The later the stage, the less is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Serving.
    #[default]
    Serving,
    /// Still serving everything, but no longer ready: whoever balances load may turn away.
    LameDuck,
    /// No new connections; those that are open finish what they have and are told to go away.
    Draining,
    /// Out of time: what is still open is cut.
    Ended,
}

/// Accepts connections until the stage is [`Stage::Draining`], then waits for the open ones until [`Stage::Ended`].
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    limits: Limits,
    events: Arc<dyn Events>,
    mut stage: watch::Receiver<Stage>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    let handshakes = Arc::new(Places::new(limits.handshakes));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage >= Stage::Draining) => break,
            accepted = listener.accept() => accepted,
        };
        let socket = match accepted {
            Ok((socket, _address)) => socket,
            Err(error) => {
                if !is_the_peers_fault(&error) {
                    events.record(Event::Connection(ConnectionEvent::AcceptFailed(&error)));
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            // Closed at once: the peer sees it and comes back, which a connection left waiting would not.
            events.record(Event::Connection(ConnectionEvent::Refused));
            continue;
        };
        prepare(&socket);
        let connection = connection::Connection {
            gateway: Arc::clone(&gateway),
            limits,
            events: Arc::clone(&events),
            handshakes: Arc::clone(&handshakes),
            watcher: graceful.watcher(),
            stage: stage.clone(),
        };
        tokio::spawn(async move {
            connection.serve(socket).await;
            drop(place);
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        _ = stage.wait_for(|stage| *stage >= Stage::Ended) => {}
    }
}

/// Answers are small and go out at once.
fn prepare(socket: &TcpStream) {
    // It can fail only on a socket that is closed already; the handshake will find that out.
    let _ = socket.set_nodelay(true);
}

/// A peer that gave up while it was queued says nothing about this server.
fn is_the_peers_fault(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
