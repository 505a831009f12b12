//! The flags that say how an API server reaches the webhook, shared by everything that is rendered for one.

use std::path::{Path, PathBuf};

use url::Url;
use zeroize::Zeroizing;

use super::super::{Failure, terminal};
use super::refusal::Refusal;
use crate::clock::UnixTime;
use crate::config::Config;
use crate::findings::{Finding, Findings, Severity};
use crate::token::BearerToken;
use crate::wiring::file::{self, Access};
use crate::wiring::kubeconfig::{self, ClientCertificate, Connection};
use crate::wiring::pki::folder::check_caller;
use crate::wiring::service;
use crate::wiring::soundness::{self, Places};
use crate::wiring::{address, pem};

/// How the API server reaches the webhook, and what it shows there.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "How the API server reaches the webhook")]
pub(crate) struct WebhookFlags {
    /// The webhook's URL as API servers use it; without a path, /authenticate is meant.
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// The PEM certificates of the authority that signed the webhook's certificate.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate_authority: Option<PathBuf>,
    /// The name in the webhook's certificate, if it is not the URL's host.
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_server_name: Option<String>,
    /// The API server's client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "client_key")]
    pub(crate) client_certificate: Option<PathBuf>,
    /// The private key of the client certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "client_certificate")]
    pub(crate) client_key: Option<PathBuf>,
    /// A file with the bearer token that the API server shows instead of a certificate.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_certificate", "pki"])]
    pub(crate) caller_token_file: Option<PathBuf>,
    /// A folder made by `render pki`: takes its authority and the client certificate of --caller.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["client_certificate"])]
    pub(crate) pki: Option<PathBuf>,
    /// Which client certificate of --pki to use.
    #[arg(long, value_name = "NAME", default_value = "kube-apiserver", requires = "pki")]
    pub(crate) caller: String,
    /// The webhook's own configuration: fills in what it says, and checks that both fit together.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// A connection that may be written, and what there is to say about it.
pub(crate) struct Webhook {
    pub(crate) connection: Connection,
    /// Warnings and remarks; no errors.
    pub(crate) advice: Findings,
}

impl WebhookFlags {
    /// Reads the files, and judges the connection that they make.
    ///
    /// # Errors
    /// If flags are missing or files cannot be read; if the connection could not work, all reasons.
    pub(crate) fn webhook(&self, now: UnixTime) -> Result<Webhook, Refusal> {
        let config = self.config.as_deref().map(|path| load(path, now)).transpose()?;
        let mut advice = Findings::new();
        let connection = self.connection(config.as_ref(), &mut advice)?;
        let places = Places::default();
        advice.extend(soundness::examine(&connection, &places, now));
        if let Some(config) = &config {
            advice.extend(service::examine(&connection, &places, config, now));
        }
        if advice.has_errors() {
            return Err(Refusal::because(advice, "it could not work"));
        }
        Ok(Webhook { connection, advice })
    }

    fn connection(&self, config: Option<&Config>, advice: &mut Findings) -> Result<Connection, Failure> {
        let bearer = match &self.caller_token_file {
            Some(path) => Some(token(path)?),
            None => None,
        };
        let client = self.client()?;
        let from_config = || config.and_then(service::bearer).filter(|_| client.is_none());
        Ok(Connection {
            server: self.url(config, advice)?,
            authority_pem: self.authority()?.or_else(|| config.and_then(service::authority_pem)),
            insecure: false,
            tls_server_name: self.tls_server_name.clone(),
            proxy: None,
            bearer: bearer.or_else(from_config),
            client,
        })
    }

