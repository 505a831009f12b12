//! The system's keyring, as far as sessions need one: a named secret in, the same secret out.
//!
//! What is in the keyring is told by a sign in the [folder](super::folder): nobody asks the keyring for what is not there, so
//! a session in a file is read without a word to the session bus.

mod secret_service;

use std::fmt;

use zeroize::Zeroizing;

pub use self::secret_service::SecretService;

/// A place of the system's for secrets.
pub trait Vault: Send + Sync + fmt::Debug {
    /// Whether a new secret could be put in without asking anybody. Never starts a keyring, never shows a dialogue.
    fn is_open(&self) -> bool;

    /// The secret of this name, if there is one.
    ///
    /// # Errors
    /// When the keyring cannot be asked.
    fn read(&self, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError>;

    /// Puts a secret in, in the place of the one of this name. `label` is what people see of it.
    ///
    /// # Errors
    /// When the keyring does not take it; an old one is then as it was.
    fn write(&self, name: &str, label: &str, secret: &[u8]) -> Result<(), VaultError>;

    /// Takes a secret out, if it is there.
    ///
    /// # Errors
    /// When the keyring cannot be asked.
    fn remove(&self, name: &str) -> Result<(), VaultError>;
}

/// What is wrong with the keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// It did not do what it was asked to.
    #[error("the system's keyring failed at {doing} ({what}); look after it, or use --token-cache-storage disk")]
    Failed {
        /// What it was asked for.
        doing: &'static str,
        /// What it said.
        what: String,
    },
    /// It is closed, and nobody opened it.
    #[error("the system's keyring is locked; unlock it, or use --token-cache-storage disk")]
    Locked,
    /// There is none.
    #[error(
        "the system's keyring cannot be reached ({what}); start one in this session, or use --token-cache-storage disk"
    )]
    Unreachable {
        /// What the system said.
        what: String,
    },
}
