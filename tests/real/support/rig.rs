//! One test's world: its folder, its two authorities, its ports.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use super::pki::{Authority, Pair};

/// What the processes of one test share. Declare it first in a test, so that it is dropped last.
pub(crate) struct Rig {
    folder: TempDir,
    /// Signs the certificates of servers.
    pub(crate) servers: Authority,
    /// Signs the certificates of those who post reviews, and of the cluster's administrator.
    pub(crate) callers: Authority,
    /// What kube-apiserver shows to countersign.
    pub(crate) caller: Pair,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("countersign-real-").tempdir().unwrap();
        let servers = Authority::new(folder.path(), "servers-ca");
        let callers = Authority::new(folder.path(), "callers-ca");
        let caller = callers.client("kube-apiserver-caller", None);
        Self { folder, servers, callers, caller }
    }

    /// Where everything of this test is: certificates, configuration, logs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.folder.disable_cleanup(true);
            eprintln!("---- kept for a look: {}", self.folder.path().display());
        }
    }
}

/// A loopback port that nothing listens on, and that no other test of this run is given.
///
/// Below Linux's ephemeral range, so that no outgoing connection takes it before the server it is meant for does.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    (0..COUNT)
        .map(|_| FIRST + (start + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("there is a free port on loopback")
}
