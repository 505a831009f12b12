//! The program itself: arguments in, exit code and two streams out.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use serde_json::Value;

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    command
}

/// Runs a command to its end.
fn run(arguments: &[&str]) -> Ended {
    Ended::of(program(arguments).output().unwrap())
}

/// Runs a command to its end, with something to read.
fn run_with_input(arguments: &[&str], input: &str) -> Ended {
    let mut child = program(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ended::of(child.wait_with_output().unwrap())
}

/// What is left of a command.
struct Ended {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks the exit code, and that errors are a single line with the program's name.
    #[track_caller]
    fn failed_with(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
        self.err.trim_end().strip_prefix("countersign: ").unwrap()
    }
}

/// A command that goes on until it is told to stop.
struct Running {
    child: Child,
    /// What it has written to the stream that was waited on.
    said: String,
}

impl Running {
    /// Starts a command and waits until it has said something, on standard output or standard error.
    fn start(arguments: &[&str], on_stderr: bool, ready: &str) -> Self {
        let mut command = program(arguments);
        // What nobody reads must not fill a pipe.
        if on_stderr {
            command.stdout(Stdio::null())
        } else {
            command.stderr(Stdio::null())
        };
        let mut child = command.spawn().unwrap();
        let stream: Box<dyn std::io::Read + Send> =
            if on_stderr { Box::new(child.stderr.take().unwrap()) } else { Box::new(child.stdout.take().unwrap()) };
        let mut running = Self { child, said: String::new() };
        let mut lines = BufReader::new(stream);
        while !running.said.contains(ready) {
            let length = lines.read_line(&mut running.said).unwrap();
            assert_ne!(length, 0, "it ended before it said {ready:?}:\n{}", running.said);
        }
        // It may go on talking.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        running
    }

    /// Sends SIGTERM and waits for the end.
    fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(folder: &Path, name: &str) -> String {
    folder.join(name).into_os_string().into_string().unwrap()
}

fn token(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name)).unwrap().trim().to_owned()
}

#[test]
fn doctor_walks_through_the_environments_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("webhook.kubeconfig");
    let text = "clusters: [{name: a, cluster: {server: 'https://hook.invalid/a', insecure-skip-tls-verify: true}}]\n\
                users: [{name: a, user: {token: b}}]\ncontexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\n";
    std::fs::write(&file, text).unwrap();
    let mut command = program(&["doctor", "--kubeconfig", file.to_str().unwrap()]);
    let ended = Ended::of(command.env("HTTPS_PROXY", "http://127.0.0.1:0").env_remove("NO_PROXY").output().unwrap());
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    assert!(
        ended.out.contains("hook.invalid/a as the bearer of a token, through the proxy of HTTPS_PROXY"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("127.0.0.1 is an address already"), "{}", ended.out);
}

#[test]
fn dev_once_shows_one_review_and_three_verdicts_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program(&["dev", "--once", "--directory", folder.path().to_str().unwrap()]);
    // Loopback is nothing to ask a proxy for.
    let ended = Ended::of(command.env("HTTPS_PROXY", "http://127.0.0.1:9").output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);
    for line in [
        "  POST /authenticate?timeout=30s",
        "      \"audiences\": [\"https://kubernetes.default.svc\"],",
        "  good.jwt            accepted  as dev:alice@example.com, groups dev:developers",
        "  expired.jwt         refused   expired: The token's `exp` has passed.",
        "Everything is as it should be. The files stay; without --once, so does the webhook.",
    ] {
        assert!(ended.out.lines().any(|shown| shown == line), "{line}\n{}", ended.out);
    }
    assert!(!ended.out.contains(&token(folder.path(), "good.jwt")), "{}", ended.out);
    assert!(!ended.out.contains('\u{1b}'), "{}", ended.out);
}

