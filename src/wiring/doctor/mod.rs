//! Walks the way of a review from the API server to the webhook, and stops at the first link that does not hold.
//!
//! kubeconfig → address → connection → TLS → caller → review: each link is tried by itself, since "no answer" has as many
//! causes as there are links. What is found is said as what it would mean to kube-apiserver, with a remedy.

mod handshake;
mod network;
mod probe;

use std::path::Path;

use self::probe::Verdict;
use super::kubeconfig::{Connection, Located};
use super::reviewer::ReviewVersion;
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

/// How far the walk went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A link does not hold, or the webhook does what it must not.
    Broken,
    /// To the end.
    Sound,
    /// To the end, where the webhook could not tell.
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

/// Walks the way that a kubeconfig describes.
pub async fn walk(file: &Path, question: &Question, now: UnixTime) -> Walk {
    let mut walk = Walk { passed: Vec::new(), broken: None, findings: Findings::new(), outcome: Outcome::Broken };
    match Connection::locate(file) {
        Ok(located) => walk.go(&located, question, now).await,
        Err(error) => {
            let remedy = if error.is_unreadable() {
                "give the file that kube-apiserver is given, as a user who may read it"
            } else {
                ""
            };
            let message = format!("kube-apiserver would not start: {}", error.problem());
            walk.broken = Some(Link::Kubeconfig);
            walk.push(Severity::Error, "kubeconfig_unusable", error.field(), message, remedy);
        }
    }
    walk
}

/// Why a link does not hold. The field is one of the cluster's, unless the caller is to blame.
struct Broken {
    code: &'static str,
    field: &'static str,
    message: String,
    remedy: &'static str,
}

impl Walk {
    async fn go(&mut self, located: &Located, question: &Question, now: UnixTime) {
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
        self.hold(Link::Kubeconfig, &places, format!("{} as {}", connection.server, shown(connection)));
        if let Err((link, broken)) = self.reach(connection, &places, now).await {
            return self.end(link, &places, broken);
        }
        match probe::ask(connection, question).await {
            Err((link, broken)) => self.end(link, &places, broken),
            Ok(answered) => {
                self.hold(Link::Caller, &places, format!("let in as {}", shown(connection)));
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

    /// From the name to an encrypted connection. Through a proxy, only as far as the proxy.
    async fn reach(&mut self, connection: &Connection, places: &Places, now: UnixTime) -> Result<(), (Link, Broken)> {
        let url = connection.proxy.as_ref().unwrap_or(&connection.server);
        let found = network::addresses(url).await.map_err(|broken| (Link::Dns, broken))?;
        self.hold(Link::Dns, places, found.summary(url));
        let reached = network::connect(&found).await.map_err(|broken| (Link::Tcp, broken))?;
        self.hold(Link::Tcp, places, reached.summary.clone());
        for (message, remedy) in &reached.remarks {
            let path = places.cluster_field("server");
            self.push(Severity::Warning, "address_unreachable", &path, message.clone(), remedy);
        }
        if connection.proxy.is_some() || connection.server.scheme() != "https" {
            return Ok(());
        }
        let seen = handshake::perform(connection, reached.stream, now).await.map_err(|broken| (Link::Tls, broken))?;
        self.hold(Link::Tls, places, seen.summary);
        for (code, message) in seen.remarks {
            let remedy = "renew the webhook's certificate; countersign takes up a new file without a restart";
            self.push(Severity::Warning, code, &places.cluster_field("server"), message, remedy);
        }
        Ok(())
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
