//! The sample configurations that the project ships, and the page that documents the settings.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::*;
use crate::config::file;

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// Every YAML file below a folder, with its name from there.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_sample_loads_without_findings() {
    let mut loaded = 0;
    for path in yaml_files(&shipped()) {
        let text = fs::read_to_string(&path).unwrap();
        if text.contains("kind: CountersignConfiguration") {
            let folder = Folder::new();
            fs::copy(shipped().join("authentication.yaml"), folder.path("authentication.yaml")).unwrap();
            assert_found(&folder.load(&text), &[], &path.display().to_string());
            loaded += 1;
        } else {
            assert!(text.contains("kind: AuthenticationConfiguration"), "{}", path.display());
        }
    }
    assert!(loaded >= 4, "{loaded} samples");
}

#[test]
fn the_complete_sample_shows_the_defaults() {
    let folder = Folder::new();
    fs::copy(shipped().join("authentication.yaml"), folder.path("authentication.yaml")).unwrap();
    let of = |name: &str| {
        let text = fs::read_to_string(shipped().join(name)).unwrap();
        folder.load(text).config.unwrap()
    };
    let minimal = of("minimal.yaml");
    let mut complete = of("complete.yaml");
    // What the sample calls examples.
    assert_eq!(complete.server.callers.allowed_names, ["kube-apiserver"]);
    complete.server.callers.allowed_names.clear();
    assert_eq!(complete.server.callers.bearer_tokens, [super::super::Secret::from(TOKEN.as_bytes())]);
    complete.server.callers.bearer_tokens.clear();
    assert_eq!(complete.state_directory.take(), Some(PathBuf::from("/var/lib/countersign")));
    assert_eq!(complete.issuers[0].proxy.take().as_deref(), Some("http://proxy.example.com:3128"));
    let algorithms = complete.issuers[0].signing_algorithms.take();
    assert_eq!(algorithms, Some(["RS256", "ES256", "EdDSA"].map(str::to_owned).to_vec()));
    assert_eq!(complete, minimal);
}

#[test]
fn every_setting_is_in_the_complete_sample_and_in_the_documentation() {
    fn names_of<T: DeserializeOwned>() -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(json!({"": 0})) else { panic!("takes anything") };
        error.to_string().split('`').skip(1).step_by(2).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
    let ours = [
        names_of::<file::CountersignConfiguration>(),
        names_of::<file::Server>(),
        names_of::<file::Tls>(),
        names_of::<file::Callers>(),
        names_of::<file::Drain>(),
        names_of::<file::Admin>(),
        names_of::<file::IssuerSettings>(),
        names_of::<file::Keys>(),
        names_of::<file::DistributedClaims>(),
        names_of::<file::Cache>(),
        names_of::<file::Reload>(),
        names_of::<file::Log>(),
    ]
    .concat_all();
    let kubernetes = [
        names_of::<file::AuthenticationConfiguration>(),
        names_of::<file::JwtAuthenticator>(),
        names_of::<file::Issuer>(),
        names_of::<file::ClaimValidationRule>(),
        names_of::<file::ClaimMappings>(),
        names_of::<file::PrefixedClaimOrExpression>(),
        names_of::<file::ClaimOrExpression>(),
        names_of::<file::ExtraMapping>(),
        names_of::<file::UserValidationRule>(),
    ]
    .concat_all();
    assert!(ours.contains("acceptTTL") && kubernetes.contains("discoveryURL"), "{ours:?} {kubernetes:?}");

    let read = |name: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let (complete, authentication) = (read("config/complete.yaml"), read("config/authentication.yaml"));
    let documentation = read("docs/configuration.md");
    let lacks = |text: &str, names: &BTreeSet<String>| -> Vec<String> {
        names.iter().filter(|name| !text.contains(name.as_str())).cloned().collect()
    };
    assert_eq!(lacks(&complete, &ours), <[&str; 0]>::default(), "complete.yaml");
    assert_eq!(lacks(&authentication, &kubernetes), <[&str; 0]>::default(), "authentication.yaml");
    assert_eq!(lacks(&documentation, &ours), <[&str; 0]>::default(), "docs/configuration.md");
    assert_eq!(lacks(&documentation, &kubernetes), <[&str; 0]>::default(), "docs/configuration.md");
}

trait ConcatAll {
    fn concat_all(self) -> BTreeSet<String>;
}

impl<const N: usize> ConcatAll for [BTreeSet<String>; N] {
    fn concat_all(self) -> BTreeSet<String> {
        self.into_iter().flatten().collect()
    }
}
