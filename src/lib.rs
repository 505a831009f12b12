//! A Kubernetes webhook token authenticator: a bearer token in, a verdict out.

pub mod clock;
pub mod commands;
pub mod dev;
pub mod token;
pub mod wiring;
