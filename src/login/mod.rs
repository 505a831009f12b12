//! The kubectl exec credential plugin: from flags to a token that kubectl can send, with a session that lasts.
//!
//! The warm path is short on purpose: flags → [`session`] (a stored token that is still good) → [`exec_credential`] →
//! standard output; no runtime, no TLS, no crypto set-up. Only when there is no good token does [`flows`] talk to the
//! provider: refresh, or log in. What a provider answers is judged by the code that judges tokens in the service.

pub mod browser;
pub mod cluster;
pub mod context;
pub mod exec_credential;
pub mod flows;
pub mod fuzzing;
pub mod interruption;
pub mod outcome;
pub mod provider;
pub mod session;
pub mod settings;
pub mod stanza;
#[cfg(test)]
pub(crate) mod testing;
pub mod tokens;

pub use settings::{Grant, Settings, TokenKind};
pub use tokens::Tokens;
