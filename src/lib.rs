//! A Kubernetes webhook token authenticator: a bearer token in, a verdict out.

pub mod app;
pub mod authn;
pub mod clock;
pub mod config;
pub mod events;
pub mod findings;
pub mod http;
pub mod jose;
pub mod mapping;
pub mod metrics;
pub mod outbound;
pub mod providers;
pub mod review;
pub mod server;
pub mod shutdown;
pub mod telemetry;
pub mod token;
pub mod trace;
