use std::fs;
use std::path::Path;

use zeroize::Zeroizing;

use super::*;
use crate::wiring::kubeconfig::ClientCertificate;
use crate::wiring::pki::folder::{Days, Order, fill};

const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A folder with the certificates of `render pki` and a configuration that uses them.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let order = Order {
        server_names: vec!["hook.example.com".to_owned()],
        callers: vec!["kube-apiserver".to_owned(), "proxy".to_owned()],
        authority_name: Some("the authority".to_owned()),
        days: Days { authority: Some(300), server: Some(200), caller: Some(200) },
        renew: false,
    };
    fill(folder.path(), &order, NOW).unwrap();
    folder
}

fn config(folder: &Path, address: &str, callers: &str) -> Config {
    fs::write(folder.join("caller.token"), TOKEN).unwrap();
    let text = format!(
        "apiVersion: countersign.dev/v1alpha1\nkind: CountersignConfiguration\nserver:\n  address: '{address}'\n  \
         tls: {{certificateFile: tls.crt, privateKeyFile: tls.key}}\n  callers: {callers}\n\
         authenticationConfiguration: {{apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration, jwt: [\
         {{issuer: {{url: 'https://idp.example.com', audiences: [a]}}, claimMappings: {{username: {{claim: sub, prefix: ''}}}}}}]}}\n"
    );
    fs::write(folder.join("config.yaml"), text).unwrap();
    let loaded = Config::load(&folder.join("config.yaml"), NOW);
    loaded.config.unwrap_or_else(|| panic!("{}", loaded.findings))
}

const BY_CERTIFICATE: &str = "{clientCertificateAuthorityFile: ca.crt, allowedNames: [kube-apiserver]}";

fn connection(folder: &Path, url: &str, caller: Option<&str>) -> Connection {
    let read = |name: &str| fs::read(folder.join(name)).unwrap();
    Connection {
        client: caller.map(|caller| ClientCertificate {
            certificate_pem: read(&format!("{caller}.crt")),
            private_key_pem: Zeroizing::new(read(&format!("{caller}.key"))),
        }),
        ..Connection::to(Url::parse(url).unwrap(), Some(read("ca.crt")))
    }
}

const URL: &str = "https://hook.example.com:8443/authenticate";

fn found(connection: &Connection, config: &Config) -> Vec<(&'static str, String)> {
    let findings = examine(connection, &Places::default(), config, NOW);
    findings.iter().map(|finding| (finding.code, finding.path.clone())).collect()
}

#[test]
fn what_was_made_for_each_other_fits() {
    let folder = folder();
    let config = config(folder.path(), "0.0.0.0:8443", BY_CERTIFICATE);
    let fitting = connection(folder.path(), URL, Some("kube-apiserver"));
    assert_eq!(found(&fitting, &config), []);
    let by_address = Connection {
        server: Url::parse("https://10.0.0.7/apis/authentication.k8s.io/v1/tokenreviews").unwrap(),
        tls_server_name: Some("hook.example.com".to_owned()),
        ..fitting
    };
    assert_eq!(found(&by_address, &config), []);
}

#[test]
fn every_misfit_is_found() {
    let other = folder();
    let folder = folder();
    let config = config(folder.path(), "0.0.0.0:8443", BY_CERTIFICATE);
    let cluster = |field: &str| format!("clusters[0].cluster.{field}");
    let user = "users[0].user".to_owned();
    let of = |url, caller| connection(folder.path(), url, caller);
    let foreign_authority = connection(other.path(), URL, None).authority_pem;
    for (connection, code, path) in [
        (of("https://hook.example.com/review", Some("kube-apiserver")), "unknown_route", cluster("server")),
        (of("https://10.0.0.7/authenticate", Some("kube-apiserver")), "serving_certificate_name", cluster("server")),
        (
            Connection { authority_pem: foreign_authority, ..of(URL, Some("kube-apiserver")) },
            "serving_certificate_untrusted",
            cluster("certificate-authority-data"),
        ),
        (of(URL, Some("proxy")), "caller_refused", user.clone()),
        (of(URL, None), "caller_refused", user),
        (
            connection(other.path(), URL, Some("kube-apiserver")),
            "serving_certificate_untrusted",
            cluster("certificate-authority-data"),
        ),
    ] {
        assert_eq!(found(&connection, &config).first(), Some(&(code, path)), "{code}");
    }
}

#[test]
fn a_token_is_taken_from_the_configuration_and_let_in() {
    let folder = folder();
    let config = config(folder.path(), "0.0.0.0:8443", "{bearerTokenFiles: [caller.token]}");
    let of = |bearer| Connection { bearer, ..connection(folder.path(), URL, None) };
    assert_eq!(bearer(&config).unwrap().expose_secret(), TOKEN);
    assert_eq!(found(&of(bearer(&config)), &config), []);
    assert_eq!(
        found(&of(Some(BearerToken::from("another"))), &config),
        [("caller_refused", "users[0].user".to_owned())]
    );
}

#[test]
fn the_url_is_known_when_one_address_is_listened_on() {
    let folder = folder();
    for (address, expected) in [
        ("127.0.0.1:8443", Some("https://127.0.0.1:8443/authenticate")),
        ("[::1]:443", Some("https://[::1]/authenticate")),
        ("0.0.0.0:8443", None),
        ("[::]:8443", None),
        ("127.0.0.1:0", None),
    ] {
        let config = config(folder.path(), address, BY_CERTIFICATE);
        assert_eq!(url(&config).as_ref().map(Url::as_str), expected, "{address}");
    }
}

#[test]
fn the_authority_is_known_when_the_chain_ends_with_it() {
    let folder = folder();
    assert_eq!(authority_pem(&config(folder.path(), "127.0.0.1:8443", BY_CERTIFICATE)), None);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let authority = read("ca.crt");
    fs::write(folder.path().join("tls.crt"), format!("{}{authority}", read("tls.crt"))).unwrap();
    let config = config(folder.path(), "127.0.0.1:8443", BY_CERTIFICATE);
    assert_eq!(authority_pem(&config), Some(authority.into_bytes()));
}
