//! Talking to the provider: each way to get tokens is a file here.

use crate::clock::Clock;
use crate::login::settings::Settings;
use crate::login::tokens::Tokens;

/// How a flow speaks with a person.
pub trait Prompt: Send + Sync {
    /// Shows a line.
    fn say(&self, line: &str);

    /// Opens a page.
    fn open(&self, url: &str);

    /// What the person logs in for, to be named on the result page.
    fn cluster(&self) -> Option<&str> {
        None
    }
}

/// Why a flow gave nothing.
#[derive(Debug, thiserror::Error)]
#[error("no flow is built in")]
pub struct FlowError;

impl FlowError {
    /// Whether the provider said no for good.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        false
    }
}

/// Gets the first tokens.
///
/// # Errors
/// Always, until there are flows.
#[expect(clippy::unused_async, reason = "the signature of what takes its place")]
pub async fn log_in(_: &Settings, _: &dyn Prompt, _: &dyn Clock) -> Result<Tokens, FlowError> {
    Err(FlowError)
}

/// Gets new tokens for a refresh token.
///
/// # Errors
/// Always, until there are flows.
#[expect(clippy::unused_async, reason = "the signature of what takes its place")]
pub async fn refresh(_: &Settings, _: &str, _: &dyn Clock) -> Result<Tokens, FlowError> {
    Err(FlowError)
}

/// Ends the session at the provider.
///
/// # Errors
/// Always, until there are flows.
#[expect(clippy::unused_async, reason = "the signature of what takes its place")]
pub async fn revoke(_: &Settings, _: &Tokens) -> Result<(), FlowError> {
    Err(FlowError)
}
