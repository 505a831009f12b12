//! A second, independent reader of public keys: jsonwebtoken.
//!
//! A key decides who gets in, and is read once in minutes, so two readers that share no code must both find it usable.
//! Only the members that are the key go to the second one; what stands beside them is judged by ours alone.

use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::Jwk;
use serde_json::{Map, Value};

/// The members that make a public key (RFC 7518 section 6, RFC 8037 section 2).
const KEY_MEMBERS: [&str; 6] = ["kty", "crv", "x", "y", "n", "e"];

/// Whether jsonwebtoken can verify with this key too.
pub(super) fn agrees(members: &Map<String, Value>) -> bool {
    let key: Map<String, Value> = KEY_MEMBERS
        .iter()
        .filter_map(|name| members.get(*name).map(|value| ((*name).to_owned(), value.clone())))
        .collect();
    serde_json::from_value::<Jwk>(Value::Object(key)).is_ok_and(|jwk| DecodingKey::from_jwk(&jwk).is_ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(jwk: Value) -> Map<String, Value> {
        jwk.as_object().unwrap().clone()
    }

    #[test]
    fn a4_a_key_that_the_second_reader_cannot_read_is_not_agreed_on() {
        assert!(agrees(&members(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}))));
        assert!(!agrees(&members(json!({"kty": "RSA", "n": "AQAB"}))));
        assert!(!agrees(&members(json!({"kty": "RSA", "n": "not base64!", "e": "AQAB"}))));
        assert!(!agrees(&members(json!({"kty": "EC", "crv": "P-256", "x": "AQAB"}))));
    }

    #[test]
    fn what_stands_beside_the_key_is_not_for_the_second_reader() {
        assert!(agrees(&members(json!({"kty": "RSA", "n": "AQAB", "e": "AQAB", "x5c": 7, "kid": 7, "alg": "new"}))));
    }
}
