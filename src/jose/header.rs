//! The protected header of a token, read strictly.
//!
//! A header can ask a verifier to do things: to fetch a key, to take the key that came along, to understand an
//! extension, to decrypt. None of that is done, and a header that asks for it is refused rather than read past.

use serde_json::{Map, Value};

use super::algorithm::{Algorithm, AlgorithmSet};
use super::json::plain::string;
use crate::authn::reason::Reason;

/// What of a header takes part in decisions. Everything in it is unverified until the signature is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    algorithm: Option<Algorithm>,
    unverified_algorithm_name: String,
    unverified_kid: Option<String>,
    unverified_typ: Option<String>,
}

impl Header {
    /// The longest header that is read, in bytes of JSON. Real ones are below 300; only certificate chains, which
    /// nobody reads, make longer ones.
    pub const MAX_BYTES: usize = 2048;
    /// The longest `kid`, in bytes. Thumbprints and UUIDs are below 90.
    pub const MAX_KID_BYTES: usize = 256;

    /// Reads a header in the form that nearly all have: nothing but `alg`, `kid` and `typ`, without spaces and escapes. What it
    /// reads is what [`from_members`](Self::from_members) would; whatever has another form is left to that.
    #[must_use]
    pub fn of_usual_form(bytes: &[u8]) -> Option<Self> {
        let (mut algorithm_name, mut kid, mut typ) = (None, None, None);
        let mut rest = bytes.strip_prefix(b"{")?;
        loop {
            let (name, after) = string(rest)?;
            let (value, after) = string(after.strip_prefix(b":")?)?;
            let member = match name {
                "alg" => &mut algorithm_name,
                "kid" => &mut kid,
                "typ" => &mut typ,
                _ => return None,
            };
            if member.replace(value).is_some() {
                return None;
            }
            match after {
                b"}" => break,
                after => rest = after.strip_prefix(b",")?,
            }
        }
        let algorithm_name: &str = algorithm_name?;
        if kid.is_some_and(|kid: &str| kid.len() > Self::MAX_KID_BYTES) {
            return None;
        }
        Some(Self {
            algorithm: Algorithm::from_name(algorithm_name),
            unverified_algorithm_name: algorithm_name.to_owned(),
            unverified_kid: kid.map(str::to_owned),
            unverified_typ: typ.map(str::to_owned),
        })
    }

    /// Reads the members of a header.
    pub fn from_members(mut members: Map<String, Value>) -> Result<Self, Reason> {
        let carries = |names: &[&str]| names.iter().any(|name| members.contains_key(*name));
        if carries(&["crit", "b64"]) {
            return Err(Reason::CriticalHeader);
        }
        if carries(&["enc", "zip"]) {
            return Err(Reason::Encrypted);
        }
        if carries(&["jwk", "jku", "x5u"]) {
            return Err(Reason::EmbeddedKey);
        }
        let algorithm_name = take_string(&mut members, "alg")?.ok_or(Reason::Malformed)?;
        let kid = take_string(&mut members, "kid")?;
        let typ = take_string(&mut members, "typ")?;
        let content_type = take_string(&mut members, "cty")?;
        if kid.as_ref().is_some_and(|kid| kid.len() > Self::MAX_KID_BYTES) {
            return Err(Reason::Oversized);
        }
        if content_type.is_some_and(|content_type| media_type_is(&content_type, "JWT")) {
            return Err(Reason::TokenProfile);
        }
        Ok(Self {
            algorithm: Algorithm::from_name(&algorithm_name),
            unverified_algorithm_name: algorithm_name,
            unverified_kid: kid,
            unverified_typ: typ,
        })
    }

    /// The algorithm, if it is one that exists here. It chooses nothing: it must be what configuration and key allow.
    #[must_use]
    pub fn unverified_algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The algorithm, if it is one of these.
    pub fn algorithm_among(&self, allowed: AlgorithmSet) -> Result<Algorithm, Reason> {
        self.algorithm.filter(|algorithm| allowed.contains(*algorithm)).ok_or(Reason::AlgorithmNotAllowed)
    }

    /// `alg` as it was written.
    #[must_use]
    pub fn unverified_algorithm_name(&self) -> &str {
        &self.unverified_algorithm_name
    }

    /// The key that the token says it was signed with. A name to look up among the issuer's keys, nothing else.
    #[must_use]
    pub fn unverified_kid(&self) -> Option<&str> {
        self.unverified_kid.as_deref()
    }

    /// The kind of token that it says it is.
    #[must_use]
    pub fn unverified_typ(&self) -> Option<&str> {
        self.unverified_typ.as_deref()
    }
}

/// Compares a `typ` or `cty` as RFC 7515 section 4.1.9 has it: without regard to case, `application/` optional.
#[must_use]
pub fn media_type_is(found: &str, wanted: &str) -> bool {
    const PREFIX: &str = "application/";
    let short = match found.split_at_checked(PREFIX.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(PREFIX) => rest,
        _ => found,
    };
    short.eq_ignore_ascii_case(wanted)
}

