//! Changing the files under a running service: what is not usable changes nothing, what is usable holds at once.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::dev::issuer::Endpoint;
use countersign::token::BearerToken;
use countersign::wiring::pki::Authority;
use serde_json::{Value, json};

use crate::support::{
    API_AUDIENCE, Answer, Caller, Rig, Settings, accepted, issuer, jwt, refused, replace, review_body, undecided,
    validity, within_reason,
};

/// A way to break the configuration, and what the operator reads about it.
type Break = (fn(&mut Settings), &'static str);

const BROKEN_SERVICE: &[Break] = &[
    (|s| s.service["apiVersion"] = json!("countersign.dev/v2"), "apiVersion"),
    (|s| s.service["kind"] = json!("Deployment"), "kind"),
    (|s| s.service["sever"] = json!({}), "sever"),
    (|s| s.service["server"]["tls"]["certifcateFile"] = json!("tls.crt"), "certifcateFile"),
    (|s| s.service["server"]["address"] = json!("localhost"), "server.address"),
    (|s| s.service["server"]["address"] = json!("127.0.0.1:1"), "server.address cannot change while running"),
    (|s| s.service["admin"]["address"] = json!("127.0.0.1:2"), "admin.address cannot change while running"),
    (|s| s.service["server"]["drain"]["timeout"] = json!("3s"), "server.drain cannot change while running"),
    (|s| s.service["log"] = json!({"level": "error"}), "log cannot change while running"),
    (|s| s.service["log"] = json!({"level": "loud"}), "log.level"),
    (|s| s.service["server"]["tls"]["certificateFile"] = json!("absent.crt"), "server.tls.certificateFile"),
    (|s| s.service["server"]["tls"]["certificateFile"] = json!("tls.key"), "server.tls.certificateFile"),
    (|s| s.service["server"]["tls"]["privateKeyFile"] = json!("callers-ca.crt"), "server.tls.privateKeyFile"),
    (|s| s.service["server"]["callers"] = json!({}), "server.callers"),
    (|s| s.service["server"]["callers"]["allowedNames"] = json!([]), "server.callers.allowedNames"),
    (|s| s.service["server"]["callers"]["bearerTokenFiles"] = json!(["absent"]), "server.callers.bearerTokenFiles"),
    (|s| s.service["server"]["callers"]["bearerTokenFiles"] = json!(["tls.key"]), "server.callers.bearerTokenFiles"),
    (|s| s.service["server"]["callers"]["anonymous"] = json!("yes"), "server.callers.anonymous"),
    (|s| s.service["server"]["callers"]["clientCertificateAuthorityFile"] = json!("tls.key"), "AuthorityFile"),
    (|s| s.service["server"]["apiAudiences"] = json!(["a", "a"]), "server.apiAudiences"),
    (|s| s.service["cache"] = json!({"maxSize": "1"}), "cache.maxSize"),
    (|s| s.service["cache"] = json!({"acceptTTL": "-5m"}), "cache.acceptTTL"),
    (|s| s.service["cache"] = json!({"rejectTTL": "1d"}), "cache.rejectTTL"),
    (|s| s.service["introspection"] = json!([{"url": "https://idp.example.com"}]), "introspection"),
    (|s| s.service["stateDirectory"] = json!(""), "stateDirectory"),
    (|s| s.service["authenticationConfigurationFile"] = json!("absent.yaml"), "authenticationConfigurationFile"),
    (|s| s.service["authenticationConfiguration"] = json!({"jwt": []}), "authenticationConfiguration"),
    (|s| s.service["issuers"] = json!([{"url": "https://nobody.example.com"}]), "issuers[0].url"),
    (|s| s.of_issuer()["signingAlgorithms"] = json!(["none"]), "issuers[0].signingAlgorithms[0]"),
    (|s| s.of_issuer()["signingAlgorithms"] = json!([]), "issuers[0].signingAlgorithms"),
    (|s| s.of_issuer()["clockSkew"] = json!("1h"), "issuers[0].clockSkew"),
    (|s| s.of_issuer()["reservedIdentities"] = json!("allow"), "issuers[0].reservedIdentities"),
    (|s| s.of_issuer()["tokenProfile"] = json!("refresh_token"), "issuers[0].tokenProfile"),
    (|s| s.of_issuer()["keys"] = json!({"refreshInterval": "0s"}), "issuers[0].keys.refreshInterval"),
    (|s| s.of_issuer()["keys"] = json!({"maxStaleness": "1s"}), "issuers[0].keys.maxStaleness"),
];

const BROKEN_AUTHENTICATION: &[Break] = &[
    (|s| s.authentication["apiVersion"] = json!("v1"), "apiVersion"),
    (|s| s.authentication["jwt"] = json!({}), "jwt"),
    (|s| s.jwt()["issuer"]["url"] = json!("http://idp.example.com"), "jwt[0].issuer.url"),
    (|s| s.jwt()["issuer"]["url"] = json!(""), "jwt[0].issuer.url"),
    (|s| s.jwt()["issuer"]["audiences"] = json!([]), "jwt[0].issuer.audiences"),
    (|s| s.jwt()["issuer"]["audiences"] = json!(["a", "b"]), "jwt[0].issuer.audienceMatchPolicy"),
    (|s| s.jwt()["issuer"]["certificateAuthority"] = json!("not PEM"), "jwt[0].issuer.certificateAuthority"),
    (|s| s.jwt()["issuer"]["discoveryUrl"] = json!("https://x.example.com"), "discoveryUrl"),
    (|s| s.jwt()["claimMappings"]["username"] = json!({}), "jwt[0].claimMappings.username"),
    (|s| s.jwt()["claimMappings"]["username"] = json!({"claim": "sub"}), "jwt[0].claimMappings.username.prefix"),
    (|s| s.jwt()["claimMappings"]["username"]["prefix"] = json!("system:"), "jwt[0].claimMappings.username.prefix"),
    (|s| s.jwt()["claimMappings"]["groups"]["prefix"] = json!("SYSTEM:x"), "jwt[0].claimMappings.groups.prefix"),
    (|s| s.jwt()["claimMappings"]["uid"] = json!({"expression": "claim.sub"}), "jwt[0].claimMappings.uid.expression"),
    (|s| s.jwt()["claimValidationRules"] = json!([{"requiredValue": "x"}]), "jwt[0].claimValidationRules[0]"),
    (|s| s.jwt()["userValidationRules"] = json!([{"expression": "1"}]), "jwt[0].userValidationRules[0]"),
    (
        |s| {
            let same = s.jwt().clone();
            s.authentication["jwt"].as_array_mut().unwrap().push(same);
        },
        "jwt[1].issuer.url",
    ),
    (
        |s| {
            let mut similar = s.jwt().clone();
            similar["issuer"]["url"] = json!(format!("{}/", similar["issuer"]["url"].as_str().unwrap()));
            s.authentication["jwt"].as_array_mut().unwrap().push(similar);
        },
        "jwt[1].issuer.url",
    ),
];

const BROKEN_TEXT: &[(&[u8], &str)] = &[
    (b"", "the file is empty"),
    (b"[]", "not a mapping"),
    (b"apiVersion: countersign.dev/v1alpha1\nkind: [", "the file must be one YAML or JSON document"),
    (b"a: 1\na: 2\n", "this field is there twice"),
    (b"{\"apiVersion\": \"countersign.dev/v1alpha1\"} trailing", "the file must be one YAML or JSON document"),
    (b"---\na: 1\n---\nb: 2\n", "the file must be one YAML or JSON document"),
    (b"\xff\xfe\x00\x00", "the file is not UTF-8 text"),
    (b"a: &x [*x, *x]\n", "the file must be one YAML or JSON document"),
];

#[tokio::test]
async fn j4_nothing_that_is_broken_changes_anything() {
    let rig = Rig::start().await;
    let cached = rig.token().mint();
    let good = rig.settings.clone();
    let path = rig.file("config.yaml");
    replace(&path, in_one_file(&good));
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"));
    let mut failures = 0;
    for (number, (harm, problem)) in BROKEN_SERVICE.iter().chain(BROKEN_AUTHENTICATION).enumerate() {
        let what = format!("{number}: {problem}");
        let mut settings = good.clone();
        // A change that would be good, to see that nothing of the whole is taken.
        settings.jwt()["claimMappings"]["username"]["prefix"] = json!("changed:");
        harm(&mut settings);
        replace(&path, in_one_file(&settings));
        failures += 1;
        assert_refused(&rig, rig.look(), problem, failures, &what).await;
        assert_eq!(rig.caller.review(&cached).await, accepted("oidc:alice"), "{what}");
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{what}");
    }
    for (text, problem) in BROKEN_TEXT {
        let what = String::from_utf8_lossy(text).into_owned();
        replace(&path, text);
        failures += 1;
        assert_refused(&rig, rig.look(), problem, failures, &what).await;
        assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{what}");
    }
    assert!(failures >= 55, "{failures}");
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1, "the running issuer was never touched");

    replace(&path, in_one_file(&good));
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!(rig.check_of("configuration").await, "[+]configuration ok: the files are in force");
    assert_eq!(rig.metric("countersign_reloads_total{result=\"success\"}").await, 2.0);
    let mut settings = good;
    settings.jwt()["claimMappings"]["username"]["prefix"] = json!("changed:");
    replace(&path, in_one_file(&settings));
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!(rig.caller.review(&cached).await, accepted("changed:alice"));
}

