//! Sessions between runs: a token that is still good is handed out, one that is not is renewed by exactly one run.
//!
//! [`keeper`] decides; it reads and writes through a [`store`] of [records](record), one for each [`key`], in a closed
//! [`folder`], with its secrets in a [`vault`] if that was chosen; it renews under a [`lock`]; it recognises kubectl's second and third try by [`runs`].

pub mod folder;
pub mod keeper;
pub mod key;
pub mod lock;
pub mod record;
pub mod runs;
pub mod store;
pub mod vault;

#[cfg(test)]
pub(crate) mod testing;

pub use keeper::{AsksCluster, Caller, Keeper, Notice, Order, Provider};
pub use key::SessionKey;
pub use record::{Credential, Record, Session, Standing};
pub use store::{Kept, Place, Storage, Store};
pub use vault::{SecretService, Vault, VaultError};
