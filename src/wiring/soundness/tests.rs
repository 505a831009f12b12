use zeroize::Zeroizing;

use super::*;
use crate::token::BearerToken;
use crate::wiring::kubeconfig::ClientCertificate;
use crate::wiring::pki::{Authority, Identity, Validity};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
/// 100 days before, so that a certificate of 100 days ends now.
const EARLIER: UnixTime = UnixTime::from_seconds(1_800_000_000 - 100 * 86_400);

fn authority(days: u32) -> Authority {
    Authority::new("hooks", Validity::days(EARLIER, days)).unwrap()
}

fn client(identity: &Identity) -> ClientCertificate {
    ClientCertificate::from(identity)
}

fn caller(days: u32) -> ClientCertificate {
    client(&authority(1000).client_certificate("kube-apiserver", &[], Validity::days(EARLIER, days)).unwrap())
}

/// A connection about which there is nothing to say.
fn sound() -> Connection {
    let server = Url::parse("https://hook.example.com:8443/authenticate").unwrap();
    let authority_pem = Some(authority(1000).certificate_pem().into_bytes());
    Connection { client: Some(caller(1000)), ..Connection::to(server, authority_pem) }
}

/// Severity, code and path of each finding.
fn found(connection: &Connection) -> Vec<(Severity, &'static str, String)> {
    examine(connection, &Places::default(), NOW)
        .iter()
        .map(|finding| (finding.severity, finding.code, finding.path.clone()))
        .collect()
}

fn at_server(url: &str) -> Connection {
    Connection { server: Url::parse(url).unwrap(), ..sound() }
}

#[test]
fn a_sound_connection_gives_no_reason_to_speak() {
    assert_eq!(examine(&sound(), &Places::default(), NOW), Findings::new());
    let bearer = Connection { client: None, bearer: Some(BearerToken::from("caller")), ..sound() };
    assert_eq!(examine(&bearer, &Places::default(), NOW), Findings::new());
}

#[test]
fn addresses_that_do_not_do_what_they_look_like() {
    let path = "clusters[0].cluster.server".to_owned();
    for (url, severity, code) in [
        ("https://hook/authenticate?cluster=one", Severity::Warning, "url_query_dropped"),
        ("https://hook/authenticate#one", Severity::Warning, "url_query_dropped"),
        ("https://countersign.countersign.svc/authenticate", Severity::Warning, "cluster_dns_name"),
        ("https://countersign.countersign.svc.cluster.local./authenticate", Severity::Warning, "cluster_dns_name"),
        ("https://127.0.0.1:8443/authenticate", Severity::Info, "loopback_address"),
        ("https://[::1]:8443/authenticate", Severity::Info, "loopback_address"),
        ("https://localhost:8443/authenticate", Severity::Info, "loopback_address"),
        ("http://hook/authenticate", Severity::Error, "plain_http"),
    ] {
        assert_eq!(found(&at_server(url)), [(severity, code, path.clone())], "{url}");
    }
    assert_eq!(found(&at_server("https://svc.example.com/authenticate")), []);
}

#[test]
fn trust_in_anybody_and_in_nobody_in_particular() {
    let insecure = Connection { insecure: true, authority_pem: None, ..sound() };
    let path = |field: &str| format!("clusters[0].cluster.{field}");
    assert_eq!(found(&insecure), [(Severity::Error, "insecure_skip_tls_verify", path("insecure-skip-tls-verify"))]);
    let system = Connection { authority_pem: None, ..sound() };
    assert_eq!(found(&system), [(Severity::Info, "system_trust", path("certificate-authority-data"))]);
}

