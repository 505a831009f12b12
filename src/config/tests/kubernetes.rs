//! Kubernetes' rules for its AuthenticationConfiguration, each broken alone, and ours across issuers.

use super::*;
use crate::mapping::{Mapping, Reserved, Rule, Source};

/// Changes to a sound document, and what is found then.
type Case<'a> = (&'a str, &'a [(&'a str, Value)], &'a [&'a str]);

/// Each case is tried in a file of its own and inline, where the paths have a prefix.
#[track_caller]
fn assert_cases(cases: &[Case<'_>]) {
    for (case, changes, expected) in cases {
        let mut kubernetes = sound_kubernetes();
        for (path, value) in *changes {
            set(&mut kubernetes, path, value.clone());
        }
        let loaded = Folder::new().load_both(&sound_main(), &kubernetes);
        assert_found(&loaded, expected, case);
        for finding in &loaded.findings {
            assert!(finding.message.starts_with("authentication.yaml"), "{finding}");
        }

        let mut main = sound_main();
        unset(&mut main, "authenticationConfigurationFile");
        set(&mut main, "authenticationConfiguration", kubernetes);
        let expected: Vec<_> = expected.iter().map(|found| inline(found)).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_found(&Folder::new().load(main.to_string()), &expected, case);
    }
}

fn inline(found: &str) -> String {
    let (what, path) = found.rsplit_once(' ').unwrap();
    format!("{what} authenticationConfiguration.{path}")
}

/// Cases that change one field.
#[track_caller]
fn assert_field(path: &str, cases: &[(Value, &[&str])]) {
    for (value, expected) in cases {
        let case = format!("{path}: {value:.100}");
        assert_cases(&[(&case, &[(path, value.clone())], expected)]);
    }
}

fn load(kubernetes: &Value) -> Config {
    let loaded = Folder::new().load_both(&sound_main(), kubernetes);
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.findings))
}

#[test]
fn the_document_must_be_of_a_known_version_and_kind() {
    assert_field(
        "apiVersion",
        &[
            (json!("apiserver.config.k8s.io/v1"), &[]),
            (json!("apiserver.config.k8s.io/v1beta1"), &[]),
            (json!("apiserver.config.k8s.io/v1alpha1"), &[]),
            (json!("apiserver.config.k8s.io/v2"), &["error unknown_version apiVersion"]),
            (json!("v1"), &["error unknown_version apiVersion"]),
            (json!(""), &["error required apiVersion"]),
            (json!(null), &["error required apiVersion"]),
        ],
    );
    assert_field(
        "kind",
        &[(json!("EncryptionConfiguration"), &["error unknown_kind kind"]), (json!(null), &["error required kind"])],
    );
}

#[test]
fn no_issuers_are_legal_and_worth_a_warning() {
    assert_field("jwt", &[(json!([]), &["warning no_issuers jwt"]), (json!(null), &["warning no_issuers jwt"])]);
}

#[test]
fn sixty_four_issuers_are_the_most() {
    let many = |count: usize| -> Value {
        (0..count).map(|number| issuer(&format!("https://{number:02}.example"), &format!("{number:02}:"))).collect()
    };
    assert_field("jwt", &[(many(64), &[]), (many(65), &["error too_many jwt"])]);

    // Settings for those that were not looked at are not called foreign.
    let mut main = sound_main();
    set(&mut main, "issuers", json!([{"url": "https://00.example"}]));
    let kubernetes =
        json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": many(65)});
    assert_found(&Folder::new().load_both(&main, &kubernetes), &["error too_many jwt"], "settings");
}

#[test]
fn unknown_fields_are_found_at_every_level() {
    let paths = [
        "odd",
        "anonymous.odd",
        "anonymous.conditions[0].odd",
        "jwt[0].odd",
        "jwt[0].issuer.odd",
        "jwt[0].issuer.discoveryUrl",
        "jwt[0].claimMappings.odd",
        "jwt[0].claimMappings.username.odd",
        "jwt[0].claimMappings.groups.odd",
        "jwt[0].claimMappings.uid.odd",
        "jwt[0].claimMappings.uid.prefix",
        "jwt[0].claimMappings.extra[0].odd",
        "jwt[0].claimValidationRules[0].odd",
        "jwt[0].userValidationRules[0].odd",
    ];
    let changes: Vec<_> = paths.iter().map(|path| (*path, json!("x"))).collect();
    let mut expected: Vec<_> = paths.iter().map(|path| format!("error unknown_field {path}")).collect();
    expected.extend(
        [
            "error invalid anonymous.conditions",
            "info anonymous_ignored anonymous",
            "error required jwt[0].claimMappings.extra[0].key",
            "error required jwt[0].claimMappings.extra[0].valueExpression",
            "error required jwt[0].claimValidationRules[0]",
            "error required jwt[0].userValidationRules[0].expression",
        ]
        .map(str::to_owned),
    );
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    assert_cases(&[("unknown fields", &changes, &expected)]);
}

