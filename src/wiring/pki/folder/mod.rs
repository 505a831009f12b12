//! A folder with an authority and the certificates that it signed: what is missing is made, what is there is kept.
//!
//! The authority lives long and is what peers trust; its certificates are renewed under it one by one, so that a renewal
//! never touches who is trusted. Everything is made in memory first: a mistake in the order leaves the folder as it was.
//!
//! `ca.crt` and `ca.key` are the authority, `tls.crt` and `tls.key` the server, `NAME.crt` and `NAME.key` each caller.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use super::{Authority, Identity, PkiError, Validity};
use crate::clock::UnixTime;
use crate::wiring::file::{self, Access, WriteError};

/// The authority's files, without their endings.
const AUTHORITY: &str = "ca";

/// The server's files, without their endings: the names that Kubernetes gives them too.
const SERVER: &str = "tls";

/// Certificates begin a little in the past, for peers whose clocks are behind.
const BACKDATED: Duration = Duration::from_secs(5 * 60);

/// What a folder is to hold.
#[derive(Clone, Debug)]
pub struct Order {
    /// The DNS names and IP addresses that the server is reached under. May be empty when the folder has its
    /// certificate already: a renewed one has the names of the old.
    pub server_names: Vec<String>,
    /// The names of the callers, which become their certificates' common names.
    pub callers: Vec<String>,
    /// The common name of an authority that has to be made.
    pub authority_name: String,
    /// How long new certificates are good, in days.
    pub days: Days,
    /// Whether server and callers get new certificates and keys although they have some. The authority stays.
    pub renew: bool,
}

/// Lifetimes in days. None outlives the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days {
    /// The authority's.
    pub authority: u32,
    /// The server's.
    pub server: u32,
    /// The callers'.
    pub caller: u32,
}

/// What was done about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was there and is as it was.
    Kept,
    /// It is new.
    Made,
    /// It was there, and another one is in its place now.
    Renewed,
}

/// A certificate in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The certificate's file.
    pub certificate: PathBuf,
    /// Its private key's file.
    pub key: PathBuf,
    /// Whom it is for: names as they are in the certificate.
    pub names: Vec<String>,
    /// When it ends.
    pub not_after: UnixTime,
    /// What was done about it.
    pub deed: Deed,
}

/// What the folder holds afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// The authority.
    pub authority: Entry,
    /// The server's certificate.
    pub server: Entry,
    /// The callers' certificates, in the order's sequence.
    pub callers: Vec<Entry>,
}

/// A folder that cannot be made what was ordered. Unless it is a write that failed, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The authority is over.
    #[error(
        "{file}: the authority ended on {ended}; make a new one in another folder, and have both trusted meanwhile"
    )]
    AuthorityEnded {
        /// Its certificate.
        file: PathBuf,
        /// When.
        ended: String,
    },
    /// A caller's name is no good as a file name, or is taken.
    #[error("{name:?} cannot be a caller's name here: {problem}")]
    CallerName {
        /// The name.
        name: String,
        /// Why not.
        problem: &'static str,
    },
    /// A certificate is there and is not what the order says.
    #[error("{file}: {problem}; order it to be renewed (--renew), or use another folder")]
    Differs {
        /// The certificate.
        file: PathBuf,
        /// In what it differs.
        problem: String,
    },
    /// Of certificate and private key, one is there and the other is not.
    #[error("{missing}: is missing, but {present} is there; put it back, or use another folder")]
    Half {
        /// What is missing.
        missing: PathBuf,
        /// What is there.
        present: PathBuf,
    },
    /// Nobody knows what the server's certificate is for.
    #[error("no name for the server's certificate; give the DNS names and IP addresses that API servers will use")]
    NoServerName,
    /// A certificate cannot be made or used.
    #[error("{file}")]
    Pki {
        /// Which one.
        file: PathBuf,
        /// Why not.
        #[source]
        cause: PkiError,
    },
    /// A file cannot be read, or the folder cannot be made.
    #[error("{path}: cannot be used")]
    Unusable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Makes a folder hold what is ordered.
///
/// # Errors
/// If the order contradicts what is there, or files cannot be read or written.
pub fn fill(path: &Path, order: &Order, now: UnixTime) -> Result<Contents, FolderError> {
    check_callers(&order.callers)?;
    let mut work = Work { path, order, now, pending: Vec::new() };
    let (authority, authority_entry) = work.authority()?;
    let server = work.server(&authority, authority_entry.not_after)?;
    let callers = order
        .callers
        .iter()
        .map(|name| work.caller(&authority, authority_entry.not_after, name))
        .collect::<Result<_, _>>()?;
    work.write()?;
    Ok(Contents { authority: authority_entry, server, callers })
}

