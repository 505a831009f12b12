use serde_json::json;

use super::oidc_flags::FlagsError;
use super::*;
use crate::clock::UnixTime;
use crate::config::Config;
use crate::wiring::pki::{Authority, Validity};

const NOW: UnixTime = UnixTime::from_seconds(1_906_502_400);

fn flags(arguments: &[&str]) -> Result<Migration, FlagsError> {
    let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    oidc_flags::read(&arguments, |path| match path {
        "/pki/ca.crt" => Ok(authority()),
        other => Err(format!("{other}: no such file")),
    })
}

fn authority() -> String {
    Authority::new("idp", Validity::days(NOW, 30)).unwrap().certificate_pem()
}

fn objects(text: &str) -> Result<Migration, gardener::ObjectError> {
    gardener::read_texts(&[("objects.yaml".to_owned(), text.to_owned())])
}

/// What `check` says of what was carried over, less the warnings.
fn errors(migration: &Migration) -> Vec<String> {
    let findings = Config::check_issuers(&migration.countersign(), NOW);
    findings
        .iter()
        .filter(|found| found.severity == crate::findings::Severity::Error)
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_least_flags_mean_what_kube_apiserver_takes_them_for() {
    let migration = flags(&["--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubernetes"]).unwrap();
    assert_eq!(
        migration.kubernetes(),
        json!({
            "apiVersion": "apiserver.config.k8s.io/v1",
            "kind": "AuthenticationConfiguration",
            "jwt": [{
                "issuer": {"url": "https://idp.example.com", "audiences": ["kubernetes"]},
                "claimMappings": {"username": {"claim": "sub", "prefix": "https://idp.example.com#"}},
            }],
        })
    );
    assert_eq!(migration.settings(), json!([{"url": "https://idp.example.com", "signingAlgorithms": ["RS256"]}]));
    assert_eq!((migration.left_behind.clone(), errors(&migration)), (Vec::new(), Vec::new()));
}

#[test]
fn all_flags_together_among_others_and_in_any_spelling() {
    let migration = flags(&[
        "kube-apiserver",
        "-",
        "--oidc-issuer-url",
        "https://idp.example.com",
        "--etcd-servers=https://127.0.0.1:2379",
        "--oidc-client-id=first",
        "--oidc-client-id=kubernetes",
        "--oidc-username-claim=email",
        "--oidc-username-prefix=oidc:",
        "--oidc-groups-claim=groups",
        "--oidc-groups-prefix=oidc:",
        "--oidc-required-claim=hd=example.com",
        "--oidc-required-claim",
        "app=",
        "--oidc-signing-algs=RS256,ES256",
        "--oidc-signing-algs=PS512,RS256",
        "--oidc-ca-file=/pki/ca.crt",
        "--api-audiences=https://api.example.com",
        "--v=2",
    ])
    .unwrap();
    let jwt = &migration.kubernetes()["jwt"][0];
    assert!(jwt["issuer"]["certificateAuthority"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(jwt["issuer"]["audiences"], json!(["kubernetes"]), "of several the last counts");
    assert_eq!(
        jwt["claimMappings"],
        json!({"username": {"claim": "email", "prefix": "oidc:"}, "groups": {"claim": "groups", "prefix": "oidc:"}})
    );
    assert_eq!(
        jwt["claimValidationRules"],
        json!([
            {"claim": "app", "requiredValue": ""},
            {"claim": "hd", "requiredValue": "example.com"},
        ])
    );
    assert_eq!(migration.settings()[0]["signingAlgorithms"], json!(["RS256", "ES256", "PS512"]));
    assert_eq!(
        migration.left_behind,
        ["--api-audiences=https://api.example.com: goes into server.apiAudiences of countersign's own file"]
    );
    assert_eq!(errors(&migration), Vec::<String>::new());
}

#[test]
fn a_required_claim_is_one_claim_whatever_is_in_its_value() {
    let rules = |claims: &[&str]| {
        let least = ["--oidc-issuer-url=https://idp", "--oidc-client-id=c"];
        let claims: Vec<_> = claims.iter().map(|claim| format!("--oidc-required-claim={claim}")).collect();
        let all: Vec<_> = least.into_iter().chain(claims.iter().map(String::as_str)).collect();
        flags(&all).unwrap().kubernetes()["jwt"][0]["claimValidationRules"].clone()
    };
    assert_eq!(rules(&["aud=a,b=c"]), json!([{"claim": "aud", "requiredValue": "a,b=c"}]));
    assert_eq!(rules(&[" hd = example.com "]), json!([{"claim": "hd", "requiredValue": "example.com"}]));
    assert_eq!(rules(&["hd=first", "hd=last"]), json!([{"claim": "hd", "requiredValue": "last"}]));
}

#[test]
fn the_rules_for_prefixes_are_kube_apiservers() {
    let prefix = |more: &[&str]| {
        let least = ["--oidc-issuer-url=https://idp", "--oidc-client-id=c"];
        let migration = flags(&[&least[..], more].concat()).unwrap();
        migration.kubernetes()["jwt"][0]["claimMappings"]["username"]["prefix"].as_str().unwrap().to_owned()
    };
    assert_eq!(prefix(&[]), "https://idp#");
    assert_eq!(prefix(&["--oidc-username-claim=name"]), "https://idp#");
    assert_eq!(prefix(&["--oidc-username-claim=email"]), "");
    assert_eq!(prefix(&["--oidc-username-claim=email", "--oidc-username-prefix=x:"]), "x:");
    assert_eq!(prefix(&["--oidc-username-prefix="]), "https://idp#");
    assert_eq!(prefix(&["--oidc-username-prefix=-"]), "");
    let groups = |more: &[&str]| {
        let least = ["--oidc-issuer-url=https://idp", "--oidc-client-id=c"];
        flags(&[&least[..], more].concat()).unwrap().kubernetes()["jwt"][0]["claimMappings"]["groups"].clone()
    };
    assert_eq!(groups(&["--oidc-groups-claim=roles"]), json!({"claim": "roles", "prefix": ""}));
    let both = ["--oidc-groups-claim=roles", "--oidc-groups-prefix=-"];
    assert_eq!(groups(&both), json!({"claim": "roles", "prefix": "-"}), "for groups a dash is a dash");
}

#[test]
fn flags_with_which_kube_apiserver_would_not_start_are_refused() {
    let least = ["--oidc-issuer-url=https://idp", "--oidc-client-id=c"];
    let refused = |more: &[&str]| flags(&[&least[..], more].concat()).unwrap_err();
    assert_eq!(flags(&[]).unwrap_err(), FlagsError::Incomplete);
    assert_eq!(flags(&least[..1]).unwrap_err(), FlagsError::Incomplete);
    assert_eq!(flags(&least[1..]).unwrap_err(), FlagsError::Incomplete);
    assert_eq!(refused(&["--oidc-scopes=x"]), FlagsError::Unknown("oidc-scopes".to_owned()));
    assert_eq!(refused(&["--oidc-username-claim"]), FlagsError::NoValue("oidc-username-claim".to_owned()));
    assert_eq!(refused(&["--oidc-username-claim", "--v=2"]), FlagsError::NoValue("oidc-username-claim".to_owned()));
    assert_eq!(refused(&["--oidc-signing-algs=HS256"]), FlagsError::Algorithm("HS256".to_owned()));
    assert_eq!(refused(&["--oidc-required-claim=hd"]), FlagsError::RequiredClaim("hd".to_owned()));
    assert_eq!(refused(&["--oidc-required-claim="]), FlagsError::RequiredClaim(String::new()));
    assert_eq!(refused(&["--authentication-config=/x"]), FlagsError::HasFile);
    assert_eq!(refused(&["--oidc-ca-file=/absent"]), FlagsError::AuthorityFile("/absent: no such file".to_owned()));
    let migration = flags(&["--oidc-issuer-url=http://idp", "--oidc-client-id=c"]).unwrap();
    assert_eq!(errors(&migration).len(), 1, "an address that kube-apiserver refuses is for `check` to refuse");
}

const GARDENER: &str = r#"
apiVersion: authentication.gardener.cloud/v1alpha1
kind: OpenIDConnect
metadata:
  name: garden-a
  uid: 5b4f1d9e-0000-4000-8000-000000000001
spec:
  issuerURL: https://idp.example.com
  audiences: [kubernetes, dashboard]
  usernameClaim: email
  usernamePrefix: "a:"
  groupsClaim: roles
  groupsPrefix: "-"
  supportedSigningAlgs: [ES256, RS256]
  requiredClaims: {hd: example.com}
  extraClaims: [team, costCenter, "urn:x"]
  caBundle: "%CA%"
  maxTokenExpirationSeconds: 7200
  jwks:
    keys: e30=
    distributedClaims: true
  somethingNew: true
---
apiVersion: authentication.gardener.cloud/v1alpha1
kind: OpenIDConnectList
items:
  - metadata: {name: garden-b}
    spec: {issuerURL: https://other.example.com, clientID: kubernetes}
  - metadata: {name: garden-c}
    spec: {issuerURL: https://idp.example.com, clientID: kubernetes}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: x}
"#;

#[test]
fn gardeners_objects_are_carried_over_with_their_defaults() {
    use base64::Engine as _;
    let bundle = base64::prelude::BASE64_STANDARD.encode(authority());
    let migration = objects(&GARDENER.replace("%CA%", &bundle)).unwrap();
    let mut document = migration.kubernetes();
    let authority = document["jwt"][0]["issuer"]["certificateAuthority"].take();
    assert!(authority.as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    assert_eq!(
        document["jwt"],
        json!([
            {
                "issuer": {
                    "url": "https://idp.example.com",
                    "audiences": ["kubernetes", "dashboard"],
                    "audienceMatchPolicy": "MatchAny",
                    "certificateAuthority": null,
                },
                "claimMappings": {
                    "username": {"claim": "email", "prefix": "a:"},
                    "groups": {"claim": "roles", "prefix": ""},
                    "extra": [
                        {"key": "gardener.cloud/authenticator/name", "valueExpression": "'garden-a'"},
                        {
                            "key": "gardener.cloud/authenticator/uid",
                            "valueExpression": "'5b4f1d9e-0000-4000-8000-000000000001'",
                        },
                        {"key": "gardener.cloud/user/team", "valueExpression": "claims.team"},
                        {"key": "gardener.cloud/user/costcenter", "valueExpression": "claims.costCenter"},
                        {"key": "gardener.cloud/user/urn:x", "valueExpression": "claims['urn:x']"},
                    ],
                },
                "claimValidationRules": [
                    {"claim": "hd", "requiredValue": "example.com"},
                    {
                        "expression": "claims.iat < claims.exp && claims.exp - claims.iat <= 7200.0",
                        "message": "the token is good for longer than 2h",
                    },
                ],
            },
            {
                "issuer": {"url": "https://other.example.com", "audiences": ["kubernetes"]},
                "claimMappings": {
                    "username": {"claim": "sub", "prefix": "garden-b/"},
                    "groups": {"claim": "groups", "prefix": "garden-b/"},
                    "extra": [{"key": "gardener.cloud/authenticator/name", "valueExpression": "'garden-b'"}],
                },
            },
        ])
    );
    assert_eq!(
        migration.settings(),
        json!([
            {"url": "https://idp.example.com", "signingAlgorithms": ["ES256", "RS256"]},
            {"url": "https://other.example.com", "signingAlgorithms": ["RS256"]},
        ])
    );
    let starts = [
        "garden-a: spec.somethingNew: ",
        "garden-a: spec.jwks.keys: ",
        "garden-a: spec.jwks.distributedClaims: ",
        "garden-a: groups that start with system: ",
        "garden-b: has no uid here",
        "garden-c: is left out: there is an object for the same issuer (https://idp.example.com)",
        "ConfigMap (v1): ",
    ];
    assert_eq!(migration.left_behind.len(), starts.len(), "{:#?}", migration.left_behind);
    for (line, start) in migration.left_behind.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(errors(&migration), Vec::<String>::new(), "expressions included");
}

#[test]
fn objects_that_gardener_would_not_take_are_refused_at_their_field() {
    let refused = |spec: Value| {
        let object = json!({
            "apiVersion": "authentication.gardener.cloud/v1alpha1",
            "kind": "OpenIDConnect",
            "metadata": {"name": "x"},
            "spec": spec,
        });
        let error = objects(&object.to_string()).unwrap_err();
        (error.object.clone(), error.path)
    };
    let with = |field: &str, value: Value| {
        let mut spec = json!({"issuerURL": "https://idp", "clientID": "c"});
        spec[field] = value;
        refused(spec)
    };
    let at = |path: &str| ("x".to_owned(), format!("spec.{path}"));
    assert_eq!(refused(json!({})), at("issuerURL"));
    assert_eq!(refused(json!({"issuerURL": "https://idp"})), at("audiences"));
    assert_eq!(with("audiences", json!(["b"])), at("clientID"));
    assert_eq!(with("audiences", json!("b")), at("audiences"));
    assert_eq!(with("usernameClaim", json!(1)), at("usernameClaim"));
    assert_eq!(with("caBundle", json!("***")), at("caBundle"));
    assert_eq!(with("supportedSigningAlgs", json!(["HS256"])), at("supportedSigningAlgs"));
    assert_eq!(with("requiredClaims", json!({"a": 1})), at("requiredClaims"));
    assert_eq!(with("maxTokenExpirationSeconds", json!(0)), at("maxTokenExpirationSeconds"));
    assert_eq!(with("extraClaims", json!([1])), at("extraClaims"));
    assert!(objects("kind: [").is_err());
    assert!(objects("").unwrap().is_empty());
}

#[test]
fn any_claims_name_makes_an_expression_that_means_it() {
    for (name, expected) in [
        ("team", "claims.team"),
        ("_x1", "claims._x1"),
        ("1x", "claims['1x']"),
        ("in", "claims['in']"),
        ("https://x/y", "claims['https://x/y']"),
        ("it's", "claims['it\\'s']"),
        ("a\\b", "claims['a\\\\b']"),
        ("a\nb", "claims['a\\U0000000ab']"),
        ("\u{fc}", "claims['\u{fc}']"),
        ("", "claims['']"),
    ] {
        assert_eq!(claim_expression(name), expected);
        let mut migration =
            flags(&["--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubernetes"]).unwrap();
        migration.issuers[0].extra.push(("example.org/x".to_owned(), claim_expression(name)));
        assert_eq!(errors(&migration), Vec::<String>::new(), "{name}");
    }
}
