//! Names and connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};
use url::{Host, Url};

use super::Broken;
use crate::outbound;

/// A resolver that takes longer is one that API servers would wait for with every new connection.
const DNS_DEADLINE: Duration = Duration::from_secs(5);

/// Per address. Go would go on for 30 seconds; whoever looks on learns nothing from that.
const TCP_DEADLINE: Duration = Duration::from_secs(5);

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
pub(super) async fn addresses(url: &Url) -> Result<Found, Broken> {
    let port = url.port_or_known_default().unwrap_or_default();
    let name = match url.host() {
        Some(Host::Ipv4(ip)) => return Ok(Found { addresses: vec![(ip, port).into()], is_name: false }),
        Some(Host::Ipv6(ip)) => return Ok(Found { addresses: vec![(ip, port).into()], is_name: false }),
        Some(Host::Domain(name)) => name.to_owned(),
        None => String::new(),
    };
    let broken = |message| Broken {
        code: "name_unknown",
        field: "server",
        message,
        remedy: "correct the name, or use an address (with tls-server-name for the certificate's name); look it up on the API \
                 server's machine, whose resolver counts",
    };
    match timeout(DNS_DEADLINE, lookup_host((name.as_str(), port))).await {
        Err(_) => Err(broken(format!("the resolver did not answer within {} s for {name}", DNS_DEADLINE.as_secs()))),
        Ok(Err(error)) => Err(broken(format!("{name} has no address here: {error}"))),
        Ok(Ok(found)) => {
            let mut addresses: Vec<SocketAddr> = found.collect();
            addresses.dedup();
            if addresses.is_empty() {
                return Err(broken(format!("{name} has no address here")));
            }
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

/// Connects to the first address that takes a connection.
pub(super) async fn connect(found: &Found) -> Result<Reached, Broken> {
    let mut remarks = Vec::new();
    let mut last = None;
    for address in &found.addresses {
        let started = Instant::now();
        match timeout(TCP_DEADLINE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let summary = format!("{address} in {} ms", started.elapsed().as_millis());
                return Ok(Reached { stream, summary, remarks });
            }
            Ok(Err(error)) => last = Some(refusal(*address, &error)),
            Err(_) => {
                last = Some(Broken {
                    code: "connection_timed_out",
                    field: "server",
                    message: format!("{address} did not answer within {} s", TCP_DEADLINE.as_secs()),
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
