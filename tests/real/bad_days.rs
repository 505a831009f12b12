//! Bad days of whoever logs in, with the program itself and oidc-provider: one line that says what, where and what to do, the
//! exit code of the interface, nothing on standard output, and the stored session as it was.

use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::Duration;

use crate::support::{OidcProvider, Person, Rig, Run, Stanza, User, component, finish};

/// A person who is logged in, at a provider that runs.
struct Day {
    provider: OidcProvider,
    user: User,
    stanza: Stanza,
    stored: String,
    rig: Rig,
}

impl Day {
    async fn new() -> Self {
        let rig = Rig::new();
        let provider = OidcProvider::start(&rig).await;
        let stanza = Stanza::person(&rig, &provider);
        let user = User::new(&rig, "somebody");
        let run = Person::at(&rig).logs_in(&user, &provider, &stanza, "alice").await;
        assert_eq!(run.code, Some(0), "{run:?}");
        let stored = user.stored();
        assert!(stored.contains("refreshToken"), "{stored}");
        Self { provider, user, stanza, stored, rig }
    }

    /// The last line of a run that failed with this code, and changed nothing.
    fn line<'a>(&self, run: &'a Run, code: i32) -> &'a str {
        assert_eq!((run.code, run.stdout.as_str()), (Some(code), ""), "{run:?}");
        assert_eq!(self.stored_sessions(), self.stored, "the session has changed");
        run.stderr
            .lines()
            .last()
            .and_then(|line| line.strip_prefix("countersign: "))
            .unwrap_or_else(|| panic!("{run:?}"))
    }

    /// The record alone: locks keep word of failures.
    fn stored_sessions(&self) -> String {
        self.user.stored_records()
    }

    async fn login(&self, more: &[&str]) -> Run {
        self.user.run(&self.stanza.line("login", more)).await
    }
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn what_is_wrong_with_the_provider_is_said_in_one_line() {
    let mut day = Day::new().await;
    let url = day.provider.issuer().url;

    // Another issuer's URL: what is found there is not about it.
    let slash = day.stanza.clone().without("--oidc-issuer-url").and([format!("--oidc-issuer-url={url}/")]);
    let run = day.user.run(&slash.line("login", &[])).await;
    assert!(day.line(&run, 3).contains("use the issuer URL exactly as the provider writes it"), "{run:?}");

    let portal = day.stanza.clone().without("--oidc-issuer-url").and([format!("--oidc-issuer-url={url}/portal")]);
    let run = day.user.run(&portal.line("login", &[])).await;
    assert!(day.line(&run, 3).contains("is there a sign-in page of this network in between?"), "{run:?}");

    let strange = day.stanza.clone().without("--certificate-authority");
    let run = day.user.run(&strange.line("login", &[])).await;
    assert!(day.line(&run, 3).contains("its certificate is not trusted here: give the authority"), "{run:?}");

    let machine = Stanza::machine(&day.rig, &day.provider).without("--audience");
    let run = day.user.run(&machine.line("get-token", &["--audience=urn:api:nobody"])).await;
    assert!(day.line(&run, 1).contains("invalid_target"), "{run:?}");

    day.provider.freeze();
    let run = day.user.run(&day.stanza.line("get-token", &["--force-refresh", "--account=bob"])).await;
    day.line(&run, 1);
    day.provider.thaw();

    day.provider.stop();
    let run = day.login(&[]).await;
    assert!(day.line(&run, 3).contains(&url), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn what_is_wrong_with_the_browser_is_said_in_one_line() {
    let day = Day::new().await;

    let run = day.login(&["--browser-command=/no/such/browser", "--authentication-timeout-sec=1"]).await;
    assert!(run.stderr.contains("no browser could be started (/no/such/browser)"), "{run:?}");
    assert!(day.line(&run, 3).contains("within 1 seconds"), "{run:?}");

    // A window that is closed is one that never answers.
    let run = day.login(&["--browser-command=true", "--authentication-timeout-sec=1"]).await;
    assert!(day.line(&run, 3).contains("within 1 seconds"), "{run:?}");

    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stanza = day.stanza.clone().without("--listen-address");
    let address = format!("--listen-address={}", taken.local_addr().unwrap());
    let run = day.user.run(&stanza.line("login", &[&address])).await;
    assert!(day.line(&run, 3).contains("--listen-address"), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn ctrl_c_ends_a_login_with_a_line() {
    let day = Day::new().await;
    let mut command = day.user.command(&day.stanza.line("login", &["--browser-command=true"]));
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It waits for the browser when it has said where.
    let mut said = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut first = String::new();
    std::io::BufRead::read_line(&mut said, &mut first).unwrap();
    assert!(first.contains("Opening the login"), "{first}");
    let status = Command::new("kill").args(["-s", "INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    let mut stderr = String::new();
    std::io::Read::read_to_string(&mut said, &mut stderr).unwrap();
    let code = child.wait().unwrap().code();
    let run = Run { code, stdout: String::new(), stderr };
    assert!(day.line(&run, 3).contains("interrupted"), "{run:?}");
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_full_disk_spends_no_refresh_token() {
    let day = Day::new().await;
    let asked = day.provider.requests("POST /token");
    let mut command = Command::new("sh");
    // No file may grow: what a full disk says, for one program.
    command.args(["-c", "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_countersign")]);
    command.args(day.stanza.line("get-token", &["--force-refresh"])).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", day.user.home());
    // The token has to be older than what is not renewed on demand.
    day.user.age_sessions(Duration::from_secs(60));
    let before = day.user.stored_records();
    let run = finish(command).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{run:?}");
    assert!(run.stderr.contains("see that the folder is yours and the disk has room"), "{run:?}");
    assert_eq!((day.user.stored_records(), day.provider.requests("POST /token")), (before, asked));
}

#[tokio::test]
#[ignore = "needs tests/real/setup.sh"]
async fn a_wrong_clock_is_measured_by_the_providers() {
    let rig = Rig::new();
    let provider = OidcProvider::start(&rig).await;
    let stanza = Stanza::machine(&rig, &provider);
    let user = User::new(&rig, "somebody");
    let at = |shift: &str, arguments: &[&str]| {
        let plain = user.command(arguments);
        let mut command = Command::new(component("FAKETIME"));
        command.args(["-f", shift]).arg(plain.get_program()).args(plain.get_args()).env_clear();
        command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(std::process::Stdio::null());
        command
    };
    let run = finish(at("+3d", &stanza.line("login", &[]))).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(3), ""), "{run:?}");
    assert!(run.stderr.contains("clock") && run.stderr.contains("hours apart"), "{run:?}");

    // Twenty minutes are borne: the token is used by the provider's clock, and so is its end.
    let run = finish(at("+20m", &stanza.line("login", &[]))).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stderr.contains("ahead of"), "{run:?}");
    let run = finish(at("+20m", &stanza.line("get-token", &[]))).await;
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "still good by this machine's clock: {run:?}");
    assert_eq!(provider.requests("POST /token"), 1);
}