/// Both parts in the main file, so that a change of both is one step.
fn in_one_file(settings: &Settings) -> String {
    let mut service = settings.service.clone();
    if service["authenticationConfigurationFile"] == json!("authentication.yaml") {
        service.as_object_mut().unwrap().remove("authenticationConfigurationFile");
    }
    if service["authenticationConfiguration"].is_null() {
        service["authenticationConfiguration"] = settings.authentication.clone();
    }
    service.to_string()
}

/// The operator learns of it in three places, and the service goes on calling itself ready.
async fn assert_refused(rig: &Rig, outcome: Outcome, problem: &str, failures: u32, what: &str) {
    let Outcome::Refused(found) = outcome else { panic!("{what}: {outcome:?}") };
    assert!(found.contains(problem), "{what}: {found}");
    assert_eq!(rig.metric("countersign_reloads_total{result=\"failure\"}").await, f64::from(failures), "{what}");
    assert_eq!(rig.admin("/readyz").await, (200, "ok".to_owned()), "{what}");
    let line = rig.check_of("configuration").await;
    assert!(line.starts_with("[-]configuration failed: the changed files are not usable"), "{what}: {line}");
    assert!(line.contains(problem), "{what}: {line}");
}

#[tokio::test]
async fn f5_j4_what_a_reload_takes_away_is_gone_at_once_also_for_cached_tokens() {
    let mut rig = Rig::start().await;
    let token = rig.token().claim("team", "red").mint();
    let good = rig.settings.clone();
    let mut changed = async |change: fn(&mut Settings)| -> Answer {
        rig.reconfigure(|settings| settings.clone_from(&good));
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "from the cache");
        assert_eq!(rig.reconfigure(change), Outcome::Changed);
        rig.caller.review(&token).await
    };
    assert_eq!(changed(|s| s.jwt()["issuer"]["audiences"] = json!(["another"])).await, refused());
    assert_eq!(changed(|s| s.authentication["jwt"] = json!([])).await, refused());
    let rule = |s: &mut Settings| s.jwt()["claimValidationRules"] = json!([{"claim": "team", "requiredValue": "blue"}]);
    assert_eq!(changed(rule).await, refused());
    assert_eq!(changed(|s| s.jwt()["claimMappings"]["username"]["claim"] = json!("nickname")).await, refused());
    assert_eq!(changed(|s| s.jwt()["claimMappings"]["username"]["prefix"] = json!("n:")).await, accepted("n:alice"));
    assert_eq!(changed(|s| s.of_issuer()["signingAlgorithms"] = json!(["RS256"])).await, refused());
    assert_eq!(changed(|s| s.of_issuer()["tokenProfile"] = json!("access_token")).await, refused());
    assert_eq!(changed(|s| s.service["server"]["apiAudiences"] = json!(["other"])).await, refused());
    assert_eq!(changed(|s| s.service["server"]["refusalReasons"] = json!(true)).await, accepted("oidc:alice"));
}

