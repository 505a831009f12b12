//! Who a token speaks for: the user of a TokenReview's answer.

use std::collections::BTreeMap;

use serde::Serialize;

/// The key under which Kubernetes reports which credential was used (KEP-740 style `JTI=…`).
pub const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";

/// The user as the API server will see it (authentication.k8s.io `UserInfo`). Only [`mapping`](crate::mapping)
/// makes one, after its checks: the name is never empty and nothing in it is reserved unless configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserInfo {
    /// The user name, prefix included. Never empty.
    pub username: String,
    /// A stable identifier; empty means there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The groups, in the token's order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Further attributes: lower-case domain-prefixed keys, lists of values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}
