//! A folder for secrets: 0700, files 0600, ours alone, each file replaced in one step.
//!
//! Other users can neither look in nor put links in the way: the folder must be a real folder of this user, and is closed to
//! others before anything is read or written. Names inside are opened without following links. A run that is killed while it
//! writes leaves the old file as it was.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Far more than sessions take; keeps a wrong file from being read into memory.
const MAX_BYTES: u64 = 1024 * 1024;

/// A folder that is fit for secrets.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

/// What is wrong with the folder or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The system does not let us.
    #[error(
        "{path}: cannot be {doing}; see that the folder is yours and the disk has room, or choose another with --token-cache-dir"
    )]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// Somebody else's, a link, or not a file.
    #[error("{path}: is {what}; remove it, or choose another folder with --token-cache-dir")]
    NotOurs {
        /// The file or folder.
        path: PathBuf,
        /// What it is instead.
        what: &'static str,
    },
}

impl Folder {
    /// The folder at a path, whether or not it is there.
    #[must_use]
    pub const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads a file; nothing if it, or the folder, is not there.
    ///
    /// # Errors
    /// When it is not ours, or cannot be read.
    pub fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, FolderError> {
        if !self.check()? {
            return Ok(None);
        }
        let path = self.path.join(name);
        let file = match options().read(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(link_or(path, "read", cause)),
        };
        let length = check_file(&file, &path)?;
        if length > MAX_BYTES {
            return Err(FolderError::NotOurs { path, what: "too large for a session" });
        }
        // One byte more than it has: the end is found without the buffer moving, which would leave copies behind.
        let capacity = usize::try_from(length).unwrap_or_default() + 1;
        let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
        let cause = |cause| FolderError::Io { path: path.clone(), doing: "read", cause };
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(cause)?;
        Ok(Some(bytes))
    }

    /// Makes sure, before anything irrevocable is done, that a file of about this size could be written.
    ///
    /// # Errors
    /// When it could not.
    pub fn reserve(&self, name: &str, size: usize) -> Result<Reservation, FolderError> {
        self.make()?;
        let path = self.path.join(name);
        let beside = self.path.join(format!(".{name}.new"));
        let failed = |cause| FolderError::Io { path: path.clone(), doing: "written", cause };
        // Whoever writes holds the login's lock, so one that is there is what a killed run left.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        let mut file = options().write(true).create_new(true).open(&beside).map_err(failed)?;
        let mut reservation = Reservation { file: None, beside, path: path.clone() };
        file.write_all(&vec![0; size]).and_then(|()| file.sync_data()).map_err(failed)?;
        reservation.file = Some(file);
        Ok(reservation)
    }