#[tokio::test]
async fn j4_what_a_reload_adds_holds_at_once_also_for_tokens_that_were_refused() {
    let other = issuer().await;
    let mut rig = Rig::start().await;
    let token = other.token(rig.now()).audience("both").mint();
    let own = rig.token().audience("both").mint();
    for token in [&token, &own] {
        assert_eq!(rig.caller.review(token).await, refused());
    }
    assert_eq!(rig.reconfigure(|settings| settings.jwt()["issuer"]["audiences"] = json!(["both"])), Outcome::Changed);
    assert_eq!(rig.caller.review(&own).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&token).await, refused());
    rig.reconfigure(|settings| {
        let mut entry = jwt(&other, "other:");
        entry["issuer"]["audiences"] = json!(["both"]);
        settings.authentication["jwt"].as_array_mut().unwrap().push(entry);
    });
    assert_eq!(rig.caller.review(&token).await, accepted("other:alice"), "it waits for the new issuer's first keys");
    assert_eq!(rig.caller.review(&own).await, accepted("oidc:alice"));
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1, "an issuer that stays keeps its keys");
}

#[tokio::test]
async fn j4_a_change_of_how_keys_are_kept_costs_no_keys_even_in_an_outage() {
    let mut rig = Rig::start_with(|settings| settings.of_issuer()["keys"] = json!({"maxStaleness": "2h"})).await;
    rig.issuer.go_down().await.unwrap();
    rig.clock.advance(Duration::from_secs(30 * 60));
    rig.reconfigure(|settings| settings.of_issuer()["keys"] = json!({"maxStaleness": "1h", "refreshInterval": "1m"}));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    let gauge = format!("countersign_key_set_seconds_until_stale{{issuer=\"{}\"}}", rig.issuer.url());
    assert_eq!(rig.metric(&gauge).await, 1800.0, "their age comes with them");
    rig.reconfigure(|settings| settings.service["stateDirectory"] = json!("state"));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("oidc:alice"));
    rig.reconfigure(|settings| settings.of_issuer()["keys"] = json!({"maxStaleness": "20m"}));
    assert_eq!(rig.caller.review(&rig.token().mint()).await, undecided("keys_unavailable"), "they are older than that");
}

