//! A folder with an authority and the certificates that it signed: what is missing is made, what is there is kept.
//!
//! The authority lives long and is what peers trust; its certificates are renewed under it one by one, so that a renewal
//! never touches who is trusted. Everything is made in memory first: a mistake in the order leaves the folder as it was.
//!
//! `ca.crt` and `ca.key` are the authority, `tls.crt` and `tls.key` the server, `NAME.crt` and `NAME.key` each caller.

mod pair;
mod surroundings;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use x509_parser::time::ASN1Time;
use zeroize::Zeroizing;

use self::pair::{Facts, Pair, first, is_signed_by, text};
use super::{Authority, Identity, PkiError, Validity};
use crate::clock::UnixTime;
use crate::findings::Findings;
use crate::wiring::file::{self, Access, WriteError};

/// The authority's files, without their endings.
const AUTHORITY: &str = "ca";

/// The server's files, without their endings: the names that Kubernetes gives them too.
const SERVER: &str = "tls";

/// An authority's common name, by default.
pub const AUTHORITY_NAME: &str = "countersign authority";

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
    /// The authority's common name; by default [`AUTHORITY_NAME`], or that of the one that is there.
    pub authority_name: Option<String>,
    /// How long certificates are good.
    pub days: Days,
    /// Whether server and callers get new certificates and keys although they have some. The authority stays.
    pub renew: bool,
}

/// Lifetimes in days; without one, it is the default for what has to be made. None outlives the authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The authority's.
    pub authority: Option<u32>,
    /// The server's.
    pub server: Option<u32>,
    /// The callers'.
    pub caller: Option<u32>,
}

impl Days {
    /// The authority's, by default.
    pub const AUTHORITY: u32 = 3650;
    /// The server's, by default: the webhook takes up a new certificate without a restart.
    pub const SERVER: u32 = 365;
    /// The callers', by default: API servers take up a new certificate with a restart only.
    pub const CALLER: u32 = 1825;
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
    /// The names of further callers, whose certificates are there and were not part of the order.
    pub other_callers: Vec<String>,
    /// What others may do with the folder.
    pub advice: Findings,
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
    /// The authority is there and is not what the order says. No order replaces it.
    #[error("{file}: {problem}; leave that out, or make another authority in another folder")]
    AuthorityDiffers {
        /// Its certificate.
        file: PathBuf,
        /// In what it differs.
        problem: String,
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
    let other_callers = surroundings::other_callers(path, &authority, &order.callers, now);
    let mut contents = Contents { authority: authority_entry, server, callers, other_callers, advice: Findings::new() };
    contents.advice = surroundings::exposure(path, &contents);
    Ok(contents)
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
            let facts = Facts::of(&authority.certificate_der()).map_err(failed)?;
            if facts.not_after <= self.now {
                return Err(FolderError::AuthorityEnded { file: certificate, ended: date(facts.not_after) });
            }
            if let Some(problem) = self.contradiction(&facts) {
                return Err(FolderError::AuthorityDiffers { file: certificate, problem });
            }
            let Facts { names, not_after, .. } = facts;
            return Ok((authority, Entry { certificate, key, names, not_after, deed: Deed::Kept }));
        }
        let not_after = self.end(self.order.days.authority.unwrap_or(Days::AUTHORITY));
        let name = self.order.authority_name.as_deref().unwrap_or(AUTHORITY_NAME);
        let authority = Authority::new(name, self.validity(not_after)).map_err(failed)?;
        self.pending.push((key.clone(), authority.private_key_pem(), Access::Private));
        self.pending.push((certificate.clone(), authority.certificate_pem().into(), Access::Public));
        let names = vec![name.to_owned()];
        Ok((authority, Entry { certificate, key, names, not_after, deed: Deed::Made }))
    }

    /// In what an authority that is there is not what was ordered.
    fn contradiction(&self, facts: &Facts) -> Option<String> {
        if let Some(name) = &self.order.authority_name
            && !facts.names.contains(name)
        {
            return Some(format!("is there, and its name is {}", facts.names.join(", ")));
        }
        lifetime_differs(facts, self.order.days.authority, None)
    }

    fn server(&mut self, authority: &Authority, limit: UnixTime) -> Result<Entry, FolderError> {
        let days = self.order.days.server;
        let validity = self.validity(self.end(days.unwrap_or(Days::SERVER)).min(limit));
        let ordered = Ordered { names: self.order.server_names.clone(), days, limit };
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
        let days = self.order.days.caller;
        let validity = self.validity(self.end(days.unwrap_or(Days::CALLER)).min(limit));
        let ordered = Ordered { names: vec![name.to_owned()], days, limit };
        let made = self.leaf(authority, name, &ordered, validity, |_| {
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
        ordered: &Ordered,
        validity: Validity,
        make: impl FnOnce(&[String]) -> Result<Identity, FolderError>,
    ) -> Result<(Entry, Option<Identity>), FolderError> {
        let (certificate, key) = self.files(stem);
        let mut names = ordered.names.clone();
        let mut deed = Deed::Made;
        let differs = |problem| FolderError::Differs { file: certificate.clone(), problem };
        if self.order.renew && (certificate.exists() || key.exists()) {
            // Both are made anew, whatever became of the old ones; the certificate still tells for whom.
            if names.is_empty() {
                let old = text(&certificate)?.and_then(|pem| Facts::of(&first(&pem).ok()?).ok());
                names = old.map(|facts| facts.names).unwrap_or_default();
            }
            deed = Deed::Renewed;
        } else if certificate.exists() != key.exists() {
            let [there, missing] = if key.exists() { [&key, &certificate] } else { [&certificate, &key] };
            let problem = format!("is there, but {} is missing", missing.display());
            return Err(FolderError::Differs { file: there.clone(), problem });
        } else if let Some(found) = Pair::read(&certificate, &key)? {
            let unreadable = |error: PkiError| differs(format!("cannot be read: {}", crate::outbound::chain(&error)));
            let der = first(&found.certificate).map_err(unreadable)?;
            let facts = Facts::of(&der).map_err(unreadable)?;
            if !is_signed_by(&der, authority) {
                return Err(differs("is there, but is not signed by the folder's authority".to_owned()));
            }
            if !found.belongs_together(der) {
                return Err(differs(format!("is there, but {} is not its key", key.display())));
            }
            if !ordered.names.is_empty() && !is_same_set(&ordered.names, &facts.names) {
                return Err(differs(format!("is there, for {}", facts.names.join(", "))));
            }
            if let Some(problem) = lifetime_differs(&facts, ordered.days, Some(ordered.limit)) {
                return Err(differs(problem));
            }
            let Facts { names, not_after, .. } = facts;
            let entry = Entry { certificate, key, names, not_after, deed: Deed::Kept };
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
        let files: Vec<_> =
            self.pending.iter().map(|(path, content, access)| (path.as_path(), content.as_bytes(), *access)).collect();
        Ok(file::write_all(&files)?)
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

/// What is asked of a certificate.
struct Ordered {
    names: Vec<String>,
    days: Option<u32>,
    /// The authority's end.
    limit: UnixTime,
}

/// Whether a certificate that is there is good for another time than was ordered, the authority's end aside.
fn lifetime_differs(facts: &Facts, ordered: Option<u32>, limit: Option<UnixTime>) -> Option<String> {
    let days = u64::from(ordered?);
    let is_cut = limit == Some(facts.not_after) && days > facts.days;
    (days != facts.days && !is_cut).then(|| format!("is there, good for {} days in all", facts.days))
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
