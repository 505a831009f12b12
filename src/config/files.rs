//! Reading the files that a configuration consists of, each once, with a stamp to tell later whether it changed.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use thiserror::Error;
use zeroize::Zeroizing;

use super::yaml::MAX_BYTES;

/// Which file was looked at, and what was in it, as a digest. Whoever follows a configuration asks the stamps.
///
/// Files that could not be read have a stamp, too: their appearance is a change.
#[derive(Clone, PartialEq, Eq)]
pub struct FileStamp {
    path: PathBuf,
    digest: Option<[u8; digest::SHA256_OUTPUT_LEN]>,
}

impl FileStamp {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file could be read.
    #[must_use]
    pub const fn was_readable(&self) -> bool {
        self.digest.is_some()
    }

    /// Whether the file still has the content that it had, by reading it again. Reads the disk: keep it off the
    /// threads that serve.
    #[must_use]
    pub fn is_current(&self) -> bool {
        *self == Self::new(&self.path, read(&self.path).ok().as_ref())
    }

    /// One digest for all files of a configuration, in hexadecimal: the same exactly if their contents and names are.
    #[must_use]
    pub fn fingerprint(stamps: &[Self]) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        for stamp in stamps {
            let name = stamp.path.as_os_str().as_encoded_bytes();
            context.update(&name.len().to_be_bytes());
            context.update(name);
            context.update(&stamp.digest.unwrap_or_default());
        }
        context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn new(path: &Path, content: Option<&Content>) -> Self {
        let digest =
            content.and_then(|content| digest::digest(&digest::SHA256, &content.bytes).as_ref().try_into().ok());
        Self { path: path.to_owned(), digest }
    }
}

impl fmt::Debug for FileStamp {
    /// Without the digest: the file may be a short secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileStamp").field("path", &self.path).field("was_readable", &self.was_readable()).finish()
    }
}

/// What a file holds.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Whether users who are neither the owner nor in the file's group may read it.
    pub(super) is_world_readable: bool,
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub(super) enum FileError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("{path} is not a regular file")]
    NotAFile { path: PathBuf },
    #[error("{path} is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge { path: PathBuf },
}

impl FileError {
    pub(super) const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NotAFile { .. } => "file_unreadable",
            Self::TooLarge { .. } => "file_too_large",
        }
    }

    pub(super) fn remedy(&self, directory: &Path) -> String {
        match self {
            Self::Unreadable { cause, .. } if cause.kind() == io::ErrorKind::PermissionDenied => {
                "let the user that runs countersign read it".to_owned()
            }
            Self::Unreadable { .. } | Self::NotAFile { .. } => {
                format!("correct the name or create the file; relative names start at {}", directory.display())
            }
            Self::TooLarge { .. } => "check that it is the right file".to_owned(),
        }
    }
}

/// The files of one configuration. A file that is named twice is read once, so that all parts see one reading.
pub(super) struct Files {
    directory: PathBuf,
    read: BTreeMap<PathBuf, Option<Content>>,
}

