//! Names that a token must not bring: reserved, deceptive, missing, too many.

use countersign::dev::issuer::Fault;
use serde_json::Value;

use super::*;
use crate::support::API_AUDIENCE;

/// The mapping of the only issuer.
fn mapping(settings: &mut Settings) -> &mut Value {
    &mut settings.authentication["jwt"][0]["claimMappings"]
}

fn prefixes(settings: &mut Settings, prefix: &str) {
    for name in ["username", "groups"] {
        mapping(settings)[name]["prefix"] = prefix.into();
    }
}

/// Texts that are read as `system:…`, or are it.
const RESERVED: [&str; 16] = [
    "system:masters",
    "system:admin",
    "system:node:n1",
    "system:serviceaccount:kube-system:default",
    "system:",
    "system:anonymous",
    "System:masters",
    "SYSTEM:MASTERS",
    "sYsTeM:x",
    "\u{ff53}ystem:masters",
    "system\u{ff1a}masters",
    "system\u{a789}masters",
    "system\u{2236}masters",
    "\u{0455}ystem:masters",
    "s\u{0443}stem:masters",
    "syst\u{0435}m:masters",
];

/// Texts that hide something from whoever reads them.
const DECEPTIVE: [&str; 18] = [
    " alice",
    "alice ",
    "\talice",
    "alice\n",
    "alice\0",
    "al\0ice",
    "al\u{1b}[31mice",
    "al\u{200b}ice",
    "al\u{200d}ice",
    "\u{feff}alice",
    "al\u{202e}ice",
    "al\u{2066}ice",
    "al\u{ad}ice",
    "al\u{2028}ice",
    "\u{a0}alice",
    "\u{3000}alice",
    "al\u{e0041}ice",
    "\u{7f}alice",
];

#[tokio::test]
async fn d1_d2_d3_reserved_names_are_refused_as_user_and_as_group() {
    let mut gauntlet = Gauntlet::start_as("alice", |settings| prefixes(settings, "")).await;
    let rows = RESERVED.iter().flat_map(|name| {
        [
            row(format!("user {name}"), gauntlet.rig.token().subject(name).mint(), "reserved_identity"),
            row(format!("group {name}"), gauntlet.rig.token().groups(&["a", name]).mint(), "reserved_identity"),
            row(format!("only group {name}"), gauntlet.rig.token().claim("groups", *name).mint(), "reserved_identity"),
        ]
    });
    let rows: Vec<_> = rows.collect();
    gauntlet.refuses(rows).await;
    // Near misses that nobody takes for it.
    for name in ["systemd:x", "system", "systems:x", "my-system:x", "sys:tem"] {
        let token = gauntlet.token().subject(name).groups(&[name]).mint();
        assert_eq!(gauntlet.answer(&token).await, accepted(name));
    }
}

