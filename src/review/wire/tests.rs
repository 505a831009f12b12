use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jose::json::JsonError;

type Found = Result<(ApiVersion, String, Vec<String>), Malformed>;

fn found(review: Result<TokenReview, Malformed>) -> Found {
    review.map(|review| (review.version, review.token.expose_secret().to_owned(), review.audiences))
}

fn parse(body: &str) -> Found {
    found(TokenReview::parse(body.as_bytes(), Encoding::Json, None))
}

fn parse_at(body: &str, version: ApiVersion) -> Found {
    found(TokenReview::parse(body.as_bytes(), Encoding::Json, Some(version)))
}

fn is(version: ApiVersion, token: &str, audiences: &[&str]) -> Found {
    Ok((version, token.to_owned(), audiences.iter().map(|audience| (*audience).to_owned()).collect()))
}

#[test]
fn what_kube_apiserver_sends_is_read() {
    let v1 = "{\"kind\":\"TokenReview\",\"apiVersion\":\"authentication.k8s.io/v1\",\"metadata\":{},\"spec\":{\"token\":\"t\",\"audiences\":[\"https://kubernetes.default.svc\"]},\"status\":{\"user\":{}}}\n";
    assert_eq!(parse(v1), is(ApiVersion::V1, "t", &["https://kubernetes.default.svc"]));
    let older = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1beta1","metadata":{"creationTimestamp":null},"spec":{"token":"a\u003cb"},"status":{"user":{}}}"#;
    assert_eq!(parse(older), is(ApiVersion::V1beta1, "a<b", &[]));
}

#[test]
fn unknown_members_are_passed_over_and_null_is_absent() {
    let body = r#"{"x":[{"y":[1,2.5,"z",null,true]}],"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","audiences":null,"later":{"a":1}},"status":7}"#;
    assert_eq!(parse(body), is(ApiVersion::V1, "t", &[]));
}

#[test]
fn a_review_of_another_version_or_kind_is_refused() {
    let with = |version: &str, kind: &str| {
        parse(&json!({"apiVersion": version, "kind": kind, "spec": {"token": "t"}}).to_string())
    };
    assert_eq!(with("authentication.k8s.io/v2", "TokenReview"), Err(Malformed::ApiVersion));
    assert_eq!(with("v1", "TokenReview"), Err(Malformed::ApiVersion));
    assert_eq!(with("", "TokenReview"), Err(Malformed::ApiVersion));
    assert_eq!(with("authentication.k8s.io/v1", "SubjectAccessReview"), Err(Malformed::Kind));
    assert_eq!(parse(r#"{"apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}"#), Err(Malformed::Kind));
    assert_eq!(parse(r#"{"kind":"TokenReview","spec":{"token":"t"}}"#), Err(Malformed::ApiVersion));
}

#[test]
fn on_the_api_path_the_path_names_the_version() {
    let bare = r#"{"spec":{"token":"t"}}"#;
    assert_eq!(parse_at(bare, ApiVersion::V1beta1), is(ApiVersion::V1beta1, "t", &[]));
    let v1 = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"t"}}"#;
    assert_eq!(parse_at(v1, ApiVersion::V1), is(ApiVersion::V1, "t", &[]));
    assert_eq!(parse_at(v1, ApiVersion::V1beta1), Err(Malformed::ApiVersion));
}

#[test]
fn a_review_without_a_token_is_refused() {
    for spec in [json!({}), json!({"token": ""}), json!({"token": null}), json!(null)] {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
        assert_eq!(parse(&body.to_string()), Err(Malformed::Token), "{spec}");
    }
}

#[test]
fn audiences_are_bounded_and_not_empty() {
    let with = |audiences: serde_json::Value| {
        parse(&json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "t", "audiences": audiences}}).to_string())
    };
    assert_eq!(with(json!(vec!["a"; MAX_AUDIENCES])).map(|(_, _, audiences)| audiences.len()), Ok(MAX_AUDIENCES));
    assert_eq!(with(json!(vec!["a"; MAX_AUDIENCES + 1])), Err(Malformed::Audiences));
    assert_eq!(with(json!([""])), Err(Malformed::Audiences));
    assert_eq!(with(json!("a")), Err(Malformed::Json(JsonError::Syntax)));
    assert_eq!(with(json!([1])), Err(Malformed::Json(JsonError::Syntax)));
}

#[test]
fn c1_a_member_that_is_read_may_appear_once() {
    for body in [
        r#"{"kind":"TokenReview","kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"}}"#,
        r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t"},"spec":{"token":"u"}}"#,
        r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","\u0074oken":"u"}}"#,
        r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"t","audiences":[],"audiences":["a"]}}"#,
    ] {
        assert_eq!(parse(body), Err(Malformed::Json(JsonError::Duplicate)), "{body}");
    }
}