fn check_callers(names: &[String]) -> Result<(), FolderError> {
    for (position, name) in names.iter().enumerate() {
        check_caller(name)?;
        if names.iter().take(position).any(|other| other == name) {
            return Err(FolderError::CallerName { name: name.clone(), problem: "it is given twice" });
        }
    }
    Ok(())
}

/// Whether a name can be a caller's in a folder.
///
/// # Errors
/// If it is no name of a file, or the authority's or the server's.
pub fn check_caller(name: &str) -> Result<(), FolderError> {
    let refuse = |problem| Err(FolderError::CallerName { name: name.to_owned(), problem });
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'));
    if name.is_empty() || name.len() > 64 || !is_plain || name.starts_with(['.', '-']) {
        return refuse("use up to 64 letters, digits, dots, dashes, underscores and colons");
    }
    if name == AUTHORITY || name == SERVER {
        return refuse("its file has that name already");
    }
    Ok(())
}

/// An order on its way: what is to be written is collected, and written at the end.
struct Work<'a> {
    path: &'a Path,
    order: &'a Order,
    now: UnixTime,
    pending: Vec<(PathBuf, Zeroizing<String>, Access)>,
}

impl Work<'_> {
    fn authority(&mut self) -> Result<(Authority, Entry), FolderError> {
        let (certificate, key) = self.files(AUTHORITY);
        let failed = |cause| FolderError::Pki { file: certificate.clone(), cause };
        if let Some(found) = Pair::read(&certificate, &key)? {
            let authority = Authority::from_pem(&found.certificate, &found.key).map_err(failed)?;
            let (names, not_after) = facts(&authority.certificate_der()).map_err(failed)?;
            if not_after <= self.now {
                return Err(FolderError::AuthorityEnded { file: certificate, ended: date(not_after) });
            }
            return Ok((authority, Entry { certificate, key, names, not_after, deed: Deed::Kept }));
        }
        let not_after = self.end(self.order.days.authority);
        let name = &self.order.authority_name;
        let authority = Authority::new(name, self.validity(not_after)).map_err(failed)?;
        self.pending.push((key.clone(), authority.private_key_pem(), Access::Private));
        self.pending.push((certificate.clone(), authority.certificate_pem().into(), Access::Public));
        let names = vec![name.clone()];
        Ok((authority, Entry { certificate, key, names, not_after, deed: Deed::Made }))
    }

    fn server(&mut self, authority: &Authority, limit: UnixTime) -> Result<Entry, FolderError> {
        let validity = self.validity(self.end(self.order.days.server).min(limit));
        let ordered = self.order.server_names.clone();
        self.leaf(authority, SERVER, &ordered, validity, |names| {
            if names.is_empty() {
                return Err(FolderError::NoServerName);
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            authority
                .serving_certificate(&names, validity)
                .map_err(|cause| FolderError::Pki { file: self.path.join("tls.crt"), cause })
        })
        .and_then(|made| self.take(made))
    }

    fn caller(&mut self, authority: &Authority, limit: UnixTime, name: &str) -> Result<Entry, FolderError> {
        let validity = self.validity(self.end(self.order.days.caller).min(limit));
        let made = self.leaf(authority, name, &[name.to_owned()], validity, |_| {
            authority
                .client_certificate(name, &[], validity)
                .map_err(|cause| FolderError::Pki { file: self.path.join(format!("{name}.crt")), cause })
        })?;
        self.take(made)
    }

    /// The certificate that is there, or a new one for these names (or, if there are none, for those of the old).
    fn leaf(
        &self,
        authority: &Authority,
        stem: &str,
        ordered: &[String],
        validity: Validity,
        make: impl FnOnce(&[String]) -> Result<Identity, FolderError>,
    ) -> Result<(Entry, Option<Identity>), FolderError> {
        let (certificate, key) = self.files(stem);
        let mut names = ordered.to_vec();
        let mut deed = Deed::Made;
        let differs = |problem| FolderError::Differs { file: certificate.clone(), problem };
        if self.order.renew && (certificate.exists() || key.exists()) {
            // Both are made anew, whatever became of the old ones; the certificate still tells for whom.
            if names.is_empty() {
                let old = text(&certificate)?.and_then(|pem| facts(&first(&pem).ok()?).ok());
                names = old.map(|(names, _)| names).unwrap_or_default();
            }
            deed = Deed::Renewed;
        } else if certificate.exists() != key.exists() {
            let [there, missing] = if key.exists() { [&key, &certificate] } else { [&certificate, &key] };
            let problem = format!("is there, but {} is missing", missing.display());
            return Err(FolderError::Differs { file: there.clone(), problem });
        } else if let Some(found) = Pair::read(&certificate, &key)? {
            let unreadable = |error: PkiError| differs(format!("cannot be read: {}", crate::outbound::chain(&error)));
            let der = first(&found.certificate).map_err(unreadable)?;
            let (old_names, not_after) = facts(&der).map_err(unreadable)?;
            if !is_signed_by(&der, authority) {
                return Err(differs("is there, but is not signed by the folder's authority".to_owned()));
            }
            if !found.belongs_together(der) {
                return Err(differs(format!("is there, but {} is not its key", key.display())));
            }
            if !ordered.is_empty() && !is_same_set(ordered, &old_names) {
                return Err(differs(format!("is there, for {}", old_names.join(", "))));
            }
            let entry = Entry { certificate, key, names: old_names, not_after, deed: Deed::Kept };
            return Ok((entry, None));
        }
        let identity = make(&names)?;
        Ok((Entry { certificate, key, names, not_after: validity.not_after, deed }, Some(identity)))
    }

    fn take(&mut self, (entry, identity): (Entry, Option<Identity>)) -> Result<Entry, FolderError> {
        if let Some(identity) = identity {
            self.pending.push((entry.key.clone(), identity.private_key_pem().clone(), Access::Private));
            let certificate = identity.certificate_pem().to_owned().into();
            self.pending.push((entry.certificate.clone(), certificate, Access::Public));
        }
        Ok(entry)
    }

    fn write(&self) -> Result<(), FolderError> {
        if !self.path.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(self.path);
            made.map_err(|cause| FolderError::Unusable { path: self.path.to_owned(), cause })?;
        }
        for (path, content, access) in &self.pending {
            file::write(path, content.as_bytes(), *access)?;
        }
        Ok(())
    }

    fn files(&self, stem: &str) -> (PathBuf, PathBuf) {
        (self.path.join(format!("{stem}.crt")), self.path.join(format!("{stem}.key")))
    }

    const fn end(&self, days: u32) -> UnixTime {
        self.now.saturating_add(Duration::from_secs(days as u64 * 24 * 60 * 60))
    }

    const fn validity(&self, not_after: UnixTime) -> Validity {
        Validity::between(self.now.saturating_sub(BACKDATED), not_after)
    }
}

