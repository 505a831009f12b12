use std::fmt::Formatter;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const LIMITS: Limits = Limits::STANDARD;

fn of(text: &str) -> Result<Value, JsonError> {
    value(text.as_bytes(), &LIMITS)
}

#[test]
fn a_document_is_read_as_it_is() {
    let text = r#" {"a": [1, -2, 0.5, "x\u0000\n", true, null, {}], "b": {"c": "é"}, "": 18446744073709551615} "#;
    let expected = json!({"a": [1, -2, 0.5, "x\0\n", true, null, {}], "b": {"c": "é"}, "": u64::MAX});
    assert_eq!(of(text), Ok(expected.clone()));
    assert_eq!(object(text.as_bytes(), &LIMITS).map(Value::Object), Ok(expected));
}

#[test]
fn c1_a_member_that_is_named_twice_is_refused_at_any_depth() {
    let refused = [
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"a":1}"#,
        r#"{"iss":"x","\u0069ss":"y"}"#,
        r#"{"\u0069ss":"x","i\u0073s":"y"}"#,
        r#"{"":1,"":1}"#,
        r#"{"a":{"b":{"c":1,"c":2}}}"#,
        r#"{"a":[[{"b":1,"b":2}]]}"#,
        r#"[{"a":null,"a":null}]"#,
        r#"{"\ud83d\ude00":1,"😀":2}"#,
    ];
    for text in refused {
        assert_eq!(of(text), Err(JsonError::Duplicate), "{text}");
    }
}

#[test]
fn c1_members_that_only_look_alike_are_different() {
    for text in [r#"{"é":1,"e\u0301":2}"#, r#"{"iss":1,"Iss":2,"iss ":3,"iss\u0000":4}"#, r#"{"a":{"b":1},"b":2}"#] {
        assert!(of(text).is_ok(), "{text}");
    }
}

#[test]
fn c2_only_an_object_is_an_object() {
    for text in ["[]", r#"["alg","RS256"]"#, r#""{}""#, "1", "true", "null", r#"[{"a":1}]"#] {
        assert_eq!(object(text.as_bytes(), &LIMITS), Err(JsonError::NotAnObject), "{text}");
    }
}

#[test]
fn c3_depth_is_limited_also_in_what_is_skipped() {
    let arrays = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let objects = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    for nested in [arrays, objects] {
        assert!(of(&nested(32)).is_ok());
        assert!(read(nested(32).as_bytes(), &LIMITS, Skip).is_ok());
        for depth in [33, 64, 127, 128, 129, 100_000] {
            assert_eq!(of(&nested(depth)), Err(JsonError::TooDeep), "{depth}");
            assert_eq!(read(nested(depth).as_bytes(), &LIMITS, Skip), Err(JsonError::TooDeep), "{depth}");
        }
    }
}

