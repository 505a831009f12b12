//! The kinds of identity providers.

pub mod oidc;
