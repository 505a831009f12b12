//! Wycheproof's signature cases, through keys as they come out of a key set.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::jose::{Algorithm, Jwk, Key, SkipReason};
use serde_json::{Value, json};

use crate::{document, unhex};

/// How many signatures of a file verified and how many did not.
#[derive(Debug, Default, PartialEq)]
struct Count {
    good: usize,
    bad: usize,
}

/// Runs every case of a file: the key of its group as a JWK, the signature with `algorithm`. `expected` says for a
/// group and a case whether the signature must verify.
fn run(file: &str, algorithm: Algorithm, expected: impl Fn(&Value, &Value) -> bool) -> Option<Count> {
    let document = document(&format!("wycheproof/{file}"))?;
    let mut count = Count::default();
    for group in document["testGroups"].as_array().unwrap() {
        let key = key(group);
        for test in group["tests"].as_array().unwrap() {
            let [message, signature] = ["msg", "sig"].map(|name| unhex(test[name].as_str().unwrap()));
            let verified = match &key {
                Ok(key) => key.verify(algorithm, &message, &signature).is_ok(),
                Err(_) => false,
            };
            let about = format!("{file} {} {} {:?}", test["tcId"], test["comment"], key.as_ref().err());
            assert_eq!(verified, expected(group, test), "{about}");
            if verified {
                count.good += 1;
            } else {
                count.bad += 1;
            }
        }
    }
    println!("{file} as {algorithm}: {count:?}");
    Some(count)
}

/// The key of a group as a JWK, made from its numbers, since not every group brings a JWK.
fn key(group: &Value) -> Result<Key, SkipReason> {
    let public = &group["publicKey"];
    let number = |name: &str| {
        let number = unhex(public[name].as_str().unwrap());
        URL_SAFE_NO_PAD.encode(number.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<_>>())
    };
    let jwk = match (public.get("modulus"), public["curve"].as_str()) {
        (Some(_), _) => json!({"kty": "RSA", "n": number("modulus"), "e": number("publicExponent")}),
        (None, Some(curve @ ("edwards25519" | "edwards448"))) => {
            let crv = if curve == "edwards25519" { "Ed25519" } else { "Ed448" };
            json!({"kty": "OKP", "crv": crv, "x": URL_SAFE_NO_PAD.encode(unhex(public["pk"].as_str().unwrap()))})
        }
        (None, Some(curve)) => {
            let crv = match curve {
                "secp256r1" => "P-256",
                "secp384r1" => "P-384",
                "secp521r1" => "P-521",
                other => other,
            };
            let point = unhex(public["uncompressed"].as_str().unwrap());
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": crv, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y)})
        }
        (None, None) => panic!("unknown kind of key: {public}"),
    };
    Jwk::parse(&jwk).map(|jwk| jwk.key).map_err(|skipped| skipped.why)
}

fn is_valid(_: &Value, test: &Value) -> bool {
    test["result"] == "valid"
}

fn never(_: &Value, _: &Value) -> bool {
    false
}

#[test]
fn b11_ecdsa_signatures_in_fixed_length() {
    let files = [
        ("ecdsa_secp256r1_sha256_p1363_test.json", Algorithm::Es256, Count { good: 173, bad: 89 }),
        ("ecdsa_secp384r1_sha384_p1363_test.json", Algorithm::Es384, Count { good: 193, bad: 87 }),
        ("ecdsa_secp521r1_sha512_p1363_test.json", Algorithm::Es512, Count { good: 231, bad: 87 }),
    ];
    for (file, algorithm, expected) in files {
        let Some(count) = run(file, algorithm, is_valid) else { return };
        assert_eq!(count, expected, "{file}");
    }
}

#[test]
fn b11_ecdsa_signatures_in_der_are_all_refused() {
    let Some(count) = run("ecdsa_secp256r1_sha256_test.json", Algorithm::Es256, never) else { return };
    assert_eq!(count, Count { good: 0, bad: 484 });
}

#[test]
fn b10_pkcs1_signatures() {
    let files = [
        ("rsa_signature_2048_sha256_test.json", Algorithm::Rs256),
        ("rsa_signature_2048_sha384_test.json", Algorithm::Rs384),
        ("rsa_signature_2048_sha512_test.json", Algorithm::Rs512),
        ("rsa_signature_3072_sha384_test.json", Algorithm::Rs384),
        ("rsa_signature_4096_sha512_test.json", Algorithm::Rs512),
    ];
    for (file, algorithm) in files {
        // `acceptable` is a DigestInfo without NULL: refused.
        let Some(count) = run(file, algorithm, is_valid) else { return };
        assert!(count.good >= 7 && count.bad >= 240, "{file}: {count:?}");
    }
}

#[test]
fn b10_pss_signatures() {
    let files = [
        ("rsa_pss_2048_sha256_mgf1_32_test.json", Algorithm::Ps256),
        ("rsa_pss_2048_sha384_mgf1_48_test.json", Algorithm::Ps384),
        ("rsa_pss_4096_sha512_mgf1_64_test.json", Algorithm::Ps512),
    ];
    for (file, algorithm) in files {
        let Some(count) = run(file, algorithm, is_valid) else { return };
        assert!(count.good >= 60 && count.bad >= 40, "{file}: {count:?}");
    }
}

#[test]
fn b10_pss_signatures_with_other_parameters_are_refused() {
    // One signature is wrong for its file because it was made with the salt length that PS256 has.
    let by_ps256 = |_: &Value, test: &Value| test["comment"] == "s_len changed to 32";
    let Some(count) = run("rsa_pss_2048_sha256_mgf1_0_test.json", Algorithm::Ps256, by_ps256) else { return };
    assert_eq!(count, Count { good: 1, bad: 102 });
    let Some(count) = run("rsa_pss_2048_sha256_mgf1sha1_20_test.json", Algorithm::Ps256, never) else { return };
    assert_eq!(count, Count { good: 0, bad: 108 });
    let algorithms =
        [(Algorithm::Ps256, "SHA-256", 32), (Algorithm::Ps384, "SHA-384", 48), (Algorithm::Ps512, "SHA-512", 64)];
    for (algorithm, hash, salt) in algorithms {
        let own = |group: &Value, test: &Value| {
            is_valid(group, test) && group["sha"] == hash && group["mgfSha"] == hash && group["sLen"] == salt
        };
        let Some(count) = run("rsa_pss_misc_test.json", algorithm, own) else { return };
        assert!(count.good > 0 && count.bad > count.good, "{algorithm}: {count:?}");
    }
}

#[test]
fn b12_ed25519_signatures() {
    let Some(count) = run("ed25519_test.json", Algorithm::EdDsa, is_valid) else { return };
    assert_eq!(count, Count { good: 88, bad: 63 });
}

#[test]
fn a2_keys_on_other_curves_are_refused() {
    for file in ["ed448_test.json", "ecdsa_secp256k1_sha256_p1363_test.json"] {
        let Some(document) = document(&format!("wycheproof/{file}")) else { return };
        for group in document["testGroups"].as_array().unwrap() {
            assert_eq!(key(group).err(), Some(SkipReason::UnsupportedCurve), "{file}");
        }
    }
}
