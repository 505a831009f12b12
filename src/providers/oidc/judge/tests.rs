use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jose::testing::{OTHER_RSA, RSA, Signer, base64url, jwks};
use crate::jose::{Algorithm, Unparsable};
use crate::providers::oidc::trail::{NoTrail, Step};

const ISSUER: &str = "https://idp.example";
const NOW: u64 = 1_800_000_000;

fn policy() -> Policy {
    Policy {
        issuer: ISSUER.to_owned(),
        audiences: vec!["cluster".to_owned(), "other-cluster".to_owned()],
        algorithms: AlgorithmSet::default(),
        clock_skew: Duration::ZERO,
        profile: TokenProfile::Any,
    }
}

fn keys() -> KeySet {
    KeySet::parse(&jwks(&[RSA.jwk_with(json!({"kid": "k"}))])).unwrap()
}

fn claims() -> Value {
    json!({"iss": ISSUER, "aud": "cluster", "sub": "jane", "exp": NOW + 300, "iat": NOW - 10})
}

/// The claims of [`claims`] with these members in their place; null removes one.
fn claims_with(members: Value) -> Value {
    let mut claims = claims();
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    claims
}

fn signed(claims: &Value) -> String {
    RSA.token(Algorithm::Rs256, "k", claims)
}

/// How a judgement went, in a form that can be compared.
#[derive(Debug, PartialEq)]
enum Verdict {
    Accept(Vec<String>),
    KeyNotInSet,
    Reject(Reason),
    Undecided(Cause),
    Unparsable(Unparsable),
}

fn verdict(text: &str, keys: &KeySet, policy: &Policy) -> Verdict {
    let token = match UnverifiedToken::parse(text) {
        Ok(token) => token,
        Err(unparsable) => return Verdict::Unparsable(unparsable),
    };
    match judge(token, keys, policy, UnixTime::from_seconds(NOW), &mut NoTrail) {
        Ok(vouched) => Verdict::Accept(vouched.audiences().to_vec()),
        Err(Refusal::KeyNotInSet(_)) => Verdict::KeyNotInSet,
        Err(Refusal::Reject(reason)) => Verdict::Reject(reason),
        Err(Refusal::Undecided(cause)) => Verdict::Undecided(cause),
    }
}

/// Judges these claims, well signed.
fn of_claims(claims: &Value) -> Verdict {
    verdict(&signed(claims), &keys(), &policy())
}

/// Judges a header as it is written, with good claims and a good RS256 signature.
fn of_header(header: &Value) -> Verdict {
    verdict(&RSA.token_of(Algorithm::Rs256, &header.to_string(), &claims().to_string()), &keys(), &policy())
}

fn accepted() -> Verdict {
    Verdict::Accept(vec!["cluster".to_owned()])
}

fn refused(reason: Reason) -> Verdict {
    Verdict::Unparsable(Unparsable::Refused(reason))
}

#[test]
fn a_good_token_is_vouched_for_with_all_its_claims() {
    let text = signed(&claims_with(json!({"groups": ["dev", "ops"]})));
    let token = UnverifiedToken::parse(&text).unwrap();
    let vouched = judge(token, &keys(), &policy(), UnixTime::from_seconds(NOW), &mut NoTrail).unwrap();
    assert_eq!(Value::Object(vouched.all().clone()), claims_with(json!({"groups": ["dev", "ops"]})));
    assert_eq!(vouched.audiences(), ["cluster"]);
    assert_eq!(vouched.not_after(), UnixTime::from_seconds(NOW + 300));
}

#[test]
fn a1_every_algorithm_is_accepted_from_its_own_key() {
    for signer in [Signer::p256(), Signer::p384(), Signer::p521(), Signer::ed25519()].iter().chain([&*RSA]) {
        let keys = KeySet::parse(&jwks(&[signer.jwk_with(json!({"kid": "k"}))])).unwrap();
        for algorithm in signer.algorithms() {
            let text = signer.token(algorithm, "k", &claims());
            assert_eq!(verdict(&text, &keys, &policy()), accepted(), "{algorithm}");
            let elsewhere = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).map(Algorithm::name);
            let others = Policy { algorithms: AlgorithmSet::from_names(elsewhere).unwrap(), ..policy() };
            assert_eq!(verdict(&text, &keys, &others), Verdict::Reject(Reason::AlgorithmNotAllowed), "{algorithm}");
        }
    }
}

