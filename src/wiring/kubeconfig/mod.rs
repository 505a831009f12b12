//! Reads a kubeconfig the way the API server reads the one of its webhook, and writes one for it.
//!
//! What the API server would use is used; what it would use and we do not support (`exec`, passwords, impersonation) is
//! refused by name; what it would overlook (unknown fields) is overlooked. Messages name the file and the field and
//! never repeat a value, since most of the values are secrets.
//!
//! Called by the commands; a [`Connection`] goes to [`Reviewer`](super::reviewer::Reviewer).

mod error;
mod fields;
mod select;
mod write;
pub(in crate::wiring) mod yaml;

use std::io;
use std::net::IpAddr;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls_pki_types::ServerName;
use url::Url;
use zeroize::Zeroizing;

pub use self::error::KubeconfigError;
pub(crate) use self::error::Problem;
use self::fields::Fields;
use crate::token::BearerToken;
use crate::wiring::pki::Identity;
use crate::wiring::{address, file};

/// How to reach a server and what to show it.
pub struct Connection {
    /// The server's URL: its path is where reviews are posted.
    pub server: Url,
    /// PEM certificates to trust instead of the system's.
    pub authority_pem: Option<Vec<u8>>,
    /// Take any server certificate. The connection is then open to whoever sits between.
    pub insecure: bool,
    /// The name that the server's certificate must have, if it is not the URL's host.
    pub tls_server_name: Option<String>,
    /// The proxy to go through, instead of the environment's.
    pub proxy: Option<Url>,
    /// The client certificate chain and its private key, in PEM.
    pub client: Option<ClientCertificate>,
    /// The bearer token to authenticate with. Not the token to be reviewed.
    pub bearer: Option<BearerToken>,
}

/// A client certificate with its key. The key has no `Debug`.
pub struct ClientCertificate {
    /// The certificate chain, leaf first.
    pub certificate_pem: Vec<u8>,
    /// The private key.
    pub private_key_pem: Zeroizing<Vec<u8>>,
}

/// A connection, and where in the kubeconfig its two halves are.
pub struct Located {
    /// The connection.
    pub connection: Connection,
    /// Such as `clusters[0].cluster`.
    pub cluster: String,
    /// Such as `users[0].user`.
    pub user: String,
}

impl From<&Identity> for ClientCertificate {
    fn from(identity: &Identity) -> Self {
        Self {
            certificate_pem: identity.certificate_pem().into(),
            private_key_pem: Zeroizing::new(identity.private_key_pem().as_bytes().to_vec()),
        }
    }
}

impl Connection {
    /// Reads the connection that a kubeconfig's current context selects.
    ///
    /// # Errors
    /// If the file, or a file that it names, cannot be read, or is not what the API server could use.
    pub fn from_file(path: &Path) -> Result<Self, KubeconfigError> {
        Ok(Self::locate(path)?.connection)
    }