#[test]
fn wrong_types_do_not_draw_complaints_about_what_follows() {
    assert_cases(&[
        ("jwt", &[("jwt", json!("x"))], &["error wrong_type jwt"]),
        ("entry", &[("jwt[1]", json!("x"))], &["error wrong_type jwt[1]"]),
        ("issuer", &[("jwt[1].issuer", json!([]))], &["error wrong_type jwt[1].issuer"]),
        ("url", &[("jwt[1].issuer.url", json!(1))], &["error wrong_type jwt[1].issuer.url"]),
        ("audiences", &[("jwt[1].issuer.audiences", json!("x"))], &["error wrong_type jwt[1].issuer.audiences"]),
        ("audience", &[("jwt[1].issuer.audiences[0]", json!(1))], &["error wrong_type jwt[1].issuer.audiences[0]"]),
        ("mappings", &[("jwt[1].claimMappings", json!(1))], &["error wrong_type jwt[1].claimMappings"]),
        (
            "claim",
            &[("jwt[1].claimMappings.username.claim", json!(1))],
            &["error wrong_type jwt[1].claimMappings.username.claim"],
        ),
        (
            "prefix",
            &[("jwt[1].claimMappings.username.prefix", json!(false))],
            &["error wrong_type jwt[1].claimMappings.username.prefix"],
        ),
        (
            "rule",
            &[("jwt[1].claimValidationRules[0].claim", json!(1))],
            &["error wrong_type jwt[1].claimValidationRules[0].claim"],
        ),
    ]);
}

#[test]
fn d9_issuer_urls_are_checked() {
    let invalid: &[&str] = &["error invalid_url jwt[0].issuer.url"];
    let required: &[&str] = &["error required jwt[0].issuer.url"];
    assert_field(
        "jwt[0].issuer.url",
        &[
            (json!("https://idp.example"), &[]),
            (json!("https://idp.example/"), &[]),
            (json!("https://idp.example:8443/realms/a%20b"), &[]),
            (json!("https://idp.example?"), &[]),
            (json!("https://idp.example#"), &[]),
            (json!("HTTPS://IDP.example"), &[]),
            (json!("https://[::1]:8443"), &[]),
            (json!("https://idp.example/../x//y/"), &[]),
            (json!(null), required),
            (json!(""), required),
            (json!("http://idp.example"), invalid),
            (json!("idp.example"), invalid),
            (json!("https://user@idp.example"), invalid),
            (json!("https://idp.example?x=y"), invalid),
            (json!("https://idp.example#x"), invalid),
            (json!("https://idp.example\u{0}"), invalid),
            (json!("https://idp.example\n"), invalid),
            (json!(" https://idp.example"), invalid),
            (json!("https://idp example"), invalid),
            (json!("https://idp.example/%zz"), invalid),
            (json!("https://idp.example:x"), invalid),
            // The API server takes these and can then never fetch anything.
            (json!("https://"), invalid),
            (json!("https:///path"), invalid),
            (json!("https:idp.example"), invalid),
            (json!("https://idp.example:99999"), invalid),
            (json!("http://user@idp.example?x=y#z"), &["error invalid_url jwt[0].issuer.url"; 4]),
        ],
    );
    assert_cases(&[
        (
            "no issuer",
            &[("jwt[0].issuer", json!(null))],
            &["error required jwt[0].issuer.url", "error required jwt[0].issuer.audiences"],
        ),
        ("twice", &[("jwt[1].issuer.url", json!("https://one.example"))], &["error duplicate jwt[1].issuer.url"]),
        (
            "the API server's own",
            &[("jwt[1].issuer.url", json!("https://kubernetes.default.svc.cluster.local"))],
            &["error disallowed_issuer jwt[1].issuer.url"],
        ),
    ]);
    let mut main = sound_main();
    set(&mut main, "server.apiAudiences", json!(["https://one.example"]));
    let loaded = Folder::new().load_both(&main, &sound_kubernetes());
    assert_found(&loaded, &["error disallowed_issuer jwt[0].issuer.url"], "its own by another name");
}

