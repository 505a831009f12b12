//! What the process lets out: nothing of a token, a caller's credential or a key, and nothing that can forge a log line.
//!
//! A program of its own, because everything that any library logs at any level is captured here, losslessly, and a process
//! has one subscriber. What is captured is in the format of the service's own logs.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "in a test a panic is the report")]

#[allow(dead_code, unused_imports, reason = "other tests use more of it")]
#[path = "it/support/mod.rs"]
mod support;

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once};
use std::time::Duration;

use countersign::app::reload::Outcome;
use countersign::dev::issuer::{Algorithm, Endpoint, Fault};
use countersign::token::BearerToken;
use http::Method;
use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use support::{API_AUDIENCE, Answer, Caller, Rig, review_body, within};

/// Everything that was logged so far.
static OUTPUT: Mutex<Vec<u8>> = Mutex::new(Vec::new());

#[derive(Clone, Copy)]
struct Capture;

impl std::io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        OUTPUT.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Capture {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// Captures the logs of every library at every level.
fn capture() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(Capture);
        builder.json().flatten_event(true).with_current_span(true).with_span_list(true).init();
    });
}

fn output() -> String {
    String::from_utf8(OUTPUT.lock().unwrap().clone()).expect("logs are UTF-8")
}

/// Texts that must not be seen.
#[derive(Default)]
struct Secrets {
    /// Every eighth run of sixteen bytes of each, so that any 24 bytes in a row are found.
    runs: HashSet<[u8; 16]>,
}

impl Secrets {
    fn add(&mut self, text: &str) {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
        assert!(text.len() >= 16 && text.bytes().all(is_word), "not to be told from chance: {text}");
        for start in (0..=text.len() - 16).step_by(8) {
            self.runs.insert(text.as_bytes()[start..start + 16].try_into().unwrap());
        }
    }

    /// Payload and signature; what the header says is no secret.
    fn add_token(&mut self, token: &BearerToken) {
        let mut parts = token.expose_secret().split('.').skip(1).filter(|part| part.len() >= 16);
        parts.by_ref().for_each(|part| self.add(part));
    }

    /// Where one of them is to be seen, with what is around it.
    fn find(&self, text: &str) -> Option<String> {
        let is_foreign = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"-_+/=".contains(byte);
        // Words are compared, not everything between them: the log of everything is long.
        for word in text.as_bytes().split(is_foreign).filter(|word| word.len() >= 16) {
            if word.windows(16).any(|run| self.runs.contains(run)) {
                let at = word.as_ptr().addr() - text.as_ptr().addr();
                let around = &text.as_bytes()[at.saturating_sub(200)..(at + 300).min(text.len())];
                return Some(String::from_utf8_lossy(around).into_owned());
            }
        }
        None
    }

    fn assert_absent(&self, what: &str, text: &str) {
        assert_eq!(self.find(text), None, "{what} tells a secret");
    }
}

const CALLER: &str = "c4ller-token-that-nobody-may-see-0123456789";
const MARK: &str = "c4n4ry-in-a-claim-that-no-mapping-uses";

/// A service that knows its callers by a bearer token.
async fn rig() -> Rig {
    let mut rig = Rig::start().await;
    std::fs::write(rig.file("caller.token"), CALLER).unwrap();
    rig.reconfigure(|settings| {
        settings.service["server"]["callers"] = json!({"bearerTokenFiles": ["caller.token"]});
    });
    rig
}

