//! The last good keys on disk, so that a restart while the provider is down can still judge tokens.
//!
//! The keys are public, but whoever can write the file chooses who gets in; so folder and file must be the service's own,
//! which no digest could prove. The digest tells a torn file from a whole one, and keys that were fetched under other
//! settings (another certificate authority, say) from those that would be fetched now. A file that is not fit is left
//! out, never an error that stops a start.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::KeySettings;
use crate::clock::UnixTime;
use crate::outbound::chain;

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
    /// SHA-256 over the three above and the settings that say where the keys are, in hexadecimal.
    digest: String,
}

/// Why nothing was kept or found.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeptError {
    #[error("{path} is not a whole file of this issuer's keys under its present settings; it will be written anew")]
    Damaged { path: PathBuf },
    #[error("{path}")]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error(
        "{path} belongs to another user or can be written by others; name a folder inside it, which is then made as it \
         should be, or make it mode 0700 and owned by the service"
    )]
    Shared { path: PathBuf },
}

impl Kept {
    pub(super) fn new(settings: &KeySettings, confirmed_at: UnixTime, key_set: &[u8]) -> Self {
        let key_set = String::from_utf8_lossy(key_set).into_owned();
        let digest = seal(settings, confirmed_at.seconds(), &key_set);
        Self { issuer: settings.issuer.clone(), confirmed_at: confirmed_at.seconds(), key_set, digest }
    }

    pub(super) fn confirmed_at(&self) -> UnixTime {
        UnixTime::from_seconds(self.confirmed_at)
    }

    pub(super) fn key_set(&self) -> &[u8] {
        self.key_set.as_bytes()
    }

    /// Reads what is kept of an issuer; `None` when nothing is.
    pub(super) fn load(directory: &Path, settings: &KeySettings) -> Result<Option<Self>, KeptError> {
        let path = file_of(directory, &settings.issuer);
        let failed = |cause| KeptError::File { path: path.clone(), cause };
        check_owner(directory, &fs::metadata(directory).map_err(failed)?)?;
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        check_owner(&path, &file.metadata().map_err(failed)?)?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let kept = serde_json::from_slice::<Self>(&text).ok();
        let whole = kept.filter(|kept| {
            kept.issuer == settings.issuer && kept.digest == seal(settings, kept.confirmed_at, &kept.key_set)
        });
        whole.map(Some).ok_or(KeptError::Damaged { path })
    }

    /// Writes it whole or not at all.
    pub(super) fn save(&self, directory: &Path) -> Result<(), KeptError> {
        let path = file_of(directory, &self.issuer);
        let failed = |cause| KeptError::File { path: path.clone(), cause };
        check_owner(directory, &fs::metadata(directory).map_err(failed)?)?;
        let draft = path.with_extension("tmp");
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&draft, &path).map_err(failed)
    }
}

/// Writes whatever was sent last, until the sender is gone: one at a time, so that no older set comes to lie over a newer
/// one, and a disk that hangs holds one thread and no review.
pub(super) async fn keep(directory: PathBuf, mut kept: watch::Receiver<Option<Kept>>, report: impl Fn(&str)) {
    while kept.changed().await.is_ok() {
        let Some(newest) = kept.borrow_and_update().clone() else { continue };
        let directory = directory.clone();
        match tokio::task::spawn_blocking(move || newest.save(&directory)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => report(&chain(&error)),
            Err(_panic) => report("a fault of countersign; its log says where"),
        }
    }
}

/// Refuses what anybody but the service itself or root can have written.
fn check_owner(path: &Path, metadata: &fs::Metadata) -> Result<(), KeptError> {
    if metadata.mode() & 0o022 == 0 && is_trusted(metadata.uid(), own_uid()) {
        Ok(())
    } else {
        Err(KeptError::Shared { path: path.to_owned() })
    }
}

fn is_trusted(owner: u32, own: Option<u32>) -> bool {
    owner == 0 || own.is_none_or(|own| own == owner)
}

/// The user that this process runs as (Linux); `None` where it cannot be read.
fn own_uid() -> Option<u32> {
    fs::metadata("/proc/self").ok().map(|metadata| metadata.uid())
}

/// A file name that depends on the whole URL and cannot leave the folder.
fn file_of(directory: &Path, issuer: &str) -> PathBuf {
    directory.join(format!("keys-{}.json", hex(digest::digest(&digest::SHA256, issuer.as_bytes()).as_ref())))
}

