//! Every bound of the review listener, with its reason. Constants rather than settings: none has been found that an
//! operator could choose better.

use std::time::Duration;

/// The bounds of the listener and of each connection.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Open connections. API servers keep one or a few each; the rest is room for clusters and for trouble. Lowered at
    /// start to what the process may open, less [`Limits::FILE_RESERVE`].
    pub connections: usize,
    /// Handshakes under way; beyond it the oldest is given up. More than callers can begin at once after a restart, and
    /// never more than half of the connections, so that strangers who let them lie leave room.
    pub handshakes: usize,
    /// For a TLS handshake.
    pub handshake_time: Duration,
    /// From the first byte of an HTTP/1.1 request head to its last, and from the handshake to the first request of a
    /// caller who is let in.
    pub header_time: Duration,
    /// A caller's connection without requests is closed after this. Go clients drop theirs after 90 seconds; being later leaves
    /// the choice to them, so that no request runs into a closing connection.
    pub idle_time: Duration,
    /// For reading a request's body.
    pub body_time: Duration,
    /// For a whole request. Delegating API servers give up after 10 seconds, kube-apiserver after 30; answering before
    /// both turns their time-out, which they report badly, into a "cannot tell".
    pub request_time: Duration,
    /// Requests at work at once. Each holds a body; beyond this the answer is a cheap 503.
    pub in_flight: usize,
    /// HTTP/2 streams of one connection. A busy kube-apiserver sends everything over one, so not fewer.
    pub streams: u32,
    /// Bytes of a request's headers. What API servers send is below 1 KiB.
    pub header_bytes: u32,
    /// Bytes of a request's body: four times the longest token.
    pub body_bytes: usize,
}

impl Limits {
    /// File descriptors that are kept for providers, files and the admin listener.
    pub const FILE_RESERVE: usize = 64;

    /// HTTP/2 streams reset by the peer before they were accepted (rapid reset, CVE-2023-44487).
    pub const PENDING_RESETS: usize = 20;
    /// HTTP/2 streams that this side has to reset because the peer broke the rules ("MadeYouReset").
    pub const LOCAL_RESETS: usize = 64;
    /// HTTP/2 windows: a body fits into a stream's, a hundred bodies into the connection's.
    pub const STREAM_WINDOW: u32 = 64 * 1024;
    /// See [`Self::STREAM_WINDOW`].
    pub const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
    /// HTTP/2 answers waiting for a peer that does not read.
    pub const SEND_BUFFER: usize = 256 * 1024;
    /// HTTP/2 pings find peers that are gone: asked after this much silence, given up after the second.
    pub const PING_AFTER: Duration = Duration::from_secs(30);
    /// See [`Self::PING_AFTER`].
    pub const PING_WAIT: Duration = Duration::from_secs(10);
    /// HTTP/1.1 header lines.
    pub const HEADER_LINES: usize = 64;

    /// These limits with no more connections than the process may open files, and no more handshakes than leave half of
    /// them.
    #[must_use]
    pub fn within_open_files(self) -> Self {
        let connections = match open_files() {
            Some(files) => self.connections.min(files.saturating_sub(Self::FILE_RESERVE).max(1)),
            None => self.connections,
        };
        Self { connections, handshakes: self.handshakes.min(connections.div_ceil(2)), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            handshakes: 1024,
            handshake_time: Duration::from_secs(5),
            header_time: Duration::from_secs(5),
            idle_time: Duration::from_secs(120),
            body_time: Duration::from_secs(5),
            request_time: Duration::from_secs(8),
            in_flight: 1024,
            streams: 256,
            header_bytes: 16 * 1024,
            body_bytes: 64 * 1024,
        }
    }
}

/// The soft limit of open files of this process (Linux); `None` where it cannot be read.
fn open_files() -> Option<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find(|line| line.starts_with("Max open files"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h12_connections_stay_below_the_limit_of_open_files() {
        let limits = Limits { connections: usize::MAX, ..Limits::default() }.within_open_files();
        let files = open_files().expect("Linux tells");
        assert_eq!(limits.connections, files - Limits::FILE_RESERVE);
        let limits = Limits { connections: 10, handshakes: usize::MAX, ..Limits::default() }.within_open_files();
        assert_eq!(limits.handshakes, 5);
    }
}
