//! Where an expression is used, which decides what it can see.

use serde_json::{Map as JsonMap, Value as Json};

use super::types::Type;
use super::value::Value;
use crate::authn::UserInfo;

/// The kinds of expression in an AuthenticationConfiguration, by the one variable that each can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    /// `claims`: claim mappings and claim validation rules.
    Claims,
    /// `user`: user validation rules.
    User,
}

/// What an expression is about: the value of its variable.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'v> {
    /// The claims of a token.
    Claims(&'v JsonMap<String, Json>),
    /// The user that a token was mapped to.
    User(&'v UserInfo),
}

impl Environment {
    pub(super) const fn variable(self) -> &'static str {
        match self {
            Self::Claims => "claims",
            Self::User => "user",
        }
    }

    pub(super) fn variable_type(self) -> Type {
        match self {
            Self::Claims => Type::map(Type::String, Type::Any),
            Self::User => Type::User,
        }
    }
}

impl<'v> Subject<'v> {
    pub(super) const fn environment(self) -> Environment {
        match self {
            Self::Claims(_) => Environment::Claims,
            Self::User(_) => Environment::User,
        }
    }

    pub(super) const fn value(self) -> Value<'v> {
        match self {
            Self::Claims(claims) => Value::Claims(claims),
            Self::User(user) => Value::User(user),
        }
    }
}