    fn url(&self, config: Option<&Config>, advice: &mut Findings) -> Result<Url, Failure> {
        let Some(text) = &self.server else {
            return config.and_then(service::url).ok_or_else(|| {
                let why = if config.is_some() { ": the configuration listens on every address" } else { "" };
                Failure::WrongUse(format!("--server is missing{why}; give https://HOST:PORT{}", service::PATH))
            });
        };
        let wrong =
            |what: &str| Failure::WrongUse(format!("--server: {what}; write https://HOST:PORT{}", service::PATH));
        let mut url = address::parse(text).ok_or_else(|| wrong("is not a URL that an API server can use"))?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong("is not the URL of a web server"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("has a user name or password in it"));
        }
        if url.path() == "/" {
            url.set_path(service::PATH);
            advice.push(Finding {
                code: "url_path_added",
                severity: Severity::Info,
                path: Places::default().cluster_field("server"),
                message: format!("--server has no path; the service answers at {}, which was added", service::PATH),
                remedy: String::new(),
            });
        }
        Ok(url)
    }

    fn authority(&self) -> Result<Option<Vec<u8>>, Failure> {
        let of_pki = self.pki.as_ref().map(|folder| folder.join("ca.crt"));
        self.certificate_authority.as_ref().or(of_pki.as_ref()).map(|path| certificates(path)).transpose()
    }

    fn client(&self) -> Result<Option<ClientCertificate>, Failure> {
        if let Some(folder) = self.pki.as_ref().filter(|folder| !folder.is_dir()) {
            let folder = folder.display();
            return Err(Failure::WrongUse(format!(
                "--pki: {folder} is no folder; make it with `countersign render pki --directory {folder}`"
            )));
        }
        if self.pki.is_some() {
            check_caller(&self.caller).map_err(|error| Failure::WrongUse(format!("--caller: {error}")))?;
        }
        let of_pki = |ending: &str| self.pki.as_ref().map(|folder| folder.join(format!("{}.{ending}", self.caller)));
        let certificate = self.client_certificate.clone().or_else(|| of_pki("crt"));
        let key = self.client_key.clone().or_else(|| of_pki("key"));
        let (Some(certificate), Some(key)) = (certificate, key) else { return Ok(None) };
        Ok(Some(ClientCertificate {
            certificate_pem: certificates(&certificate)?,
            private_key_pem: Zeroizing::new(read(&key)?),
        }))
    }
}

fn load(path: &Path, now: UnixTime) -> Result<Config, Failure> {
    let loaded = Config::load(path, now);
    loaded.config.ok_or_else(|| {
        let path = path.display();
        Failure::Refused(format!("{path}: has errors; `countersign check --config {path}` lists them"))
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let content = kubeconfig::read(path);
    content
        .map(|content| content.to_vec())
        .map_err(|error| Failure::WrongUse(format!("{}: cannot be read: {error}", path.display())))
}

/// The certificates in a file, and nothing else: with a key beside them, it would go where everybody may read it.
fn certificates(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let certificates = pem::certificates(&bytes);
    // What has none is judged as it is, and refused with its reason.
    Ok(if certificates.is_empty() && !pem::has_private_key(&bytes) { bytes.to_vec() } else { certificates })
}

fn token(path: &Path) -> Result<BearerToken, Failure> {
    let bytes = Zeroizing::new(read(path)?);
    let text = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let path = path.display();
        return Err(Failure::WrongUse(format!(
            "{path}: is not a bearer token; put one line of printable ASCII into it"
        )));
    }
    Ok(BearerToken::from(text))
}

/// Prints what has a key in it, or writes it into a file for its owner alone; `-` is standard output.
pub(crate) fn deliver(text: &str, path: Option<&Path>, force: bool) -> Result<(), Failure> {
    let Some(path) = path.filter(|path| path.as_os_str() != "-") else { return terminal::print(text) };
    if path.exists() && !force {
        return Err(Failure::WrongUse(format!("{}: is there already; --force replaces it", path.display())));
    }
    file::write(path, text.as_bytes(), Access::Private).map_err(|error| Failure::unknown(&error))?;
    terminal::print(&format!("{}: written\n", path.display()))
}

/// Says on standard error what there is to say about what was rendered.
pub(crate) fn advise(advice: &Findings) {
    for finding in advice {
        terminal::complain(&finding.to_string());
    }
}
