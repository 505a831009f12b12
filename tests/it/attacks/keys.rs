//! Which of an issuer's keys a token may name, and whose keys they are.

use countersign::dev::issuer::SigningKey;
use serde_json::Value;

use super::*;
use crate::support::{issuer, jwt};

#[tokio::test]
async fn b6_without_a_kid_the_only_fitting_key_is_used_and_never_several() {
    let gauntlet = Gauntlet::start().await;
    let anonymous = gauntlet.token().without_header("kid");
    gauntlet.accepts([("one key for ES256".to_owned(), anonymous.mint())], gauntlet.name).await;
    // The issuer may have a newer key by now, so it is asked once; it has not.
    let forged = anonymous.clone().signature(b"").mint();
    assert_eq!(gauntlet.answer(&forged).await, undecided("unknown_key"), "a refusal with its reason");
    let again = anonymous.claim("again", true).signature(b"").mint();
    assert_eq!(gauntlet.answer(&again).await, undecided("keys_unknown"), "nobody is asked twice");

    let issuer = issuer_of(&[Algorithm::Es256, Algorithm::Es256]).await;
    let mut gauntlet = Gauntlet::before(issuer, |_| {}).await;
    let ambiguous = row("two keys for ES256", gauntlet.token().without_header("kid").mint(), "key_ambiguous");
    gauntlet.refuses([ambiguous]).await;
}

#[tokio::test]
async fn b5_two_keys_under_one_name_are_none() {
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let [one, other] =
        ["twice", "twice"].map(|kid| std::sync::Arc::new(SigningKey::generate(Algorithm::Es256, kid).unwrap()));
    let rsa = std::sync::Arc::new(SigningKey::generate(Algorithm::Rs256, "es256-0").unwrap());
    // The same key twice is one key, and two algorithms under one name are two keys.
    let set = [one.jwk(), other.jwk(), issuer.key().jwk(), issuer.key().jwk(), rsa.jwk()];
    issuer.publish(json!({ "keys": set }).to_string());
    let gauntlet = Gauntlet::before(issuer, |_| {}).await;
    gauntlet.accepts([("RS256".to_owned(), gauntlet.token().signed_by(&rsa).mint())], gauntlet.name).await;
    // The issuer may have mended its set, so it is asked once; it has not.
    for key in [&one, &other] {
        let answer = gauntlet.answer(&gauntlet.token().signed_by(key).mint()).await;
        assert!(
            matches!(answer, Answer::Undecided(ref code) if code == "unknown_key" || code == "keys_unknown"),
            "{answer:?}"
        );
    }
    assert_eq!(gauntlet.answer(&gauntlet.token().mint()).await, accepted(gauntlet.name));
}

#[tokio::test]
async fn b1_b8_b9_keys_that_are_not_fit_are_not_used_and_harm_no_others() {
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let make = |algorithm, kid: &str| std::sync::Arc::new(SigningKey::generate(algorithm, kid).unwrap());
    let with = |key: &SigningKey, member: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk[member] = value;
        jwk
    };
    let for_encryption = make(Algorithm::Es256, "for-encryption");
    let for_wrapping = make(Algorithm::Es256, "for-wrapping");
    let other_curve = make(Algorithm::Es256, "other-curve");
    let off_curve = make(Algorithm::Es256, "off-curve");
    let mut broken = off_curve.jwk();
    broken["y"] = broken["x"].clone();
    let even = make(Algorithm::Rs256, "even");
    let set = json!({"keys": [
        with(&for_encryption, "use", "enc".into()),
        with(&for_wrapping, "key_ops", json!(["wrapKey"])),
        with(&other_curve, "crv", "P-384".into()),
        broken,
        with(&even, "e", "AQ".into()),
        {"kty": "oct", "kid": "secret", "k": base64url("a secret that was published"), "alg": "HS256"},
        {"kty": "AKP", "kid": "later", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "EC", "crv": "secp256k1", "kid": "bitcoin", "x": "AAAA", "y": "AAAA"},
        "no key",
        null,
        issuer.key().jwk(),
    ]});
    issuer.publish(set.to_string());
    let mut gauntlet = Gauntlet::before(issuer, |_| {}).await;
    let signed = |key| gauntlet.rig.token().signed_by(key).mint();
    let mut rows: Vec<_> =
        [&for_encryption, &for_wrapping, &even].map(|key| row(key.kid(), signed(key), "weak_key")).into();
    let confused = gauntlet.rig.token().kid("secret").hmac(b"a secret that was published").mint();
    rows.push(row("the published secret", confused, "algorithm_not_allowed"));
    gauntlet.refuses(rows).await;
    // What is merely broken may have been mended since, so the issuer is asked once.
    assert_eq!(gauntlet.answer(&gauntlet.token().signed_by(&off_curve).mint()).await, undecided("unknown_key"));
    assert_eq!(gauntlet.answer(&gauntlet.token().signed_by(&other_curve).mint()).await, undecided("keys_unknown"));
}

