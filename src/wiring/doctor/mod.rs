//! Walks the way of a review from the API server to the webhook, and stops at the first link that does not hold.
//!
//! kubeconfig → address → connection → TLS → caller → review: each link is tried by itself, since "no answer" has as many
//! causes as there are links. What is found is said as what it would mean to kube-apiserver, with a remedy.

mod handshake;
mod network;
mod probe;

use std::path::Path;
use std::time::Duration;

use rustls::AlertDescription;
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::probe::Verdict;
use super::kubeconfig::{Connection, KubeconfigError, Located};
use super::proxy;
use super::reviewer::{self, ReviewVersion};
use super::soundness::{self, Places};
use crate::clock::UnixTime;
use crate::findings::{Finding, Findings, Severity};
use crate::token::BearerToken;

/// What does not hold up the walk: not safe, but kube-apiserver would go on.
const UNSAFE_BUT_WORKING: [&str; 2] = ["plain_http", "insecure_skip_tls_verify"];

/// A link of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// What the kubeconfig says can be used.
    Kubeconfig,
    /// The host has an address.
    Dns,
    /// Something listens there.
    Tcp,
    /// It is the webhook, and speaks TLS.
    Tls,
    /// It lets the API server in.
    Caller,
    /// It answers a review.
    Review,
}

impl Link {
    /// The name in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Dns => "dns",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Caller => "caller",
            Self::Review => "review",
        }
    }

    /// The code of the finding that says that it holds.
    const fn code(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig_read",
            Self::Dns => "address_found",
            Self::Tcp => "connected",
            Self::Tls => "tls_established",
            Self::Caller => "caller_let_in",
            Self::Review => "review_answered",
        }
    }
}

/// The question to ask.
pub struct Question {
    /// A token; with `is_probe` one that no webhook must accept.
    pub token: BearerToken,
    /// Whether the token is made up.
    pub is_probe: bool,
    /// What it should be good for.
    pub audiences: Vec<String>,
    /// The version of the review API.
    pub version: ReviewVersion,
}

impl Question {
    /// A token that is none: whoever accepts it accepts anything.
    #[must_use]
    pub fn probe(audiences: Vec<String>, version: ReviewVersion) -> Self {
        Self { token: BearerToken::from("countersign-doctor-probe"), is_probe: true, audiences, version }
    }
}

/// How long each link may take. What an API server would wait for, where looking on for so long tells something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the files: local ones take no time, and a pipe or a network drive may take forever.
    pub file: Duration,
    /// For a name. A resolver that takes longer is one that API servers would wait for with every new connection.
    pub dns: Duration,
    /// For one address. Go would go on for 30 seconds; whoever looks on learns nothing from that.
    pub connect: Duration,
    /// For all addresses of a name: no further one is tried after that.
    pub addresses: Duration,
    /// For a handshake: Go's own limit.
    pub tls: Duration,
    /// For a review and its whole answer: the API server's own limit.
    pub review: Duration,
    /// From when on an answer is said to be slow: kubectl's users take a third of the API server's limit for an outage.
    pub slow: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let [file, dns, connect, addresses, tls, slow] = [5, 5, 5, 20, 10, 10].map(Duration::from_secs);
        Self { file, dns, connect, addresses, tls, review: reviewer::DEADLINE, slow }
    }
}

/// How far the walk went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A link does not hold, or the webhook does what it must not.
    Broken,
    /// To the end.
    Sound,
    /// To the end, where the webhook could not tell; or to where only an API server could go on.
    Unknown,
}

/// What was found on the way.
#[derive(Debug)]
pub struct Walk {
    /// The links that hold, each with what was seen.
    pub passed: Vec<(Link, String)>,
    /// The link that does not.
    pub broken: Option<Link>,
    /// Everything there is to say.
    pub findings: Findings,
    /// How it ended.
    pub outcome: Outcome,
}

/// Walks the way that a kubeconfig describes. Each link ends within its limit.
pub async fn walk(file: &Path, question: &Question, now: UnixTime, limits: &Limits) -> Walk {
    let mut walk = Walk { passed: Vec::new(), broken: None, findings: Findings::new(), outcome: Outcome::Broken };
    match locate(file, limits.file).await {
        Some(Ok(mut located)) => {
            let mut proxy = located.connection.proxy.is_some().then_some("proxy-url");
            if let (None, Some(named)) = (proxy, proxy::of_environment(&located.connection.server)) {
                located.connection.proxy = Some(named.url);
                proxy = Some(named.variable);
            }
            walk.go(&located, proxy, question, now, limits).await;
        }
        Some(Err(error)) => walk.unusable(&error),
        None => {
            walk.broken = Some(Link::Kubeconfig);
            walk.outcome = Outcome::Unknown;
            let message = format!("{}, or a file that it names, was not read within {:?}", file.display(), limits.file);
            let remedy = "give regular files on this machine; a pipe may have nobody who writes to it";
            walk.push(Severity::Error, "kubeconfig_timed_out", "", message, remedy);
        }
    }
    walk
}