#[test]
fn c3_members_and_items_are_limited_also_in_what_is_skipped() {
    let members = |count: usize| {
        let members: Vec<_> = (0..count).map(|number| format!(r#""{number}":0"#)).collect();
        format!("{{{}}}", members.join(","))
    };
    let items = |count: usize| format!("[{}]", vec!["0"; count].join(","));
    for (most, list) in [(256, members as fn(usize) -> String), (4096, items)] {
        assert!(of(&list(most)).is_ok());
        assert!(read(list(most).as_bytes(), &LIMITS, Skip).is_ok());
        assert_eq!(of(&list(most + 1)), Err(JsonError::TooMany));
        assert_eq!(read(list(most + 1).as_bytes(), &LIMITS, Skip), Err(JsonError::TooMany));
    }
}

#[test]
fn a7_only_utf_8_without_a_byte_order_mark_is_read() {
    let utf_16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let documents: [&[u8]; 7] = [
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\0}\0",
        &utf_16,
        b"{\"a\":\"\xff\"}",
        b"{\"a\":\"\xc0\xaf\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
        b"{\"\xe9\":1}",
    ];
    for document in documents {
        assert!(object(document, &LIMITS).is_err(), "{document:02x?}");
        assert_eq!(value(document, &LIMITS), Err(JsonError::Syntax), "{document:02x?}");
    }
}

#[test]
fn c8_lone_surrogates_and_raw_control_characters_are_refused() {
    for text in [r#""\ud800""#, r#""\udc00\ud800""#, r#"{"\ud800":1}"#, "\"\n\"", "\"\0\"", "\"\u{1f}\""] {
        assert_eq!(of(text), Err(JsonError::Syntax), "{text:?}");
    }
}

#[test]
fn c4_numbers_keep_their_kind() {
    assert_eq!(of("18446744073709551616").map(|number| number.as_u64()), Ok(None));
    assert_eq!(of("1e10").map(|number| (number.as_u64(), number.as_f64())), Ok((None, Some(1e10))));
    assert_eq!(of("1e400"), Err(JsonError::Syntax));
    for text in ["01", "+1", "1.", ".5", "0x10", "NaN", "Infinity", "-"] {
        assert_eq!(of(text), Err(JsonError::Syntax), "{text}");
    }
}

#[test]
fn nothing_may_follow_the_document() {
    for text in ["{} {}", "{},", "{}\0", "{}x", "1 2", ""] {
        assert_eq!(of(text), Err(JsonError::Syntax), "{text:?}");
    }
}

#[test]
fn j1_an_error_does_not_quote_the_document() {
    let text = r#"{"secret-name": secret-value}"#;
    let error = object(text.as_bytes(), &LIMITS).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"));
}

/// Reads `wanted` out of an object and passes over the rest.
struct Wanted;

impl<'de> Shape<'de> for Wanted {
    type Output = Option<String>;

    fn read<D: Deserializer<'de>>(self, source: D, scope: Scope<'_>) -> Result<Self::Output, D::Error> {
        source.deserialize_map(WantedVisitor(scope))
    }
}

struct WantedVisitor<'a>(Scope<'a>);

impl<'de> Visitor<'de> for WantedVisitor<'_> {
    type Value = Option<String>;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let scope = self.0.enter()?;
        let mut wanted = None;
        while let Some(name) = members.next_key::<String>()? {
            if name != "wanted" {
                members.next_value_seed(scope.seed(Skip))?;
            } else if wanted.replace(members.next_value()?).is_some() {
                return Err(scope.refuse(JsonError::Duplicate));
            }
        }
        Ok(wanted)
    }
}

#[test]
fn a_shape_takes_what_it_wants_and_skips_the_rest() {
    let read = |text: &str| read(text.as_bytes(), &LIMITS, Wanted);
    assert_eq!(read(r#"{"a":[1,{"b":[]}],"wanted":"w","c":null}"#), Ok(Some("w".to_owned())));
    assert_eq!(read("{}"), Ok(None));
    assert_eq!(read(r#"{"wanted":"w","want\u0065d":"v"}"#), Err(JsonError::Duplicate));
    assert_eq!(read(r#"["w"]"#), Err(JsonError::Syntax));
    assert_eq!(read(&format!(r#"{{"a":{}}}"#, "[".repeat(200_000))), Err(JsonError::TooDeep));
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_back(written in any_value()) {
        let text = written.to_string();
        prop_assert_eq!(value(text.as_bytes(), &LIMITS), Ok(written));
        prop_assert_eq!(read(text.as_bytes(), &LIMITS, Skip), Ok(()));
    }

    #[test]
    fn c1_repeating_any_member_is_refused(mut members in prop::collection::btree_map(".{0,5}", any::<u8>(), 1..8), pick in any::<prop::sample::Index>()) {
        let (name, _) = members.iter().nth(pick.index(members.len())).unwrap();
        let again = format!("{}:0", Value::from(name.as_str()));
        let text = json!(std::mem::take(&mut members)).to_string();
        let repeated = format!("{},{again}}}", text.strip_suffix('}').unwrap());
        prop_assert_eq!(of(&repeated), Err(JsonError::Duplicate));
    }

    #[test]
    fn c3_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = value(&bytes, &LIMITS);
        let _ = object(&bytes, &LIMITS);
    }

    #[test]
    fn c3_nothing_that_looks_like_json_makes_it_panic(text in r#"[\[\]{}:,"\\u0-9a-f eE.+-]{0,60}"#) {
        // What is read is what the other reader has, except where this one is stricter.
        if let Ok(read) = of(&text) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(read));
        }
    }
}
