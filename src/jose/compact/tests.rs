use proptest::prelude::*;

use super::*;
use crate::jose::testing::base64url;

const HEADER: &str = r#"{"alg":"RS256"}"#;

fn token(header: &str, payload: &str, signature: &str) -> String {
    format!("{}.{}.{}", base64url(header), base64url(payload), base64url(signature))
}

fn refusal(text: &str) -> Option<Unparsable> {
    CompactJws::parse(text).err()
}

#[test]
fn a_token_is_taken_apart() {
    let text = token(HEADER, "payload", "signature");
    let jws = CompactJws::parse(&text).unwrap();
    assert_eq!(jws.header().unverified_algorithm_name(), "RS256");
    assert_eq!(jws.unverified_payload(), b"payload");
    assert_eq!((jws.signing_input, jws.signature.as_slice()), (text.rsplit_once('.').unwrap().0, &b"signature"[..]));
}

#[test]
fn a13_only_three_parts_are_a_signed_token() {
    let (h, p, s) = (base64url(HEADER), base64url("{}"), base64url("s"));
    let malformed = [
        h.clone(),
        format!("{h}."),
        format!("{h}.{p}"),
        format!("{h}.{p}.{s}."),
        format!("{h}.{p}.{s}.{s}"),
        format!("{h}..{p}.{s}"),
        format!("{h}.{p}.{s}.{s}.{s}.{s}"),
        format!("{h}{}", ".".repeat(12_000)),
    ];
    for text in malformed {
        assert_eq!(refusal(&text), Some(Unparsable::Refused(Reason::Malformed)), "{text}");
    }
    assert!(CompactJws::parse(&format!("{h}.{p}.{s}")).is_ok());
    assert!(CompactJws::parse(&format!("{h}..")).is_ok(), "empty parts have the form; what they say is judged later");
}