#[tokio::test]
async fn j4_a_reload_while_a_fetch_hangs_waits_for_nothing() {
    use countersign::dev::issuer::Fault;
    let mut rig = Rig::start().await;
    rig.issuer.rotate(countersign::dev::issuer::Algorithm::Es256).unwrap();
    rig.issuer.fail(Endpoint::Keys, Fault::Hang);
    let waiting = rig.token().mint();
    let waiting = tokio::spawn({
        let caller = rig.caller.clone();
        async move { caller.review(&waiting).await }
    });
    rig.issuer.wait_for(Endpoint::Keys, 2).await;
    assert_eq!(rig.reconfigure(|s| s.jwt()["claimMappings"]["username"]["prefix"] = json!("new:")), Outcome::Changed);
    rig.issuer.heal(Endpoint::Keys);
    let answer = within_reason("the answer of the old configuration", waiting).await.unwrap();
    assert_eq!(answer, accepted("oidc:alice"), "a review has one configuration from its beginning to its end");
    assert_eq!(rig.caller.review(&rig.token().mint()).await, accepted("new:alice"));
    assert_eq!(rig.issuer.count(Endpoint::Keys), 2, "and the fetch counted for both");
}

#[tokio::test]
async fn j6_a_new_certificate_is_shown_to_new_connections_and_open_ones_go_on() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    let next = Authority::new("the next authority", validity(&rig.clock)).unwrap();
    let serving = next.serving_certificate(&["127.0.0.1"], validity(&rig.clock)).unwrap();
    let trusting = |authority: &Authority| {
        let identity = rig.authority.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
        Caller::new(rig.service.review_address, &authority.certificate_pem(), Some(&identity), &["h2"])
    };

    replace(&rig.file("tls.crt"), serving.certificate_pem());
    let Outcome::Refused(problem) = rig.look() else { panic!("a certificate without its key was taken") };
    assert!(problem.contains("the private key does not belong to the first certificate"), "{problem}");
    assert_eq!(trusting(&rig.authority).review(&token).await, accepted("oidc:alice"), "the old pair stays");

    replace(&rig.file("tls.key"), serving.private_key_pem().as_str());
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!(trusting(&next).review(&token).await, accepted("oidc:alice"));
    assert!(try_review(&trusting(&rig.authority), &token).await.is_err(), "nobody shows the old one any more");
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "over the connection that was open");
    assert_eq!(rig.metric("countersign_tls_handshakes_total{result=\"done\"}").await, 3.0);
    assert_eq!(rig.metric("countersign_cache_misses_total").await, 1.0, "a certificate is no reason to forget");
}

