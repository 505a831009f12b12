//! What the service logs, for tests of what only an operator gets to see.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

thread_local! {
    /// One subscriber serves the whole process, because the first thread that meets a log line decides for all others
    /// whether anybody wants it; what it writes goes to the test whose thread it is.
    static TEXT: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// The log of everything that happens on this thread, which is where a test's service runs.
pub(crate) struct Log(());

impl Log {
    /// Begins to take notes, down to debug level.
    pub(crate) fn capture() -> Self {
        static SUBSCRIBER: Once = Once::new();
        SUBSCRIBER.call_once(|| {
            let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Writer);
            let ours = Targets::new().with_target("countersign", LevelFilter::DEBUG);
            tracing_subscriber::registry().with(ours).with(lines).init();
        });
        TEXT.set(Some(Vec::new()));
        Self(())
    }

    /// Whether there is a line that contains all of these.
    pub(crate) fn has(&self, parts: &[&str]) -> bool {
        self.text().lines().any(|line| parts.iter().all(|part| line.contains(part)))
    }

    pub(crate) fn text(&self) -> String {
        TEXT.with_borrow(|text| String::from_utf8(text.clone().unwrap_or_default()).unwrap())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        TEXT.set(None);
    }
}

#[derive(Clone, Copy)]
struct Writer;

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A thread that is ending has no storage left, and no test.
        let _ = TEXT.try_with(|text| {
            if let Some(text) = text.borrow_mut().as_mut() {
                text.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Writer {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}
