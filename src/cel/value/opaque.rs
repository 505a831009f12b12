//! Values of Kubernetes' own types.

use std::net::IpAddr;

use crate::cel::types::Opaque;

/// A value of a type that only functions can look into.
#[derive(Clone, Debug)]
pub(in crate::cel) enum OpaqueValue {
    Ip(IpAddr),
}

impl OpaqueValue {
    pub(in crate::cel) const fn kind(&self) -> Opaque {
        match self {
            Self::Ip(_) => Opaque::Ip,
        }
    }

    /// The value for people.
    pub(in crate::cel) fn text(&self) -> String {
        match self {
            Self::Ip(address) => address.to_string(),
        }
    }
}

/// Whether two are the same. Those of different types are not.
pub(super) fn equal(left: &OpaqueValue, right: &OpaqueValue) -> bool {
    match (left, right) {
        (OpaqueValue::Ip(left), OpaqueValue::Ip(right)) => left == right,
    }
}
