//! What every test starts from: a service that works, an issuer of its own, a caller that is let in.

mod answer;
mod caller;
mod h2;
mod log;
mod proxy;
mod raw;
mod rig;
mod watch;

pub(crate) use answer::{Answer, accepted, refused, tally, undecided};
pub(crate) use caller::{Caller, client_tls, review_body};
pub(crate) use h2::{Frame, H2, fields_of};
pub(crate) use log::Log;
pub(crate) use proxy::{HttpProxy, Proxy};
pub(crate) use raw::{Raw, post, within};
pub(crate) use rig::{API_AUDIENCE, Rig, Settings, issuer, jwt, replace, validity};
pub(crate) use watch::within_reason;
