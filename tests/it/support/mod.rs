//! What every test starts from: a service that works, an issuer of its own, a caller that is let in.

mod answer;
mod caller;
mod rig;

pub(crate) use answer::{Answer, accepted, refused, undecided};
pub(crate) use caller::Caller;
pub(crate) use rig::{API_AUDIENCE, Rig};