/// Reads the kubeconfig aside, since reading cannot be interrupted; nothing if that takes too long.
async fn locate(file: &Path, limit: Duration) -> Option<Result<Located, KubeconfigError>> {
    let (sender, located) = oneshot::channel();
    let file = file.to_owned();
    std::thread::spawn(move || drop(sender.send(Connection::locate(&file))));
    timeout(limit, located).await.ok()?.ok()
}

/// Why a link does not hold. The field is one of the cluster's, unless the caller is to blame.
struct Broken {
    code: &'static str,
    field: &'static str,
    message: String,
    remedy: &'static str,
}

impl Broken {
    /// The same, if it was found at a proxy or behind one.
    fn at(self, proxy: Option<&'static str>) -> Self {
        let Some(proxy) = proxy else { return self };
        let message = format!("through the proxy of {proxy}: {}", self.message);
        let remedy =
            "see that the proxy runs and lets this host through (its log says); name hosts that need none in NO_PROXY";
        Self { message, remedy, ..self }
    }
}

/// What kube-apiserver would send through a proxy, and this program cannot.
fn cannot_follow(connection: &Connection, proxy: &str) -> Option<String> {
    let is_plain = connection.proxy.as_ref().is_some_and(|url| matches!(url.scheme(), "http" | "https"));
    let what = match connection.other_name() {
        Some(_) => "tls-server-name together with a proxy",
        None if !is_plain => "this kind of proxy",
        None => return None,
    };
    Some(format!("countersign cannot go on where kube-apiserver would: {what} ({proxy}) is not supported here"))
}

impl Walk {
    /// `proxy` is what names the connection's proxy, if it has one.
    async fn go(
        &mut self,
        located: &Located,
        proxy: Option<&'static str>,
        question: &Question,
        now: UnixTime,
        limits: &Limits,
    ) {
        let Located { connection, cluster, user } = located;
        let places = Places { cluster: cluster.clone(), user: user.clone() };
        let examined = soundness::examine(connection, &places, now);
        let stops = examined
            .iter()
            .any(|finding| finding.severity == Severity::Error && !UNSAFE_BUT_WORKING.contains(&finding.code));
        self.findings.extend(examined);
        if stops {
            self.broken = Some(Link::Kubeconfig);
            return;
        }
        if let Some(message) = proxy.and_then(|proxy| cannot_follow(connection, proxy)) {
            self.outcome = Outcome::Unknown;
            let remedy =
                "walk from where the webhook is reached without a proxy, or name its host in NO_PROXY if that is so";
            let broken = Broken { code: "kubeconfig_unusable", field: "tls-server-name", message, remedy };
            return self.end(Link::Kubeconfig, &places, broken);
        }
        let through = proxy.map(|proxy| format!(", through the proxy of {proxy}")).unwrap_or_default();
        self.hold(Link::Kubeconfig, &places, format!("{} as {}{through}", connection.server, shown(connection)));
        let asks_for_certificate = match self.reach(connection, &places, now, limits).await {
            Ok(asks_for_certificate) => asks_for_certificate,
            Err((link, broken)) => return self.end(link, &places, broken.at(proxy)),
        };
        if !question.is_probe && (connection.insecure || connection.server.scheme() == "http") {
            let message = "your token is not sent, because others could read it on its way".to_owned();
            let remedy = "mend what is not safe first; without a token of yours a made-up one is sent";
            return self.end(
                Link::Review,
                &places,
                Broken { code: "token_withheld", field: "server", message, remedy },
            );
        }
        match probe::ask(connection, question, limits).await {
            Err((link, broken)) => {
                let alert = if broken.code == "no_answer" { refusal(connection, limits).await } else { None };
                let (link, broken) = alert.map_or((link, broken), probe::turned_away);
                let proxy = proxy.filter(|_| broken.code == "no_answer");
                self.end(link, &places, broken.at(proxy));
            }
            Ok(answered) => {
                self.let_in(connection, asks_for_certificate, &places);
                self.hold(Link::Review, &places, answered.summary);
                for (severity, code, message, remedy) in answered.remarks {
                    self.push(severity, code, &places.cluster_field("server"), message, remedy);
                }
                self.outcome = match answered.verdict {
                    _ if self.findings.has_errors() => Outcome::Broken,
                    Verdict::CannotTell => Outcome::Unknown,
                    Verdict::Told => Outcome::Sound,
                };
            }
        }
    }

