//! From the flags that kube-apiserver had before there was a file for it: `--oidc-issuer-url` and its like.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{ALGORITHMS, Claim, DEFAULT_ALGORITHM, Issuer, Migration};

/// Why flags say no issuer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FlagsError {
    /// The flag is none of kube-apiserver's.
    #[error("--{0}: kube-apiserver has no such flag")]
    Unknown(String),
    /// A flag that takes a value has none.
    #[error("--{0}: needs a value, as in --{0}=VALUE")]
    NoValue(String),
    /// An algorithm that kube-apiserver does not take.
    #[error(
        "--oidc-signing-algs: {0:?} is not one of its values; choose from RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384, PS512"
    )]
    Algorithm(String),
    /// Not `claim=value`.
    #[error("--oidc-required-claim: {0:?} is not CLAIM=VALUE")]
    RequiredClaim(String),
    /// kube-apiserver wants both.
    #[error("--oidc-issuer-url and --oidc-client-id are needed, both")]
    Incomplete,
    /// kube-apiserver takes the file or the flags.
    #[error(
        "--authentication-config: what the flags say is in that file then; give it to countersign as it is (authenticationConfigurationFile)"
    )]
    HasFile,
    /// The certificate authority cannot be read.
    #[error("--oidc-ca-file: {0}")]
    AuthorityFile(String),
}

/// Flags that concern others than the issuer and are worth a word.
const API_AUDIENCES: [&str; 2] = ["api-audiences", "service-account-issuer"];

/// The flags that take one value; of several the last counts.
const SINGLE: [&str; 7] = [
    "oidc-issuer-url",
    "oidc-client-id",
    "oidc-username-claim",
    "oidc-username-prefix",
    "oidc-groups-claim",
    "oidc-groups-prefix",
    "oidc-ca-file",
];
/// Takes a list, and may come more than once.
const ALGORITHM_LIST: &str = "oidc-signing-algs";
/// Takes one claim and its value, which may hold commas; may come more than once.
const REQUIRED_CLAIM: &str = "oidc-required-claim";

/// Reads kube-apiserver's flags, all of them or those about OIDC only. `read` returns a file's text.
///
/// # Errors
/// When kube-apiserver would not start with them, or a file cannot be read.
pub fn read(arguments: &[String], read: impl FnOnce(&str) -> Result<String, String>) -> Result<Migration, FlagsError> {
    let mut migration = Migration::default();
    let mut values: BTreeMap<&str, String> = BTreeMap::new();
    let (mut names, mut claims) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(flag) = argument.strip_prefix("--") else { continue };
        let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value.to_owned())));
        let mut value = || {
            let next = value.clone().or_else(|| arguments.next_if(|next| !next.starts_with("--")).cloned());
            next.ok_or_else(|| FlagsError::NoValue(name.to_owned()))
        };
        if let Some(single) = SINGLE.iter().find(|single| **single == name) {
            values.insert(single, value()?);
        } else if name == ALGORITHM_LIST {
            names.extend(value()?.split(',').map(|entry| entry.trim().to_owned()));
        } else if name == REQUIRED_CLAIM {
            claims.push(value()?);
        } else if name == "authentication-config" {
            return Err(FlagsError::HasFile);
        } else if name.starts_with("oidc-") {
            return Err(FlagsError::Unknown(name.to_owned()));
        } else if API_AUDIENCES.contains(&name) {
            let line = format!("--{name}={}: goes into server.apiAudiences of countersign's own file", value()?);
            migration.leave_behind(line);
        }
    }
    let mut take = |name: &str| values.remove(name).filter(|value| !value.is_empty());
    let (Some(url), Some(client)) = (take("oidc-issuer-url"), take("oidc-client-id")) else {
        return Err(FlagsError::Incomplete);
    };
    let username = take("oidc-username-claim").unwrap_or_else(|| "sub".to_owned());
    let prefix = match take("oidc-username-prefix").as_deref() {
        Some("-") => String::new(),
        Some(prefix) => prefix.to_owned(),
        None if username == "email" => String::new(),
        None => format!("{url}#"),
    };
    let groups_prefix = take("oidc-groups-prefix").unwrap_or_default();
    let groups = take("oidc-groups-claim").map(|name| Claim { name, prefix: groups_prefix.clone() });
    if groups.is_none() && !groups_prefix.is_empty() {
        migration.leave_behind("--oidc-groups-prefix: has no effect without --oidc-groups-claim".to_owned());
    }
    let authority = take("oidc-ca-file").map(|path| read(&path)).transpose().map_err(FlagsError::AuthorityFile)?;
    migration.issuers.push(Issuer {
        url,
        certificate_authority: authority,
        audiences: vec![client],
        username: Claim { name: username, prefix },
        groups,
        required: required_claims(claims)?,
        algorithms: algorithms(names)?,
        ..Issuer::default()
    });
    Ok(migration)
}

/// In the order of their names, as kube-apiserver makes rules of them; of several for one claim the last counts.
fn required_claims(pairs: Vec<String>) -> Result<Vec<(String, String)>, FlagsError> {
    let mut claims = BTreeMap::new();
    for pair in pairs {
        let halves = pair.split_once('=').map(|(claim, value)| (claim.trim(), value.trim()));
        let Some((claim, value)) = halves.filter(|(claim, _)| !claim.is_empty()) else {
            return Err(FlagsError::RequiredClaim(pair));
        };
        claims.insert(claim.to_owned(), value.to_owned());
    }
    Ok(claims.into_iter().collect())
}

fn algorithms(names: Vec<String>) -> Result<Vec<String>, FlagsError> {
    let mut chosen: Vec<String> = Vec::new();
    for name in names.into_iter().filter(|name| !name.is_empty()) {
        if !ALGORITHMS.contains(&name.as_str()) {
            return Err(FlagsError::Algorithm(name));
        }
        if !chosen.contains(&name) {
            chosen.push(name);
        }
    }
    if chosen.is_empty() {
        chosen.push(DEFAULT_ALGORITHM.to_owned());
    }
    Ok(chosen)
}