#[test]
fn a1_the_header_does_not_choose_the_algorithm() {
    for alg in ["RS384", "RS512", "PS256"] {
        assert_eq!(of_header(&json!({"alg": alg, "kid": "k"})), Verdict::Reject(Reason::BadSignature), "{alg}");
    }
    for alg in ["ES256", "ES384", "ES512", "EdDSA", "Ed25519"] {
        assert_eq!(of_header(&json!({"alg": alg, "kid": "k"})), Verdict::Reject(Reason::AlgorithmMismatch), "{alg}");
    }
    for alg in ["none", "None", "NONE", "nOnE", "HS256", "HS384", "HS512", "rs256", "RS256 ", "", "dir"] {
        assert_eq!(of_header(&json!({"alg": alg, "kid": "k"})), Verdict::Reject(Reason::AlgorithmNotAllowed), "{alg}");
    }
}

#[test]
fn a2_the_fully_specified_name_of_ed25519_is_accepted() {
    let signer = Signer::ed25519();
    for (alg, in_key) in [("Ed25519", "EdDSA"), ("EdDSA", "Ed25519"), ("Ed25519", "Ed25519")] {
        let keys = KeySet::parse(&jwks(&[signer.jwk_with(json!({"kid": "k", "alg": in_key}))])).unwrap();
        let text =
            signer.token_of(Algorithm::EdDsa, &json!({"alg": alg, "kid": "k"}).to_string(), &claims().to_string());
        assert_eq!(verdict(&text, &keys, &policy()), accepted(), "{alg} {in_key}");
    }
}

#[test]
fn a2_an_unsigned_token_is_refused_with_and_without_a_signature() {
    let (_, good_signature) = signed(&claims()).rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    for alg in ["none", "None", "NONE", "nOnE"] {
        for signature in ["", "AA", &good_signature] {
            let header = json!({"alg": alg, "kid": "k"}).to_string();
            let text = format!("{}.{}.{signature}", base64url(header), base64url(claims().to_string()));
            assert_eq!(
                verdict(&text, &keys(), &policy()),
                Verdict::Reject(Reason::AlgorithmNotAllowed),
                "{alg} {signature}"
            );
        }
    }
}

#[test]
fn a3_b2_b3_b4_headers_that_ask_for_more_are_refused_though_signed() {
    let cases = [
        (json!({"alg": "RS256", "kid": "k", "crit": ["exp"], "exp": 1}), Reason::CriticalHeader),
        (json!({"alg": "RS256", "kid": "k", "crit": []}), Reason::CriticalHeader),
        (json!({"alg": "RS256", "kid": "k", "b64": false}), Reason::CriticalHeader),
        (json!({"alg": "RS256", "kid": "k", "enc": "A128GCM"}), Reason::Encrypted),
        (json!({"alg": "RS256", "kid": "k", "zip": "DEF"}), Reason::Encrypted),
        (json!({"alg": "RS256", "kid": "k", "jwk": OTHER_RSA.jwk()}), Reason::EmbeddedKey),
        (json!({"alg": "RS256", "kid": "k", "jku": "https://evil.example/jwks"}), Reason::EmbeddedKey),
        (json!({"alg": "RS256", "kid": "k", "x5u": "https://evil.example/crt"}), Reason::EmbeddedKey),
        (json!({"alg": "RS256", "kid": "k", "cty": "JWT"}), Reason::TokenProfile),
        (json!({"alg": "RS256", "kid": 1}), Reason::Malformed),
    ];
    for (header, reason) in cases {
        assert_eq!(of_header(&header), refused(reason), "{header}");
    }
    assert_eq!(of_header(&json!({"alg": "RS256", "kid": "k", "x5t": "dGg", "x5c": ["MIIB"]})), accepted());
}

#[test]
fn b1_the_public_key_as_a_shared_secret_proves_nothing() {
    use aws_lc_rs::hmac;
    let jwk = RSA.jwk();
    let secrets = [
        jwk.to_string(),
        jwk["n"].as_str().unwrap().to_owned(),
        jwks(&[jwk]).iter().map(|byte| char::from(*byte)).collect(),
        String::new(),
    ];
    for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512), ("RS256", hmac::HMAC_SHA256)] {
        for secret in &secrets {
            let header = json!({"alg": alg, "kid": "k"}).to_string();
            let signing_input = format!("{}.{}", base64url(header), base64url(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), signing_input.as_bytes());
            let expected = if alg == "RS256" { Reason::BadSignature } else { Reason::AlgorithmNotAllowed };
            let text = format!("{signing_input}.{}", base64url(tag));
            assert_eq!(verdict(&text, &keys(), &policy()), Verdict::Reject(expected), "{alg}");
        }
    }
}

