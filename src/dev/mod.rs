//! The newcomer's run, and the throw-away identity provider that it and the tests share.

pub(crate) mod https;
pub mod issuer;
