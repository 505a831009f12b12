use aws_lc_rs::rsa::KeySize;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jose::testing::{OTHER_RSA, RSA, Signer, base64url};

fn why(entry: &Value) -> Option<SkipReason> {
    Jwk::parse(entry).err().map(|skipped| skipped.why)
}

fn rsa_number(bits: usize) -> Vec<u8> {
    // The highest and the lowest bit are set, and some in between.
    let mut number = vec![0xa5; bits.div_ceil(8)];
    number[0] = 1 << ((bits - 1) % 8);
    *number.last_mut().unwrap() = 0xa7;
    number
}

fn rsa_entry(n: &[u8], e: &[u8]) -> Value {
    json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)})
}

#[test]
fn every_supported_type_is_read() {
    let cases = [
        (Signer::p256(), KeyKind::P256),
        (Signer::p384(), KeyKind::P384),
        (Signer::p521(), KeyKind::P521),
        (Signer::ed25519(), KeyKind::Ed25519),
        (Signer::rsa(KeySize::Rsa2048), KeyKind::Rsa { bits: 2048 }),
    ];
    for (signer, kind) in cases {
        let jwk =
            Jwk::parse(&signer.jwk_with(json!({"kid": "k", "use": "sig", "key_ops": ["verify"], "x5c": 7}))).unwrap();
        assert_eq!((jwk.key.kid(), jwk.key.kind(), jwk.has_private_members), (Some("k"), kind, false));
        assert_eq!(jwk.key.algorithms().collect::<Vec<_>>(), signer.algorithms());
    }
}

#[test]
fn a4_b9_h13_rsa_moduli_have_2048_to_4096_bits() {
    let e = [1, 0, 1];
    for (bits, expected) in [
        (512, Some(SkipReason::RsaTooShort)),
        (1024, Some(SkipReason::RsaTooShort)),
        (2047, Some(SkipReason::RsaTooShort)),
        (2048, None),
        (2049, None),
        (3072, None),
        (4096, None),
        (4097, Some(SkipReason::RsaTooLong)),
        (8192, Some(SkipReason::RsaTooLong)),
        (16384, Some(SkipReason::RsaTooLong)),
    ] {
        assert_eq!(why(&rsa_entry(&rsa_number(bits), &e)), expected, "{bits}");
    }
    assert_eq!(why(&rsa_entry(&[], &e)), Some(SkipReason::RsaTooShort));
    assert_eq!(why(&rsa_entry(&[0; 300], &e)), Some(SkipReason::RsaTooShort));
}

#[test]
fn a4_b9_rsa_exponents_are_odd_and_from_3_to_32_bits() {
    let n = rsa_number(2048);
    for (e, expected) in [
        (&[3][..], None),
        (&[17], None),
        (&[1, 0, 1], None),
        (&[0xff, 0xff, 0xff, 0xff], None),
        (&[1], Some(SkipReason::RsaExponent)),
        (&[0, 0, 1], Some(SkipReason::RsaExponent)),
        (&[], Some(SkipReason::RsaExponent)),
        (&[0], Some(SkipReason::RsaExponent)),
        (&[2], Some(SkipReason::RsaExponent)),
        (&[1, 0, 0], Some(SkipReason::RsaExponent)),
        (&[1, 0, 0, 0, 1], Some(SkipReason::RsaExponent)),
        (&[0xff; 256], Some(SkipReason::RsaExponent)),
    ] {
        assert_eq!(why(&rsa_entry(&n, e)), expected, "{e:02x?}");
    }
}

#[test]
fn a4_an_even_modulus_is_refused() {
    let mut n = rsa_number(2048);
    *n.last_mut().unwrap() &= 0xfe;
    assert_eq!(why(&rsa_entry(&n, &[1, 0, 1])), Some(SkipReason::Malformed));
}

#[test]
fn b9_a_modulus_with_the_roca_fingerprint_is_refused() {
    // A power of 65537 is one modulo every prime; 129 of them make 2049 bits.
    let mut n = vec![1_u8];
    for _ in 0..128 {
        n.extend([0, 0]);
        let mut carry = 0;
        for at in (0..n.len()).rev() {
            let sum = u16::from(n[at]) + u16::from(if at >= 2 { n[at - 2] } else { 0 }) + carry;
            (n[at], carry) = (sum as u8, sum >> 8);
        }
    }
    assert_eq!(why(&rsa_entry(&n, &[1, 0, 1])), Some(SkipReason::RsaRoca));
    *n.last_mut().unwrap() ^= 2;
    assert_eq!(why(&rsa_entry(&n, &[1, 0, 1])), None);
}

