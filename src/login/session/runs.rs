//! Who asked when: the memory that tells a refused token from a busy shell script.
//!
//! kubectl does not say why it runs the plugin again. But one kubectl keeps a token that it was given until the end that
//! it was told; when the same process asks again before, an API server has answered 401. Each process has its place in a
//! small file that is read and written without a lock and without waiting: a lost mark costs one try more.
//!
//! Nothing in the file is secret.

use std::time::Duration;

use super::folder::Folder;
use crate::clock::UnixTime;

/// How long a process is taken for the same command. Process ids come again, and a long-lived client may rightly ask anew.
const WINDOW: Duration = Duration::from_secs(60);
const PLACES: u32 = 64;
const PLACE_BYTES: usize = 24;

/// One process's mark: which token it was given last, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    process: u32,
    times: u32,
    at: u64,
    token: u64,
}

/// Counts a hand-out of a token to a process, and says how often that process was given this very token within the last
/// minute, this time included. `cluster` tells the clusters of one process apart.
///
/// It never fails: without its file it knows of no other time.
#[must_use]
pub fn count(folder: &Folder, name: &str, process: u32, cluster: &str, token: u64, now: UnixTime) -> u32 {
    let Some(file) = folder.open(name).ok() else { return 1 };
    let token = token ^ spread(cluster);
    let offset = u64::from(process % PLACES) * PLACE_BYTES as u64;
    let mut bytes = [0; PLACE_BYTES];
    let old = read_at(&file, &mut bytes, offset).then(|| Mark::from_bytes(&bytes));
    let times = match old {
        Some(old) if old.process == process && old.token == token && is_recent(old.at, now) => {
            old.times.saturating_add(1)
        }
        _ => 1,
    };
    let new = Mark { process, times, at: now.seconds(), token };
    write_at(&file, &new.to_bytes(), offset);
    times
}

fn is_recent(at: u64, now: UnixTime) -> bool {
    let at = UnixTime::from_seconds(at);
    at <= now && now.since(at) <= WINDOW
}

/// FNV-1a: spreads names over numbers. No secret and no decision hangs on it but how a message is worded.
fn spread(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Mark {
    fn to_bytes(self) -> [u8; PLACE_BYTES] {
        let mut bytes = [0; PLACE_BYTES];
        let parts = self.process.to_le_bytes().into_iter().chain(self.times.to_le_bytes());
        let parts = parts.chain(self.at.to_le_bytes()).chain(self.token.to_le_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; PLACE_BYTES]) -> Self {
        let number = |from: usize, length: usize| {
            bytes.iter().skip(from).take(length).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
        };
        let small = |from| u32::try_from(number(from, 4)).unwrap_or_default();
        Self { process: small(0), times: small(4), at: number(8, 8), token: number(16, 8) }
    }
}

#[cfg(unix)]
fn read_at(file: &std::fs::File, bytes: &mut [u8], offset: u64) -> bool {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset).is_ok()
}

#[cfg(unix)]
fn write_at(file: &std::fs::File, bytes: &[u8], offset: u64) {
    let _ = std::os::unix::fs::FileExt::write_all_at(file, bytes, offset);
}

#[cfg(not(unix))]
fn read_at(_: &std::fs::File, _: &mut [u8], _: u64) -> bool {
    false
}

#[cfg(not(unix))]
fn write_at(_: &std::fs::File, _: &[u8], _: u64) {}

/// The process that runs this one, where the system tells.
#[must_use]
pub fn parent() -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::process::parent_id());
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::login::session::testing::NOW;

    #[test]
    fn k3_the_same_process_asking_for_the_same_token_is_counted() {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::at(parent.path().join("s"));
        let after = |seconds| NOW.saturating_add(Duration::from_secs(seconds));
        let count = |process, cluster, token, now| count(&folder, "x.runs", process, cluster, token, now);
        assert_eq!(count(100, "a", 1, NOW), 1);
        assert_eq!(count(101, "a", 1, NOW), 1, "another process");
        assert_eq!(count(100, "a", 1, after(1)), 2);
        assert_eq!(count(100, "a", 1, after(2)), 3);
        assert_eq!(count(100, "a", 2, after(3)), 1, "another token");
        assert_eq!(count(100, "b", 2, after(3)), 1, "another cluster");
        assert_eq!(count(100, "b", 2, after(64)), 1, "later");
        assert_eq!(count(100, "b", 2, after(10)), 1, "the clock went back");
    }

    #[test]
    fn without_its_file_every_time_is_the_first() {
        let parent = tempfile::tempdir().unwrap();
        std::fs::write(parent.path().join("s"), "a file").unwrap();
        let folder = Folder::at(parent.path().join("s"));
        assert_eq!([1, 1], [count(&folder, "x.runs", 1, "", 1, NOW), count(&folder, "x.runs", 1, "", 1, NOW)]);
    }

    proptest! {
        #[test]
        fn marks_survive_being_written_and_read(process: u32, times: u32, at: u64, token: u64) {
            let mark = Mark { process, times, at, token };
            prop_assert_eq!(Mark::from_bytes(&mark.to_bytes()), mark);
        }
    }
}
