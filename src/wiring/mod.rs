//! What connects the service to its callers: certificates, kubeconfigs, and the review that a caller posts.
//!
//! Everything here is a library: commands, the newcomer's run and tests use the same code, so a line that `dev` prints
//! is a line that was tried.

pub mod address;
pub mod doctor;
pub mod file;
pub mod kubeconfig;
pub mod migration;
pub mod openshift;
pub mod pem;
pub mod pki;
pub mod platforms;
pub mod proxy;
pub mod reviewer;
pub mod service;
pub mod soundness;