#[test]
fn leading_zeros_of_rsa_numbers_make_no_other_key() {
    let plain = Jwk::parse(&RSA.jwk()).unwrap().key;
    let n = decode(RSA.jwk()["n"].as_str().unwrap()).unwrap();
    let padded = Jwk::parse(&rsa_entry(&[&[0][..], &n].concat(), &[0, 1, 0, 1])).unwrap().key;
    assert_eq!((padded.thumbprint(), padded.kind()), (plain.thumbprint(), plain.kind()));
    let signature = RSA.sign(Algorithm::Rs256, b"m");
    assert_eq!(padded.verify(Algorithm::Rs256, b"m", &signature), Ok(()));
}

#[test]
fn a4_points_are_on_their_curve() {
    for (signer, bytes) in [(Signer::p256(), 32), (Signer::p384(), 48), (Signer::p521(), 66)] {
        let good = signer.jwk();
        let [x, y] = ["x", "y"].map(|name| decode(good[name].as_str().unwrap()).unwrap());
        let mut off_curve = y.clone();
        off_curve[bytes - 1] ^= 1;
        let bad = [
            json!({"y": base64url(&off_curve)}),
            json!({"x": good["y"], "y": good["x"]}),
            json!({"x": base64url(vec![0; bytes]), "y": base64url(vec![0; bytes])}),
            json!({"x": base64url(vec![0xff; bytes])}),
            json!({"y": base64url(&y[1..])}),
            json!({"y": base64url([&[0][..], &y].concat())}),
            json!({"y": ""}),
            // The same point, cut elsewhere.
            json!({"x": base64url(&x[..bytes - 1]), "y": base64url([&x[bytes - 1..], &y].concat())}),
        ];
        for members in bad {
            assert_eq!(why(&signer.jwk_with(members.clone())), Some(SkipReason::PointInvalid), "{members}");
        }
        for crv in ["P-256", "P-384", "P-521"] {
            let expected = if good["crv"] == crv { None } else { Some(SkipReason::PointInvalid) };
            assert_eq!(why(&signer.jwk_with(json!({"crv": crv}))), expected, "{crv}");
        }
    }
}

#[test]
fn b12_ed25519_keys_have_32_bytes_and_no_small_order() {
    for (x, expected) in [
        (vec![0; 32], SkipReason::SmallOrder),
        ([vec![1], vec![0; 31]].concat(), SkipReason::SmallOrder),
        ([vec![0xee], vec![0xff; 31]].concat(), SkipReason::SmallOrder),
        (vec![9; 31], SkipReason::PointInvalid),
        (vec![9; 33], SkipReason::PointInvalid),
        (vec![], SkipReason::PointInvalid),
    ] {
        assert_eq!(why(&json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(&x)})), Some(expected), "{x:02x?}");
    }
}

