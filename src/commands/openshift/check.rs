//! `countersign openshift check`: says whether a webhook is honored, and if not, why.

use serde::Serialize;

use super::super::output::{self, Output};
use super::super::terminal::{self, printable};
use super::super::token::TokenSource;
use super::super::{Conclusion, Failure, Outcome, block_on};
use super::cluster::{ClusterFlags, failure};
use super::documents::Documents;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::findings::Findings;
use crate::token::BearerToken;
use crate::wiring::openshift::apply::foresee;
use crate::wiring::openshift::live;
use crate::wiring::openshift::objects::{Kind, Object, Objects};
use crate::wiring::openshift::probe::{no_probe, probe};
use crate::wiring::openshift::rules::{self, Circumstances};

/// Checks documents (-f), a cluster, or documents as they would be in a cluster (-f and --kubeconfig).
///
/// Every problem is printed with its field, the reason and the fix.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    cluster: ClusterFlags,
    /// Also ask the webhook, with the secret's own kubeconfig: about the token, or about one that is none.
    #[arg(long)]
    probe: bool,
    /// An audience to ask for with --probe; repeatable. The API server asks for its own names (--api-audiences).
    #[arg(long = "audience", value_name = "AUDIENCE", requires = "probe")]
    audiences: Vec<String>,
    /// How to print the findings.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    #[command(flatten)]
    token: TokenSource,
}

/// What was found, as programs read it: one document, however it ended.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    findings: &'a Findings,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let (text, findings, outcome) = match judge(arguments) {
        Ok((subject, findings, judged_nothing)) => {
            let outcome = concluded(&subject, &findings, judged_nothing);
            let is_summed_up = !matches!(outcome, Err(Failure::WrongUse(_)));
            let text = if is_summed_up { output::summed_up(&subject, &findings) } else { String::new() };
            (text, findings, outcome)
        }
        Err(failure) => (String::new(), Findings::new(), Err(failure)),
    };
    let error = outcome.as_ref().err().map(Failure::message);
    terminal::print(&arguments.output.document(&Printed { findings: &findings, error }).unwrap_or(text))?;
    outcome
}

/// What was checked, what was found, and what there was that is none of those that are judged.
fn judge(arguments: &Arguments) -> Result<(String, Findings, Option<String>), Failure> {
    let token = arguments.token.read_if_given()?;
    if token.is_some() && !arguments.probe {
        return Err(Failure::WrongUse("a token is of use with --probe only".to_owned()));
    }
    let objects = arguments.documents.read()?;
    if arguments.documents.is_given() && objects.is_empty() && objects.others.is_empty() {
        return Err(Failure::WrongUse(format!("{}: there is nothing to check in it", arguments.documents.name())));
    }
    let judged_nothing = (arguments.documents.is_given() && objects.is_empty())
        .then(|| objects.others.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    let (subject, findings) = block_on(check(arguments, objects, token.as_ref(), SystemClock.now()))??;
    Ok((subject, findings, judged_nothing))
}

fn concluded(subject: &str, findings: &Findings, judged_nothing: Option<String>) -> Outcome {
    let has = |code| findings.iter().any(|finding| finding.code == code);
    if findings.has_errors() {
        Ok(Conclusion::No)
    } else if let Some(others) = judged_nothing {
        let kinds = Kind::ALL.map(Kind::name).join(", ");
        Err(Failure::WrongUse(
            printable(&format!("{subject}: there is nothing to check in it but {others}; give any of {kinds}"))
                .into_owned(),
        ))
    } else if has("probe_unreached") {
        Err(Failure::Unknown("the webhook could not be asked from here; the finding says why".to_owned()))
    } else if has("probe_undecided") {
        Err(Failure::Unknown("the webhook could not tell; the finding says why".to_owned()))
    } else {
        Ok(Conclusion::Yes)
    }
}

pub(super) async fn check(
    arguments: &Arguments,
    mut objects: Objects,
    token: Option<&BearerToken>,
    now: UnixTime,
) -> Result<(String, Findings), Failure> {
    let mut subject = arguments.documents.name();
    let mut circumstances = Circumstances { now, served: None };
    let mut findings = Findings::new();
    if arguments.cluster.is_given() || !arguments.documents.is_given() {
        let cluster = arguments.cluster.connect().map_err(|failure| match failure {
            Failure::WrongUse(why) if !arguments.cluster.is_given() => {
                Failure::WrongUse(format!("{why}, or documents with -f"))
            }
            failure => failure,
        })?;
        let gathered = live::gather(&cluster, &objects).await.map_err(|error| failure(&error, &cluster))?;
        findings.extend(gathered.unread);
        if arguments.documents.is_given() {
            // They are not in force yet, so what is served and observed is about something else.
            findings.extend(rules::before_a_change(&gathered.objects));
            objects = foresee(objects, gathered.objects);
        } else {
            circumstances.served = gathered.served;
            objects = gathered.objects;
        }
        subject =
            if subject.is_empty() { cluster.server().to_owned() } else { format!("{subject} in {}", cluster.server()) };
    }
    findings.extend(rules::check(&objects, &circumstances));
    if arguments.probe {
        findings.push(match webhook(&objects) {
            Ok(secret) => probe(secret, token, &arguments.audiences).await,
            Err(why) => no_probe(why),
        });
    }
    Ok((subject, findings))
}

/// The secret to probe with: the one that is referred to, or the only one; or why there is none.
pub(super) fn webhook(objects: &Objects) -> Result<&Object, &'static str> {
    let named = objects
        .authentication()
        .map(|authentication| authentication.text("/spec/webhookTokenAuthenticator/kubeConfig/name"))
        .filter(|name| !name.is_empty());
    let secret = named.and_then(|name| objects.named(Kind::Secret, name));
    let mut secrets = objects.of(Kind::Secret);
    match (secret, secrets.next(), secrets.next()) {
        (Some(secret), ..) | (None, Some(secret), None) => Ok(secret),
        (None, Some(_), Some(_)) if named.is_none() => {
            Err("the webhook is not asked because there are several secrets, and nothing says which is its")
        }
        _ => Err("the webhook is not asked because its secret is not there, or cannot be read"),
    }
}
