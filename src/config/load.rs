//! The whole way from a path to a configuration.

use std::path::Path;
use std::time::Duration;

use tracing::Level;

use super::authentication;
use super::files::{FileStamp, Files};
use super::issuers::{self, Kubernetes};
use super::report::Report;
use super::{Cache, Config, Log, LogFormat, Reload, file, server, values, yaml};
use crate::clock::UnixTime;
use crate::findings::{FieldPath, Findings};

const API_VERSION: &str = "countersign.dev/v1alpha1";
const KIND: &str = "CountersignConfiguration";
const LOG_FORMATS: [(&str, LogFormat); 2] = [("json", LogFormat::Json), ("text", LogFormat::Text)];
const LOG_LEVELS: [(&str, Level); 5] = [
    ("error", Level::ERROR),
    ("warn", Level::WARN),
    ("info", Level::INFO),
    ("debug", Level::DEBUG),
    ("trace", Level::TRACE),
];

const MEBIBYTE: u64 = 1024 * 1024;
const DEFAULT_CACHE_SIZE: u64 = 64 * MEBIBYTE;
/// The cache is no place for a machine's whole memory: it holds one small entry per token in use.
const MAX_CACHE_SIZE: u64 = 64 * 1024 * MEBIBYTE;
const DEFAULT_ACCEPT_TTL: Duration = Duration::from_secs(5 * 60);
const MAX_ACCEPT_TTL: Duration = Duration::from_secs(24 * 60 * 60);
const DEFAULT_REJECT_TTL: Duration = Duration::from_secs(10);
/// A refusal may be wrong in a moment, when keys or claims change at the issuer.
const MAX_REJECT_TTL: Duration = Duration::from_secs(10 * 60);

/// As long as kube-apiserver gives the issuers of a changed file.
const DEFAULT_GRACE: Duration = Duration::from_secs(60);
/// Who gives an issuer another place for its keys does not mean the old ones for much longer.
const MAX_GRACE: Duration = Duration::from_secs(60 * 60);

/// How often files that change while they are read are read again. A link swap changes all files of a volume at once, and
/// some of the old with some of the new would be a configuration that nobody wrote. What still changes after this is
/// looked at again by whoever follows the files.
const READINGS: usize = 4;

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, if nothing was refused.
    pub config: Option<Config>,
    /// Everything there is to say about it.
    pub findings: Findings,
    /// Every file that was looked at, also those that could not be read.
    pub files: Vec<FileStamp>,
}

impl Config {
    /// Loads a configuration file and all files that it names. Reads the disk: keep it off the threads that serve.
    ///
    /// `now` is what certificates' dates are compared with.
    #[must_use]
    pub fn load(path: &Path, now: UnixTime) -> Loaded {
        Self::load_softened(path, now, &[])
    }

    /// Loads the configuration of a service that runs. An expired serving certificate, with which nothing is started, is
    /// only a warning then: it must not keep an issuer from being removed.
    #[must_use]
    pub fn reload(path: &Path, now: UnixTime) -> Loaded {
        Self::load_softened(path, now, &["certificate_expired"])
    }

    /// Checks what a configuration file says about issuers, and nothing else of it: `authenticationConfiguration` and
    /// `issuers`, given as a document.
    #[must_use]
    pub fn check_issuers(document: &serde_json::Value, now: UnixTime) -> Findings {
        let root = FieldPath::root();
        let mut report = Report::new();
        let text = document.to_string();
        let Some(mut document) = read(text.as_bytes(), &mut report) else {
            return report.into_findings();
        };
        let audiences = server::DEFAULT_API_AUDIENCES.map(str::to_owned);
        let kubernetes = kubernetes(&mut document, &root, now, &mut Files::beside(Path::new("")), &mut report);
        let settings = document.issuers.take().unwrap_or_default();
        let (_, about_kubernetes) =
            issuers::merge(kubernetes, settings, &audiences, &root.field("issuers"), &mut report);
        let mut findings = report.into_findings();
        findings.extend(about_kubernetes);
        findings
    }

    fn load_softened(path: &Path, now: UnixTime, softened: &[&str]) -> Loaded {
        let mut loaded = Self::load_once(path, now, softened);
        for _ in 1..READINGS {
            if loaded.files.iter().all(FileStamp::is_current) {
                break;
            }
            loaded = Self::load_once(path, now, softened);
        }
        loaded
    }

    fn load_once(path: &Path, now: UnixTime, softened: &[&str]) -> Loaded {
        let mut files = Files::beside(path);
        let mut report = Report::new();
        let document = match files.read(path) {
            Ok(content) => read(&content.bytes, &mut report),
            Err(error) => {
                let remedy = "name the configuration file with --config, and let countersign read it";
                report.error(error.code(), &FieldPath::root(), error.to_string(), remedy);
                None
            }
        };
        let (config, kubernetes) = document.map(|document| build(document, now, &mut files, &mut report)).unzip();
        let mut findings = report.into_findings();
        findings.extend(kubernetes.unwrap_or_default());
        for code in softened {
            findings.soften(code);
        }
        Loaded { config: config.filter(|_| !findings.has_errors()), findings, files: files.into_stamps() }
    }
}

/// Reads the main file, in which Kubernetes' own may be.
fn read(bytes: &[u8], report: &mut Report) -> Option<file::CountersignConfiguration> {
    yaml::read(bytes, &FieldPath::root().field("authenticationConfiguration"), report)
}