    /// The same, with where in the file it is.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn locate(path: &Path) -> Result<Located, KubeconfigError> {
        let text = read_text(path).map_err(|cause| KubeconfigError {
            file: path.to_owned(),
            field: String::new(),
            problem: Problem::Unreadable { cause },
        })?;
        Self::locate_in(&text, path)
    }

    /// Reads the connection from a kubeconfig's text; `path` is where it is (or would be): relative paths inside are
    /// relative to it, and errors name it.
    ///
    /// # Errors
    /// As [`Self::from_file`].
    pub fn from_yaml(text: &str, path: &Path) -> Result<Self, KubeconfigError> {
        Ok(Self::locate_in(text, path)?.connection)
    }

    /// Whether the user or the cluster that a kubeconfig's text selects names files.
    #[must_use]
    pub fn names_files(text: &str) -> bool {
        const FIELDS: [&str; 4] = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];
        let Ok(yaml::Read { document, .. }) = yaml::read(text) else { return false };
        select::current(&document).is_ok_and(|selected| {
            FIELDS.into_iter().any(|field| selected.cluster.is_set(field) || selected.user.is_set(field))
        })
    }

    fn locate_in(text: &str, path: &Path) -> Result<Located, KubeconfigError> {
        let fail = |(field, problem): (String, Problem)| KubeconfigError { file: path.to_owned(), field, problem };
        let not_yaml = |yaml::Place { line, column }| fail((String::new(), Problem::NotYaml { line, column }));
        let document = yaml::read(text).map_err(not_yaml)?.document;
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let selected = select::current(&document).map_err(fail)?;
        Ok(Located {
            connection: connection(&selected, folder).map_err(fail)?,
            cluster: selected.cluster.path().to_owned(),
            user: selected.user.path().to_owned(),
        })
    }

    /// Leads to a server, and trusts these authorities, or those of the system. It shows nothing there.
    #[must_use]
    pub const fn to(server: Url, authority_pem: Option<Vec<u8>>) -> Self {
        Self { server, authority_pem, insecure: false, tls_server_name: None, proxy: None, client: None, bearer: None }
    }

    /// The name that TLS asks for, if it is not the server's own. TLS never asks for an address.
    #[must_use]
    pub fn other_name(&self) -> Option<&str> {
        let named = self.tls_server_name.as_deref().filter(|name| Some(*name) != self.server.host_str());
        named.filter(|_| self.other_address().is_none())
    }

    /// The address that the server's certificate must have, if the kubeconfig names one as `tls-server-name`.
    #[must_use]
    pub fn other_address(&self) -> Option<ServerName<'static>> {
        let address: IpAddr = self.tls_server_name.as_deref()?.parse().ok()?;
        Some(ServerName::from(address))
    }
}

type Outcome<T> = Result<T, (String, Problem)>;

fn connection(selected: &select::Selected<'_>, folder: &Path) -> Outcome<Connection> {
    let (cluster, user) = (&selected.cluster, &selected.user);
    refuse_unsupported(user)?;
    let authority_pem = pem(cluster, "certificate-authority", "CERTIFICATE", folder)?;
    let insecure = cluster.flag("insecure-skip-tls-verify")?;
    if insecure && authority_pem.is_some() {
        return Err(cluster.problem(
            "insecure-skip-tls-verify",
            Problem::Contradiction { with: "the certificate authority given beside it" },
        ));
    }
    let client = client_certificate(user, folder)?;
    let tls_is_meant = authority_pem.is_some() || client.is_some() || insecure;
    Ok(Connection {
        server: server(cluster, tls_is_meant)?,
        authority_pem,
        insecure,
        tls_server_name: cluster.text("tls-server-name")?.map(str::to_owned),
        proxy: proxy(cluster)?,
        client,
        bearer: bearer(user, folder)?,
    })
}

fn refuse_unsupported(user: &Fields<'_>) -> Outcome<()> {
    const PASSWORD: &str = "use a client certificate or a token";
    const PLUGIN: &str = "put a client certificate or a token (or tokenFile) in its place";
    const IMPERSONATION: &str = "name the caller itself";
    for (field, remedy) in [
        ("exec", PLUGIN),
        ("auth-provider", PLUGIN),
        ("username", PASSWORD),
        ("password", PASSWORD),
        ("as", IMPERSONATION),
        ("as-uid", IMPERSONATION),
        ("as-groups", IMPERSONATION),
        ("as-user-extra", IMPERSONATION),
    ] {
        if user.is_set(field) {
            return Err(user.problem(field, Problem::Unsupported { remedy }));
        }
    }
    Ok(())
}

