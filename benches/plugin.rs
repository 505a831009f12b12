//! What kubectl waits for: a warm `get-token` against that of kubelogin, for the same token: `cargo bench --bench plugin`.
//!
//! kubelogin is built from its Go module at the version that `benches/kubelogin/go.mod` pins (needs Go), or named in
//! `KUBELOGIN`. Both run in the same rounds, one after the other, so that a busy machine is busy for both; what counts is the
//! ratio of the medians. `true` runs with them: what starting and ending any process takes, before it does anything. Peak memory
//! is what GNU time says, where it is installed.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it prints what it measured, and panics when it cannot"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, SigningKey, TokenBuilder};
use countersign::login::session::{Record, Session, SessionKey, Store};
use countersign::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use countersign::login::tokens::Tokens;
use serde_json::{Value, json};
use zeroize::Zeroizing;

const ROUNDS: usize = 200;
const WARM_UP: usize = 10;
/// Nobody listens there: whoever asks the provider fails.
const ISSUER: &str = "https://127.0.0.1:1";
const INFO: &str =
    r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}"#;

fn main() {
    let home = tempfile::tempdir().unwrap();
    let token = token();
    let ours = countersign(home.path(), &token);
    let theirs = kubelogin(home.path(), &token);
    let nothing = vec!["true".to_owned()];
    let contestants = [("countersign", &ours), ("kubelogin", &theirs), ("true", &nothing)];
    for (name, line) in &contestants[..2] {
        let answer: Value = serde_json::from_slice(&run(line, home.path()).stdout).unwrap();
        assert_eq!(answer["status"]["token"], *token, "{name} does not answer from its store");
    }
    let mut times = [const { Vec::new() }; 3];
    for round in 0..WARM_UP + ROUNDS {
        for (index, (_, line)) in contestants.iter().enumerate() {
            let began = Instant::now();
            let output = run(line, home.path());
            let took = began.elapsed();
            assert!(output.status.success());
            if round >= WARM_UP {
                times[index].push(took);
            }
        }
    }
    println!("{ROUNDS} interleaved rounds, wall time from start to exit:");
    let medians = times.map(|mut times| {
        times.sort_unstable();
        [times[ROUNDS / 2], times[ROUNDS / 10], times[ROUNDS * 9 / 10]]
    });
    for ((name, line), [median, low, high]) in contestants.iter().zip(&medians) {
        let memory = peak_memory(line, home.path()).unwrap_or_else(|| "unknown".to_owned());
        println!("{name:<12} median {median:>9.2?}   10 % {low:>9.2?}   90 % {high:>9.2?}   peak memory {memory}");
    }
    let [ours, theirs, nothing] = medians.map(|[median, ..]| median.as_secs_f64());
    println!(
        "ratio of the medians: {:.1}; beyond what any process takes: {:.1}",
        theirs / ours,
        (theirs - nothing) / (ours - nothing)
    );
}

/// A token as providers issue them, good for an hour.
fn token() -> String {
    let (key, now) = (Arc::new(SigningKey::generate(Algorithm::Rs256, "key").unwrap()), SystemClock.now());
    let token = TokenBuilder::new(&key).issuer(ISSUER).subject("alice").audience("kubectl").issued_at(now);
    let token = token.expires_at(now.saturating_add(Duration::from_secs(3600))).claim("email", "alice@example.com");
    token.groups(&["developers", "operators"]).mint().expose_secret().to_owned()
}

fn countersign(home: &Path, token: &str) -> Vec<String> {
    let folder = home.join("countersign");
    let settings = Settings {
        issuer: ISSUER.to_owned(),
        client_id: "kubectl".to_owned(),
        client: ClientAuthentication::None,
        scopes: Vec::new(),
        audience: None,
        grant: Grant::Auto,
        token_kind: TokenKind::IdToken,
        account: None,
        certificate_authority: None,
        listen: Vec::new(),
        redirect_host: None,
        redirect_path: String::new(),
        browser: None,
        skip_browser: false,
        patience: Duration::from_secs(1),
        extra_parameters: Vec::new(),
        assertion_file: None,
        token_file: None,
        interactive: false,
    };
    let now = SystemClock.now();
    let tokens = Tokens {
        id_token: Some(Zeroizing::new(token.to_owned())),
        access_token: None,
        refresh_token: Some(Zeroizing::new("refresh".to_owned())),
        id_token_expires_at: Some(now.saturating_add(Duration::from_secs(3600))),
        access_token_expires_at: None,
        account: Some("alice".to_owned()),
        subject: Some("alice".to_owned()),
        clock_offset_seconds: 0,
    };
    let mut record = Record::new(SessionKey::of(&settings));
    record.put(Session::new(tokens, "kubectl", now));
    Store::in_folder(folder.clone()).write(&record, None).unwrap();
    line(env!("CARGO_BIN_EXE_countersign"), &folder)
}

/// kubelogin names its file after a hash; the lock that it leaves when it cannot log in has the same name.
fn kubelogin(home: &Path, token: &str) -> Vec<String> {
    let folder = home.join("kubelogin");
    let line = line(build().to_str().unwrap(), &folder);
    let failed = run(&[&line[..], &["--skip-open-browser".to_owned()]].concat(), home);
    assert!(!failed.status.success());
    let lock = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).next().unwrap();
    fs::write(lock.with_extension(""), json!({"id_token": token, "refresh_token": "refresh"}).to_string()).unwrap();
    line
}

/// The arguments that both understand.
fn line(program: &str, folder: &Path) -> Vec<String> {
    let folder = format!("--token-cache-dir={}", folder.display());
    let issuer = format!("--oidc-issuer-url={ISSUER}");
    [program, "get-token", &issuer, "--oidc-client-id=kubectl", &folder].map(str::to_owned).to_vec()
}

fn build() -> PathBuf {
    if let Some(program) = std::env::var_os("KUBELOGIN") {
        return PathBuf::from(program);
    }
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kubelogin");
    let mut go = Command::new("go");
    go.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/kubelogin")).env("CGO_ENABLED", "0");
    go.args(["build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o"]).arg(&program);
    let status = go.arg("github.com/int128/kubelogin").status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "building kubelogin needs Go; or name a built one in KUBELOGIN"
    );
    program
}

fn run(line: &[String], home: &Path) -> Output {
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).env_clear().env("HOME", home).env("KUBERNETES_EXEC_INFO", INFO);
    command.stdin(Stdio::null()).output().unwrap()
}

fn peak_memory(line: &[String], home: &Path) -> Option<String> {
    let mut command = Command::new("time");
    command.args(["--format=%M"]).args(line).env("HOME", home).env("KUBERNETES_EXEC_INFO", INFO).stdin(Stdio::null());
    let said = String::from_utf8(command.output().ok()?.stderr).ok()?;
    let kilobytes: f64 = said.lines().last()?.parse().ok()?;
    Some(format!("{:.1} MB", kilobytes / 1024.0))
}
