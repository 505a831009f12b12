//! URLs that mean the same to an API server as they do here.
//!
//! The library that we connect with mends what Go's refuses (blanks, `https:///host`, `%zz`) and reads some hosts as numbers
//! that are names to Go (`0x7f.1`). What both do not read alike is no URL for a webhook.

use std::net::Ipv4Addr;

use url::{Host, Url};

use crate::config::GoUrl;

/// Reads an absolute URL with a host.
#[must_use]
pub fn parse(text: &str) -> Option<Url> {
    let has_odd = text.chars().any(|c| c.is_whitespace() || c == '\\');
    let as_go_does = GoUrl::parse(text).ok().filter(|url| !has_odd && !url.host.is_empty())?;
    let url = Url::parse(text).ok()?;
    match url.host()? {
        Host::Ipv4(address) => {
            let host = as_go_does.host.split(':').next().unwrap_or_default();
            (host.parse::<Ipv4Addr>() == Ok(address)).then_some(url)
        }
        Host::Domain(_) | Host::Ipv6(_) => Some(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_libraries_read_alike_is_a_url() {
        for text in [
            "https://hook",
            "https://hook.example.com:8443/authenticate",
            "HTTPS://Hook/a%20b?c=d#e",
            "http://127.0.0.1:80/",
            "https://[::1]:8443/a",
            "https://b\u{fc}cher.example/a",
        ] {
            assert!(parse(text).is_some(), "{text}");
        }
    }

    #[test]
    fn what_one_of_them_mends_or_reads_otherwise_is_none() {
        for text in [
            "",
            "hook:8443",
            " https://hook/a",
            "https://hook/a ",
            "https://hook/a\n",
            "https://ho\tok/a",
            "https://ho ok/a",
            "https:///hook/a",
            "https:/hook/a",
            "https:hook/a",
            "https://hook/%zz",
            "https://hook\\a",
            "https://hook/a\0b",
            "https://0x7f.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://hook:x/a",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
