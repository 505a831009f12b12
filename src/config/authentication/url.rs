//! Issuer URLs as the API server reads them, which is as Go's `net/url` does: what it takes must pass here, and what it
//! refuses must not.

use std::net::Ipv6Addr;

use thiserror::Error;

/// Why Go's `url.Parse` refuses a text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(crate) enum UrlError {
    #[error("it has a control character")]
    ControlCharacter,
    #[error("the scheme is missing")]
    NoScheme,
    #[error("there is a colon in the first path segment, but no scheme")]
    ColonBeforePath,
    #[error("the user information has characters that must be escaped")]
    UserInformation,
    #[error("the host has a character that is not allowed")]
    Host,
    #[error("the bracket around the IPv6 address is not closed")]
    UnclosedBracket,
    #[error("what stands in brackets is not an IPv6 address")]
    Address,
    #[error("the port is not a number")]
    Port,
    #[error("there is an incomplete or forbidden % escape")]
    Escape,
}

/// The parts that the rules ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct GoUrl<'a> {
    /// In lower case.
    pub(crate) scheme: String,
    pub(crate) has_user_information: bool,
    /// With the port, as written.
    pub(crate) host: &'a str,
    pub(crate) has_query: bool,
    pub(crate) has_fragment: bool,
}

impl<'a> GoUrl<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, UrlError> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        if text.bytes().any(|b| b.is_ascii_control()) {
            return Err(UrlError::ControlCharacter);
        }
        check_escapes(fragment)?;
        let (scheme, rest) = split_scheme(text)?;
        // A lone question mark at the end is no query.
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut url = Self {
            scheme: scheme.to_ascii_lowercase(),
            has_user_information: false,
            host: "",
            has_query: !query.is_empty(),
            has_fragment: !fragment.is_empty(),
        };
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err(UrlError::ColonBeforePath);
            }
        }
        let path = match rest.strip_prefix("//") {
            Some(after) if !scheme.is_empty() || !after.starts_with('/') => {
                let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
                let host = match authority.rsplit_once('@') {
                    Some((user_information, host)) => {
                        check_user_information(user_information)?;
                        url.has_user_information = true;
                        host
                    }
                    None => authority,
                };
                check_host(host)?;
                url.host = host;
                path
            }
            _ => rest,
        };
        check_escapes(path)?;
        Ok(url)
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), UrlError> {
    match text.split_once(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))) {
        Some(("", _)) if text.starts_with(':') => Err(UrlError::NoScheme),
        Some((scheme, rest))
            if text.as_bytes().get(scheme.len()) == Some(&b':')
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Ok((scheme, rest))
        }
        _ => Ok(("", text)),
    }
}

fn check_user_information(text: &str) -> Result<(), UrlError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !text.chars().all(allowed) {
        return Err(UrlError::UserInformation);
    }
    check_escapes(text)
}

fn check_host(host: &str) -> Result<(), UrlError> {
    if host.starts_with('[') {
        let (address, port) = host.rsplit_once(']').ok_or(UrlError::UnclosedBracket)?;
        check_port(port)?;
        // A zone may follow the address, after an escaped `%`.
        let address = address.strip_prefix('[').unwrap_or(address);
        let (address, zone) = address.split_once("%25").unwrap_or((address, ""));
        check_escapes(zone)?;
        return address.parse::<Ipv6Addr>().map(|_| ()).map_err(|_| UrlError::Address);
    }
    // The first colon starts the port: Go takes further ones for other schemes only.
    check_port(host.split_at(host.find(':').unwrap_or(host.len())).1)?;
    check_host_characters(host)
}

fn check_port(text: &str) -> Result<(), UrlError> {
    match text.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        None if text.is_empty() => Ok(()),
        _ => Err(UrlError::Port),
    }
}

/// A host may have any character beyond ASCII, but of ASCII only these; escapes only for what is beyond ASCII.
fn check_host_characters(host: &str) -> Result<(), UrlError> {
    check_escapes(host)?;
    let mut rest = host;
    while let Some((_, after)) = rest.split_once('%') {
        let is_beyond_ascii = after.starts_with(|c: char| c.to_digit(16).is_some_and(|digit| digit >= 8));
        if !is_beyond_ascii && !after.starts_with("25") {
            return Err(UrlError::Escape);
        }
        rest = after;
    }
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "-_.~!$&'()*+,;=:]<>\"%".contains(c);
    if host.chars().all(allowed) { Ok(()) } else { Err(UrlError::Host) }
}

