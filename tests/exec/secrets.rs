//! A token is in the store and in the credential that kubectl reads, and nowhere else.

use std::fs;
use std::path::Path;

use crate::support::{ACCESS_TOKEN, Home, ID_TOKEN, REFRESH_TOKEN, Run, finish, get_token, info};

const CANARIES: [&str; 3] = [ID_TOKEN, ACCESS_TOKEN, REFRESH_TOKEN];

fn has_canary(text: &str) -> bool {
    CANARIES.iter().any(|canary| text.contains(canary))
}

fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push((path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn k5_tokens_are_in_no_output_and_no_file_but_the_store() {
    let home = Home::with(&["me", "you"]);
    let me = ["--account=me", "-v"];
    let silent: [Run; 8] = [
        home.run(&["whoami"]),
        home.run(&["whoami", "--output=yaml"]),
        home.kubectl("v1", &["-v"]),
        home.kubectl("v2", &["-v"]),
        home.kubectl("v1", &["-v", "--account=nobody"]),
        home.kubectl("v1", &["-v", &format!("--no-such-flag={ID_TOKEN}-which-is-a-long-argument-of-a-user")]),
        home.run(&["render", "exec", "--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubectl"]),
        home.run(&[
            "logout",
            "--oidc-issuer-url=https://idp.example.com",
            "--oidc-client-id=kubectl",
            "--account=you",
            "-v",
        ]),
    ];
    for run in &silent {
        assert!(!has_canary(&run.stdout) && !has_canary(&run.stderr), "{run:?}");
    }
    for _ in 0..3 {
        let run = home.kubectl("v1", &me);
        assert!(
            run.stdout.contains(ID_TOKEN) && !run.stdout.contains(ACCESS_TOKEN) && !run.stdout.contains(REFRESH_TOKEN)
        );
        assert!(!has_canary(&run.stderr), "{run:?}");
    }
    let mut found = Vec::new();
    files(home.path(), &mut found);
    let with: Vec<&str> = found
        .iter()
        .filter(|(_, bytes)| has_canary(&String::from_utf8_lossy(bytes)))
        .map(|(name, _)| name.rsplit('.').next().unwrap())
        .collect();
    assert_eq!(with, ["json"]);
}

#[cfg(unix)]
mod permissions {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn k1_no_umask_opens_the_store() {
        let home = Home::with(&["me"]);
        fs::set_permissions(home.sessions(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "umask 000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_countersign")]).args(get_token(&[]));
        command.env("HOME", home.path()).env_remove("XDG_STATE_HOME").stdin(Stdio::null());
        let run = finish(command.env("KUBERNETES_EXEC_INFO", info("v1").to_string()));
        assert_eq!(run.code, Some(0), "{run:?}");
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&home.sessions()), 0o700);
        let entries: Vec<_> = fs::read_dir(home.sessions()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries.len(), 2, "the record and the marks of runs");
        assert!(entries.iter().all(|path| mode(path) == 0o600), "{entries:?}");
    }

    #[test]
    fn k1_a_link_in_the_stores_place_is_not_followed() {
        let home = Home::new();
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        fs::create_dir_all(home.sessions().parent().unwrap()).unwrap();
        symlink(&elsewhere, home.sessions()).unwrap();
        let run = home.kubectl("v1", &[]);
        let expected = format!(
            "countersign: {}: is a symbolic link; remove it, or choose another folder with --token-cache-dir\n",
            home.sessions().display()
        );
        assert_eq!((run.code, run.stdout.as_str(), run.stderr), (Some(3), "", expected));
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    }
}