/// Tokens of every fate, each with marks where nothing reads them.
fn tokens(rig: &Rig, round: usize) -> Vec<BearerToken> {
    let token = || rig.token().claim("mark", format!("{MARK}-{round}"));
    let now = rig.now();
    let good = token().mint();
    let whole = good.expose_secret();
    let (input, signature) = whole.rsplit_once('.').unwrap();
    let key = rig.issuer.rotate(Algorithm::Es256).unwrap();
    rig.issuer.drop_key(key.kid());
    vec![
        token().mint(),
        token().expires_at(now).mint(),
        token().not_before(now.saturating_add(Duration::from_secs(30))).mint(),
        token().audience(MARK).mint(),
        token().issuer(&format!("https://{MARK}.example")).mint(),
        token().kid(MARK).mint(),
        token().signed_by(&key).mint(),
        token().signature(&[7; 64]).mint(),
        token().unsigned().mint(),
        token().hmac(MARK.as_bytes()).mint(),
        token().header("crit", json!([MARK])).mint(),
        token().header("jku", format!("https://{MARK}.example/keys")).mint(),
        token().header("typ", MARK).mint(),
        token().header("alg", MARK).mint(),
        token().claim("groups", json!({ MARK: MARK })).mint(),
        token().subject(&format!("\u{1b}[31m{MARK}\n{{\"level\":\"ERROR\"}}")).mint(),
        token().raw_claims(format!("{{\"mark\":\"{MARK}\",\"mark\":\"{MARK}\"}}").as_bytes()).mint(),
        token().raw_claims(format!("{{\"mark\":\"{MARK}\"").as_bytes()).mint(),
        token().claim("pad", MARK.repeat(500)).mint(),
        BearerToken::new(format!("{input}.{input}.{signature}")),
        BearerToken::new(format!("{input}.{}", signature.replace(|c: char| c.is_ascii_digit(), "="))),
        BearerToken::new(format!("opaque-{MARK}-{round}.{signature}")),
        BearerToken::new(format!("Bearer {whole}")),
    ]
}

/// Sends a token every way that there is, right and wrong, and reads every answer.
async fn post_everywhere(caller: &Caller, token: &BearerToken, secrets: &Secrets) {
    const V1: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
    let token = token.expose_secret();
    let bearer = format!("Bearer {CALLER}");
    let printable = token.chars().all(|c| c.is_ascii_graphic());
    let review = review_body("v1", token, &[API_AUDIENCE]).to_string();
    let elsewhere = json!({"kind": token, "apiVersion": token, "metadata": {"name": token}, "spec": {"token": token}});
    let as_audience = review_body("v1", "x", &[token, ""]).to_string();
    let bodies = [
        ("application/json", review.clone()),
        ("application/json", review[..review.len() - 20].to_owned()),
        ("application/json", format!("{review}{token}")),
        ("application/json", elsewhere.to_string()),
        ("application/json", as_audience),
        ("application/json", format!("{review}{}", " ".repeat(70_000))),
        ("application/vnd.kubernetes.protobuf", format!("k8s\0{token}")),
        ("text/plain", review.clone()),
    ];
    let mut requests = Vec::new();
    for path in ["/authenticate", V1] {
        for (media_type, body) in &bodies {
            let request = caller.client.post(format!("{}{path}", caller.base)).header("content-type", *media_type);
            requests.push(request.header("authorization", &bearer).body(body.clone()));
        }
    }
    if printable && token.len() < 4000 {
        let url = format!("{}/authenticate", caller.base);
        let to = |url: String| caller.client.post(url).header("authorization", &bearer).body(review.clone());
        requests.push(to(format!("{url}/{token}")));
        requests.push(to(format!("{url}?access_token={token}")));
        requests.push(to(url.clone()).header("x-forwarded-access-token", token).header("cookie", token));
        requests.push(to(url.clone()).header("user-agent", token).header("content-encoding", token));
        requests.push(to(url.clone()).header("content-type", token));
        requests.push(caller.client.post(url.clone()).header("authorization", format!("Bearer {token}")));
        requests.push(to(url.clone()).header("authorization", format!("Bearer {token}")));
        requests.push(caller.client.request(Method::GET, url).header("authorization", &bearer).header("te", token));
    }
    for request in requests {
        // What is too large may be cut off before it is answered.
        let Ok(response) = within(request.send()).await else { continue };
        let headers = format!("{:?}", response.headers());
        let body = within(response.text()).await.unwrap_or_default();
        secrets.assert_absent("an answer", &format!("{headers}\n{body}"));
    }
}

