//! What a Kubernetes Service does for several replicas: new connections go to one that says it is ready.

use std::net::Ipv4Addr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::http;
use super::reviewer::Reviewer;
use super::rig::Rig;

/// A TCP forwarder in front of replicas.
pub(crate) struct Service {
    port: u16,
    _tasks: JoinSet<()>,
}

/// Where a replica listens, and where it says whether it is ready.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    pub(crate) readiness: String,
}

impl Service {
    pub(crate) async fn start(rig: &Rig, endpoints: Vec<Endpoint>) -> Self {
        let client = http::client(&rig.servers, None);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoints: Arc<[Endpoint]> = endpoints.into();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((incoming, _)) = listener.accept().await {
                connections.spawn(forward(incoming, client.clone(), Arc::clone(&endpoints)));
            }
        });
        Self { port, _tasks: tasks }
    }

    /// Posts reviews to whichever replica it is forwarded to.
    pub(crate) fn reviewer(&self, rig: &Rig) -> Reviewer {
        Reviewer::new(&format!("https://127.0.0.1:{}", self.port), http::client(&rig.servers, Some(&rig.caller)))
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn forward(mut incoming: TcpStream, client: reqwest::Client, endpoints: Arc<[Endpoint]>) {
    for endpoint in endpoints.iter() {
        let answer = client.get(&endpoint.readiness).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success())
            && let Ok(mut outgoing) = TcpStream::connect((Ipv4Addr::LOCALHOST, endpoint.port)).await
        {
            // How a forwarded connection ends is between its two ends.
            let _ = copy_bidirectional(&mut incoming, &mut outgoing).await;
            return;
        }
    }
}
