//! Files that change while a program follows them, in the two ways that they do in a cluster.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Puts `contents` in the place of a file at one stroke, as a careful administrator does.
pub(crate) fn replace(file: &Path, contents: &str) {
    let partial = file.with_extension("partial");
    std::fs::write(&partial, contents).unwrap();
    std::fs::rename(&partial, file).unwrap();
}

/// A folder laid out and updated as the kubelet does with a mounted Secret: every file is a link through `..data`, and
/// `..data` is a link to the present version, so that all files change at once.
pub(crate) struct MountedSecret {
    folder: PathBuf,
    version: AtomicU64,
}

impl MountedSecret {
    pub(crate) fn new(folder: PathBuf, files: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(&folder).unwrap();
        let secret = Self { folder, version: AtomicU64::new(0) };
        secret.update(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), secret.file(name)).unwrap();
        }
        secret
    }

    /// The path that a program is given for one of the files.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Puts a new version of all files in the place of the old one.
    pub(crate) fn update(&self, files: &[(&str, &str)]) {
        let number = self.version.fetch_add(1, Ordering::Relaxed);
        let version = format!("..version-{number}");
        std::fs::create_dir(self.folder.join(&version)).unwrap();
        for (name, contents) in files {
            std::fs::write(self.folder.join(&version).join(name), contents).unwrap();
        }
        let next = self.folder.join("..data_tmp");
        symlink(&version, &next).unwrap();
        std::fs::rename(&next, self.folder.join("..data")).unwrap();
        if let Some(old) = number.checked_sub(1) {
            std::fs::remove_dir_all(self.folder.join(format!("..version-{old}"))).unwrap();
        }
    }
}