#[test]
fn b2_a_key_that_comes_with_the_token_is_not_used() {
    let header = json!({"alg": "RS256", "kid": "k", "jwk": OTHER_RSA.jwk()});
    let text = OTHER_RSA.token_of(Algorithm::Rs256, &header.to_string(), &claims().to_string());
    assert_eq!(verdict(&text, &keys(), &policy()), refused(Reason::EmbeddedKey));
    let plain = OTHER_RSA.token(Algorithm::Rs256, "k", &claims());
    assert_eq!(verdict(&plain, &keys(), &policy()), Verdict::Reject(Reason::BadSignature));
}

#[test]
fn b10_empty_null_and_foreign_signatures_are_refused() {
    let good = signed(&claims());
    let (input, signature) = good.rsplit_once('.').unwrap();
    let other = signed(&claims_with(json!({"sub": "john"})));
    let foreign = other.rsplit_once('.').unwrap().1;
    for signature in ["", "AA", "bnVsbA", foreign, &signature[4..], &format!("{signature}AAAA")] {
        assert_eq!(verdict(&format!("{input}.{signature}"), &keys(), &policy()), Verdict::Reject(Reason::BadSignature));
    }
}

#[test]
fn b14_the_signature_is_over_the_bytes_as_received() {
    // The same JSON, spelled in another way than the one that was signed.
    let text = signed(&claims());
    let [header, payload, signature] = text.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let spaced = claims().to_string().replace(',', ", ");
    for (header, payload) in
        [(header, base64url(spaced)), (&base64url(r#"{"kid":"k","alg":"RS256"} "#), payload.to_owned())]
    {
        let other = format!("{header}.{payload}.{signature}");
        assert_eq!(verdict(&other, &keys(), &policy()), Verdict::Reject(Reason::BadSignature));
    }
    assert_eq!(verdict(&text, &keys(), &policy()), accepted());
}

#[test]
fn a8_d9_the_issuer_is_compared_byte_for_byte_after_the_signature() {
    let others = [
        "https://idp.example/",
        "https://IDP.example",
        "HTTPS://idp.example",
        "https://idp.example:443",
        "https://idp.example#",
        "https://idp.example?",
        "https://idp.example/.",
        "https://user@idp.example",
        "https://idp.example\0",
        " https://idp.example",
        "http://idp.example",
        "idp.example",
        "",
    ];
    for issuer in others {
        assert_eq!(
            of_claims(&claims_with(json!({"iss": issuer}))),
            Verdict::Reject(Reason::UnknownIssuer),
            "{issuer:?}"
        );
    }
    assert_eq!(of_claims(&claims_with(json!({"iss": null}))), Verdict::Reject(Reason::UnknownIssuer));
    for issuer in [json!([ISSUER]), json!({"iss": ISSUER}), json!(1), json!(true)] {
        assert_eq!(of_claims(&claims_with(json!({"iss": issuer}))), Verdict::Reject(Reason::ClaimType), "{issuer}");
    }
}

#[test]
fn a8_g6_a_key_of_another_issuer_does_not_count() {
    let theirs = KeySet::parse(&jwks(&[OTHER_RSA.jwk_with(json!({"kid": "k"}))])).unwrap();
    assert_eq!(verdict(&signed(&claims()), &theirs, &policy()), Verdict::Reject(Reason::BadSignature));
    // The same key and kid under another issuer's policy: the claim decides.
    let elsewhere = Policy { issuer: "https://other.example".to_owned(), ..policy() };
    assert_eq!(verdict(&signed(&claims()), &keys(), &elsewhere), Verdict::Reject(Reason::UnknownIssuer));
}

#[test]
fn d11_google_alone_has_a_second_name() {
    assert!(issuer_claim_matches("https://accounts.google.com", "accounts.google.com"));
    assert!(issuer_claim_matches("https://accounts.google.com", "https://accounts.google.com"));
    assert!(issuer_claim_matches(ISSUER, ISSUER));
    for (configured, claim) in [
        (ISSUER, "idp.example"),
        ("https://accounts.google.com/", "accounts.google.com"),
        ("https://accounts.google.com", "accounts.google.com/"),
        ("https://accounts.google.com", "Accounts.google.com"),
        ("http://accounts.google.com", "accounts.google.com"),
        ("accounts.google.com", "accounts.google.com"),
    ] {
        assert!(!issuer_claim_matches(configured, claim), "{configured} {claim}");
    }
    let google = Policy { issuer: "https://accounts.google.com".to_owned(), ..policy() };
    let text = signed(&claims_with(json!({"iss": "accounts.google.com"})));
    assert_eq!(verdict(&text, &keys(), &google), accepted());
}

#[test]
fn a9_a_token_must_name_a_configured_audience() {
    let accept =
        |audiences: &[&str]| Verdict::Accept(audiences.iter().map(|audience| (*audience).to_owned()).collect());
    let mismatch = || Verdict::Reject(Reason::AudienceMismatch);
    let cases = [
        (json!("cluster"), accept(&["cluster"])),
        (json!(["cluster"]), accept(&["cluster"])),
        (json!(["x", "other-cluster", "cluster"]), accept(&["other-cluster", "cluster"])),
        (json!(["cluster", "cluster"]), accept(&["cluster"])),
        (json!("other"), mismatch()),
        (json!(["other", "Cluster"]), mismatch()),
        (json!("cluster "), mismatch()),
        (json!("cluster,other"), mismatch()),
        (json!("clust"), mismatch()),
        (json!(""), mismatch()),
        (json!([]), mismatch()),
        (json!(null), mismatch()),
        (json!(1), Verdict::Reject(Reason::ClaimType)),
        (json!({"cluster": "cluster"}), Verdict::Reject(Reason::ClaimType)),
        (json!(true), Verdict::Reject(Reason::ClaimType)),
        (json!(["cluster", 1]), Verdict::Reject(Reason::ClaimType)),
        (json!([null, "cluster"]), Verdict::Reject(Reason::ClaimType)),
        (json!([["cluster"]]), Verdict::Reject(Reason::ClaimType)),
    ];
    for (aud, expected) in cases {
        assert_eq!(of_claims(&claims_with(json!({"aud": aud}))), expected, "{aud}");
    }
    let null = claims().to_string().replace(r#""cluster""#, "null");
    let text = RSA.token_of(Algorithm::Rs256, r#"{"alg":"RS256","kid":"k"}"#, &null);
    assert_eq!(verdict(&text, &keys(), &policy()), Verdict::Reject(Reason::ClaimType));
}

#[test]
fn a11_the_profile_decides_which_typ_is_taken() {
    let kinds = [
        (None, [true, true, false]),
        (Some("JWT"), [true, true, false]),
        (Some("jwt"), [true, true, false]),
        (Some("application/jwt"), [true, true, false]),
        (Some("at+jwt"), [true, false, true]),
        (Some("AT+JWT"), [true, false, true]),
        (Some("application/at+jwt"), [true, false, true]),
        (Some(""), [false; 3]),
        (Some("JOSE"), [false; 3]),
        (Some("Bearer"), [false; 3]),
        (Some("JWT "), [false; 3]),
        (Some("x+jwt"), [false; 3]),
    ];
    let full = claims_with(json!({"client_id": "c", "jti": "j"}));
    for (typ, expected) in kinds {
        for (profile, expected) in
            [TokenProfile::Any, TokenProfile::IdToken, TokenProfile::AccessToken].into_iter().zip(expected)
        {
            let mut header = json!({"alg": "RS256", "kid": "k"});
            if let Some(typ) = typ {
                header["typ"] = typ.into();
            }
            let text = RSA.token_of(Algorithm::Rs256, &header.to_string(), &full.to_string());
            let expected = if expected { accepted() } else { Verdict::Reject(Reason::TokenProfile) };
            assert_eq!(verdict(&text, &keys(), &Policy { profile, ..policy() }), expected, "{typ:?} {profile:?}");
        }
    }
}

#[test]
fn a11_an_access_token_has_all_its_members() {
    let profile = Policy { profile: TokenProfile::AccessToken, ..policy() };
    let judged = |claims: &Value| {
        let header = r#"{"alg":"RS256","kid":"k","typ":"at+jwt"}"#;
        verdict(&RSA.token_of(Algorithm::Rs256, header, &claims.to_string()), &keys(), &profile)
    };
    let full = claims_with(json!({"client_id": "c", "jti": "j"}));
    assert_eq!(judged(&full), accepted());
    for name in ["exp", "aud", "sub", "client_id", "iat", "jti"] {
        let mut claims = full.clone();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(judged(&claims), Verdict::Reject(Reason::TokenProfile), "without {name}");
    }
    for (name, reason) in [
        ("sub", Reason::ClaimType),
        ("client_id", Reason::ClaimType),
        ("jti", Reason::ClaimType),
        ("aud", Reason::ClaimType),
        ("exp", Reason::TimeInvalid),
        ("iat", Reason::TimeInvalid),
    ] {
        for value in [json!(true), json!({}), json!(null)] {
            let mut claims = full.clone();
            claims[name] = value.clone();
            assert_eq!(judged(&claims), Verdict::Reject(reason), "{name}: {value}");
        }
    }
}

#[test]
fn a12_foreign_kinds_are_refused_by_every_profile() {
    let full = claims_with(json!({"client_id": "c", "jti": "j"}));
    let typs = [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "oauth-authz-req+jwt",
        "application/logout+jwt",
    ];
    for profile in [TokenProfile::Any, TokenProfile::IdToken, TokenProfile::AccessToken] {
        let policy = Policy { profile, ..policy() };
        for typ in typs {
            let header = json!({"alg": "RS256", "kid": "k", "typ": typ}).to_string();
            let text = RSA.token_of(Algorithm::Rs256, &header, &full.to_string());
            assert_eq!(verdict(&text, &keys(), &policy), Verdict::Reject(Reason::TokenProfile), "{typ} {profile:?}");
        }
        for (name, value) in [
            ("events", json!({"http://schemas.openid.net/event/backchannel-logout": {}})),
            ("events", json!(null)),
            ("token_introspection", json!({"active": true})),
        ] {
            let mut claims = full.clone();
            claims[name] = value;
            for typ in ["JWT", "at+jwt"] {
                let header = json!({"alg": "RS256", "kid": "k", "typ": typ}).to_string();
                let text = RSA.token_of(Algorithm::Rs256, &header, &claims.to_string());
                assert_eq!(verdict(&text, &keys(), &policy), Verdict::Reject(Reason::TokenProfile), "{name} {typ}");
            }
        }
    }
}

#[test]
fn c4_members_with_the_wrong_type_are_refused() {
    let raw = |member: &str| {
        let claims = claims_with(json!({"sub": null})).to_string();
        let payload = format!("{},{member}}}", claims.strip_suffix('}').unwrap());
        verdict(&RSA.token_of(Algorithm::Rs256, r#"{"alg":"RS256","kid":"k"}"#, &payload), &keys(), &policy())
    };
    for name in ["sub", "jti", "nonce", "at_hash"] {
        for value in ["1", "true", "[]", r#"["jane"]"#, "{}"] {
            assert_eq!(raw(&format!(r#""{name}":{value}"#)), Verdict::Reject(Reason::ClaimType), "{name}: {value}");
        }
        assert_eq!(raw(&format!(r#""{name}":"text""#)), accepted(), "{name}");
    }
    for (name, expected) in [
        ("sub", Verdict::Reject(Reason::ClaimType)),
        ("jti", Verdict::Reject(Reason::ClaimType)),
        ("nonce", accepted()),
        ("at_hash", accepted()),
    ] {
        assert_eq!(raw(&format!(r#""{name}":null"#)), expected, "{name}: null");
    }
}

#[test]
fn c1_a_registered_claim_in_another_case_is_a_second_reading_and_refused() {
    for name in
        ["EXP", "Exp", "NBF", "ISS", "Aud", "SUB", "i\u{17f}s", "Nonce", "AT_HASH", "_Claim_Names", "_claim_sourceS"]
    {
        let text = signed(&claims_with(json!({name: "x"})));
        assert_eq!(verdict(&text, &keys(), &policy()), Verdict::Reject(Reason::DuplicateMember), "{name}");
    }
    for name in ["Email", "GROUPS", "expires", "is", "jti2"] {
        assert_eq!(of_claims(&claims_with(json!({name: "x"}))), accepted(), "{name}");
    }
}

#[test]
fn d12_distributed_claims_must_be_consistent_and_lead_nowhere() {
    let judged = |names: Value, sources: Value| {
        of_claims(&claims_with(json!({"_claim_names": names, "_claim_sources": sources})))
    };
    let source = json!({"s": {"endpoint": "https://evil.example/groups", "access_token": "t"}});
    assert_eq!(judged(json!({"groups": "s"}), source.clone()), accepted());
    assert_eq!(judged(json!({"groups": "s"}), json!({"s": {}})), accepted());
    assert_eq!(judged(json!({}), json!(null)), accepted());
    assert_eq!(judged(json!(null), source.clone()), accepted());
    for (names, sources, reason) in [
        (json!({"groups": "other"}), source.clone(), Reason::Malformed),
        (json!({"groups": "s"}), json!(null), Reason::Malformed),
        (json!({"groups": ""}), source.clone(), Reason::Malformed),
        (json!({"groups": 1}), source.clone(), Reason::ClaimType),
        (json!(["groups"]), source.clone(), Reason::ClaimType),
        (json!("groups"), source.clone(), Reason::ClaimType),
        (json!({"groups": "s"}), json!({"s": "https://evil.example"}), Reason::ClaimType),
        (json!({"groups": "s"}), json!({"s": {"endpoint": 1}}), Reason::ClaimType),
        (json!({"groups": "s"}), json!({"s": {"access_token": []}}), Reason::ClaimType),
        (json!({"groups": "s"}), json!([source]), Reason::ClaimType),
        (json!(null), json!(1), Reason::ClaimType),
    ] {
        assert_eq!(judged(names.clone(), sources.clone()), Verdict::Reject(reason), "{names} {sources}");
    }
}

#[test]
fn c4_c5_c6_times_are_judged_at_now() {
    for (members, expected) in [
        (json!({"exp": NOW}), Verdict::Reject(Reason::Expired)),
        (json!({"exp": null}), Verdict::Reject(Reason::ExpiryMissing)),
        (json!({"exp": "1900000000"}), Verdict::Reject(Reason::TimeInvalid)),
        (json!({"nbf": NOW + 5}), Verdict::Undecided(Cause::NotYetValid)),
        (json!({"nbf": NOW + 500}), Verdict::Reject(Reason::NotYetValid)),
        (json!({"iat": NOW + 5}), Verdict::Undecided(Cause::NotYetValid)),
        (json!({"iat": NOW + 500}), Verdict::Reject(Reason::IssuedInFuture)),
        (json!({"iat": "now"}), Verdict::Reject(Reason::TimeInvalid)),
    ] {
        assert_eq!(of_claims(&claims_with(members.clone())), expected, "{members}");
    }
    let skewed = Policy { clock_skew: Duration::from_secs(30), ..policy() };
    assert_eq!(verdict(&signed(&claims_with(json!({"exp": NOW - 29, "nbf": NOW + 30}))), &keys(), &skewed), accepted());
}

#[test]
fn c6_a_not_yet_never_hides_a_no() {
    for (members, reason) in [
        (json!({"nbf": NOW + 5, "aud": "other"}), Reason::AudienceMismatch),
        (json!({"nbf": NOW + 5, "iss": "https://other.example"}), Reason::UnknownIssuer),
        (json!({"nbf": NOW + 5, "events": {}}), Reason::TokenProfile),
    ] {
        assert_eq!(of_claims(&claims_with(members.clone())), Verdict::Reject(reason), "{members}");
    }
}

#[test]
fn g1_nobody_asks_for_newer_keys_because_of_a_token_that_is_refused_anyway() {
    let unknown = |members: Value| {
        verdict(&OTHER_RSA.token(Algorithm::Rs256, "unknown", &claims_with(members)), &keys(), &policy())
    };
    assert_eq!(unknown(json!({})), Verdict::KeyNotInSet);
    for (members, expected) in [
        (json!({"exp": NOW - 1}), Verdict::Reject(Reason::Expired)),
        (json!({"exp": null}), Verdict::Reject(Reason::ExpiryMissing)),
        (json!({"aud": "other"}), Verdict::Reject(Reason::AudienceMismatch)),
        (json!({"events": {}}), Verdict::Reject(Reason::TokenProfile)),
        (json!({"iss": "https://other.example"}), Verdict::Reject(Reason::UnknownIssuer)),
        (json!({"nbf": NOW + 5}), Verdict::Undecided(Cause::NotYetValid)),
    ] {
        assert_eq!(unknown(members.clone()), expected, "{members}");
    }
    let unsupported = OTHER_RSA.token_of(Algorithm::Rs256, r#"{"alg":"HS256","kid":"unknown"}"#, &claims().to_string());
    assert_eq!(verdict(&unsupported, &keys(), &policy()), Verdict::Reject(Reason::AlgorithmNotAllowed));
}

#[test]
fn g2_a_bad_signature_by_a_known_key_asks_for_no_newer_keys() {
    let text = OTHER_RSA.token(Algorithm::Rs256, "k", &claims());
    assert_eq!(verdict(&text, &keys(), &policy()), Verdict::Reject(Reason::BadSignature));
}

#[test]
fn g1_a_token_can_be_judged_again_with_newer_keys() {
    let text = OTHER_RSA.token(Algorithm::Rs256, "new", &claims());
    let now = UnixTime::from_seconds(NOW);
    let token = UnverifiedToken::parse(&text).unwrap();
    let Err(Refusal::KeyNotInSet(token)) = judge(token, &keys(), &policy(), now, &mut NoTrail) else {
        panic!("the key is not in the set");
    };
    let newer = KeySet::parse(&jwks(&[OTHER_RSA.jwk_with(json!({"kid": "new"}))])).unwrap();
    assert_eq!(judge(*token, &newer, &policy(), now, &mut NoTrail).unwrap().audiences(), ["cluster"]);
}

#[test]
fn c4_no_claim_of_another_type_is_taken_for_the_right_one() {
    let values =
        ["null", "0", "-1", "1.5", "1e400", "true", "false", r#""""#, r#""text""#, "[]", "[null]", "{}", "[{}]"];
    // What is left of these is harmless here: dates that have passed, texts that are texts.
    let harmless = |name: &str, value: &str| match name {
        "nbf" | "iat" => ["0", "1.5"].contains(&value),
        "sub" | "jti" => value.starts_with('"'),
        _ => false,
    };
    for name in ["iss", "aud", "exp", "nbf", "iat", "sub", "jti"] {
        for value in values {
            let others = claims_with(json!({name: null})).to_string();
            let payload = format!("{},\"{name}\":{value}}}", others.strip_suffix('}').unwrap());
            let text = RSA.token_of(Algorithm::Rs256, r#"{"alg":"RS256","kid":"k"}"#, &payload);
            let is_accepted = verdict(&text, &keys(), &policy()) == accepted();
            assert_eq!(is_accepted, harmless(name, value), "{name}: {value}");
        }
    }
}

#[test]
fn a_bad_token_between_two_good_ones_changes_nothing() {
    let good = signed(&claims());
    let bad = [
        OTHER_RSA.token(Algorithm::Rs256, "k", &claims()),
        signed(&claims_with(json!({"exp": 1}))),
        good[..good.len() - 4].to_owned(),
        "eyJ.e30.".to_owned(),
        "opaque".to_owned(),
    ];
    let keys = keys();
    for bad in bad {
        assert_eq!(verdict(&good, &keys, &policy()), accepted());
        assert_ne!(verdict(&bad, &keys, &policy()), accepted());
        assert_eq!(verdict(&good, &keys, &policy()), accepted());
    }
}

/// Writes down what a judgement did.
#[derive(Default)]
struct Notes(Vec<(Step, Outcome, String)>);

impl Trail for Notes {
    fn step(&mut self, facts: Facts<'_>, outcome: Outcome) {
        self.0.push((facts.step(), outcome, facts.to_string()));
    }
}

fn walk(text: &str) -> Vec<(Step, Outcome, String)> {
    let mut notes = Notes::default();
    let _ = judge(UnverifiedToken::parse(text).unwrap(), &keys(), &policy(), UnixTime::from_seconds(NOW), &mut notes);
    notes.0
}

#[test]
fn the_trail_has_every_step_in_order() {
    let thumbprint = keys().keys()[0].thumbprint();
    let expected = [
        (
            Step::Header,
            "alg \"RS256\", kid \"k\"; allowed: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA"
                .to_owned(),
        ),
        (Step::Key, format!("RSA 2048, thumbprint {thumbprint}")),
        (Step::Signature, "by RSA 2048, kid \"k\"".to_owned()),
        (Step::Issuer, "iss \"https://idp.example\"; configured: \"https://idp.example\"".to_owned()),
        (Step::Profile, "typ (none); wanted: JWT, at+jwt or none".to_owned()),
        (Step::Audience, "aud \"cluster\"; configured: \"cluster\", \"other-cluster\"".to_owned()),
        (Step::Times, "exp 1800000300, nbf (none), iat 1799999990, now 1800000000, skew 0 s".to_owned()),
    ];
    assert_eq!(walk(&signed(&claims())), expected.map(|(step, facts)| (step, Outcome::Passed, facts)));
}

#[test]
fn the_trail_ends_where_the_judgement_does() {
    let last = |text: &str| walk(text).pop().map(|(step, outcome, _)| (step, outcome)).unwrap();
    let other = OTHER_RSA.token(Algorithm::Rs256, "k", &claims());
    assert_eq!(last(&other), (Step::Signature, Outcome::Rejected(Reason::BadSignature)));
    let expired = signed(&claims_with(json!({"exp": 1})));
    assert_eq!(last(&expired), (Step::Times, Outcome::Rejected(Reason::Expired)));
    let early = signed(&claims_with(json!({"nbf": NOW + 1})));
    assert_eq!(last(&early), (Step::Times, Outcome::Undecided(Cause::NotYetValid)));
    let unsigned = RSA.token_of(Algorithm::Rs256, r#"{"alg":"none"}"#, &claims().to_string());
    assert_eq!(last(&unsigned), (Step::Header, Outcome::Rejected(Reason::AlgorithmNotAllowed)));

    let unknown = walk(&RSA.token(Algorithm::Rs256, "unknown", &claims()));
    let steps: Vec<_> = unknown.iter().map(|(step, outcome, _)| (*step, *outcome)).collect();
    assert_eq!(steps[1], (Step::Key, Outcome::KeyNotInSet));
    assert_eq!(
        steps[2..].iter().map(|step| step.0).collect::<Vec<_>>(),
        [Step::Issuer, Step::Profile, Step::Audience, Step::Times]
    );
    assert_eq!(unknown[1].2, "none; the issuer's key set has kid \"k\" (RSA 2048)");
}

#[test]
fn j1_j2_the_trail_is_fit_for_a_terminal_and_has_no_token() {
    let kid = "\u{1b}[2J\u{202e}\n".repeat(20);
    let claims = claims_with(json!({"aud": ["\u{7}", "cluster"], "iss": "https://idp.example\r"}));
    let text = RSA.token_of(Algorithm::Rs256, &json!({"alg": "RS256", "kid": kid}).to_string(), &claims.to_string());
    let notes: String = walk(&text).into_iter().map(|(_, _, facts)| facts + "|").collect();
    assert!(notes.chars().all(|character| (' '..='~').contains(&character)), "{notes}");
    assert!(text.split('.').all(|part| !notes.contains(part)), "{notes}");
    assert!(notes.contains("iss \"https://idp.example\\r\""), "{notes}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn b13_b14_no_changed_byte_of_a_good_token_is_accepted(
        which in 0..3_usize,
        at in any::<prop::sample::Index>(),
        replacement in "[A-Za-z0-9_.=+/-]|[ -~]",
    ) {
        thread_local!(static TOKENS: Vec<(String, KeySet)> = [(&*RSA, Algorithm::Rs256), (&Signer::p256(), Algorithm::Es256), (&Signer::ed25519(), Algorithm::EdDsa)]
            .into_iter()
            .map(|(signer, algorithm)| {
                let keys = KeySet::parse(&jwks(&[signer.jwk_with(json!({"kid": "k"}))])).unwrap();
                (signer.token(algorithm, "k", &claims()), keys)
            })
            .collect());
        TOKENS.with(|tokens| {
            let (text, keys) = &tokens[which];
            prop_assert_eq!(verdict(text, keys, &policy()), accepted());
            let at = at.index(text.len());
            let mut changed = text.clone();
            changed.replace_range(at..=at, &replacement);
            if changed != *text {
                prop_assert!(!matches!(verdict(&changed, keys, &policy()), Verdict::Accept(_)), "{}", changed);
            }
            let mut shorter = text.clone();
            shorter.remove(at);
            prop_assert!(!matches!(verdict(&shorter, keys, &policy()), Verdict::Accept(_)), "{}", shorter);
            let mut longer = text.clone();
            longer.insert_str(at, &replacement);
            prop_assert!(!matches!(verdict(&longer, keys, &policy()), Verdict::Accept(_)), "{}", longer);
            Ok(())
        })?;
    }

    #[test]
    fn c4_no_signed_claims_make_it_panic(
        name in "iss|aud|exp|nbf|iat|sub|jti|_claim_names|_claim_sources|events|client_id",
        value in prop_oneof![
            Just(json!(null)), any::<bool>().prop_map(Value::from), any::<i64>().prop_map(Value::from), any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from), prop::collection::vec(".{0,4}", 0..3).prop_map(Value::from),
            prop::collection::btree_map(".{0,3}", ".{0,3}", 0..3).prop_map(|members| json!(members)),
        ],
    ) {
        let mut claims = claims();
        claims[&name] = value;
        // Whatever is accepted kept the claims that decide.
        if let Verdict::Accept(audiences) = of_claims(&claims) {
            prop_assert!(!audiences.is_empty());
            prop_assert_eq!(&claims["iss"], ISSUER);
            prop_assert!(claims["exp"].as_f64().unwrap() > NOW as f64);
        }
    }
}
