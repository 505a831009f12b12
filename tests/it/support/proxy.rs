//! A network between the service and an issuer that can lose what is under way without telling either side.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
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
