use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jose::testing::{OTHER_RSA, RSA, Signer, base64url, jwks};

fn set(keys: &[Value]) -> KeySet {
    KeySet::parse(&jwks(keys)).unwrap()
}

fn header(members: Value) -> Header {
    let Value::Object(members) = members else { panic!("test headers are objects") };
    Header::from_members(members).unwrap()
}

/// The name of the key that a set chooses, or why it chooses none.
fn choice(set: &KeySet, members: Value) -> Result<Option<&str>, KeyRefusal> {
    set.select(&header(members), AlgorithmSet::default()).map(Key::kid)
}

const AMBIGUOUS: KeyRefusal = KeyRefusal::Reject(Reason::KeyAmbiguous);
const MISMATCH: KeyRefusal = KeyRefusal::Reject(Reason::AlgorithmMismatch);
const NOT_ALLOWED: KeyRefusal = KeyRefusal::Reject(Reason::AlgorithmNotAllowed);

#[test]
fn a_key_is_found_by_its_name() {
    let set = set(&[RSA.jwk_with(json!({"kid": "a"})), OTHER_RSA.jwk_with(json!({"kid": "b"}))]);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Ok(Some("a")));
    assert_eq!(choice(&set, json!({"alg": "PS512", "kid": "b"})), Ok(Some("b")));
    assert_eq!((set.len(), set.skipped(), set.alarms()), (2, &[][..], &[][..]));
}

#[test]
fn b7_names_are_compared_byte_for_byte() {
    let set = set(&[RSA.jwk_with(json!({"kid": "Key-1"}))]);
    for kid in ["key-1", "Key-1 ", "Key-1\0", "Key-", "", "../Key-1", "Key-1\n", "' OR 1=1 --", "/dev/null"] {
        assert_eq!(choice(&set, json!({"alg": "RS256", "kid": kid})), Err(KeyRefusal::NotInSet), "{kid:?}");
    }
}

#[test]
fn a1_the_algorithm_is_what_key_and_configuration_allow() {
    let ec = Signer::p256();
    let set = set(&[RSA.jwk_with(json!({"kid": "rsa", "alg": "RS256"})), ec.jwk_with(json!({"kid": "ec"}))]);
    assert_eq!(choice(&set, json!({"alg": "ES256", "kid": "rsa"})), Err(MISMATCH));
    assert_eq!(choice(&set, json!({"alg": "RS512", "kid": "rsa"})), Err(MISMATCH));
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "ec"})), Err(MISMATCH));
    assert_eq!(choice(&set, json!({"alg": "ES384", "kid": "ec"})), Err(MISMATCH));
    for alg in ["none", "None", "nOnE", "HS256", "rs256", "ES256K", ""] {
        assert_eq!(choice(&set, json!({"alg": alg, "kid": "rsa"})), Err(NOT_ALLOWED), "{alg}");
    }
    let only_es256 = AlgorithmSet::from(Algorithm::Es256);
    let refused = set.select(&header(json!({"alg": "RS256", "kid": "rsa"})), only_es256).map(Key::kid);
    assert_eq!(refused, Err(NOT_ALLOWED));
}

#[test]
fn b6_a_token_without_kid_gets_a_key_only_if_there_is_one() {
    let ec = Signer::p256();
    let one = set(&[RSA.jwk_with(json!({"kid": "rsa"})), ec.jwk()]);
    assert_eq!(choice(&one, json!({"alg": "RS256"})), Ok(Some("rsa")));
    assert_eq!(choice(&one, json!({"alg": "ES256"})), Ok(None));
    assert_eq!(choice(&one, json!({"alg": "EdDSA"})), Err(KeyRefusal::NotInSet));

    let several = set(&[RSA.jwk_with(json!({"kid": "a"})), OTHER_RSA.jwk()]);
    assert_eq!(choice(&several, json!({"alg": "RS256"})), Err(AMBIGUOUS));

    let nameless = set(&[RSA.jwk(), OTHER_RSA.jwk()]);
    assert_eq!((nameless.len(), nameless.alarms()), (2, &[][..]));
    assert_eq!(choice(&nameless, json!({"alg": "RS256"})), Err(AMBIGUOUS));

    let divided = set(&[RSA.jwk_with(json!({"alg": "RS256"})), OTHER_RSA.jwk_with(json!({"alg": "PS256"}))]);
    assert!(choice(&divided, json!({"alg": "RS256"})).is_ok());
    assert!(choice(&divided, json!({"alg": "PS256"})).is_ok());
    assert_eq!(choice(&divided, json!({"alg": "RS512"})), Err(KeyRefusal::NotInSet));
}

#[test]
fn b6_one_key_under_two_names_is_one_key() {
    let set = set(&[RSA.jwk_with(json!({"kid": "a"})), RSA.jwk_with(json!({"kid": "b"})), RSA.jwk()]);
    assert_eq!(choice(&set, json!({"alg": "RS256"})), Ok(Some("a")));
}