#[test]
fn discovery_urls_are_checked() {
    let invalid: &[&str] = &["error invalid_url jwt[0].issuer.discoveryURL"];
    assert_field(
        "jwt[0].issuer.discoveryURL",
        &[
            (json!("https://elsewhere.example/.well-known/openid-configuration"), &[]),
            (json!(""), &[]),
            (json!(null), &[]),
            (json!("https://one.example"), invalid),
            (json!("https://one.example///"), invalid),
            (json!("https://one.example/x"), &[]),
            (json!("http://elsewhere.example"), invalid),
            (json!("https://user@elsewhere.example"), invalid),
            (json!("https://elsewhere.example?x"), invalid),
            (json!("https://elsewhere.example#x"), invalid),
            (json!("https://else where.example"), invalid),
            (json!("https://"), invalid),
        ],
    );
    let elsewhere = json!("https://elsewhere.example/");
    assert_cases(&[
        (
            "same for two",
            &[("jwt[0].issuer.discoveryURL", elsewhere.clone()), ("jwt[1].issuer.discoveryURL", elsewhere.clone())],
            &["error duplicate jwt[1].issuer.discoveryURL"],
        ),
        (
            "the issuer's own host is not asked then",
            &[("jwt[0].issuer.url", json!("https://")), ("jwt[0].issuer.discoveryURL", elsewhere)],
            &[],
        ),
    ]);
}

#[test]
fn a9_audiences_are_checked() {
    let policy = "error invalid jwt[0].issuer.audienceMatchPolicy";
    assert_field(
        "jwt[0].issuer.audiences",
        &[
            (json!(null), &["error required jwt[0].issuer.audiences"]),
            (json!([]), &["error required jwt[0].issuer.audiences"]),
            (json!([""]), &["error required jwt[0].issuer.audiences[0]"]),
            (json!(["a", "b"]), &[policy]),
            (
                json!(["a", "b", "a", ""]),
                &["error duplicate jwt[0].issuer.audiences[2]", "error required jwt[0].issuer.audiences[3]", policy],
            ),
        ],
    );
    assert_field(
        "jwt[0].issuer.audienceMatchPolicy",
        &[(json!(""), &[]), (json!("MatchAny"), &[]), (json!("MatchAll"), &[policy])],
    );
    let several = ("jwt[0].issuer.audiences", json!(["a", "b"]));
    assert_cases(&[
        ("several", &[several.clone(), ("jwt[0].issuer.audienceMatchPolicy", json!("MatchAny"))], &[]),
        ("several", &[several, ("jwt[0].issuer.audienceMatchPolicy", json!("matchAny"))], &[policy]),
    ]);
}

