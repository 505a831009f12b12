//! Where sessions are between two runs: in a [folder](super::folder), with their secrets in the system's keyring if that
//! was chosen, or nowhere.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use super::folder::{Folder, FolderError, Reservation};
use super::key::SessionKey;
use super::record::{Record, RecordError};
use super::vault::{Vault, VaultError};

/// The choice of the user, in the words of `--token-cache-storage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Storage {
    /// In the system's keyring where one is open, else as [`Disk`](Self::Disk). What is stored stays where it is.
    #[default]
    Auto,
    /// In files of the user, readable by nobody else.
    Disk,
    /// In the system's keyring, and nowhere else.
    Keyring,
    /// Nowhere: every run gets its own token.
    Nowhere,
}

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    Disk,
    /// In the keyring.
    Keyring,
}

/// Where a record went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Here; nothing for a store that keeps nothing.
    pub place: Option<Place>,
    /// Why it is not where it should be.
    pub instead: Option<VaultError>,
}

/// The sessions of one user on one machine. Reading follows the sign that is in the folder; writing follows the choice.
#[derive(Clone, Debug)]
pub struct Store {
    folder: Option<Folder>,
    vault: Option<Arc<dyn Vault>>,
    storage: Storage,
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
    /// The keyring.
    #[error("the session is in a place that cannot be read: {0}")]
    Vault(#[from] VaultError),
}

const ENDING: &str = ".json";

impl Store {
    /// A store of files in a folder.
    #[must_use]
    pub const fn in_folder(folder: PathBuf) -> Self {
        Self { folder: Some(Folder::at(folder)), vault: None, storage: Storage::Disk }
    }

    /// A store that may use the keyring too.
    #[must_use]
    pub const fn with_vault(folder: PathBuf, vault: Arc<dyn Vault>, storage: Storage) -> Self {
        Self { folder: Some(Folder::at(folder)), vault: Some(vault), storage }
    }

    /// A store that keeps nothing.
    #[must_use]
    pub const fn nowhere() -> Self {
        Self { folder: None, vault: None, storage: Storage::Nowhere }
    }

    /// The folder, if anything is kept.
    #[must_use]
    pub const fn folder(&self) -> Option<&Folder> {
        self.folder.as_ref()
    }

    /// The record of a login, if there is one that can be used.
    ///
    /// # Errors
    /// When the folder is not fit, the record is a later version's, or in a keyring that cannot be read. A damaged record
    /// counts as none; with [`Storage::Disk`], one in a keyring that cannot be read does too.
    pub fn read(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        let Some(sign) = self.read_file(&file_name(key))?.filter(|record| record.key == *key) else { return Ok(None) };
        if !sign.in_keyring {
            return Ok(Some(sign));
        }
        match self.whole(key) {
            Err(StoreError::Vault(_)) if self.storage == Storage::Disk => Ok(None),
            record => record,
        }
    }

    /// All records that can be read, in the order of their names. Of one in a keyring that cannot be read, the sign.
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
                let whole = if record.in_keyring { self.whole(&record.key).ok().flatten() } else { None };
                records.push(whole.unwrap_or(record));
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

    /// Writes a record, into the room that was reserved for it. A keyring that was not asked for by name and does not take
    /// it is no loss: it goes into a file then.
    ///
    /// # Errors
    /// When it cannot be written; the old one is then as it was.
    pub fn write(&self, record: &Record, room: Option<Reservation>) -> Result<Kept, StoreError> {
        let Some(folder) = &self.folder else { return Ok(Kept { place: None, instead: None }) };
        let to_file = |record: &Record| match room {
            Some(room) => room.write(&record.to_bytes()),
            None => folder.write(&file_name(&record.key), &record.to_bytes()),
        };
        let was_in_keyring = self.sign(&record.key).is_some_and(|sign| sign.in_keyring);
        let mut instead = None;
        if let (Place::Keyring, Some(vault)) = (self.place(&record.key), &self.vault) {
            let whole = record.in_place(Place::Keyring);
            match vault.write(&record.key.file_stem(), &label(&record.key), &whole.to_bytes()) {
                Ok(()) => {
                    to_file(&whole.sign())?;
                    return Ok(Kept { place: Some(Place::Keyring), instead: None });
                }
                Err(error) if self.storage == Storage::Auto => instead = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        to_file(&record.in_place(Place::Disk))?;
        if let (true, Some(vault)) = (was_in_keyring, &self.vault) {
            // It is not looked at any more; that it is gone too is only tidy.
            let _ = vault.remove(&record.key.file_stem());
        }
        Ok(Kept { place: Some(Place::Disk), instead })
    }

    /// Removes a record with all its sessions.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, key: &SessionKey) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        if let (Some(vault), Some(true)) = (&self.vault, self.sign(key).map(|sign| sign.in_keyring)) {
            vault.remove(&key.file_stem())?;
        }
        Ok(folder.remove(&file_name(key))?)
    }

    /// Where a record of this login goes.
    fn place(&self, key: &SessionKey) -> Place {
        match self.storage {
            Storage::Keyring => Place::Keyring,
            Storage::Disk | Storage::Nowhere => Place::Disk,
            Storage::Auto => match self.sign(key) {
                Some(sign) if sign.in_keyring => Place::Keyring,
                Some(_) => Place::Disk,
                None if self.vault.as_ref().is_some_and(|vault| vault.is_open()) => Place::Keyring,
                None => Place::Disk,
            },
        }
    }

    /// What is in the folder for a login: the record, or the sign to the keyring.
    fn sign(&self, key: &SessionKey) -> Option<Record> {
        self.read_file(&file_name(key)).ok().flatten()
    }

    fn whole(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        let Some(vault) = &self.vault else {
            return Err(VaultError::Unreachable { what: "it was not asked for".to_owned() }.into());
        };
        let Some(bytes) = vault.read(&key.file_stem())? else { return Ok(None) };
        Ok(Record::parse(&bytes).ok().filter(|record| record.key == *key))
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

/// What people see in their keyring's window.
fn label(key: &SessionKey) -> String {
    format!("countersign: {} at {}", key.client_id, key.issuer)
}

#[cfg(test)]
mod tests;
