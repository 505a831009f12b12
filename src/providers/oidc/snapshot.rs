//! The last good keys on disk, so that a restart while the provider is down can still judge tokens.
//!
//! The keys are public, but whoever can write the file chooses who gets in; so the folder must belong to the service
//! alone, and a digest tells a torn or edited file from a good one. A file that is not fit is left out, never an error
//! that stops a start.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use crate::clock::UnixTime;

/// What is kept of an issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Kept {
    /// Whose keys.
    issuer: String,
    /// When the provider last confirmed them, in seconds since 1970.
    confirmed_at: u64,
    /// The key set as the provider gave it.
    key_set: String,
    /// SHA-256 over the three above, in hexadecimal.
    digest: String,
}

/// Why nothing was kept or found.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeptError {
    #[error("{path} is not a whole file of this issuer's keys; it will be written anew")]
    Damaged { path: PathBuf },
    #[error("{path}")]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("{path} can be written by others; make it mode 0700 and owned by the service")]
    Shared { path: PathBuf },
}

impl Kept {
    pub(super) fn new(issuer: &str, confirmed_at: UnixTime, key_set: &[u8]) -> Self {
        let key_set = String::from_utf8_lossy(key_set).into_owned();
        let digest = seal(issuer, confirmed_at.seconds(), &key_set);
        Self { issuer: issuer.to_owned(), confirmed_at: confirmed_at.seconds(), key_set, digest }
    }

    pub(super) fn confirmed_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.confirmed_at)
    }

    pub(super) fn key_set(&self) -> &[u8] {
        self.key_set.as_bytes()
    }

    /// Reads what is kept of an issuer; `None` when nothing is.
    pub(super) fn load(directory: &Path, issuer: &str) -> Result<Option<Self>, KeptError> {
        let path = file_of(directory, issuer);
        let failed = |cause| KeptError::File { path: path.clone(), cause };
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        for place in [directory, &path] {
            if fs::metadata(place).map_err(failed)?.mode() & 0o022 != 0 {
                return Err(KeptError::Shared { path: place.to_owned() });
            }
        }
        let kept = serde_json::from_slice::<Self>(&text).ok();
        let whole = kept.filter(|kept| {
            kept.issuer == issuer && kept.digest == seal(&kept.issuer, kept.confirmed_at, &kept.key_set)
        });
        whole.map(Some).ok_or(KeptError::Damaged { path })
    }

    /// Writes it whole or not at all.
    pub(super) fn save(&self, directory: &Path) -> Result<(), KeptError> {
        let path = file_of(directory, &self.issuer);
        let failed = |cause| KeptError::File { path: path.clone(), cause };
        let draft = path.with_extension("tmp");
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&draft, &path).map_err(failed)
    }
}

/// A file name that depends on the whole URL and cannot leave the folder.
fn file_of(directory: &Path, issuer: &str) -> PathBuf {
    directory.join(format!("keys-{}.json", hex(digest::digest(&digest::SHA256, issuer.as_bytes()).as_ref())))
}

fn seal(issuer: &str, confirmed_at: u64, key_set: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [issuer, &confirmed_at.to_string(), key_set] {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    hex(context.finish().as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const ISSUER: &str = "https://idp.example.com";

    fn kept() -> Kept {
        Kept::new(ISSUER, UnixTime::from_seconds(1_800_000_000), br#"{"keys":[]}"#)
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        directory
    }

    #[test]
    fn g11_what_is_kept_is_found_again() {
        let directory = directory();
        assert!(Kept::load(directory.path(), ISSUER).unwrap().is_none());
        kept().save(directory.path()).unwrap();
        assert_eq!(Kept::load(directory.path(), ISSUER).unwrap(), Some(kept()));
        assert!(Kept::load(directory.path(), "https://idp.example.com/").unwrap().is_none());
        let mode = fs::metadata(file_of(directory.path(), ISSUER)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn g11_a_torn_or_edited_file_is_not_used() {
        let directory = directory();
        kept().save(directory.path()).unwrap();
        let path = file_of(directory.path(), ISSUER);
        let whole = fs::read_to_string(&path).unwrap();
        for broken in [whole[..whole.len() / 2].to_owned(), whole.replace("1800000000", "1800000001"), String::new()] {
            fs::write(&path, broken).unwrap();
            assert!(matches!(Kept::load(directory.path(), ISSUER), Err(KeptError::Damaged { .. })));
        }
    }

    #[test]
    fn g11_a_folder_that_others_can_write_is_not_trusted() {
        let directory = directory();
        kept().save(directory.path()).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Kept::load(directory.path(), ISSUER), Err(KeptError::Shared { .. })));
    }
}
