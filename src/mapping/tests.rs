use proptest::prelude::*;
use serde_json::json;

use super::*;

fn mapping() -> Mapping {
    Mapping {
        username: Source::claim("sub", "oidc:"),
        groups: Some(Source::claim("groups", "oidc:")),
        uid: Some(Source::claim("sub", "")),
        extra: vec![],
        rules: vec![],
        user_rules: vec![],
        reserved: Reserved::Reject,
        require_verified_email: false,
    }
}

fn unprefixed() -> Mapping {
    Mapping { username: Source::claim("sub", ""), groups: Some(Source::claim("groups", "")), ..mapping() }
}

fn by_email() -> Mapping {
    Mapping { username: Source::claim("email", ""), uid: None, ..mapping() }
}

fn user(mapping: &Mapping, claims: Value) -> Result<UserInfo, Reason> {
    let Value::Object(claims) = claims else { panic!("claims are an object") };
    let not_after = crate::clock::UnixTime::MAX;
    mapping.user(&VerifiedClaims::vouch(claims, vec!["client".into()], not_after), Effort::brief()).map_err(
        |unmapped| match unmapped {
            Unmapped::Refused(reason, _) => reason,
            Unmapped::TakesLonger => panic!("it takes longer than a moment"),
        },
    )
}

#[test]
fn claims_become_a_user_with_prefixes_uid_and_credential_id() {
    let claims = json!({"sub": "alice", "groups": ["dev", "ops"], "jti": "id-1"});
    assert_eq!(
        user(&mapping(), claims),
        Ok(UserInfo {
            username: "oidc:alice".into(),
            uid: "alice".into(),
            groups: vec!["oidc:dev".into(), "oidc:ops".into()],
            extra: [(CREDENTIAL_ID.to_owned(), vec!["JTI=id-1".to_owned()])].into(),
        })
    );
}

#[test]
fn groups_may_be_absent_null_one_string_or_a_list() {
    let groups = |value: Value| user(&mapping(), json!({"sub": "a", "groups": value})).map(|user| user.groups);
    assert_eq!(user(&mapping(), json!({"sub": "a"})).map(|user| user.groups), Ok(vec![]));
    assert_eq!(groups(json!(null)), Ok(vec![]));
    assert_eq!(groups(json!("dev")), Ok(vec!["oidc:dev".to_owned()]));
    assert_eq!(groups(json!([])), Ok(vec![]));
    for wrong in [json!(5), json!(true), json!({"a": 1}), json!(["a", 1]), json!([["a"]]), json!([null])] {
        assert_eq!(groups(wrong.clone()), Err(Reason::ClaimType), "{wrong}");
    }
}

#[test]
fn d5_a_user_name_that_is_missing_mistyped_or_empty_is_refused() {
    for (claims, reason) in [
        (json!({}), Reason::ClaimMissing),
        (json!({"Sub": "alice"}), Reason::ClaimMissing),
        (json!({"sub": null}), Reason::ClaimType),
        (json!({"sub": 7}), Reason::ClaimType),
        (json!({"sub": ["alice"]}), Reason::ClaimType),
        (json!({"sub": ""}), Reason::IdentityInvalid),
        (json!({"sub": " "}), Reason::IdentityInvalid),
    ] {
        assert_eq!(user(&mapping(), claims.clone()), Err(reason), "{claims}");
        assert_eq!(user(&unprefixed(), claims.clone()), Err(reason), "{claims} without a prefix");
    }
}

#[test]
fn a_mapped_uid_that_is_missing_or_mistyped_is_refused() {
    let mapping = Mapping { uid: Some(Source::claim("oid", "")), ..mapping() };
    assert_eq!(user(&mapping, json!({"sub": "a"})), Err(Reason::ClaimMissing));
    assert_eq!(user(&mapping, json!({"sub": "a", "oid": 1})), Err(Reason::ClaimType));
    assert_eq!(user(&mapping, json!({"sub": "a", "oid": "1"})).map(|user| user.uid), Ok("1".into()));
}

#[test]
fn d1_a_reserved_user_name_is_refused_whatever_the_prefix() {
    assert_eq!(user(&unprefixed(), json!({"sub": "system:admin"})), Err(Reason::ReservedIdentity));
    let prefix = |prefix: &str| Mapping { username: Source::claim("sub", prefix), ..mapping() };
    assert_eq!(user(&prefix("system:"), json!({"sub": "admin"})), Err(Reason::ReservedIdentity));
    assert_eq!(user(&prefix("sys"), json!({"sub": "tem:admin"})), Err(Reason::ReservedIdentity));
    assert_eq!(
        user(&mapping(), json!({"sub": "system:admin"})).map(|user| user.username),
        Ok("oidc:system:admin".into()),
        "behind a prefix it is an ordinary name"
    );
}

#[test]
fn d2_a_reserved_group_refuses_the_whole_token() {
    for group in ["system:masters", "system:nodes", "system:authenticated", "system:"] {
        let claims = json!({"sub": "alice", "groups": ["dev", group]});
        assert_eq!(user(&unprefixed(), claims), Err(Reason::ReservedIdentity), "{group}");
    }
}

#[test]
fn d3_look_alikes_of_reserved_names_are_refused() {
    for name in [
        "System:admin",
        "SYSTEM:masters",
        "ｓｙｓｔｅｍ：masters",
        "system：masters",
        "system\u{2236}masters",
        "system\u{a789}masters",
        "\u{0455}ystem:masters",
        "𝐬ystem:masters",
        "ſystem:masters",
    ] {
        assert_eq!(user(&unprefixed(), json!({"sub": name})), Err(Reason::ReservedIdentity), "{name}");
    }
    for name in [" system:masters", "\u{200b}system:masters", "sys\u{200d}tem:masters", "\u{feff}system:x"] {
        assert_eq!(user(&unprefixed(), json!({"sub": name})), Err(Reason::IdentityInvalid), "{name:?}");
    }
}

