//! How a run of the plugin can fail: one line each, with what, where and what to do.

use super::exec_credential::UnfitToken;
use super::session::folder::FolderError;
use super::session::lock::LockError;
use super::session::store::StoreError;
use super::tokens::Successor;

/// What a failure means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Somebody said no: 1.
    No,
    /// It could not be found out: 3.
    Unknown,
    /// It was not asked properly: 2.
    WrongUse,
}

/// What a provider, or the way to it, answered instead of tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProviderError {
    /// One line for people.
    pub message: String,
    /// The provider said no, for good; otherwise it could not be asked.
    pub refused: bool,
    /// A refresh token that came in the place of the one that was sent.
    pub successor: Option<Successor>,
}

/// How far a provider ended a session that it was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Only in the browser, by the person: the provider revokes no tokens, so they are good there until they end.
    InBrowser,
    /// Its tokens are revoked.
    Revoked,
}

/// An account that is no longer logged in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedOut {
    /// Whose session it was.
    pub account: String,
    /// How it ended at the provider, if it was to.
    pub at_provider: Option<Ending>,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Several accounts are logged in, and none was chosen.
    #[error("several accounts are logged in ({}); choose one with --account", accounts.join(", "))]
    Ambiguous {
        /// Their names.
        accounts: Vec<String>,
    },
    /// The store's folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The run was told to end.
    #[error("the refresh was interrupted, and the session is kept; run the command again")]
    Interrupted,
    /// Another run tried the same a moment ago.
    #[error("{message} (not tried again: a run just before failed so)")]
    JustFailed {
        /// What it said.
        message: String,
        /// Whether that was a no.
        refused: bool,
    },
    /// Another run is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Nobody can be asked.
    #[error("{why}, and nobody can be asked here; log in with `countersign login` and the same flags ({issuer})")]
    NeedsPerson {
        /// Which provider.
        issuer: String,
        /// Why a login is needed.
        why: &'static str,
    },
    /// The provider gave tokens, but not of the kind that is sent.
    #[error("{issuer} gave no {kind}; {remedy}")]
    NoToken {
        /// Which provider.
        issuer: String,
        /// Which kind.
        kind: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// The provider, or the way to it.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The token cannot be sent.
    #[error(transparent)]
    Unfit(#[from] UnfitToken),
    /// Somebody else logged in.
    #[error(
        "logged in as {got}, but --account asks for {wanted}; log out of the provider in the browser, or use --account {got}"
    )]
    WrongAccount {
        /// Who was asked for.
        wanted: String,
        /// Who it is.
        got: String,
    },
}

impl LoginError {
    /// What it means for the exit code.
    #[must_use]
    pub const fn meaning(&self) -> Meaning {
        match self {
            Self::Ambiguous { .. } => Meaning::WrongUse,
            Self::JustFailed { refused: true, .. }
            | Self::NeedsPerson { .. }
            | Self::NoToken { .. }
            | Self::Provider(ProviderError { refused: true, .. })
            | Self::WrongAccount { .. } => Meaning::No,
            Self::Folder(_)
            | Self::Interrupted
            | Self::JustFailed { .. }
            | Self::Lock(_)
            | Self::Provider(_)
            | Self::Store(_)
            | Self::Unfit(_) => Meaning::Unknown,
        }
    }
}