#[tokio::test]
async fn h5_a_reload_keeps_every_other_setting_of_tls() {
    let mut rig = Rig::start().await;
    let versions = async |rig: &Rig| {
        let mut accepted = Vec::new();
        for (name, alpn) in [("h2", "h2"), ("http/1.1", "http/1.1"), ("none", "acme-tls/1")] {
            let identity = rig.authority.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
            let pem = rig.authority.certificate_pem();
            let caller = Caller::new(rig.service.review_address, &pem, Some(&identity), &[alpn]);
            if try_review(&caller, &rig.token().mint()).await.is_ok() {
                accepted.push(name);
            }
        }
        let nobody = Caller::new(rig.service.review_address, &rig.authority.certificate_pem(), None, &["h2"]);
        (accepted, try_review(&nobody, &rig.token().mint()).await.is_ok())
    };
    let before = versions(&rig).await;
    assert_eq!(before, (vec!["h2", "http/1.1"], false));
    rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "1m"}));
    let serving = rig.authority.serving_certificate(&["127.0.0.1"], validity(&rig.clock)).unwrap();
    replace_pair(&rig, Path::new(""), &serving);
    assert_eq!(versions(&rig).await, before);
}

#[tokio::test]
async fn j6_mounted_volumes_are_followed_through_their_link_swap() {
    let mut rig = Rig::start().await;
    let mount = rig.file("mounted");
    let publish = |version: &str, serving: &countersign::wiring::pki::Identity| {
        // As kubelet does: a new folder, a new link, and one rename that swaps all files at once.
        let folder = mount.join(version);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("tls.crt"), serving.certificate_pem()).unwrap();
        std::fs::write(folder.join("tls.key"), serving.private_key_pem().as_str()).unwrap();
        std::os::unix::fs::symlink(version, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    let authorities: Vec<_> =
        (0..3).map(|number| Authority::new(&format!("authority {number}"), validity(&rig.clock)).unwrap()).collect();
    let days = validity(&rig.clock);
    let issue = |number: usize| authorities[number].serving_certificate(&["127.0.0.1"], days).unwrap();
    publish("..2026_01", &issue(0));
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
    }
    let outcome = rig.reconfigure(|settings| {
        settings.service["server"]["tls"] =
            json!({"certificateFile": "mounted/tls.crt", "privateKeyFile": "mounted/tls.key"});
    });
    assert_eq!(outcome, Outcome::Changed);
    let identity = rig.authority.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
    for (number, authority) in authorities.iter().enumerate() {
        if number > 0 {
            publish(&format!("..2026_{number}"), &issue(number));
            assert_eq!(rig.look(), Outcome::Changed);
        }
        let pem = authority.certificate_pem();
        let caller = Caller::new(rig.service.review_address, &pem, Some(&identity), &["h2"]);
        assert_eq!(caller.review(&rig.token().mint()).await, accepted("oidc:alice"), "{number}");
    }
}

/// Main file and AuthenticationConfiguration in one volume: whenever it is swapped, what is in force is one of the two
/// versions, even for a moment.
#[tokio::test]
async fn j5_j6_a_volume_that_is_swapped_while_it_is_read_is_not_mixed() {
    let mut rig = Rig::start().await;
    let mount = rig.file("volume");
    for name in ["one", "two"] {
        let mut authentication = rig.settings.authentication.clone();
        authentication["jwt"][0]["claimMappings"]["username"]["prefix"] = json!(format!("{name}:"));
        let mut service = rig.settings.service.clone();
        service["server"]["apiAudiences"] = json!([name]);
        for file in ["certificateFile", "privateKeyFile"] {
            let inside = format!("../../{}", service["server"]["tls"][file].as_str().unwrap());
            service["server"]["tls"][file] = json!(inside);
        }
        service["server"]["callers"]["clientCertificateAuthorityFile"] = json!("../../callers-ca.crt");
        std::fs::create_dir_all(mount.join(name)).unwrap();
        std::fs::write(mount.join(name).join("config.yaml"), service.to_string()).unwrap();
        std::fs::write(mount.join(name).join("authentication.yaml"), authentication.to_string()).unwrap();
    }
    let swap = move |name: &str| {
        std::os::unix::fs::symlink(name, mount.join("..data_tmp")).unwrap();
        std::fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    swap("one");
    rig = rig.restart_over("volume/..data/config.yaml").await;
    let token = rig.token().mint();
    let in_force = async || match rig.caller.review_for(&token, &["one", "two"]).await {
        Answer::Accepted { username, audiences } => (username, audiences),
        other => panic!("{other:?}"),
    };
    assert_eq!(in_force().await, ("one:alice".to_owned(), vec!["one".to_owned()]));
    for round in 0..200 {
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                swap("two");
                // The second swap comes at any moment of the reading that the first one causes.
                (0..round * 400).for_each(|_| std::hint::spin_loop());
                swap("one");
            });
            start.wait();
            for _ in 0..3 {
                rig.service.reloader().look();
            }
        });
        let (username, audiences) = in_force().await;
        assert_eq!(username, format!("{}:alice", audiences.concat()), "round {round}");
        rig.service.reloader().look();
        assert_eq!(in_force().await, ("one:alice".to_owned(), vec!["one".to_owned()]), "round {round}");
    }
}