    /// Replaces a file in one step.
    ///
    /// # Errors
    /// When it cannot be written; the old one is then as it was.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        self.reserve(name, 0)?.write(bytes)
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), FolderError> {
        let path = self.path.join(name);
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Io { path, doing: "removed", cause })
            }
            _ => Ok(()),
        }
    }

    /// The names of all files with an ending, sorted.
    ///
    /// # Errors
    /// When the folder is not ours or cannot be read.
    pub fn names(&self, ending: &str) -> Result<Vec<String>, FolderError> {
        if !self.check()? {
            return Ok(Vec::new());
        }
        let failed = |cause| FolderError::Io { path: self.path.clone(), doing: "read", cause };
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            if let Ok(name) = entry.map_err(failed)?.file_name().into_string()
                && name.ends_with(ending)
                && !name.starts_with('.')
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Opens a file that stays, for locks and marks: made if it is not there, its content kept.
    ///
    /// # Errors
    /// When it is not ours, or cannot be opened.
    pub fn open(&self, name: &str) -> Result<File, FolderError> {
        self.make()?;
        let path = self.path.join(name);
        let file = options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|cause| link_or(path.clone(), "opened", cause))?;
        check_file(&file, &path)?;
        Ok(file)
    }

    /// Makes the folder if it is not there, and sees that it is fit.
    fn make(&self) -> Result<(), FolderError> {
        if self.check()? {
            return Ok(());
        }
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.path).map_err(|cause| FolderError::Io {
            path: self.path.clone(),
            doing: "made",
            cause,
        })?;
        self.check().map(drop)
    }

    /// Whether the folder is there; an error if it is not fit.
    #[cfg(unix)]
    fn check(&self) -> Result<bool, FolderError> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let path = || self.path.clone();
        let metadata = match fs::symlink_metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(FolderError::Io { path: path(), doing: "read", cause }),
        };
        if !metadata.is_dir() {
            let what = if metadata.is_symlink() { "a symbolic link" } else { "not a folder" };
            return Err(FolderError::NotOurs { path: path(), what });
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(FolderError::NotOurs { path: path(), what: "another user's folder" });
        }
        if metadata.mode() & 0o077 != 0 {
            fs::set_permissions(&self.path, fs::Permissions::from_mode(0o700)).map_err(|cause| FolderError::Io {
                path: path(),
                doing: "closed to others",
                cause,
            })?;
        }
        Ok(true)
    }

    #[cfg(not(unix))]
    fn check(&self) -> Result<bool, FolderError> {
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => Ok(true),
            Ok(_) => Err(FolderError::NotOurs { path: self.path.clone(), what: "not a folder" }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(FolderError::Io { path: self.path.clone(), doing: "read", cause }),
        }
    }
}

/// Room on the disk for a file that is about to be replaced. Dropped without writing, it leaves no trace.
#[derive(Debug)]
pub struct Reservation {
    file: Option<File>,
    beside: PathBuf,
    path: PathBuf,
}

impl Reservation {
    /// Writes the file and gives it its name.
    ///
    /// # Errors
    /// When the disk has become full all the same; the old file is then as it was.
    pub fn write(mut self, bytes: &[u8]) -> Result<(), FolderError> {
        let failed = |cause| FolderError::Io { path: self.path.clone(), doing: "written", cause };
        let Some(mut file) = self.file.take() else { return Ok(()) };
        io::Seek::rewind(&mut file)
            .and_then(|()| file.write_all(bytes))
            .and_then(|()| file.set_len(bytes.len() as u64))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&self.beside, &self.path))
            .map_err(failed)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // After a rename there is nothing of this name; otherwise nobody needs it.
        let _ = fs::remove_file(&self.beside);
    }
}

/// Never through a link, never waiting for the other end of a pipe, new files closed to others.
#[cfg(unix)]
fn options() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags(flags.bits().cast_signed());
    options
}

#[cfg(not(unix))]
fn options() -> OpenOptions {
    OpenOptions::new()
}

/// The length of an ordinary file of ours.
fn check_file(file: &File, path: &Path) -> Result<u64, FolderError> {
    let failed = |cause| FolderError::Io { path: path.to_owned(), doing: "read", cause };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(FolderError::NotOurs { path: path.to_owned(), what: "not an ordinary file" });
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::uid(&metadata) != rustix::process::geteuid().as_raw() {
        return Err(FolderError::NotOurs { path: path.to_owned(), what: "another user's file" });
    }
    Ok(metadata.len())
}

