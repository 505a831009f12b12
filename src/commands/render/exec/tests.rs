use clap::Parser;

use super::*;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn stanza(flags: &[&str]) -> Result<Stanza, Failure> {
    Line::try_parse_from(flags).unwrap().arguments.stanza()
}

const LOGIN: [&str; 2] = ["--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubectl"];

#[test]
fn the_arguments_are_those_that_were_given() {
    let given = [
        "--oidc-issuer-url=https://idp.example.com",
        "--oidc-client-id=kubectl",
        "--audience=kube",
        "--grant-type=device-code",
        "--token-cache-dir=~/x",
        "--oidc-extra-scope=groups",
        "--listen-address=127.0.0.1:0",
        "--token-cache-storage=disk",
        "--skip-open-browser",
    ];
    let stanza = stanza(&given).unwrap();
    assert_eq!(stanza.args, [&["get-token"], &given[..]].concat());
    assert_eq!(
        (stanza.api_version.as_str(), stanza.interactive_mode.as_str()),
        ("client.authentication.k8s.io/v1", "IfAvailable")
    );
}

#[test]
fn k5_a_secret_is_not_written_into_a_kubeconfig() {
    let Err(Failure::WrongUse(message)) = stanza(&[LOGIN[0], LOGIN[1], "--oidc-client-secret=hunter2"]) else {
        panic!("it was taken")
    };
    assert!(message.contains("--oidc-client-secret-file") && !message.contains("hunter2"), "{message}");
}

#[test]
fn a_kubeconfig_is_changed_once_and_its_old_content_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (path, backup) = (folder.path().join("config"), folder.path().join("config.backup"));
    let old = "apiVersion: v1\nkind: Config\nusers: []\n";
    fs::write(&path, old).unwrap();
    let stanza = stanza(&LOGIN).unwrap();
    assert_eq!(write(&path, &stanza, "me", None), Ok(true));
    assert_eq!(fs::read_to_string(&backup).unwrap(), old);
    let new = fs::read_to_string(&path).unwrap();
    assert_eq!(write(&path, &stanza, "me", None), Ok(false));
    assert_eq!((fs::read_to_string(&path).unwrap(), fs::read_to_string(&backup).unwrap()), (new, old.to_owned()));
}

#[test]
fn an_earlier_backup_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (first, theirs) = ("# mine\nkind: Config\n", "precious");
    fs::write(file("config"), first).unwrap();
    fs::write(file("config.backup"), theirs).unwrap();
    let stanza = stanza(&LOGIN).unwrap();
    assert_eq!(write(&file("config"), &stanza, "me", None), Ok(true));
    let second = fs::read_to_string(file("config")).unwrap();
    assert_eq!(write(&file("config"), &stanza, "another", None), Ok(true));
    let kept =
        ["config.backup", "config.backup.1", "config.backup.2"].map(|name| fs::read_to_string(file(name)).unwrap());
    assert_eq!(kept, [theirs.to_owned(), first.to_owned(), second]);
}

#[test]
fn files_are_named_so_that_any_folder_will_do() {
    let flags = ["--certificate-authority=ca.crt", "--oidc-client-secret-file=a/secret"];
    let folder = tempfile::tempdir().unwrap();
    let token_file = format!("--token-file={}", folder.path().join("token").display());
    let flags = [&[LOGIN[0], LOGIN[1], &token_file, "--provide-cluster-info"], &flags[..]].concat();
    let here = std::env::current_dir().unwrap();
    let expected = [
        LOGIN[0].to_owned(),
        LOGIN[1].to_owned(),
        format!("--oidc-client-secret-file={}", here.join("a/secret").display()),
        token_file.clone(),
        format!("--certificate-authority={}", here.join("ca.crt").display()),
    ];
    assert_eq!(stanza(&flags).unwrap().args[1..], expected);
}

#[cfg(unix)]
#[test]
fn a_kubeconfig_behind_a_link_stays_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let (target, link) = (folder.path().join("target"), folder.path().join("config"));
    fs::write(&target, "").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    assert_eq!(write(&link, &stanza(&LOGIN).unwrap(), "me", None), Ok(true));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(fs::read_to_string(&target).unwrap().contains("get-token"));
}

#[test]
fn something_else_than_a_kubeconfig_is_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config");
    fs::write(&path, "kind: Pod\n").unwrap();
    assert!(matches!(write(&path, &stanza(&LOGIN).unwrap(), "me", None), Err(Failure::WrongUse(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "kind: Pod\n");
}
