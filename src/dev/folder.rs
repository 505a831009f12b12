//! The folder of a trial: new, or left by an earlier trial. Nobody's other files are overwritten.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand;

use crate::wiring::file::{self, Access, WriteError};

/// Tells a folder that we may write into again.
const MARKER: &str = "README";

const MARKER_TEXT: &str = "\
Made by `countersign dev`, and written anew each time it starts with this folder.
Keys, certificates and tokens in here are for a trial on one machine: throw them away.
";

/// A folder that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It holds something else.
    #[error("{path}: is not empty and not from an earlier `countersign dev`; choose another --directory")]
    Occupied {
        /// The folder.
        path: PathBuf,
    },
    /// It cannot be made or looked into.
    #[error("{path}: the folder cannot be made; choose another --directory")]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A file in it cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A folder for the files of a trial, readable by its owner alone if it is new.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Takes a folder, or makes a new one below the system's folder for temporary files.
    ///
    /// # Errors
    /// If it cannot be made, or holds files that are not from a trial.
    pub fn prepare(wanted: Option<&Path>) -> Result<Self, FolderError> {
        let path = match wanted {
            Some(path) => path.to_owned(),
            None => temporary(),
        };
        let unusable = |cause| FolderError::Unusable { path: path.clone(), cause };
        match fs::read_dir(&path) {
            Ok(mut entries) => {
                if entries.next().is_some() && !path.join(MARKER).is_file() {
                    return Err(FolderError::Occupied { path });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(&path).map_err(unusable)?,
            Err(error) => return Err(unusable(error)),
        }
        // Files name each other by their folder; a relative one would be wrong for who pastes a command elsewhere.
        let path = path.canonicalize().map_err(unusable)?;
        let folder = Self { path };
        folder.write(MARKER, MARKER_TEXT.as_bytes(), Access::Public)?;
        Ok(folder)
    }

    /// The folder's absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a file of this name is.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, content: &[u8], access: Access) -> Result<(), FolderError> {
        Ok(file::write(&self.file(name), content, access)?)
    }
}

/// A name that nobody can have put in our way.
fn temporary() -> PathBuf {
    let mut random = [0; 8];
    // Without randomness the name is a known one, and `make` refuses it if it is taken.
    let _ = rand::fill(&mut random);
    std::env::temp_dir().join(format!("countersign-dev-{:016x}", u64::from_be_bytes(random)))
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    DirBuilder::new().mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_private_and_marked() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = Folder::prepare(Some(&parent.path().join("a/b"))).unwrap();
        assert_eq!(fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read_to_string(folder.file("README")).unwrap(), MARKER_TEXT);
        assert!(folder.path().is_absolute());
    }

    #[test]
    fn an_empty_folder_and_one_of_an_earlier_trial_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        Folder::prepare(Some(folder.path())).unwrap();
        Folder::prepare(Some(folder.path())).unwrap();
    }

    #[test]
    fn a_folder_with_other_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("config.yaml"), "mine").unwrap();
        let error = Folder::prepare(Some(folder.path())).unwrap_err();
        assert!(matches!(error, FolderError::Occupied { .. }), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_the_folders_place_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, "mine").unwrap();
        let error = Folder::prepare(Some(&path)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{}: the folder cannot be made; choose another --directory", path.display())
        );
    }
}
