//! Where sessions are between two runs: in a [folder](super::folder), with their secrets in the system's keyring if that
//! was chosen, or nowhere.

use std::ffi::OsString;
use std::path::PathBuf;

use super::folder::{Folder, FolderError, Reservation};
use super::key::SessionKey;
use super::record::{Record, RecordError};

/// The choice of the user, in the words of `--token-cache-storage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In files of the user, readable by nobody else.
    #[default]
    Disk,
    /// Nowhere: every run gets its own token.
    Nowhere,
}

/// The sessions of one user on one machine.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Option<Folder>,
}

/// Sessions that cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder or a file in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no place for them.
    #[error("there is no home folder to keep sessions in; set HOME or give --token-cache-dir")]
    NoHome,
    /// A file that this program must not replace.
    #[error("{path}: {cause}")]
    Record {
        /// The file.
        path: String,
        /// Why not.
        cause: RecordError,
    },
}

const ENDING: &str = ".json";

impl Store {
    /// A store in a folder.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(Folder::at(folder)) }
    }

    /// A store that keeps nothing.
    #[must_use]
    pub const fn nowhere() -> Self {
        Self { folder: None }
    }

    /// The folder, if anything is kept.
    #[must_use]
    pub const fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// The record of a login, if there is one that can be used.
    ///
    /// # Errors
    /// When the folder is not fit, or the record is a later version's. A damaged record counts as none.
    pub fn read(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        let record = self.read_file(&file_name(key))?;
        Ok(record.filter(|record| record.key == *key))
    }

    /// All records that can be read, in the order of their names.
    ///
    /// # Errors
    /// When the folder is not fit.
    pub fn all(&self) -> Result<Vec<Record>, StoreError> {
        let Some(folder) = &self.folder else { return Ok(Vec::new()) };
        let mut records = Vec::new();
        for name in folder.names(ENDING)? {
            // Others' files may be here too, and one that cannot be read hides none of the others.
            if let Ok(Some(record)) = self.read_file(&name)
                && file_name(&record.key) == name
            {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// Makes sure that a record can be written, before a refresh token is spent on it.
    ///
    /// # Errors
    /// When it could not be.
    pub fn reserve(&self, key: &SessionKey) -> Result<Option<Reservation>, StoreError> {
        // What providers give is rarely larger; more than the file system's unit makes sure enough.
        const ROOM: usize = 16 * 1024;
        let Some(folder) = &self.folder else { return Ok(None) };
        Ok(Some(folder.reserve(&file_name(key), ROOM)?))
    }

    /// Writes a record, into the room that was reserved for it.
    ///
    /// # Errors
    /// When it cannot be written; the old one is then as it was.
    pub fn write(&self, record: &Record, room: Option<Reservation>) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let bytes = record.to_bytes();
        match room {
            Some(room) => room.write(&bytes)?,
            None => folder.write(&file_name(&record.key), &bytes)?,
        }
        Ok(())
    }

    /// Removes a record with all its sessions.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &SessionKey) -> Result<(), StoreError> {
        match &self.folder {
            Some(folder) => Ok(folder.remove(&file_name(key))?),
            None => Ok(()),
        }
    }

    fn read_file(&self, name: &str) -> Result<Option<Record>, StoreError> {
        let Some(folder) = &self.folder else { return Ok(None) };
        let Some(bytes) = folder.read(name)? else { return Ok(None) };
        match Record::parse(&bytes) {
            Ok(record) => Ok(Some(record)),
            Err(RecordError::Damaged) => Ok(None),
            Err(cause @ RecordError::Later) => {
                Err(StoreError::Record { path: folder.path().join(name).display().to_string(), cause })
            }
        }
    }
}

/// Where sessions are kept if nobody says: `$XDG_STATE_HOME/countersign`, else `~/.local/state/countersign`. Not in a cache
/// folder: those are emptied without a second thought, and a refresh token cannot be made again without its person.
///
/// # Errors
/// When there is no home.
pub fn default_folder(environment: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, StoreError> {
    // A relative path is to be ignored, says the XDG specification.
    let absolute = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").or_else(|| absolute("USERPROFILE")).map(|home| home.join(".local").join("state")))
        .map(|state| state.join("countersign"))
        .ok_or(StoreError::NoHome)
}

fn file_name(key: &SessionKey) -> String {
    key.file_stem() + ENDING
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::login::session::record::Session;
    use crate::login::session::testing::{NOW, key, tokens};

    fn store() -> (tempfile::TempDir, Store) {
        let parent = tempfile::tempdir().unwrap();
        let store = Store::in_folder(parent.path().join("s"));
        (parent, store)
    }

    fn record(key: &SessionKey) -> Record {
        let mut record = Record::new(key.clone());
        record.put(Session::new(tokens("me", "id", NOW), "kubectl", NOW));
        record
    }

    #[test]
    fn k6_a_record_under_another_logins_name_is_not_used() {
        let (parent, store) = store();
        let other = SessionKey { issuer: "https://other".to_owned(), ..key() };
        store.write(&record(&other), None).unwrap();
        let folder = parent.path().join("s");
        fs::rename(folder.join(file_name(&other)), folder.join(file_name(&key()))).unwrap();
        assert!(store.read(&key()).unwrap().is_none());
        assert!(store.all().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_record_counts_as_none_and_hides_no_other() {
        let (parent, store) = store();
        store.write(&record(&key()), None).unwrap();
        fs::write(parent.path().join("s").join("0.json"), "{\"version\":1,").unwrap();
        assert_eq!(store.all().unwrap().len(), 1);
        fs::write(parent.path().join("s").join(file_name(&key())), "half").unwrap();
        assert!(store.read(&key()).unwrap().is_none());
    }

    #[test]
    fn a_later_versions_record_is_an_error() {
        let (parent, store) = store();
        store.write(&record(&key()), None).unwrap();
        fs::write(parent.path().join("s").join(file_name(&key())), "{\"version\":9}").unwrap();
        let error = store.read(&key()).err().unwrap().to_string();
        assert!(error.ends_with(".json: was written by a later version of countersign; update this one"), "{error}");
    }

    #[test]
    fn a_store_that_keeps_nothing_touches_no_disk() {
        let store = Store::nowhere();
        store.write(&record(&key()), store.reserve(&key()).unwrap()).unwrap();
        assert!(store.read(&key()).unwrap().is_none());
    }

    #[test]
    fn the_folder_is_where_state_belongs() {
        let folder = |variables: &[(&str, &str)]| {
            default_folder(|name| variables.iter().find(|(other, _)| *other == name).map(|(_, value)| value.into()))
                .ok()
        };
        assert_eq!(folder(&[("HOME", "/h"), ("XDG_STATE_HOME", "/s")]), Some("/s/countersign".into()));
        assert_eq!(folder(&[("HOME", "/h"), ("XDG_STATE_HOME", "s")]), Some("/h/.local/state/countersign".into()));
        assert_eq!(folder(&[("HOME", "/h")]), Some("/h/.local/state/countersign".into()));
        assert_eq!(folder(&[("HOME", "")]), None);
    }
}
