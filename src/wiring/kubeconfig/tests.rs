use std::error::Error;
use std::fs;

use super::*;

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
const KEY: &str = "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n";

/// A kubeconfig with one context, whose cluster and user have these fields (YAML flow mappings).
fn file(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: main\n\
         contexts: [{{name: main, context: {{cluster: hook, user: me}}}}]\n\
         clusters: [{{name: other, cluster: {{server: 'https://other'}}}}, {{name: hook, cluster: {cluster}}}]\n\
         users: [{{name: me, user: {user}}}]\n"
    )
}

fn read(text: &str) -> Result<Connection, String> {
    Connection::from_yaml(text, Path::new("folder/hook.kubeconfig")).map_err(|error| {
        let cause = error.source().and_then(Error::source).map(|cause| format!(": {cause}"));
        error.to_string() + &cause.unwrap_or_default()
    })
}

fn refusal(text: &str) -> String {
    match read(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(message) => message,
    }
}

fn bearer(connection: &Connection) -> Option<&str> {
    connection.bearer.as_ref().map(BearerToken::expose_secret)
}

#[test]
fn the_current_context_selects_cluster_and_user() {
    let connection = read(&file("{server: 'https://hook:8443/authenticate'}", "{token: caller}")).unwrap();
    assert_eq!(connection.server.as_str(), "https://hook:8443/authenticate");
    assert_eq!(bearer(&connection), Some("caller"));
}

#[test]
fn the_unnamed_cluster_and_user_are_meant_when_there_is_no_context() {
    let connection =
        read("clusters: [{cluster: {server: 'https://hook/'}}]\nusers: [{name: '', user: {token: caller}}]").unwrap();
    assert_eq!((connection.server.as_str(), bearer(&connection)), ("https://hook/", Some("caller")));
}

#[test]
fn a_user_is_not_needed() {
    let connection = read("clusters: [{cluster: {server: 'http://hook/'}}]").unwrap();
    assert!(connection.bearer.is_none() && connection.client.is_none());
}

