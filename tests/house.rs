//! What must hold of the sources and the documentation themselves.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::fs;
use std::path::{Path, PathBuf};

use countersign::authn::{Cause, Reason};
use countersign::metrics::Metrics;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// Every Rust file below a folder, with its path from the root.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

#[test]
fn the_readme_has_every_reason_and_cause_with_its_sentence() {
    let readme = read("README.md");
    let reasons = Reason::ALL.iter().map(|reason| (reason.code(), reason.sentence()));
    let causes = Cause::ALL.iter().map(|cause| (cause.code(), cause.sentence()));
    for (code, sentence) in reasons.chain(causes) {
        let row = format!("| `{code}` | {sentence} |");
        assert!(readme.contains(&row), "README.md lacks the row: {row}");
    }
}

#[test]
fn the_readme_names_every_metric() {
    let readme = read("README.md");
    let metrics = Metrics::new().unwrap();
    for family in metrics.registry().gather() {
        let Some(name) = family.name().strip_prefix("countersign_") else { continue };
        assert!(readme.contains(&format!("`{name}`")), "README.md does not say what {name} is");
    }
}

#[test]
fn every_test_that_the_threat_model_names_exists() {
    let model = read("docs/threat-model.md");
    let sources: String = sources("src").into_iter().chain(sources("tests")).map(|(_, text)| text).collect();
    let mut named = 0;
    for word in model.split('`').skip(1).step_by(2).filter(|word| is_test_name(word)) {
        named += 1;
        assert!(sources.contains(&format!("fn {word}(")), "docs/threat-model.md names {word}, which is no test");
    }
    assert!(named > 100, "only {named} tests are named");
}

fn is_test_name(word: &str) -> bool {
    word.matches('_').count() >= 3 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The line, from left to right. A module may use those right of its own place, and nothing beside or left of it.
const LINE: &[&[&str]] = &[
    &["commands"],
    &["app", "login"],
    &["telemetry"],
    &["metrics", "config"],
    &["server"],
    &["http"],
    &["callers", "review"],
    &["authn"],
    &["mapping", "providers"],
    &["cel", "jose", "outbound"],
    &["clock", "limits", "token"],
];

/// What all of them speak of (reasons, claims, identities, deadlines, standings) is here.
const VOCABULARY: &str = "authn";

#[test]
fn no_module_uses_what_stands_left_of_it() {
    for (name, text) in sources("src") {
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let module = name.trim_start_matches("src/").split(['/', '.']).next().unwrap();
        let Some(place) = LINE.iter().position(|place| place.contains(&module)) else { continue };
        let product: String = text
            .split("#[cfg(test)]\nmod tests")
            .next()
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .flat_map(|line| [line, "\n"])
            .collect();
        let left = LINE.iter().take(place + 1).flat_map(|place| place.iter());
        for other in left.filter(|other| **other != module && **other != VOCABULARY) {
            assert!(!product.contains(&format!("crate::{other}::")), "{name} uses crate::{other}");
        }
    }
}

/// Crates that one place alone may name, so that they can be exchanged there.
const DOORS: &[(&str, &[&str])] = &[
    (" ::cel::", &["src/cel/parse"]),
    ("jiff::", &["src/cel"]),
    ("kube::", &["src/wiring/openshift/cluster"]),
    ("moka::", &["src/authn/cache"]),
    ("prometheus::", &["src/metrics.rs", "src/app/mod.rs"]),
    ("x509_parser::", &["src/callers", "src/server", "src/config", "src/wiring", "src/jose/testing.rs"]),
    ("serde_saphyr::", &["src/config", "src/commands", "src/login/context.rs", "src/login/stanza.rs", "src/wiring"]),
    ("zbus::", &["src/login/session/vault/secret_service.rs"]),
];

#[test]
fn each_foreign_crate_has_its_own_door() {
    for (name, text) in sources("src") {
        for (path, doors) in DOORS {
            let inside = doors.iter().any(|door| Path::new(&name).starts_with(door));
            // A module of ours may end like a crate is called.
            let is_named = text.match_indices(path).any(|(at, _)| {
                !text.get(..at).unwrap().ends_with(|before: char| before.is_alphanumeric() || before == '_')
            });
            assert!(inside || !is_named, "{name} names {path}, which belongs into {doors:?}");
        }
    }
}

#[test]
fn the_wall_clock_is_read_in_one_file() {
    for (name, text) in sources("src") {
        assert!(name == "src/clock.rs" || !text.contains("SystemTime::now"), "{name} reads the clock");
    }
}

#[test]
fn only_expected_entries_are_at_the_top() {
    let known = [
        ".ci",
        ".git",
        ".gitignore",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE",
        "README.md",
        "benches",
        "clippy.toml",
        "config",
        "deny.toml",
        "deploy",
        "docs",
        "fuzz",
        "rustfmt.toml",
        "src",
        "proptest-regressions",
        "target",
        "tests",
        ".cargo",
        ".github",
    ];
    for entry in fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known.contains(&name.as_str()), "{name} is new at the top; does it earn its place?");
    }
}
