//! OpenShift's `Authentication` [config.openshift.io/v1] and what hangs on it: the secret with the webhook's kubeconfig, the
//! config map with the OAuth metadata, and the operators that turn both into flags of kube-apiserver.
//!
//! [`manifest`] and [`metadata`] make documents, [`objects`] reads them, [`rules`] judges them. Rules are those of the CRD's schema, of the admission plugin, of the
//! operators' code and of kube-apiserver itself; where the API's own description and the code differ, a finding says what
//! happens, not what is written. All of it works on documents and a clock, so that it can be done before anything is
//! applied.

pub mod apply;
pub mod cluster;
pub mod live;
pub mod manifest;
pub mod metadata;
pub mod objects;
#[cfg(test)]
pub(crate) mod played;
pub mod probe;
pub mod rules;

/// The one `Authentication` that operators look at.
pub const AUTHENTICATION: &str = "cluster";

/// The namespace that the secret and the config map must be in.
pub const NAMESPACE: &str = "openshift-config";

/// The secret's key.
pub const KUBECONFIG_KEY: &str = "kubeConfig";

/// The config map's key.
pub const METADATA_KEY: &str = "oauthMetadata";

/// The secret that the authentication operator makes for the integrated OAuth server.
pub const INTEGRATED_SECRET: &str = "webhook-authentication-integrated-oauth";
