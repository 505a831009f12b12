//! Tokens, keys and the JSON they are made of: the strict layer between the wire and the rules.
//!
//! Nothing here knows an issuer, a configuration or a clock, and nothing here does I/O. The path of a token:
//!
//! 1. [`UnverifiedToken::parse`] takes it apart: [`compact`] form and base64url, [`header`], [`json`].
//! 2. [`KeySet::select`] chooses the one key that header, configuration and key set agree on.
//! 3. [`UnverifiedToken::verify`] turns it into [`SignedClaims`], which nothing else can make.
//!
//! What the claims must say is for [`providers::oidc`](crate::providers::oidc).
//!
//! A key is taken when two readers agree on it, ours and jsonwebtoken's. Signatures are verified by aws-lc-rs with the key as
//! it was parsed when the set was loaded; the verdicts are tested against those of jsonwebtoken, whose interface would
//! parse an RSA key anew for every token and lacks ES512.

pub mod algorithm;
pub mod compact;
pub mod excerpt;
pub mod header;
pub mod json;
pub mod jwk;
pub mod key;
pub mod key_set;
pub mod signature;
#[cfg(test)]
pub(crate) mod testing;
pub mod unverified;
mod weak_keys;

pub use algorithm::{Algorithm, AlgorithmSet, AlgorithmSetError};
pub use compact::{CompactJws, Unparsable};
pub use excerpt::Excerpt;
pub use header::Header;
pub use jwk::{Jwk, SkipReason, Skipped};
pub use key::{Key, KeyKind, Thumbprint};
pub use key_set::{Alarm, AlarmKind, Fingerprint, KeyRefusal, KeySet, KeySetError};
pub use signature::{BadSignature, SignedClaims};
pub use unverified::UnverifiedToken;