#[test]
fn dev_leaves_a_folder_with_other_files_alone() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.yaml"), "mine").unwrap();
    let ended = run(&["dev", "--once", "--directory", folder.path().to_str().unwrap()]);
    assert!(ended.failed_with(2).ends_with("choose another --directory"), "{}", ended.err);
    assert_eq!(std::fs::read_to_string(folder.path().join("config.yaml")).unwrap(), "mine");
}

#[test]
fn what_dev_prints_to_paste_works_as_long_as_it_serves() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let dev = Running::start(&["dev", "--directory", folder.to_str().unwrap()], false, "Serving until Ctrl-C");
    let (config, kubeconfig) = (path(folder, "config.yaml"), path(folder, "webhook.kubeconfig"));
    let review = ["review", "--kubeconfig", &kubeconfig, "--audience", "https://kubernetes.default.svc"];
    let explain = ["explain", "--config", &config];
    for (file, code, review_says, explain_says) in [
        ("good.jwt", 0, "accepted as dev:alice@example.com\n", "accepted as dev:alice@example.com\n"),
        ("expired.jwt", 1, "refused\n", "refused: expired – The token's `exp` has passed.\n"),
        ("wrong-audience.jwt", 1, "refused\n", "refused: audience_mismatch – "),
    ] {
        let file = path(folder, file);
        let ended = run(&[&review[..], &["--token-file", &file]].concat());
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""));
        assert!(ended.out.starts_with(review_says), "{}", ended.out);
        let ended = run(&[&explain[..], &["--token-file", &file]].concat());
        assert_eq!((ended.code, ended.err.as_str()), (Some(code), ""));
        assert!(ended.out.contains(explain_says), "{}", ended.out);
    }

    let good = token(folder, "good.jwt");
    for version in ["v1", "v1beta1"] {
        let arguments = [&review[..], &["--version", version, "--output", "json", "-"]].concat();
        let ended = run_with_input(&arguments, &format!("{good}\n"));
        let document: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(
            (ended.code, &document["verdict"], &document["httpStatus"]),
            (Some(0), &"accepted".into(), &200.into())
        );
        assert_eq!(document["answer"]["apiVersion"], format!("authentication.k8s.io/{version}"));
        assert!(!ended.out.contains(&good));
    }
    let ended = run(&["review", "--kubeconfig", &kubeconfig, "--audience", "https://elsewhere", &good]);
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let ended = run(&["explain", "--config", &config, "--audience", "https://elsewhere", &good]);
    assert!(ended.code == Some(1) && ended.out.contains("audience_not_vouched"), "{}", ended.out);

    let ended = run(&["check", "--config", &config, "--live", "--output", "json"]);
    let findings: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &findings["findings"][0]["code"]), (Some(0), &"keys_fetched".into()));

    assert_eq!(dev.terminate().code(), Some(0));
    let ended = run(&["review", "--kubeconfig", &kubeconfig, &good]);
    let message = ended.failed_with(3);
    assert!(message.starts_with("no answer from https://127.0.0.1:") && !message.contains(&good), "{message}");
    let ended = run(&["explain", "--config", &config, &good]);
    assert!(ended.failed_with(3).starts_with("could not tell: "), "{}", ended.err);
    let ended = run(&["check", "--config", &config, "--live"]);
    assert!(ended.code == Some(1) && ended.out.contains("jwt[0].issuer.url: no answer"), "{}", ended.out);
}

#[test]
fn what_comes_through_pipes_is_read_as_files_are() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = |name: &str, content: String| {
        let pipe = path(folder.path(), name);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::write(pipe, content).unwrap()
        });
        (pipe, writer)
    };
    // Longer than a label may be: resolvers refuse it without asking anybody.
    let host = format!("{}.invalid", "a".repeat(64));
    let kubeconfig = format!(
        "current-context: it\ncontexts: [{{name: it, context: {{cluster: it, user: it}}}}]\n\
         clusters: [{{name: it, cluster: {{server: 'http://{host}/a'}}}}]\nusers: [{{name: it, user: {{}}}}]\n"
    );
    let (kubeconfig, one) = pipe("kubeconfig", kubeconfig);
    let (token, other) = pipe("token", "a.b.c".to_owned());
    let ended = run(&["review", "--kubeconfig", &kubeconfig, "--token-file", &token]);
    let message = ended.failed_with(3);
    assert!(message.starts_with(&format!("no answer from http://{host}/a")), "{message}");
    one.join().unwrap();
    other.join().unwrap();
}

