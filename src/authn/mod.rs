//! Deciding who a bearer token speaks for.
//!
//! A question passes [`Authn`] (one metric and one event for each, whatever the answer), then [`cache`], then
//! [`router`] (which issuer claims this token), then [`issuer`] (verify, then map). Each step returns a [`Decision`];
//! "no" and "cannot tell" are different types all the way, because the API server remembers one and not the other.

pub mod audiences;
pub mod cache;
pub mod claims;
pub mod deadline;
pub mod explain;
pub mod identity;
pub mod issuer;
pub mod observed;
pub mod packed;
pub mod reason;
pub mod router;
mod single_flight;
pub mod standing;

use std::future::Future;
use std::sync::Arc;

pub use claims::VerifiedClaims;
pub use deadline::Deadline;
pub use identity::UserInfo;
pub use observed::Authn;
pub use packed::PackedUser;
pub use reason::{Cause, Reason};
pub use standing::Standing;

use crate::clock::UnixTime;
use crate::token::BearerToken;

/// One step of the chain: the cache and the router.
pub trait Authenticator: Send + Sync + 'static {
    /// Decides about a token. The future may be dropped at any point; nothing is left half-done.
    fn authenticate(&self, token: &BearerToken, deadline: Deadline) -> impl Future<Output = Decision> + Send;
}

/// What the chain says of a token, before anybody asked for audiences.
#[derive(Clone, Debug)]
pub enum Decision {
    /// The token is good.
    Accept(Accepted),
    /// No issuer of this step claims the token.
    NotMine,
    /// The token is refused, and would be refused again.
    Reject(Rejected),
    /// Nothing can be said now. Never cached, by nobody.
    Unavailable(Unavailable),
}

/// A good token: everything that is needed to answer any review of it. Clones share what they hold.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Who it speaks for.
    pub user: PackedUser,
    /// When the token expires.
    pub not_after: UnixTime,
    /// What most tokens of an issuer have in common.
    pub basis: Arc<Basis>,
}

/// What a good token has in common with others of its issuer, and shares with them.
#[derive(Debug)]
pub struct Basis {
    /// The configured name of its issuer.
    pub issuer: IssuerName,
    /// The token's own audiences that are configured for its issuer; never empty.
    pub audiences: Vec<String>,
    /// What this rests on: checked again whenever it is used.
    pub standing: Standing,
}

/// A refused token.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// Why.
    pub reason: Reason,
    /// The issuer that claims the token, if one of the configured does.
    pub issuer: Option<IssuerName>,
    /// What this rests on, when keys had a part in it.
    pub standing: Option<Standing>,
}

impl Rejected {
    /// A refusal before any issuer was found.
    #[must_use]
    pub const fn unclaimed(reason: Reason) -> Self {
        Self { reason, issuer: None, standing: None }
    }
}

/// A review that cannot be decided now.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// Why not.
    pub cause: Cause,
    /// The issuer that claims the token, if known.
    pub issuer: Option<IssuerName>,
}

/// An issuer's name as configured: its URL. The only issuer text that reaches logs and metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IssuerName(Arc<str>);

impl IssuerName {
    /// From the configuration.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self(Arc::from(url))
    }

    /// The configured URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for IssuerName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
