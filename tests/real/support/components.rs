//! Where the real components are, as `tests/real/setup.sh` wrote it down.

use std::path::PathBuf;
use std::sync::LazyLock;

/// The path of a component by its name in the set-up's `env` file, such as `KUBE_APISERVER`.
pub(crate) fn component(name: &str) -> PathBuf {
    static ENV: LazyLock<String> = LazyLock::new(|| {
        let file = cache().join("env");
        std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!("{}: {error}; run tests/real/setup.sh first", file.display());
        })
    });
    let path = ENV.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    match path {
        Some(path) if !path.is_empty() => PathBuf::from(path),
        _ => panic!("{name} is not set up; run tests/real/setup.sh and read what it says"),
    }
}

/// The folder that the set-up script uses, found in the same way.
fn cache() -> PathBuf {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("COUNTERSIGN_TEST_CACHE").unwrap_or_else(|| {
        folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .expect("HOME is set")
            .join("countersign-tests")
    })
}