    /// As whom the caller was let in. A certificate that nobody asked for was not shown.
    fn let_in(&mut self, connection: &Connection, asks_for_certificate: Option<bool>, places: &Places) {
        if connection.client.is_none() || asks_for_certificate != Some(false) {
            return self.hold(Link::Caller, places, format!("let in as {}", shown(connection)));
        }
        const UNASKED: &str = "no client certificate was asked for";
        if connection.bearer.is_some() {
            return self.hold(Link::Caller, places, format!("let in as the bearer of a token; {UNASKED}"));
        }
        self.hold(Link::Caller, places, format!("let in without being known: {UNASKED}"));
        let message =
            format!("{UNASKED}, and the kubeconfig has nothing else to show: whoever reaches the webhook may ask it");
        let remedy = "set server.callers.clientCertificateAuthorityFile; if something before the webhook ends TLS, let it pass TLS \
                      through, or give the caller a token";
        self.push(Severity::Warning, "client_certificate_unasked", &places.user, message, remedy);
    }

    /// From the name to an encrypted connection, and whether a client certificate was asked for there. Through a proxy, only
    /// as far as the proxy.
    async fn reach(
        &mut self,
        connection: &Connection,
        places: &Places,
        now: UnixTime,
        limits: &Limits,
    ) -> Result<Option<bool>, (Link, Broken)> {
        let url = connection.proxy.as_ref().unwrap_or(&connection.server);
        let found = network::addresses(url, limits.dns).await.map_err(|broken| (Link::Dns, broken))?;
        self.hold(Link::Dns, places, found.summary(url));
        let reached = network::connect(&found, limits).await.map_err(|broken| (Link::Tcp, broken))?;
        self.hold(Link::Tcp, places, reached.summary.clone());
        for (message, remedy) in &reached.remarks {
            let path = places.cluster_field("server");
            self.push(Severity::Warning, "address_unreachable", &path, message.clone(), remedy);
        }
        if connection.proxy.is_some() {
            return Ok(None);
        }
        if connection.server.scheme() != "https" {
            return Ok(Some(false));
        }
        let seen = handshake::perform(connection, reached.stream, now, limits.tls).await;
        let seen = seen.map_err(|broken| (Link::Tls, broken))?;
        self.hold(Link::Tls, places, seen.summary);
        for (code, message) in seen.remarks {
            let remedy = "renew the webhook's certificate; countersign takes up a new file without a restart";
            self.push(Severity::Warning, code, &places.cluster_field("server"), message, remedy);
        }
        Ok(Some(seen.asks_for_certificate))
    }

    /// A kubeconfig that the walk cannot begin with. Whether an API server could, is another question.
    fn unusable(&mut self, error: &KubeconfigError) {
        self.broken = Some(Link::Kubeconfig);
        let remedy = error.remedy();
        let message = if error.is_unreadable() {
            format!("{}: {}", error.file().display(), error.problem())
        } else if error.is_unsupported() {
            format!("countersign cannot go on where kube-apiserver would: {}", error.problem())
        } else {
            return self.push(
                Severity::Error,
                "kubeconfig_unusable",
                error.field(),
                format!("{}: kube-apiserver would not start: {}", error.file().display(), error.problem()),
                remedy,
            );
        };
        self.outcome = Outcome::Unknown;
        self.push(Severity::Error, "kubeconfig_unusable", error.field(), message, remedy);
    }

    fn hold(&mut self, link: Link, places: &Places, detail: String) {
        let path = if link == Link::Caller { places.user.clone() } else { places.cluster_field("server") };
        self.push(Severity::Info, link.code(), &path, detail.clone(), "");
        self.passed.push((link, detail));
    }

    fn end(&mut self, link: Link, places: &Places, broken: Broken) {
        self.broken = Some(link);
        let path = if link == Link::Caller { places.user.clone() } else { places.cluster_field(broken.field) };
        self.push(Severity::Error, broken.code, &path, broken.message, broken.remedy);
    }

    fn push(&mut self, severity: Severity, code: &'static str, path: &str, message: String, remedy: &str) {
        self.findings.push(Finding { code, severity, path: path.to_owned(), message, remedy: remedy.to_owned() });
    }
}

/// Why the webhook turned a caller away after the handshake, if it says so to somebody who listens.
async fn refusal(connection: &Connection, limits: &Limits) -> Option<AlertDescription> {
    if connection.proxy.is_some() || connection.server.scheme() != "https" {
        return None;
    }
    let found = network::addresses(&connection.server, limits.dns).await.ok()?;
    let reached = network::connect(&found, limits).await.ok()?;
    handshake::refusal(connection, reached.stream, limits.tls).await
}

/// What the API server shows the webhook, in words.
fn shown(connection: &Connection) -> &'static str {
    match (&connection.client, &connection.bearer) {
        (Some(_), Some(_)) => "the bearer of a client certificate and a token",
        (Some(_), None) => "the bearer of a client certificate",
        (None, Some(_)) => "the bearer of a token",
        (None, None) => "nobody in particular",
    }
}

#[cfg(test)]
mod tests;
