//! Where the parts of a user come from.

use std::sync::Arc;

use crate::cel::Program;

/// A claim, or an expression over all claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A claim's value, with something put before it.
    Claim(Claim),
    /// Whatever the expression makes of the claims.
    Expression(Arc<Program>),
}

/// A claim and what is put before its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The claim's exact name.
    pub name: String,
    /// Put before each value; may be empty.
    pub prefix: String,
}

/// An extra attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extra {
    /// Its key: a domain, a slash, a name, in lower case; unique.
    pub key: String,
    /// Its values.
    pub value: Arc<Program>,
}

impl Source {
    /// A claim with a prefix.
    #[must_use]
    pub fn claim(name: &str, prefix: &str) -> Self {
        Self::Claim(Claim { name: name.to_owned(), prefix: prefix.to_owned() })
    }

    /// The claim, if it is one.
    #[must_use]
    pub const fn as_claim(&self) -> Option<&Claim> {
        match self {
            Self::Claim(claim) => Some(claim),
            Self::Expression(_) => None,
        }
    }
}