fn seal(settings: &KeySettings, confirmed_at: u64, key_set: &str) -> String {
    let KeySettings { issuer, discovery_url, certificate_authority, proxy, .. } = settings;
    let [discovery_url, certificate_authority, proxy] =
        [discovery_url, certificate_authority, proxy].map(|setting| setting.as_deref().unwrap_or_default());
    let mut context = digest::Context::new(&digest::SHA256);
    for part in [issuer, discovery_url, certificate_authority, proxy, &confirmed_at.to_string(), key_set] {
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
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::time::Duration;

    use super::*;

    fn settings() -> KeySettings {
        KeySettings {
            issuer: "https://idp.example.com".to_owned(),
            discovery_url: None,
            certificate_authority: None,
            refresh_interval: Duration::from_secs(300),
            max_staleness: Duration::from_secs(86_400),
            state_directory: None,
            on_behalf_of: None,
            proxy: None,
        }
    }

    fn kept() -> Kept {
        Kept::new(&settings(), UnixTime::from_seconds(1_800_000_000), br#"{"keys":[]}"#)
    }

    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
        directory
    }

    #[test]
    fn g11_what_is_kept_is_found_again() {
        let directory = directory();
        assert!(Kept::load(directory.path(), &settings()).unwrap().is_none());
        kept().save(directory.path()).unwrap();
        assert_eq!(Kept::load(directory.path(), &settings()).unwrap(), Some(kept()));
        let other = KeySettings { issuer: "https://idp.example.com/".to_owned(), ..settings() };
        assert!(Kept::load(directory.path(), &other).unwrap().is_none());
        let mode = fs::metadata(file_of(directory.path(), &settings().issuer)).unwrap().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn g11_a_torn_or_edited_file_is_not_used() {
        let directory = directory();
        kept().save(directory.path()).unwrap();
        let path = file_of(directory.path(), &settings().issuer);
        let whole = fs::read_to_string(&path).unwrap();
        for broken in [whole[..whole.len() / 2].to_owned(), whole.replace("1800000000", "1800000001"), String::new()] {
            fs::write(&path, broken).unwrap();
            assert!(matches!(Kept::load(directory.path(), &settings()), Err(KeptError::Damaged { .. })));
        }
    }

    #[test]
    fn g11_keys_that_came_by_another_way_or_from_other_trust_are_not_used() {
        let directory = directory();
        kept().save(directory.path()).unwrap();
        for changed in [
            KeySettings { discovery_url: Some("https://inside.example.com".to_owned()), ..settings() },
            KeySettings { certificate_authority: Some("-----BEGIN CERTIFICATE-----".to_owned()), ..settings() },
            KeySettings { proxy: Some("http://proxy.example.com:3128".to_owned()), ..settings() },
        ] {
            assert!(matches!(Kept::load(directory.path(), &changed), Err(KeptError::Damaged { .. })));
        }
        let kept_otherwise = KeySettings { refresh_interval: Duration::from_secs(1), ..settings() };
        assert_eq!(Kept::load(directory.path(), &kept_otherwise).unwrap(), Some(kept()));
    }

    #[test]
    fn g11_what_others_can_write_is_neither_read_nor_written() {
        let directory = directory();
        kept().save(directory.path()).unwrap();
        let file = file_of(directory.path(), &settings().issuer);
        let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        for (path, bad, good) in
            [(directory.path(), 0o777, 0o700), (directory.path(), 0o770, 0o700), (&file, 0o620, 0o600)]
        {
            set_mode(path, bad);
            assert!(matches!(Kept::load(directory.path(), &settings()), Err(KeptError::Shared { .. })), "{bad:o}");
            if path == directory.path() {
                assert!(matches!(kept().save(directory.path()), Err(KeptError::Shared { .. })), "{bad:o}");
            }
            set_mode(path, good);
        }
        assert!(Kept::load(directory.path(), &settings()).unwrap().is_some());
    }

    #[test]
    fn g11_what_another_user_owns_is_not_trusted() {
        assert!(is_trusted(0, Some(1000)) && is_trusted(1000, Some(1000)) && !is_trusted(1001, Some(1000)));
        let directory = directory();
        kept().save(directory.path()).unwrap();
        for path in [directory.path(), &file_of(directory.path(), &settings().issuer)] {
            let own = fs::metadata(path).unwrap().uid();
            // Only root can give a file away.
            if chown(path, Some(own + 1), None).is_ok() {
                assert!(matches!(Kept::load(directory.path(), &settings()), Err(KeptError::Shared { .. })));
                chown(path, Some(own), None).unwrap();
            }
        }
    }
}
