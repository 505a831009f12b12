//! OAuth metadata (RFC 8414) for OpenShift, derived from a provider's OpenID Connect discovery document.
//!
//! Field by field: what OpenShift's clients need is taken over as it is or the derivation fails; what only OpenID Connect
//! has is dropped; nothing is invented, except for defaults that both specifications give.

mod fetch;

use serde_json::{Map, Value, json};

pub use self::fetch::{FetchError, fetch, well_known};
use crate::findings::{Finding, Findings, Severity};
use crate::jose::json::{self as strict, Limits};
use crate::wiring::address;

/// What is missing is left out.
const OPTIONAL: [&str; 19] = [
    "code_challenge_methods_supported",
    "device_authorization_endpoint",
    "introspection_endpoint",
    "introspection_endpoint_auth_methods_supported",
    "introspection_endpoint_auth_signing_alg_values_supported",
    "jwks_uri",
    "op_policy_uri",
    "op_tos_uri",
    "registration_endpoint",
    "response_modes_supported",
    "revocation_endpoint",
    "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported",
    "scopes_supported",
    "service_documentation",
    "signed_metadata",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
    "ui_locales_supported",
];

/// The response types that OAuth has; OpenID Connect's others end in `id_token`.
const RESPONSE_TYPES: [&str; 2] = ["code", "token"];

/// A document that no metadata can be derived from.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerivationError {
    /// It is not a JSON object.
    #[error(
        "the provider's discovery document is not a JSON object; give the one of /.well-known/openid-configuration"
    )]
    Document,
    /// It is another issuer's.
    #[error(
        "the discovery document is of the issuer {found:?}, not of {configured:?}; write the issuer exactly as it says"
    )]
    Issuer {
        /// The document's.
        found: String,
        /// The one that was expected.
        configured: String,
    },
    /// OpenShift's clients need a field that is not there, or not of the right form.
    #[error("the discovery document's {field} {problem}; {remedy}")]
    Field {
        /// Which one.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// What to do.
        remedy: &'static str,
    },
}

/// Metadata, and what there is to say about it.
#[derive(Debug, PartialEq)]
pub struct Derived {
    /// The document to put into the config map.
    pub document: Value,
    /// What clients will miss.
    pub advice: Findings,
}

/// Derives the metadata. `issuer` is the configured one, if there is a configuration.
///
/// # Errors
/// If the document is not one, is another issuer's, or lacks what OpenShift's clients need.
pub fn derive(discovery: &[u8], issuer: Option<&str>) -> Result<Derived, DerivationError> {
    let source = strict::object(discovery, &Limits::STANDARD).map_err(|_| DerivationError::Document)?;
    let found = https(&source, "issuer")?;
    if let Some(configured) = issuer.filter(|configured| *configured != found) {
        return Err(DerivationError::Issuer { found, configured: configured.to_owned() });
    }
    let mut document = Map::new();
    let mut advice = Findings::new();
    document.insert("issuer".to_owned(), found.into());
    for field in ["authorization_endpoint", "token_endpoint"] {
        document.insert(field.to_owned(), https(&source, field)?.into());
    }
    document.insert("response_types_supported".to_owned(), response_types(&source)?);
    let grants = source.get("grant_types_supported").filter(|value| is_list(value)).cloned();
    document.insert(
        "grant_types_supported".to_owned(),
        grants.unwrap_or_else(|| json!(["authorization_code", "implicit"])),
    );
    for field in OPTIONAL {
        if let Some(value) = source.get(field).filter(|value| !value.is_null()) {
            document.insert(field.to_owned(), value.clone());
        }
    }
    let methods = source.get("code_challenge_methods_supported").and_then(Value::as_array);
    if !methods.is_some_and(|methods| methods.iter().any(|method| method == "S256")) {
        advice.push(Finding {
            code: "metadata_without_pkce",
            severity: Severity::Warning,
            path: "code_challenge_methods_supported".to_owned(),
            message: "the provider does not say that it has PKCE with S256, so oc logs in without".to_owned(),
            remedy: "ask whoever runs the provider; do not add it by hand if it has not".to_owned(),
        });
    }
    Ok(Derived { document: Value::Object(document), advice })
}

fn https(source: &Map<String, Value>, field: &'static str) -> Result<String, DerivationError> {
    const REMEDY: &str = "OpenShift's clients need it; a provider without it cannot be used with oc login";
    let text = source.get(field).and_then(Value::as_str).unwrap_or_default();
    let wrong = |problem| DerivationError::Field { field, problem, remedy: REMEDY };
    if text.is_empty() {
        return Err(wrong("is missing"));
    }
    match address::parse(text) {
        Some(url) if url.scheme() != "https" => Err(wrong("is not an https URL")),
        Some(url) if field == "issuer" && (url.query().is_some() || url.fragment().is_some()) => {
            Err(wrong("has a query or a fragment"))
        }
        Some(_) => Ok(text.to_owned()),
        None => Err(wrong("is not a URL")),
    }
}

