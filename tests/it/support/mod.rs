//! What every test starts from: a service that works, an issuer of its own, a caller that is let in.

mod answer;
mod caller;
mod log;
mod proxy;
mod rig;
mod watch;

pub(crate) use answer::{Answer, accepted, refused, tally, undecided};
pub(crate) use caller::{Caller, review_body};
pub(crate) use log::Log;
pub(crate) use proxy::Proxy;
pub(crate) use rig::{API_AUDIENCE, Rig, Settings, issuer, jwt, replace, serve, validity};
pub(crate) use watch::within_reason;
