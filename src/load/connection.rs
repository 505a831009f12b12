//! One connection's part of a load: asks when it is time, reads what comes, and begins anew when the server hangs up.

use std::collections::HashMap;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::Run;
use super::pace::{Pace, Turn, until};
use super::wire::{Answer, Answered, Wire};
use crate::config::duration;

/// How much is read at once: the answers to a hundred questions.
const BUFFER_BYTES: usize = 64 * 1024;
/// How often questions that are late are looked for.
const LATE_CHECK: Duration = Duration::from_millis(250);
/// Before a connection that could not be opened is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// How long a server has to take the end of a connection.
const GOODBYE: Duration = Duration::from_secs(1);

/// One connection after the other, with its share of the questions.
pub(super) struct Connection {
    run: Arc<Run>,
    pace: Pace,
    /// A question that was due when there was no connection, or no room.
    overdue: Option<Instant>,
}

/// Why a conversation is over.
enum Ending {
    /// The plan is through.
    Done,
    /// No connection to this server will do.
    InVain(io::Error),
    /// There is more to ask, over another connection.
    Renew,
}

/// A question that the server never takes whole. Nothing here sends one in parts: tokens are short.
#[derive(Debug, thiserror::Error)]
#[error(
    "a question has {bytes} bytes, and over HTTP/2 the server takes {most} of one before it has read them; ask about shorter \
     tokens, or with --protocol http1"
)]
struct TooLong {
    bytes: usize,
    most: usize,
}

/// A connection that is open.
struct Session {
    stream: TlsStream<TcpStream>,
    wire: Wire,
    out: Vec<u8>,
    /// When each question that waits for an answer was due.
    due: HashMap<u64, Instant>,
    /// When the server last said something.
    heard: Instant,
    questions_left: Option<u32>,
}

impl Connection {
    pub(super) fn new(run: Arc<Run>, pace: Pace) -> Self {
        Self { run, pace, overdue: None }
    }