#[tokio::test]
async fn d1_a_prefix_makes_reserved_names_harmless_and_takes_no_part_in_one() {
    let gauntlet = Gauntlet::start().await;
    for name in RESERVED {
        let token = gauntlet.token().subject(name).groups(&[name]).mint();
        assert_eq!(gauntlet.answer(&token).await, accepted(&format!("oidc:{name}")));
    }
    // What prefix and value make together counts.
    let mut gauntlet = Gauntlet::start_as("sysalice", |settings| prefixes(settings, "sys")).await;
    let rows = ["tem:masters", "Tem:x", "\u{0442}em:x"]
        .map(|name| row(name, gauntlet.rig.token().subject(name).mint(), "reserved_identity"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn d1_only_the_exact_names_of_the_list_are_let_through() {
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    let url = issuer.url().to_owned();
    let mut gauntlet = Gauntlet::before_as(issuer, "alice", |settings| {
        prefixes(settings, "");
        of_issuer(&url, "reservedIdentities", json!(["system:node:n1", "system:nodes"]), settings);
    })
    .await;
    let node = gauntlet.token().subject("system:node:n1").groups(&["system:nodes"]).mint();
    assert_eq!(gauntlet.answer(&node).await, accepted("system:node:n1"));
    let rows =
        ["system:node:n2", "system:node:n1:x", "system:node:N1", "System:node:n1", "system:node", "system:masters"]
            .map(|name| row(name, gauntlet.rig.token().subject(name).mint(), "reserved_identity"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn c8_d5_names_that_deceive_or_say_nothing_are_refused() {
    let mut gauntlet = Gauntlet::start().await;
    let token = || gauntlet.rig.token();
    let mut rows: Vec<_> = DECEPTIVE
        .iter()
        .flat_map(|name| {
            [
                row(format!("user {name:?}"), token().subject(name).mint(), "identity_invalid"),
                row(format!("group {name:?}"), token().groups(&["a", name]).mint(), "identity_invalid"),
                row(format!("id {name:?}"), token().claim("jti", *name).mint(), "identity_invalid"),
            ]
        })
        .collect();
    rows.push(row("empty", token().subject("").mint(), "identity_invalid"));
    rows.push(row("a space", token().subject(" ").mint(), "identity_invalid"));
    rows.push(row("too long", token().subject(&"a".repeat(1025)).mint(), "oversized"));
    rows.push(row("too long with its prefix", token().subject(&"a".repeat(1024)).mint(), "oversized"));
    rows.push(row("a group too long", token().groups(&[&"a".repeat(1025)]).mint(), "oversized"));
    gauntlet.refuses(rows).await;
    for name in ["Ælfrēd", "名前", "a b", "o'brien+tag@example.com", "CN=x,O=y", "a:b", "😀"] {
        let answer = gauntlet.answer(&gauntlet.token().subject(name).mint()).await;
        assert_eq!(answer, accepted(&format!("oidc:{name}")));
    }
}

#[tokio::test]
async fn d5_d14_a_mapped_uid_is_there_and_a_string() {
    let mut gauntlet = Gauntlet::start_as("oidc:alice@example.com", |settings| {
        let with = mapping(settings);
        with["username"]["claim"] = "email".into();
        with["uid"] = json!({"claim": "sub"});
    })
    .await;
    let token = || gauntlet.rig.token();
    let rows = [
        row("missing", token().without_claim("sub").mint(), "claim_missing"),
        row("a number", token().claim("sub", 7).mint(), "claim_type"),
        row("deceptive", token().subject("a\u{200b}").mint(), "identity_invalid"),
    ];
    gauntlet.refuses(rows).await;
    let review = gauntlet.rig.caller.review_raw("v1", gauntlet.token().mint().expose_secret(), &[API_AUDIENCE]).await;
    assert_eq!(review["status"]["user"]["uid"], json!("alice"));
    assert_eq!(review["status"]["user"]["username"], json!("oidc:alice@example.com"));
}

#[tokio::test]
async fn d7_an_address_that_is_not_verified_is_no_name() {
    let by_address = |settings: &mut Settings| mapping(settings)["username"]["claim"] = "email".into();
    let mut gauntlet = Gauntlet::start_as("oidc:alice@example.com", by_address).await;
    let token = || gauntlet.rig.token();
    let mut rows = vec![
        row("false", token().claim("email_verified", false).mint(), "email_not_verified"),
        row("null", token().claim("email_verified", json!(null)).mint(), "email_not_verified"),
        row("no address", token().without_claim("email").mint(), "claim_missing"),
        row("a list of addresses", token().claim("email", json!(["alice@example.com"])).mint(), "claim_type"),
    ];
    for value in [json!("true"), json!(1), json!([true]), json!({}), json!("")] {
        rows.push(row(&value, token().claim("email_verified", value.clone()).mint(), "claim_type"));
    }
    gauntlet.refuses(rows).await;
    // Kubernetes lets it be absent, unless the operator does not.
    let unsaid = gauntlet.token().without_claim("email_verified").mint();
    gauntlet.accepts([("unsaid".to_owned(), unsaid)], "oidc:alice@example.com").await;
    let url = gauntlet.rig.issuer.url().to_owned();
    gauntlet.rig.reconfigure(|settings| of_issuer(&url, "requireVerifiedEmail", true, settings));
    let unsaid = gauntlet.token().without_claim("email_verified").mint();
    assert_eq!(gauntlet.answer(&unsaid).await, undecided("email_not_verified"));
}

#[tokio::test]
async fn d12_distributed_claims_are_not_followed_where_nobody_allows_it() {
    let mut gauntlet = Gauntlet::start().await;
    let url = gauntlet.rig.issuer.url().to_owned();
    let endpoints = [format!("{url}/groups"), "http://169.254.169.254/".to_owned(), "file:///etc/passwd".to_owned()];
    let rows = endpoints.map(|endpoint| {
        let token = gauntlet
            .token()
            .without_claim("groups")
            .claim("_claim_names", json!({"groups": "source"}))
            .claim("_claim_sources", json!({"source": {"endpoint": endpoint, "access_token": "x"}}));
        row(&endpoint, token.mint(), "distributed_endpoint")
    });
    gauntlet.refuses(rows).await;
    let names = || gauntlet.token().without_claim("groups").claim("_claim_names", json!({"groups": "nowhere"}));
    let rows = [
        row("no sources", names().mint(), "malformed"),
        row("no such source", names().claim("_claim_sources", json!({})).mint(), "malformed"),
        row(
            "names alone",
            gauntlet.token().without_claim("groups").claim("_claim_names", json!({})).mint(),
            "malformed",
        ),
    ];
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn d13_groups_are_taken_whole_or_not_at_all() {
    let mut gauntlet = Gauntlet::start().await;
    let groups = |count: usize| (0..count).map(|at| format!("g{at}")).collect::<Vec<_>>();
    let token = gauntlet.token().claim("groups", groups(500)).mint();
    let review = gauntlet.rig.caller.review_raw("v1", token.expose_secret(), &[API_AUDIENCE]).await;
    let expected: Vec<_> = groups(500).iter().map(|group| format!("oidc:{group}")).collect();
    assert_eq!(review["status"]["user"]["groups"], json!(expected));
    let rows = [501, 2000, 5000]
        .map(|count| row(count, gauntlet.rig.token().claim("groups", groups(count)).mint(), "oversized"));
    gauntlet.refuses(rows).await;
}

#[tokio::test]
async fn d10_the_same_token_is_the_same_user_every_time() {
    let gauntlet = Gauntlet::start().await;
    for round in 0..50 {
        let token = gauntlet.token().groups(&["b", "a", "c"]).claim("jti", "same").mint();
        let review = gauntlet.rig.caller.review_raw("v1", token.expose_secret(), &[API_AUDIENCE]).await;
        assert_eq!(
            review["status"]["user"],
            json!({
                "username": "oidc:alice",
                "groups": ["oidc:b", "oidc:a", "oidc:c"],
                "extra": {"authentication.kubernetes.io/credential-id": ["JTI=same"]},
            }),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn d11_googles_second_name_stands_for_google_alone() {
    const GOOGLE: &str = "https://accounts.google.com";
    let issuer = issuer_of(&[Algorithm::Es256]).await;
    issuer.fail(Endpoint::Discovery, Fault::WrongIssuer(GOOGLE.to_owned()));
    let discovery = format!("{}/.well-known/openid-configuration", issuer.url());
    let rig = Rig::launch(issuer, |settings| {
        settings.service["server"]["refusalReasons"] = true.into();
        let issuer = &mut settings.authentication["jwt"][0]["issuer"];
        issuer["url"] = GOOGLE.into();
        issuer["discoveryURL"] = discovery.into();
    })
    .await;
    rig.until_ready().await;
    for name in [GOOGLE, "accounts.google.com"] {
        assert_eq!(rig.caller.review(&rig.token().issuer(name).mint()).await, accepted("oidc:alice"), "{name}");
    }
    for name in
        ["http://accounts.google.com", "accounts.google.com/", "Accounts.google.com", "google.com", rig.issuer.url()]
    {
        assert_eq!(rig.caller.review(&rig.token().issuer(name).mint()).await, undecided("unknown_issuer"), "{name}");
    }
}
