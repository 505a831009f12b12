//! A TokenReview as JSON, read in one pass.
//!
//! Unknown members are passed over within the limits of depth and number. A member that is read may appear once, and
//! must have the right type; `null` counts as absent, as everywhere in Kubernetes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Malformed, Parts};
use crate::jose::json::{self, JsonError, Limits, Scope, Shape, Skip};

pub(super) fn read(body: &[u8]) -> Result<Parts<'_>, Malformed> {
    Ok(json::read(body, &Limits::STANDARD, Review)?)
}

/// A string that is borrowed from the body unless it has escapes: serde's own `Cow` is always a copy.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// Reads an object member by member; an array or anything else is refused, though serde would take it.
struct Members<'a, 'de, F> {
    scope: Scope<'a>,
    nullable: bool,
    parts: Parts<'de>,
    member: F,
}

/// What a level does with a member: the parts so far, the name, the value.
trait Member<'de> {
    fn take<A: MapAccess<'de>>(
        &mut self,
        parts: &mut Parts<'de>,
        name: &str,
        value: &mut A,
        scope: Scope<'_>,
    ) -> Result<(), A::Error>;
}

impl<'de, F: Member<'de>> Visitor<'de> for Members<'_, 'de, F> {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Parts<'de>, E> {
        if self.nullable { Ok(self.parts) } else { Err(self.scope.refuse(JsonError::NotAnObject)) }
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Parts<'de>, A::Error> {
        let scope = self.scope.enter()?;
        let mut count = 0;
        while let Some(Text(name)) = members.next_key()? {
            count += 1;
            scope.member(count)?;
            self.member.take(&mut self.parts, &name, &mut members, scope)?;
        }
        Ok(self.parts)
    }
}

struct Review;

impl<'de> Shape<'de> for Review {
    type Output = Parts<'de>;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Parts<'de>, D::Error> {
        let member = ReviewMembers::default();
        source.deserialize_any(Members { scope, nullable: false, parts: Parts::default(), member })
    }
}

#[derive(Default)]
struct ReviewMembers {
    api_version: bool,
    kind: bool,
    spec: bool,
}

impl<'de> Member<'de> for ReviewMembers {
    fn take<A: MapAccess<'de>>(
        &mut self,
        parts: &mut Parts<'de>,
        name: &str,
        value: &mut A,
        scope: Scope<'_>,
    ) -> Result<(), A::Error> {
        match name {
            "apiVersion" => {
                once(&mut self.api_version, scope)?;
                parts.api_version = value.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
            }
            "kind" => {
                once(&mut self.kind, scope)?;
                parts.kind = value.next_value::<Option<Text<'de>>>()?.map(|text| text.0);
            }
            "spec" => {
                once(&mut self.spec, scope)?;
                let spec = value.next_value_seed(scope.seed(Spec))?;
                (parts.token, parts.audiences) = (spec.token, spec.audiences);
            }
            _ => value.next_value_seed(scope.seed(Skip))?,
        }
        Ok(())
    }
}

struct Spec;

impl<'de> Shape<'de> for Spec {
    type Output = Parts<'de>;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Parts<'de>, D::Error> {
        let member = SpecMembers::default();
        source.deserialize_any(Members { scope, nullable: true, parts: Parts::default(), member })
    }
}

#[derive(Default)]
struct SpecMembers {
    token: bool,
    audiences: bool,
}

impl<'de> Member<'de> for SpecMembers {
    fn take<A: MapAccess<'de>>(
        &mut self,
        parts: &mut Parts<'de>,
        name: &str,
        value: &mut A,
        scope: Scope<'_>,
    ) -> Result<(), A::Error> {
        match name {
            "token" => {
                once(&mut self.token, scope)?;
                parts.token = value.next_value()?;
            }
            "audiences" => {
                once(&mut self.audiences, scope)?;
                parts.audiences = value.next_value_seed(scope.seed(Audiences))?;
            }
            _ => value.next_value_seed(scope.seed(Skip))?,
        }
        Ok(())
    }
}

struct Audiences;

impl<'de> Shape<'de> for Audiences {
    type Output = Vec<String>;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Vec<String>, D::Error> {
        source.deserialize_any(Strings(scope))
    }
}

struct Strings<'a>(Scope<'a>);

impl<'de> Visitor<'de> for Strings<'_> {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_unit<E>(self) -> Result<Vec<String>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let scope = self.0.enter()?;
        let mut strings = Vec::new();
        while let Some(item) = items.next_element()? {
            strings.push(item);
            scope.item(strings.len())?;
        }
        Ok(strings)
    }
}

fn once<E: de::Error>(seen: &mut bool, scope: Scope<'_>) -> Result<(), E> {
    if std::mem::replace(seen, true) { Err(scope.refuse(JsonError::Duplicate)) } else { Ok(()) }
}