#[test]
fn only_exact_names_that_the_operator_lists_are_let_through() {
    let mapping = Mapping { reserved: Reserved::Allow(vec!["system:monitor".into()]), ..unprefixed() };
    assert_eq!(user(&mapping, json!({"sub": "system:monitor"})).map(|user| user.username), Ok("system:monitor".into()));
    for name in ["system:monitor2", "System:monitor", "system:masters"] {
        assert_eq!(user(&mapping, json!({"sub": name})), Err(Reason::ReservedIdentity), "{name}");
    }
}

#[test]
fn d7_an_address_that_is_not_called_verified_is_refused() {
    let with = |verified: Value| user(&by_email(), json!({"email": "a@example.com", "email_verified": verified}));
    assert_eq!(with(json!(true)).map(|user| user.username), Ok("a@example.com".into()));
    assert_eq!(with(json!(false)), Err(Reason::EmailNotVerified));
    assert_eq!(with(json!(null)), Err(Reason::EmailNotVerified));
    for wrong in [json!("true"), json!(1), json!({})] {
        assert_eq!(with(wrong), Err(Reason::ClaimType));
    }
}

#[test]
fn d7_email_verified_may_be_absent_unless_the_operator_requires_it() {
    let claims = || json!({"email": "a@example.com"});
    assert_eq!(user(&by_email(), claims()).map(|user| user.username), Ok("a@example.com".into()));
    let strict = Mapping { require_verified_email: true, ..by_email() };
    assert_eq!(user(&strict, claims()), Err(Reason::EmailNotVerified));
}

#[test]
fn claim_rules_need_the_exact_string() {
    let rule =
        |value: &str| Mapping { rules: vec![Rule::Claim { claim: "hd".into(), value: value.into() }], ..mapping() };
    assert!(user(&rule("example.com"), json!({"sub": "a", "hd": "example.com"})).is_ok());
    assert!(user(&rule(""), json!({"sub": "a", "hd": ""})).is_ok());
    for claims in [
        json!({"sub": "a"}),
        json!({"sub": "a", "hd": "Example.com"}),
        json!({"sub": "a", "hd": null}),
        json!({"sub": "a", "hd": ["example.com"]}),
    ] {
        assert_eq!(user(&rule("example.com"), claims.clone()), Err(Reason::ClaimMismatch), "{claims}");
    }
}

#[test]
fn c8_characters_that_cannot_be_seen_are_refused_in_every_name() {
    let deceptions = [
        "a\u{0}b",
        "a\nb",
        "a\u{1b}[31mb",
        "a\u{202e}b",
        "a\u{200d}b",
        "a\u{2028}b",
        "a\u{7f}",
        "a\u{378}b",
        "a ",
        "\ta",
    ];
    for name in deceptions {
        assert_eq!(user(&mapping(), json!({"sub": name})), Err(Reason::IdentityInvalid), "user {name:?}");
        let claims = json!({"sub": "a", "groups": [name]});
        assert_eq!(user(&mapping(), claims), Err(Reason::IdentityInvalid), "group {name:?}");
        let claims = json!({"sub": "a", "jti": name});
        assert_eq!(user(&mapping(), claims), Err(Reason::IdentityInvalid), "jti {name:?}");
        let by_oid = Mapping { uid: Some(Source::claim("oid", "")), ..mapping() };
        let claims = json!({"sub": "a", "oid": name});
        assert_eq!(user(&by_oid, claims), Err(Reason::IdentityInvalid), "uid {name:?}");
    }
}

#[test]
fn c8_names_beyond_one_kilobyte_are_refused() {
    assert!(user(&unprefixed(), json!({"sub": "x".repeat(1024)})).is_ok());
    assert_eq!(user(&unprefixed(), json!({"sub": "x".repeat(1025)})), Err(Reason::Oversized));
    assert_eq!(user(&mapping(), json!({"sub": "x".repeat(1024)})), Err(Reason::Oversized), "the prefix counts");
}

#[test]
fn d13_more_groups_than_the_cap_refuse_the_token() {
    let groups = |count: usize| json!({"sub": "a", "groups": vec!["g"; count]});
    assert_eq!(user(&mapping(), groups(MAX_GROUPS)).map(|user| user.groups.len()), Ok(MAX_GROUPS));
    assert_eq!(user(&mapping(), groups(MAX_GROUPS + 1)), Err(Reason::Oversized));
}

#[test]
fn d14_the_subject_can_be_the_uid_beside_an_address_as_name() {
    let mapping = Mapping { uid: Some(Source::claim("sub", "")), ..by_email() };
    let claims = json!({"sub": "00u1", "email": "a@example.com", "email_verified": true});
    let user = user(&mapping, claims).unwrap();
    assert_eq!((user.username.as_str(), user.uid.as_str()), ("a@example.com", "00u1"));
}

proptest! {
    #[test]
    fn p5_no_name_that_comes_out_is_reserved_or_empty(prefix in "[a-z:]{0,8}", sub in any::<String>(), groups in prop::collection::vec(any::<String>(), 0..4)) {
        let claim = |name: &str| Source::claim(name, &prefix);
        let mapping = Mapping { username: claim("sub"), groups: Some(claim("groups")), uid: None, ..mapping() };
        if let Ok(user) = user(&mapping, json!({"sub": sub, "groups": groups})) {
            prop_assert!(!user.username.is_empty());
            for name in user.groups.iter().chain([&user.username]) {
                prop_assert!(!name.to_lowercase().trim().starts_with("system:"));
                prop_assert!(!name.chars().any(char::is_control));
            }
        }
    }
}
