//! The credential plugin as kubectl meets it: a process with an environment, two outputs and an exit code.
//!
//! Most of it needs no provider; where one takes part, it is as slow as the test wants. Sessions are put into the store by
//! the library, as an earlier login would have done.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod by_hand;
mod interruption;
mod plugin;
mod provider;
mod refusals;
mod secrets;
mod support;
