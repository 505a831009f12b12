//! Many runs at once, and runs that are killed: real processes, made from this very test binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::*;
use crate::clock::SystemClock;

/// Tells a child, which is this binary with the name of one test, what it is to do.
const STORE: &str = "COUNTERSIGN_TEST_STORE";
const PROVIDER: &str = "COUNTERSIGN_TEST_PROVIDER";

fn child(test: &str) -> Command {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([&format!("{module}::{test}"), "--exact", "--ignored", "--nocapture"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A provider behind a socket: one line with the refresh token in, one with the next number out.
struct Remote(String);

impl Provider for Remote {
    fn log_in(&self, _: &Settings) -> Result<Tokens, ProviderError> {
        panic!("no login was needed");
    }

    fn refresh(&self, _: &Settings, refresh_token: &str) -> Result<Tokens, ProviderError> {
        let mut stream = TcpStream::connect(&self.0).unwrap();
        writeln!(stream, "{refresh_token}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        Ok(tokens("me", &format!("id-{}", answer.trim()), in_an_hour(SystemClock.now())))
    }

    fn revoke(&self, _: &Settings, _: &Tokens) -> Result<Ending, ProviderError> {
        Ok(Ending::Revoked)
    }
}

/// Nothing when a person runs all ignored tests.
fn store_of_environment() -> Option<Store> {
    std::env::var_os(STORE).map(|path| Store::in_folder(PathBuf::from(path)))
}

#[test]
fn k4_twenty_processes_with_an_ended_session_refresh_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_folder(folder.path().join("sessions"));
    let mut record = Record::new(key());
    let past = SystemClock.now().saturating_sub(Duration::from_secs(7200));
    record.put(Session::new(tokens("me", "id-old", in_an_hour(past)), "kubectl", past));
    store.write(&record, None).unwrap();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut children: Vec<Child> = (0..20)
        .map(|_| child("one_run").env(STORE, folder.path().join("sessions")).env(PROVIDER, &address).spawn().unwrap())
        .collect();
    // All are there before the first may go.
    let starts: Vec<ChildStdin> = children.iter_mut().map(|child| child.stdin.take().unwrap()).collect();
    let server = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            if line.trim() == "end" {
                return asked;
            }
            asked.push(line.trim().to_owned());
            writeln!(stream, "{}", asked.len()).unwrap();
        }
        asked
    });
    drop(starts);
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.lines().any(|line| line.ends_with("token: id-1")), "{text}");
    }
    writeln!(TcpStream::connect(&address).unwrap(), "end").unwrap();
    assert_eq!(server.join().unwrap(), ["refresh-me"]);
}

#[test]
#[ignore = "the body of a child process"]
fn one_run() {
    let Some(store) = store_of_environment() else { return };
    // Closed when all are there.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let provider = Remote(std::env::var(PROVIDER).unwrap());
    let keeper = Keeper { store: &store, provider: &provider, clock: &SystemClock, tell: &|_| () };
    let credential = keeper.credential(&order(&alone())).unwrap();
    println!("token: {}", &*credential.token);
}

#[test]
fn k4_a_run_that_is_killed_while_it_writes_leaves_a_readable_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    let store = Store::in_folder(path.clone());
    for round in 0..8 {
        let mut child = child("endless_writes").env(STORE, &path).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let written = (&mut lines).map(Result::unwrap).filter(|line| line.ends_with("written")).nth(round * 3);
        assert!(written.is_some());
        child.kill().unwrap();
        child.wait().unwrap();
        let record = store.read(&key()).unwrap().expect("the store is readable");
        assert!(record.sessions[0].credential(TokenKind::IdToken).unwrap().token.len() > 100_000);
        // Nobody is locked out either.
        let mut next = store.reserve(&key()).unwrap();
        store.write(&record, next.take()).unwrap();
    }
}

#[test]
#[ignore = "the body of a child process"]
fn endless_writes() {
    let Some(store) = store_of_environment() else { return };
    for round in 0_usize.. {
        let mut record = Record::new(key());
        let id_token = "x".repeat(100_001 + round % 1000);
        record.put(Session::new(tokens("me", &id_token, in_an_hour(NOW)), "kubectl", NOW));
        store.write(&record, None).unwrap();
        println!("written");
    }
}