#[tokio::test]
async fn b14_every_byte_of_a_token_counts() {
    let gauntlet = Gauntlet::start().await;
    let whole = gauntlet.token().mint().expose_secret().to_owned();
    // Every position once, with the characters next to it in the alphabet, so that most still decode.
    let rows = whole.char_indices().filter(|(_, c)| *c != '.').map(|(at, c)| {
        let other = if c == 'A' {
            'B'
        } else {
            char::from_u32(u32::from(c) ^ 1).filter(char::is_ascii_alphanumeric).unwrap_or('A')
        };
        let mut changed = whole.clone();
        changed.replace_range(at..=at, &other.to_string());
        (format!("position {at}"), BearerToken::new(changed))
    });
    let rows: Vec<_> = rows.collect();
    let before = gauntlet.heard();
    for (what, token) in &rows {
        let answer = gauntlet.answer(token).await;
        assert!(matches!(answer, Answer::Undecided(_)), "{what}: {answer:?}");
    }
    assert!(gauntlet.heard()[2] <= before[2] + 1, "only a changed kid is looked up, and once");
    assert_eq!(gauntlet.answer(&BearerToken::new(whole)).await, accepted(gauntlet.name));
}

#[tokio::test]
async fn b14_no_part_of_one_token_fits_another() {
    let mut gauntlet = Gauntlet::start().await;
    let one = parts(&gauntlet.token().mint());
    let other = parts(&gauntlet.token().subject("root").mint());
    let rows = [
        ("claims", [&one[0], &other[1], &one[2]]),
        ("signature", [&one[0], &one[1], &other[2]]),
        ("claims as signature", [&one[0], &one[1], &one[1]]),
    ]
    .map(|(name, parts)| {
        let text = parts.map(String::as_str).join(".");
        row(name, BearerToken::new(text), "bad_signature")
    });
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a8_g6_keys_belong_to_their_issuer_whatever_their_names() {
    let other = issuer().await;
    let entry = jwt(&other, "other:");
    let mut gauntlet =
        Gauntlet::start_with(|settings| settings.authentication["jwt"].as_array_mut().unwrap().push(entry)).await;
    let rig = &gauntlet.rig;
    other.wait_for(Endpoint::Keys, 1).await;
    let of_other = other.token(rig.now());
    assert_eq!(other.key().kid(), rig.issuer.key().kid(), "the same name, another key");
    // The other issuer's own token works, and comes first, so that its key is known when the attack arrives.
    gauntlet.accepts([("the other's own".to_owned(), of_other.mint())], "other:alice").await;
    let rows = [
        row("ours, signed by the other", rig.token().signed_by(&other.key()).mint(), "bad_signature"),
        row("the other's, signed by us", of_other.clone().signed_by(&rig.issuer.key()).mint(), "bad_signature"),
        row(
            "both named",
            of_other.clone().claim("iss", json!([rig.issuer.url(), other.url()])).mint(),
            "unknown_issuer",
        ),
        row("ours for the other's name", rig.token().issuer(&format!("{}/", other.url())).mint(), "unknown_issuer"),
    ];
    let heard = other.count(Endpoint::Keys);
    gauntlet.refuses(rows).await;
    assert_eq!(other.count(Endpoint::Keys), heard);
}

#[tokio::test]
async fn a8_an_issuer_that_publishes_anothers_key_speaks_only_for_itself() {
    let ours = issuer_of(&[Algorithm::Es256]).await;
    let other = issuer().await;
    // The same name and the same thumbprint.
    other.publish(json!({"keys": [ours.key().jwk()]}).to_string());
    let entry = jwt(&other, "other:");
    let gauntlet =
        Gauntlet::before(ours, |settings| settings.authentication["jwt"].as_array_mut().unwrap().push(entry)).await;
    let key = gauntlet.rig.issuer.key();
    let of_other = other.token(gauntlet.rig.now());
    gauntlet.accepts([("as the other".to_owned(), of_other.clone().signed_by(&key).mint())], "other:alice").await;
    gauntlet.accepts([("as ours".to_owned(), gauntlet.token().mint())], "oidc:alice").await;
    assert_eq!(gauntlet.answer(&of_other.mint()).await, undecided("bad_signature"), "its own key is not published");
}