#[test]
fn authorities_that_kube_apiserver_cannot_use() {
    let path = "clusters[0].cluster.certificate-authority-data".to_owned();
    let signed = authority(1000).serving_certificate(&["hook"], Validity::days(EARLIER, 1000)).unwrap();
    let (old, new) = (authority(50).certificate_pem(), authority(1000).certificate_pem());
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned();
    let tomorrow = Validity::days(NOW.saturating_add(std::time::Duration::from_secs(86_400)), 10);
    let early = Authority::new("hooks", tomorrow).unwrap();
    for (pem, severity, code) in [
        ("nothing".to_owned(), Severity::Error, "unreadable_certificate"),
        (broken.clone(), Severity::Error, "unreadable_certificate"),
        (signed.certificate_pem().to_owned(), Severity::Warning, "not_an_authority"),
        (early.certificate_pem(), Severity::Error, "certificate_not_yet_valid"),
        (format!("{}{new}", early.certificate_pem()), Severity::Warning, "authority_not_yet_valid"),
        (format!("{new}{}", *early.private_key_pem()), Severity::Warning, "authority_with_key"),
        (old.clone(), Severity::Error, "certificate_expired"),
        (authority(101).certificate_pem(), Severity::Warning, "certificate_expires_soon"),
        (format!("{old}{new}"), Severity::Warning, "authority_expired"),
    ] {
        let connection = Connection { authority_pem: Some(pem.into_bytes()), ..sound() };
        assert_eq!(found(&connection), [(severity, code, path.clone())], "{code}");
    }
    // Go overlooks what is no certificate, as long as there is one.
    let overlooked = format!("-----BEGIN CERTIFICATE-----\ncut off\n{broken}{new}");
    assert_eq!(found(&Connection { authority_pem: Some(overlooked.into_bytes()), ..sound() }), []);
    let both = format!("{old}{}", authority(60).certificate_pem()).into_bytes();
    let codes: Vec<_> = found(&Connection { authority_pem: Some(both), ..sound() }).into_iter().map(|f| f.1).collect();
    assert_eq!(codes, ["authority_expired", "authority_expired", "certificate_expired"]);
    let neither = format!("{old}{}", early.certificate_pem()).into_bytes();
    let codes: Vec<_> =
        found(&Connection { authority_pem: Some(neither), ..sound() }).into_iter().map(|f| f.1).collect();
    assert_eq!(codes, ["authority_expired", "authority_not_yet_valid", "certificate_not_yet_valid"]);
}

#[test]
fn client_certificates_that_get_nobody_in() {
    let certificate = "users[0].user.client-certificate-data".to_owned();
    let key = "users[0].user.client-key-data".to_owned();
    let serving = authority(1000).serving_certificate(&["hook"], Validity::days(EARLIER, 1000)).unwrap();
    let tomorrow = Validity::days(NOW.saturating_add(std::time::Duration::from_secs(86_400)), 10);
    let early = authority(1000).client_certificate("kube-apiserver", &[], tomorrow).unwrap();
    let own = authority(1000);
    let itself = ClientCertificate {
        certificate_pem: own.certificate_pem().into_bytes(),
        private_key_pem: Zeroizing::new(own.private_key_pem().as_bytes().to_vec()),
    };
    let mixed = ClientCertificate { private_key_pem: caller(1000).private_key_pem, ..caller(1000) };
    for (client, severity, code, path) in [
        (caller(50), Severity::Error, "certificate_expired", &certificate),
        (caller(105), Severity::Warning, "certificate_expires_soon", &certificate),
        (client(&early), Severity::Error, "certificate_not_yet_valid", &certificate),
        (client(&serving), Severity::Error, "not_for_clients", &certificate),
        (itself, Severity::Warning, "authority_as_caller", &certificate),
        (mixed, Severity::Error, "unusable_client_certificate", &key),
    ] {
        let connection = Connection { client: Some(client), ..sound() };
        assert_eq!(found(&connection), [(severity, code, path.clone())], "{code}");
    }
}

#[test]
fn a_name_that_no_certificate_can_have() {
    let named = |name: &str| Connection { tls_server_name: Some(name.to_owned()), ..sound() };
    let path = "clusters[0].cluster.tls-server-name".to_owned();
    for name in ["https://hook.svc", "a b", "*.hook.svc", "hook.svc:443", ""] {
        assert_eq!(found(&named(name)), [(Severity::Error, "server_name_invalid", path.clone())], "{name:?}");
    }
    assert_eq!(found(&named("hook.hooks.svc")), []);
    assert_eq!(found(&named("10.0.0.7")), []);
}

#[test]
fn a_caller_that_shows_nothing_is_worth_a_warning() {
    let anonymous = Connection { client: None, ..sound() };
    assert_eq!(found(&anonymous), [(Severity::Warning, "no_caller_credential", "users[0].user".to_owned())]);
}
