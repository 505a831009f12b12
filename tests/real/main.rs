//! The whole chain with nothing pretended: kubectl → kube-apiserver → countersign → an OpenID provider.
//!
//! `tests/real/setup.sh` installs and builds what these tests start; `cargo test --test real -- --ignored` runs them.
//! Every test has its own processes, ports, certificates and folder (see [`support`]), so they run in any order and side
//! by side. A test that fails prints the end of every log of its own processes.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should panic")]
#![expect(clippy::print_stderr, reason = "a failing test shows the logs of the processes it started")]

mod bad_days;
mod browser;
mod commands;
mod delegates;
mod deploy;
mod grants;
mod host;
mod keyring;
mod login;
mod monitoring;
mod openshift;
mod outage;
mod platforms;
mod plugin;
mod providers;
mod reload;
mod rotation;
mod shutdown;
mod support;
mod tokens;
