//! What the set-up scripts have built and installed for benches and tests.

use std::path::{Path, PathBuf};

/// A program or file that `benches/peers/setup.sh` has put there.
pub(crate) fn peer(name: &str) -> Option<PathBuf> {
    Some(cache()?.join("peers").join(name)).filter(|path| path.exists())
}

/// A program that `tests/real/setup.sh` has found or built, by its name in the file `env` there, such as `ETCD`.
pub(crate) fn component(name: &str) -> Option<PathBuf> {
    let programs = std::fs::read_to_string(cache()?.join("env")).ok()?;
    let path = programs.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
    Some(PathBuf::from(path)).filter(|path| path.exists())
}

/// The folder of both, found as they find it.
fn cache() -> Option<PathBuf> {
    std::env::var_os("COUNTERSIGN_TEST_CACHE").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&std::env::var_os("HOME")?).join(".cache")))?;
        Some(home.join("countersign-tests"))
    })
}
