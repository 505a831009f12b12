//! The review itself, and what its answer would mean.

use std::error::Error;

use http::Version;
use rustls::{AlertDescription, Error as TlsError};

use super::{Broken, Limits, Link, Question};
use crate::findings::Severity;
use crate::outbound;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::{Accepted, Answer, Judgement, NoAnswer, Refused, Review, Reviewer};

/// Whether the webhook knew.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    CannotTell,
    Told,
}

/// A finding without its place: severity, code, message, remedy.
type Remark = (Severity, &'static str, String, &'static str);

/// What came back.
pub(super) struct Answered {
    pub(super) summary: String,
    pub(super) remarks: Vec<Remark>,
    pub(super) verdict: Verdict,
}

/// Asks the question over a connection of its own.
pub(super) async fn ask(
    connection: &Connection,
    question: &Question,
    limits: &Limits,
) -> Result<Answered, (Link, Broken)> {
    let reviewer = Reviewer::new(connection).map_err(|error| {
        let remedy = "change the kubeconfig so that it says one thing";
        let message = outbound::chain(&error);
        (Link::Review, Broken { code: "kubeconfig_unusable", field: "server", message, remedy })
    })?;
    let review = Review { version: question.version, token: &question.token, audiences: &question.audiences };
    let answer = reviewer.with_deadline(limits.review).post(&review).await.map_err(|error| no_answer(&error))?;
    if matches!(answer.status.as_u16(), 401 | 403) {
        let message = format!("the webhook does not let this caller in: {}", said(&answer));
        let remedy = "show what server.callers asks for: a client certificate of that authority with an allowed name, or one of the \
                      tokens; kube-apiserver reads a new kubeconfig at its next start";
        return Err((Link::Caller, Broken { code: "caller_refused", field: "", message, remedy }));
    }
    if !answer.status.is_success() {
        return Err((Link::Review, http_failure(&answer)));
    }
    let mut answered = meaning(&answer, question);
    if answer.elapsed >= limits.slow {
        let message = format!(
            "the answer took {:.1} s: every request with a token that is not remembered waits that long, and with 30 s              kube-apiserver gives up",
            answer.elapsed.as_secs_f32()
        );
        let remedy = "see the webhook's log and metrics for what it waits for, and whether the way to it is slow";
        answered.remarks.push((Severity::Warning, "answer_slow", message, remedy));
    }
    Ok(answered)
}

/// TLS 1.3 servers refuse a client's certificate only after the handshake, so the refusal is found here.
fn no_answer(error: &NoAnswer) -> (Link, Broken) {
    let alert =
        std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source()).find_map(|error| {
            let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
            let tls =
                error.downcast_ref::<TlsError>().or_else(|| inner.and_then(|inner| inner.downcast_ref::<TlsError>()));
            match tls {
                Some(TlsError::AlertReceived(alert)) => Some(*alert),
                _ => None,
            }
        });
    if let Some(alert) = alert {
        return turned_away(alert);
    }
    let again = if error.retried { "would try again" } else { "would not try again" };
    let message = format!("{} (kube-apiserver {again})", outbound::chain(error));
    let remedy = "see the webhook's log; an answer has to come within 30 s";
    (Link::Review, Broken { code: "no_answer", field: "server", message, remedy })
}

/// The webhook ended the connection because of what the caller showed.
pub(super) fn turned_away(alert: AlertDescription) -> (Link, Broken) {
    let what = match alert {
        AlertDescription::CertificateRequired => {
            "it wants a client certificate, and the kubeconfig has none".to_owned()
        }
        other => format!("it refuses the client certificate ({other:?})"),
    };
    let remedy = "put a client certificate into the kubeconfig that the webhook's client authority signed";
    let message = format!("the webhook closed the connection: {what}");
    (Link::Caller, Broken { code: "caller_refused", field: "", message, remedy })
}

