//! A client that writes bytes: for what no well-behaved client would send.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign::wiring::pki::Identity;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{API_AUDIENCE, Rig, client_tls, review_body, validity};

/// Far longer than anything here takes: what is not there by then does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for something that must happen.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("it did not happen")
}

/// A review as HTTP/1.1.
pub(crate) fn post(review: impl Display) -> String {
    let body = review.to_string();
    let head = "POST /authenticate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
    format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// An open TLS connection to the review listener.
pub(crate) struct Raw {
    pub(crate) stream: TlsStream<TcpStream>,
    unread: Vec<u8>,
}

/// An HTTP/1.1 response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Rig {
    /// A certificate that the rig's authority has signed for a client.
    pub(crate) fn identity(&self, name: &str) -> Identity {
        self.authority.client_certificate(name, &[], validity(&self.clock)).unwrap()
    }

    /// A good review, as a client sends it.
    pub(crate) fn review(&self) -> Value {
        review_body("v1", self.token().mint().expose_secret(), &[API_AUDIENCE])
    }

    /// Waits for a gauge or counter to have a value.
    pub(crate) async fn until_series(&self, series: &str, value: f64) {
        within(async {
            while self.metric(series).await != value {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// A connection of a caller that is let in.
    pub(crate) async fn connect(&self, alpn: &[&str]) -> Raw {
        let identity = self.identity("kube-apiserver");
        let config = client_tls(&self.authority.certificate_pem(), Some(&identity), alpn);
        Raw::connect(self.service.review_address, config).await.unwrap()
    }
}

impl Raw {
    /// Connects, up to the end of the client's side of the handshake. In TLS 1.3 a server that refuses the client's
    /// certificate says so later, with the first read.
    pub(crate) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        let name = ServerName::from(address.ip());
        let stream = within(TlsConnector::from(Arc::new(config)).connect(name, socket)).await?;
        Ok(Self { stream, unread: Vec::new() })
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends what a server that has had enough may not take any more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within(async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// The next response; panics if the connection ends first.
    pub(crate) async fn reply(&mut self) -> Reply {
        self.try_reply().await.expect("the connection ended without a response")
    }

    /// The next response, or `None` if the connection ends without one.
    pub(crate) async fn try_reply(&mut self) -> Option<Reply> {
        let mut end = None;
        while end.is_none() {
            end = self.unread.windows(4).position(|window| window == b"\r\n\r\n");
            if end.is_none() && self.read_some().await == 0 {
                assert!(self.unread.is_empty(), "half a response: {:?}", String::from_utf8_lossy(&self.unread));
                return None;
            }
        }
        let head: Vec<u8> = self.unread.drain(..end? + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        let mut reply = Reply { status, headers, body: Vec::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        reply.body = self.take(length).await.expect("a response ended early");
        Some(reply)
    }

    /// So many bytes; `None` if the connection ends first.
    pub(crate) async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.unread.len() < length {
            if self.read_some().await == 0 {
                return None;
            }
        }
        Some(self.unread.drain(..length).collect())
    }

    /// Everything up to the end of the connection, whichever way it ends.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        while self.read_some().await > 0 {}
        std::mem::take(&mut self.unread)
    }

    /// Waits for the end of the connection; panics if anything comes before it.
    pub(crate) async fn end(&mut self) {
        let rest = self.rest().await;
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    async fn read_some(&mut self) -> usize {
        within(self.stream.read_buf(&mut self.unread)).await.unwrap_or_default()
    }
}

impl Reply {
    /// A header by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}
