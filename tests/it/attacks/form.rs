//! What is no token at all, or one in a second spelling: framing, base64url, JSON, sizes.

use super::*;

/// What is done to one part of a token.
type Change = Box<dyn Fn(&str) -> String>;

#[tokio::test]
async fn a13_only_the_compact_form_is_a_token() {
    let mut gauntlet = Gauntlet::start().await;
    let [header, payload, signature] = parts(&gauntlet.token().mint());
    let whole = format!("{header}.{payload}.{signature}");
    let flattened = json!({"protected": header, "payload": payload, "signature": signature});
    let general = json!({"payload": payload, "signatures": [{"protected": header, "signature": signature}]});
    let with_claims = json!({"payload": payload, "signatures": [
        {"protected": header, "signature": "AA"}, {"protected": header, "signature": signature},
    ]});
    let rows = [
        ("one part", payload.clone()),
        ("a header alone", header.clone()),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{whole}.{signature}")),
        ("four parts, the last empty", format!("{whole}.")),
        ("six parts", format!("{whole}.a.b.c")),
        ("dots only", ".".repeat(16_000)),
        ("two dots", "..".to_owned()),
        ("an empty header", format!(".{payload}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        ("a detached payload, as header..signature", format!("{header}..{signature}")),
        ("flattened JSON", flattened.to_string()),
        ("general JSON", general.to_string()),
        ("general JSON with two signatures", with_claims.to_string()),
        ("JSON around the compact form", format!("{{\"token\":\"{whole}\"}}")),
        ("a quoted token", format!("\"{whole}\"")),
        ("the scheme left in front", format!("Bearer {whole}")),
        ("another dot", format!("{header}\u{ff0e}{payload}\u{ff0e}{signature}")),
        ("opaque text", "c4f1a1b2-opaque-token-of-someone-else".to_owned()),
        ("a kubeconfig password", "p@ssw0rd".to_owned()),
    ];
    gauntlet.refuses(rows.map(|(name, text)| row(name, BearerToken::new(text), "malformed"))).await;
    let texts = [
        row("no signature", BearerToken::new(format!("{header}.{payload}.")), "bad_signature"),
        // Five parts, so they are taken for an encrypted token.
        row("two tokens", BearerToken::new(format!("{whole} {whole}")), "encrypted"),
        row("two tokens with a comma", BearerToken::new(format!("{whole},{whole}")), "encrypted"),
    ];
    gauntlet.refuses(texts).await;
}

#[tokio::test]
async fn a3_encrypted_and_nested_tokens_are_refused() {
    let mut gauntlet = Gauntlet::start().await;
    let [header, payload, signature] = parts(&gauntlet.token().mint());
    let inner = format!("{header}.{payload}.{signature}");
    let jwe = |header: serde_json::Value| {
        BearerToken::new(format!(
            "{}.{}.AAAA.{}.AAAA",
            base64url(header.to_string()),
            base64url("key"),
            base64url(&inner)
        ))
    };
    gauntlet
        .refuses([
            row("five parts under a signed header", BearerToken::new(format!("{inner}.a.b")), "encrypted"),
            row("direct encryption", jwe(json!({"alg": "dir", "enc": "A128GCM", "cty": "JWT"})), "encrypted"),
            row("an empty key", jwe(json!({"alg": "RSA-OAEP", "enc": "A256GCM"})), "encrypted"),
            row(
                "a password",
                jwe(json!({"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647})),
                "encrypted",
            ),
            row("compressed", jwe(json!({"alg": "dir", "enc": "A128GCM", "zip": "DEF"})), "encrypted"),
            row("five parts, no enc", jwe(json!({"alg": "ES256"})), "encrypted"),
            row("signed and compressed", gauntlet.rig.token().header("zip", "DEF").mint(), "encrypted"),
            row("nested", gauntlet.rig.token().header("cty", "JWT").mint(), "token_profile"),
            row("nested, long name", gauntlet.rig.token().header("cty", "application/jwt").mint(), "token_profile"),
            row("a token as payload", gauntlet.rig.token().raw_claims(inner.as_bytes()).mint(), "malformed"),
        ])
        .await;
}

#[tokio::test]
async fn b13_no_second_spelling_of_a_token_is_a_token() {
    let mut gauntlet = Gauntlet::start().await;
    // A token whose every part has a character that the other base64 alphabet spells otherwise.
    let token = loop {
        let token = gauntlet.token().header("x", "\u{ff}\u{fbff}???>>>").claim("x", "\u{fbff}???>>>~~~").mint();
        if parts(&token)[2].contains(['-', '_']) {
            break token;
        }
    };
    let [header, payload, signature] = parts(&token);
    assert_eq!(gauntlet.answer(&token).await, accepted("oidc:alice"));
    let respelt = |change: &dyn Fn(&str) -> String| {
        [
            format!("{}.{payload}.{signature}", change(&header)),
            format!("{header}.{}.{signature}", change(&payload)),
            format!("{header}.{payload}.{}", change(&signature)),
        ]
    };
    let insert = |text: &'static str| move |part: &str| format!("{}{text}{}", &part[..4], &part[4..]);
    let changes: Vec<(&str, Change)> = vec![
        ("padding", Box::new(|part| format!("{part}="))),
        ("two paddings", Box::new(|part| format!("{part}=="))),
        ("the other alphabet", Box::new(|part| part.replace('-', "+").replace('_', "/"))),
        ("a newline inside", Box::new(insert("\n"))),
        ("a folded line inside", Box::new(insert("\r\n "))),
        ("a space inside", Box::new(insert(" "))),
        ("a tab inside", Box::new(insert("\t"))),
        ("a NUL inside", Box::new(insert("\0"))),
        ("a question mark inside", Box::new(insert("?"))),
        ("a percent escape", Box::new(insert("%2D"))),
        ("a space before", Box::new(|part| format!(" {part}"))),
        ("a newline after", Box::new(|part| format!("{part}\n"))),
        ("a NUL after", Box::new(|part| format!("{part}\0"))),
        ("a no-break space after", Box::new(|part| format!("{part}\u{a0}"))),
    ];
    let mut rows = Vec::new();
    for (name, change) in &changes {
        for (part, text) in ["header", "payload", "signature"].iter().zip(respelt(change)) {
            if text == token.expose_secret() {
                continue; // nothing to change in this part
            }
            rows.push(row(format!("{name}, {part}"), BearerToken::new(text), "malformed"));
        }
    }
    assert!(rows.len() > 40);
    // 64 bytes are 85 characters and one of which only two bits count.
    let spare: Vec<_> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        .chars()
        .filter(|last| !signature.ends_with(*last))
        .map(|last| format!("{header}.{payload}.{}{last}", &signature[..85]))
        .collect();
    let strict = spare.iter().enumerate().map(|(at, text)| {
        let reason = if "AQgw".contains(text.chars().last().unwrap()) { "bad_signature" } else { "malformed" };
        row(format!("other last bits {at}"), text.as_str().into(), reason)
    });
    rows.extend(strict);
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn a7_header_and_claims_are_utf8_without_a_mark() {
    let mut gauntlet = Gauntlet::start().await;
    let header = header_text(&gauntlet.token());
    let claims = claims_text(&gauntlet.token());
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let with = |at: &str, bytes: &[u8]| {
        let (before, after) = claims.split_once(at).unwrap();
        [before.as_bytes(), bytes, after.as_bytes()].concat()
    };
    let token = || gauntlet.rig.token();
    let rows = [
        row("a header with a mark", token().raw_header(format!("\u{feff}{header}").as_bytes()).mint(), "malformed"),
        row("a header in UTF-16", token().raw_header(&utf16(&header)).mint(), "malformed"),
        row("claims with a mark", token().raw_claims(format!("\u{feff}{claims}").as_bytes()).mint(), "malformed"),
        row("claims in UTF-16", token().raw_claims(&utf16(&claims)).mint(), "malformed"),
        row("a broken sequence", token().raw_claims(&with("alice", b"al\xc3\x28ce")).mint(), "malformed"),
        row("a longer spelling of /", token().raw_claims(&with("alice", b"al\xc0\xafice")).mint(), "malformed"),
        row("a surrogate in UTF-8", token().raw_claims(&with("alice", b"al\xed\xa0\x80ice")).mint(), "malformed"),
        row("Latin-1", token().raw_claims(&with("alice", b"al\xe9ce")).mint(), "malformed"),
        row("half a surrogate pair", token().raw_claims(&with("alice", br"al\ud800ice")).mint(), "malformed"),
        row("the other half", token().raw_claims(&with("alice", br"al\udc00ice")).mint(), "malformed"),
        row("a raw control character", token().raw_claims(&with("alice", b"al\x01ice")).mint(), "malformed"),
    ];
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn c1_a_member_that_appears_twice_is_refused_at_every_depth() {
    let mut gauntlet = Gauntlet::start().await;
    let header = header_text(&gauntlet.token());
    let claims = claims_text(&gauntlet.token());
    let first = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let last = |text: &str, member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap());
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    for member in [r#""alg":"none""#, r#""alg":"ES256""#, r#""kid":"x""#, r#""typ":"JWT""#, r#""\u0061lg":"none""#] {
        for text in [first(&header, member), last(&header, member)] {
            rows.push(row(&text, token().raw_header(text.as_bytes()).mint(), "duplicate_member"));
        }
    }
    let url = gauntlet.rig.issuer.url();
    let iss = format!(r#""iss":"{url}""#);
    let escaped_iss = format!(r#""i\u0073s":"{url}""#);
    for member in [
        iss.as_str(),
        escaped_iss.as_str(),
        r#""iss":"https://elsewhere.example""#,
        r#""sub":"root""#,
        r#""aud":"kubernetes""#,
        r#""exp":9999999999"#,
        r#""\u0065xp":9999999999"#,
        r#""groups":["admins"]"#,
        r#""gr\u006fups":["admins"]"#,
        r#""x":{"a":1,"b":{"c":1,"c":1}}"#,
        r#""x":[[{"a":1,"\u0061":1}]]"#,
        // The API server's own authenticator reads these as the registered claims.
        r#""Sub":"root""#,
        r#""ſub":"root""#,
        r#""EXP":9999999999"#,
    ] {
        for text in [first(&claims, member), last(&claims, member)] {
            rows.push(row(member, token().raw_claims(text.as_bytes()).mint(), "duplicate_member"));
        }
    }
    gauntlet.refuses(rows).await;
    // Names that only look alike are different names.
    let alike = last(&claims, r#""Email":"root","ѕub":"root","sub ":1,"e\u0301":1,"\u00e9":2"#);
    gauntlet.accepts([("alike".to_owned(), gauntlet.token().raw_claims(alike.as_bytes()).mint())], "oidc:alice").await;
}

#[tokio::test]
async fn c2_header_and_claims_are_objects_and_nothing_follows_them() {
    let mut gauntlet = Gauntlet::start().await;
    let header = header_text(&gauntlet.token());
    let claims = claims_text(&gauntlet.token());
    let positional = r#"["ES256","es256-0","JWT"]"#;
    let bad_claims = [
        "[]".to_owned(),
        format!("[{claims}]"),
        "null".to_owned(),
        "\"text\"".to_owned(),
        "7".to_owned(),
        String::new(),
        "{".to_owned(),
        format!("{claims}{claims}"),
        format!("{claims} x"),
        format!("{claims}\0"),
        format!("/**/{claims}"),
        claims.replace('"', "'"),
        claims.replace("\"sub\"", "sub"),
        claims.replace("\"exp\":", "\"exp\":NaN,\"e\":"),
        claims.replace("\"exp\":", "\"exp\":1e400,\"e\":"),
        claims.replace("\"exp\":", "\"exp\":0123,\"e\":"),
        claims.replace("\"exp\":", "\"exp\":+1,\"e\":"),
        claims.replace("\"exp\":", "\"exp\":0x7fffffff,\"e\":"),
        claims.replace('}', ",}"),
    ];
    let token = || gauntlet.rig.token();
    let headers = ["[]", positional, "null", "\"ES256\"", "7", ""].map(str::to_owned);
    let mut rows: Vec<_> =
        bad_claims.iter().map(|text| row(text, token().raw_claims(text.as_bytes()).mint(), "malformed")).collect();
    for text in
        headers.into_iter().chain([format!("{header}{header}"), format!("{header}x"), header.replace('}', ",}")])
    {
        rows.push(row(&text, token().raw_header(text.as_bytes()).mint(), "malformed"));
    }
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn c3_sizes_are_bounded_to_the_byte() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    // A claim of n characters lengthens the token by 4n/3, so some length is met exactly.
    let sized = |wanted: usize| {
        let padded = |length: usize| gauntlet.rig.token().claim("jti", "x").claim("pad", "x".repeat(length)).mint();
        let mut length = (wanted - padded(0).expose_secret().len()) * 3 / 4;
        while padded(length).expose_secret().len() < wanted {
            length += 1;
        }
        padded(length)
    };
    let largest = sized(BearerToken::MAX_BYTES);
    assert_eq!(largest.expose_secret().len(), BearerToken::MAX_BYTES);
    let header = |bytes: usize| {
        let empty = header_text(&token().header("pad", "")).len();
        token().header("pad", "x".repeat(bytes - empty)).mint()
    };
    let nested = |depth: usize| {
        serde_json::from_str::<serde_json::Value>(&format!("{}1{}", "[".repeat(depth), "]".repeat(depth))).unwrap()
    };
    let members = |count: usize| serde_json::Value::Object((0..count).map(|at| (format!("m{at}"), 1.into())).collect());
    let fits = [
        ("the longest token".to_owned(), largest),
        ("the longest header".to_owned(), header(2048)),
        ("the deepest header".to_owned(), token().header("deep", nested(31)).mint()),
        ("the deepest claims".to_owned(), token().claim("deep", nested(31)).mint()),
        ("the widest claims".to_owned(), token().claim("wide", members(256)).mint()),
        ("the longest list".to_owned(), token().claim("long", vec![1; 4096]).mint()),
    ];
    gauntlet.accepts(fits, "oidc:alice").await;
    let dots = BearerToken::new(format!("eyJ{}", ".".repeat(60_000)));
    let rows = [
        row("a byte too long", sized(BearerToken::MAX_BYTES + 1), "oversized"),
        row("dots", dots, "oversized"),
        row("a huge claim", token().claim("pad", "x".repeat(30_000)).mint(), "oversized"),
        row("a huge signature", token().signature(&[1; 16 * 1024]).mint(), "oversized"),
        row("a header a byte too long", header(2049), "oversized"),
        row("a header with 4,000 characters", token().header("pad", "x".repeat(4000)).mint(), "oversized"),
        row("a header too deep", token().header("deep", nested(32)).mint(), "oversized"),
        row("claims too deep", token().claim("deep", nested(32)).mint(), "oversized"),
        row("claims far too deep", token().claim("deep", nested(100)).mint(), "oversized"),
        row("claims too wide", token().claim("wide", members(257)).mint(), "oversized"),
        row("a list too long", token().claim("long", vec![1; 4097]).mint(), "oversized"),
    ];
    gauntlet.refuses(rows).await;
}
