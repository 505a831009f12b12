//! The discovery document: where an issuer's keys are (OpenID Connect Discovery 1.0 section 4).

use serde_json::Value;
use url::Url;

use super::KeySettings;
use crate::jose::json;

/// The longest discovery document that is read, in bytes; real ones have about 3 KiB.
pub const MAX_BYTES: usize = 256 * 1024;

/// Why a discovery document is not used. Its own texts are shown only where the operator needs them, and shortened.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DiscoveryError {
    /// It is not JSON, or names a member twice.
    #[error("the discovery document is not strict JSON: {0}")]
    Json(#[from] json::JsonError),
    /// It is another issuer's.
    #[error("the discovery document is for issuer {found:?}; it must be exactly the configured URL {configured:?}")]
    Issuer {
        /// What it says (shortened), or nothing.
        found: Option<String>,
        /// What it should say.
        configured: String,
    },
    /// It names no place for the keys, or one that is not an https address.
    #[error("the discovery document has no `jwks_uri` that is an https address")]
    KeysAddress,
}

/// The address of an issuer's discovery document: the configured one, or the well-known place below the issuer's URL
/// (less one trailing slash).
///
/// # Errors
///
/// When it is not a URL.
pub fn address(settings: &KeySettings) -> Result<Url, url::ParseError> {
    match &settings.discovery_url {
        Some(url) => Url::parse(url),
        None => {
            let issuer = settings.issuer.strip_suffix('/').unwrap_or(&settings.issuer);
            Url::parse(&format!("{issuer}/.well-known/openid-configuration"))
        }
    }
}

/// Reads the address of the keys from a document, after checking that it is this issuer's own (section 4.3).
///
/// # Errors
///
/// When it is not JSON, not this issuer's, or names no https address for its keys.
pub fn keys_address(document: &[u8], issuer: &str) -> Result<Url, DiscoveryError> {
    let document = json::object(document, &json::Limits::STANDARD)?;
    let found = document.get("issuer").and_then(Value::as_str);
    if found != Some(issuer) {
        let found = found.map(|text| text.chars().take(200).collect());
        return Err(DiscoveryError::Issuer { found, configured: issuer.to_owned() });
    }
    document
        .get("jwks_uri")
        .and_then(Value::as_str)
        .and_then(|address| Url::parse(address).ok())
        .filter(|address| address.scheme() == "https")
        .ok_or(DiscoveryError::KeysAddress)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ISSUER: &str = "https://idp.example.com/realm";

    fn settings(issuer: &str, discovery_url: Option<&str>) -> KeySettings {
        KeySettings {
            issuer: issuer.to_owned(),
            discovery_url: discovery_url.map(str::to_owned),
            certificate_authority: None,
            refresh_interval: Duration::from_secs(300),
            max_staleness: Duration::from_secs(86_400),
            state_directory: None,
            on_behalf_of: None,
            proxy: None,
        }
    }

    #[test]
    fn e11_the_document_is_below_the_issuer_less_one_trailing_slash() {
        let at = |issuer: &str| address(&settings(issuer, None)).unwrap().to_string();
        assert_eq!(at("https://idp/realm"), "https://idp/realm/.well-known/openid-configuration");
        assert_eq!(at("https://idp/realm/"), "https://idp/realm/.well-known/openid-configuration");
        assert_eq!(at("https://idp"), "https://idp/.well-known/openid-configuration");
        let elsewhere = address(&settings(ISSUER, Some("https://inside/x?y=1"))).unwrap();
        assert_eq!(elsewhere.as_str(), "https://inside/x?y=1");
    }

    #[test]
    fn e10_a_document_of_another_issuer_is_not_used() {
        let with = |issuer: &str| keys_address(issuer.as_bytes(), ISSUER);
        for document in [
            r#"{"issuer":"https://idp.example.com/realm/","jwks_uri":"https://idp.example.com/keys"}"#,
            r#"{"issuer":"https://idp.example.com/realm\u0000","jwks_uri":"https://idp.example.com/keys"}"#,
            r#"{"issuer":"HTTPS://idp.example.com/realm","jwks_uri":"https://idp.example.com/keys"}"#,
            r#"{"issuer":["https://idp.example.com/realm"],"jwks_uri":"https://idp.example.com/keys"}"#,
            r#"{"jwks_uri":"https://idp.example.com/keys"}"#,
        ] {
            assert!(matches!(with(document), Err(DiscoveryError::Issuer { .. })), "{document}");
        }
        let escaped = r#"{"issuer":"https:\/\/idp.example.com\/realm","jwks_uri":"https://idp.example.com/keys"}"#;
        assert_eq!(with(escaped).map(|url| url.to_string()), Ok("https://idp.example.com/keys".to_owned()));
    }

    #[test]
    fn e12_keys_are_fetched_over_https_only() {
        for address in [r#""http://idp.example.com/keys""#, r#""keys""#, r#""""#, "null", "1", r#"["https://a/"]"#] {
            let document = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":{address}}}"#);
            assert_eq!(keys_address(document.as_bytes(), ISSUER), Err(DiscoveryError::KeysAddress), "{address}");
        }
    }

    #[test]
    fn c1_a_document_that_names_a_member_twice_is_not_used() {
        let document = format!(r#"{{"issuer":"{ISSUER}","issuer":"{ISSUER}","jwks_uri":"https://idp/keys"}}"#);
        assert!(matches!(keys_address(document.as_bytes(), ISSUER), Err(DiscoveryError::Json(_))));
    }
}
