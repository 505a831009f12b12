//! Reads and writes files: whoever reads one that is written here sees the old content or the new, never half of one; and
//! whoever reads one here does not wait for ever.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use zeroize::Zeroizing;

/// How long somebody may take to fill a pipe: `<(vault read …)` takes seconds, and a forgotten pipe forever.
const PIPE: Duration = Duration::from_secs(30);

/// Who may read a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// The owner alone (0600): private keys, tokens, and kubeconfigs that contain either.
    Private,
    /// Everyone (0644).
    Public,
}

impl Access {
    const fn mode(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: cannot be written{after}", after = after(.written))]
pub struct WriteError {
    path: PathBuf,
    /// Those of the same order that have their new content already.
    written: Vec<PathBuf>,
    #[source]
    cause: io::Error,
}

fn after(written: &[PathBuf]) -> String {
    if written.is_empty() {
        return String::new();
    }
    let names: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    format!(", but these are written already: {} (mend it and run the command again)", names.join(", "))
}

/// Writes a file, replacing one that is there.
///
/// The content goes to a new file beside it, which then takes the name: a private file is never readable for others,
/// not even for a moment, and a symbolic link in its place is replaced, not followed.
///
/// # Errors
/// If the folder is missing or not writable, or the disk is full. No half-written file is left behind then.
pub fn write(path: &Path, content: &[u8], access: Access) -> Result<(), WriteError> {
    write_all(&[(path, content, access)])
}

/// Writes several files: all of them are complete beside their places before the first takes its place.
///
/// # Errors
/// As [`write()`]; nothing was changed then, unless the error names what was.
pub fn write_all(files: &[(&Path, &[u8], Access)]) -> Result<(), WriteError> {
    let staged = files.iter().map(|(path, content, access)| {
        let cause = |cause| WriteError { path: path.to_path_buf(), written: Vec::new(), cause };
        Staged::beside(path, content, *access).map_err(cause)
    });
    put(staged.collect::<Result<_, _>>()?)
}

fn put(files: Vec<Staged>) -> Result<(), WriteError> {
    let mut written = Vec::new();
    for file in files {
        match fs::rename(&file.temporary, &file.path) {
            Ok(()) => written.push(file.path.clone()),
            Err(cause) => return Err(WriteError { path: file.path.clone(), written, cause }),
        }
    }
    Ok(())
}

/// New content beside the place that it is for. What has not taken its place is gone with this.
struct Staged {
    temporary: PathBuf,
    path: PathBuf,
}

impl Staged {
    fn beside(path: &Path, content: &[u8], access: Access) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
        name.push(format!(".{}.new", std::process::id()));
        if fs::symlink_metadata(path).is_ok_and(|there| there.is_dir()) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let temporary = path.with_file_name(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(&temporary)?;
        let staged = Self { temporary, path: path.to_owned() };
        file.write_all(content)?;
        Ok(staged)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // There is nothing to remove after a success, and nobody to tell after a failure.
        let _ = fs::remove_file(&self.temporary);
    }
}

/// The content of a file, up to a limit: a device, or a log that was named by mistake, does not fill the memory.
///
/// Pipes are read too, since shells make them (`<(command)`); but one that nobody fills is given up after half a minute.
///
/// # Errors
/// If it cannot be read, has more bytes than `most`, or does not end in time.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    if fs::metadata(path)?.is_file() {
        return read_up_to(path, most);
    }
    read_within(path, most, PIPE)
}

/// Reads aside, since neither opening nor reading a pipe can be interrupted.
fn read_within(path: &Path, most: u64, limit: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
    let (sender, content) = mpsc::channel();
    let file = path.to_owned();
    thread::spawn(move || drop(sender.send(read_up_to(&file, most))));
    content.recv_timeout(limit).unwrap_or_else(|_| {
        let why = format!(
            "it is no regular file, and did not come to an end within {limit:?}: somebody has to fill and close it"
        );
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    })
}

fn read_up_to(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let length = File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if length as u64 > most {
        const MIB: u64 = 1024 * 1024;
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {} MiB; give the right file", most / MIB),
        ));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_readable_by_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        write(&path, b"secret", Access::Private).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"secret".to_vec(), 0o600));
    }

    #[test]
    fn a_private_file_that_replaces_an_open_one_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls.key");
        write(&path, b"old", Access::Public).unwrap();
        write(&path, b"new", Access::Private).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"new".to_vec(), 0o600));
    }

    #[test]
    fn a_symbolic_link_is_replaced_and_its_target_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (target, path) = (folder.path().join("target"), folder.path().join("tls.key"));
        fs::write(&target, "keep me").unwrap();
        symlink(&target, &path).unwrap();
        write(&path, b"secret", Access::Private).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"keep me");
        assert_eq!(fs::read(&path).unwrap(), b"secret");
    }

    #[test]
    fn a_failed_write_names_the_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let occupied = folder.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        let error = write(&occupied, b"x", Access::Public).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be written", occupied.display()));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// What is in a folder, and what each file has in it.
    fn contents(folder: &Path) -> Vec<(String, Option<String>)> {
        let mut found: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).ok()))
            .collect();
        found.sort();
        found
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&first, "old").unwrap();
        fs::create_dir(&second).unwrap();
        let before = contents(folder.path());
        let order: [(&Path, &[u8], Access); 2] = [(&first, b"new", Access::Private), (&second, b"new", Access::Public)];
        let error = write_all(&order).unwrap_err();
        assert_eq!(error.to_string(), format!("{}: cannot be written", second.display()));
        assert_eq!(contents(folder.path()), before);
        fs::remove_dir(&second).unwrap();
        write_all(&order).unwrap();
        let new = |name: &str| (name.to_owned(), Some("new".to_owned()));
        assert_eq!(contents(folder.path()), [new("a"), new("b")]);
    }

    #[test]
    fn what_was_replaced_before_a_failure_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a"), folder.path().join("b"));
        let stage = |path| Staged::beside(path, b"new", Access::Public).unwrap();
        let staged = vec![stage(&first), stage(&second)];
        fs::create_dir(&second).unwrap();
        let text = put(staged).unwrap_err().to_string();
        let (first, second) = (first.display(), second.display());
        assert_eq!(
            text,
            format!(
                "{second}: cannot be written, but these are written already: {first} (mend it and run the command again)"
            )
        );
        assert_eq!(contents(folder.path()), [("a".to_owned(), Some("new".to_owned())), ("b".to_owned(), None)]);
    }

    fn pipe(folder: &Path) -> PathBuf {
        let pipe = folder.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        pipe
    }

    #[test]
    fn a_pipe_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = pipe(folder.path());
        let writer = thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, "content").unwrap()
        });
        assert_eq!(*read(&pipe, 7).unwrap(), b"content");
        writer.join().unwrap();
    }

    #[test]
    fn a_pipe_that_nobody_fills_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_within(&pipe(folder.path()), 7, Duration::from_millis(50)).unwrap_err();
        let why = "it is no regular file, and did not come to an end within 50ms: somebody has to fill and close it";
        assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::TimedOut, why.to_owned()));
    }

    #[test]
    fn what_is_larger_than_the_limit_is_not_read() {
        let error = read(Path::new("/dev/zero"), 1024 * 1024).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 1 MiB; give the right file");
    }
}