#[tokio::test]
async fn j6_replaced_trust_in_callers_holds_for_open_connections_too() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    let next = Authority::new("the next callers", validity(&rig.clock)).unwrap();
    let identity = next.client_certificate("kube-apiserver", &[], validity(&rig.clock)).unwrap();
    let newcomer = || {
        let pem = rig.authority.certificate_pem();
        Caller::new(rig.service.review_address, &pem, Some(&identity), &["h2"])
    };
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));
    assert!(try_review(&newcomer(), &token).await.is_err());

    let both = [rig.authority.certificate_pem(), next.certificate_pem()].concat();
    replace(&rig.file("callers-ca.crt"), both);
    assert_eq!(rig.look(), Outcome::Changed);
    let newcomer = newcomer();
    assert_eq!(newcomer.review(&token).await, accepted("oidc:alice"));
    assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"));

    replace(&rig.file("callers-ca.crt"), next.certificate_pem());
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!(newcomer.review(&token).await, accepted("oidc:alice"));
    assert_eq!(try_review(&rig.caller, &token).await.unwrap(), 401, "over the connection that was open");
}

#[tokio::test]
async fn j7_h7_a_callers_token_is_rotated_without_a_gap() {
    let mut rig = Rig::start().await;
    let (old, new) = ("the-old-secret-of-the-caller", "the-new-secret-of-the-caller");
    replace(&rig.file("old.token"), old);
    replace(&rig.file("new.token"), format!("{new}\n"));
    let caller = Caller::new(rig.service.review_address, &rig.authority.certificate_pem(), None, &["h2"]);
    let token = rig.token().mint();
    let status = async |secret: &str| {
        let body = review_body("v1", token.expose_secret(), &[API_AUDIENCE]);
        let request = caller.client.post(format!("{}/authenticate", caller.base)).bearer_auth(secret).json(&body);
        request.send().await.unwrap().status().as_u16()
    };
    let callers = |files: &[&str]| json!({"bearerTokenFiles": files});
    rig.reconfigure(|settings| settings.service["server"]["callers"] = callers(&["old.token"]));
    assert_eq!([status(old).await, status(new).await], [200, 401]);
    rig.reconfigure(|settings| settings.service["server"]["callers"] = callers(&["old.token", "new.token"]));
    assert_eq!([status(old).await, status(new).await], [200, 200]);
    rig.reconfigure(|settings| settings.service["server"]["callers"] = callers(&["new.token"]));
    assert_eq!([status(old).await, status(new).await], [401, 200]);
    replace(&rig.file("new.token"), old);
    assert_eq!(rig.look(), Outcome::Changed);
    assert_eq!([status(old).await, status(new).await], [200, 401], "the same file with another secret");
    replace(&rig.file("new.token"), "short");
    assert!(matches!(rig.look(), Outcome::Refused(_)));
    assert_eq!([status(old).await, status("short").await], [200, 401]);
}

#[tokio::test]
async fn j6_a_file_that_vanishes_or_is_half_written_changes_nothing_until_it_is_whole() {
    let rig = Rig::start().await;
    let token = rig.token().mint();
    for name in ["config.yaml", "authentication.yaml", "tls.crt", "tls.key", "callers-ca.crt"] {
        let path = rig.file(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(rig.look(), Outcome::Refused(_)), "{name} is gone");
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "{name}");
        replace(&path, &whole[..whole.len() / 2]);
        assert!(matches!(rig.look(), Outcome::Refused(_)), "half of {name}");
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "{name}");
        replace(&path, &whole);
        assert_eq!(rig.look(), Outcome::Changed, "{name}");
        assert_eq!(rig.caller.review(&token).await, accepted("oidc:alice"), "{name}");
    }
    assert_eq!(rig.check_of("configuration").await, "[+]configuration ok: the files are in force");
    assert_eq!(rig.metric("countersign_cache_misses_total").await, 1.0, "nothing was forgotten");
}