#[test]
fn a13_the_json_serializations_are_refused() {
    let flattened = format!(r#"{{"protected":"{}","payload":"e30","signature":"eA"}}"#, base64url(HEADER));
    let general =
        format!(r#"{{"payload":"e30","signatures":[{{"protected":"{}","signature":"e.A.A"}}]}}"#, base64url(HEADER));
    for text in [flattened, general, "{}".to_owned(), "{".to_owned()] {
        assert_eq!(refusal(&text), Some(Unparsable::Refused(Reason::Malformed)), "{text}");
    }
}

#[test]
fn a3_five_parts_are_an_encrypted_token_whatever_they_say() {
    for header in [HEADER, r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#, r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#] {
        for rest in [".e30.e30.e30.e30", "...."] {
            assert_eq!(refusal(&format!("{}{rest}", base64url(header))), Some(Unparsable::Refused(Reason::Encrypted)));
        }
    }
}

#[test]
fn b13_base64url_has_one_spelling() {
    let (h, p, s) = (base64url(HEADER), base64url("{}~?"), base64url("?>signature"));
    assert!(p.contains('-') || s.contains('-') || p.contains('_') || s.contains('_'), "the tokens have both alphabets");
    let spellings = |part: &str| {
        let last = part.chars().last().unwrap();
        vec![
            format!("{part}="),
            format!("{part}=="),
            format!(" {part}"),
            format!("{part} "),
            format!("{part}\n"),
            format!("{part}\r\n"),
            format!("{part}\0"),
            format!("{part}?"),
            format!("{part}é"),
            format!("{}\n{last}", &part[..part.len() - 1]),
            part.replace('-', "+").replace('_', "/") + "+",
        ]
    };
    for other in spellings(&h) {
        let unparsable = refusal(&format!("{other}.{p}.{s}"));
        assert!(matches!(unparsable, Some(Unparsable::Refused(Reason::Malformed) | Unparsable::Opaque)), "{other:?}");
    }
    for other in spellings(&p) {
        assert_eq!(refusal(&format!("{h}.{other}.{s}")), Some(Unparsable::Refused(Reason::Malformed)), "{other:?}");
    }
    for other in spellings(&s) {
        assert_eq!(refusal(&format!("{h}.{p}.{other}")), Some(Unparsable::Refused(Reason::Malformed)), "{other:?}");
    }
}

#[test]
fn b13_spare_bits_must_be_zero() {
    // `AA` is one zero byte; `AB` to `AP` differ in the four bits that stand for nothing.
    let (h, p) = (base64url(HEADER), base64url("{}"));
    assert!(CompactJws::parse(&format!("{h}.{p}.AA")).is_ok());
    for last in 'B'..='P' {
        assert_eq!(refusal(&format!("{h}.{p}.A{last}")), Some(Unparsable::Refused(Reason::Malformed)), "{last}");
    }
}

#[test]
fn c3_sizes_are_limited_before_anything_is_decoded() {
    let fits = format!("{}.{}.", base64url(HEADER), "A".repeat(BearerToken::MAX_BYTES - base64url(HEADER).len() - 2));
    assert_eq!(fits.len(), BearerToken::MAX_BYTES);
    assert!(CompactJws::parse(&fits).is_ok());
    assert_eq!(refusal(&format!("{fits}A")), Some(Unparsable::Refused(Reason::Oversized)));
    assert_eq!(refusal(&"\n".repeat(1 << 20)), Some(Unparsable::Refused(Reason::Oversized)));

    let header = |bytes: usize| format!(r#"{{"alg":"RS256","x":"{}"}}"#, "x".repeat(bytes - 22));
    assert_eq!(header(2048).len(), 2048);
    assert!(CompactJws::parse(&token(&header(2048), "{}", "s")).is_ok());
    assert_eq!(refusal(&token(&header(2049), "{}", "s")), Some(Unparsable::Refused(Reason::Oversized)));
}

#[test]
fn c3_headers_are_limited_in_depth_and_members() {
    let deep = format!(r#"{{"alg":"RS256","x":{}{}}}"#, "[".repeat(200), "]".repeat(200));
    let members: Vec<_> = ('a'..='z').flat_map(|a| ('a'..='j').map(move |b| format!(r#""{a}{b}":0"#))).collect();
    let wide = format!("{{{}}}", members.join(","));
    assert!(members.len() > 256 && wide.len() <= 2048);
    for header in [deep, wide] {
        assert_eq!(refusal(&token(&header, "{}", "s")), Some(Unparsable::Refused(Reason::Oversized)));
    }
}

#[test]
fn c1_a_header_with_a_repeated_member_is_refused() {
    for header in [
        r#"{"alg":"RS256","alg":"RS256"}"#,
        r#"{"alg":"none","\u0061lg":"RS256"}"#,
        r#"{"alg":"RS256","x":1,"x":1}"#,
        r#"{"alg":"RS256","x":{"y":1,"y":1}}"#,
    ] {
        assert_eq!(refusal(&token(header, "{}", "s")), Some(Unparsable::Refused(Reason::DuplicateMember)), "{header}");
    }
}

#[test]
fn c2_a_header_that_is_no_object_makes_no_signed_token() {
    for header in [r#"["RS256"]"#, r#""RS256""#, "null", "", "RS256"] {
        assert_eq!(refusal(&token(header, "{}", "s")), Some(Unparsable::Opaque), "{header}");
    }
}

#[test]
fn opaque_tokens_are_told_from_broken_ones() {
    let opaque = [
        "",
        "opaque",
        "GxQ8bVjZ1Y0oX3l9",
        "ory_at_Ab3.Xy9",
        "ya29.a0AfH6SMBx.zzz",
        "a.b.c",
        "..",
        ".....",
        "sha256~u2mQ",
        "eya.bc.de",
        " eyJhbGciOiJSUzI1NiJ9.e30.eA",
    ];
    for text in opaque {
        assert_eq!(refusal(text), Some(Unparsable::Opaque), "{text}");
    }
    assert_eq!(refusal(&"a".repeat(BearerToken::MAX_BYTES)), Some(Unparsable::Opaque));
    let broken = [
        "eyJ",
        "eyJhbGciOiJSUzI1NiJ9",
        "eyJhbGciOiJSUzI1NiJ9.e30",
        "eyJhbGciOiJSUzI1NiJ9=.e30.eA",
        "eyJhbGci!.e30.eA",
        "eyJhbGciOiJSUzI1Ni.e30.eA",
    ];
    for text in broken {
        assert_eq!(refusal(text), Some(Unparsable::Refused(Reason::Malformed)), "{text}");
    }
}

#[test]
fn a7_a_header_in_another_encoding_is_not_read() {
    for header in [&b"\xef\xbb\xbf{\"alg\":\"RS256\"}"[..], b"{\"alg\":\"RS256\",\"x\":\"\xff\"}", b"\xff\xfe{\0}\0"] {
        assert!(refusal(&format!("{}.e30.eA", base64url(header))).is_some(), "{header:02x?}");
    }
}

#[test]
fn j1_debug_output_has_no_content() {
    let text = token(r#"{"alg":"RS256","kid":"secret-kid"}"#, "secret-payload", "signature");
    assert_eq!(
        format!("{:?}", CompactJws::parse(&text).unwrap()),
        format!("CompactJws({} bytes)", text.rsplit_once('.').unwrap().0.len() + 10)
    );
}

proptest! {
    #[test]
    fn b13_what_is_accepted_is_its_own_encoding(
        payload in prop::collection::vec(any::<u8>(), 0..40),
        signature in prop::collection::vec(any::<u8>(), 0..40),
        at in any::<prop::sample::Index>(),
        replacement in "[A-Za-z0-9_+/=.-]|[ -~]|\\PC",
        insert in any::<bool>(),
    ) {
        let mut text = format!("{}.{}.{}", base64url(HEADER), base64url(payload), base64url(signature));
        let at = at.index(text.len());
        text.replace_range(at..if insert { at } else { at + 1 }, &replacement);
        if let Ok(jws) = CompactJws::parse(&text) {
            let header_text = text.split_once('.').unwrap().0;
            let header = decode(header_text).unwrap();
            let again = format!("{}.{}.{}", base64url(header), base64url(&jws.payload), base64url(&*jws.signature));
            prop_assert_eq!(again, text);
        }
    }

    #[test]
    fn c3_no_text_makes_it_panic(text in "\\PC{0,60}|[a-zA-Z0-9_.-]{0,60}|eyJ[a-zA-Z0-9_.-]{0,60}") {
        let _ = CompactJws::parse(&text);
    }
}
