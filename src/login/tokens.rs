//! What a provider gave: tokens with their end, for the session and for kubectl. No `Debug` shows one.

use std::fmt;

use zeroize::Zeroizing;

use crate::clock::UnixTime;

/// A provider's answer after all checks.
#[derive(Clone)]
pub struct Tokens {
    /// The ID token, if there is one.
    pub id_token: Option<Zeroizing<String>>,
    /// The access token, if there is one.
    pub access_token: Option<Zeroizing<String>>,
    /// The refresh token, if there is one. A provider that rotates gives a new one with every refresh.
    pub refresh_token: Option<Zeroizing<String>>,
    /// When the ID token ends by the provider's clock.
    pub id_token_expires_at: Option<UnixTime>,
    /// When the access token ends by the provider's clock.
    pub access_token_expires_at: Option<UnixTime>,
    /// Who logged in, as the provider names it to people (`email`, `preferred_username` or `sub`).
    pub account: Option<String>,
    /// The subject at the issuer.
    pub subject: Option<String>,
    /// By how many seconds the provider's clock is ahead of ours (negative: behind), from its `Date` header.
    pub clock_offset_seconds: i64,
}

/// A refresh token that came in the place of one that is spent, beside tokens that failed a check. Whoever meets it stores it:
/// it is all that is left of the session.
#[derive(Clone, PartialEq, Eq)]
pub struct Successor(pub Zeroizing<String>);

impl fmt::Debug for Successor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Successor").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens")
            .field("id_token_expires_at", &self.id_token_expires_at)
            .field("access_token_expires_at", &self.access_token_expires_at)
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}
