//! Values of Kubernetes' own types.

use std::net::IpAddr;

use crate::cel::functions::{Cidr, Format, Quantity, Url, Version};
use crate::cel::types::Opaque;

/// A value of a type that only functions can look into.
#[derive(Clone, Debug)]
pub(in crate::cel) enum OpaqueValue {
    Cidr(Cidr),
    Format(Format),
    Ip(IpAddr),
    Quantity(Quantity),
    Semver(Version),
    Url(Box<Url>),
}

impl OpaqueValue {
    pub(in crate::cel) const fn kind(&self) -> Opaque {
        match self {
            Self::Cidr(_) => Opaque::Cidr,
            Self::Format(_) => Opaque::Format,
            Self::Ip(_) => Opaque::Ip,
            Self::Quantity(_) => Opaque::Quantity,
            Self::Semver(_) => Opaque::Semver,
            Self::Url(_) => Opaque::Url,
        }
    }

    /// The value for people.
    pub(in crate::cel) fn text(&self) -> String {
        match self {
            Self::Cidr(network) => network.to_string(),
            Self::Format(format) => format.name().to_owned(),
            Self::Ip(address) => address.to_string(),
            Self::Quantity(quantity) => quantity.to_string(),
            Self::Semver(version) => version.to_string(),
            Self::Url(url) => url.to_string(),
        }
    }
}

/// Whether two are the same; `None` where they cannot be compared, because they are of different types, or because the
/// right one is a computed quantity, which the API server compares with nothing.
pub(super) fn equal(left: &OpaqueValue, right: &OpaqueValue) -> Option<bool> {
    match (left, right) {
        (OpaqueValue::Cidr(left), OpaqueValue::Cidr(right)) => Some(left == right),
        (OpaqueValue::Format(left), OpaqueValue::Format(right)) => Some(left == right),
        (OpaqueValue::Ip(left), OpaqueValue::Ip(right)) => Some(left == right),
        (OpaqueValue::Quantity(left), OpaqueValue::Quantity(right)) if !right.is_computed() => {
            Some(left.order(right)?.is_eq())
        }
        (OpaqueValue::Semver(left), OpaqueValue::Semver(right)) => Some(left == right),
        (OpaqueValue::Url(left), OpaqueValue::Url(right)) => Some(left == right),
        _ => None,
    }
}
