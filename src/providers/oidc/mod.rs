//! OpenID Connect: tokens that verify with an issuer's published keys.

pub mod judge;
mod rules;
mod times;
pub mod trail;

pub use judge::{Policy, Refusal, TokenProfile, issuer_claim_matches, issuer_of_claim, judge};
pub use trail::{Facts, NoTrail, Outcome, Step, Trail};