#[test]
fn explain_marks_the_place_in_an_expression_that_failed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let dev = Running::start(&["dev", "--directory", folder.to_str().unwrap()], false, "Serving until Ctrl-C");
    let rewrite = |from: &str, to: &str, old: &str, new: &str| {
        let text = std::fs::read_to_string(folder.join(from)).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(folder.join(to), text.replace(old, new)).unwrap();
    };
    let mapping = "username: {expression: \"true ?\\n  'idp:' + claims.nickname : ''\"}";
    rewrite("authentication.yaml", "nickname.yaml", "username: {claim: email, prefix: \"dev:\"}", mapping);
    rewrite("config.yaml", "nickname-config.yaml", "authentication.yaml", "nickname.yaml");
    let (config, good) = (path(folder, "nickname-config.yaml"), path(folder, "good.jwt"));
    let ended = run(&["explain", "--config", &config, "--token-file", &good]);
    assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""));
    let lines: Vec<_> = ended.out.lines().skip_while(|line| !line.contains("no such key: nickname")).collect();
    assert_eq!(
        lines[..3],
        [
            r"  no  user name  by true ?\n  'idp:' + claims.nickname : '': no such key: nickname",
            "                 2 |   'idp:' + claims.nickname : ''",
            "                                      ^",
        ]
    );
    assert_eq!(dev.terminate().code(), Some(0));
}

#[test]
fn load_says_how_a_webhook_bore_it_and_judges_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let dev = Running::start(&["dev", "--directory", folder.to_str().unwrap()], false, "Serving until Ctrl-C");
    let tokens = path(folder, "tokens.txt");
    let (good, expired) = (token(folder, "good.jwt"), token(folder, "expired.jwt"));
    std::fs::write(&tokens, format!("{good}\n{expired}\n")).unwrap();
    let kubeconfig = path(folder, "webhook.kubeconfig");
    let audience = "https://kubernetes.default.svc";
    let load = ["load", "--kubeconfig", &kubeconfig, "--tokens", &tokens, "--audience", audience, "--duration", "1s"];
    let with = |more: &[&'static str]| run(&[&load[..], &["--warm-up", "0s"], more].concat());

    let ended = with(&["--rate", "100", "--objective", "p99=10s", "--objective", "errors=0%"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.out, ended.err);
    for line in ["  accepted             50", "  refused              50", "met    p99=10s", "met    errors=0%"] {
        assert!(ended.out.lines().any(|shown| shown == line), "{line}\n{}", ended.out);
    }
    assert!(!ended.out.contains(&good) && !ended.err.contains(&good));

    let ended = with(&["--rate", "max", "--protocol", "http1", "--objective", "p50=1ns", "--output", "json"]);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &document["verdict"], &document["lost"]), (Some(1), &"missed".into(), &0.into()));

    assert_eq!(dev.terminate().code(), Some(0));
    let ended = with(&["--rate", "100"]);
    assert_eq!(ended.code, Some(3), "{}{}", ended.out, ended.err);
    let last = ended.err.lines().last().unwrap();
    assert!(last.contains("no answer at all") && last.contains("doctor --kubeconfig"), "{last}");
}

#[test]
fn serve_starts_without_its_issuer_and_ends_well_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["dev", "--once", "--directory", folder.path().to_str().unwrap()]).code, Some(0));
    let config = path(folder.path(), "config.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("server:\n", "server:\n  drain: {lameDuck: 0s}\n")).unwrap();
    let serve = Running::start(&["serve", "--config", &config], true, " serving ");
    assert_eq!(serve.terminate().code(), Some(0));
}