#[test]
fn b6_a_key_without_name_is_not_found_by_a_name() {
    assert_eq!(choice(&set(&[RSA.jwk()]), json!({"alg": "RS256", "kid": "a"})), Err(KeyRefusal::NotInSet));
    assert_eq!(choice(&set(&[RSA.jwk()]), json!({"alg": "RS256", "kid": ""})), Err(KeyRefusal::NotInSet));
}

#[test]
fn b5_the_same_key_twice_is_one() {
    let set = set(&[RSA.jwk_with(json!({"kid": "a"})), RSA.jwk_with(json!({"kid": "a", "use": "sig"}))]);
    assert_eq!((set.len(), set.alarms()), (1, &[][..]));
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Ok(Some("a")));
}

#[test]
fn b5_one_name_for_keys_of_different_algorithms_keeps_them_apart() {
    let ec = Signer::p256();
    let set = set(&[
        RSA.jwk_with(json!({"kid": "a", "alg": "RS256"})),
        OTHER_RSA.jwk_with(json!({"kid": "a", "alg": "PS256"})),
        ec.jwk_with(json!({"kid": "a"})),
    ]);
    assert_eq!((set.len(), set.alarms()), (3, &[][..]));
    let kind =
        |alg: &str| set.select(&header(json!({"alg": alg, "kid": "a"})), AlgorithmSet::default()).map(Key::thumbprint);
    let own = |jwk: &Value| Ok(Jwk::parse(jwk).unwrap().key.thumbprint());
    assert_eq!([kind("RS256"), kind("PS256"), kind("ES256")], [own(&RSA.jwk()), own(&OTHER_RSA.jwk()), own(&ec.jwk())]);
    assert_eq!(kind("ES384"), Err(MISMATCH));
}

#[test]
fn b5_one_name_for_different_keys_of_one_algorithm_drops_them_all() {
    let third = Signer::p256();
    let set = set(&[
        RSA.jwk_with(json!({"kid": "a", "alg": "RS256"})),
        OTHER_RSA.jwk_with(json!({"kid": "a"})),
        third.jwk_with(json!({"kid": "b"})),
    ]);
    let conflict = Alarm { kid: Some("a".to_owned()), kind: AlarmKind::KidConflict };
    let skipped = Skipped { kid: Some("a".to_owned()), why: SkipReason::Conflict };
    assert_eq!(set.alarms(), [conflict.clone(), conflict]);
    assert_eq!(set.skipped(), [skipped.clone(), skipped]);
    assert_eq!(set.keys().iter().map(Key::kid).collect::<Vec<_>>(), [Some("b")]);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Err(KeyRefusal::NotInSet));
}

#[test]
fn b5_a_conflict_may_be_over_in_the_next_set() {
    let ec = Signer::p256();
    let set = set(&[
        RSA.jwk_with(json!({"kid": "a"})),
        OTHER_RSA.jwk_with(json!({"kid": "a"})),
        ec.jwk_with(json!({"kid": "a"})),
    ]);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Err(KeyRefusal::NotInSet));
    assert_eq!(choice(&set, json!({"alg": "ES256", "kid": "a"})), Ok(Some("a")));
}

#[test]
fn b9_a_token_by_a_key_that_is_unfit_is_refused_for_good() {
    let weak = json!({"kty": "RSA", "kid": "weak", "n": base64url([0xa5; 128]), "e": "AQAB"});
    let encryption = OTHER_RSA.jwk_with(json!({"kid": "enc", "use": "enc"}));
    let unknown = json!({"kty": "AKP", "kid": "akp", "alg": "ML-DSA-44"});
    let set = set(&[weak, encryption, unknown, RSA.jwk_with(json!({"kid": "a"}))]);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "weak"})), Err(KeyRefusal::Reject(Reason::WeakKey)));
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "enc"})), Err(KeyRefusal::Reject(Reason::WeakKey)));
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "akp"})), Err(KeyRefusal::NotInSet));
}

#[test]
fn a5_b1_symmetric_keys_are_dropped_and_reported() {
    let secret = json!({"kty": "oct", "kid": "s", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256"});
    let set = set(&[secret, RSA.jwk_with(json!({"kid": "a"}))]);
    assert_eq!(set.alarms(), [Alarm { kid: Some("s".to_owned()), kind: AlarmKind::SymmetricKey }]);
    assert_eq!(set.skipped(), [Skipped { kid: Some("s".to_owned()), why: SkipReason::Symmetric }]);
    assert_eq!(choice(&set, json!({"alg": "HS256", "kid": "s"})), Err(NOT_ALLOWED));
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "s"})), Err(KeyRefusal::NotInSet));
}

