//! Our own settings: every rule, each broken alone, and all problems at once.

use std::time::Duration;

use tracing::Level;

use super::*;
use crate::config::{
    Admin, AllowedEndpoint, Cache, DistributedClaims, Drain, Issuer, Keys, Log, LogFormat, Reload, TokenProfile,
};
use crate::mapping::{Mapping, Reserved, Source};

/// Changes to a sound main file, and what is found then.
type Case<'a> = (&'a str, &'a [(&'a str, Value)], &'a [&'a str]);

#[track_caller]
fn assert_cases(cases: &[Case<'_>]) {
    for (case, changes, expected) in cases {
        let mut main = sound_main();
        for (path, value) in *changes {
            set(&mut main, path, value.clone());
        }
        assert_found(&Folder::new().load_both(&main, &sound_kubernetes()), expected, case);
    }
}

/// The configuration after these changes, which must be sound.
fn config(changes: &[(&str, Value)]) -> Config {
    let mut main = sound_main();
    for (path, value) in changes {
        set(&mut main, path, value.clone());
    }
    let loaded = Folder::new().load_both(&main, &sound_kubernetes());
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.findings))
}

#[test]
fn a_sound_configuration_is_loaded_with_the_defaults() {
    let Config { server, admin, issuers, cache, reload, state_directory, log } = config(&[]);
    assert_eq!(server.address, "127.0.0.1:8443".parse().unwrap());
    let api_audiences = ["https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"];
    assert_eq!(server.api_audiences, api_audiences);
    assert!(!server.refusal_reasons);
    assert_eq!(server.drain, Drain { lame_duck: Duration::from_secs(5), timeout: Duration::from_secs(30) });
    assert_eq!(server.callers.allowed_names, ["kube-apiserver"]);
    assert!(!server.callers.anonymous);
    assert_eq!(admin, Admin { address: "127.0.0.1:8080".parse().unwrap() });
    let cache_defaults =
        Cache { max_size: 64 << 20, accept_ttl: Duration::from_secs(300), reject_ttl: Duration::from_secs(10) };
    assert_eq!(cache, cache_defaults);
    assert_eq!(reload, Reload { grace: Duration::from_secs(60) });
    assert_eq!(state_directory, None);
    assert_eq!(log, Log { format: LogFormat::Json, level: Level::INFO });
    let one = Issuer {
        url: "https://one.example".to_owned(),
        discovery_url: None,
        certificate_authority: None,
        proxy: None,
        audiences: vec!["kubernetes".to_owned()],
        signing_algorithms: None,
        clock_skew: Duration::ZERO,
        token_profile: TokenProfile::Any,
        keys: Keys { refresh_interval: Duration::from_secs(300), max_staleness: Duration::from_secs(86_400) },
        distributed_claims: DistributedClaims::default(),
        mapping: Mapping {
            username: Source::claim("sub", "one:"),
            groups: Some(Source::claim("groups", "one:")),
            uid: None,
            extra: Vec::new(),
            rules: Vec::new(),
            user_rules: Vec::new(),
            reserved: Reserved::Reject,
            require_verified_email: false,
        },
    };
    assert_eq!(issuers.first(), Some(&one));
    assert_eq!(
        issuers.iter().map(|issuer| issuer.url.as_str()).collect::<Vec<_>>(),
        ["https://one.example", "https://two.example"]
    );
}

