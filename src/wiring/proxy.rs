//! The proxy that the environment has for a server, as kube-apiserver's library finds it.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use crate::outbound::is_loopback;

/// A proxy, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Where it is. May have a password.
    pub url: Url,
    /// The variable.
    pub variable: &'static str,
}

/// The proxy of `HTTPS_PROXY` (`HTTP_PROXY` for http), unless `NO_PROXY` excepts the server or it is this machine.
#[must_use]
pub fn of_environment(server: &Url) -> Option<Named> {
    find(server, |name| env::var(name).ok())
}

fn find(server: &Url, says: impl Fn(&str) -> Option<String>) -> Option<Named> {
    if is_loopback(server) {
        return None;
    }
    let says = |name: &str| says(name).filter(|text| !text.is_empty());
    let variables =
        if server.scheme() == "https" { ["HTTPS_PROXY", "https_proxy"] } else { ["HTTP_PROXY", "http_proxy"] };
    let (variable, text) = variables.into_iter().find_map(|name| Some((name, says(name)?)))?;
    let url = if text.contains("://") { Url::parse(&text) } else { Url::parse(&format!("http://{text}")) };
    let excepted = says("NO_PROXY").or_else(|| says("no_proxy")).unwrap_or_default();
    // Which proxy it is makes no difference to what is excepted.
    let matcher = Matcher::builder().all("http://proxy").no(excepted.as_str()).build();
    let is_meant = server.as_str().parse().is_ok_and(|server| matcher.intercept(&server).is_some());
    url.ok().filter(|url| is_meant && url.has_host()).map(|url| Named { url, variable })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(server: &str, variables: &[(&str, &str)]) -> Option<(String, &'static str)> {
        let says = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        find(&Url::parse(server).unwrap(), says).map(|named| (named.url.to_string(), named.variable))
    }

    #[test]
    fn the_variable_of_the_scheme_counts() {
        let all = [("HTTPS_PROXY", "http://one:3128"), ("http_proxy", "two:3128"), ("ALL_PROXY", "http://three:3128")];
        let one = Some(("http://one:3128/".to_owned(), "HTTPS_PROXY"));
        assert_eq!(found("https://hook.example.com/a", &all), one);
        assert_eq!(found("http://hook.example.com/a", &all), Some(("http://two:3128/".to_owned(), "http_proxy")));
        assert_eq!(found("https://hook.example.com/a", &all[1..]), None);
        assert_eq!(found("https://hook.example.com/a", &[("HTTPS_PROXY", "")]), None);
    }

    #[test]
    fn what_is_excepted_is_reached_directly() {
        for (server, excepted) in [
            ("https://127.0.0.1:8443/a", ""),
            ("https://localhost/a", ""),
            ("https://10.96.0.50/a", "10.96.0.0/12"),
            ("https://hook.example.com/a", "x,.example.com"),
        ] {
            assert_eq!(found(server, &[("HTTPS_PROXY", "http://one:1"), ("NO_PROXY", excepted)]), None, "{server}");
        }
    }
}