    pub(super) async fn run(mut self) {
        // With new connections all the time, the handshake is a part of the answer's time.
        while self.is_wanted().await {
            match self.open().await {
                Ok(mut session) => {
                    let ended = session.converse(&mut self).await;
                    session.give_up(&self.run);
                    match ended {
                        Ok(Ending::Done) => {
                            let _ = tokio::time::timeout(GOODBYE, session.stream.shutdown()).await;
                            return;
                        }
                        Ok(Ending::InVain(error)) => {
                            self.run.tally(|tally| tally.connection_failed(&error));
                            self.run.in_vain.notify_one();
                            return;
                        }
                        Ok(Ending::Renew) => {}
                        Err(error) => self.run.tally(|tally| tally.connection_failed(&error)),
                    }
                }
                Err(error) => {
                    self.run.tally(|tally| tally.connection_failed(&error));
                    if !self.pace.has_turns()
                        && let Some(due) = self.overdue.take()
                    {
                        self.miss(due, Instant::now());
                    }
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    /// Waits until there is something to ask; false when there will not be.
    async fn is_wanted(&mut self) -> bool {
        loop {
            match self.next(Instant::now()) {
                Turn::Ask(due) => {
                    self.overdue = Some(due);
                    return true;
                }
                Turn::End => return false,
                Turn::Wait(time) => until(time).await,
            }
        }
    }

    async fn open(&self) -> io::Result<Session> {
        let stream =
            within(self.run.plan.patience, "the server opened no connection", self.run.target.connect()).await?;
        let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let mut out = Vec::with_capacity(BUFFER_BYTES);
        let wire = self.run.target.converse(is_h2, self.run.plan.streams.get(), &mut out);
        let questions_left = self.run.plan.questions_per_connection.map(std::num::NonZero::get);
        Ok(Session { stream, wire, out, due: HashMap::new(), heard: Instant::now(), questions_left })
    }

    /// The next turn: first what is overdue. What nobody waits for any more is not asked.
    fn next(&mut self, now: Instant) -> Turn {
        loop {
            let turn = match self.overdue.take() {
                Some(due) if now < self.pace.last_call() => Turn::Ask(due),
                Some(due) if self.pace.is_long_over(now) => {
                    self.miss(due, now);
                    self.pace.turn(now)
                }
                _ => self.pace.turn(now),
            };
            match turn {
                Turn::Ask(due) if self.run.is_late(due, now) => self.miss(due, now),
                turn => return turn,
            }
        }
    }

    /// Counts a question that was due and is not asked, where no turns tell.
    fn miss(&self, due: Instant, now: Instant) {
        if !self.pace.has_turns() {
            self.run.tally(|tally| tally.not_asked(due, now, self.run.began..self.run.end));
        }
    }
}

impl Session {
    async fn converse(&mut self, connection: &mut Connection) -> io::Result<Ending> {
        let run = Arc::clone(&connection.run);
        let mut buffer = vec![0; BUFFER_BYTES];
        let mut answers = Vec::new();
        let mut late_check = tokio::time::interval(LATE_CHECK);
        loop {
            let turn = self.ask(connection, &run);
            if !self.out.is_empty() {
                // A server that reads nothing must not hold the run up once the buffers are full.
                let send = async {
                    self.stream.write_all(&self.out).await?;
                    self.stream.flush().await
                };
                within(run.plan.patience, "the server did not read what was sent", send).await?;
                self.out.clear();
            }
            if turn.is_none()
                && self.due.is_empty()
                && let Some(most) = self.wire.most_bytes().filter(|most| *most < run.largest_body)
            {
                return Ok(Ending::InVain(io::Error::other(TooLong { bytes: run.largest_body, most })));
            }
            if self.due.is_empty() {
                match turn {
                    Some(Turn::End) => return Ok(Ending::Done),
                    _ if self.is_over() => return Ok(Ending::Renew),
                    _ => {}
                }
            }
            let mut next_turn = pin!(async {
                match turn {
                    Some(Turn::Wait(time)) => until(time).await,
                    _ => std::future::pending().await,
                }
            });
            tokio::select! {
                read = self.stream.read(&mut buffer) => {
                    let bytes = buffer.get(..read?).unwrap_or_default();
                    if bytes.is_empty() {
                        return if self.due.is_empty() { Ok(Ending::Renew) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
                    }
                    let read = self.wire.read(bytes, &mut answers, &mut self.out);
                    self.count(&run, &mut answers);
                    read.map_err(io::Error::other)?;
                }
                () = &mut next_turn => {}
                _ = late_check.tick() => {
                    let now = Instant::now();
                    // A server that never makes room ends nothing by itself.
                    if run.is_late(run.end, now) {
                        return Ok(Ending::Done);
                    }
                    if !self.give_up_late(&run, now) {
                        return Ok(Ending::Renew);
                    }
                }
            }
        }
    }

    /// Asks all that is due and has room. Returns what the pace said last; nothing, when there was no room to ask.
    fn ask(&mut self, connection: &mut Connection, run: &Run) -> Option<Turn> {
        let now = Instant::now();
        loop {
            if self.is_over() || !self.wire.has_room(run.largest_body) {
                return None;
            }
            let turn = connection.next(now);
            let Turn::Ask(due) = turn else { return Some(turn) };
            let Some(question) = run.next_question() else { return Some(Turn::End) };
            self.wire.ask(question, run.body(question), &mut self.out);
            self.due.insert(question, due);
            self.questions_left = self.questions_left.map(|left| left.saturating_sub(1));
        }
    }

    /// Whether nothing more is asked over this connection.
    fn is_over(&self) -> bool {
        self.wire.is_closing() || self.questions_left == Some(0)
    }

    fn count(&mut self, run: &Run, answers: &mut Vec<Answered>) {
        let now = Instant::now();
        self.heard = now;
        run.tally(|tally| {
            for Answered { question, answer } in answers.drain(..) {
                if let Some(due) = self.due.remove(&question) {
                    tally.answered(answer, due, now, run.began..run.end);
                }
            }
        });
    }

    /// Gives up the questions that are late, and no others beside them. False when the connection has to go with them: because
    /// it is dead, or its protocol cannot take a question back.
    fn give_up_late(&mut self, run: &Run, now: Instant) -> bool {
        let late: Vec<_> = self.due.extract_if(|_, due| run.is_late(*due, now)).collect();
        run.tally(|tally| {
            for (_, due) in &late {
                tally.answered(Answer::TimedOut, *due, now, run.began..run.end);
            }
        });
        late.is_empty()
            || !run.is_late(self.heard, now)
                && late.iter().all(|(question, _)| self.wire.take_back(*question, &mut self.out))
    }

    /// Counts what will not be answered any more, since the connection is over.
    fn give_up(&mut self, run: &Run) {
        let now = Instant::now();
        run.tally(|tally| {
            for (_, due) in self.due.drain() {
                let answer = if run.is_late(due, now) { Answer::TimedOut } else { Answer::Lost };
                tally.answered(answer, due, now, run.began..run.end);
            }
        });
    }
}

/// Waits for a server, but not longer than anybody's patience; `failure` says what it did not do.
async fn within<T>(patience: Duration, failure: &str, future: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = || io::Error::new(io::ErrorKind::TimedOut, format!("{failure} within {}", duration::format(patience)));
    tokio::time::timeout(patience, future).await.unwrap_or_else(|_| Err(late()))
}