#[test]
fn every_setting_reaches_the_configuration() {
    let config = config(&[
        ("server.address", json!(":9443")),
        ("server.apiAudiences", json!(["https://api.example"])),
        ("server.refusalReasons", json!(true)),
        ("server.drain", json!({"lameDuck": "0s", "timeout": "1m30s"})),
        ("admin.address", json!("[::1]:9090")),
        ("cache", json!({"maxSize": "1Gi", "acceptTTL": "0", "rejectTTL": 0})),
        ("reload", json!({"grace": "90s"})),
        ("stateDirectory", json!("state")),
        ("log", json!({"format": "text", "level": "debug"})),
        ("introspection", json!([])),
        (
            "issuers",
            json!([{
                "url": "https://two.example",
                "signingAlgorithms": ["Ed25519", "ES512", "PS256"],
                "clockSkew": "5m",
                "reservedIdentities": ["system:serviceaccount:a:b"],
                "tokenProfile": "access_token",
                "proxy": "http://proxy.example:3128",
                "keys": {"refreshInterval": "1s", "maxStaleness": "720h"},
                "distributedClaims": {
                    "allowedEndpoints": ["https://graph.example/users/", "https://one.example/groups"],
                    "allowedIssuers": ["https://groups.example"],
                },
            }]),
        ),
    ]);
    assert_eq!(config.server.address, "0.0.0.0:9443".parse().unwrap());
    assert_eq!(config.server.api_audiences, ["https://api.example"]);
    assert!(config.server.refusal_reasons);
    assert_eq!(config.server.drain, Drain { lame_duck: Duration::ZERO, timeout: Duration::from_secs(90) });
    assert_eq!(config.admin.address, "[::1]:9090".parse().unwrap());
    assert_eq!(config.reload, Reload { grace: Duration::from_secs(90) });
    assert_eq!(config.cache, Cache { max_size: 1 << 30, accept_ttl: Duration::ZERO, reject_ttl: Duration::ZERO });
    assert_eq!(config.state_directory.unwrap().file_name().unwrap(), "state");
    assert_eq!(config.log, Log { format: LogFormat::Text, level: Level::DEBUG });
    let [one, two] = &config.issuers[..] else { panic!("two issuers") };
    assert_eq!(one.signing_algorithms, None);
    assert_eq!(two.signing_algorithms, Some(["EdDSA", "ES512", "PS256"].map(str::to_owned).to_vec()));
    assert_eq!(two.clock_skew, Duration::from_secs(300));
    let let_through = Reserved::Allow(vec!["system:serviceaccount:a:b".to_owned()]);
    assert_eq!(two.mapping.reserved, let_through);
    assert_eq!(two.token_profile, TokenProfile::AccessToken);
    let keys = Keys { refresh_interval: Duration::from_secs(1), max_staleness: Duration::from_secs(30 * 86_400) };
    assert_eq!(two.keys, keys);
    assert_eq!(two.proxy.as_deref(), Some("http://proxy.example:3128"));
    let endpoints: Vec<_> = two.distributed_claims.allowed_endpoints.iter().map(AllowedEndpoint::as_str).collect();
    assert_eq!(endpoints, ["https://graph.example/users/", "https://one.example/groups"]);
    assert_eq!(two.distributed_claims.allowed_issuers, ["https://groups.example"]);
}

#[test]
fn require_verified_email_is_for_issuers_whose_users_are_addresses() {
    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[0].claimMappings.username.claim", json!("email"));
    let mut main = sound_main();
    let entry = |url: &str| json!({"url": url, "requireVerifiedEmail": true});
    set(&mut main, "issuers", json!([entry("https://one.example"), entry("https://two.example")]));
    let loaded = Folder::new().load_both(&main, &kubernetes);
    assert_found(&loaded, &["warning no_effect issuers[1].requireVerifiedEmail"], "email");
    assert!(loaded.config.unwrap().issuers[0].mapping.require_verified_email);
}

#[test]
fn j4_the_document_must_be_ours() {
    assert_cases(&[
        ("version", &[("apiVersion", json!("v1"))], &["error unknown_version apiVersion"]),
        ("no version", &[("apiVersion", json!(null))], &["error required apiVersion"]),
        ("kind", &[("kind", json!("Config"))], &["error unknown_kind kind"]),
        ("empty kind", &[("kind", json!(""))], &["error required kind"]),
        (
            "an AuthenticationConfiguration in its place",
            &[("apiVersion", json!("apiserver.config.k8s.io/v1")), ("kind", json!("AuthenticationConfiguration"))],
            &["error unknown_version apiVersion", "error unknown_kind kind"],
        ),
    ]);
}

