//! The service as its callers meet it: real sockets and TLS, an issuer that breaks on command, one process.
//!
//! A test changes one thing about a rig that works. Time comes from the rig's clock, and nothing sleeps: what takes time is
//! waited for by the event that ends it.

mod attacks;
mod callers;
mod limits;
mod reviews;
mod routes;
mod support;