#[test]
fn the_log_says_why_a_handshake_failed() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["dev", "--once", "--directory", folder.path().to_str().unwrap()]).code, Some(0));
    let mut child = program(&["serve", "--config", &path(folder.path(), "config.yaml")]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let _serve = Running { child, said: String::new() };
    lines.find(|line| line.contains(" serving ")).unwrap();
    // A client certificate of another authority: that of another trial.
    let other = tempfile::tempdir().unwrap();
    assert_eq!(run(&["dev", "--once", "--directory", other.path().to_str().unwrap()]).code, Some(0));
    let kubeconfig = |folder: &Path| std::fs::read_to_string(folder.join("webhook.kubeconfig")).unwrap();
    let (own, foreign) = (kubeconfig(folder.path()), kubeconfig(other.path()));
    let user = |text: &str| text.find("\nusers:").unwrap();
    let mixed = path(folder.path(), "mixed.kubeconfig");
    std::fs::write(&mixed, format!("{}{}", &own[..user(&own)], &foreign[user(&foreign)..])).unwrap();
    assert_eq!(run(&["review", "--kubeconfig", &mixed, "junk"]).code, Some(3));
    let line = lines.find(|line| line.contains("TLS handshake")).unwrap();
    assert!(line.contains("invalid peer certificate"), "{line}");
}

#[test]
fn j9_a_full_log_disk_costs_log_lines_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(&["dev", "--once", "--directory", folder.path().to_str().unwrap()]).code, Some(0));
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let child = program(&["serve", "--config", &path(folder.path(), "config.yaml")]).stderr(full).spawn().unwrap();
    let mut serve = Running { child, said: String::new() };
    let kubeconfig = path(folder.path(), "webhook.kubeconfig");
    // Until it listens, there is no answer (3); a token that is none is refused (1), and the refusal logged.
    let verdicts = std::iter::repeat_with(|| run(&["review", "--kubeconfig", &kubeconfig, "junk"]).code);
    assert!(verdicts.take(200).any(|code| code == Some(1)));
    assert_eq!(run(&["review", "--kubeconfig", &kubeconfig, "junk"]).code, Some(1));
    assert_eq!(serve.child.try_wait().unwrap(), None, "it ended");
}

#[test]
fn a_bad_configuration_is_reported_in_full() {
    let folder = tempfile::tempdir().unwrap();
    let config = path(folder.path(), "config.yaml");
    std::fs::write(&config, "apiVersion: countersign.dev/v1alpha1\nkind: Nonsense\nserver: {adress: x}\n").unwrap();
    let checked = run(&["check", "--config", &config]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(1), ""));
    assert!(checked.out.contains("error  kind: ") && checked.out.contains("adress"), "{}", checked.out);
    // For `explain`, 1 would be a verdict on the token.
    for (arguments, code) in [(&["serve", "--config", &config][..], 1), (&["explain", "--config", &config, "token"], 2)]
    {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(code), ""), "{}", ended.err);
        assert!(
            ended.err.contains("error  kind: ") && ended.err.contains("countersign check --config"),
            "{}",
            ended.err
        );
    }
    let ended = run(&["check", "--config", &path(folder.path(), "absent.yaml"), "--output", "json"]);
    let findings: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &findings["findings"][0]["code"]), (Some(1), &"file_unreadable".into()), "{findings}");
}

