//! Wycheproof's JWS, JWK and JWE cases, each with the outcome that this product must have for it.

use std::collections::BTreeMap;

use countersign::authn::Reason;
use countersign::jose::{KeyRefusal, UnverifiedToken};
use serde_json::Value;

use crate::{Outcome, document, signature_outcome, text};

/// Cases whose key says `alg: PS256` while the token is signed with PS384. The list of expected outcomes lets them
/// pass, but a key with an `alg` is for that algorithm alone (RFC 7517 section 4.4, RFC 8725 section 3.1), which is
/// also what the list itself says about the ES512 tokens of the same key family.
const KEY_FOR_ANOTHER_HASH: [u64; 2] = [346, 350];

#[test]
fn b1_b8_b9_b11_b13_every_case_comes_out_as_listed() {
    let Some(list) = text("jws_manifest.jsonl") else { return };
    let mut files: BTreeMap<String, BTreeMap<u64, (Value, Value)>> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for line in list.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let file = row["file"].as_str().unwrap();
        let cases = files.entry(file.to_owned()).or_insert_with(|| cases(file));
        let id = row["tcId"].as_u64().unwrap();
        let (keys, test) = &cases[&id];
        let token = token(test);
        let outcome = signature_outcome(keys, &token);
        let about = format!("{file} {id} {}: {outcome:?}", row["comment"]);
        if KEY_FOR_ANOTHER_HASH.contains(&id) && file == "json_web_signature_test.json" {
            assert_eq!(outcome, Outcome::NoKey(KeyRefusal::Reject(Reason::AlgorithmMismatch)), "{about}");
            let mut unbound = keys.clone();
            unbound.as_object_mut().unwrap().remove("alg");
            assert_eq!(signature_outcome(&unbound, &token), Outcome::SignatureOk, "{about}");
            *counts.entry("signature-ok once the key's alg is removed").or_default() += 1;
            continue;
        }
        let expected = row["expect"].as_str().unwrap();
        match expected {
            "signature-ok" => {
                assert_eq!(outcome, Outcome::SignatureOk, "{about}");
                assert!(UnverifiedToken::parse(&token).is_err(), "the payloads are no claims: {about}");
                *counts.entry("signature-ok").or_default() += 1;
            }
            "reject" => {
                assert_ne!(outcome, Outcome::SignatureOk, "{about}");
                *counts.entry("reject").or_default() += 1;
            }
            other => panic!("unknown expectation {other}"),
        }
    }
    println!("Wycheproof JWS, JWK and JWE: {counts:?}");
    assert_eq!(counts.values().sum::<usize>(), 510);
}

/// The cases of a file by number, with the key or key set that belongs to each.
fn cases(file: &str) -> BTreeMap<u64, (Value, Value)> {
    let document = document(&format!("wycheproof/{file}")).unwrap();
    let groups = document["testGroups"].as_array().unwrap();
    let cases = groups.iter().flat_map(|group| {
        let keys = group.get("public").or_else(|| group.get("private")).unwrap();
        let tests = group["tests"].as_array().unwrap();
        tests.iter().map(move |test| (test["tcId"].as_u64().unwrap(), (keys.clone(), test.clone())))
    });
    cases.collect()
}

/// The token of a case; some are given as JSON objects, which is the JSON serialization.
fn token(test: &Value) -> String {
    match test.get("jws").or_else(|| test.get("jwe")) {
        Some(Value::String(token)) => token.clone(),
        Some(other) => other.to_string(),
        None => panic!("a case without a token: {test}"),
    }
}
