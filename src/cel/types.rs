//! The types that expressions have before they are evaluated.

use std::fmt;
use std::sync::Arc;

/// A static type. `Any` and `Dyn` are both "found out at run time"; an `Any` is what a claim is, and cannot be iterated
/// over without `dyn()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Any,
    Bool,
    Bytes,
    Double,
    Duration,
    Dyn,
    /// Something was reported already; goes with everything, so that one mistake is reported once.
    Error,
    Int,
    List(Arc<Self>),
    Map(Arc<Self>, Arc<Self>),
    Null,
    Opaque(Opaque),
    Optional(Arc<Self>),
    String,
    Timestamp,
    /// The type of types; what it is the type of, where that is known.
    Kind(Option<Arc<Self>>),
    Uint,
    /// `kubernetes.UserInfo`.
    User,
    /// A type that is still to be found out.
    Var(Var),
}

/// A type variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Var {
    /// In a function's signature: `A`.
    A,
    /// In a function's signature: `B`.
    B,
    /// In an expression that is being checked.
    Free(u32),
}

/// Kubernetes' types that have nothing inside to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Opaque {
    Cidr,
    /// What `claims` says of itself: to the checker it is a map.
    Claims,
    Format,
    Ip,
    Quantity,
    Semver,
    Url,
}

impl Opaque {
    /// The name that the type has; expressions know it of addresses and networks only.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Cidr => "net.CIDR",
            Self::Claims => "kubernetes.claims",
            Self::Format => "kubernetes.NamedFormat",
            Self::Ip => "net.IP",
            Self::Quantity => "kubernetes.Quantity",
            Self::Semver => "kubernetes.Semver",
            Self::Url => "kubernetes.URL",
        }
    }
}

impl Type {
    pub(crate) const A: Self = Self::Var(Var::A);
    pub(crate) const B: Self = Self::Var(Var::B);

    pub(crate) fn list(item: Self) -> Self {
        Self::List(Arc::new(item))
    }

    pub(crate) fn map(key: Self, value: Self) -> Self {
        Self::Map(Arc::new(key), Arc::new(value))
    }

    pub(crate) fn optional(inner: Self) -> Self {
        Self::Optional(Arc::new(inner))
    }

    pub(crate) fn of(inner: Self) -> Self {
        Self::Kind(Some(Arc::new(inner)))
    }

    /// Whether it has more parts than these, itself included.
    pub(crate) fn has_parts_beyond(&self, most: usize) -> bool {
        fn count(of: &Type, left: usize) -> Option<usize> {
            let left = left.checked_sub(1)?;
            match of {
                Type::List(inner) | Type::Optional(inner) | Type::Kind(Some(inner)) => count(inner, left),
                Type::Map(key, value) => count(value, count(key, left)?),
                _ => Some(left),
            }
        }
        count(self, most).is_none()
    }

    /// Whether it goes with everything.
    pub(crate) const fn is_dyn_or_error(&self) -> bool {
        matches!(self, Self::Any | Self::Dyn | Self::Error)
    }

    pub(crate) const fn is_dyn(&self) -> bool {
        matches!(self, Self::Any | Self::Dyn)
    }

    /// The inside of an optional, or the type itself; and whether it was one.
    pub(crate) fn unwrap_optional(&self) -> (&Self, bool) {
        match self {
            Self::Optional(inner) => (inner, true),
            other => (other, false),
        }
    }

    /// The type that an identifier such as `string` or `net.IP` stands for.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "bool" => Self::Bool,
            "bytes" => Self::Bytes,
            "double" => Self::Double,
            "google.protobuf.Duration" => Self::Duration,
            "google.protobuf.Timestamp" => Self::Timestamp,
            "int" => Self::Int,
            "list" => Self::list(Self::Dyn),
            "map" => Self::map(Self::Dyn, Self::Dyn),
            "null_type" => Self::Null,
            "optional_type" => Self::optional(Self::Dyn),
            "string" => Self::String,
            "type" => Self::Kind(None),
            "uint" => Self::Uint,
            other => Self::Opaque([Opaque::Cidr, Opaque::Ip].into_iter().find(|opaque| opaque.name() == other)?),
        })
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Bool => "bool",
            Self::Bytes => "bytes",
            Self::Double => "double",
            Self::Duration => "google.protobuf.Duration",
            Self::Dyn | Self::Var(_) => "dyn",
            Self::Error => "!error!",
            Self::Int => "int",
            Self::List(item) => return write!(f, "list({item})"),
            Self::Map(key, value) => return write!(f, "map({key}, {value})"),
            Self::Null => "null_type",
            Self::Opaque(opaque) => opaque.name(),
            Self::Optional(inner) => return write!(f, "optional_type({inner})"),
            Self::String => "string",
            Self::Timestamp => "google.protobuf.Timestamp",
            Self::Kind(None) => "type",
            Self::Kind(Some(inner)) => return write!(f, "type({inner})"),
            Self::Uint => "uint",
            Self::User => "kubernetes.UserInfo",
        })
    }
}
