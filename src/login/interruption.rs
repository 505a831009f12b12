//! Ctrl-C in the middle of a refresh: kubectl's goes to its plugins too, and a provider that rotates may have taken the old
//! refresh token by then. The signals wait until what came for it is stored.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGHUP, SIGINT and SIGTERM, taken over from their default, which is to end the process, for the rest of its life.
pub struct Interruption {
    signals: [Signal; 3],
    has_come: bool,
}

impl Interruption {
    /// Takes the signals over. To be called within a runtime, which hears them as long as it runs something.
    ///
    /// # Errors
    ///
    /// When the system lets no handler be set.
    pub fn take_over() -> io::Result<Self> {
        let [hangup, interrupt, terminate] = [SignalKind::hangup(), SignalKind::interrupt(), SignalKind::terminate()];
        Ok(Self { signals: [signal(hangup)?, signal(interrupt)?, signal(terminate)?], has_come: false })
    }

    /// Waits for one of the signals.
    pub async fn wait(&mut self) {
        let [hangup, interrupt, terminate] = &mut self.signals;
        tokio::select! {
            _ = hangup.recv() => {}
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        self.has_come = true;
    }

    /// Whether one of them has come so far.
    pub async fn has_come(&mut self) -> bool {
        if !self.has_come {
            // To yield lets the runtime look for signals that came while it did not run.
            tokio::select! {
                biased;
                () = self.wait() => {}
                () = tokio::task::yield_now() => {}
            }
        }
        self.has_come
    }
}
