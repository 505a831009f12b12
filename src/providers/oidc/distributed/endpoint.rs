//! The addresses that distributed claims may be fetched from.
//!
//! Which address is asked stands in a token, so it is compared in one spelling only: whatever a server, a proxy or a URL
//! library could read in two ways (user information, dot segments, escaped slashes and dots, path parameters, a host in
//! another notation) matches nothing.

use std::fmt;

use thiserror::Error;
use url::Url;

/// An address of the configuration: exactly that one, or, if it ends in a slash, everything below it.
#[derive(Clone, PartialEq, Eq)]
pub struct AllowedEndpoint {
    url: Url,
    is_prefix: bool,
}

/// An address that can only be read in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why an address is not one that can be compared.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum EndpointError {
    /// It has a fragment, or a user name.
    #[error("has a user name, a password or a fragment")]
    Parts,
    /// It is not an https URL.
    #[error("is not an https URL")]
    Scheme,
    /// It is written in a way that has another, plainer one.
    #[error("is not in its plain form, {0}")]
    Spelling(String),
    /// Its path has something that servers read in different ways.
    #[error("has an empty path segment, or one with an escaped slash, dot or percent sign")]
    Path,
}

impl AllowedEndpoint {
    /// Reads an entry of the configuration.
    ///
    /// # Errors
    ///
    /// When it is not an https URL in its one plain spelling.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let Endpoint(url) = Endpoint::parse(text)?;
        let is_prefix = url.query().is_none() && text.ends_with('/');
        Ok(Self { url, is_prefix })
    }

    /// Whether an address is this one, or below it.
    #[must_use]
    pub fn covers(&self, Endpoint(endpoint): &Endpoint) -> bool {
        // Host and port end before the slash that every prefix ends with, so no other host can begin with them.
        endpoint == &self.url || (self.is_prefix && endpoint.as_str().starts_with(self.url.as_str()))
    }

    /// As configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }
}

impl fmt::Debug for AllowedEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Endpoint {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// When it is not an https URL in its one plain spelling.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https").ok_or(EndpointError::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Parts);
        }
        // The library writes every URL in its plain form; only an empty path may be left out.
        let plain = url.as_str();
        if plain != text && plain.strip_suffix('/') != Some(text) {
            return Err(EndpointError::Spelling(plain.to_owned()));
        }
        if !has_plain_path(&url) {
            return Err(EndpointError::Path);
        }
        Ok(Self(url))
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// Whether every server reads the path in the same way.
fn has_plain_path(url: &Url) -> bool {
    let path = url.path().strip_prefix('/').unwrap_or_default();
    let segments = path.split('/');
    let last = segments.clone().count() - 1;
    segments.enumerate().all(|(position, segment)| {
        // Some servers take what follows a semicolon away before they look for dots.
        let name = segment.split(';').next().unwrap_or_default();
        let is_empty = segment.is_empty() && position != last;
        !is_empty && name != "." && name != ".." && !has_structural_escape(segment)
    })
}