/// A certificate and its key, as they are on the disk.
struct Pair {
    certificate: String,
    key: Zeroizing<String>,
}

impl Pair {
    /// Whether the key is that of the certificate.
    fn belongs_together(&self, certificate: CertificateDer<'static>) -> bool {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .is_ok_and(|key| CertifiedKey::from_der(vec![certificate], key, &aws_lc_rs::default_provider()).is_ok())
    }

    /// Both, or nothing if neither is there.
    fn read(certificate: &Path, key: &Path) -> Result<Option<Self>, FolderError> {
        let half = |missing: &Path, present: &Path| {
            Err(FolderError::Half { missing: missing.to_owned(), present: present.to_owned() })
        };
        match (text(certificate)?, text(key)?.map(Zeroizing::new)) {
            (None, None) => Ok(None),
            (Some(_), None) => half(key, certificate),
            (None, Some(_)) => half(certificate, key),
            (Some(certificate), Some(key)) => Ok(Some(Self { certificate, key })),
        }
    }
}

fn text(path: &Path) -> Result<Option<String>, FolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(FolderError::Unusable { path: path.to_owned(), cause }),
    }
}

fn first(pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| PkiError::Unreadable { problem: format!("the PEM cannot be read: {error}") })
}

/// Whom a certificate is for (its alternative names, or else its common name), and when it ends.
fn facts(der: &CertificateDer<'_>) -> Result<(Vec<String>, UnixTime), PkiError> {
    let unreadable = |problem: String| PkiError::Unreadable { problem };
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| unreadable(error.to_string()))?;
    let extension = certificate.subject_alternative_name().map_err(|error| unreadable(error.to_string()))?;
    let mut names: Vec<String> =
        extension.map(|extension| extension.value.general_names.iter().filter_map(name).collect()).unwrap_or_default();
    if names.is_empty() {
        names.extend(certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok()).map(str::to_owned));
    }
    let end = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    Ok((names, UnixTime::from_seconds(end)))
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => match **bytes {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| std::net::Ipv6Addr::from(bytes).to_string()),
        },
        _ => None,
    }
}

fn is_signed_by(der: &CertificateDer<'_>, authority: &Authority) -> bool {
    let authority = authority.certificate_der();
    let (Ok((_, certificate)), Ok((_, authority))) =
        (X509Certificate::from_der(der), X509Certificate::from_der(&authority))
    else {
        return false;
    };
    certificate.verify_signature(Some(authority.public_key())).is_ok()
}

fn is_same_set(one: &[String], other: &[String]) -> bool {
    one.iter().all(|name| other.contains(name)) && other.iter().all(|name| one.contains(name))
}

/// A moment as RFC 3339 writes it.
pub(crate) fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.seconds()).unwrap_or(i64::MAX);
    let Ok(time) = ASN1Time::from_timestamp(seconds) else { return time.to_string() };
    let time = time.to_datetime();
    let (year, month, day) = (time.year(), u8::from(time.month()), time.day());
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests;
