use super::*;
use crate::jose::testing::base64url;

fn parse(claims: impl AsRef<[u8]>) -> Result<Option<String>, Unparsable> {
    let text = format!("{}.{}.{}", base64url(r#"{"alg":"RS256"}"#), base64url(claims), base64url("signature"));
    UnverifiedToken::parse(&text).map(|token| token.unverified_issuer().map(str::to_owned))
}

#[test]
fn claims_are_an_object_and_name_an_issuer() {
    assert_eq!(parse(r#"{"iss":"https://idp.example"}"#), Ok(Some("https://idp.example".to_owned())));
    assert_eq!(parse(r#"{"iss":"https:\/\/idp.example"}"#), Ok(Some("https://idp.example".to_owned())));
}

#[test]
fn a8_an_issuer_that_is_no_string_is_none() {
    for claims in [
        r#"{}"#,
        r#"{"iss":null}"#,
        r#"{"iss":1}"#,
        r#"{"iss":["https://idp.example"]}"#,
        r#"{"iss":{}}"#,
        r#"{"Iss":"x"}"#,
    ] {
        assert_eq!(parse(claims), Ok(None), "{claims}");
    }
}

#[test]
fn c1_claims_with_a_repeated_member_are_refused() {
    for claims in [
        r#"{"iss":"a","iss":"b"}"#,
        r#"{"iss":"a","\u0069ss":"b"}"#,
        r#"{"groups":["a"],"groups":["system:masters"]}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[{"b":1,"b":2}]}"#,
    ] {
        assert_eq!(parse(claims), Err(Unparsable::Refused(Reason::DuplicateMember)), "{claims}");
    }
}

#[test]
fn c2_claims_that_are_no_object_are_refused() {
    for claims in ["[]", r#"[1,2,"sub","iss","aud"]"#, "null", "1", r#""iss""#, "", "{", "{}{}"] {
        assert_eq!(parse(claims), Err(Unparsable::Refused(Reason::Malformed)), "{claims}");
    }
}

#[test]
fn c3_claims_are_limited_in_depth_members_and_items() {
    let deep = format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let wide: Vec<_> = (0..257).map(|number| format!(r#""{number}":0"#)).collect();
    let long = format!(r#"{{"a":[{}]}}"#, vec!["0"; 4097].join(","));
    for claims in [deep, format!("{{{}}}", wide.join(",")), long] {
        assert_eq!(parse(claims), Err(Unparsable::Refused(Reason::Oversized)));
    }
    let groups: Vec<_> = (0..2000).map(|_| r#""g""#).collect();
    assert_eq!(parse(format!(r#"{{"groups":[{}]}}"#, groups.join(","))), Ok(None));
}

#[test]
fn a7_claims_in_another_encoding_are_refused() {
    for claims in [&b"\xef\xbb\xbf{}"[..], b"{\0}\0", b"{\"a\":\"\xff\"}", b"{\"a\":\"\xed\xa0\x80\"}"] {
        assert_eq!(parse(claims), Err(Unparsable::Refused(Reason::Malformed)), "{claims:02x?}");
    }
}

#[test]
fn j1_debug_output_has_no_content() {
    let text = format!("{}.{}.", base64url(r#"{"alg":"RS256"}"#), base64url(r#"{"sub":"secret"}"#));
    let shown = format!("{:?}", UnverifiedToken::parse(&text).unwrap());
    assert_eq!(shown, format!("UnverifiedToken(CompactJws({} bytes))", text.len()));
}
