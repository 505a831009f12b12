//! Certificates, keys and tokens.

use super::*;
use crate::config::Secret;

/// Loads a sound configuration over that folder.
fn found(folder: &Folder) -> Loaded {
    folder.load_both(&sound_main(), &sound_kubernetes())
}

#[test]
fn the_content_of_every_file_is_in_the_configuration() {
    let folder = Folder::new();
    let loaded = found(&folder);
    assert_found(&loaded, &[], "sound");
    let Pems { certificate, key, authority } = pems();
    let server = loaded.config.unwrap().server;
    assert_eq!(server.tls.certificate_chain, certificate.as_bytes());
    assert_eq!(server.tls.private_key, Secret::from(key.as_bytes()));
    assert_eq!(server.callers.client_ca.as_deref(), Some(authority.as_bytes()));
    assert_eq!(server.callers.bearer_tokens, [Secret::from(TOKEN.as_bytes())]);
}

#[test]
fn j1_debug_output_of_a_configuration_has_no_secret() {
    let folder = Folder::new();
    let config = found(&folder).config.unwrap();
    let text = format!("{config:?}");
    assert!(text.contains("Secret(32 bytes)"), "{text}");
    let bytes_of = |secret: &str| format!("{:?}", &secret.as_bytes()[..16]);
    let inner = |list: String| list.trim_matches(['[', ']']).to_owned();
    for secret in [TOKEN, pems().key.as_str()] {
        assert!(!text.contains(&secret[..16]) && !text.contains(&inner(bytes_of(secret))));
    }
}

#[test]
fn j6_every_file_has_a_stamp_also_one_that_cannot_be_read() {
    let folder = Folder::new();
    fs::remove_file(folder.path("tls.crt")).unwrap();
    let loaded = found(&folder);
    assert_found(&loaded, &["error file_unreadable server.tls.certificateFile"], "no certificate");
    let mut stamps: Vec<_> = loaded.files.iter().map(|stamp| (stamp.path().to_owned(), stamp.was_readable())).collect();
    stamps.sort();
    let names = ["authentication.yaml", "caller.token", "callers-ca.crt", "countersign.yaml", "tls.crt", "tls.key"];
    assert_eq!(stamps, names.map(|name| (folder.path(name), name != "tls.crt")));
    assert!(loaded.files.iter().all(super::super::FileStamp::is_current));

    folder.write("tls.crt", &pems().certificate);
    let changed: Vec<_> = loaded.files.iter().filter(|stamp| !stamp.is_current()).map(|stamp| stamp.path()).collect();
    assert_eq!(changed, [folder.path("tls.crt")]);
}

#[test]
fn j4_a_main_file_that_cannot_be_read_is_a_finding() {
    let folder = Folder::new();
    let loaded = Config::load(&folder.path("absent.yaml"), NOW);
    assert_found(&loaded, &["error file_unreadable "], "absent");
    assert_eq!(loaded.files.len(), 1);
}