impl Files {
    /// Files relative to the directory of the configuration file.
    pub(super) fn beside(configuration: &Path) -> Self {
        let directory = match configuration.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self { directory, read: BTreeMap::new() }
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// The path that a name in the configuration stands for.
    pub(super) fn resolve(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn read(&mut self, path: &Path) -> Result<Content, FileError> {
        if let Some(Some(content)) = self.read.get(path) {
            return Ok(content.clone());
        }
        let content = read(path);
        self.read.insert(path.to_owned(), content.as_ref().ok().cloned());
        content
    }

    pub(super) fn into_stamps(self) -> Vec<FileStamp> {
        self.read.iter().map(|(path, content)| FileStamp::new(path, content.as_ref())).collect()
    }
}

fn read(path: &Path) -> Result<Content, FileError> {
    let unreadable = |cause| FileError::Unreadable { path: path.to_owned(), cause };
    // Asked before opening: opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    // The whole capacity at once: growing would leave copies of a secret behind.
    let capacity = usize::try_from(metadata.len().min(MAX_BYTES) + 1).unwrap_or(0);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(FileError::TooLarge { path: path.to_owned() });
    }
    Ok(Content { bytes, is_world_readable: is_world_readable(&metadata) })
}

#[cfg(unix)]
fn is_world_readable(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o004 != 0
}

#[cfg(not(unix))]
fn is_world_readable(_metadata: &fs::Metadata) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j6_a_stamp_notices_changed_vanished_and_appearing_files() {
        let directory = tempfile::tempdir().unwrap();
        let (there, absent) = (directory.path().join("there"), directory.path().join("absent"));
        fs::write(&there, "one").unwrap();
        let mut files = Files::beside(&directory.path().join("configuration.yaml"));
        assert_eq!(&files.read(&there).unwrap().bytes[..], b"one");
        assert!(files.read(&absent).is_err());

        let stamps = files.into_stamps();
        let [absent_stamp, there_stamp] = &stamps[..] else { panic!("{stamps:?}") };
        assert_eq!((absent_stamp.path(), there_stamp.path()), (&*absent, &*there));
        assert!(!absent_stamp.was_readable() && there_stamp.was_readable());
        assert!(absent_stamp.is_current() && there_stamp.is_current());

        fs::write(&there, "two").unwrap();
        fs::write(&absent, "").unwrap();
        assert!(!absent_stamp.is_current() && !there_stamp.is_current());
        fs::write(&there, "one").unwrap();
        assert!(there_stamp.is_current());
        fs::remove_file(&there).unwrap();
        assert!(!there_stamp.is_current());
    }

    #[test]
    #[cfg(unix)]
    fn j6_a_stamp_follows_the_symbolic_link_swap_of_mounted_volumes() {
        use std::os::unix::fs::symlink;
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("..1", "one"), ("..2", "two")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        let mut files = Files::beside(&at("configuration.yaml"));
        files.read(&at("tls.crt")).unwrap();
        let stamps = files.into_stamps();
        assert!(stamps[0].is_current());

        symlink("..2", at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        assert!(!stamps[0].is_current());
    }

    #[test]
    fn j5_a_file_that_is_named_twice_is_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("both.pem");
        fs::write(&path, "one").unwrap();
        let mut files = Files::beside(&path);
        files.read(&path).unwrap();
        fs::write(&path, "two").unwrap();
        assert_eq!(&files.read(&path).unwrap().bytes[..], b"one");
    }

    #[test]
    fn directories_devices_and_oversized_files_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let limit = usize::try_from(MAX_BYTES).unwrap();
        fs::write(&path, vec![b'x'; limit]).unwrap();
        assert_eq!(read(&path).unwrap().bytes.len(), limit);
        fs::write(&path, vec![b'x'; limit + 1]).unwrap();
        assert!(matches!(read(&path), Err(FileError::TooLarge { .. })));
        assert!(matches!(read(directory.path()), Err(FileError::NotAFile { .. })));
        #[cfg(unix)]
        assert!(matches!(read(Path::new("/dev/zero")), Err(FileError::NotAFile { .. })));
    }

    #[test]
    fn relative_names_start_at_the_configuration_file() {
        let files = Files::beside(Path::new("etc/countersign.yaml"));
        assert_eq!(files.resolve("tls.crt"), Path::new("etc/tls.crt"));
        assert_eq!(files.resolve("/run/tls.crt"), Path::new("/run/tls.crt"));
        assert_eq!(Files::beside(Path::new("countersign.yaml")).resolve("tls.crt"), Path::new("./tls.crt"));
    }

    #[test]
    fn j1_debug_output_of_a_stamp_has_no_digest() {
        let stamp = FileStamp { path: "x".into(), digest: Some([7; 32]) };
        assert_eq!(format!("{stamp:?}"), r#"FileStamp { path: "x", was_readable: true }"#);
    }
}
