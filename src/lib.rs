//! A Kubernetes webhook token authenticator: a bearer token in, a verdict out.

pub mod clock;
pub mod config;
pub mod findings;
pub mod token;