#[test]
fn c2_an_array_is_never_taken_for_an_object() {
    for body in [
        r#"["authentication.k8s.io/v1","TokenReview",{"token":"t"}]"#,
        r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":["t",[]]}"#,
        "null",
        "7",
        "\"x\"",
        "",
        "{",
        "{}x",
    ] {
        assert!(matches!(parse(body), Err(Malformed::Json(_))), "{body}");
    }
}

#[test]
fn c3_depth_is_bounded_also_where_nobody_reads() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let body = format!(
        r#"{{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","metadata":{deep},"spec":{{"token":"t"}}}}"#
    );
    assert_eq!(parse(&body), Err(Malformed::Json(JsonError::TooDeep)));
}

#[test]
fn a_review_in_protobuf_is_read() {
    let body = protobuf::write("authentication.k8s.io/v1", "TokenReview", "t", &["a", "b"]);
    let review = TokenReview::parse(&body, Encoding::Protobuf, Some(ApiVersion::V1));
    assert_eq!(found(review), is(ApiVersion::V1, "t", &["a", "b"]));
}

#[test]
fn protobuf_that_is_torn_or_of_another_kind_is_refused() {
    let whole = protobuf::write("authentication.k8s.io/v1", "TokenReview", "t", &["a"]);
    let parse = |body: &[u8]| found(TokenReview::parse(body, Encoding::Protobuf, Some(ApiVersion::V1)));
    assert_eq!(parse(&whole[..whole.len() - 1]), Err(Malformed::Protobuf));
    assert_eq!(parse(&whole[1..]), Err(Malformed::Protobuf));
    assert_eq!(parse(b""), Err(Malformed::Protobuf));
    assert_eq!(parse(b"k8s\0"), Err(Malformed::Token));
    let other = protobuf::write("authentication.k8s.io/v1", "Pod", "t", &[]);
    assert_eq!(parse(&other), Err(Malformed::Kind));
}

#[test]
fn j1_a_review_prints_no_token() {
    let body = r#"{"kind":"TokenReview","apiVersion":"authentication.k8s.io/v1","spec":{"token":"canary"}}"#;
    let review = TokenReview::parse(body.as_bytes(), Encoding::Json, None).unwrap();
    assert!(!format!("{review:?}").contains("canary"));
}

/// A review as kube-apiserver writes it.
fn as_written(version: &str, metadata: &str, token: &str, audiences: &[String]) -> String {
    let token = json!(token);
    let audiences = if audiences.is_empty() { String::new() } else { format!(r#","audiences":{}"#, json!(audiences)) };
    format!(
        r#"{{"kind":"TokenReview","apiVersion":"{version}","metadata":{metadata},"spec":{{"token":{token}{audiences}}},"status":{{"user":{{}}}}}}"#
    ) + "\n"
}

#[test]
fn what_kube_apiserver_sends_is_read_by_comparing() {
    let audiences = ["https://kubernetes.default.svc".to_owned(), "api".to_owned()];
    for metadata in ["{}", r#"{"creationTimestamp":null}"#] {
        for audiences in [&audiences[..0], &audiences[..1], &audiences] {
            let body = as_written("authentication.k8s.io/v1", metadata, "t", audiences);
            let parts = usual::read(body.as_bytes());
            assert_eq!(
                parts.and_then(|parts| parts.judge(None).ok()).map(|review| review.audiences),
                Some(audiences.to_vec())
            );
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body in any::<Vec<u8>>(), envelope in any::<bool>()) {
        let body = if envelope { [b"k8s\0", body.as_slice()].concat() } else { body };
        let _ = TokenReview::parse(&body, Encoding::Json, None);
        let _ = TokenReview::parse(&body, Encoding::Protobuf, Some(ApiVersion::V1));
    }

    #[test]
    fn what_is_read_by_comparing_is_what_the_general_reader_reads(
        token in ".{0,40}",
        audiences in prop::collection::vec(".{0,8}", 0..4),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        end in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let mut body = as_written("authentication.k8s.io/v1", "{}", &token, &audiences).into_bytes();
        for (place, byte) in changes {
            let place = place.index(body.len());
            body[place] = byte;
        }
        if is_cut {
            body.truncate(end.index(body.len()));
        }
        if let Some(parts) = usual::read(&body) {
            prop_assert_eq!(Ok(parts), json::read(&body));
        }
    }

    #[test]
    fn a_token_and_audiences_come_through_unchanged(token in ".{1,64}", audiences in prop::collection::vec(".{1,16}", 0..4)) {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token, "audiences": audiences}});
        prop_assert_eq!(parse(&body.to_string()), Ok((ApiVersion::V1, token.clone(), audiences.clone())));
        let list: Vec<&str> = audiences.iter().map(String::as_str).collect();
        let body = protobuf::write("authentication.k8s.io/v1", "TokenReview", &token, &list);
        let review = TokenReview::parse(&body, Encoding::Protobuf, Some(ApiVersion::V1));
        prop_assert_eq!(found(review), Ok((ApiVersion::V1, token, audiences)));
    }
}
