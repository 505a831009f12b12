//! Sessions in a desktop's keyring: GNOME Keyring on a session bus.

use serde_json::Value;

use crate::support::{Keyring, OidcProvider, Rig, Stanza, User};

/// The token that `get-token` prints.
async fn token(user: &User, arguments: &[&str]) -> String {
    let run = user.run(arguments).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{run:?}");
    let credential: Value = serde_json::from_str(&run.stdout).unwrap();
    credential["status"]["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn k1_an_open_keyring_takes_the_session_and_the_file_has_no_secret() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let login = Stanza::machine(&rig, &provider);
    let keyring = Keyring::start(&rig).await;
    let user = keyring.user(&rig, "somebody");

    let run = user.run(&login.line("login", &[])).await;
    assert!(run.code == Some(0) && run.stdout.ends_with("kept in the system's keyring\n"), "{run:?}");
    let first = token(&user, &login.line("get-token", &[])).await;
    assert_eq!(token(&user, &login.line("get-token", &[])).await, first, "from the keyring");
    assert!(!user.stored().contains(&first), "a token is in a file");
    assert_eq!(keyring.items(), 1);

    let run = user.run(&["whoami"]).await;
    assert!(run.stdout.contains("stored in  the system's keyring"), "{run:?}");
    let run = user.run(&["logout", "--all"]).await;
    assert_eq!((run.code, keyring.items()), (Some(0), 0), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_locked_keyring_is_one_clear_line_and_leaves_the_session_as_it_was() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let login = Stanza::machine(&rig, &provider);
    let keyring = Keyring::start(&rig).await;
    let user = keyring.user(&rig, "somebody");
    let keep = login.line("login", &["--token-cache-storage=keyring"]);
    assert_eq!(user.run(&keep).await.code, Some(0));

    keyring.lock();
    let run = user.run(&login.line("get-token", &[])).await;
    let expected = "countersign: the session is in a place that cannot be read: the system's keyring is locked; unlock it, or \
                    use --token-cache-storage disk\n";
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (Some(3), "", expected));
    let run = user.run(&["whoami"]).await;
    assert!(run.stdout.contains("cannot be read now: the system's keyring is locked"), "{run:?}");
    assert_eq!(keyring.items(), 1);

    // The way out that the line names.
    let disk = ["--token-cache-storage=disk"];
    let first = token(&user, &login.line("get-token", &disk)).await;
    assert!(user.stored().contains(&first), "the token is not in the file");
    assert_eq!(token(&user, &login.line("get-token", &[])).await, first, "what is on disk stays on disk");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn without_a_keyring_the_session_goes_into_a_file_unless_the_keyring_was_asked_for() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let login = Stanza::machine(&rig, &provider);
    let user = User::new(&rig, "somebody");
    let run = user.run(&login.line("login", &["--token-cache-storage=keyring"])).await;
    let expected = "countersign: the session is in a place that cannot be read: the system's keyring cannot be reached (there is \
                    no session bus); start one in this session, or use --token-cache-storage disk\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(3), expected));
    assert!(!user.stored().contains("idToken"), "nothing was kept");
    let run = user.run(&login.line("login", &[])).await;
    assert!(run.code == Some(0) && run.stdout.ends_with("kept in a file that only you can read\n"), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_session_moves_into_the_keyring_when_it_is_asked_for() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let login = Stanza::machine(&rig, &provider);
    let keyring = Keyring::start(&rig).await;
    let user = keyring.user(&rig, "somebody");
    let disk = login.line("login", &["--token-cache-storage=disk"]);
    assert_eq!((user.run(&disk).await.code, keyring.items()), (Some(0), 0));
    assert!(user.stored().contains("eyJ"), "a token is in the file");
    let moved = login.line("login", &["--token-cache-storage=keyring"]);
    assert_eq!((user.run(&moved).await.code, keyring.items()), (Some(0), 1));
    assert!(!user.stored().contains("eyJ"), "and is gone from there");
    // And back: what was in the keyring is taken out of it.
    assert_eq!((user.run(&disk).await.code, keyring.items()), (Some(0), 0));
}
