//! What can be between the service and an issuer: a network that can lose what is under way without telling either side, and
//! an HTTP proxy.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Passes connections on. Gone when it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: watch::Sender<u64>,
    _accepting: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = watch::Sender::new(0);
        let lost = cuts.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let mut lost = lost.subscribe();
                connections.spawn(async move {
                    let mut far = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        // Both ends stay open and hear nothing, as behind a router that forgot them.
                        _ = lost.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { address, cuts, _accepting: accepting }
    }

    /// Lets every connection that is open go silent for ever. New ones work.
    pub(crate) fn lose_connections(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

/// An HTTP proxy that opens tunnels (CONNECT) and remembers where to. Gone when it is dropped.
pub(crate) struct HttpProxy {
    pub(crate) url: String,
    targets: watch::Sender<Vec<String>>,
    _accepting: JoinSet<()>,
}

impl HttpProxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let targets = watch::Sender::new(Vec::new());
        let seen = targets.clone();
        let mut accepting = JoinSet::new();
        accepting.spawn(async move {
            let mut tunnels = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                tunnels.spawn(tunnel(near, seen.clone()));
            }
        });
        Self { url, targets, _accepting: accepting }
    }

    /// Where tunnels were opened to, in order.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.targets.borrow().clone()
    }
}

async fn tunnel(mut near: TcpStream, seen: watch::Sender<Vec<String>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned();
    seen.send_modify(|targets| targets.push(target.clone()));
    let Ok(mut far) = TcpStream::connect(&target).await else { return };
    near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    let _ended = copy_bidirectional(&mut near, &mut far).await;
}
