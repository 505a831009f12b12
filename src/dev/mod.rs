//! The newcomer's run, and the throw-away identity provider that it and the tests share.
//!
//! [`trial`] makes everything a first look needs in a [`folder`]; [`issuer`] is the provider; the `dev` command shows it.

pub mod folder;
pub(crate) mod https;
pub mod issuer;
pub mod trial;
