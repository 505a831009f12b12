//! Whole configurations, loaded from a folder.

mod hostile;
mod kubernetes;
mod material;
mod samples;
mod settings;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Config, Loaded};
use crate::clock::UnixTime;

/// The moment at which all tests take place: 2030-06-01.
const NOW: UnixTime = UnixTime::from_seconds(1_906_502_400);
const DAY: i64 = 24 * 60 * 60;
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A folder with everything that a sound configuration names.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let Pems { certificate, key, authority } = pems();
        folder.write("tls.crt", certificate);
        folder.write_secret("tls.key", key);
        folder.write("callers-ca.crt", authority);
        folder.write_secret("caller.token", format!("{TOKEN}\n"));
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// A file that only its owner may read.
    fn write_secret(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write(name, content);
        set_mode(&self.path(name), 0o600);
    }

    fn load(&self, main: impl AsRef<[u8]>) -> Loaded {
        self.write("countersign.yaml", main);
        Config::load(&self.path("countersign.yaml"), NOW)
    }

    /// Loads a main file and the AuthenticationConfiguration that it names.
    fn load_both(&self, main: &Value, kubernetes: &Value) -> Loaded {
        self.write("authentication.yaml", kubernetes.to_string());
        self.load(main.to_string())
    }
}

struct Pems {
    certificate: String,
    key: String,
    authority: String,
}

/// A sound server certificate with its key, and a sound authority. Made once: keys take their time.
fn pems() -> &'static Pems {
    static PEMS: OnceLock<Pems> = OnceLock::new();
    PEMS.get_or_init(|| {
        let key = KeyPair::generate().unwrap();
        Pems {
            certificate: certificate(&key, valid(-30 * DAY, 300 * DAY)),
            key: key.serialize_pem(),
            authority: authority(valid(-30 * DAY, 3000 * DAY)),
        }
    })
}

/// Parameters with a name, for a life from and to so many seconds after now.
fn valid(from: i64, to: i64) -> CertificateParams {
    let mut parameters = CertificateParams::new(vec!["countersign.example".to_owned()]).unwrap();
    let at = |offset: i64| {
        let seconds = i64::try_from(NOW.seconds()).unwrap() + offset;
        let day = rcgen::date_time_ymd(1970, 1, 1);
        day + std::time::Duration::from_secs(seconds.unsigned_abs())
    };
    (parameters.not_before, parameters.not_after) = (at(from), at(to));
    parameters
}

fn certificate(key: &KeyPair, parameters: CertificateParams) -> String {
    parameters.self_signed(key).unwrap().pem()
}

fn authority(mut parameters: CertificateParams) -> String {
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    certificate(&KeyPair::generate().unwrap(), parameters)
}

fn set_mode(path: &Path, mode: u32) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let _ = (path, mode);
}

/// A main file with nothing to be said about it.
fn sound_main() -> Value {
    json!({
        "apiVersion": "countersign.dev/v1alpha1",
        "kind": "CountersignConfiguration",
        "server": {
            "address": "127.0.0.1:8443",
            "tls": {"certificateFile": "tls.crt", "privateKeyFile": "tls.key"},
            "callers": {
                "clientCertificateAuthorityFile": "callers-ca.crt",
                "allowedNames": ["kube-apiserver"],
                "bearerTokenFiles": ["caller.token"],
            },
        },
        "authenticationConfigurationFile": "authentication.yaml",
    })
}

/// The same for Kubernetes' file.
fn sound_kubernetes() -> Value {
    json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "jwt": [issuer("https://one.example", "one:"), issuer("https://two.example", "two:")],
    })
}

/// An entry of `jwt`.
fn issuer(url: &str, prefix: &str) -> Value {
    json!({
        "issuer": {"url": url, "audiences": ["kubernetes"]},
        "claimMappings": {
            "username": {"claim": "sub", "prefix": prefix},
            "groups": {"claim": "groups", "prefix": prefix},
        },
    })
}

/// Puts a value at a path such as `jwt[0].issuer.url`; objects and one further list element come into being.
fn set(document: &mut Value, path: &str, value: Value) {
    *at(document, path) = value;
}

/// Removes the member at a path.
fn unset(document: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    at(document, parent).as_object_mut().unwrap().remove(name).expect("the member to remove");
}

fn at<'a>(document: &'a mut Value, path: &str) -> &'a mut Value {
    path.split(['.', '[']).filter(|step| !step.is_empty()).fold(document, |here, step| match step.strip_suffix(']') {
        Some(index) => {
            let index: usize = index.parse().unwrap();
            if here.is_null() {
                *here = json!([]);
            }
            let list = here.as_array_mut().unwrap();
            if index == list.len() {
                list.push(Value::Null);
            }
            &mut list[index]
        }
        None => &mut here[step],
    })
}

/// What was found: severity, code and path of each, in order.
fn outcome(loaded: &Loaded) -> Vec<String> {
    loaded.findings.iter().map(|found| format!("{} {} {}", found.severity, found.code, found.path)).collect()
}

/// Asserts what was found, in any order, and that there is a configuration only if that is no error. Every finding has
/// to speak.
#[track_caller]
fn assert_found(loaded: &Loaded, expected: &[&str], case: &str) {
    let mut found = outcome(loaded);
    let mut expected: Vec<_> = expected.iter().map(|&text| text.to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{case}\n{}", loaded.findings);
    assert_eq!(loaded.config.is_none(), found.iter().any(|found| found.starts_with("error ")), "{case}");
    for finding in &loaded.findings {
        assert!(!finding.message.is_empty(), "{case}");
        assert!(!finding.remedy.is_empty() || finding.severity == crate::findings::Severity::Info, "{case}: {finding}");
    }
}