/// As client-go's `DefaultServerURL`: without a scheme, TLS material decides, and there may be no path then.
fn server(cluster: &Fields<'_>, tls_is_meant: bool) -> Outcome<Url> {
    const REMEDY: &str = "write https://HOST:PORT/PATH";
    let Some(text) = cluster.text("server")? else {
        return Err(cluster.problem("server", Problem::Missing { remedy: REMEDY.to_owned() }));
    };
    let wrong = || cluster.problem("server", Problem::WrongUrl { remedy: REMEDY });
    let url = if text.contains("://") {
        address::parse(text).ok_or_else(wrong)?
    } else {
        let scheme = if tls_is_meant { "https" } else { "http" };
        let url = address::parse(&format!("{scheme}://{text}")).ok_or_else(wrong)?;
        if url.path() != "/" {
            return Err(wrong());
        }
        url
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    if !url.username().is_empty() || url.password().is_some() {
        const REMEDY: &str = "take the user name and password out of the URL";
        return Err(cluster.problem("server", Problem::Unsupported { remedy: REMEDY }));
    }
    Ok(url)
}

fn proxy(cluster: &Fields<'_>) -> Outcome<Option<Url>> {
    const REMEDY: &str = "write http://HOST:PORT or https://HOST:PORT";
    let Some(text) = cluster.text("proxy-url")? else { return Ok(None) };
    let wrong = || cluster.problem("proxy-url", Problem::WrongUrl { remedy: REMEDY });
    let url = address::parse(text).ok_or_else(wrong)?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(Some(url)),
        "socks5" => Err(cluster.problem("proxy-url", Problem::Unsupported { remedy: REMEDY })),
        _ => Err(wrong()),
    }
}

fn client_certificate(user: &Fields<'_>, folder: &Path) -> Outcome<Option<ClientCertificate>> {
    let certificate = pem(user, "client-certificate", "CERTIFICATE", folder)?;
    let key = pem(user, "client-key", "PRIVATE KEY", folder)?.map(Zeroizing::new);
    let missing = |field: &str, other: &str| {
        Err(user.problem(field, Problem::Missing { remedy: format!("{other} is given, and both belong together") }))
    };
    match (certificate, key) {
        (None, None) => Ok(None),
        (Some(_), None) => missing("client-key", "client-certificate"),
        (None, Some(_)) => missing("client-certificate", "client-key"),
        (Some(certificate_pem), Some(private_key_pem)) => {
            Ok(Some(ClientCertificate { certificate_pem, private_key_pem }))
        }
    }
}

/// `tokenFile` wins over `token` as long as it can be read.
fn bearer(user: &Fields<'_>, folder: &Path) -> Outcome<Option<BearerToken>> {
    let inline = user.text("token")?;
    if let Some(name) = user.text("tokenFile")? {
        match read_text(&folder.join(name)) {
            Ok(text) if text.trim().is_empty() => {
                return Err(user.problem("tokenFile", Problem::Empty { remedy: "put the token into the file" }));
            }
            Ok(text) => return Ok(Some(BearerToken::from(text.trim()))),
            Err(cause) if inline.is_none() => return Err(user.problem("tokenFile", Problem::Unreadable { cause })),
            Err(_) => {}
        }
    }
    Ok(inline.map(BearerToken::from))
}

/// The PEM content of `NAME` (a path) or `NAME-data` (base64), which must have a block of a kind.
fn pem(fields: &Fields<'_>, name: &str, kind: &'static str, folder: &Path) -> Outcome<Option<Vec<u8>>> {
    let data_name = &format!("{name}-data");
    let (field, content) = match (fields.text(name)?, fields.text(data_name)?) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(fields.problem(data_name, Problem::Contradiction { with: "the file given beside it" }));
        }
        (Some(file), None) => {
            let content =
                read(&folder.join(file)).map_err(|cause| fields.problem(name, Problem::Unreadable { cause }))?;
            (name, content.to_vec())
        }
        (None, Some(data)) => {
            let compact: Zeroizing<String> = Zeroizing::new(data.split_ascii_whitespace().collect());
            let content = BASE64_STANDARD.decode(compact.as_bytes());
            (data_name.as_str(), content.map_err(|_| fields.problem(data_name, Problem::NotBase64))?)
        }
    };
    let is_label = |line: &str| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&format!("{kind}-----"));
    if !String::from_utf8_lossy(&content).lines().any(is_label) {
        return Err(fields.problem(field, Problem::NotPem { kind }));
    }
    Ok(Some(content))
}

/// The content of a file.
///
/// # Errors
/// As [`file::read`]; 16 MiB are the most.
pub fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    const MAX_BYTES: u64 = 16 * 1024 * 1024;
    file::read(path, MAX_BYTES)
}

fn read_text(path: &Path) -> io::Result<Zeroizing<String>> {
    let bytes = read(path)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests;
