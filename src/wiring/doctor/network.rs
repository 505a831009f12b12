//! Names and connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::{Broken, Limits};
use crate::outbound;

/// Where a host is.
pub(super) struct Found {
    addresses: Vec<SocketAddr>,
    is_name: bool,
}

impl Found {
    pub(super) fn summary(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        if self.is_name { format!("{host} is {}", self.list()) } else { format!("{host} is an address already") }
    }

    fn list(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(|address| address.ip().to_string()).collect();
        addresses.join(", ")
    }
}

/// Looks the host of a URL up.
pub(super) async fn addresses(url: &Url, limit: Duration) -> Result<Found, Broken> {
    let port = url.port_or_known_default().unwrap_or_default();
    let name = match url.host() {
        Some(Host::Ipv4(ip)) => return Ok(Found { addresses: vec![(ip, port).into()], is_name: false }),
        Some(Host::Ipv6(ip)) => return Ok(Found { addresses: vec![(ip, port).into()], is_name: false }),
        Some(Host::Domain(name)) => name.to_owned(),
        None => String::new(),
    };
    looked_up(&name, limit, async { Ok(lookup_host((name.as_str(), port)).await?.collect()) }).await
}

async fn looked_up(
    name: &str,
    limit: Duration,
    lookup: impl Future<Output = io::Result<Vec<SocketAddr>>>,
) -> Result<Found, Broken> {
    let broken = |message| Broken {
        code: "name_unknown",
        field: "server",
        message,
        remedy: "correct the name, or use an address (with tls-server-name for the certificate's name); look it up on the API \
                 server's machine, whose resolver counts",
    };
    match timeout(limit, lookup).await {
        Err(_) => Err(broken(format!("the resolver did not answer within {limit:?} for {name}"))),
        Ok(Err(error)) => Err(broken(format!("{name} has no address here: {error}"))),
        Ok(Ok(addresses)) if addresses.is_empty() => Err(broken(format!("{name} has no address here"))),
        Ok(Ok(mut addresses)) => {
            addresses.dedup();
            Ok(Found { addresses, is_name: true })
        }
    }
}

/// A connection, and what was tried for it.
pub(super) struct Reached {
    pub(super) stream: TcpStream,
    pub(super) summary: String,
    pub(super) remarks: Vec<(String, &'static str)>,
}

/// Connects to the first address that takes a connection, of those that there is time for.
pub(super) async fn connect(found: &Found, limits: &Limits) -> Result<Reached, Broken> {
    let mut remarks = Vec::new();
    let mut last = None;
    let began = Instant::now();
    for (position, address) in found.addresses.iter().enumerate() {
        let started = Instant::now();
        if position > 0 && started.duration_since(began) >= limits.addresses {
            break;
        }
        match timeout(limits.connect, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let summary = format!("{address} in {} ms", started.elapsed().as_millis());
                return Ok(Reached { stream, summary, remarks });
            }
            Ok(Err(error)) => last = Some(refusal(*address, &error)),
            Err(_) => {
                last = Some(Broken {
                    code: "connection_timed_out",
                    field: "server",
                    message: format!("{address} did not answer within {:?}", limits.connect),
                    remedy: "look for a firewall or network policy between here and there, and whether the address is right",
                });
            }
        }
        if let Some(broken) = &last {
            remarks.push((broken.message.clone(), broken.remedy));
        }
    }
    Err(last.unwrap_or_else(|| Broken {
        code: "name_unknown",
        field: "server",
        message: "there is no address to connect to".to_owned(),
        remedy: "use an address in the URL",
    }))
}

fn refusal(address: SocketAddr, error: &io::Error) -> Broken {
    let (code, remedy) = match error.kind() {
        io::ErrorKind::ConnectionRefused => (
            "connection_refused",
            "nothing listens there: see that the webhook runs, and compare the port with server.address",
        ),
        _ => ("connection_failed", "see that there is a route to it from here"),
    };
    Broken { code, field: "server", message: format!("{address}: {}", outbound::chain(error)), remedy }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    /// A port whose queue is full, so that further connections are never answered, and what fills it.
    async fn overrun() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = timeout(SHORT, TcpStream::connect(address)).await {
            queued.push(stream);
        }
        (address, listener, queued)
    }

    #[tokio::test]
    async fn a_resolver_that_does_not_answer_is_not_waited_for() {
        let broken = looked_up("hook.example.com", SHORT, std::future::pending()).await.err().unwrap();
        assert_eq!(
            (broken.code, broken.message.as_str()),
            ("name_unknown", "the resolver did not answer within 50ms for hook.example.com")
        );
    }

    #[tokio::test]
    async fn an_address_that_does_not_answer_is_given_up() {
        let (address, _listener, _queued) = overrun().await;
        let found = Found { addresses: vec![address], is_name: false };
        let broken = connect(&found, &Limits { connect: SHORT, ..Limits::default() }).await.err().unwrap();
        assert_eq!(
            (broken.code, broken.message),
            ("connection_timed_out", format!("{address} did not answer within 50ms"))
        );
    }

    #[tokio::test]
    async fn the_next_address_is_tried_and_what_was_wrong_with_the_first_is_kept() {
        let (silent, _listener, _queued) = overrun().await;
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let found = Found { addresses: vec![silent, open.local_addr().unwrap()], is_name: true };
        let reached = connect(&found, &Limits { connect: SHORT, ..Limits::default() }).await.ok().unwrap();
        let remarks: Vec<_> = reached.remarks.into_iter().map(|(message, _)| message).collect();
        assert_eq!(remarks, [format!("{silent} did not answer within 50ms")]);
    }

    #[tokio::test]
    async fn many_addresses_do_not_add_up_to_hours() {
        let (silent, _listener, _queued) = overrun().await;
        let open = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let found = Found { addresses: vec![silent, open.local_addr().unwrap()], is_name: true };
        let limits = Limits { connect: SHORT, addresses: Duration::ZERO, ..Limits::default() };
        assert_eq!(connect(&found, &limits).await.err().unwrap().code, "connection_timed_out");
    }
}