/// Whether an escape stands for something that would be structure if it were not escaped.
fn has_structural_escape(segment: &str) -> bool {
    segment.split('%').skip(1).any(|escape| {
        let byte = escape.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        byte.is_none_or(|byte| byte.is_ascii_control() || b"./\\%;".contains(&byte))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(allowed: &str, endpoint: &str) -> bool {
        let allowed = AllowedEndpoint::parse(allowed).unwrap();
        Endpoint::parse(endpoint).is_ok_and(|endpoint| allowed.covers(&endpoint))
    }

    #[test]
    fn d12_an_address_is_matched_exactly_or_below_a_slash() {
        for (allowed, endpoint, expected) in [
            ("https://idp.example/groups", "https://idp.example/groups", true),
            ("https://idp.example/groups", "https://idp.example/groups/", false),
            ("https://idp.example/groups", "https://idp.example/groups2", false),
            ("https://idp.example/groups", "https://idp.example/groups?user=alice", false),
            ("https://idp.example/groups?v=1", "https://idp.example/groups?v=1", true),
            ("https://idp.example/groups?v=/", "https://idp.example/groups?v=/x", false),
            ("https://idp.example", "https://idp.example/", true),
            ("https://idp.example", "https://idp.example", true),
            ("https://idp.example", "https://idp.example/groups", false),
            ("https://idp.example/", "https://idp.example/groups", true),
            ("https://idp.example/", "https://idp.example", true),
            ("https://idp.example/users/", "https://idp.example/users/alice/groups?page=1", true),
            ("https://idp.example/users/", "https://idp.example/users/", true),
            ("https://idp.example/users/", "https://idp.example/users", false),
            ("https://idp.example/users/", "https://idp.example/Users/alice", false),
            ("https://idp.example/users/", "https://idp.example/users/a%20b", true),
            ("https://idp.example:8443/", "https://idp.example:8443/x", true),
            ("https://idp.example:8443/", "https://idp.example/x", false),
            ("https://idp.example/", "https://idp.example:8443/x", false),
            ("https://idp.example/", "https://idp.example.evil.example/x", false),
            ("https://idp.example/", "https://evil.example/https://idp.example/", false),
            ("https://idp.example/", "https://xidp.example/", false),
            ("https://idp.example/", "https://idp.example./x", false),
        ] {
            assert_eq!(covers(allowed, endpoint), expected, "{allowed} {endpoint}");
        }
    }

    #[test]
    fn d12_an_address_that_can_be_read_in_two_ways_matches_nothing() {
        for endpoint in [
            "http://idp.example/users/x",
            "HTTPS://idp.example/users/x",
            "https://IDP.example/users/x",
            "https://idp.example:443/users/x",
            "https://user@idp.example/users/x",
            "https://user:secret@idp.example/users/x",
            "https://@idp.example/users/x",
            "https://idp.example@evil.example/users/x",
            "https://evil.example\\@idp.example/users/x",
            "https://idp.example/users/../admin",
            "https://idp.example/users/./x",
            "https://idp.example/users/..",
            "https://idp.example/users/%2e%2e/admin",
            "https://idp.example/users/.%2E/admin",
            "https://idp.example/users/..%2fadmin",
            "https://idp.example/users/..%5Cadmin",
            "https://idp.example/users/%252e%252e/admin",
            "https://idp.example/users/..;/admin",
            "https://idp.example/users/..;x=y/admin",
            "https://idp.example/users/..%3b/admin",
            "https://idp.example/users/x%00",
            "https://idp.example/users/x%0d%0a",
            "https://idp.example/users/x%",
            "https://idp.example/users/x%zz",
            "https://idp.example/users//x",
            "https://idp.example//users/x",
            "https://idp.example\\users\\x",
            "https:/idp.example/users/x",
            "https:idp.example/users/x",
            "https:///idp.example/users/x",
            "//idp.example/users/x",
            "/users/x",
            "https://idp.example/users/x#f",
            "https://idp.example/users/x#",
            " https://idp.example/users/x",
            "https://idp.example/users/x ",
            "https://idp.example/us\ters/x",
            "https://idp.example/users/x\n",
            "https://idp.example/users/\u{e9}",
            "https://idp\u{3002}example/users/x",
            "https://\u{ff49}dp.example/users/x",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!covers("https://idp.example/users/", endpoint), "{endpoint:?}");
        }
        assert!(covers("https://10.0.0.1/", "https://10.0.0.1/x"));
        for endpoint in ["https://10.1/x", "https://0xa000001/x", "https://167772161/x", "https://012.0.0.1/x"] {
            assert!(!covers("https://10.0.0.1/", endpoint), "{endpoint}");
        }
    }

    #[test]
    fn d12_entries_of_the_configuration_are_plain_too() {
        let error = |text: &str| AllowedEndpoint::parse(text).unwrap_err();
        assert_eq!(error("http://idp.example/"), EndpointError::Scheme);
        assert_eq!(error("idp.example"), EndpointError::Scheme);
        assert_eq!(error("https://user@idp.example/"), EndpointError::Parts);
        assert_eq!(error("https://idp.example/#x"), EndpointError::Parts);
        assert_eq!(error("https://IDP.example/x"), EndpointError::Spelling("https://idp.example/x".to_owned()));
        assert_eq!(error("https://idp.example/a/../b"), EndpointError::Spelling("https://idp.example/b".to_owned()));
        assert_eq!(error("https://idp.example/a%2fb"), EndpointError::Path);
    }

    proptest! {
        #[test]
        fn d12_what_a_prefix_covers_is_below_it_for_every_reader(
            rest in "[a-z.%2efEF5cC0-9/;\\\\?#@: ]{0,24}",
        ) {
            let allowed = AllowedEndpoint::parse("https://idp.example/users/").unwrap();
            let text = format!("https://idp.example/users/{rest}");
            if let Ok(endpoint) = Endpoint::parse(&text)
                && allowed.covers(&endpoint)
            {
                prop_assert_eq!(endpoint.url().host_str(), Some("idp.example"));
                prop_assert!(endpoint.url().path().starts_with("/users/"));
                // As a server might that reads escapes first and dots then.
                let mut path = endpoint.url().path().to_owned();
                for (escape, character) in [("%2e", "."), ("%2E", "."), ("%2f", "/"), ("%2F", "/"), ("%5c", "/"), ("%5C", "/")] {
                    path = path.replace(escape, character);
                }
                let leaves = path.split('/').any(|segment| segment.split(';').next() == Some(".."));
                prop_assert!(!leaves, "{}", text);
            }
        }
    }
}
