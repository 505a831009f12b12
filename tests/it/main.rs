//! The service as its callers meet it: real sockets and TLS, an issuer that breaks on command, one process.
//!
//! A test changes one thing about a rig that works. Time comes from the rig's clock, and nothing sleeps: what takes time is
//! waited for by the event that ends it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the report")]

mod algorithms;
mod attacks;
mod cache;
mod callers;
mod commands;
mod distributed;
mod drain;
mod expressions;
mod faults;
mod issuers;
mod keys;
mod limits;
mod load;
mod metrics;
mod moves;
mod openshift;
mod reload;
mod render;
mod reviews;
mod routes;
mod state;
mod support;
