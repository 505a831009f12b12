//! Every grant against a provider that answers what the test says, and every attack on the redirect.

mod code;
mod device;
mod machines;
mod trouble;