fn take_string(members: &mut Map<String, Value>, name: &str) -> Result<Option<String>, Reason> {
    match members.remove(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Reason::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::jose::json::{Limits, object};

    fn read(header: Value) -> Result<Header, Reason> {
        let Value::Object(members) = header else { panic!("test headers are objects") };
        Header::from_members(members)
    }

    #[test]
    fn an_ordinary_header_is_read() {
        let header = read(json!({"alg": "ES256", "kid": "k", "typ": "JWT", "x5t": "…", "x5c": ["…"], "other": 1}));
        assert_eq!(
            header,
            Ok(Header {
                algorithm: Some(Algorithm::Es256),
                unverified_algorithm_name: "ES256".to_owned(),
                unverified_kid: Some("k".to_owned()),
                unverified_typ: Some("JWT".to_owned()),
            })
        );
    }

    #[test]
    fn a2_an_algorithm_that_does_not_exist_is_kept_by_name_only() {
        for name in ["none", "HS256", "rs256", ""] {
            let header = read(json!({"alg": name})).unwrap();
            assert_eq!((header.unverified_algorithm(), header.unverified_algorithm_name()), (None, name));
        }
    }

    #[test]
    fn a1_the_algorithm_must_be_a_string() {
        for header in
            [json!({}), json!({"alg": null}), json!({"alg": 1}), json!({"alg": ["RS256"]}), json!({"ALG": "RS256"})]
        {
            assert_eq!(read(header.clone()), Err(Reason::Malformed), "{header}");
        }
    }

    #[test]
    fn b7_kid_typ_and_cty_must_be_strings() {
        for name in ["kid", "typ", "cty"] {
            for value in [json!(null), json!(1), json!(true), json!(["k"]), json!({})] {
                assert_eq!(read(json!({"alg": "RS256", name: value})), Err(Reason::Malformed), "{name}: {value}");
            }
        }
    }

    #[test]
    fn b7_kid_is_bounded() {
        assert!(read(json!({"alg": "RS256", "kid": "k".repeat(256)})).is_ok());
        assert_eq!(read(json!({"alg": "RS256", "kid": "k".repeat(257)})), Err(Reason::Oversized));
    }

    #[test]
    fn a3_nested_tokens_are_refused() {
        for content_type in ["JWT", "jwt", "application/jwt", "Application/JWT"] {
            assert_eq!(read(json!({"alg": "RS256", "cty": content_type})), Err(Reason::TokenProfile), "{content_type}");
        }
        assert!(read(json!({"alg": "RS256", "cty": "json"})).is_ok());
    }

    #[test]
    fn b3_any_crit_is_refused() {
        for crit in [json!([]), json!(["exp"]), json!(["b64"]), json!("exp"), json!(null), json!({}), json!([1])] {
            assert_eq!(read(json!({"alg": "RS256", "crit": crit})), Err(Reason::CriticalHeader), "{crit}");
        }
    }

    #[test]
    fn b4_any_b64_is_refused() {
        for b64 in [json!(false), json!(true), json!(null)] {
            assert_eq!(read(json!({"alg": "RS256", "b64": b64})), Err(Reason::CriticalHeader), "{b64}");
            assert_eq!(
                read(json!({"alg": "RS256", "b64": b64, "crit": ["b64"]})),
                Err(Reason::CriticalHeader),
                "{b64}"
            );
        }
    }

    #[test]
    fn a6_encryption_and_compression_are_refused() {
        assert_eq!(read(json!({"alg": "RS256", "zip": "DEF"})), Err(Reason::Encrypted));
        assert_eq!(read(json!({"alg": "RS256", "enc": null})), Err(Reason::Encrypted));
    }

    #[test]
    fn b2_keys_in_the_header_are_refused() {
        for name in ["jwk", "jku", "x5u"] {
            for value in [json!({}), json!("https://keys.example"), json!(null)] {
                assert_eq!(read(json!({"alg": "RS256", name: value})), Err(Reason::EmbeddedKey), "{name}: {value}");
            }
        }
    }

    #[test]
    fn a11_media_types_are_compared_without_case_and_prefix() {
        for found in ["at+jwt", "AT+JWT", "application/at+jwt", "APPLICATION/at+JWT"] {
            assert!(media_type_is(found, "at+jwt"), "{found}");
        }
        for found in ["", "JWT", "at+jwt ", "application/application/at+jwt", "text/at+jwt", "applicatioń/at+jwt"] {
            assert!(!media_type_is(found, "at+jwt"), "{found}");
        }
    }

    #[test]
    fn headers_as_providers_write_them_have_the_usual_form() {
        for header in [r#"{"alg":"ES256","kid":"k","typ":"JWT"}"#, r#"{"kid":"k","alg":"RS256"}"#, r#"{"alg":"none"}"#]
        {
            assert!(Header::of_usual_form(header.as_bytes()).is_some(), "{header}");
        }
    }

    proptest! {
        #[test]
        fn the_usual_form_is_read_as_any_other(
            members in prop::collection::vec(("alg|kid|typ|cty|crit|x", "[ -~]{0,4}|RS256|JWT|at\\+jwt|k{250,260}"), 0..4),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        ) {
            let members: Vec<_> = members.iter().map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
            let mut bytes = format!("{{{}}}", members.join(",")).into_bytes();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(header) = Header::of_usual_form(&bytes) {
                let general = object(&bytes, &Limits::STANDARD).map(Header::from_members);
                prop_assert_eq!(general, Ok(Ok(header)));
            }
        }
    }
}