#[test]
fn wrong_use_exits_with_2() {
    for arguments in [&[][..], &["serve"], &["review"], &["check", "--config", "x", "--output", "xml"], &["get-tokn"]] {
        let ended = run(arguments);
        assert_eq!((ended.code, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.err);
    }
    let ended = run(&["review", "--kubeconfig", "absent", "token"]);
    assert_eq!(ended.failed_with(2), "absent: cannot be read: No such file or directory (os error 2)");
    let ended = run(&["explain", "--config", "x", "--token-file", "absent"]);
    assert_eq!(ended.failed_with(2), "absent: cannot be read: No such file or directory (os error 2)");
    let ended = run(&["explain", "--config", "x"]);
    assert_eq!(ended.failed_with(2), "no token: give it as an argument, `-` (standard input) or --token-file");
}

#[test]
fn help_and_version_are_data() {
    let ended = run(&["--version"]);
    let version = format!("countersign {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((ended.code, ended.out, ended.err), (Some(0), version, String::new()));
    let ended = run(&["--help"]);
    assert!(ended.code == Some(0) && ended.err.is_empty() && ended.out.contains("Exit codes: 0 yes"), "{}", ended.out);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let mut child = program(&["--help"]).spawn().unwrap();
    drop(child.stdout.take());
    let ended = Ended::of(child.wait_with_output().unwrap());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
}

#[test]
fn issuers_of_kube_apiservers_flags_become_a_file_that_check_takes() {
    let folder = tempfile::tempdir().unwrap();
    let trial = ["dev", "--once", "--directory", folder.path().to_str().unwrap()];
    assert_eq!(run(&trial).code, Some(0));
    let authority = folder.path().join("authority.crt");
    let made = countersign::wiring::pki::Authority::new(
        "idp",
        countersign::wiring::pki::Validity::days(countersign::clock::Clock::now(&countersign::clock::SystemClock), 3),
    );
    std::fs::write(&authority, made.unwrap().certificate_pem()).unwrap();
    let render = ["render", "authentication-configuration", "--from", "oidc-flags"];
    let ca_file = format!("--oidc-ca-file={}", authority.display());
    let flags = ["--oidc-issuer-url=https://idp.example.com", "--oidc-client-id=kubernetes", &ca_file, "--v=2"];
    let ended = run(&[&render[..], &["--for", "countersign", "--"], &flags].concat());
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{}", ended.out);

    // Put where it belongs, it is a configuration.
    let text = std::fs::read_to_string(folder.path().join("config.yaml")).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    let fields = config.as_object_mut().unwrap();
    fields.retain(|field, _| !field.starts_with("authenticationConfiguration") && field != "issuers");
    let rendered: Value = serde_saphyr::from_str(&ended.out).unwrap();
    fields.extend(rendered.as_object().unwrap().clone());
    let path = folder.path().join("moved.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let checked = run(&["check", "--config", path.to_str().unwrap()]);
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);

    let ended = run(&[&render[..], &["--"], &flags[..1]].concat());
    assert_eq!(ended.failed_with(2), "--oidc-issuer-url and --oidc-client-id are needed, both");
    let ended = run(&[&render[..], &["--", "--oidc-ca-file=/absent"], &flags[..2]].concat());
    assert!(ended.failed_with(2).starts_with("--oidc-ca-file: /absent: No such file"), "{}", ended.err);
    let ended = run(&[&render[..], &["--", "--oidc-issuer-url=http://idp", "--oidc-client-id=c"]].concat());
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("authenticationConfiguration.jwt[0].issuer.url"), "{}", ended.err);
    assert!(ended.out.contains("url: http://idp"), "what was found is shown: {}", ended.out);
}

#[test]
fn issuers_of_gardeners_objects_are_read_from_standard_input() {
    let render = ["render", "authentication-configuration", "--from", "gardener", "--output", "json", "-f", "-"];
    let object = r#"{"apiVersion": "authentication.gardener.cloud/v1alpha1", "kind": "OpenIDConnect",
        "metadata": {"name": "garden"}, "spec": {"issuerURL": "https://idp.example.com", "clientID": "kubernetes"}}"#;
    let ended = run_with_input(&render, object);
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(document["jwt"][0]["claimMappings"]["username"]["prefix"], "garden/");
    assert!(ended.err.contains("not carried over: garden: has no uid here"), "{}", ended.err);
    assert_eq!(run_with_input(&render, "kind: ConfigMap").failed_with(1), "there is no issuer in what was given");
    let ended = run(&render[..4]);
    assert_eq!(ended.failed_with(2), "-f: name the files with the objects, or - for standard input");
}
