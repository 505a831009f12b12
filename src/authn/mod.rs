//! Deciding about tokens: what came of it, why, and who it is.

pub mod claims;
pub mod identity;
pub mod reason;

pub use claims::VerifiedClaims;
pub use identity::UserInfo;
pub use reason::{Cause, Reason};
