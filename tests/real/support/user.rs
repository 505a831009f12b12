//! A person at a terminal, or a program: a home, an environment, and the program that they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::rig::Rig;

/// Somebody with a home of their own.
#[derive(Clone)]
pub(crate) struct User {
    home: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl User {
    pub(crate) fn new(rig: &Rig, name: &str) -> Self {
        let home = rig.folder().join(format!("home-of-{name}"));
        std::fs::create_dir_all(&home).unwrap();
        Self { home, environment: Vec::new() }
    }

    /// Whoever has this home.
    pub(crate) fn at(home: &Path) -> Self {
        Self { home: home.to_owned(), environment: Vec::new() }
    }

    /// The same with a variable in the environment.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// The folder where sessions are.
    pub(crate) fn sessions(&self) -> PathBuf {
        self.home.join(".local/state/countersign")
    }

    /// What the files of the store hold, all together.
    pub(crate) fn stored(&self) -> String {
        let files = std::fs::read_dir(self.sessions()).unwrap().map(|entry| entry.unwrap().path());
        files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
    }

    /// What the records of the store hold, without locks and marks.
    pub(crate) fn stored_records(&self) -> String {
        self.records().into_iter().map(|file| std::fs::read_to_string(file).unwrap()).collect()
    }

    /// Makes all sessions look as if they had come earlier, and their tokens as if they ended then.
    pub(crate) fn end_sessions(&self) {
        self.edit_sessions(|session| {
            for field in ["idTokenExpiresAt", "accessTokenExpiresAt"] {
                session[field] = 1_700_000_000_u64.into();
            }
            session["obtainedAt"] = 1_699_990_000_u64.into();
        });
    }

    /// Makes all sessions older.
    pub(crate) fn age_sessions(&self, age: Duration) {
        self.edit_sessions(|session| {
            session["obtainedAt"] = (session["obtainedAt"].as_u64().unwrap() - age.as_secs()).into();
        });
    }

    fn edit_sessions(&self, edit: impl Fn(&mut Value)) {
        for file in self.records() {
            let mut record: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            record["sessions"].as_array_mut().unwrap().iter_mut().for_each(&edit);
            std::fs::write(&file, record.to_string()).unwrap();
        }
    }

    fn records(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.sessions()).unwrap().map(|entry| entry.unwrap().path());
        let mut records: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        records.sort();
        records
    }

    /// The program with this home, and nothing of the test's environment but where programs are.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", &self.home);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Run {
        finish(self.command(arguments)).await
    }
}

/// Runs a command to its end, without holding up the test's own servers.
pub(crate) async fn finish(mut command: Command) -> Run {
    let Output { status, stdout, stderr } =
        tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    Run { code: status.code(), stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}