#[tokio::test]
async fn a_change_is_noticed_without_being_told() {
    let mut rig = Rig::start().await;
    let mut settings = rig.settings.clone();
    settings.jwt()["claimMappings"]["username"]["prefix"] = json!("noticed:");
    rig.settings = settings;
    replace(&rig.file("authentication.yaml"), rig.settings.authentication.to_string());
    let token = rig.token().mint();
    rig.until("the change is in force", async || rig.caller.review(&token).await == accepted("noticed:alice")).await;
}

/// Half a hundred reloads, every fifth of them broken, while reviews never stop: each answer is wholly that of one of the
/// two configurations, and none is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn j5_r08_reloads_under_load_lose_no_review_and_mix_no_configurations() {
    let mut rig = Rig::start().await;
    rig.reconfigure(|settings| configuration(settings, "one"));
    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU64::new(0));
    let cached = rig.token().mint();
    let load: Vec<_> = (0..6)
        .map(|worker| {
            let (caller, stop, answered) = (rig.caller.clone(), Arc::clone(&stop), Arc::clone(&answered));
            let cached = cached.clone();
            let fresh: Vec<BearerToken> = (0..20).map(|_| rig.token().mint()).collect();
            tokio::spawn(async move {
                for token in fresh.iter().cycle() {
                    let token = if worker % 2 == 0 { token } else { &cached };
                    let review = caller.review_raw("v1", token.expose_secret(), &["shared", "one", "two"]).await;
                    assert!(["one", "two"].iter().any(|name| is_answer_of(&review, name)), "{review}");
                    answered.fetch_add(1, Ordering::SeqCst);
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                }
            })
        })
        .collect();
    for round in 0..50 {
        let before = answered.load(Ordering::SeqCst);
        within_reason("more answers", async {
            while answered.load(Ordering::SeqCst) < before + 6 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        if round % 5 == 4 {
            let outcome = rig.reconfigure(|settings| settings.service["cache"] = json!({"acceptTTL": "never"}));
            assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        } else {
            let name = if round % 2 == 0 { "two" } else { "one" };
            assert_eq!(rig.reconfigure(|settings| configuration(settings, name)), Outcome::Changed);
        }
    }
    stop.store(true, Ordering::SeqCst);
    for worker in load {
        worker.await.unwrap();
    }
    assert!(answered.load(Ordering::SeqCst) >= 300);
    assert_eq!(rig.issuer.count(Endpoint::Keys), 1);
}

/// One of two configurations that differ in everything that an answer shows, all of it in one file.
fn configuration(settings: &mut Settings, name: &str) {
    let mut inline = settings.authentication.clone();
    inline["jwt"][0]["claimMappings"] = json!({
        "username": {"claim": "sub", "prefix": format!("{name}:")},
        "groups": {"claim": "groups", "prefix": format!("{name}-group:")},
    });
    let service = settings.service.as_object_mut().unwrap();
    service.remove("authenticationConfigurationFile");
    service.remove("cache");
    service.insert("authenticationConfiguration".to_owned(), inline);
    settings.service["server"]["apiAudiences"] = json!(["shared", name]);
}

fn is_answer_of(review: &Value, name: &str) -> bool {
    let status = &review["status"];
    status["authenticated"] == json!(true)
        && status["user"]["username"] == json!(format!("{name}:alice"))
        && status["user"]["groups"] == json!([format!("{name}-group:developers")])
        && status["audiences"] == json!(["shared", name])
}

/// Puts another serving certificate in place, the way a careful tool does.
fn replace_pair(rig: &Rig, folder: &Path, serving: &countersign::wiring::pki::Identity) {
    let file = |name: &str| rig.file(folder.join(name).to_str().unwrap());
    replace(&file("tls.crt"), serving.certificate_pem());
    replace(&file("tls.key"), serving.private_key_pem().as_str());
    assert_eq!(rig.look(), Outcome::Changed);
}

/// The status of a review's answer, or that there is none.
async fn try_review(caller: &Caller, token: &BearerToken) -> Result<u16, reqwest::Error> {
    let body = review_body("v1", token.expose_secret(), &[API_AUDIENCE]);
    let request = caller.client.post(format!("{}/authenticate", caller.base)).json(&body);
    Ok(request.send().await?.status().as_u16())
}
