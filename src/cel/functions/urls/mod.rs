//! URLs as Go reads them: `url()`, `isURL()`, and their parts.

mod escape;
mod parse;

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::{Body, Table};
use crate::cel::budget::Meter;
use crate::cel::error::Fault;
use crate::cel::types::{Opaque, Type};
use crate::cel::value::{Key, Map, OpaqueValue, Text, Value};
use escape::Part;

pub(super) use parse::is_request_uri;

const NOT_UTF8: Fault = Fault::Invalid("a part of the URL is not UTF-8 when unescaped");

/// A URL, taken apart. Unescaped parts need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cel) struct Url {
    /// In lower case; empty where there is none.
    scheme: String,
    /// What follows the scheme of a URL such as `mailto:x`.
    opaque: String,
    /// As it is written in the URL's own way.
    user: Option<String>,
    /// With the port; unescaped.
    host: Vec<u8>,
    /// Whether there is nothing for a host, not even the two slashes.
    has_no_host: bool,
    /// Escaped.
    path: String,
    /// `None` when there is no question mark.
    query: Option<String>,
    /// Escaped.
    fragment: String,
}

pub(super) fn declare(table: &mut Table) {
    let url = Type::Opaque(Opaque::Url);
    table.function("url", &[Type::String], url.clone(), |meter, arguments| {
        let [text @ Value::String(characters)] = arguments else { return Err(Fault::NoOverload) };
        meter.charge(2 * text.size())?;
        let url = Url::parse(characters).ok_or(Fault::Invalid("not an absolute URL or path"))?;
        Ok(Value::opaque(OpaqueValue::Url(Box::new(url))))
    });
    table.function("isURL", &[Type::String], Type::Bool, |meter, arguments| {
        let [text @ Value::String(characters)] = arguments else { return Err(Fault::NoOverload) };
        meter.charge(text.size())?;
        Ok(Value::Bool(is_request_uri(characters)))
    });
    let parts: [(&str, Body); 5] = [
        ("getScheme", |_, arguments| Ok(Value::string(of(arguments)?.scheme.as_str()))),
        ("getHost", |_, arguments| text(&of(arguments)?.host)),
        ("getHostname", |_, arguments| text(of(arguments)?.host_and_port().0)),
        ("getPort", |_, arguments| text(of(arguments)?.host_and_port().1)),
        ("getEscapedPath", |_, arguments| Ok(Value::string(of(arguments)?.path.as_str()))),
    ];
    for (name, body) in parts {
        table.member(name, std::slice::from_ref(&url), Type::String, body);
    }
    let query = Type::map(Type::String, Type::list(Type::String));
    table.member("getQuery", &[url], query, query_of);
}

impl Url {
    /// Name or address, without the brackets of an IPv6 address, and the port.
    fn host_and_port(&self) -> (&[u8], &[u8]) {
        let colon = self.host.iter().rposition(|byte| *byte == b':');
        let (host, port) = match colon.and_then(|colon| self.host.split_at_checked(colon)) {
            Some((host, port)) if parse::is_port(port) => (host, port.get(1..).unwrap_or_default()),
            _ => (self.host.as_slice(), [].as_slice()),
        };
        (host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]")).unwrap_or(host), port)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.scheme.is_empty() {
            write!(f, "{}:", self.scheme)?;
        }
        f.write_str(&self.opaque)?;
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if has_authority || (!self.scheme.is_empty() && !self.has_no_host && self.opaque.is_empty()) {
            f.write_str("//")?;
        }
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&escape::done(&self.host, Part::Host))?;
        f.write_str(&self.path)?;
        if let Some(query) = &self.query {
            write!(f, "?{query}")?;
        }
        if self.fragment.is_empty() { Ok(()) } else { write!(f, "#{}", self.fragment) }
    }
}

fn of<'a>(arguments: &'a [Value<'_>]) -> Result<&'a Url, Fault> {
    match arguments {
        [Value::Opaque(value)] => match &**value {
            OpaqueValue::Url(url) => Ok(url),
            _ => Err(Fault::NoOverload),
        },
        _ => Err(Fault::NoOverload),
    }
}

fn text<'v>(bytes: &[u8]) -> Result<Value<'v>, Fault> {
    std::str::from_utf8(bytes).map(Value::string).map_err(|_| NOT_UTF8)
}

/// All values of each parameter. Those that are written badly are left out.
fn query_of<'v>(meter: &mut Meter, arguments: &[Value<'v>]) -> Result<Value<'v>, Fault> {
    let query = of(arguments)?.query.as_deref().unwrap_or_default();
    meter.charge(u64::try_from(query.len()).unwrap_or(u64::MAX) / 10)?;
    let mut parameters: BTreeMap<String, Vec<Value<'v>>> = BTreeMap::new();
    for parameter in query.split('&') {
        if parameter.is_empty() || parameter.contains(';') {
            continue;
        }
        meter.charge(1)?;
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (Some(name), Some(value)) =
            (escape::undone(name.as_bytes(), Part::Query), escape::undone(value.as_bytes(), Part::Query))
        else {
            continue;
        };
        let name = String::from_utf8(name).map_err(|_| NOT_UTF8)?;
        parameters.entry(name).or_default().push(text(&value)?);
    }
    let entries =
        parameters.into_iter().map(|(name, values)| (Key::String(Text::Owned(name.into())), Value::list(values)));
    Ok(Value::Map(Map::Owned(Rc::new(entries.collect()))))
}
