use clap::Parser;

use super::*;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    login: LoginFlags,
}

const ISSUER: &str = "--oidc-issuer-url=https://idp.example.com";
const CLIENT: &str = "--oidc-client-id=kubectl";

fn settings(flags: &[&str], config: &LoginConfig) -> Result<Settings, Failure> {
    let line = Line::try_parse_from(flags).map_err(|error| Failure::WrongUse(error.to_string()))?;
    line.login.settings(config, true)
}

fn with(flags: &[&str]) -> Result<Settings, Failure> {
    settings(&[&[ISSUER, CLIENT], flags].concat(), &LoginConfig::default())
}

fn refusal(flags: &[&str]) -> String {
    match with(flags) {
        Err(Failure::WrongUse(message)) => message,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("{flags:?} was taken"),
    }
}

#[test]
fn a_stanza_of_kubelogin_is_understood_as_it_is() {
    let settings = with(&[
        "--oidc-extra-scope=email,groups",
        "--oidc-extra-scope",
        "offline_access",
        "--oidc-use-pkce",
        "--oidc-pkce-method=S256",
        "--grant-type=authcode",
        "--listen-address=127.0.0.1:12345",
        "--skip-open-browser=true",
        "--browser-command=firefox",
        "--authentication-timeout-sec=60",
        "--oidc-redirect-url-hostname=127.0.0.1",
        "--oidc-auth-request-extra-params=ttl=86400,prompt=login",
        "--open-url-after-authentication=https://example.com",
        "--tls-renegotiation-once",
        "--token-cache-dir=/tmp/x",
        "--token-cache-storage=disk",
        "--oidc-use-access-token",
        "--insecure-skip-tls-verify=false",
        "--logtostderr",
        "--vmodule=a=1",
        "-v1",
    ])
    .unwrap();
    assert_eq!(settings.scopes, ["email", "groups", "offline_access"]);
    assert_eq!((settings.grant, settings.token_kind), (Grant::AuthorizationCode, TokenKind::AccessToken));
    assert_eq!(settings.listen, ["127.0.0.1:12345".parse().unwrap()]);
    assert_eq!((settings.skip_browser, settings.browser.as_deref()), (true, Some("firefox")));
    assert_eq!(settings.patience, Duration::from_secs(60));
    assert_eq!(settings.redirect_host.as_deref(), Some("127.0.0.1"));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(settings.extra_parameters, [pair("ttl", "86400"), pair("prompt", "login")]);
}

#[test]
fn the_redirects_that_kubelogin_has_registered_are_the_default() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.listen, ["127.0.0.1:8000".parse().unwrap(), "127.0.0.1:18000".parse().unwrap()]);
    assert_eq!(settings.redirect_host.as_deref(), Some("localhost"));
    assert_eq!((settings.grant, settings.token_kind), (Grant::Auto, TokenKind::IdToken));
}

#[test]
fn every_form_of_the_verbosity_flag_is_taken() {
    for flags in [&["-v"][..], &["-v=1"], &["-v", "1"], &["--v=3"], &["--verbose"]] {
        let line = Line::try_parse_from([&[ISSUER, CLIENT], flags].concat()).unwrap();
        assert!(line.login.store.verbose > 0, "{flags:?}");
    }
}