#[test]
fn certificate_authorities_are_checked() {
    let invalid: &[&str] = &["error invalid_certificate jwt[0].issuer.certificateAuthority"];
    let Pems { authority, key, certificate } = pems();
    let with_header = authority.replacen("-----\n", "-----\nX-Header: y\n\n", 1);
    assert_field(
        "jwt[0].issuer.certificateAuthority",
        &[
            (json!(""), &[]),
            (json!(null), &[]),
            (json!(authority), &[]),
            (json!(format!("text\n{authority}{certificate}text\n")), &[]),
            (json!("ca.crt"), invalid),
            (json!(key), invalid),
            (json!(with_header), invalid),
            (json!("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), invalid),
        ],
    );
    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[0].issuer.certificateAuthority", json!(authority));
    assert_eq!(load(&kubernetes).issuers[0].certificate_authority.as_ref(), Some(authority));
}

#[test]
fn what_concerns_the_api_server_alone_is_checked_and_ignored() {
    let egress = "jwt[0].issuer.egressSelectorType";
    assert_field(
        egress,
        &[
            (json!(""), &[]),
            (json!("controlplane"), &["warning egress_ignored jwt[0].issuer.egressSelectorType"]),
            (json!("cluster"), &["warning egress_ignored jwt[0].issuer.egressSelectorType"]),
            (json!("etcd"), &["error invalid jwt[0].issuer.egressSelectorType"]),
        ],
    );
    let ignored = "info anonymous_ignored anonymous";
    assert_field(
        "anonymous",
        &[
            (json!(null), &[]),
            (json!({}), &[ignored]),
            (json!({"enabled": false}), &[ignored]),
            (json!({"enabled": true, "conditions": [{"path": "/livez"}]}), &[ignored]),
            (json!({"enabled": false, "conditions": []}), &[ignored]),
            (
                json!({"enabled": false, "conditions": [{"path": "/livez"}]}),
                &["error invalid anonymous.conditions", ignored],
            ),
            (json!({"conditions": [{"path": "/livez"}]}), &["error invalid anonymous.conditions", ignored]),
        ],
    );
}

/// Kubernetes reads YAML 1.1, and nothing is a text here that is none there.
#[test]
fn plain_words_mean_what_they_mean_to_the_api_server() {
    let text = "apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous: {enabled: on}
jwt:
- issuer:
    url: https://one.example
    audiences: [&a no, yEs]
    audienceMatchPolicy: MatchAny
  claimMappings:
    username: {claim: 'y', prefix: yes}
    groups: {claim: 1__0, prefix: *a}
";
    let expected = [
        "info anonymous_ignored anonymous",
        "error wrong_type jwt[0].issuer.audiences[0]",
        "error wrong_type jwt[0].claimMappings.username.prefix",
        "error wrong_type jwt[0].claimMappings.groups.claim",
        "error wrong_type jwt[0].claimMappings.groups.prefix",
    ];
    let folder = Folder::new();
    folder.write("authentication.yaml", text);
    assert_found(&folder.load(sound_main().to_string()), &expected, "a file of its own");

    let mut main = sound_main();
    unset(&mut main, "authenticationConfigurationFile");
    let mut main: String = main.as_object().unwrap().iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    main += "authenticationConfiguration:\n";
    main.extend(text.lines().map(|line| format!("  {line}\n")));
    let expected: Vec<_> = expected.iter().map(|found| inline(found)).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    assert_found(&folder.load(main), &expected, "inline");
}

#[test]
fn claim_validation_rules_are_checked() {
    let rules = "jwt[0].claimValidationRules";
    let at = |rest: &str| format!("{rules}{rest}");
    let invalid = |index: usize| format!("error invalid_expression {rules}[{index}].expression");
    assert_field(
        rules,
        &[
            (json!(null), &[]),
            (json!([{"claim": "hd", "requiredValue": "example.org"}]), &[]),
            (json!([{"claim": "hd"}]), &[]),
            (json!([{"claim": "hd", "message": ""}]), &[]),
            (json!([{}]), &[&format!("error required {}", at("[0]"))]),
            (json!([{"requiredValue": "x"}]), &[&format!("error required {}", at("[0]"))]),
            (json!([{"claim": "a", "expression": "b"}]), &[&format!("error mutually_exclusive {}", at("[0]"))]),
            (json!([{"claim": "a", "message": "m"}]), &[&format!("error invalid {}", at("[0].message"))]),
            (
                json!([{"claim": "a"}, {"claim": "b"}, {"claim": "a"}]),
                &[&format!("error duplicate {}", at("[2].claim"))],
            ),
            (json!([{"expression": "true", "message": "m"}]), &[]),
            (json!([{"expression": "claims.hd == 'x'"}]), &[]),
            (json!([{"expression": "claims.hd"}]), &[&invalid(0)]),
            (json!([{"expression": "user.username == 'x'"}]), &[&invalid(0)]),
            (json!([{"expression": "claims.hd =="}]), &[&invalid(0)]),
            (
                json!([{"expression": "true", "requiredValue": "x"}]),
                &[&format!("error invalid {}", at("[0].requiredValue"))],
            ),
            (
                json!([{"expression": "true"}, {"expression": "true"}]),
                &[&format!("error duplicate {}", at("[1].expression"))],
            ),
        ],
    );
}

#[test]
fn the_remedy_for_an_expression_speaks_of_a_mark_only_if_there_is_one() {
    for (expression, remedy) in
        [("clams.hd == 'x'", "correct it where the mark is"), ("claims.hd", "write another expression")]
    {
        let mut kubernetes = sound_kubernetes();
        set(&mut kubernetes, "jwt[0].claimValidationRules", json!([{"expression": expression}]));
        let loaded = Folder::new().load_both(&sound_main(), &kubernetes);
        let remedies: Vec<_> = loaded.findings.iter().map(|finding| finding.remedy.as_str()).collect();
        assert_eq!(remedies, [remedy], "{expression}");
    }
}

#[test]
fn rules_and_mappings_reach_the_configuration() {
    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[0].claimValidationRules", json!([{"claim": "hd", "requiredValue": "x"}, {"claim": "e"}]));
    set(
        &mut kubernetes,
        "jwt[0].claimMappings",
        json!({
            "username": {"claim": "email", "prefix": ""},
            "groups": {"prefix": "ignored:"},
            "uid": {"claim": "sub"},
            "extra": [],
        }),
    );
    set(&mut kubernetes, "jwt[0].issuer.discoveryURL", json!("https://elsewhere.example"));
    kubernetes["jwt"].as_array_mut().unwrap().truncate(1);
    let issuer = load(&kubernetes).issuers.remove(0);
    let rule = |claim: &str, value: &str| Rule::Claim { claim: claim.to_owned(), value: value.to_owned() };
    assert_eq!(
        issuer.mapping,
        Mapping {
            username: Source::claim("email", ""),
            groups: None,
            uid: Some(Source::claim("sub", "")),
            extra: Vec::new(),
            rules: vec![rule("hd", "x"), rule("e", "")],
            user_rules: Vec::new(),
            reserved: Reserved::Reject,
            require_verified_email: false,
        }
    );
    assert_eq!(issuer.discovery_url.as_deref(), Some("https://elsewhere.example"));
}

#[test]
fn user_names_are_mapped_from_a_claim_with_a_prefix() {
    let path = "jwt[0].claimMappings.username";
    let at = |what: &str, rest: &str| format!("error {what} {path}{rest}");
    let invalid = at("invalid_expression", ".expression");
    assert_field(
        path,
        &[
            (json!({"claim": "sub", "prefix": "x:"}), &[]),
            (json!({"claim": "sub", "prefix": "x:", "expression": ""}), &[]),
            (json!(null), &[&at("required", "")]),
            (json!({}), &[&at("required", "")]),
            (json!({"claim": ""}), &[&at("required", "")]),
            (json!({"claim": "sub"}), &[&at("required", ".prefix")]),
            (json!({"claim": "sub", "prefix": null}), &[&at("required", ".prefix")]),
            (json!({"expression": "'one:' + claims.sub"}), &[]),
            (json!({"expression": "claim.sub"}), &[&invalid]),
            (json!({"expression": "claims.sub", "prefix": ""}), &[&at("invalid", ".prefix")]),
            (json!({"expression": "claim.sub", "prefix": ""}), &[&at("invalid", ".prefix"), &invalid]),
            (json!({"expression": "claims.email"}), &[&at("email_not_verified", ".expression")]),
            (json!({"expression": "claims.?email.orValue('')"}), &[&at("email_not_verified", ".expression")]),
            (json!({"expression": "has(claims.email) ? 'a' : 'b'"}), &[&at("email_not_verified", ".expression")]),
            (json!({"expression": "claims['email']"}), &[]),
            (json!({"expression": "claims.email_verified == true ? claims.email : claims.sub"}), &[]),
            (json!({"claim": "sub", "expression": "claims.sub"}), &[&at("mutually_exclusive", "")]),
            (json!({"claim": "sub", "expression": "claims.sub", "prefix": "x:"}), &[&at("mutually_exclusive", "")]),
        ],
    );
    assert_cases(&[(
        "no mappings",
        &[("jwt[0].claimMappings", json!(null))],
        &["error required jwt[0].claimMappings.username"],
    )]);
}

#[test]
fn groups_and_uid_are_optional() {
    let path = "jwt[0].claimMappings.groups";
    let at = |what: &str, rest: &str| format!("error {what} {path}{rest}");
    assert_field(
        path,
        &[
            (json!(null), &[]),
            (json!({}), &[]),
            (
                json!({"claim": "groups", "prefix": ""}),
                &["warning shared_group_names jwt[1].claimMappings.groups.prefix"],
            ),
            (json!({"prefix": "x:"}), &["info prefix_ignored jwt[0].claimMappings.groups.prefix"]),
            (json!({"claim": "groups"}), &[&at("required", ".prefix")]),
            (json!({"expression": "claims.g"}), &[]),
            (json!({"expression": "claims.g["}), &[&at("invalid_expression", ".expression")]),
            (json!({"expression": "claims.g", "prefix": "x:"}), &[&at("invalid", ".prefix")]),
            (json!({"claim": "g", "prefix": "x:", "expression": "claims.g"}), &[&at("mutually_exclusive", "")]),
        ],
    );
    let path = "jwt[0].claimMappings.uid";
    let at = |what: &str, rest: &str| format!("error {what} {path}{rest}");
    assert_field(
        path,
        &[
            (json!(null), &[]),
            (json!({}), &[]),
            (json!({"claim": "sub"}), &[]),
            (json!({"expression": "claims.sub"}), &[]),
            (json!({"expression": "sub"}), &[&at("invalid_expression", ".expression")]),
            (json!({"claim": "sub", "expression": "claims.sub"}), &[&at("mutually_exclusive", "")]),
        ],
    );
}

#[test]
fn d8_keys_of_extra_are_checked() {
    let long_domain = format!("{}.example/x", "a.".repeat(124));
    for (key, problems) in [
        ("example.org/department", 0),
        ("example.org/a/b-c_d~e%f!$&'()*+,;=:", 0),
        ("a/b", 0),
        ("department", 1),
        ("/department", 1),
        ("example.org/", 1),
        ("example.org/a b", 1),
        ("example.org/\u{e9}", 1),
        ("exa_mple.org/x", 1),
        ("-example.org/x", 1),
        ("example..org/x", 1),
        (&long_domain, 1),
        ("example.org/Department", 1),
        ("Example.org/x", 2),
        ("kubernetes.io/x", 1),
        ("k8s.io/x", 1),
        ("authentication.kubernetes.io/credential-id", 1),
        ("a.b.k8s.io/x", 1),
        ("notkubernetes.io/x", 0),
        ("mk8s.io/x", 0),
        ("kubernetes.io.example.org/x", 0),
    ] {
        let expected = vec!["error invalid_key jwt[0].claimMappings.extra[0].key"; problems];
        let extra = json!([{"key": key, "valueExpression": "claims.x"}]);
        assert_field("jwt[0].claimMappings.extra", &[(extra, &expected)]);
    }
    let invalid =
        |index: usize| format!("error invalid_expression jwt[0].claimMappings.extra[{index}].valueExpression");
    assert_field(
        "jwt[0].claimMappings.extra",
        &[
            (json!([]), &[]),
            (json!([{"valueExpression": "x"}]), &["error required jwt[0].claimMappings.extra[0].key", &invalid(0)]),
            (json!([{"key": "a/b"}]), &["error required jwt[0].claimMappings.extra[0].valueExpression"]),
            (
                json!([{"key": "a/b", "valueExpression": "x"}, {"key": "a/b", "valueExpression": "x"}]),
                &[&invalid(0), "error duplicate jwt[0].claimMappings.extra[1].key", &invalid(1)],
            ),
        ],
    );
}

#[test]
fn user_validation_rules_are_checked() {
    let at = |what: &str, index: usize| format!("error {what} jwt[0].userValidationRules[{index}].expression");
    assert_field(
        "jwt[0].userValidationRules",
        &[
            (json!([]), &[]),
            (json!([{}]), &[&at("required", 0)]),
            (
                json!([{"expression": "a", "message": "m"}, {"expression": "a"}]),
                &[&at("invalid_expression", 0), &at("duplicate", 1), &at("invalid_expression", 1)],
            ),
            (json!([{"expression": "!user.username.startsWith('x')", "message": "m"}]), &[]),
            (json!([{"expression": "user.name == 'x'"}]), &[&at("invalid_expression", 0)]),
            (json!([{"expression": "claims.sub == 'x'"}]), &[&at("invalid_expression", 0)]),
        ],
    );
}

#[test]
fn d4_issuers_that_can_name_each_others_users_are_worth_a_warning() {
    let three = |prefixes: [&str; 3]| -> Value {
        let urls = ["https://one.example", "https://two.example", "https://three.example"];
        urls.iter()
            .zip(prefixes)
            .map(|(url, prefix)| {
                let mut entry = issuer(url, prefix);
                unset(&mut entry, "claimMappings.groups");
                entry
            })
            .collect()
    };
    let shared = |index: usize| format!("warning shared_user_names jwt[{index}].claimMappings.username.prefix");
    assert_field(
        "jwt",
        &[
            (three(["a:", "b:", "c:"]), &[]),
            (three(["a:", "ab:", "abc:"]), &[]),
            (three(["a:", "b:", "a:"]), &[&shared(2)]),
            (three(["a:", "a:b:", "c:"]), &[&shared(1)]),
            (three(["a:b:", "c:", "a:"]), &[&shared(2)]),
            (three(["", "b:", "c:"]), &[&shared(1), &shared(2)]),
            (three(["a", "ab", "abc"]), &[&shared(1), &shared(2)]),
        ],
    );
    assert_field(
        "jwt[1].claimMappings.groups.prefix",
        &[(json!("one:x"), &["warning shared_group_names jwt[1].claimMappings.groups.prefix"])],
    );
}

#[test]
fn d9_issuers_that_look_the_same_are_refused_unless_both_are_meant() {
    let similar: &[&str] = &["error similar_issuers jwt[1].issuer.url"];
    assert_field(
        "jwt[1].issuer.url",
        &[
            (json!("https://one.example/"), similar),
            (json!("https://one.example//"), similar),
            (json!("https://One.example"), similar),
            (json!("https://one.example:443"), similar),
            (json!("HTTPS://one.example:443/"), similar),
            (json!("https://one.example:8443"), &[]),
            (json!("https://one.example/x"), &[]),
        ],
    );
    assert_cases(&[(
        "paths",
        &[
            ("jwt[0].issuer.url", json!("https://x.example/A/b")),
            ("jwt[1].issuer.url", json!("https://x.example/a//b/")),
        ],
        similar,
    )]);

    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[1].issuer.url", json!("https://one.example/"));
    for (names, is_meant) in [
        (&["https://one.example", "https://one.example/"][..], true),
        (&["https://one.example"], false),
        (&["https://one.example/"], false),
    ] {
        let mut main = sound_main();
        set(&mut main, "issuers", names.iter().map(|url| json!({"url": url})).collect());
        let loaded = Folder::new().load_both(&main, &kubernetes);
        assert_found(&loaded, if is_meant { &[] } else { similar }, "acknowledged");
    }
}

#[test]
fn d1_prefixes_that_make_reserved_names_are_refused_unless_names_are_let_through() {
    let at = |field: &str| format!("error reserved_prefix jwt[0].claimMappings.{field}.prefix");
    for prefix in ["system:", "system:serviceaccount:", "System:", "\u{ff33}ystem:", "system\u{ff1a}", " system:"] {
        assert_field("jwt[0].claimMappings.username.prefix", &[(json!(prefix), &[&at("username")])]);
        assert_field("jwt[0].claimMappings.groups.prefix", &[(json!(prefix), &[&at("groups")])]);
    }
    for prefix in ["system", "systems:", "my-system:", "sys:"] {
        assert_field("jwt[0].claimMappings.username.prefix", &[(json!(prefix), &[])]);
    }
    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[0].claimMappings.username.prefix", json!("system:node:"));
    for (names, expected) in [
        (json!(["system:node:a"]), vec![]),
        (json!(["system:a"]), vec![at("username")]),
        (json!([]), vec![at("username")]),
        (json!("reject"), vec![at("username")]),
    ] {
        let mut main = sound_main();
        set(&mut main, "issuers", json!([{"url": "https://one.example", "reservedIdentities": names}]));
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_found(&Folder::new().load_both(&main, &kubernetes), &expected, "let through");
    }
}

#[test]
fn d3_prefixes_with_which_no_name_is_accepted_are_refused() {
    let at = |field: &str| format!("error unusable_prefix jwt[0].claimMappings.{field}.prefix");
    for prefix in [" x:", "sys\u{200b}tem:", "x\u{ad}:", "x\n", "\u{202e}x", &"x".repeat(1024)] {
        assert_field("jwt[0].claimMappings.username.prefix", &[(json!(prefix), &[&at("username")])]);
        assert_field("jwt[0].claimMappings.groups.prefix", &[(json!(prefix), &[&at("groups")])]);
    }
    for prefix in ["x ", "\u{fc}ber:", "x".repeat(100).as_str()] {
        assert_field("jwt[0].claimMappings.username.prefix", &[(json!(prefix), &[])]);
    }
}
