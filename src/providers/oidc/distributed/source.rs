//! Where a token says that one of its claims is (OpenID Connect Core 1.0 section 5.6.2).

use std::fmt;

use serde_json::{Map, Value};

use crate::authn::Reason;

/// The address of a claim, and what opens it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Source<'c> {
    /// As the token has it.
    pub endpoint: &'c str,
    /// A bearer token for the address.
    pub access_token: Option<&'c str>,
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// Where a claim is if not in the token. `None` when the token has the claim itself, says nothing of it, or has it
/// aggregated, which the API server's own authenticator takes for absent, too.
///
/// # Errors
///
/// When the token says that there are such claims, and not where. That its other members have the right types has
/// been checked with the rest of the token.
pub fn source<'c>(claims: &'c Map<String, Value>, claim: &str) -> Result<Option<Source<'c>>, Reason> {
    if claims.contains_key(claim) || !claims.contains_key("_claim_names") {
        return Ok(None);
    }
    let sources = claims.get("_claim_sources").ok_or(Reason::Malformed)?;
    let Some(name) = claims.get("_claim_names").and_then(|names| names.get(claim)) else { return Ok(None) };
    let source = name.as_str().and_then(|name| sources.get(name)).ok_or(Reason::Malformed)?;
    let text = |member: &str| source.get(member).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(endpoint) = text("endpoint") else { return Ok(None) };
    Ok(Some(Source { endpoint, access_token: text("access_token") }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(claims: &Value) -> Result<Option<(&str, Option<&str>)>, Reason> {
        let source = source(claims.as_object().unwrap(), "groups")?;
        Ok(source.map(|source| (source.endpoint, source.access_token)))
    }

    #[test]
    fn d12_only_the_groups_claim_is_looked_for_and_only_if_the_token_lacks_it() {
        let names = json!({"groups": "s", "roles": "other"});
        let sources = json!({"s": {"endpoint": "https://a", "access_token": "t"}, "other": {"endpoint": "https://b"}});
        let claims = json!({"_claim_names": names, "_claim_sources": sources});
        assert_eq!(found(&claims), Ok(Some(("https://a", Some("t")))));
        for own in [json!([]), json!(null), json!("g")] {
            let claims = json!({"groups": own, "_claim_names": names, "_claim_sources": sources});
            assert_eq!(found(&claims), Ok(None), "{own}");
        }
        let claims = json!({"_claim_names": {"roles": "other"}, "_claim_sources": sources});
        assert_eq!(found(&claims), Ok(None));
        assert_eq!(found(&json!({"_claim_sources": sources})), Ok(None));
        assert_eq!(found(&json!({})), Ok(None));
    }

    #[test]
    fn d12_aggregated_groups_are_no_groups() {
        for source in [json!({"JWT": "a.b.c"}), json!({}), json!({"endpoint": "", "access_token": "t"})] {
            let claims = json!({"_claim_names": {"groups": "s"}, "_claim_sources": {"s": source}});
            assert_eq!(found(&claims), Ok(None), "{source}");
        }
        let claims =
            json!({"_claim_names": {"groups": "s"}, "_claim_sources": {"s": {"endpoint": "x", "access_token": ""}}});
        assert_eq!(found(&claims), Ok(Some(("x", None))));
    }

    #[test]
    fn d12_names_without_any_sources_are_malformed() {
        for names in [json!(null), json!({}), json!({"roles": "s"})] {
            assert_eq!(found(&json!({"_claim_names": names})), Err(Reason::Malformed), "{names}");
            assert_eq!(found(&json!({"_claim_names": names, "_claim_sources": null})), Ok(None), "{names}");
        }
        let claims = json!({"_claim_names": {"groups": "s"}, "_claim_sources": {}});
        assert_eq!(found(&claims), Err(Reason::Malformed));
    }
}
