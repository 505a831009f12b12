//! Where a provider's discovery document is, and how it is got.

use url::Url;

use crate::outbound::{Fetched, Limits, Outbound, OutboundError};

/// Real documents have a few kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// A document that could not be got.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The issuer is not a URL.
    #[error("{issuer:?} is not an https URL")]
    Issuer {
        /// What was given.
        issuer: String,
    },
    /// No answer, or none that is a document. The first of the places that were tried.
    #[error("the discovery document cannot be fetched; give it as a file with --discovery")]
    Outbound(#[source] OutboundError),
}

/// The places where an issuer's document can be: OpenID Connect puts the well-known part after the issuer's path,
/// RFC 8414 before it.
#[must_use]
pub fn well_known(issuer: &str) -> Option<Vec<Url>> {
    let url = Url::parse(issuer).ok().filter(|url| url.scheme() == "https" && url.has_host())?;
    let path = url.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place.set_query(None);
        place.set_fragment(None);
        place
    };
    let mut places = vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
        at(format!("/.well-known/openid-configuration{path}")),
    ];
    places.dedup();
    Some(places)
}

/// Fetches an issuer's document from the first place that has one; `place` is the only one to try, if it is configured.
///
/// # Errors
/// If no place answers with a document.
pub async fn fetch(
    issuer: &str,
    place: Option<&str>,
    certificate_authority: Option<&str>,
) -> Result<Vec<u8>, FetchError> {
    let not_a_url = || FetchError::Issuer { issuer: place.unwrap_or(issuer).to_owned() };
    let places = match place {
        Some(place) => vec![Url::parse(place).map_err(|_| not_a_url())?],
        None => well_known(issuer).ok_or_else(not_a_url)?,
    };
    let client = Outbound::with_limits(certificate_authority, Limits::PERSON).map_err(FetchError::Outbound)?;
    let mut first = None;
    for place in places {
        match client.get(&place, None, MAX_BYTES).await {
            Ok(Fetched::Document { body, .. }) => return Ok(body.to_vec()),
            Ok(Fetched::NotModified { .. }) => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or_else(not_a_url, FetchError::Outbound))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(issuer: &str) -> Vec<String> {
        well_known(issuer).unwrap_or_default().iter().map(Url::to_string).collect()
    }

    #[test]
    fn both_ways_to_build_the_address_are_tried() {
        assert_eq!(
            places("https://idp.example.com/realms/one/"),
            [
                "https://idp.example.com/realms/one/.well-known/openid-configuration",
                "https://idp.example.com/.well-known/oauth-authorization-server/realms/one",
                "https://idp.example.com/.well-known/openid-configuration/realms/one",
            ]
        );
        assert_eq!(places("http://idp.example.com"), [""; 0]);
    }
}
