//! One login at a time, across processes: whoever refreshes or logs in holds the login's lock; the others wait and then
//! read what came of it.
//!
//! The system gives the lock back when its holder ends, however it ends. The lock's file stays (removing it would let two
//! runs lock two files of one name) and carries how the last attempt failed, so that those who waited for it do not each
//! try the same again: no second browser window, no queue of time-outs.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::folder::{Folder, FolderError};
use crate::clock::UnixTime;

/// Longer than any note that we write.
const MAX_NOTE: u64 = 8192;

/// The lock of one login, held until dropped.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// How an attempt failed. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When, in seconds since 1970.
    pub at: u64,
    /// The process that had asked, if it was kubectl.
    pub asked_by: Option<u32>,
    /// What to say.
    pub message: String,
    /// Whether the answer was no, as against none.
    pub refused: bool,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Its file cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Somebody else holds it for longer than a login may take.
    #[error("another run of countersign has been logging in for over {seconds} s; finish or end it, then try again")]
    Busy {
        /// How long was waited.
        seconds: u64,
    },
    /// The file system has no locks.
    #[error("{path}: cannot be locked; choose a folder on a local disk with --token-cache-dir")]
    Unsupported {
        /// The lock's file.
        path: String,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
}

impl Lock {
    /// Takes the lock, waiting for its holder up to `patience`; `on_wait` is called once if there is one.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn take(folder: &Folder, name: &str, patience: Duration, on_wait: impl FnOnce()) -> Result<Self, LockError> {
        let file = folder.open(name)?;
        let unsupported =
            |cause| LockError::Unsupported { path: folder.path().join(name).display().to_string(), cause };
        match file.try_lock() {
            Ok(()) => return Ok(Self { file }),
            Err(TryLockError::Error(cause)) => return Err(unsupported(cause)),
            Err(TryLockError::WouldBlock) => on_wait(),
        }
        // The system's wait has no deadline, so a thread does the waiting. One that waits in vain ends with the process.
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let locked = file.lock();
            // Nobody listens when the deadline has passed; the file is closed and the lock free again.
            let _ = sender.send(locked.map(|()| file));
        });
        match receiver.recv_timeout(patience) {
            Ok(Ok(file)) => Ok(Self { file }),
            Ok(Err(cause)) => Err(unsupported(cause)),
            Err(_) => Err(LockError::Busy { seconds: patience.as_secs() }),
        }
    }

    /// How the last attempt failed, if it did.
    #[must_use]
    pub fn last_failure(&mut self) -> Option<Failure> {
        let mut text = Vec::new();
        self.file.rewind().ok()?;
        (&self.file).take(MAX_NOTE).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Leaves word of how this attempt ended: nothing after a success. Best effort; it only spares others a try.
    pub fn leave_word(&mut self, failure: Option<&Failure>) {
        let text = failure.and_then(|failure| serde_json::to_vec(failure).ok()).unwrap_or_default();
        let _ = self.file.rewind().and_then(|()| self.file.set_len(0)).and_then(|()| self.file.write_all(&text));
    }
}

impl Failure {
    /// Whether another attempt would only repeat this one: it has waited (since `waited_since`) for this one, or it is for
    /// the same kubectl, which tries its next request.
    #[must_use]
    pub fn concerns(&self, waited_since: Option<UnixTime>, asked_by: Option<u32>, now: UnixTime) -> bool {
        const SAME_COMMAND: Duration = Duration::from_secs(10);
        let at = UnixTime::from_seconds(self.at);
        let is_later = at > now;
        let waited_for_it = waited_since.is_some_and(|since| at >= since);
        let same_caller = asked_by.is_some() && asked_by == self.asked_by && now.since(at) <= SAME_COMMAND;
        !is_later && (waited_for_it || same_caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::session::testing::NOW;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn folder() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::at(parent.path().join("s"));
        (parent, folder)
    }

    fn failure() -> Failure {
        Failure { at: NOW.seconds(), asked_by: Some(7), message: "no answer".to_owned(), refused: false }
    }

    #[test]
    fn k4_the_second_waits_until_the_first_is_done() {
        let (_parent, folder) = folder();
        let first = Lock::take(&folder, "x.lock", PATIENCE, || panic!("free")).unwrap();
        let (waiting, is_waiting) = mpsc::channel();
        let second =
            std::thread::spawn(move || Lock::take(&folder, "x.lock", PATIENCE, || waiting.send(()).unwrap()).map(drop));
        is_waiting.recv().unwrap();
        drop(first);
        second.join().unwrap().unwrap();
    }

    #[test]
    fn waiting_has_an_end() {
        let (_parent, folder) = folder();
        let _first = Lock::take(&folder, "x.lock", PATIENCE, || ()).unwrap();
        let second = Lock::take(&folder, "x.lock", Duration::from_millis(1), || ());
        assert!(matches!(second, Err(LockError::Busy { .. })));
    }

    #[test]
    fn word_of_a_failure_is_passed_on_and_taken_back() {
        let (_parent, folder) = folder();
        let take = || Lock::take(&folder, "x.lock", PATIENCE, || ()).unwrap();
        assert_eq!(take().last_failure(), None);
        take().leave_word(Some(&failure()));
        assert_eq!(take().last_failure(), Some(failure()));
        take().leave_word(None);
        assert_eq!(take().last_failure(), None);
    }

    #[test]
    fn k3_a_failure_concerns_those_who_waited_and_the_same_command() {
        let after = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
        let before = NOW.saturating_sub(Duration::from_secs(5));
        assert!(failure().concerns(Some(before), None, after(1)), "waited for it");
        assert!(failure().concerns(None, Some(7), after(10)), "same kubectl");
        assert!(!failure().concerns(None, Some(7), after(11)), "long ago");
        assert!(!failure().concerns(Some(after(9)), Some(8), after(10)), "another kubectl, which waited for another");
        assert!(!failure().concerns(None, None, after(10)), "by hand");
        assert!(!failure().concerns(None, Some(7), before), "from the future, after the clock was set");
    }
}
