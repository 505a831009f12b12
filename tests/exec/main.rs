//! The credential plugin as kubectl meets it: a process with an environment, two outputs and an exit code.
//!
//! No provider takes part: what is tested here is everything that needs none. Sessions are put into the store by the
//! library, as an earlier login would have done.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod by_hand;
mod plugin;
mod refusals;
mod secrets;
mod support;
