//! The rules for claims other than times: from whom, of which kind, for whom.

use serde_json::{Map, Value};

use super::judge::{Stop, TokenProfile, issuer_claim_matches};
use crate::authn::reason::Reason;
use crate::jose::Header;
use crate::jose::header::media_type_is;

const CLAIM_TYPE: Stop = Stop::Reject(Reason::ClaimType);
const FOREIGN: Stop = Stop::Reject(Reason::TokenProfile);

/// `iss` must be a string that names the issuer. An array that contains it is not that.
pub(super) fn issuer(claims: &Map<String, Value>, configured: &str) -> Result<(), Stop> {
    match claims.get("iss") {
        Some(Value::String(claim)) if issuer_claim_matches(configured, claim) => Ok(()),
        None | Some(Value::String(_)) => Err(Stop::Reject(Reason::UnknownIssuer)),
        Some(_) => Err(CLAIM_TYPE),
    }
}

/// The token must be of the wanted kind, and its members must have the types of that kind.
pub(super) fn profile(header: &Header, claims: &Map<String, Value>, profile: TokenProfile) -> Result<(), Stop> {
    kind(header.unverified_typ(), claims, profile)?;
    spelling(claims)?;
    for name in ["sub", "jti"] {
        if claims.get(name).is_some_and(|value| !value.is_string()) {
            return Err(CLAIM_TYPE);
        }
    }
    // Nobody here reads these two, and some issuers write null for "none".
    for name in ["nonce", "at_hash"] {
        if claims.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(CLAIM_TYPE);
        }
    }
    distributed_claims(claims)
}

/// The claims that the API server's own OIDC authenticator reads whatever the case of their names, the last of them winning:
/// what says `exp` to us and `EXP` to it would be another token there.
const REGISTERED: [&str; 10] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "nonce", "at_hash", "_claim_names", "_claim_sources"];

/// A registered claim must be spelled as it is registered, or there would be two readings of the token.
fn spelling(claims: &Map<String, Value>) -> Result<(), Stop> {
    let is_respelled = |name: &String| {
        // Whatever is in small letters is registered, or another name.
        let has_another_case = name.bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii());
        has_another_case
            && REGISTERED.iter().any(|registered| name != registered && name.chars().map(folded).eq(registered.chars()))
    };
    if claims.keys().any(is_respelled) { Err(Stop::Reject(Reason::DuplicateMember)) } else { Ok(()) }
}

/// A character as Go compares it when case does not count.
const fn folded(character: char) -> char {
    match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    }
}

/// A `typ` other than the two that bearer tokens have is refused, known or not: RFC 8725 section 3.11 tells kinds
/// apart by it, so an unknown one is a kind that is not meant as a bearer token.
fn kind(typ: Option<&str>, claims: &Map<String, Value>, profile: TokenProfile) -> Result<(), Stop> {
    let is_plain = typ.is_none_or(|typ| media_type_is(typ, "JWT"));
    let is_access_token = typ.is_some_and(|typ| media_type_is(typ, "at+jwt"));
    let is_wanted = match profile {
        TokenProfile::AccessToken => is_access_token,
        TokenProfile::Any => is_plain || is_access_token,
        TokenProfile::IdToken => is_plain,
    };
    // Members of logout and security event tokens and of introspection answers, which may come without a `typ`.
    let is_foreign = ["events", "token_introspection"].iter().any(|name| claims.contains_key(*name));
    if !is_wanted || is_foreign {
        return Err(FOREIGN);
    }
    match profile {
        TokenProfile::AccessToken => access_token_members(claims),
        TokenProfile::Any | TokenProfile::IdToken => Ok(()),
    }
}

/// RFC 9068 section 2.2. The types of `iss`, `aud`, `exp` and `iat` are checked where they are read.
fn access_token_members(claims: &Map<String, Value>) -> Result<(), Stop> {
    if ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"].iter().any(|name| !claims.contains_key(*name)) {
        return Err(FOREIGN);
    }
    match claims.get("client_id") {
        Some(Value::String(_)) => Ok(()),
        _ => Err(CLAIM_TYPE),
    }
}

/// `_claim_names` and `_claim_sources` (OpenID Connect Core section 5.6.2) must make sense together, whether or not
/// anything looks at them, as the API server's own OIDC authenticator has it.
fn distributed_claims(claims: &Map<String, Value>) -> Result<(), Stop> {
    let names = optional_object(claims, "_claim_names")?;
    let sources = optional_object(claims, "_claim_sources")?;
    for source in sources.into_iter().flat_map(Map::values) {
        let members = source.as_object().ok_or(CLAIM_TYPE)?;
        for name in ["endpoint", "access_token"] {
            if members.get(name).is_some_and(|value| !value.is_string()) {
                return Err(CLAIM_TYPE);
            }
        }
    }
    for name in names.into_iter().flat_map(Map::values) {
        let name = name.as_str().ok_or(CLAIM_TYPE)?;
        if !sources.is_some_and(|sources| sources.contains_key(name)) {
            return Err(Stop::Reject(Reason::Malformed));
        }
    }
    Ok(())
}

fn optional_object<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<Option<&'c Map<String, Value>>, Stop> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(CLAIM_TYPE),
    }
}

/// The token's audiences that are configured, in the token's order and each once. There must be one.
pub(super) fn audiences(claims: &Map<String, Value>, configured: &[String]) -> Result<Vec<String>, Stop> {
    let found = match claims.get("aud") {
        None => return Err(Stop::Reject(Reason::AudienceMismatch)),
        Some(Value::Array(found)) => found.as_slice(),
        Some(single @ Value::String(_)) => std::slice::from_ref(single),
        Some(_) => return Err(CLAIM_TYPE),
    };
    let mut matching: Vec<String> = Vec::new();
    for audience in found {
        let audience = audience.as_str().ok_or(CLAIM_TYPE)?;
        if configured.iter().any(|own| own == audience) && !matching.iter().any(|known| known == audience) {
            matching.push(audience.to_owned());
        }
    }
    if matching.is_empty() { Err(Stop::Reject(Reason::AudienceMismatch)) } else { Ok(matching) }
}