/// Checks every section. After an error, the value only serves to go on with the checks. The findings are those about
/// Kubernetes' part.
fn build(
    mut document: file::CountersignConfiguration,
    now: UnixTime,
    files: &mut Files,
    report: &mut Report,
) -> (Config, Findings) {
    let root = FieldPath::root();
    check_type(document.api_version.as_deref(), document.kind.as_deref(), &root, report);
    let server = server::server(document.server.take(), &root.field("server"), now, files, report);
    let admin = server::admin(document.admin.take(), &server, &root.field("admin"), report);
    let kubernetes = kubernetes(&mut document, &root, now, files, report);
    let settings = document.issuers.take().unwrap_or_default();
    let (issuers, findings) =
        issuers::merge(kubernetes, settings, &server.api_audiences, &root.field("issuers"), report);

    if document.introspection.is_some_and(|entries| !entries.is_empty()) {
        let message = "token introspection is not supported yet";
        report.error("introspection_not_supported", &root.field("introspection"), message, "leave the list empty");
    }
    if document.state_directory.as_deref() == Some("") {
        report.error("invalid", &root.field("stateDirectory"), "is empty", "name a directory or remove the field");
    }
    let config = Config {
        server,
        admin,
        issuers,
        cache: cache(document.cache.unwrap_or_default(), &root.field("cache"), report),
        reload: reload(document.reload.unwrap_or_default(), &root.field("reload"), report),
        state_directory: document.state_directory.map(|name| files.resolve(&name)),
        log: log(document.log.unwrap_or_default(), &root.field("log"), report),
    };
    (config, findings)
}

fn check_type(api_version: Option<&str>, kind: Option<&str>, root: &FieldPath, report: &mut Report) {
    let path = root.field("apiVersion");
    let remedy = format!("write {API_VERSION}");
    match api_version.unwrap_or_default() {
        "" => report.missing(&path, remedy),
        API_VERSION => {}
        other => report.error("unknown_version", &path, format!("{other:?} is no version of this file"), remedy),
    }
    let path = root.field("kind");
    let remedy = format!("write {KIND}");
    match kind.unwrap_or_default() {
        "" => report.missing(&path, remedy),
        KIND => {}
        other => report.error("unknown_kind", &path, format!("{other:?} is another kind of file"), remedy),
    }
}

/// Finds Kubernetes' part, inline or in its own file, and checks it.
fn kubernetes(
    document: &mut file::CountersignConfiguration,
    root: &FieldPath,
    now: UnixTime,
    files: &mut Files,
    report: &mut Report,
) -> Kubernetes {
    let inline_path = root.field("authenticationConfiguration");
    let file_path = root.field("authenticationConfigurationFile");
    let inline = document.authentication_configuration.take();
    let (part, path, mut own_report) = match document.authentication_configuration_file.take() {
        Some(name) => {
            if inline.is_some() {
                let message = "there is an authenticationConfigurationFile, too";
                report.error("mutually_exclusive", &inline_path, message, "keep one of the two");
            }
            let mut own_report = Report::about(name.clone());
            let part = values::file(&name, &file_path, files, report).and_then(|content| {
                let part = yaml::read(&content.bytes, root, &mut own_report)?;
                authentication::form::check(&content.bytes, &mut own_report);
                Some(part)
            });
            (part, root.clone(), own_report)
        }
        None => {
            if inline.is_none() && !report.is_incomplete(&inline_path) {
                let remedy = "name Kubernetes' AuthenticationConfiguration, or write it as authenticationConfiguration";
                report.missing(&file_path, remedy);
            }
            (inline, inline_path, report.for_another_part())
        }
    };
    let authenticators = part.map(|part| authentication::check(part, &path, now, &mut own_report));
    Kubernetes {
        is_complete: authenticators.is_some() && !own_report.is_incomplete(&path),
        authenticators: authenticators.unwrap_or_default(),
        report: own_report,
    }
}

fn cache(section: file::Cache, path: &FieldPath, report: &mut Report) -> Cache {
    let ttl = |longest| Duration::ZERO..=longest;
    let (accept, reject) = (path.field("acceptTTL"), path.field("rejectTTL"));
    let sizes = MEBIBYTE..=MAX_CACHE_SIZE;
    Cache {
        max_size: values::size(section.max_size, DEFAULT_CACHE_SIZE, sizes, &path.field("maxSize"), report),
        accept_ttl: values::duration(section.accept_ttl, DEFAULT_ACCEPT_TTL, ttl(MAX_ACCEPT_TTL), &accept, report),
        reject_ttl: values::duration(section.reject_ttl, DEFAULT_REJECT_TTL, ttl(MAX_REJECT_TTL), &reject, report),
    }
}

fn reload(section: file::Reload, path: &FieldPath, report: &mut Report) -> Reload {
    let allowed = Duration::ZERO..=MAX_GRACE;
    Reload { grace: values::duration(section.grace, DEFAULT_GRACE, allowed, &path.field("grace"), report) }
}

fn log(section: file::Log, path: &FieldPath, report: &mut Report) -> Log {
    Log {
        format: values::choice(section.format, LogFormat::Json, &LOG_FORMATS, &path.field("format"), report),
        level: values::choice(section.level, Level::INFO, &LOG_LEVELS, &path.field("level"), report),
    }
}