#[test]
fn b15_a_published_private_key_is_reported() {
    let set = set(&[RSA.jwk_with(json!({"kid": "a", "d": "c2VjcmV0"}))]);
    assert_eq!(set.alarms(), [Alarm { kid: Some("a".to_owned()), kind: AlarmKind::PrivateKey }]);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Ok(Some("a")));
}

#[test]
fn a4_one_odd_entry_does_not_spoil_the_set() {
    let odd = [
        json!(null),
        json!("key"),
        json!({}),
        RSA.jwk_with(json!({"kid": 7})),
        RSA.jwk_with(json!({"kid": "k", "use": ["sig"]})),
        json!({"kty": "OKP", "crv": "Ed448", "x": base64url([9; 57])}),
        json!({"kty": "EC", "crv": "P-256", "x": base64url([9; 32]), "y": base64url([9; 32])}),
    ];
    let keys: Vec<_> = odd.into_iter().chain([RSA.jwk_with(json!({"kid": "a", "x5c": 1, "x5t": []}))]).collect();
    let set = set(&keys);
    assert_eq!(set.skipped().len(), 7);
    assert_eq!(choice(&set, json!({"alg": "RS256", "kid": "a"})), Ok(Some("a")));
}

#[test]
fn documents_that_are_no_key_set_are_refused() {
    let parse = |document: &str| KeySet::parse(document.as_bytes()).unwrap_err();
    assert_eq!(parse("{}"), KeySetError::NoKeys);
    assert_eq!(parse(r#"{"keys":{}}"#), KeySetError::NoKeys);
    assert_eq!(parse(r#"{"keys":null}"#), KeySetError::NoKeys);
    assert_eq!(parse(r#"{"keys":[]}"#), KeySetError::NoUsableKey { skipped: vec![] });
    assert_eq!(parse("[]"), KeySetError::Json(JsonError::NotAnObject));
    assert_eq!(parse("<html>"), KeySetError::Json(JsonError::Syntax));
    assert_eq!(parse(r#"{"keys":[],"keys":[]}"#), KeySetError::Json(JsonError::Duplicate));
    assert_eq!(parse(r#"{"keys":[{"kty":"RSA","kty":"EC"}]}"#), KeySetError::Json(JsonError::Duplicate));
}

#[test]
fn a_set_without_a_usable_key_says_why() {
    let secret = json!({"kty": "oct", "kid": "s\n", "k": "c2VjcmV0"});
    let error = KeySet::parse(&jwks(&[secret, json!({"kty": "AKP"})])).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the key set has no usable key: key "s\n": it is a symmetric key (`oct`), which must never be published (and 1 more)"#
    );
    assert_eq!(KeySet::parse(b"{\"keys\":[]}").unwrap_err().to_string(), "the key set has no usable key: it is empty");
}

#[test]
fn c3_a_set_has_at_most_100_keys() {
    let many =
        |count: usize| -> Vec<_> { (0..count).map(|kid| RSA.jwk_with(json!({"kid": kid.to_string()}))).collect() };
    assert_eq!(set(&many(100)).len(), 100);
    assert_eq!(KeySet::parse(&jwks(&many(101))).unwrap_err(), KeySetError::TooMany { found: 101 });
}

#[test]
fn equal_content_is_an_equal_set() {
    let (a, b) = (RSA.jwk_with(json!({"kid": "a"})), OTHER_RSA.jwk_with(json!({"kid": "b"})));
    let one = set(&[a.clone(), b.clone()]);
    let same = set(&[b.clone(), a.clone(), a.clone()]);
    assert_eq!(one, same);
    let annotated = set(&[RSA.jwk_with(json!({"kid": "a", "use": "sig", "x5t": "…"})), b.clone()]);
    assert_eq!(one, annotated, "members that decide nothing make no other set");
    let others = [
        vec![a.clone()],
        vec![RSA.jwk_with(json!({"kid": "c"})), b.clone()],
        vec![RSA.jwk(), b.clone()],
        vec![RSA.jwk_with(json!({"kid": "a", "alg": "RS256"})), b.clone()],
        vec![OTHER_RSA.jwk_with(json!({"kid": "a"})), RSA.jwk_with(json!({"kid": "b"}))],
        vec![a, b, RSA.jwk_with(json!({"kid": "d", "use": "enc"}))],
    ];
    for other in others {
        assert_ne!(one, set(&other));
    }
}

proptest! {
    #[test]
    fn c3_no_document_makes_it_panic(text in r#"\{"keys":\[(\{("(kty|kid|use|alg|n|e|crv|x|y)":("(RSA|EC|OKP|sig|AQAB|P-256)"|1|null|\[\]),?){0,4}\},?){0,3}\]\}"#) {
        let _ = KeySet::parse(text.as_bytes());
    }
}
