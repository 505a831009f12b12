//! Where the questions go: a kubeconfig's connection, ready to be opened again and again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use super::Protocol;
use super::wire::Wire;
use super::wire::h1::Http1;
use super::wire::h2::Http2;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::{ReviewerError, client_config};

/// A webhook to put a load on.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

struct Inner {
    address: SocketAddr,
    authority: String,
    path: String,
    name: ServerName<'static>,
    tls: Arc<ClientConfig>,
    authorization: Option<Zeroizing<String>>,
}

/// A webhook that cannot be asked like this.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The server's name has no address.
    #[error("{host} has no address; check clusters[].cluster.server and the name service")]
    Address {
        /// The name.
        host: String,
        /// What the resolver says.
        #[source]
        cause: io::Error,
    },
    /// The server has no TLS.
    #[error("clusters[].cluster.server: a webhook is asked over https only")]
    NotHttps,
    /// Going through a proxy would measure the proxy.
    #[error("clusters[].cluster.proxy-url: not supported here; the load would be on the proxy")]
    Proxy,
    /// The server's name cannot be in a certificate.
    #[error("clusters[].cluster.server: {name} is no name that a certificate can have")]
    ServerName {
        /// The name.
        name: String,
    },
    /// Certificates or keys cannot be used.
    #[error(transparent)]
    Tls(#[from] ReviewerError),
}

impl Target {
    /// Prepares for one protocol. The name is resolved now, once.
    ///
    /// # Errors
    /// If the connection is not one that can be opened directly, over TLS.
    pub fn new(connection: &Connection, protocol: Protocol) -> Result<Self, TargetError> {
        if connection.server.scheme() != "https" {
            return Err(TargetError::NotHttps);
        }
        if connection.proxy.is_some() {
            return Err(TargetError::Proxy);
        }
        let mut tls = client_config(connection)?;
        tls.alpn_protocols = vec![
            match protocol {
                Protocol::Http1 => b"http/1.1".as_slice(),
                Protocol::Http2 => b"h2",
            }
            .to_vec(),
        ];
        // A resumed session costs the server less than the new one that is asked for.
        tls.resumption = Resumption::disabled();
        let host = connection.server.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let addresses = connection.server.socket_addrs(|| None);
        let address = addresses.and_then(|addresses| {
            addresses.first().copied().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the list is empty"))
        });
        let name = connection.tls_server_name.clone().unwrap_or_else(|| host.clone());
        let path = match connection.server.path().trim_end_matches('/') {
            "" => "/",
            path => path,
        };
        Ok(Self(Arc::new(Inner {
            address: address.map_err(|cause| TargetError::Address { host, cause })?,
            authority: connection.server.authority().to_owned(),
            path: format!("{path}?timeout=30s"),
            name: ServerName::try_from(name.clone()).map_err(|_| TargetError::ServerName { name })?,
            tls: Arc::new(tls),
            authorization: connection
                .bearer
                .as_ref()
                .map(|token| Zeroizing::new(format!("Bearer {}", token.expose_secret()))),
        })))
    }

    /// Opens a connection.
    pub(super) async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        let socket = TcpStream::connect(self.0.address).await?;
        socket.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&self.0.tls)).connect(self.0.name.clone(), socket).await
    }

    /// Begins a conversation of `streams` questions at once, in the protocol that the server chose.
    pub(super) fn converse(&self, is_h2: bool, streams: usize, out: &mut Vec<u8>) -> Wire {
        let target = &*self.0;
        let mut fields = vec![("accept", "application/json, */*"), ("content-type", "application/json")];
        if let Some(value) = &target.authorization {
            fields.push(("authorization", value));
        }
        if is_h2 {
            Wire::H2(Http2::new(&target.authority, &target.path, &fields, streams, out))
        } else {
            Wire::H1(Http1::new(&target.authority, &target.path, &fields))
        }
    }
}
