//! Kubernetes' answers, from a process that lives as long as its tests.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) struct Oracle {
    process: Child,
    questions: BufWriter<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

/// Whether a document is taken.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Load {
    pub(crate) fault: String,
    pub(crate) loads: bool,
    pub(crate) decode_error: String,
    pub(crate) errors: Vec<Problem>,
    pub(crate) outcomes: Vec<Outcome>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Problem {
    pub(crate) field: String,
    pub(crate) detail: String,
}

/// What became of a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase", tag = "outcome")]
pub(crate) enum Outcome {
    Accepted { user: User },
    Declined,
    Error { error: String },
    Panicked { error: String },
}

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(crate) struct User {
    pub(crate) username: String,
    pub(crate) uid: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) groups: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) extra: std::collections::BTreeMap<String, Vec<String>>,
}

/// What an expression is and gives.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Evaluated {
    pub(crate) fault: String,
    pub(crate) compiles: bool,
    pub(crate) compile_error: String,
    pub(crate) static_type: String,
    pub(crate) results: Vec<Evaluation>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Evaluation {
    pub(crate) error: String,
    pub(crate) value: Value,
    pub(crate) cost: Option<u64>,
}

impl Oracle {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let program = path();
        let mut process = Command::new(&program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // One of several: each shall use the processor that its worker waits on.
            .env("GOMAXPROCS", "2")
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; run tests/oracle/setup.sh first", program.display()));
        let questions = BufWriter::new(process.stdin.take().unwrap());
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, questions, answers }
    }

    /// Asks many questions at once, which is far cheaper than one by one.
    pub(crate) fn ask<T: DeserializeOwned>(&mut self, questions: &[Value]) -> Vec<T> {
        let Self { questions: to, answers: from, .. } = self;
        std::thread::scope(|scope| {
            // Both pipes are short: who writes everything before reading anything would wait for ever.
            scope.spawn(move || {
                for question in questions {
                    serde_json::to_writer(&mut *to, question).unwrap();
                    to.write_all(b"\n").unwrap();
                }
                to.flush().unwrap();
            });
            questions
                .iter()
                .map(|question| {
                    let mut line = String::new();
                    from.read_line(&mut line).unwrap();
                    serde_json::from_str(&line)
                        .unwrap_or_else(|error| panic!("the oracle: {error}: {line:?} to {question}"))
                })
                .collect()
        })
    }

    pub(crate) fn ask_one<T: DeserializeOwned>(&mut self, question: Value) -> T {
        self.ask(&[question]).pop().unwrap()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where `tests/oracle/setup.sh` puts it.
pub(crate) fn path() -> PathBuf {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    folder("COUNTERSIGN_TEST_CACHE")
        .unwrap_or_else(|| {
            folder("XDG_CACHE_HOME")
                .or_else(|| folder("HOME").map(|home| home.join(".cache")))
                .expect("HOME is set")
                .join("countersign-tests")
        })
        .join("oracle")
}

/// Go writes null for an empty list.
fn or_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(source: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(source)?.unwrap_or_default())
}