fn check_escapes(text: &str) -> Result<(), UrlError> {
    let mut escapes = text.split('%');
    escapes.next();
    for escape in escapes {
        let mut digits = escape.bytes();
        if !(0..2).all(|_| digits.next().is_some_and(|b| b.is_ascii_hexdigit())) {
            return Err(UrlError::Escape);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_go_reads_is_read_into_the_same_parts() {
        // scheme, host, user information, query, fragment
        for (text, expected) in [
            ("https://idp.example.com", ("https", "idp.example.com", false, false, false)),
            ("HTTPS://IdP.example.com:8443/a%20b", ("https", "IdP.example.com:8443", false, false, false)),
            ("https://host?", ("https", "host", false, false, false)),
            ("https://host??", ("https", "host", false, true, false)),
            ("https://host?a=b", ("https", "host", false, true, false)),
            ("https://host#", ("https", "host", false, false, false)),
            ("https://host#f?x", ("https", "host", false, false, true)),
            ("https://user:secret@host/", ("https", "host", true, false, false)),
            ("https://@host", ("https", "host", true, false, false)),
            ("https://a@b@host", ("https", "host", true, false, false)),
            ("https://", ("https", "", false, false, false)),
            ("https:///path", ("https", "", false, false, false)),
            ("https:/path", ("https", "", false, false, false)),
            ("https:host", ("https", "", false, false, false)),
            ("https://host:", ("https", "host:", false, false, false)),
            ("https://[::1]:8443/x", ("https", "[::1]:8443", false, false, false)),
            ("https://[fe80::1%25eth0]/", ("https", "[fe80::1%25eth0]", false, false, false)),
            ("https://b\u{fc}cher.example", ("https", "b\u{fc}cher.example", false, false, false)),
            ("https://b%C3%BCcher.example", ("https", "b%C3%BCcher.example", false, false, false)),
            ("idp.example.com", ("", "", false, false, false)),
            ("/path:x", ("", "", false, false, false)),
            ("//host/path", ("", "host", false, false, false)),
            ("///path", ("", "", false, false, false)),
            ("host:8443/x", ("host", "", false, false, false)),
            ("", ("", "", false, false, false)),
            ("*", ("", "", false, false, false)),
        ] {
            let outcome = GoUrl::parse(text)
                .map(|url| (url.scheme.clone(), url.host, url.has_user_information, url.has_query, url.has_fragment));
            let (scheme, host, user, query, fragment) = expected;
            assert_eq!(outcome, Ok((scheme.to_owned(), host, user, query, fragment)), "{text}");
        }
    }

    #[test]
    fn d9_what_go_refuses_is_refused() {
        for (text, expected) in [
            ("https://host\u{0}", UrlError::ControlCharacter),
            ("https://host/\n", UrlError::ControlCharacter),
            ("https://host\u{7f}", UrlError::ControlCharacter),
            ("://host", UrlError::NoScheme),
            ("ho_st:8443/x", UrlError::ColonBeforePath),
            ("1https://host/", UrlError::ColonBeforePath),
            ("https://us er@host", UrlError::UserInformation),
            ("https://%zz@host", UrlError::Escape),
            ("https://ho st", UrlError::Host),
            ("https://ho\\st", UrlError::Host),
            ("https://{host}", UrlError::Host),
            ("https://ho[st", UrlError::Host),
            ("https://ho%41st", UrlError::Escape),
            ("https://host%", UrlError::Escape),
            ("https://[::1", UrlError::UnclosedBracket),
            ("https://[::1]x", UrlError::Port),
            ("https://[::1]]", UrlError::Address),
            ("https://[127.0.0.1]", UrlError::Address),
            ("https://a:1:2", UrlError::Port),
            ("https://[::1]:x", UrlError::Port),
            ("https://host:port", UrlError::Port),
            ("https://host:84 43", UrlError::Port),
            ("https://host/%", UrlError::Escape),
            ("https://host/%4", UrlError::Escape),
            ("https://host/%4g", UrlError::Escape),
            ("https://host#%", UrlError::Escape),
        ] {
            assert_eq!(GoUrl::parse(text), Err(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_upsets_the_reader(text in "(https?:)?/{0,3}[a-z@:%\\[\\]?#/ é]{0,30}|.{0,30}") {
            let _read = GoUrl::parse(&text);
        }
    }
}