#[test]
fn j6_certificates_are_checked_when_they_are_loaded() {
    let key = KeyPair::generate().unwrap();
    let path = "server.tls.certificateFile";
    let cases = [
        ("long valid", valid(-DAY, 15 * DAY), None),
        ("two weeks left", valid(-300 * DAY, 14 * DAY - 60), Some("warning certificate_expires_soon")),
        ("half of a short life left", valid(-DAY, DAY), None),
        ("the end of a short life", valid(-2 * DAY, DAY - 60), Some("warning certificate_expires_soon")),
        ("the last second", valid(-DAY, 0), Some("warning certificate_expires_soon")),
        ("expired", valid(-DAY, -1), Some("error certificate_expired")),
        ("the first second", valid(0, 300 * DAY), None),
        ("early", valid(1, 300 * DAY), Some("error certificate_not_yet_valid")),
    ];
    for (case, parameters, expected) in cases {
        let folder = Folder::new();
        folder.write("tls.crt", certificate(&key, parameters));
        folder.write_secret("tls.key", key.serialize_pem());
        let expected: Vec<_> = expected.iter().map(|found| format!("{found} {path}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_found(&found(&folder), &expected, case);
    }
}

#[test]
fn a_certificate_without_a_name_is_worth_a_warning() {
    let key = KeyPair::generate().unwrap();
    let folder = Folder::new();
    let mut parameters = valid(-DAY, 300 * DAY);
    parameters.subject_alt_names.clear();
    folder.write("tls.crt", certificate(&key, parameters));
    folder.write_secret("tls.key", key.serialize_pem());
    assert_found(&found(&folder), &["warning certificate_without_name server.tls.certificateFile"], "no name");
}

#[test]
fn j6_a_pair_that_does_not_belong_together_is_refused() {
    let folder = Folder::new();
    folder.write_secret("tls.key", KeyPair::generate().unwrap().serialize_pem());
    assert_found(&found(&folder), &["error key_mismatch server.tls.privateKeyFile"], "other key");

    let folder = Folder::new();
    let Pems { certificate, authority, .. } = pems();
    folder.write("tls.crt", format!("{authority}{certificate}"));
    assert_found(
        &found(&folder),
        // The authority's certificate has a name, too: only its key tells.
        &["error key_mismatch server.tls.privateKeyFile"],
        "wrong order",
    );

    folder.write("tls.crt", format!("{certificate}{authority}"));
    assert_found(&found(&folder), &[], "right order");
}

#[test]
fn one_file_may_hold_certificate_and_key() {
    let folder = Folder::new();
    folder.write_secret("both.pem", format!("{}{}", pems().key, pems().certificate));
    let mut main = sound_main();
    set(&mut main, "server.tls", json!({"certificateFile": "both.pem", "privateKeyFile": "both.pem"}));
    assert_found(&folder.load_both(&main, &sound_kubernetes()), &[], "both in one");
}

#[test]
fn j6_broken_certificates_and_keys_are_refused() {
    let Pems { certificate, key, .. } = pems();
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let torn = &certificate[..certificate.len() / 2];
    let odd = certificate.replacen("MII", "!!!", 1);
    let noise = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (file, content, expected) in [
        ("tls.crt", "", "error invalid_certificate server.tls.certificateFile"),
        ("tls.crt", "no PEM", "error invalid_certificate server.tls.certificateFile"),
        ("tls.crt", key, "error invalid_certificate server.tls.certificateFile"),
        ("tls.crt", torn, "error invalid_certificate server.tls.certificateFile"),
        ("tls.crt", &odd, "error invalid_certificate server.tls.certificateFile"),
        ("tls.crt", noise, "error invalid_certificate server.tls.certificateFile"),
        ("tls.key", "", "error invalid_private_key server.tls.privateKeyFile"),
        ("tls.key", certificate, "error invalid_private_key server.tls.privateKeyFile"),
        ("tls.key", &encrypted, "error invalid_private_key server.tls.privateKeyFile"),
        ("tls.key", &key[..key.len() / 2], "error invalid_private_key server.tls.privateKeyFile"),
        (
            "tls.key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "error invalid_private_key server.tls.privateKeyFile",
        ),
        ("callers-ca.crt", "", "error invalid_certificate server.callers.clientCertificateAuthorityFile"),
        ("callers-ca.crt", key, "error invalid_certificate server.callers.clientCertificateAuthorityFile"),
        ("callers-ca.crt", noise, "error invalid_certificate server.callers.clientCertificateAuthorityFile"),
    ] {
        let folder = Folder::new();
        folder.write_secret(file, content);
        assert_found(&found(&folder), &[expected], &format!("{file}: {content:.40}"));
    }
}

#[test]
fn authorities_that_run_out_are_worth_a_warning() {
    let path = "server.callers.clientCertificateAuthorityFile";
    for (life, code) in [
        (valid(-DAY, -1), Some("certificate_expired")),
        (valid(-300 * DAY, DAY), Some("certificate_expires_soon")),
        (valid(-DAY, 300 * DAY), None),
    ] {
        let folder = Folder::new();
        folder.write("callers-ca.crt", format!("{}{}", pems().authority, authority(life)));
        let expected: Vec<_> = code.iter().map(|code| format!("warning {code} {path}")).collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        assert_found(&found(&folder), &expected, "second authority");
    }
}

#[test]
#[cfg(unix)]
fn secrets_that_everybody_can_read_are_worth_a_warning() {
    let folder = Folder::new();
    set_mode(&folder.path("tls.key"), 0o644);
    set_mode(&folder.path("caller.token"), 0o604);
    assert_found(
        &found(&folder),
        &[
            "warning secret_readable_by_others server.tls.privateKeyFile",
            "warning secret_readable_by_others server.callers.bearerTokenFiles[0]",
        ],
        "modes",
    );
    set_mode(&folder.path("tls.key"), 0o640);
    set_mode(&folder.path("caller.token"), 0o440);
    assert_found(&found(&folder), &[], "modes");
}

#[test]
fn caller_tokens_are_one_printable_line_of_some_length() {
    for (content, is_good) in [
        (&b"0123456789abcdef"[..], true),
        (b"0123456789abcdef\n", true),
        (b"0123456789abcdef\r\n", true),
        (b"", false),
        (b"\n", false),
        (b"0123456789abcde\n", false),
        (b"0123456789abcdef\n\n", false),
        (b"0123456789abcdef\nfedcba9876543210\n", false),
        (b" 0123456789abcdef", false),
        (b"01234567 89abcdef", false),
        (b"0123456789abcdef\t", false),
        (b"0123456789abcdef\x00", false),
        ("0123456789abcdefé".as_bytes(), false),
    ] {
        let folder = Folder::new();
        folder.write_secret("caller.token", content);
        let expected: &[&str] = if is_good { &[] } else { &["error invalid_token server.callers.bearerTokenFiles[0]"] };
        let loaded = found(&folder);
        assert_found(&loaded, expected, &format!("{:?}", String::from_utf8_lossy(content)));
        if let Some(config) = loaded.config {
            assert_eq!(config.server.callers.bearer_tokens, [Secret::from(&b"0123456789abcdef"[..])]);
        }
        assert!(!loaded.findings.to_string().contains("456789"), "a token in a message");
    }
}

#[test]
fn caller_tokens_are_all_different() {
    let folder = Folder::new();
    folder.write_secret("same.token", TOKEN);
    folder.write_secret("other.token", "another token's bytes".replace(' ', "-"));
    let mut main = sound_main();
    let names = json!(["caller.token", "other.token", "same.token", "caller.token", "", "absent.token"]);
    set(&mut main, "server.callers.bearerTokenFiles", names);
    assert_found(
        &folder.load_both(&main, &sound_kubernetes()),
        &[
            "error duplicate server.callers.bearerTokenFiles[2]",
            "error duplicate server.callers.bearerTokenFiles[3]",
            "error required server.callers.bearerTokenFiles[4]",
            "error file_unreadable server.callers.bearerTokenFiles[5]",
        ],
        "tokens",
    );
}
