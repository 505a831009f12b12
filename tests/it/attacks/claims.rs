//! What the claims say and may not say: issuer, audience, dates, types.

use std::time::Duration;

use countersign::clock::UnixTime;
use serde_json::Value;

use super::*;

/// A value of every type, and the usual stand-ins for "nothing" and "everything".
fn jugglings() -> Vec<Value> {
    vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("0"),
        json!("true"),
        json!([]),
        json!([[]]),
        json!([null]),
        json!({}),
        json!({"a": 1}),
    ]
}

#[tokio::test]
async fn a8_d9_the_issuer_is_compared_byte_for_byte() {
    let mut gauntlet = Gauntlet::start().await;
    let url = gauntlet.rig.issuer.url().to_owned();
    let authority = url.strip_prefix("https://").unwrap();
    let port = authority.rsplit(':').next().unwrap();
    let others = [
        format!("{url}/"),
        format!("{url}//"),
        format!("{url}/."),
        format!("{url}?"),
        format!("{url}#"),
        format!("{url}\0"),
        format!("{url} "),
        format!(" {url}"),
        format!("{url}\n"),
        url.to_uppercase(),
        url.replace("https", "HTTPS"),
        url.replace("https", "http"),
        authority.to_owned(),
        format!("https://user@{authority}"),
        format!("https://:@{authority}"),
        url.replace("127.0.0.1", "localhost"),
        url.replace("127.0.0.1", "127.1"),
        url.replace("127.0.0.1", "127.0.0.1."),
        url.replace("127", "%3127"),
        url.replace(port, &format!("0{port}")),
        format!("{url}/../"),
        url.replace(':', "\u{ff1a}"),
        "https://elsewhere.example".to_owned(),
        "https://kubernetes.default.svc".to_owned(),
        "kubernetes/serviceaccount".to_owned(),
        "accounts.google.com".to_owned(),
    ];
    let token = || gauntlet.rig.token();
    let mut rows: Vec<_> =
        others.iter().map(|other| row(other, token().issuer(other).mint(), "unknown_issuer")).collect();
    for value in jugglings().into_iter().chain([json!([url]), json!([url, "x"]), json!({"iss": url})]) {
        rows.push(row(format!("iss {value}"), token().claim("iss", value).mint(), "unknown_issuer"));
    }
    rows.push(row("missing", token().without_claim("iss").mint(), "unknown_issuer"));
    rows.push(row("in capitals", token().without_claim("iss").claim("ISS", url.as_str()).mint(), "unknown_issuer"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn d9_escapes_are_read_before_the_issuer_is_compared() {
    let gauntlet = Gauntlet::start().await;
    let url = gauntlet.rig.issuer.url();
    let claims = claims_text(&gauntlet.token());
    let spellings = [
        claims.replace(url, &url.replace('/', "\\/")),
        claims.replace(url, &url.replace('h', "\\u0068")),
        claims.replace("\"iss\"", "\"\\u0069ss\""),
    ];
    let good = spellings.map(|text| (text.clone(), gauntlet.token().raw_claims(text.as_bytes()).mint()));
    gauntlet.accepts(good, "oidc:alice").await;
}

#[tokio::test]
async fn a9_a_token_must_be_meant_for_us() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let own = &*gauntlet.rig.issuer.audience().to_owned();
    let mut rows = vec![row("missing", token().without_claim("aud").mint(), "audience_mismatch")];
    for value in [
        json!([]),
        json!(""),
        json!("other"),
        json!(["other"]),
        json!(["other", ""]),
        json!("Kubernetes"),
        json!("kubernetes "),
        json!("kubernetes other"),
        json!("kubernetes,other"),
        json!("kubernetes\0"),
        json!("https://kubernetes.default.svc"),
    ] {
        rows.push(row(format!("aud {value}"), token().claim("aud", value).mint(), "audience_mismatch"));
    }
    for value in [
        json!(null),
        json!(0),
        json!(true),
        json!({}),
        json!({ own: 1 }),
        json!([[own]]),
        json!([null]),
        json!([own, 1]),
    ] {
        rows.push(row(format!("aud {value}"), token().claim("aud", value).mint(), "claim_type"));
    }
    let capitals = token().without_claim("aud").claim("Aud", own);
    rows.push(row("in capitals", capitals.mint(), "duplicate_member"));
    gauntlet.refuses(rows).await;
    let listed = gauntlet.token().audiences(&["other", own, own]).mint();
    gauntlet.accepts([("among others".to_owned(), listed)], "oidc:alice").await;
}

#[tokio::test]
async fn c4_dates_are_numbers_of_seconds_up_to_the_year_9999() {
    let mut gauntlet = Gauntlet::start().await;
    let claims = claims_text(&gauntlet.token());
    let now = gauntlet.rig.now().seconds();
    let hour = now + 3600;
    // As text, so that every spelling of a number arrives as it is.
    let with = |name: &str, value: &str| {
        let mut members: serde_json::Map<String, Value> = serde_json::from_str(&claims).unwrap();
        members.remove(name);
        let rest = Value::Object(members).to_string();
        gauntlet.rig.token().raw_claims(rest.replacen('{', &format!("{{\"{name}\":{value},"), 1).as_bytes()).mint()
    };
    let mut rows = Vec::new();
    let quoted = format!("\"{hour}\"");
    let millis = (hour * 1000).to_string();
    let invalid = [
        "null",
        "true",
        "false",
        "\"\"",
        "[]",
        "{}",
        "[9999999999]",
        "{\"$numberLong\":\"9999999999\"}",
        "-1",
        "-1.5",
        "-0",
        "-0.0",
        "-9223372036854775808",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "253402300800",
        "1e12",
        "1e300",
        "99999999999999999999999999",
        quoted.as_str(),
        millis.as_str(),
        "\"2099-01-01T00:00:00Z\"",
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in invalid {
            rows.push(row(format!("{name} {value}"), with(name, value), "time_invalid"));
        }
    }
    for value in ["0", "0.0", "1", "1e0", "0.9999", &now.to_string(), &format!("{now}.999999")] {
        rows.push(row(format!("exp {value}"), with("exp", value), "expired"));
    }
    for value in ["253402300799", "1e11", "99999999999.5"] {
        rows.push(row(format!("nbf {value}"), with("nbf", value), "not_yet_valid"));
        rows.push(row(format!("iat {value}"), with("iat", value), "issued_in_future"));
    }
    let token = || gauntlet.rig.token();
    rows.push(row("no exp", token().without_claim("exp").mint(), "expiry_missing"));
    rows.push(row("Exp", token().without_claim("exp").claim("Exp", hour).mint(), "duplicate_member"));
    let good =
        [("exp", "253402300799"), ("exp", "1e10"), ("exp", "9999999999.0"), ("nbf", "0"), ("iat", "0"), ("nbf", "1.5")]
            .map(|(name, value)| (format!("{name} {value}"), with(name, value)));
    let optional = [
        ("no nbf".to_owned(), token().without_claim("nbf").mint()),
        ("no iat".to_owned(), token().without_claim("iat").mint()),
    ];
    gauntlet.accepts(good.into_iter().chain(optional), "oidc:alice").await;
    gauntlet.refuses(rows).await;
}

/// When a token is refused, and when it is only too early, to the second.
async fn edges(skew: u64) {
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let url = issuer.url().to_owned();
    let mut gauntlet =
        Gauntlet::before(issuer, |settings| of_issuer(&url, "clockSkew", format!("{skew}s"), settings)).await;
    let now = gauntlet.rig.now();
    let ahead = |seconds: u64| now.saturating_add(Duration::from_secs(seconds));
    let ago = |seconds: u64| now.saturating_sub(Duration::from_secs(seconds));
    let token = |name: &str, time: UnixTime| gauntlet.rig.token().claim(name, time.seconds()).mint();
    let fraction = |name: &str, seconds: f64| {
        let claims = claims_text(&gauntlet.rig.token().claim(name, 4_102_444_800_u64));
        let value = format!("{}", now.seconds() as f64 + seconds);
        gauntlet.rig.token().raw_claims(claims.replace("4102444800", &value).as_bytes()).mint()
    };
    let skewed = skew as f64;
    let good = [
        ("exp, last second", if skew == 0 { token("exp", ahead(1)) } else { token("exp", ago(skew - 1)) }),
        ("nbf, as far ahead as the skew", token("nbf", ahead(skew))),
        ("iat, as far ahead as the skew", token("iat", ahead(skew))),
        ("nbf, long ago", token("nbf", ago(1_000_000))),
        ("iat, long ago", token("iat", ago(1_000_000))),
        ("iat, within this second", fraction("iat", skewed + 0.9)),
        ("exp, with a fraction", fraction("exp", 1.5 - skewed)),
    ];
    let rows = [
        row("exp, just now", token("exp", ago(skew)), "expired"),
        row("exp, a second ago", token("exp", ago(skew + 1)), "expired"),
        row("exp, within this second", fraction("exp", 0.9 - skewed), "expired"),
        row("nbf, a second ahead", token("nbf", ahead(skew + 1)), "not_yet_valid_soon"),
        row("nbf, a fraction ahead", fraction("nbf", skewed + 0.1), "not_yet_valid_soon"),
        row("nbf, three minutes ahead", token("nbf", ahead(skew + 180)), "not_yet_valid_soon"),
        row("nbf, more than three minutes ahead", token("nbf", ahead(skew + 181)), "not_yet_valid"),
        row("iat, a second ahead", token("iat", ahead(skew + 1)), "not_yet_valid_soon"),
        row("iat, three minutes ahead", token("iat", ahead(skew + 180)), "not_yet_valid_soon"),
        row("iat, more than three minutes ahead", token("iat", ahead(skew + 181)), "issued_in_future"),
    ];
    gauntlet.accepts(good.map(|(name, token)| (name.to_owned(), token)), "oidc:alice").await;
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn c5_c6_dates_count_to_the_second() {
    edges(0).await;
}

#[tokio::test]
async fn c5_c6_clock_skew_widens_each_date_one_way() {
    edges(30).await;
}

#[tokio::test]
async fn c5_an_accepted_token_ends_with_its_last_second() {
    let gauntlet = Gauntlet::start().await;
    let token = gauntlet.token().mint();
    assert_eq!(gauntlet.answer(&token).await, accepted(gauntlet.name));
    gauntlet.rig.clock.advance(Duration::from_secs(3599));
    assert_eq!(gauntlet.answer(&token).await, accepted(gauntlet.name));
    gauntlet.rig.clock.advance(Duration::from_secs(1));
    assert_eq!(gauntlet.answer(&token).await, undecided("expired"));
}

#[tokio::test]
async fn c4_claims_of_the_wrong_type_are_not_taken_for_missing() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows = Vec::new();
    let mut good = Vec::new();
    for value in jugglings() {
        let is_string = value.is_string();
        for name in ["sub", "jti", "nonce", "at_hash"] {
            let nothing = value.is_null() && matches!(name, "nonce" | "at_hash");
            let token = token().claim(name, value.clone()).mint();
            let what = format!("{name} {value}");
            match (name, is_string || nothing) {
                (_, false) => rows.push(row(what, token, "claim_type")),
                ("sub", true) if value == json!("") => rows.push(row(what, token, "identity_invalid")),
                ("sub", true) => {}
                (_, true) => good.push((what, token)),
            }
        }
        let what = format!("groups {value}");
        let token_with = token().claim("groups", value.clone()).mint();
        match &value {
            Value::Null | Value::String(_) => good.push((what, token_with)),
            Value::Array(list) if list.is_empty() => good.push((what, token_with)),
            _ => rows.push(row(what, token_with, "claim_type")),
        }
        for name in ["_claim_names", "_claim_sources"] {
            if !value.is_null() && value != json!({}) {
                rows.push(row(format!("{name} {value}"), token().claim(name, value.clone()).mint(), "claim_type"));
            }
        }
        // What nobody reads may be anything.
        let unread = ["azp", "acr", "amr", "auth_time", "email", "email_verified", "name", "sid", "cnf"];
        let unread = unread.iter().fold(token(), |token, name| token.claim(name, value.clone()));
        good.push((format!("unread {value}"), unread.mint()));
    }
    rows.push(row("no sub", token().without_claim("sub").mint(), "claim_missing"));
    rows.push(row("Sub", token().without_claim("sub").claim("Sub", "alice").mint(), "duplicate_member"));
    gauntlet.accepts(good, "oidc:alice").await;
    gauntlet.refuses(rows).await;
}
