//! From verified claims to the user that the API server will see (AuthenticationConfiguration `claimMappings` and
//! `claimValidationRules`, `userValidationRules`). Pure: the same claims give the same user.
//!
//! What must hold on every path: the user name is not empty, no name deceives a reader, and nothing starts with
//! `system:` unless the operator let that exact name through. kube-apiserver checks none of this in a webhook's answer.

mod effort;
pub(crate) mod names;
mod rules;
mod source;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use effort::{Effort, Unmapped};
pub use rules::{Condition, Rule};
pub use source::{Claim, Extra, Source};

use crate::authn::identity::CREDENTIAL_ID;
use crate::authn::{Reason, UserInfo, VerifiedClaims};
use crate::cel::Subject;

/// The most groups that a token may carry. Beyond it the token is refused whole: cutting the list silently could take
/// away a group that a deny rule is bound to.
pub const MAX_GROUPS: usize = 500;

/// How one issuer's claims become a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// Where the user name comes from.
    pub username: Source,
    /// Where the groups come from, if anywhere.
    pub groups: Option<Source>,
    /// Where the uid comes from, if anywhere; a claim's prefix is empty.
    pub uid: Option<Source>,
    /// The extra attributes.
    pub extra: Vec<Extra>,
    /// What must be true of the claims.
    pub rules: Vec<Rule>,
    /// What must be true of the user.
    pub user_rules: Vec<Condition>,
    /// What to do with names that start with `system:`.
    pub reserved: Reserved,
    /// Whether an e-mail address as user name needs `email_verified` to be present.
    pub require_verified_email: bool,
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
    /// extra, claim rules, user rules. Or that it takes more than the effort.
    pub fn user(&self, claims: &VerifiedClaims, mut effort: Effort) -> Result<UserInfo, Unmapped> {
        let claims = claims.all();
        let effort = &mut effort;
        let user = UserInfo {
            username: self.username(claims, effort)?,
            groups: self.groups(claims, effort)?,
            uid: self.uid(claims, effort)?,
            extra: self.extra(claims, effort)?,
        };
        self.rules.iter().try_for_each(|rule| rule.check(claims, effort))?;
        self.user_rules.iter().try_for_each(|rule| rule.check_user(&user, effort))?;
        Ok(user)
    }

    /// The user name, prefix included.
    ///
    /// # Errors
    ///
    /// When the claim is missing, mistyped, empty, unverified (e-mail), deceptive or reserved, or the expression makes no
    /// such name.
    pub fn username(&self, claims: &Map<String, Value>, effort: &mut Effort) -> Result<String, Unmapped> {
        let (prefix, name) = match &self.username {
            Source::Claim(claim) => {
                let name = string(claims, &claim.name)?;
                if claim.name == "email" {
                    self.check_email(claims)?;
                }
                (claim.prefix.as_str(), Cow::Borrowed(name))
            }
            Source::Expression(expression) => {
                let subject = Subject::Claims(claims);
                ("", Cow::Owned(effort.evaluate(expression, |program, meter| program.evaluate_string(subject, meter))?))
            }
        };
        if name.is_empty() {
            return Err(Reason::IdentityInvalid.into());
        }
        Ok(self.name(prefix, &name)?)
    }

    /// The groups, prefix included, in the token's order. An absent claim and `null` are no groups.
    ///
    /// # Errors
    ///
    /// When the claim is neither a string nor a list of strings, or one of them is deceptive or reserved, or there are
    /// more than [`MAX_GROUPS`], or the expression makes no such list.
    pub fn groups(&self, claims: &Map<String, Value>, effort: &mut Effort) -> Result<Vec<String>, Unmapped> {
        let claim = match &self.groups {
            None => return Ok(Vec::new()),
            Some(Source::Claim(claim)) => claim,
            Some(Source::Expression(expression)) => {
                let subject = Subject::Claims(claims);
                let groups = effort.evaluate(expression, |program, meter| program.evaluate_strings(subject, meter))?;
                if groups.len() > MAX_GROUPS {
                    return Err(Reason::Oversized.into());
                }
                return Ok(groups.iter().map(|group| self.name("", group)).collect::<Result<_, _>>()?);
            }
        };
        match claims.get(&claim.name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(group)) => Ok(vec![self.name(&claim.prefix, group)?]),
            Some(Value::Array(groups)) if groups.len() > MAX_GROUPS => Err(Reason::Oversized.into()),
            Some(Value::Array(groups)) => {
                let name = |group: &Value| self.name(&claim.prefix, group.as_str().ok_or(Reason::ClaimType)?);
                Ok(groups.iter().map(name).collect::<Result<_, _>>()?)
            }
            Some(_) => Err(Reason::ClaimType.into()),
        }
    }

    /// The uid; empty when none is mapped.
    ///
    /// # Errors
    ///
    /// When it is mapped and missing, mistyped or deceptive.
    pub fn uid(&self, claims: &Map<String, Value>, effort: &mut Effort) -> Result<String, Unmapped> {
        let uid = match &self.uid {
            None => return Ok(String::new()),
            Some(Source::Claim(claim)) => string(claims, &claim.name)?.to_owned(),
            Some(Source::Expression(expression)) => {
                effort.evaluate(expression, |program, meter| program.evaluate_string(Subject::Claims(claims), meter))?
            }
        };
        names::check(&uid)?;
        Ok(uid)
    }

    /// The extra attributes, and the credential's id when the token has one. Attributes without a value are left out.
    ///
    /// # Errors
    ///
    /// When a value is deceptive, or an expression makes no strings.
    pub fn extra(
        &self,
        claims: &Map<String, Value>,
        effort: &mut Effort,
    ) -> Result<BTreeMap<String, Vec<String>>, Unmapped> {
        let mut extra = BTreeMap::new();
        if let Some(id) = claims.get("jti").and_then(Value::as_str).filter(|id| !id.is_empty()) {
            names::check(id)?;
            extra.insert(CREDENTIAL_ID.to_owned(), vec![format!("JTI={id}")]);
        }
        for Extra { key, value } in &self.extra {
            let values =
                effort.evaluate(value, |program, meter| program.evaluate_strings(Subject::Claims(claims), meter))?;
            values.iter().try_for_each(|value| names::check(value))?;
            if values.len() > MAX_GROUPS {
                return Err(Reason::Oversized.into());
            }
            if !values.is_empty() {
                extra.insert(key.clone(), values);
            }
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

fn string<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, Reason> {
    claims.get(name).ok_or(Reason::ClaimMissing)?.as_str().ok_or(Reason::ClaimType)
}

#[cfg(test)]
mod tests;
