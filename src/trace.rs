//! Setting up logs: text for people, JSON for collectors, on standard error either way.
//!
//! What must hold: no review waits for a log, and none fails for want of one. Whoever reads standard error may stall, its
//! disk may be full, its pipe closed; then lines are lost, and nothing else is.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Lines that wait while standard error takes none: some seconds of the most that sampling lets through.
const BACKLOG: usize = 1024;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// Starts logging for the process. `RUST_LOG` wins over `level`.
///
/// # Errors
///
/// When `level` is no filter, or logging was started before.
pub fn start(format: Format, level: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = match EnvFilter::try_from_default_env() {
        Ok(filter) => filter,
        Err(_) => EnvFilter::try_new(level)?,
    };
    let (lines, waiting) = Lines::new();
    std::thread::Builder::new().name("log".to_owned()).spawn(move || write_out(&waiting))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || lines.clone())
        // It would report by `eprintln!`, which panics when standard error cannot be written.
        .log_internal_errors(false)
        .with_span_events(FmtSpan::NONE)
        .with_target(false);
    match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
        Format::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).try_init(),
    }
}

/// The sending end: takes each line at once, or loses it.
#[derive(Clone)]
struct Lines(SyncSender<Vec<u8>>);

impl Lines {
    fn new() -> (Self, Receiver<Vec<u8>>) {
        let (lines, waiting) = sync_channel(BACKLOG);
        (Self(lines), waiting)
    }
}

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = self.0.try_send(line.to_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_out(waiting: &Receiver<Vec<u8>>) {
    while let Ok(line) = waiting.recv() {
        // A line that cannot be written is lost; the next one may be luckier.
        let _ = io::stderr().write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j9_a_log_that_nobody_reads_holds_nobody_up() {
        let (mut lines, waiting) = Lines::new();
        for number in 0..=BACKLOG {
            writeln!(lines, "{number}").unwrap();
        }
        assert_eq!(waiting.try_iter().count(), BACKLOG);
        drop(waiting);
        writeln!(lines, "nobody is there").unwrap();
    }
}
