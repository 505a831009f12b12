//! What a header asks for and does not get: another algorithm, another key, an extension, another kind of token.

use aws_lc_rs::hmac;
use base64::prelude::BASE64_STANDARD;
use countersign::dev::issuer::SigningKey;
use serde_json::Value;

use super::*;

impl Gauntlet {
    /// The issuer's keys as it publishes them.
    async fn published(&self) -> Vec<Value> {
        let set: Value = serde_json::from_str(&self.key_set_text().await).unwrap();
        set["keys"].as_array().unwrap().clone()
    }

    /// The issuer's key set, byte for byte, read as anyone can read it.
    async fn key_set_text(&self) -> String {
        let config = countersign::outbound::client_config(Some(self.rig.issuer.ca_pem())).unwrap();
        let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
        let url = format!("{}/jwks", self.rig.issuer.url());
        client.get(url).send().await.unwrap().text().await.unwrap()
    }
}

/// A key that the issuer has never heard of, under a name of the attacker's choice.
fn foreign_key(kid: &str) -> std::sync::Arc<SigningKey> {
    std::sync::Arc::new(SigningKey::generate(Algorithm::Es256, kid).unwrap())
}

#[tokio::test]
async fn a2_unsigned_tokens_are_refused_in_every_spelling_of_none() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for none in ["none", "None", "NONE", "nOnE", "none ", " none", "none\0", "nonе", "\u{ff4e}one", "", "null"] {
        rows.push(row(none, token().unsigned().header("alg", none).mint(), "algorithm_not_allowed"));
        let with_signature = token().header("alg", none).mint();
        rows.push(row(format!("{none} with a good signature"), with_signature, "algorithm_not_allowed"));
    }
    rows.push(row("an empty signature", token().signature(b"").mint(), "bad_signature"));
    rows.push(row("a null signature", token().signature(&[0]).mint(), "bad_signature"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a1_the_algorithm_is_the_keys_own_and_compared_byte_for_byte() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for absent in
        ["es256", "Es256", "ES256 ", "ES256\0", "ES256K", "ES521", "RS1", "RSA1_5", "RSA-OAEP", "dir", "HS1", "Ed448"]
    {
        rows.push(row(absent, token().header("alg", absent).mint(), "algorithm_not_allowed"));
    }
    // The key that `kid` names is for ES256.
    for other in ["RS256", "RS512", "PS256", "ES384", "ES512", "EdDSA", "Ed25519"] {
        rows.push(row(other, token().header("alg", other).mint(), "algorithm_mismatch"));
    }
    for (name, value) in [
        ("null", Value::Null),
        ("a number", 256.into()),
        ("a list", json!(["ES256"])),
        ("an object", json!({"ES256": 1})),
    ] {
        rows.push(row(name, token().header("alg", value).mint(), "malformed"));
    }
    rows.push(row("missing", token().without_header("alg").mint(), "malformed"));
    rows.push(row("in capitals", token().without_header("alg").header("ALG", "ES256").mint(), "malformed"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a1_every_algorithm_verifies_with_its_own_key_and_no_other() {
    let keys: Vec<_> = Algorithm::ALL
        .iter()
        .map(|algorithm| std::sync::Arc::new(SigningKey::generate(*algorithm, algorithm.name()).unwrap()))
        .collect();
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let own = issuer.key().jwk();
    let set: Vec<Value> = keys.iter().map(|key| key.jwk()).chain([own]).collect();
    issuer.publish(json!({ "keys": set }).to_string());
    let mut gauntlet = Gauntlet::before(issuer, |_| {}).await;
    let mut good = Vec::new();
    let mut rows = Vec::new();
    for key in &keys {
        for algorithm in Algorithm::ALL {
            let name = format!("{} with the key for {}", algorithm.name(), key.algorithm().name());
            // Signed truly where the key can, so that only the rule is in the way.
            let token = gauntlet.token().signed_by(key).algorithm(algorithm).mint();
            if algorithm == key.algorithm() {
                good.push((name, token));
            } else {
                rows.push(row(name, token, "algorithm_mismatch"));
            }
        }
    }
    gauntlet.accepts(good, "oidc:alice").await;
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a1_only_configured_algorithms_are_taken() {
    let issuer = issuer_of(&[Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa]).await;
    let url = issuer.url().to_owned();
    let mut gauntlet =
        Gauntlet::before(issuer, |settings| of_issuer(&url, "signingAlgorithms", json!(["ES256"]), settings)).await;
    let rows = ["RS256", "PS256", "EdDSA", "Ed25519"].map(|other| {
        row(other, gauntlet.rig.token().header("alg", other).kid("rs256-1").mint(), "algorithm_not_allowed")
    });
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn b1_no_spelling_of_a_public_key_is_a_secret() {
    let issuer = issuer_of(&[Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa]).await;
    let mut gauntlet = Gauntlet::before(issuer, |_| {}).await;
    let set = gauntlet.key_set_text().await;
    let mut secrets: Vec<(String, Vec<u8>)> = vec![
        ("nothing".into(), Vec::new()),
        ("the whole set".into(), set.into_bytes()),
        ("a common password".into(), b"secret".to_vec()),
        ("the issuer".into(), gauntlet.rig.issuer.url().into()),
        ("the serving certificate's authority".into(), gauntlet.rig.issuer.ca_pem().into()),
    ];
    let der = gauntlet.rig.issuer.key().public_key_der().unwrap();
    let base64 = BASE64_STANDARD.encode(&der);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let pem =
        |end: &str, label: &str| format!("-----BEGIN {label}-----{end}{}{end}-----END {label}-----", lines.join(end));
    for (name, text) in [
        ("PEM", pem("\n", "PUBLIC KEY")),
        ("PEM with a last newline", pem("\n", "PUBLIC KEY") + "\n"),
        ("PEM with CRLF", pem("\r\n", "PUBLIC KEY") + "\r\n"),
        ("PEM in one line", pem("", "PUBLIC KEY")),
        ("PEM of another label", pem("\n", "RSA PUBLIC KEY") + "\n"),
        ("the base64 of PEM", base64.clone()),
    ] {
        secrets.push((name.to_owned(), text.into_bytes()));
    }
    secrets.push(("DER".to_owned(), der));
    for jwk in gauntlet.published().await {
        secrets.push((format!("JWK {}", jwk["kid"]), jwk.to_string().into_bytes()));
        secrets.push((format!("JWK {}, pretty", jwk["kid"]), serde_json::to_vec_pretty(&jwk).unwrap()));
        for member in ["n", "e", "x", "y", "kid"] {
            if let Some(text) = jwk[member].as_str() {
                secrets.push((format!("{member} as text"), text.into()));
                secrets.push((format!("{member} as bytes"), BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default()));
            }
        }
    }
    let mut rows = Vec::new();
    for (name, secret) in &secrets {
        for (algorithm, hash) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            // Signed as the header says, over the token as it is sent.
            let unsigned = gauntlet.token().header("alg", algorithm).signature(b"").mint();
            let input = unsigned.expose_secret().trim_end_matches('.');
            let tag = hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes());
            let token = BearerToken::new(format!("{input}.{}", base64url(tag)));
            rows.push(row(format!("{algorithm} with {name}"), token, "algorithm_not_allowed"));
        }
        // The same tag under the key's own algorithm.
        let honest = gauntlet.token().hmac(secret).header("alg", "RS256").mint();
        rows.push(row(format!("RS256 with {name}"), honest, "bad_signature"));
    }
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn b2_a_key_that_comes_with_the_token_is_neither_used_nor_fetched() {
    let mut gauntlet = Gauntlet::start().await;
    let evil = foreign_key("es256-0");
    let url = gauntlet.rig.issuer.url().to_owned();
    let own = gauntlet.rig.issuer.key().jwk();
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for (name, value) in [
        ("jwk", evil.jwk()),
        ("jwk", json!({"keys": [evil.jwk()]})),
        ("jwk", own),
        ("jwk", Value::Null),
        ("jku", json!(format!("{url}/evil.json"))),
        ("jku", json!(format!("{url}/jwks"))),
        ("jku", json!("file:///etc/passwd")),
        ("jku", json!("http://169.254.169.254/latest/meta-data")),
        ("jku", json!("")),
        ("x5u", json!(format!("{url}/evil.pem"))),
        ("x5u", Value::Null),
    ] {
        rows.push(row(
            format!("{name}, evil"),
            token().signed_by(&evil).header(name, value.clone()).mint(),
            "embedded_key",
        ));
        rows.push(row(format!("{name}, good"), token().header(name, value).mint(), "embedded_key"));
    }
    let evil_certificate = base64url(evil.public_key_der().unwrap());
    for (name, value) in
        [("x5c", json!([evil_certificate])), ("x5c", json!([])), ("x5t", json!("AAAA")), ("x5t#S256", json!("AAAA"))]
    {
        rows.push(row(format!("{name}, evil"), token().signed_by(&evil).header(name, value).mint(), "bad_signature"));
    }
    gauntlet.refuses(rows).await;
    let with_certificate = gauntlet.token().header("x5c", json!([evil_certificate])).header("x5t", "AAAA").mint();
    gauntlet.accepts([("x5c is not looked at".to_owned(), with_certificate)], "oidc:alice").await;
}

#[tokio::test]
async fn b3_b4_no_extension_is_understood() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for crit in [
        json!([]),
        json!(["exp"]),
        json!(["alg"]),
        json!(["b64"]),
        json!(["x"]),
        json!(["x", "x"]),
        json!("exp"),
        json!(""),
        json!(null),
        json!({}),
        json!([1]),
        json!(true),
        json!(["http://example.com/UNDEFINED"]),
    ] {
        rows.push(row(format!("crit {crit}"), token().header("crit", crit).header("x", 1).mint(), "critical_header"));
    }
    for b64 in [json!(false), json!(true), json!(null), json!("false")] {
        rows.push(row(format!("b64 {b64}"), token().header("b64", b64.clone()).mint(), "critical_header"));
        let both = token().header("b64", b64.clone()).header("crit", json!(["b64"]));
        rows.push(row(format!("crit and b64 {b64}"), both.mint(), "critical_header"));
    }
    // RFC 7797: the payload is what is signed, without base64.
    let header = base64url(r#"{"alg":"ES256","kid":"es256-0","b64":false,"crit":["b64"]}"#);
    let claims = claims_text(&gauntlet.token());
    let signature = gauntlet.rig.issuer.key().sign(Algorithm::Es256, format!("{header}.{claims}").as_bytes()).unwrap();
    let detached = BearerToken::new(format!("{header}..{}", base64url(&signature)));
    let attached = BearerToken::new(format!("{header}.{claims}.{}", base64url(&signature)));
    rows.push(row("RFC 7797, detached", detached, "critical_header"));
    rows.push(row("RFC 7797, attached", attached, "critical_header"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn b11_ecdsa_signatures_are_two_numbers_in_range_and_nothing_else() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let good = BASE64_URL_SAFE_NO_PAD.decode(&parts(&token().mint())[2]).unwrap();
    let (r, s) = good.split_at(32);
    let zero = [0; 32];
    // The order of P-256 (FIPS 186-4, appendix D.1.2.3).
    let order = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let integer = |bytes: &[u8]| [&[2, 33, 0], bytes].concat();
    let der = [vec![0x30, 70], integer(r), integer(s)].concat();
    let signatures: Vec<(&str, Vec<u8>)> = vec![
        ("both zero", vec![0; 64]),
        ("r zero", [&zero, s].concat()),
        ("s zero", [r, &zero].concat()),
        ("both the order", [order, order].concat()),
        ("r zero, s the order", [zero, order].concat()),
        ("all ones", vec![0xff; 64]),
        ("DER", der),
        ("swapped", [s, r].concat()),
        ("one byte short", good[..63].to_vec()),
        ("one byte long", [&good, &[0][..]].concat()),
        ("a leading zero each", [&[0], r, &[0], s].concat()),
        ("twice", [good.clone(), good.clone()].concat()),
        ("for ES384", vec![1; 96]),
        ("for ES512", vec![1; 132]),
        ("huge", vec![1; 8 * 1024]),
        ("of another token", good.clone()),
    ];
    let rows = signatures.into_iter().map(|(name, bytes)| row(name, token().signature(&bytes).mint(), "bad_signature"));
    let rows: Vec<_> = rows.collect();
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a11_a12_tokens_of_a_foreign_kind_are_refused() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for typ in [
        "logout+jwt",
        "secevent+jwt",
        "dpop+jwt",
        "token-introspection+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "kb+jwt",
        "JOSE",
        "JOSE+JSON",
        "JWE",
        "jwt+json",
        "text/jwt",
        "application/logout+jwt",
        "at+jwt+x",
        "",
        " JWT",
        "JWT\0",
    ] {
        rows.push(row(typ, token().header("typ", typ).mint(), "token_profile"));
    }
    for typ in [json!(null), json!(1), json!(["JWT"]), json!({})] {
        rows.push(row(&typ, token().header("typ", typ.clone()).mint(), "malformed"));
    }
    let logout = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    for (name, value) in [
        ("events", logout),
        ("events", json!({})),
        ("events", json!(null)),
        ("token_introspection", json!({"active": true})),
    ] {
        rows.push(row(format!("{name} {value}"), token().claim(name, value).mint(), "token_profile"));
    }
    gauntlet.refuses(rows).await;
    let good = ["JWT", "jwt", "application/jwt", "at+jwt", "AT+JWT", "application/at+jwt"];
    let good = good.map(|typ| (typ.to_owned(), gauntlet.token().header("typ", typ).mint()));
    gauntlet.accepts(good, "oidc:alice").await;
    let untyped = gauntlet.token().without_header("typ").mint();
    gauntlet.accepts([("no typ".to_owned(), untyped)], "oidc:alice").await;
}

#[tokio::test]
async fn a11_an_issuer_of_id_tokens_issues_no_access_tokens() {
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let url = issuer.url().to_owned();
    let mut gauntlet = Gauntlet::before(issuer, |settings| of_issuer(&url, "tokenProfile", "id_token", settings)).await;
    let rows = ["at+jwt", "application/at+jwt", "AT+JWT"]
        .map(|typ| row(typ, gauntlet.rig.token().header("typ", typ).mint(), "token_profile"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn e1_an_access_token_has_everything_that_rfc_9068_requires() {
    let access_token = |rig: &Rig| rig.token().header("typ", "at+jwt").claim("client_id", "kubectl");
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let url = issuer.url().to_owned();
    // The usual tokens are of the other kind here, so the rows are posted one by one.
    let rig = Rig::launch(issuer, |settings| {
        settings.service["server"]["refusalReasons"] = true.into();
        of_issuer(&url, "tokenProfile", "access_token", settings);
    })
    .await;
    rig.until_ready().await;
    let answer = async |token: TokenBuilder| rig.caller.review(&token.mint()).await;
    assert_eq!(answer(access_token(&rig)).await, accepted("oidc:alice"));
    for missing in ["sub", "client_id", "iat", "jti"] {
        assert_eq!(answer(access_token(&rig).without_claim(missing)).await, undecided("token_profile"), "{missing}");
    }
    assert_eq!(answer(access_token(&rig).without_claim("exp")).await, undecided("token_profile"));
    assert_eq!(answer(access_token(&rig).without_claim("aud")).await, undecided("token_profile"));
    assert_eq!(answer(access_token(&rig).without_claim("iss")).await, undecided("unknown_issuer"));
    assert_eq!(answer(access_token(&rig).claim("client_id", 5)).await, undecided("claim_type"));
    for typ in ["JWT", "jwt", "at+JWT2"] {
        assert_eq!(answer(access_token(&rig).header("typ", typ)).await, undecided("token_profile"), "{typ}");
    }
    assert_eq!(answer(access_token(&rig).without_header("typ")).await, undecided("token_profile"));
    assert_eq!(answer(access_token(&rig)).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn b7_a_kid_is_a_name_of_256_bytes_at_most_and_a_string() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = vec![
        row("257 bytes", token().kid(&"k".repeat(257)).mint(), "oversized"),
        row("1 KiB", token().kid(&"k".repeat(1024)).mint(), "oversized"),
        row("8 KiB", token().kid(&"k".repeat(8 * 1024)).mint(), "oversized"),
        row("2 KiB of what is longer escaped", token().kid(&"\u{1b}".repeat(2 * 1024)).mint(), "oversized"),
    ];
    for kid in [json!(null), json!(0), json!(true), json!(["es256-0"]), json!({"es256-0": 1})] {
        rows.push(row(&kid, token().header("kid", kid.clone()).mint(), "malformed"));
    }
    // A key of the set for another algorithm.
    for kid in ["rs256-1", "eddsa-2"] {
        rows.push(row(kid, token().kid(kid).mint(), "algorithm_mismatch"));
    }
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a10_b7_g1_an_unknown_kid_is_looked_up_once_and_for_all_of_them() {
    let gauntlet = Gauntlet::start().await;
    let before = gauntlet.heard();
    let kids = [
        "../../../../dev/null",
        "/etc/passwd",
        "file:///dev/null",
        "..\\..\\keys",
        "es256-0\0",
        "es256-0 ",
        " es256-0",
        "ES256-0",
        "es256-0\n",
        "es256-0' OR '1'='1",
        "x' UNION SELECT 'key'; --",
        "$(sleep 10)",
        "`id`",
        "|| true",
        "; rm -rf /",
        "http://169.254.169.254/",
        "https://elsewhere.example/jwks",
        "\u{1b}[2J\u{1b}]0;x\u{7}",
        "{{7*7}}",
        "${jndi:ldap://x/a}",
        "%2e%2e%2f",
        "\u{202e}0-652se",
        "e\u{301}s256-0",
        "*",
        "?",
        "",
        "null",
        "0",
    ];
    // The first one has the keys fetched anew; it is not there, and that is certain.
    let mut answers = Vec::new();
    for kid in kids {
        answers.push(gauntlet.answer(&gauntlet.token().kid(kid).mint()).await);
        assert_eq!(gauntlet.answer(&gauntlet.known).await, accepted(gauntlet.name), "after {kid:?}");
    }
    let mut expected = vec![undecided("keys_unknown"); kids.len()];
    expected[0] = undecided("unknown_key");
    assert_eq!(answers, expected);
    // Signed by a stranger or not at all: the key is looked up before the signature, so the answer is the same.
    let evil = foreign_key("elsewhere");
    for token in [gauntlet.token().signed_by(&evil).mint(), gauntlet.token().kid("elsewhere").signature(b"").mint()] {
        assert_eq!(gauntlet.answer(&token).await, undecided("keys_unknown"));
    }
    assert_eq!(gauntlet.answer(&gauntlet.token().mint()).await, accepted(gauntlet.name));
    let [connections, discovery, keys, other] = gauntlet.heard();
    assert!(connections - before[0] <= 1, "at most one connection");
    assert_eq!([discovery, keys, other], [before[1], before[2] + 1, before[3]], "one fetch of the keys, nothing else");
}

#[tokio::test]
async fn g1_a_token_that_would_be_refused_anyway_causes_no_fetch_by_its_kid() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token().kid("unknown");
    let now = gauntlet.rig.now();
    let rows = [
        row("expired", token().expires_at(now).mint(), "expired"),
        row("another audience", token().audience("other").mint(), "audience_mismatch"),
        row("another kind", token().header("typ", "logout+jwt").mint(), "token_profile"),
        row("another algorithm", token().header("alg", "none").mint(), "algorithm_not_allowed"),
        row("another issuer", token().issuer("https://elsewhere.example").mint(), "unknown_issuer"),
        row("no expiry", token().without_claim("exp").mint(), "expiry_missing"),
    ];
    gauntlet.refuses(rows).await;
}