fn http_failure(answer: &Answer) -> Broken {
    let (code, remedy) = match answer.status.as_u16() {
        300..=399 => ("redirected", "use the URL that it leads to; a review is no page to be moved"),
        404 | 405 => {
            ("unknown_route", "compare the URL's path with what the webhook serves: countersign serves /authenticate")
        }
        429 | 503 => ("overloaded", "give the webhook more room, or find who floods it: its metrics tell"),
        _ => ("webhook_failed", "see the webhook's log"),
    };
    Broken { code, field: "server", message: format!("the webhook answers no review: {}", said(answer)), remedy }
}

/// The HTTP status, and what a Kubernetes `Status` body adds.
fn said(answer: &Answer) -> String {
    let message = answer.document.as_ref().and_then(|document| document.get("message")?.as_str());
    message.map_or_else(|| format!("HTTP {}", answer.status), |message| format!("HTTP {}: {message}", answer.status))
}

fn meaning(answer: &Answer, question: &Question) -> Answered {
    let version = if answer.http_version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" };
    let took = format!("{version} in {} ms", answer.elapsed.as_millis());
    let what = if question.is_probe { "a made-up token" } else { "the token" };
    let answered = |summary, remarks, verdict| Answered { summary, remarks, verdict };
    match answer.judge(question.version, &question.audiences) {
        Judgement::Refused(Refused { why, is_remembered }) if question.is_probe => {
            let (meaning, remarks) = if is_remembered {
                ("kube-apiserver would answer 401 and remember that for its cache's TTL", Vec::new())
            } else {
                let message =
                    format!("{why}: an answer with an error text is never remembered, so every request is asked about");
                let remedy = "nothing, if that is meant (server.refusalReasons); another webhook's text may also say that it could not tell";
                (
                    "kube-apiserver would answer 401 and remember nothing",
                    vec![(Severity::Info, "error_answered", message, remedy)],
                )
            };
            answered(format!("{what} is refused, as it must be ({why}; {took}): {meaning}"), remarks, Verdict::Told)
        }
        Judgement::Refused(Refused { why, .. }) => {
            let message = format!("the token is refused: {why}");
            let remedy = "`countersign explain` says which check it does not pass";
            answered(
                format!("{what} is refused ({took})"),
                vec![(Severity::Error, "token_refused", message, remedy)],
                Verdict::Told,
            )
        }
        Judgement::Accepted(accepted) => answered(
            format!(
                "{what} is accepted as {:?} ({took}): kube-apiserver would go on with that user",
                accepted.username
            ),
            accepted_remarks(&accepted, question),
            Verdict::Told,
        ),
        Judgement::Undecided(undecided) => {
            if !undecided.is_cause() {
                let message = format!("kube-apiserver cannot use the answer: {}", undecided.why);
                let remedy = "see that the URL is the webhook's, and that it speaks the version that is asked for";
                let remark = (Severity::Error, "answer_unusable", message, remedy);
                return answered(format!("an answer came ({took})"), vec![remark], Verdict::Told);
            }
            let message =
                format!("the webhook says {:?}: kube-apiserver answers 401 and remembers nothing", undecided.why);
            let remedy = "the webhook's log and README say what the code means";
            answered(
                format!("{what} is not accepted ({took})"),
                vec![(Severity::Warning, "error_answered", message, remedy)],
                Verdict::CannotTell,
            )
        }
    }
}

fn accepted_remarks(accepted: &Accepted, question: &Question) -> Vec<Remark> {
    let mut remarks: Vec<Remark> = accepted
        .warnings
        .iter()
        .map(|warning| (Severity::Warning, "answer_risky", (*warning).to_owned(), "correct the webhook's mapping"))
        .collect();
    if question.is_probe {
        let message = "the webhook accepts a made-up token: anybody is let into the cluster".to_owned();
        remarks.push((Severity::Error, "accepts_anything", message, "do not give this kubeconfig to an API server"));
    }
    remarks
}