#[test]
fn k7_what_would_make_a_login_unsafe_is_refused_with_a_way_out() {
    for (flags, way_out) in [
        (&["--insecure-skip-tls-verify"][..], "--certificate-authority"),
        (&["--grant-type=password"], "--grant-type authcode or device-code"),
        (&["--username=me"], "--grant-type authcode or device-code"),
        (&["--password=hunter2"], "--grant-type authcode or device-code"),
        (&["--grant-type=authcode-keyboard"], "device-code"),
        (&["--oidc-pkce-method=no"], "leave the flag out"),
        (&["--local-server-cert=x"], "device-code"),
        (&["--token-exchange-subject-token=hunter2"], "--assertion-file"),
    ] {
        let message = refusal(flags);
        assert!(message.contains(way_out), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn k7_an_issuer_is_an_https_url_and_nothing_else() {
    for issuer in [
        "http://idp",
        "idp.example.com",
        "https://",
        "https://u:p@idp",
        "https://idp/?a=b",
        "https://idp/#x",
        "file:///x",
        "",
    ] {
        let flag = format!("--oidc-issuer-url={issuer}");
        let error = settings(&[&flag, CLIENT], &LoginConfig::default()).err();
        let expected =
            "--oidc-issuer-url: must be an https URL as the provider writes it, such as https://idp.example.com";
        assert_eq!(error, Some(Failure::WrongUse(expected.to_owned())), "{issuer}");
    }
}

#[test]
fn the_clusters_extension_fills_what_flags_leave_open() {
    let config = LoginConfig {
        issuer: Some("https://other.example.com".to_owned()),
        client_id: Some("other".to_owned()),
        audience: Some("kube".to_owned()),
        scopes: Some(vec!["groups".to_owned()]),
        account: Some("me".to_owned()),
        grant: Some("device-code".to_owned()),
        use_access_token: Some(true),
        certificate_authority_data: Some("cGVt".to_owned()),
    };
    let from_config = settings(&[], &config).unwrap();
    assert_eq!((&*from_config.issuer, &*from_config.client_id), ("https://other.example.com", "other"));
    assert_eq!((from_config.grant, from_config.token_kind), (Grant::DeviceCode, TokenKind::AccessToken));
    assert_eq!((from_config.account.as_deref(), from_config.audience.as_deref()), (Some("me"), Some("kube")));
    assert_eq!(
        (from_config.scopes, from_config.certificate_authority),
        (vec!["groups".to_owned()], Some("pem\n".to_owned()))
    );
    let flags =
        settings(&[ISSUER, CLIENT, "--oidc-extra-scope=email", "--grant-type=auto", "--account=you"], &config).unwrap();
    assert_eq!((&*flags.issuer, &*flags.client_id), ("https://idp.example.com", "kubectl"));
    assert_eq!(
        (flags.grant, flags.account.as_deref(), flags.scopes),
        (Grant::Auto, Some("you"), vec!["email".to_owned()])
    );
}

#[test]
fn what_is_missing_is_named_with_both_places_for_it() {
    let error = settings(&[CLIENT], &LoginConfig::default()).err();
    let expected = "--oidc-issuer-url is missing: give the provider's issuer URL, or `issuer` in the cluster's extension with \
                    provideClusterInfo: true";
    assert_eq!(error, Some(Failure::WrongUse(expected.to_owned())));
}

#[test]
fn a_token_file_needs_no_provider() {
    let settings = settings(&["--token-file=/var/run/token"], &LoginConfig::default()).unwrap();
    assert_eq!((settings.grant, settings.token_file), (Grant::TokenFile, Some("/var/run/token".into())));
}

#[test]
fn a_clients_secret_comes_from_a_file_without_its_newline() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "hunter2\n").unwrap();
    let settings = with(&[&format!("--oidc-client-secret-file={}", file.display())]).unwrap();
    assert!(matches!(settings.client, ClientAuthentication::Secret(secret) if *secret == "hunter2"));
    let message = refusal(&["--oidc-client-secret-file=/does/not/exist"]);
    assert!(message.starts_with("--oidc-client-secret-file: /does/not/exist: cannot be read: "), "{message}");
}

fn line(flags: &[&str]) -> LoginFlags {
    Line::try_parse_from(flags).unwrap().login
}

#[test]
fn k7_no_browser_command_comes_from_a_kubeconfig_by_hand() {
    let stanza = line(&[ISSUER, CLIENT, "--browser-command=/tmp/evil"]);
    let settings = line(&[]).over(stanza).settings(&LoginConfig::default(), true).unwrap();
    assert_eq!((settings.browser, settings.client_id.as_str()), (None, "kubectl"));
}

#[test]
fn what_is_said_by_hand_wins_over_the_kubeconfig() {
    let stanza =
        [ISSUER, CLIENT, "--oidc-extra-scope=email", "--listen-address=127.0.0.1:9", "--token-cache-storage=disk"];
    let stanza = || line(&[&stanza[..], &["--oidc-client-secret-file=/does/not/exist"]].concat());
    let none = line(&[]).over(stanza());
    assert_eq!(
        (none.oidc_extra_scope, none.listen_address),
        (vec!["email".to_owned()], vec!["127.0.0.1:9".to_owned()])
    );
    assert_eq!(none.store.token_cache_storage, TokenCacheStorage::Disk);
    let own =
        ["--oidc-extra-scope=groups", "--oidc-client-key-file=/key", "--token-cache-storage=keyring", "--account=me"];
    let own = line(&own).over(stanza());
    assert_eq!((own.oidc_extra_scope, own.account.as_deref()), (vec!["groups".to_owned()], Some("me")));
    // One proof of the client replaces another; both would be a contradiction.
    assert_eq!((own.oidc_client_secret_file, own.oidc_client_key_file), (None, Some("/key".into())));
    assert_eq!(own.store.token_cache_storage, TokenCacheStorage::Keyring);
}

#[test]
fn a_redirect_url_is_taken_byte_for_byte_and_leads_to_this_machine() {
    let settings = with(&["--oidc-redirect-url=http://localhost:8123/callback"]).unwrap();
    assert_eq!(settings.listen, ["127.0.0.1:8123".parse().unwrap()]);
    assert_eq!((settings.redirect_host.as_deref(), &*settings.redirect_path), (Some("localhost"), "/callback"));
    assert_eq!(with(&["--oidc-redirect-url=http://127.0.0.1:8123"]).unwrap().redirect_path, "");
    for elsewhere in ["http://example.com:8000", "https://localhost:8000", "http://localhost:8000/?a=b", "x"] {
        let message = refusal(&[&format!("--oidc-redirect-url={elsewhere}")]);
        assert!(message.starts_with("--oidc-redirect-url: must be an http URL of this machine"), "{message}");
    }
}
