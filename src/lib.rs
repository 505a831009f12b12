//! A Kubernetes webhook token authenticator: a bearer token in, a verdict out.

pub mod authn;
pub mod clock;
pub mod jose;
pub mod providers;
pub mod token;