#[test]
fn j4_unknown_fields_are_found_at_every_level() {
    let paths = [
        "odd",
        "server.odd",
        "server.tls.odd",
        "server.callers.odd",
        "server.drain.odd",
        "admin.odd",
        "cache.odd",
        "cache.acceptTtl",
        "reload.odd",
        "log.odd",
        "authenticationconfigurationfile",
        "issuers[0].odd",
        "issuers[0].keys.odd",
        "issuers[0].distributedClaims.odd",
    ];
    let mut main = sound_main();
    set(&mut main, "issuers[0].url", json!("https://one.example"));
    for path in paths {
        set(&mut main, path, json!(1));
    }
    let expected: Vec<_> = paths.iter().map(|path| format!("error unknown_field {path}")).collect();
    let expected: Vec<_> = expected.iter().map(String::as_str).collect();
    let loaded = Folder::new().load_both(&main, &sound_kubernetes());
    assert_found(&loaded, &expected, "unknown fields");
    let remedy = &loaded.findings.iter().find(|finding| finding.path == "server.tls.odd").unwrap().remedy;
    assert!(remedy.contains("`certificateFile`") && remedy.contains("`privateKeyFile`"), "{remedy}");
}

#[test]
fn j4_duplicate_fields_are_found_at_every_level() {
    let text = "\
apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
kind: CountersignConfiguration
server:
  tls: {certificateFile: tls.crt, privateKeyFile: tls.key, certificateFile: tls.crt}
  callers: {anonymous: true}
  callers: {anonymous: false}
authenticationConfigurationFile: authentication.yaml
issuers: [{url: https://one.example, \"url\": https://two.example}]
";
    let folder = Folder::new();
    folder.write("authentication.yaml", sound_kubernetes().to_string());
    let loaded = folder.load(text);
    assert_found(
        &loaded,
        &[
            "error duplicate_field kind",
            "error duplicate_field server.tls.certificateFile",
            "error duplicate_field server.callers",
            "error duplicate_field issuers[0].url",
            "info anonymous_callers server.callers.anonymous",
        ],
        "duplicates",
    );
}

#[test]
fn c2_a_list_is_not_taken_for_the_fields_in_their_order() {
    assert_cases(&[
        ("server", &[("server", json!(["127.0.0.1:8443"]))], &["error wrong_type server"]),
        ("tls", &[("server.tls", json!(["tls.crt", "tls.key"]))], &["error wrong_type server.tls"]),
        ("entry", &[("issuers", json!([["https://one.example"]]))], &["error wrong_type issuers[0]"]),
    ]);
}

#[test]
fn j4_values_of_the_wrong_type_are_found() {
    assert_cases(&[
        ("mapping", &[("server", json!("x"))], &["error wrong_type server"]),
        ("text", &[("server.address", json!(8443))], &["error wrong_type server.address"]),
        ("text", &[("stateDirectory", json!(true))], &["error wrong_type stateDirectory"]),
        ("flag", &[("server.refusalReasons", json!("yes"))], &["error wrong_type server.refusalReasons"]),
        ("list", &[("issuers", json!({"url": "x"}))], &["error wrong_type issuers"]),
        (
            "list of text",
            &[("server.apiAudiences", json!(["a", 5, "a"]))],
            &["error wrong_type server.apiAudiences[1]", "error duplicate server.apiAudiences[2]"],
        ),
        (
            "list of mappings",
            &[("issuers", json!([null, 5]))],
            &["error wrong_type issuers[0]", "error wrong_type issuers[1]"],
        ),
        ("duration", &[("cache.acceptTTL", json!(1.5))], &["error wrong_type cache.acceptTTL"]),
        ("size", &[("cache.maxSize", json!(["64Mi"]))], &["error wrong_type cache.maxSize"]),
        (
            "word or list",
            &[("issuers[0]", json!({"url": "https://one.example", "reservedIdentities": true}))],
            &["error wrong_type issuers[0].reservedIdentities"],
        ),
    ]);
}

#[test]
fn j4_plain_yes_and_numbers_are_not_guessed_at() {
    let folder = Folder::new();
    folder.write("authentication.yaml", sound_kubernetes().to_string());
    let text = "\
apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
server:
  tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
  callers: {clientCertificateAuthorityFile: callers-ca.crt, allowedNames: [007, on, ~], anonymous: no}
authenticationConfigurationFile: authentication.yaml
";
    let loaded = folder.load(text);
    let expected = [
        "error wrong_type server.callers.allowedNames[0]",
        "error wrong_type server.callers.allowedNames[2]",
        "error wrong_type server.callers.anonymous",
    ];
    assert_found(&loaded, &expected, "guesses");
}

#[test]
fn j4_addresses_are_checked() {
    let cases: Vec<_> = ["", "8443", "localhost:8443", "127.0.0.1", "127.0.0.1:65536", "127.0.0.1:x", "[::1:80", ":"]
        .into_iter()
        .flat_map(|text| [("server.address", text), ("admin.address", text)])
        .collect();
    for (path, text) in cases {
        assert_cases(&[(text, &[(path, json!(text))], &[&format!("error invalid_address {path}")])]);
    }
    let conflict = &["error address_conflict admin.address"];
    assert_cases(&[
        ("same", &[("admin.address", json!("127.0.0.1:8443"))], conflict),
        ("all interfaces", &[("admin.address", json!(":8443"))], conflict),
        ("all interfaces", &[("server.address", json!(":8080"))], conflict),
        ("other interface", &[("admin.address", json!("127.0.0.2:8443"))], &[]),
        ("any port", &[("admin.address", json!("127.0.0.1:0")), ("server.address", json!("127.0.0.1:0"))], &[]),
    ]);
}

#[test]
fn j4_missing_files_are_findings_at_their_fields() {
    let absent = json!("absent");
    assert_cases(&[
        (
            "certificate",
            &[("server.tls.certificateFile", absent.clone())],
            &["error file_unreadable server.tls.certificateFile"],
        ),
        ("key", &[("server.tls.privateKeyFile", absent.clone())], &["error file_unreadable server.tls.privateKeyFile"]),
        (
            "authority",
            &[("server.callers.clientCertificateAuthorityFile", absent.clone())],
            &["error file_unreadable server.callers.clientCertificateAuthorityFile"],
        ),
        (
            "token",
            &[("server.callers.bearerTokenFiles[1]", absent.clone())],
            &["error file_unreadable server.callers.bearerTokenFiles[1]"],
        ),
        (
            "kubernetes",
            &[("authenticationConfigurationFile", absent)],
            &["error file_unreadable authenticationConfigurationFile"],
        ),
        (
            "directory",
            &[("server.tls.certificateFile", json!("."))],
            &["error file_unreadable server.tls.certificateFile"],
        ),
        ("empty name", &[("server.tls.certificateFile", json!(""))], &["error required server.tls.certificateFile"]),
        (
            "no names",
            &[("server.tls", json!(null))],
            &["error required server.tls.certificateFile", "error required server.tls.privateKeyFile"],
        ),
        (
            "empty name",
            &[("authenticationConfigurationFile", json!(""))],
            &["error required authenticationConfigurationFile"],
        ),
    ]);
}

#[test]
fn a_missing_file_is_named_with_a_remedy() {
    let mut main = sound_main();
    set(&mut main, "server.tls.certificateFile", json!("absent.crt"));
    let folder = Folder::new();
    let loaded = folder.load_both(&main, &sound_kubernetes());
    let finding = loaded.findings.iter().next().unwrap();
    assert!(finding.message.contains(&folder.path("absent.crt").display().to_string()), "{finding}");
    assert!(finding.remedy.contains(&folder.0.path().display().to_string()), "{finding}");
}

#[test]
fn j4_somebody_must_be_let_in_and_only_by_saying_so() {
    let token = json!(["caller.token"]);
    let callers = |callers: Value| vec![("server.callers", callers)];
    let warning = "warning anonymous_callers server.callers.anonymous";
    for (value, expected) in [
        (json!(null), &["error required server.callers"][..]),
        (json!({}), &["error required server.callers"]),
        (json!({"anonymous": false, "bearerTokenFiles": []}), &["error required server.callers"]),
        (json!({"clientCertificateAuthorityFile": "callers-ca.crt"}), &[]),
        (json!({"bearerTokenFiles": token}), &[]),
        (json!({"anonymous": true}), &["info anonymous_callers server.callers.anonymous"]),
        (json!({"anonymous": true, "bearerTokenFiles": token}), &[warning]),
        (json!({"anonymous": true, "clientCertificateAuthorityFile": "callers-ca.crt"}), &[warning]),
        (json!({"bearerTokenFiles": token, "allowedNames": ["a"]}), &["error invalid server.callers.allowedNames"]),
        (
            json!({"clientCertificateAuthorityFile": "callers-ca.crt", "allowedNames": []}),
            &["error empty_list server.callers.allowedNames"],
        ),
        (
            json!({"clientCertificateAuthorityFile": "callers-ca.crt", "allowedNames": ["a", "", "a"]}),
            &["error required server.callers.allowedNames[1]", "error duplicate server.callers.allowedNames[2]"],
        ),
    ] {
        let case = value.to_string();
        assert_cases(&[(&case, &callers(value), expected)]);
    }
}

#[test]
fn j4_audiences_of_the_api_server_are_checked() {
    let audiences = |list: Value| [("server.apiAudiences", list)];
    assert_cases(&[
        ("empty", &audiences(json!([])), &["warning no_api_audiences server.apiAudiences"]),
        ("blank", &audiences(json!(["a", ""])), &["error required server.apiAudiences[1]"]),
        ("twice", &audiences(json!(["a", "b", "a"])), &["error duplicate server.apiAudiences[2]"]),
    ]);
}

#[test]
fn j4_durations_and_sizes_are_checked() {
    let issuer = |field: &str, value: &str| {
        let mut entry = json!({"url": "https://one.example"});
        set(&mut entry, field, json!(value));
        json!([entry])
    };
    for (path, good, out_of_range) in [
        ("server.drain.lameDuck", &["0s", "5m"][..], &["5m1s"][..]),
        ("server.drain.timeout", &["1s", "10m"], &["999ms", "10m1s"]),
        ("cache.acceptTTL", &["0s", "24h"], &["24h1s"]),
        ("cache.rejectTTL", &["0s", "10m"], &["10m1s"]),
        ("reload.grace", &["0s", "1h"], &["1h1s"]),
    ] {
        for text in good {
            assert_cases(&[(text, &[(path, json!(text))], &[])]);
        }
        for text in out_of_range {
            assert_cases(&[(text, &[(path, json!(text))], &[&format!("error out_of_range {path}")])]);
        }
        for text in ["", "5", "-1s", "1d", "x", "99999999h"] {
            assert_cases(&[(text, &[(path, json!(text))], &[&format!("error invalid_duration {path}")])]);
        }
        assert_cases(&[("number", &[(path, json!(5))], &[&format!("error invalid_duration {path}")])]);
    }
    for (field, good, out_of_range) in [
        ("clockSkew", &["0s", "5m"][..], &["5m1s"][..]),
        ("keys.refreshInterval", &["1s", "24h"], &["999ms", "25h"]),
        ("keys.maxStaleness", &["5m", "720h"], &["4m59s", "0s", "721h"]),
    ] {
        for text in good {
            assert_cases(&[(text, &[("issuers", issuer(field, text))], &[])]);
        }
        for text in out_of_range {
            let expected = format!("error out_of_range issuers[0].{field}");
            assert_cases(&[(text, &[("issuers", issuer(field, text))], &[&expected])]);
        }
        let expected = format!("error invalid_duration issuers[0].{field}");
        assert_cases(&[("text", &[("issuers", issuer(field, "soon"))], &[&expected])]);
    }
    for (value, code) in [
        (json!("1Mi"), None),
        (json!(1 << 20), None),
        (json!("64Gi"), None),
        (json!((1 << 20) - 1), Some("out_of_range")),
        (json!("65Gi"), Some("out_of_range")),
        (json!("64m"), Some("invalid_size")),
        (json!("64MB"), Some("invalid_size")),
        (json!(""), Some("invalid_size")),
        (json!(-5), Some("invalid_size")),
        (json!("99999999999999999999"), Some("invalid_size")),
    ] {
        let expected: Vec<_> = code.iter().map(|code| format!("error {code} cache.maxSize")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_cases(&[(&value.to_string(), &[("cache.maxSize", value.clone())], &expected)]);
    }
}

#[test]
fn j4_words_are_checked() {
    assert_cases(&[
        ("format", &[("log.format", json!("xml"))], &["error invalid log.format"]),
        ("level", &[("log.level", json!("INFO"))], &["error invalid log.level"]),
        ("directory", &[("stateDirectory", json!(""))], &["error invalid stateDirectory"]),
        (
            "introspection",
            &[("introspection", json!([{"url": "https://one.example"}]))],
            &["error introspection_not_supported introspection"],
        ),
    ]);
}

#[test]
fn j4_kubernetes_part_comes_from_one_place() {
    assert_cases(&[
        (
            "neither",
            &[("authenticationConfigurationFile", json!(null))],
            &["error required authenticationConfigurationFile"],
        ),
        (
            "both",
            &[("authenticationConfiguration", sound_kubernetes())],
            &["error mutually_exclusive authenticationConfiguration"],
        ),
        (
            "a broken one",
            &[("authenticationConfigurationFile", json!(null)), ("authenticationConfiguration", json!("x"))],
            &["error wrong_type authenticationConfiguration"],
        ),
    ]);
}

#[test]
fn j4_settings_of_issuers_are_checked() {
    let one = "https://one.example";
    let with = |field: &str, value: Value| {
        let mut entry = json!({"url": one});
        set(&mut entry, field, value);
        vec![("issuers", json!([entry]))]
    };
    let issuers = |list: Value| vec![("issuers", list)];
    assert_cases(&[
        ("no url", &issuers(json!([{}])), &["error required issuers[0].url"]),
        ("unknown", &issuers(json!([{"url": "https://other.example"}])), &["error unknown_issuer issuers[0].url"]),
        (
            "d9 one slash more",
            &issuers(json!([{"url": "https://one.example/"}])),
            &["error unknown_issuer issuers[0].url"],
        ),
        ("twice", &issuers(json!([{"url": one}, {"url": one}])), &["error duplicate issuers[1].url"]),
        ("no algorithms", &with("signingAlgorithms", json!([])), &["error empty_list issuers[0].signingAlgorithms"]),
        (
            "a2 algorithms",
            &with(
                "signingAlgorithms",
                json!(["RS256", "none", "HS256", "rs256", "ES256K", "", "RS256", "EdDSA", "Ed25519"]),
            ),
            &[
                "error unknown_algorithm issuers[0].signingAlgorithms[1]",
                "error unknown_algorithm issuers[0].signingAlgorithms[2]",
                "error unknown_algorithm issuers[0].signingAlgorithms[3]",
                "error unknown_algorithm issuers[0].signingAlgorithms[4]",
                "error unknown_algorithm issuers[0].signingAlgorithms[5]",
                "error duplicate issuers[0].signingAlgorithms[6]",
                "error duplicate issuers[0].signingAlgorithms[8]",
            ],
        ),
        ("d1 word", &with("reservedIdentities", json!("allow")), &["error invalid issuers[0].reservedIdentities"]),
        ("d1 no names", &with("reservedIdentities", json!([])), &[]),
        (
            "d1 names",
            &with("reservedIdentities", json!(["system:a", "", "alice", "system:a", "System:b", "system:masters"])),
            &[
                "error required issuers[0].reservedIdentities[1]",
                "error invalid issuers[0].reservedIdentities[2]",
                "error duplicate issuers[0].reservedIdentities[3]",
                "error invalid issuers[0].reservedIdentities[4]",
                "warning unlimited_rights issuers[0].reservedIdentities[5]",
            ],
        ),
        ("profile", &with("tokenProfile", json!("id-token")), &["error invalid issuers[0].tokenProfile"]),
        (
            "keys",
            &with("keys", json!({"refreshInterval": "1h", "maxStaleness": "59m"})),
            &["error out_of_range issuers[0].keys.maxStaleness"],
        ),
    ]);
}

#[test]
fn a_proxy_is_a_host_and_a_port() {
    for (address, is_good) in [
        ("http://proxy.example:3128", true),
        ("https://proxy.example", true),
        ("http://10.0.0.1:3128/", true),
        ("http://[::1]:3128", true),
        ("proxy.example:3128", false),
        ("socks5://proxy.example:1080", false),
        ("http://", false),
        ("", false),
        ("http://user:secret@proxy.example:3128", false),
        ("http://proxy.example/path", false),
        ("http://proxy.example?x=y", false),
        ("http://proxy.example#x", false),
    ] {
        let mut main = sound_main();
        set(&mut main, "issuers", json!([{"url": "https://one.example", "proxy": address}]));
        let loaded = Folder::new().load_both(&main, &sound_kubernetes());
        let expected: &[&str] = if is_good { &[] } else { &["error invalid_url issuers[0].proxy"] };
        assert_found(&loaded, expected, address);
        assert!(!loaded.findings.to_string().contains("secret"), "{}", loaded.findings);
    }
}

#[test]
fn an_egress_selector_is_explained_unless_the_issuer_has_a_proxy() {
    let mut kubernetes = sound_kubernetes();
    for entry in ["jwt[0]", "jwt[1]"] {
        set(&mut kubernetes, &format!("{entry}.issuer.egressSelectorType"), json!("cluster"));
    }
    let mut main = sound_main();
    set(&mut main, "issuers", json!([{"url": "https://one.example", "proxy": "http://proxy.example:3128"}]));
    let loaded = Folder::new().load_both(&main, &kubernetes);
    assert_found(&loaded, &["warning egress_ignored jwt[1].issuer.egressSelectorType"], "egress");
}

#[test]
fn d12_addresses_for_distributed_claims_are_checked() {
    let endpoint = |index: usize| format!("error invalid_url issuers[0].distributedClaims.allowedEndpoints[{index}]");
    let issuer = |index: usize| format!("error invalid_url issuers[0].distributedClaims.allowedIssuers[{index}]");
    let no_effect = |field: &str| format!("warning no_effect issuers[0].distributedClaims.{field}");
    let one = json!(["https://graph.example/users/"]);
    let many: Vec<_> = (0..17).map(|number| format!("https://{number}.example")).collect();
    for (section, expected) in [
        (json!({}), vec![]),
        (json!({"allowedEndpoints": [], "allowedIssuers": []}), vec![]),
        (json!({"allowedEndpoints": one, "allowedIssuers": ["https://groups.example"]}), vec![]),
        (
            json!({"allowedEndpoints": [
                "http://graph.example/", "graph.example", "https://u@graph.example/", "https://Graph.example/",
                "https://graph.example/a/../b", "https://graph.example/%2f", "https://graph.example/x",
            ]}),
            (0..6).map(endpoint).collect(),
        ),
        (
            json!({"allowedEndpoints": ["https://a.example/", "", "https://a.example/"]}),
            vec![
                "error required issuers[0].distributedClaims.allowedEndpoints[1]".to_owned(),
                "error duplicate issuers[0].distributedClaims.allowedEndpoints[2]".to_owned(),
            ],
        ),
        (
            json!({"allowedEndpoints": one, "allowedIssuers": ["http://a.example", "https://a.example?x", "https://"]}),
            (0..3).map(issuer).collect(),
        ),
        (
            json!({"allowedEndpoints": one, "allowedIssuers": many}),
            vec!["error too_many issuers[0].distributedClaims.allowedIssuers".to_owned()],
        ),
        (json!({"allowedIssuers": ["https://groups.example"]}), vec![no_effect("allowedIssuers")]),
        (
            json!({"allowedEndpoints": one, "allowedIssuers": ["https://one.example"]}),
            vec![no_effect("allowedIssuers[0]")],
        ),
    ] {
        let mut main = sound_main();
        set(&mut main, "issuers", json!([{"url": "https://one.example", "distributedClaims": section}]));
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        let loaded = Folder::new().load_both(&main, &sound_kubernetes());
        assert_found(&loaded, &expected, &section.to_string());
    }
    let mut kubernetes = sound_kubernetes();
    unset(&mut kubernetes, "jwt[0].claimMappings.groups");
    let mut main = sound_main();
    let section = json!({"allowedEndpoints": one});
    set(&mut main, "issuers", json!([{"url": "https://one.example", "distributedClaims": section}]));
    let loaded = Folder::new().load_both(&main, &kubernetes);
    assert_found(&loaded, &[&no_effect("allowedEndpoints")], "no groups");
}

#[test]
fn settings_are_not_called_foreign_when_kubernetes_part_cannot_be_read() {
    let entry = json!([{"url": "https://other.example"}]);
    assert_cases(&[(
        "absent",
        &[("issuers", entry.clone()), ("authenticationConfigurationFile", json!("absent"))],
        &["error file_unreadable authenticationConfigurationFile"],
    )]);
    let mut main = sound_main();
    set(&mut main, "issuers", entry);
    set(&mut main, "admin", json!(5));
    let mut kubernetes = sound_kubernetes();
    set(&mut kubernetes, "jwt[1].issuer.url", json!(5));
    let loaded = Folder::new().load_both(&main, &kubernetes);
    assert_found(&loaded, &["error wrong_type admin", "error wrong_type jwt[1].issuer.url"], "unreadable url");

    // A wrong field elsewhere does not hide it.
    let loaded = Folder::new().load_both(&main, &sound_kubernetes());
    assert_found(&loaded, &["error wrong_type admin", "error unknown_issuer issuers[0].url"], "wrong elsewhere");
}

#[test]
fn j4_all_problems_are_found_at_once_with_their_lines() {
    let folder = Folder::new();
    folder.write(
        "authentication.yaml",
        "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer:
      url: http://one.example
    claimMappings:
      username: {claim: sub}
",
    );
    let loaded = folder.load(
        "\
apiVersion: countersign.dev/v1
server:
  adress: 0.0.0.0:8443
  tls:
    certificateFile: absent.crt
    privateKeyFile: 5
  callers:
    anonymous: yes
authenticationConfigurationFile: authentication.yaml
issuers:
  - clockSkew: 1h
cache: {maxSize: 1}
",
    );
    let found: Vec<_> = loaded
        .findings
        .iter()
        .map(|finding| {
            let lines = finding.message.split(": ").next().filter(|start| start.contains("line ")).unwrap_or("");
            format!("{} {} ({lines})", finding.code, finding.path)
        })
        .collect();
    assert_eq!(
        found,
        [
            "unknown_field server.adress (line 3)",
            "wrong_type server.callers.anonymous (line 8)",
            "wrong_type server.tls.privateKeyFile (line 6)",
            "unknown_version apiVersion (line 1)",
            "required kind ()",
            "file_unreadable server.tls.certificateFile (line 5)",
            "out_of_range issuers[0].clockSkew (line 11)",
            "required issuers[0].url (line 11)",
            "out_of_range cache.maxSize (line 12)",
            "invalid_url jwt[0].issuer.url (authentication.yaml, line 5)",
            "required jwt[0].issuer.audiences (authentication.yaml, line 5)",
            "required jwt[0].claimMappings.username.prefix (authentication.yaml, line 7)",
        ]
    );
}
