//! Writes a file in one step: whoever reads it sees the old content or the new, never half of one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

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
#[error("{path}: cannot be written")]
pub struct WriteError {
    path: PathBuf,
    #[source]
    cause: io::Error,
}

/// Writes a file, replacing one that is there.
///
/// The content goes to a new file beside it, which then takes the name: a private file is never readable for others,
/// not even for a moment, and a symbolic link in its place is replaced, not followed.
///
/// # Errors
/// If the folder is missing or not writable, or the disk is full. No half-written file is left behind then.
pub fn write(path: &Path, content: &[u8], access: Access) -> Result<(), WriteError> {
    write_beside(path, content, access).map_err(|cause| WriteError { path: path.to_owned(), cause })
}

fn write_beside(path: &Path, content: &[u8], access: Access) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = create(&temporary, access)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // Best effort: what counts is the first error.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn create(path: &Path, access: Access) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(access.mode()).open(path)
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
}