#[test]
fn json_is_read_too() {
    let connection = read(r#"{"kind":"Config","clusters":[{"name":"","cluster":{"server":"http://hook/"}}]}"#).unwrap();
    assert_eq!(connection.server.as_str(), "http://hook/");
}

#[test]
fn unknown_fields_are_overlooked_as_the_api_server_does() {
    let cluster = "{server: 'https://hook/', disable-compression: true, extensions: [], unheard-of: 1}";
    read(&file(cluster, "{token: caller}")).unwrap();
}

#[test]
fn a_server_without_scheme_is_https_only_if_tls_is_meant() {
    let server = |cluster: &str, user: &str| read(&file(cluster, user)).unwrap().server.to_string();
    let ca = BASE64_STANDARD.encode(CERTIFICATE);
    let key = BASE64_STANDARD.encode(KEY);
    assert_eq!(server("{server: 'localhost:8443'}", "{}"), "http://localhost:8443/");
    assert_eq!(server("{server: '127.0.0.1:8443'}", "{token: caller}"), "http://127.0.0.1:8443/");
    assert_eq!(server(&format!("{{server: 'hook:1', certificate-authority-data: {ca}}}"), "{}"), "https://hook:1/");
    assert_eq!(server("{server: 'hook:1', insecure-skip-tls-verify: true}", "{}"), "https://hook:1/");
    let user = format!("{{client-certificate-data: {ca}, client-key-data: {key}}}");
    assert_eq!(server("{server: 'hook:1'}", &user), "https://hook:1/");
}

#[test]
fn a_server_that_is_no_url_is_refused() {
    for server in ["hook:8443/authenticate", "ftp://hook/", "https://", "https://ho st/", "://", "hook:99999"] {
        assert_eq!(
            refusal(&file(&format!("{{server: '{server}'}}"), "{}")),
            "folder/hook.kubeconfig: clusters[1].cluster.server: is not a URL that can be used; write https://HOST:PORT/PATH",
            "{server}"
        );
    }
}

#[test]
fn files_are_relative_to_the_kubeconfig() {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [("ca.crt", CERTIFICATE), ("me.crt", CERTIFICATE), ("me.key", KEY), ("token", " caller \n")]
    {
        fs::write(folder.path().join(name), content).unwrap();
    }
    let path = folder.path().join("kubeconfig");
    let user = "{client-certificate: me.crt, client-key: ./me.key, tokenFile: token, token: older}";
    fs::write(&path, file("{server: 'https://hook/', certificate-authority: ca.crt}", user)).unwrap();
    let connection = Connection::from_file(&path).unwrap();
    let client = connection.client.as_ref().unwrap();
    assert_eq!(connection.authority_pem.as_deref(), Some(CERTIFICATE.as_bytes()));
    assert_eq!(client.certificate_pem, CERTIFICATE.as_bytes());
    assert_eq!(*client.private_key_pem, KEY.as_bytes());
    assert_eq!(bearer(&connection), Some("caller"));
}

#[test]
fn a_token_file_that_cannot_be_read_leaves_the_inline_token() {
    let connection = read(&file("{server: 'https://hook/'}", "{tokenFile: absent, token: inline}")).unwrap();
    assert_eq!(bearer(&connection), Some("inline"));
    assert_eq!(
        refusal(&file("{server: 'https://hook/'}", "{tokenFile: absent}")),
        "folder/hook.kubeconfig: users[0].user.tokenFile: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_named() {
    let error = Connection::from_file(Path::new("absent/kubeconfig")).err().unwrap();
    assert_eq!(error.to_string(), "absent/kubeconfig: cannot be read");
}

#[test]
fn every_problem_names_file_field_and_remedy() {
    let server = "server: 'https://hook/'";
    let ca = BASE64_STANDARD.encode(CERTIFICATE);
    let plugin = "is not supported here; put a client certificate or a token (or tokenFile) in its place";
    for (cluster, user, message) in [
        ("{}", "{}", "clusters[1].cluster.server: is missing; write https://HOST:PORT/PATH"),
        ("{server: 8443}", "{}", "clusters[1].cluster.server: must be a string; put it in quotes"),
        ("https://hook", "{}", "clusters[1].cluster: must be a mapping"),
        (&format!("{{{server}}}"), "{exec: {command: x}}", &format!("users[0].user.exec: {plugin}")),
        (&format!("{{{server}}}"), "{auth-provider: {name: x}}", &format!("users[0].user.auth-provider: {plugin}")),
        (
            &format!("{{{server}}}"),
            "{username: me, password: secret-value}",
            "users[0].user.username: is not supported here; use a client certificate or a token",
        ),
        (&format!("{{{server}}}"), "{as: admin}", "users[0].user.as: is not supported here; name the caller itself"),
        (&format!("{{{server}}}"), "{token: 12345}", "users[0].user.token: must be a string; put it in quotes"),
        (
            &format!("{{{server}, certificate-authority-data: '%%%'}}"),
            "{}",
            "clusters[1].cluster.certificate-authority-data: is not base64; encode the file with `base64 -w0`",
        ),
        (
            &format!("{{{server}, certificate-authority-data: c2VjcmV0}}"),
            "{}",
            "clusters[1].cluster.certificate-authority-data: has no PEM block of the kind CERTIFICATE",
        ),
        (
            &format!("{{{server}, certificate-authority-data: {ca}, certificate-authority: ca.crt}}"),
            "{}",
            "clusters[1].cluster.certificate-authority-data: contradicts the file given beside it; keep one of the two",
        ),
        (
            &format!("{{{server}, certificate-authority-data: {ca}, insecure-skip-tls-verify: true}}"),
            "{}",
            "clusters[1].cluster.insecure-skip-tls-verify: contradicts the certificate authority given beside it; keep \
             one of the two",
        ),
        (
            &format!("{{{server}, insecure-skip-tls-verify: 'yes'}}"),
            "{}",
            "clusters[1].cluster.insecure-skip-tls-verify: must be true or false",
        ),
        (
            &format!("{{{server}}}"),
            &format!("{{client-certificate-data: {ca}}}"),
            "users[0].user.client-key: is missing; client-certificate is given, and both belong together",
        ),
        (
            &format!("{{{server}}}"),
            &format!("{{client-certificate-data: {ca}, client-key-data: {ca}}}"),
            "users[0].user.client-key-data: has no PEM block of the kind PRIVATE KEY",
        ),
        (
            &format!("{{{server}, proxy-url: 'socks5://proxy:1080'}}"),
            "{}",
            "clusters[1].cluster.proxy-url: is not supported here; write http://HOST:PORT or https://HOST:PORT",
        ),
        (
            "{server: 'https://me:secret-value@hook/'}",
            "{}",
            "clusters[1].cluster.server: is not supported here; take the user name and password out of the URL",
        ),
    ] {
        let refusal = refusal(&file(cluster, user));
        assert_eq!(refusal, format!("folder/hook.kubeconfig: {message}"), "cluster {cluster}, user {user}");
    }
}

#[test]
fn every_broken_selection_says_what_there_is() {
    let cluster = "clusters: [{name: hook, cluster: {server: 'https://hook/'}}]";
    for (text, message) in [
        ("", "is not a kubeconfig; its apiVersion must be v1 and its kind Config"),
        ("kind: Secret", "is not a kubeconfig; its apiVersion must be v1 and its kind Config"),
        ("apiVersion: v2", "is not a kubeconfig; its apiVersion must be v1 and its kind Config"),
        ("a: b: c", "is not valid YAML (line 1, column 5)"),
        (cluster, "current-context: is missing; name one of the contexts: none"),
        (
            &format!(
                "{cluster}\ncontexts: [{{name: a, context: {{}}}}, {{name: b, context: {{}}}}]\ncurrent-context: c"
            ),
            "current-context: no entry has this name; there are: \"a\", \"b\"",
        ),
        (
            &format!("{cluster}\ncontexts: [{{name: a, context: {{cluster: hok}}}}]\ncurrent-context: a"),
            "clusters: is missing; the context asks for \"hok\", and there are: \"hook\"",
        ),
        (
            &format!("{cluster}\ncontexts: [{{name: a, context: {{cluster: hook, user: me}}}}]\ncurrent-context: a"),
            "users: is missing; the context asks for \"me\", and there are: none",
        ),
        (
            "clusters: [{name: a, cluster: {}}, {name: a, cluster: {}}]",
            "clusters[1].name: there is another entry of the same name; names must be unique",
        ),
        ("clusters: {name: a}", "clusters: must be a list"),
    ] {
        assert_eq!(refusal(text), format!("folder/hook.kubeconfig: {message}"), "{text}");
    }
}

#[test]
fn no_message_repeats_a_value() {
    for text in [
        "token: sec-ret\n\tbroken: [",
        "clusters: sec-ret",
        "users: [{user: sec-ret}]",
        "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: sec-ret}]",
        "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {client-key-data: sec-ret}}]",
        "clusters: [{cluster: {server: 'https://a'}}]\nusers: [{user: {token: [sec-ret]}}]",
    ] {
        let message = refusal(text);
        assert!(!message.contains("sec-ret"), "{message}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let connection = Connection {
        server: Url::parse("https://127.0.0.1:8443/authenticate").unwrap(),
        authority_pem: Some(CERTIFICATE.into()),
        insecure: false,
        tls_server_name: Some("hook".into()),
        proxy: Some(Url::parse("http://proxy:3128").unwrap()),
        client: Some(ClientCertificate {
            certificate_pem: CERTIFICATE.into(),
            private_key_pem: Zeroizing::new(KEY.into()),
        }),
        bearer: Some(BearerToken::from("0123: no, 'yes'")),
    };
    let written = connection.to_yaml("countersign");
    let read = read(&written).unwrap();
    assert_eq!(read.server, connection.server);
    assert_eq!(read.authority_pem, connection.authority_pem);
    assert!(!read.insecure);
    assert_eq!(read.tls_server_name, connection.tls_server_name);
    assert_eq!(read.proxy, connection.proxy);
    assert_eq!(bearer(&read), bearer(&connection));
    let (client, written_client) = (read.client.unwrap(), connection.client.unwrap());
    assert_eq!(client.certificate_pem, written_client.certificate_pem);
    assert_eq!(client.private_key_pem, written_client.private_key_pem);
}

#[test]
fn the_written_form_is_what_people_expect_to_see() {
    let connection = Connection::to(Url::parse("https://127.0.0.1:8443/authenticate").unwrap(), None);
    assert_eq!(
        *connection.to_yaml("countersign"),
        "apiVersion: v1\nkind: Config\nclusters:\n- name: countersign\n  cluster:\n    \
         server: https://127.0.0.1:8443/authenticate\nusers:\n- name: countersign\n  user: {}\ncontexts:\n\
         - name: countersign\n  context:\n    cluster: countersign\n    user: countersign\n\
         current-context: countersign\n"
    );
}

#[test]
fn a_file_that_has_no_end_does_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("webhook.kubeconfig");
    fs::File::create(&path).unwrap().set_len(16 * 1024 * 1024 + 1).unwrap();
    let error = Connection::from_file(&path).err().unwrap();
    assert_eq!(
        (error.problem().as_str(), error.is_unreadable()),
        ("cannot be read: it has more than 16 MiB; give the right file", true)
    );
}

#[test]
fn it_is_told_whether_files_are_named() {
    for (cluster, user, names_files) in [
        ("{server: 'https://hook/'}", "{token: a}", false),
        ("{server: 'https://hook/', certificate-authority: ca.crt}", "{token: a}", true),
        ("{server: 'https://hook/'}", "{tokenFile: /etc/passwd}", true),
        ("{server: 'https://hook/'}", "{client-certificate: a, client-key: b}", true),
    ] {
        assert_eq!(Connection::names_files(&file(cluster, user)), names_files, "{cluster} {user}");
    }
}
