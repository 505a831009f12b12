//! A user with a home, and the program that they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use countersign::clock::{Clock, SystemClock, UnixTime};
use countersign::login::session::{Record, Session, SessionKey, Store};
use countersign::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use countersign::login::tokens::Tokens;
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub(crate) const ISSUER: &str = "https://idp.example.com";
/// Tokens that must be seen nowhere but where they belong.
pub(crate) const ID_TOKEN: &str = "canary-id.e30.x";
pub(crate) const ACCESS_TOKEN: &str = "canary-access.e30.x";
pub(crate) const REFRESH_TOKEN: &str = "canary-refresh";

/// A user's home.
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A home where these accounts are logged in.
    pub(crate) fn with(accounts: &[&str]) -> Self {
        let home = Self::new();
        let mut record = Record::new(SessionKey::of(&settings()));
        for account in accounts {
            record.put(Session::new(tokens(account), "kubectl", now()));
        }
        home.store().write(&record, None).unwrap();
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn sessions(&self) -> PathBuf {
        self.path().join(".local").join("state").join("countersign")
    }

    pub(crate) fn store(&self) -> Store {
        Store::in_folder(self.sessions())
    }

    /// The program with this home and nothing else in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env_clear().env("HOME", self.path()).args(arguments).stdin(std::process::Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        finish(&mut self.command(arguments))
    }

    /// `get-token` as kubectl runs it without a terminal.
    pub(crate) fn kubectl(&self, version: &str, arguments: &[&str]) -> Run {
        finish(self.command(&get_token(arguments)).env("KUBERNETES_EXEC_INFO", info(version).to_string()))
    }
}

pub(crate) fn finish(command: &mut Command) -> Run {
    let Output { status, stdout, stderr } = command.output().unwrap();
    Run { code: status.code(), stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// The arguments of a usual stanza.
pub(crate) fn get_token<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["get-token", "--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubectl"], more].concat()
}

pub(crate) fn info(version: &str) -> Value {
    json!({"kind": "ExecCredential", "apiVersion": format!("client.authentication.k8s.io/{version}"),
        "spec": {"interactive": false}})
}

pub(crate) fn now() -> UnixTime {
    SystemClock.now()
}

pub(crate) fn tokens(account: &str) -> Tokens {
    let end = now().saturating_add(Duration::from_secs(3600));
    Tokens {
        id_token: Some(Zeroizing::new(ID_TOKEN.to_owned())),
        access_token: Some(Zeroizing::new(ACCESS_TOKEN.to_owned())),
        refresh_token: Some(Zeroizing::new(REFRESH_TOKEN.to_owned())),
        id_token_expires_at: Some(end),
        access_token_expires_at: Some(end),
        account: Some(account.to_owned()),
        subject: Some(format!("subject-of-{account}")),
        clock_offset_seconds: 0,
    }
}

/// What the usual stanza means.
pub(crate) fn settings() -> Settings {
    Settings {
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
        patience: Duration::from_secs(180),
        extra_parameters: Vec::new(),
        assertion_file: None,
        token_file: None,
        interactive: false,
    }
}