fn response_types(source: &Map<String, Value>) -> Result<Value, DerivationError> {
    let wrong = |problem| DerivationError::Field {
        field: "response_types_supported",
        problem,
        remedy: "both specifications require it, and oc login asks for `code`",
    };
    let all = source.get("response_types_supported").filter(|value| is_list(value)).and_then(Value::as_array);
    let kept: Vec<&str> = all
        .ok_or_else(|| wrong("is missing"))?
        .iter()
        .filter_map(Value::as_str)
        .filter(|kind| RESPONSE_TYPES.contains(kind))
        .collect();
    if kept.contains(&"code") { Ok(json!(kept)) } else { Err(wrong("has no `code`")) }
}

fn is_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery() -> Value {
        json!({
            "issuer": "https://idp.example.com/realm",
            "authorization_endpoint": "https://idp.example.com/authorize",
            "token_endpoint": "https://idp.example.com/token",
            "userinfo_endpoint": "https://idp.example.com/me",
            "jwks_uri": "https://idp.example.com/keys",
            "scopes_supported": ["openid", "groups"],
            "response_types_supported": ["code", "code id_token", "id_token", "token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub"],
            "code_challenge_methods_supported": ["S256"],
        })
    }

    fn derived(change: impl FnOnce(&mut Map<String, Value>)) -> Result<Derived, DerivationError> {
        let mut document = discovery();
        change(document.as_object_mut().unwrap());
        derive(document.to_string().as_bytes(), Some("https://idp.example.com/realm"))
    }

    #[test]
    fn what_oauth_has_is_taken_and_what_only_openid_has_is_dropped() {
        assert_eq!(
            derived(|_| {}).unwrap(),
            Derived {
                document: json!({
                    "issuer": "https://idp.example.com/realm",
                    "authorization_endpoint": "https://idp.example.com/authorize",
                    "token_endpoint": "https://idp.example.com/token",
                    "jwks_uri": "https://idp.example.com/keys",
                    "scopes_supported": ["openid", "groups"],
                    "response_types_supported": ["code", "token"],
                    "grant_types_supported": ["authorization_code", "implicit"],
                    "code_challenge_methods_supported": ["S256"],
                }),
                advice: Findings::new(),
            }
        );
    }

    #[test]
    fn grant_types_are_kept_when_they_are_said() {
        let derived =
            derived(|fields| drop(fields.insert("grant_types_supported".into(), json!(["authorization_code"]))))
                .unwrap();
        assert_eq!(derived.document["grant_types_supported"], json!(["authorization_code"]));
    }

    #[test]
    fn pkce_is_never_invented() {
        let derived = derived(|fields| drop(fields.remove("code_challenge_methods_supported"))).unwrap();
        assert_eq!(derived.document.get("code_challenge_methods_supported"), None);
        assert_eq!(derived.advice.iter().map(|finding| finding.code).collect::<Vec<_>>(), ["metadata_without_pkce"]);
    }

    #[test]
    fn missing_scopes_stay_missing() {
        let derived = derived(|fields| drop(fields.remove("scopes_supported"))).unwrap();
        assert_eq!(derived.document.get("scopes_supported"), None);
    }

    #[test]
    fn the_issuer_is_compared_byte_for_byte() {
        let error = derive(discovery().to_string().as_bytes(), Some("https://idp.example.com/realm/")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the discovery document is of the issuer \"https://idp.example.com/realm\", not of \
             \"https://idp.example.com/realm/\"; write the issuer exactly as it says"
        );
    }

    #[test]
    fn what_clients_need_must_be_there() {
        let problem = |field: &str, value: Value| {
            let result = derived(|fields| drop(fields.insert(field.into(), value)));
            match result {
                Err(DerivationError::Field { field, problem, .. }) => format!("{field} {problem}"),
                other => panic!("{field}: {other:?}"),
            }
        };
        assert_eq!(problem("authorization_endpoint", Value::Null), "authorization_endpoint is missing");
        assert_eq!(problem("token_endpoint", json!("http://idp/token")), "token_endpoint is not an https URL");
        assert_eq!(problem("token_endpoint", json!("/token")), "token_endpoint is not a URL");
        assert_eq!(problem("issuer", json!("https://idp.example.com/?a=b")), "issuer has a query or a fragment");
        assert_eq!(problem("response_types_supported", Value::Null), "response_types_supported is missing");
        assert_eq!(problem("response_types_supported", json!(["id_token"])), "response_types_supported has no `code`");
        assert_eq!(derive(b"[]", None), Err(DerivationError::Document));
    }
}
