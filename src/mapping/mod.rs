//! From verified claims to the user that the API server will see (AuthenticationConfiguration `claimMappings` and
//! `claimValidationRules`). Pure: the same claims give the same user.
//!
//! What must hold on every path: the user name is not empty, no name deceives a reader, and nothing starts with
//! `system:` unless the operator let that exact name through. kube-apiserver checks none of this in a webhook's answer.

pub(crate) mod names;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::authn::{Reason, UserInfo, VerifiedClaims};

/// The most groups that a token may carry. Beyond it the token is refused whole: cutting the list silently could take
/// away a group that a deny rule is bound to.
pub const MAX_GROUPS: usize = 500;

/// The key under which Kubernetes reports which credential was used (KEP-740 style `JTI=…`).
const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// How one issuer's claims become a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the user name comes from.
    pub username: Claim,
    /// Where the groups come from, if anywhere.
    pub groups: Option<Claim>,
    /// The claim that holds the uid, if any.
    pub uid: Option<String>,
    /// Claims that must have certain values.
    pub rules: Vec<Rule>,
    /// What to do with names that start with `system:`.
    pub reserved: Reserved,
    /// Whether an e-mail address as user name needs `email_verified` to be present.
    pub require_verified_email: bool,
}

/// A claim and what is put before its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim's exact name.
    pub name: String,
    /// Put before each value; may be empty.
    pub prefix: String,
}

/// A claim that must be a string with exactly this value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The claim's exact name.
    pub claim: String,
    /// The value; an empty one requires an empty string.
    pub value: String,
}

/// Names that Kubernetes gives a meaning of its own: users and groups that start with `system:`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reserved {
    /// These exact names pass, all others are refused.
    Allow(Vec<String>),
    /// All are refused.
    #[default]
    Reject,
}

impl Mapping {
    /// The user that these claims describe.
    ///
    /// # Errors
    ///
    /// The first reason to refuse the token, in the order of Kubernetes' own authenticator: user name, groups, uid,
    /// extra, claim rules.
    pub fn user(&self, claims: &VerifiedClaims) -> Result<UserInfo, Reason> {
        let claims = claims.all();
        let user = UserInfo {
            username: self.username(claims)?,
            groups: self.groups(claims)?,
            uid: self.uid(claims)?,
            extra: Self::extra(claims)?,
        };
        self.rules.iter().try_for_each(|rule| rule.check(claims))?;
        Ok(user)
    }

    /// The user name, prefix included.
    ///
    /// # Errors
    ///
    /// When the claim is missing, mistyped, empty, unverified (e-mail), deceptive or reserved.
    pub fn username(&self, claims: &Map<String, Value>) -> Result<String, Reason> {
        let name = string(claims, &self.username.name)?;
        if self.username.name == "email" {
            self.check_email(claims)?;
        }
        if name.is_empty() {
            return Err(Reason::IdentityInvalid);
        }
        self.name(&self.username.prefix, name)
    }

    /// The groups, prefix included, in the token's order. An absent claim and `null` are no groups.
    ///
    /// # Errors
    ///
    /// When the claim is neither a string nor a list of strings, or one of them is deceptive or reserved, or there are
    /// more than [`MAX_GROUPS`].
    pub fn groups(&self, claims: &Map<String, Value>) -> Result<Vec<String>, Reason> {
        let Some(claim) = &self.groups else { return Ok(Vec::new()) };
        match claims.get(&claim.name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(group)) => Ok(vec![self.name(&claim.prefix, group)?]),
            Some(Value::Array(groups)) if groups.len() > MAX_GROUPS => Err(Reason::Oversized),
            Some(Value::Array(groups)) => {
                groups.iter().map(|group| self.name(&claim.prefix, group.as_str().ok_or(Reason::ClaimType)?)).collect()
            }
            Some(_) => Err(Reason::ClaimType),
        }
    }

    /// The uid; empty when none is mapped.
    ///
    /// # Errors
    ///
    /// When the claim is mapped and missing, mistyped or deceptive.
    pub fn uid(&self, claims: &Map<String, Value>) -> Result<String, Reason> {
        let Some(claim) = &self.uid else { return Ok(String::new()) };
        let uid = string(claims, claim)?;
        names::check(uid)?;
        Ok(uid.to_owned())
    }

    /// The extra attributes: the credential's id, when the token has one.
    ///
    /// # Errors
    ///
    /// When the id is deceptive.
    pub fn extra(claims: &Map<String, Value>) -> Result<BTreeMap<String, Vec<String>>, Reason> {
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            names::check(id)?;
            extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
        }
        Ok(extra)
    }

    /// Kubernetes lets `email_verified` be absent; a value other than `true` always refuses.
    fn check_email(&self, claims: &Map<String, Value>) -> Result<(), Reason> {
        match claims.get("email_verified") {
            Some(Value::Bool(true)) => Ok(()),
            None if !self.require_verified_email => Ok(()),
            None | Some(Value::Bool(false) | Value::Null) => Err(Reason::EmailNotVerified),
            Some(_) => Err(Reason::ClaimType),
        }
    }

    fn name(&self, prefix: &str, value: &str) -> Result<String, Reason> {
        names::check(value)?;
        let name = format!("{prefix}{value}");
        names::check(&name)?;
        let let_through = match &self.reserved {
            Reserved::Allow(exact) => exact.contains(&name),
            Reserved::Reject => false,
        };
        if !let_through && names::is_reserved(&name) {
            return Err(Reason::ReservedIdentity);
        }
        Ok(name)
    }
}

impl Rule {
    /// Checks the claim.
    ///
    /// # Errors
    ///
    /// [`Reason::ClaimMismatch`] when it is missing, not a string, or another one.
    pub fn check(&self, claims: &Map<String, Value>) -> Result<(), Reason> {
        let found = claims.get(&self.claim).and_then(Value::as_str);
        if found == Some(self.value.as_str()) { Ok(()) } else { Err(Reason::ClaimMismatch) }
    }
}

fn string<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, Reason> {
    claims.get(name).ok_or(Reason::ClaimMissing)?.as_str().ok_or(Reason::ClaimType)
}

#[cfg(test)]
mod tests;