/// Every line is one JSON object of the service's own making.
fn assert_lines(output: &str) {
    let mut lines = 0;
    for line in output.lines() {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for member in ["timestamp", "level"] {
            assert!(object[member].is_string(), "{line}");
        }
        lines += 1;
    }
    assert!(lines > 100, "only {lines} lines were captured");
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!output.contains(control), "a control character came through");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j1_nothing_of_a_token_or_a_credential_is_logged_counted_or_answered() {
    capture();
    let rig = rig().await;
    let mut secrets = Secrets::default();
    secrets.add(CALLER);
    secrets.add(MARK);
    for line in std::fs::read_to_string(rig.file("tls.key")).unwrap().lines().filter(|line| !line.starts_with("---")) {
        secrets.add(&format!("{line:<16}"));
    }
    let caller = |alpn| Caller::new(rig.service.review_address, &rig.authority.certificate_pem(), None, &[alpn]);
    let callers = [caller("h2"), caller("http/1.1")];
    for (round, caller) in callers.iter().enumerate() {
        for token in tokens(&rig, round) {
            secrets.add_token(&token);
            post_everywhere(caller, &token, &secrets).await;
        }
        // In the second round the issuer is of no use.
        rig.clock.advance(Duration::from_secs(31));
        rig.issuer.fail(Endpoint::Keys, Fault::Html);
        rig.issuer.fail(Endpoint::Discovery, Fault::Answer(500, "no".to_owned()));
    }

    // Files with secrets in them that are not as they should be.
    let key = std::fs::read_to_string(rig.file("tls.key")).unwrap();
    for (name, content) in [
        ("caller.token", "sh0rt-c4n4ry".to_owned()),
        ("caller.token", format!("{CALLER}\n{MARK}")),
        ("caller.token", format!("{CALLER}\u{1b}[31m")),
        ("tls.key", key.replace("-----BEGIN", "-----START")),
        ("tls.key", format!("{}\n{MARK}", &key[..key.len() / 2])),
    ] {
        let before = std::fs::read(rig.file(name)).unwrap();
        std::fs::write(rig.file(name), content).unwrap();
        let outcome = rig.look();
        assert!(matches!(outcome, Outcome::Refused(_)), "{outcome:?}");
        secrets.assert_absent("a problem", &format!("{outcome:?}"));
        for page in ["/metrics", "/", "/readyz?verbose", "/livez?verbose", "/healthz?verbose", "/else"] {
            secrets.assert_absent(page, &rig.admin(page).await.1);
        }
        std::fs::write(rig.file(name), before).unwrap();
        rig.look();
    }
    rig.service.stop(std::future::ready(())).await;

    let output = output();
    for expected in ["\"reason\":\"expired\"", "\"reason\":\"malformed\"", "\"level\":\"TRACE\"", "configuration"] {
        assert!(output.contains(expected), "{expected} was not captured");
    }
    assert!(secrets.find(&format!("xx{}xx", &MARK[3..])).is_some(), "a secret would be found");
    secrets.assert_absent("the log", &output);
    assert!(!output.contains("sh0rt-c4n4ry"));
    assert_lines(&output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j2_c8_naughty_strings_make_no_log_line_and_no_false_answer() {
    let folder = std::env::var_os("COUNTERSIGN_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vectors"), PathBuf::from);
    let Ok(strings) = std::fs::read_to_string(folder.join("blns/blns.json")) else {
        println!("skipped: no naughty strings in {}", folder.display());
        return;
    };
    // All of them go through the parsers in `tests/vectors`; with every library at its most talkative, one in six has to do.
    let strings: Vec<String> = serde_json::from_str::<Vec<String>>(&strings).unwrap().into_iter().step_by(6).collect();
    capture();
    let rig = Rig::start().await;
    for naughty in &strings {
        let token =
            rig.token().subject(naughty).groups(&[naughty]).claim("jti", naughty.as_str()).claim("x", naughty.as_str());
        match rig.caller.review(&token.mint()).await {
            Answer::Refused => {}
            Answer::Accepted { username, .. } => assert_eq!(username, format!("oidc:{naughty}")),
            Answer::Undecided(code) => panic!("{naughty:?}: {code}"),
        }
        for token in [
            rig.token().kid(naughty).header("typ", "JWT"),
            rig.token().issuer(naughty),
            rig.token().audience(naughty),
            rig.token().header("typ", naughty.as_str()).header("alg", naughty.as_str()),
        ] {
            let answer = rig.caller.review(&token.mint()).await;
            assert!(!matches!(answer, Answer::Accepted { .. }), "{naughty:?}: {answer:?}");
        }
    }
    let output = output();
    assert_lines(&output);
    for naughty in strings.iter().filter(|naughty| naughty.len() >= 24) {
        let escaped = serde_json::to_string(naughty).unwrap();
        for spelling in [naughty.as_str(), escaped.trim_matches('"')] {
            assert!(!output.contains(spelling), "{naughty:?} was logged");
        }
    }
}

/// The program, serving over a rig's files, and everything that it says.
struct Program {
    child: Child,
    said: tokio::sync::mpsc::UnboundedReceiver<String>,
    output: String,
}

impl Program {
    fn start(rig: &Rig) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(["serve", "--config"])
            .arg(rig.file("config.yaml"))
            .env("RUST_LOG", "trace")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, said) = tokio::sync::mpsc::unbounded_channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| say.send(line)));
        Self { child, said, output: String::new() }
    }

    /// Waits for a line that contains this.
    async fn line(&mut self, part: &str) -> String {
        loop {
            let line = within(self.said.recv()).await.unwrap_or_else(|| panic!("it ended: {}", self.output));
            self.output += &line;
            self.output.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Tells it to stop; its exit code and everything that it said.
    async fn stop(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &pid]).status().unwrap().success());
        while let Some(line) = within(self.said.recv()).await {
            self.output += &line;
            self.output.push('\n');
        }
        let status = self.child.wait().unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut self.output).unwrap();
        (status.code(), std::mem::take(&mut self.output))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j1_j2_the_program_keeps_to_itself_what_passes_through_it() {
    for format in ["json", "text"] {
        let mut rig = rig().await;
        std::fs::write(rig.file("config.yaml"), {
            rig.settings.service["log"] = json!({"format": format});
            rig.settings.service.to_string()
        })
        .unwrap();
        let mut secrets = Secrets::default();
        secrets.add(CALLER);
        secrets.add(MARK);
        let mut program = Program::start(&rig);
        let serving = program.line("serving").await;
        let address = serving.split("reviews").nth(1).unwrap().trim_start_matches(['"', ':', '=']);
        let address = address.split(['"', ' ']).next().unwrap().parse().unwrap();
        let caller = Caller::new(address, &rig.authority.certificate_pem(), None, &["h2"]);
        for token in tokens(&rig, 0) {
            secrets.add_token(&token);
            post_everywhere(&caller, &token, &secrets).await;
        }
        std::fs::write(rig.file("caller.token"), format!("{CALLER}\n{MARK}")).unwrap();
        program.line("not usable").await;
        drop(caller);
        let (code, output) = program.stop().await;
        assert_eq!(code, Some(0), "{output}");
        assert!(output.contains("expired"), "reviews were logged");
        secrets.assert_absent("the program", &output);
        if format == "json" {
            assert_lines(&output);
        } else {
            assert!(!output.contains(|c: char| c.is_control() && c != '\n'), "a control character came through");
        }
    }
}