#[test]
fn a2_other_types_and_curves_are_skipped() {
    let point = json!({"x": base64url([9; 32]), "y": base64url([9; 32])});
    let entry = |members: Value| {
        let mut entry = point.clone();
        entry.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        why(&entry)
    };
    assert_eq!(entry(json!({"kty": "oct", "k": "c2VjcmV0"})), Some(SkipReason::Symmetric));
    assert_eq!(entry(json!({"kty": "oct", "k": "c2VjcmV0", "use": "enc"})), Some(SkipReason::Symmetric));
    assert_eq!(entry(json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": ""})), Some(SkipReason::UnsupportedType));
    for kty in ["rsa", "ec", "okp", "", "none"] {
        assert_eq!(entry(json!({"kty": kty})), Some(SkipReason::UnsupportedType), "{kty}");
    }
    for (kty, crv) in
        [("EC", "secp256k1"), ("EC", "p-256"), ("EC", "Ed25519"), ("OKP", "Ed448"), ("OKP", "X25519"), ("OKP", "P-256")]
    {
        assert_eq!(entry(json!({"kty": kty, "crv": crv})), Some(SkipReason::UnsupportedCurve), "{crv}");
    }
}

#[test]
fn b8_only_keys_for_signatures_are_used() {
    let cases = [
        (json!({"use": "sig"}), None),
        (json!({"key_ops": ["verify"]}), None),
        (json!({"key_ops": ["sign", "verify"], "use": "sig"}), None),
        (json!({"use": "enc"}), Some(SkipReason::NotForSignatures)),
        (json!({"use": "SIG"}), Some(SkipReason::NotForSignatures)),
        (json!({"use": ""}), Some(SkipReason::NotForSignatures)),
        (json!({"key_ops": []}), Some(SkipReason::NotForSignatures)),
        (json!({"key_ops": ["sign"]}), Some(SkipReason::NotForSignatures)),
        (json!({"key_ops": ["encrypt"]}), Some(SkipReason::NotForSignatures)),
        (json!({"use": "enc", "key_ops": ["verify"]}), Some(SkipReason::NotForSignatures)),
        (json!({"use": "sig", "key_ops": ["wrapKey"]}), Some(SkipReason::NotForSignatures)),
        (json!({"use": 1}), Some(SkipReason::Malformed)),
        (json!({"use": null}), Some(SkipReason::Malformed)),
        (json!({"key_ops": "verify"}), Some(SkipReason::Malformed)),
    ];
    for (members, expected) in cases {
        assert_eq!(why(&RSA.jwk_with(members.clone())), expected, "{members}");
    }
}

#[test]
fn b8_alg_is_a_registered_name_that_fits_the_key() {
    let signers = [Signer::p256(), Signer::p521(), Signer::ed25519()];
    for signer in signers.iter().chain([&*RSA]) {
        for algorithm in Algorithm::ALL {
            let expected =
                if signer.algorithms().contains(&algorithm) { None } else { Some(SkipReason::AlgorithmUnfit) };
            assert_eq!(why(&signer.jwk_with(json!({"alg": algorithm.name()}))), expected, "{algorithm}");
        }
        for name in ["ES521", "ES224", "rs256", "RSA-OAEP", "RSA1_5", "none", "HS256", ""] {
            assert_eq!(why(&signer.jwk_with(json!({"alg": name}))), Some(SkipReason::AlgorithmUnfit), "{name}");
        }
        assert_eq!(why(&signer.jwk_with(json!({"alg": null}))), Some(SkipReason::Malformed));
    }
    assert_eq!(why(&signers[2].jwk_with(json!({"alg": "Ed25519"}))), None);
}

#[test]
fn b7_a_kid_is_a_string_of_bounded_length() {
    for kid in [json!(7), json!(null), json!(["k"]), json!("k".repeat(257))] {
        let skipped = Jwk::parse(&RSA.jwk_with(json!({"kid": kid}))).unwrap_err();
        assert_eq!(skipped, Skipped { kid: None, why: SkipReason::Malformed }, "{kid}");
    }
    for kid in ["", "\0", "../../dev/null", &"k".repeat(256)] {
        assert_eq!(Jwk::parse(&RSA.jwk_with(json!({"kid": kid}))).unwrap().key.kid(), Some(kid));
    }
}

#[test]
fn b15_private_members_are_reported_and_never_used() {
    let public = Jwk::parse(&RSA.jwk()).unwrap().key.thumbprint();
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        let jwk = Jwk::parse(&RSA.jwk_with(json!({name: 1}))).unwrap();
        assert_eq!((jwk.has_private_members, jwk.key.thumbprint()), (true, public), "{name}");
    }
}

#[test]
fn broken_entries_are_skipped_with_their_name() {
    let named = |members: Value| Jwk::parse(&RSA.jwk_with(members)).unwrap_err();
    let malformed = Skipped { kid: Some("k".to_owned()), why: SkipReason::Malformed };
    let n = RSA.jwk()["n"].as_str().unwrap().to_owned();
    for value in
        [json!(null), json!(1), json!(format!("{n}=")), json!(format!("{n}\n")), json!(n.replace(['-', '_'], "+"))]
    {
        assert_eq!(named(json!({"kid": "k", "n": value})), malformed, "{value}");
    }
    assert_eq!(named(json!({"kid": "k", "kty": 1})), malformed);
    for entry in [json!(null), json!("key"), json!([]), json!(1)] {
        assert_eq!(Jwk::parse(&entry).unwrap_err(), Skipped { kid: None, why: SkipReason::Malformed }, "{entry}");
    }
    assert_eq!(why(&json!({})), Some(SkipReason::Malformed));
}

#[test]
fn b7_what_is_said_about_an_entry_is_fit_for_a_log() {
    let skipped = Skipped { kid: Some("a\n\u{1b}[2J".to_owned()), why: SkipReason::RsaTooShort };
    assert_eq!(skipped.to_string(), r#"key "a\n\u{1b}[2J": the RSA modulus is shorter than 2048 bits"#);
}

proptest! {
    #[test]
    fn a4_random_coordinates_are_no_key(x in prop::array::uniform32(any::<u8>()), y in prop::array::uniform32(any::<u8>())) {
        let entry = json!({"kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y)});
        prop_assert_eq!(why(&entry), Some(SkipReason::PointInvalid));
    }

    #[test]
    fn a4_no_entry_makes_it_panic(
        kty in "RSA|EC|OKP|oct|.{0,3}",
        crv in "P-256|P-384|P-521|Ed25519|.{0,3}",
        numbers in prop::collection::vec("[A-Za-z0-9_-]{0,90}", 4),
        odd in prop_oneof![Just(json!(null)), Just(json!(1)), Just(json!([])), Just(json!("sig"))],
    ) {
        let _ = Jwk::parse(&json!({
            "kty": kty, "crv": crv, "n": numbers[0], "e": numbers[1], "x": numbers[2], "y": numbers[3], "use": odd,
        }));
    }

    #[test]
    fn b9_sound_moduli_have_no_fingerprint(seed in prop::collection::vec(any::<u8>(), 256)) {
        let _ = &*OTHER_RSA;
        let mut n = seed;
        n[0] |= 0x80;
        n[255] |= 1;
        prop_assert_ne!(why(&rsa_entry(&n, &[1, 0, 1])), Some(SkipReason::RsaRoca));
    }
}
