//! The examples of RFC 7520, RFC 7797 and RFC 8037.

use countersign::authn::Reason;
use countersign::jose::{Jwk, KeyRefusal, SkipReason, Unparsable};
use serde_json::Value;

use crate::{Outcome, document, folder, signature_outcome};

fn outcome(path: &str) -> Option<Outcome> {
    let example = document(&format!("rfc7520-cookbook/{path}"))?;
    Some(signature_outcome(&example["input"]["key"], example["output"]["compact"].as_str().unwrap()))
}

#[test]
fn a1_the_signed_examples_verify() {
    for path in [
        "jws/4_1.rsa_v15_signature.json",
        "jws/4_2.rsa-pss_signature.json",
        "jws/4_3.ecdsa_signature.json",
        "curve25519/jws.json",
    ] {
        let Some(outcome) = outcome(path) else { return };
        assert_eq!(outcome, Outcome::SignatureOk, "{path}");
    }
}

#[test]
fn b1_b4_the_other_signed_examples_are_refused() {
    for path in ["jws/4_4.hmac-sha2_integrity_protection.json", "jws/4_5.signature_with_detached_content.json"] {
        let Some(outcome) = outcome(path) else { return };
        assert!(matches!(outcome, Outcome::KeySet(_)), "{path}: {outcome:?}");
    }
    // With any asymmetric key, what is refused is the token.
    let rsa = document("rfc7520-cookbook/jwk/3_3.rsa_public_key.json").unwrap();
    let token = |path: &str| {
        let example = document(&format!("rfc7520-cookbook/{path}")).unwrap();
        example["output"]["compact"].as_str().unwrap().to_owned()
    };
    let refused = |reason| Outcome::Unparsable(Unparsable::Refused(reason));
    assert_eq!(
        signature_outcome(&rsa, &token("jws/4_4.hmac-sha2_integrity_protection.json")),
        Outcome::NoKey(KeyRefusal::Reject(Reason::AlgorithmNotAllowed))
    );
    assert_eq!(signature_outcome(&rsa, &token("rfc7797/hmac-sha2_b64_false.json")), refused(Reason::CriticalHeader));
}

#[test]
fn a13_no_json_serialization_is_taken() {
    let Some(folder) = folder() else { return };
    let mut count = 0;
    for part in ["jws", "jwe", "rfc7797", "curve25519"] {
        for entry in std::fs::read_dir(folder.join("rfc7520-cookbook").join(part)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let example: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            for form in ["json", "json_flat"] {
                let Some(token) = example["output"].get(form) else { continue };
                let rsa = document("rfc7520-cookbook/jwk/3_3.rsa_public_key.json").unwrap();
                let outcome = signature_outcome(&rsa, &token.to_string());
                assert_eq!(outcome, Outcome::Unparsable(Unparsable::Refused(Reason::Malformed)), "{}", path.display());
                count += 1;
            }
        }
    }
    println!("RFC 7520 and relatives: {count} JSON serializations refused");
    assert!(count > 30, "{count}");
}

#[test]
fn a3_encrypted_and_nested_examples_are_refused() {
    let Some(folder) = folder() else { return };
    let mut paths: Vec<_> =
        std::fs::read_dir(folder.join("rfc7520-cookbook/jwe")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.push(folder.join("rfc7520-cookbook/curve25519/ecdh-es.json"));
    paths.push(folder.join("rfc7520-cookbook/6.nesting_signatures_and_encryption.json"));
    let rsa = document("rfc7520-cookbook/jwk/3_3.rsa_public_key.json").unwrap();
    let mut count = 0;
    for path in paths {
        let example: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let output = example.get("encrypt").unwrap_or(&example).get("output").unwrap();
        let Some(token) = output.get("compact").and_then(Value::as_str) else { continue };
        let outcome = signature_outcome(&rsa, token);
        assert_eq!(outcome, Outcome::Unparsable(Unparsable::Refused(Reason::Encrypted)), "{}", path.display());
        count += 1;
    }
    println!("RFC 7520 and relatives: {count} encrypted tokens refused");
    assert!(count >= 11, "{count}");
}

#[test]
fn b15_the_example_keys_are_read() {
    let key = |path: &str| document(&format!("rfc7520-cookbook/jwk/{path}")).map(|jwk| Jwk::parse(&jwk));
    let Some(ec_public) = key("3_1.ec_public_key.json") else { return };
    let ec_public = ec_public.unwrap();
    let ec_private = key("3_2.ec_private_key.json").unwrap().unwrap();
    let rsa_public = key("3_3.rsa_public_key.json").unwrap().unwrap();
    let rsa_private = key("3_4.rsa_private_key.json").unwrap().unwrap();
    assert_eq!(ec_public.key.thumbprint(), ec_private.key.thumbprint());
    assert_eq!(rsa_public.key.thumbprint(), rsa_private.key.thumbprint());
    let flags = [ec_public, ec_private, rsa_public, rsa_private].map(|jwk| jwk.has_private_members);
    assert_eq!(flags, [false, true, false, true]);
    for path in ["3_5.symmetric_key_mac_computation.json", "3_6.symmetric_key_encryption.json"] {
        assert_eq!(key(path).unwrap().unwrap_err().why, SkipReason::Symmetric, "{path}");
    }
}