fn link_or(path: PathBuf, doing: &'static str, cause: io::Error) -> FolderError {
    match fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_symlink() => FolderError::NotOurs { path, what: "a symbolic link" },
        _ => FolderError::Io { path, doing, cause },
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::login::session::testing::names;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::at(parent.path().join("a").join("b"));
        (parent, folder)
    }

    #[test]
    fn k1_folder_and_files_are_closed_to_others() {
        let (_parent, folder) = folder();
        folder.write("x.json", b"secret").unwrap();
        folder.open("x.lock").unwrap();
        let path = folder.path();
        assert_eq!([mode(path), mode(&path.join("x.json")), mode(&path.join("x.lock"))], [0o700, 0o600, 0o600]);
        assert_eq!(folder.read("x.json").unwrap().unwrap().as_slice(), b"secret");
        assert_eq!(names(path), ["x.json", "x.lock"]);
    }

    #[test]
    fn k1_a_folder_that_others_could_read_is_closed_first() {
        let (_parent, folder) = folder();
        fs::create_dir_all(folder.path()).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(folder.read("x.json").unwrap().is_none());
        assert_eq!(mode(folder.path()), 0o700);
    }

    #[test]
    fn k1_links_in_the_way_are_not_followed() {
        let (parent, folder) = folder();
        folder.write("other", b"1").unwrap();
        let target = parent.path().join("target");
        fs::write(&target, "theirs").unwrap();
        for name in ["x.json", "x.lock"] {
            symlink(&target, folder.path().join(name)).unwrap();
        }
        let what = "a symbolic link; remove it, or choose another folder with --token-cache-dir";
        assert!(folder.read("x.json").unwrap_err().to_string().ends_with(what));
        assert!(folder.open("x.lock").unwrap_err().to_string().ends_with(what));
        symlink(&target, folder.path().join(".x.json.new")).unwrap();
        folder.write("x.json", b"ours").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"theirs");
        assert_eq!(folder.read("x.json").unwrap().unwrap().as_slice(), b"ours");
    }

    #[test]
    fn k1_a_hard_link_in_the_way_is_replaced_and_not_written_through() {
        let (parent, folder) = folder();
        folder.write("other", b"1").unwrap();
        let target = parent.path().join("target");
        fs::write(&target, "mine").unwrap();
        fs::hard_link(&target, folder.path().join("x.json")).unwrap();
        folder.write("x.json", b"secret").unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"mine");
    }

    #[test]
    fn k1_a_link_instead_of_the_folder_is_refused() {
        let (parent, folder) = folder();
        fs::create_dir_all(folder.path().parent().unwrap()).unwrap();
        symlink(parent.path(), folder.path()).unwrap();
        assert!(matches!(folder.write("x", b""), Err(FolderError::NotOurs { what: "a symbolic link", .. })));
        assert!(matches!(folder.read("x"), Err(FolderError::NotOurs { what: "a symbolic link", .. })));
    }

    #[test]
    fn a_pipe_in_the_way_does_not_make_a_run_hang() {
        let (_parent, folder) = folder();
        folder.write("other", b"1").unwrap();
        let made = std::process::Command::new("mkfifo").arg(folder.path().join("x.json")).status();
        if !made.is_ok_and(|status| status.success()) {
            println!("skipped: mkfifo is not there");
            return;
        }
        assert!(matches!(folder.read("x.json"), Err(FolderError::NotOurs { what: "not an ordinary file", .. })));
    }

    #[test]
    fn what_a_killed_run_left_does_not_matter() {
        let (_parent, folder) = folder();
        folder.write("x.json", b"old").unwrap();
        fs::write(folder.path().join(".x.json.new"), "half of a").unwrap();
        assert_eq!(folder.read("x.json").unwrap().unwrap().as_slice(), b"old");
        folder.write("x.json", b"new").unwrap();
        assert_eq!(names(folder.path()), ["x.json"]);
    }

    #[test]
    fn room_that_is_not_used_leaves_the_old_file_and_no_trace() {
        let (_parent, folder) = folder();
        folder.write("x.json", b"old").unwrap();
        drop(folder.reserve("x.json", 4096).unwrap());
        assert_eq!(folder.read("x.json").unwrap().unwrap().as_slice(), b"old");
        assert_eq!(names(folder.path()), ["x.json"]);
        folder.reserve("x.json", 4096).unwrap().write(b"short").unwrap();
        assert_eq!(folder.read("x.json").unwrap().unwrap().as_slice(), b"short");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named_with_a_remedy() {
        let (parent, folder) = folder();
        fs::write(parent.path().join("a"), "a file").unwrap();
        let error = folder.write("x", b"").unwrap_err().to_string();
        assert!(error.starts_with(&folder.path().display().to_string()), "{error}");
        assert!(error.ends_with("or choose another with --token-cache-dir"), "{error}");
    }
}
