//! Takes URLs apart.

use super::Url;
use super::escape::{self, Part};

/// Whether the text is an absolute URL or an absolute path, as one stands in an HTTP request.
pub(in crate::cel::functions) fn is_request_uri(text: &str) -> bool {
    !text.is_empty() && read(text, true).is_some()
}

impl Url {
    /// Reads an absolute URL, or an absolute path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        // What a request cannot have but for a fragment, no URL can have here.
        if !is_request_uri(text) {
            return None;
        }
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let mut url = read(before, false)?;
        url.fragment = normalized(fragment, Part::Fragment)?;
        Some(url)
    }
}

/// Reads everything but a fragment.
fn read(text: &str, is_request: bool) -> Option<Url> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let mut url = Url {
        scheme: String::new(),
        opaque: String::new(),
        user: None,
        host: Vec::new(),
        has_no_host: false,
        path: String::new(),
        query: None,
        fragment: String::new(),
    };
    if text == "*" {
        text.clone_into(&mut url.path);
        return Some(url);
    }
    let (scheme, rest) = scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, Some(query.to_owned())),
        None => (rest, None),
    };
    url.query = query;
    if !rest.starts_with('/') {
        if url.scheme.is_empty() {
            // A path that does not begin at the root has no place in a request, nor does nothing at all.
            return None;
        }
        rest.clone_into(&mut url.opaque);
        return Some(url);
    }
    let mut path = rest;
    let may_have_host = !url.scheme.is_empty() || (!is_request && !rest.starts_with("///"));
    match rest.strip_prefix("//") {
        Some(rest) if may_have_host => {
            let end = rest.find('/').unwrap_or(rest.len());
            let (authority, after) = rest.split_at(end);
            path = after;
            let (user, host) = match authority.rsplit_once('@') {
                Some((user, host)) => (Some(user), host),
                None => (None, authority),
            };
            url.host = read_host(&url.scheme, host)?;
            url.user = match user {
                Some(user) => Some(read_user(user)?),
                None => None,
            };
        }
        _ => url.has_no_host = !url.scheme.is_empty(),
    }
    url.path = normalized(path, Part::Path)?;
    Some(url)
}

/// The scheme, which may be empty, and what is behind its colon.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(text.len());
    let (scheme, rest) = text.split_at(end);
    match rest.strip_prefix(':') {
        Some(_) if scheme.is_empty() => None,
        Some(rest) if scheme.starts_with(|c: char| c.is_ascii_alphabetic()) => Some((scheme, rest)),
        _ => Some(("", text)),
    }
}

/// A name, or a name and a password.
fn read_user(text: &str) -> Option<String> {
    if !text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c)) {
        return None;
    }
    let write = |part: &str| Some(escape::done(&escape::undone(part.as_bytes(), Part::User)?, Part::User));
    match text.split_once(':') {
        Some((name, password)) => Some(format!("{}:{}", write(name)?, write(password)?)),
        None => write(text),
    }
}

fn read_host(scheme: &str, text: &str) -> Option<Vec<u8>> {
    match text.rfind('[') {
        Some(0) => return read_address(text),
        Some(_) => return None,
        None => {}
    }
    if let (Some(first), Some(last)) = (text.find(':'), text.rfind(':')) {
        // Databases have lists of hosts with ports; the web has not.
        let colon = if scheme == "http" || scheme == "https" { first } else { last };
        if !is_port(text.get(colon..)?.as_bytes()) {
            return None;
        }
    }
    escape::undone(text.as_bytes(), Part::Host)
}

/// An IPv6 address in brackets, with a zone perhaps, and a port perhaps.
fn read_address(text: &str) -> Option<Vec<u8>> {
    let (address, port) = text.strip_prefix('[')?.rsplit_once(']')?;
    if !is_port(port.as_bytes()) {
        return None;
    }
    let (plain, zone) = match address.find("%25") {
        Some(start) => address.split_at(start),
        None => (address, ""),
    };
    let plain = escape::undone(plain.as_bytes(), Part::Host)?;
    let zone = escape::undone(zone.as_bytes(), Part::Zone)?;
    // There may not be a zone without a name.
    if zone == b"%" || std::str::from_utf8(&plain).ok()?.parse::<std::net::Ipv6Addr>().is_err() {
        return None;
    }
    Some([b"[", plain.as_slice(), &zone, b"]", port.as_bytes()].concat())
}

/// Nothing, or a colon and perhaps digits.
pub(super) fn is_port(text: &[u8]) -> bool {
    match text.split_first() {
        None => true,
        Some((colon, digits)) => *colon == b':' && digits.iter().all(u8::is_ascii_digit),
    }
}

/// A part the way Go writes it: as it is where that is valid, and else escaped anew.
fn normalized(text: &str, part: Part) -> Option<String> {
    let meant = escape::undone(text.as_bytes(), part)?;
    Some(if escape::is_valid(text, part) { text.to_owned() } else { escape::done(&meant, part) })
}
