//! `countersign openshift apply`: puts a webhook in force and follows the rollout.

use serde::Serialize;

use super::super::output::{self, Output};
use super::super::terminal;
use super::super::{Conclusion, Failure, Outcome, small_runtime};
use super::cluster::{ClusterFlags, failure};
use super::documents::Documents;
use super::person::{Manner, Person, ended, stopped};
use crate::clock::{Clock, SystemClock};
use crate::findings::{Findings, Severity};
use crate::wiring::openshift::apply::{self, Applying, Pace, Plan};
use crate::wiring::openshift::cluster::Cluster;
use crate::wiring::openshift::live;
use crate::wiring::openshift::objects::Objects;
use crate::wiring::openshift::rules::{self, Circumstances};

/// Applies what `render openshift` prints: secret, config map, then the Authentication, each first as a dry run.
///
/// What would not be honored is not applied. The rollout is followed until every API server has it.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    documents: Documents,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    manner: Manner,
    /// How to print what was done.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// What was done, for programs.
#[derive(Serialize)]
struct Document<'a> {
    objects: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<&'a str>,
    #[serde(flatten)]
    findings: &'a Findings,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    if !arguments.documents.is_given() {
        return Err(Failure::WrongUse("there is nothing to apply: give documents with -f".to_owned()));
    }
    let objects = arguments.documents.read()?;
    let plan = Plan::new(&objects).map_err(|error| Failure::wrong_use(&error))?;
    small_runtime()?.block_on(apply(arguments, &objects, &plan))
}

async fn apply(arguments: &Arguments, objects: &Objects, plan: &Plan) -> Outcome {
    let cluster = arguments.cluster.connect().await?;
    would_be_honored(&cluster, objects, plan).await?;
    let manner = &arguments.manner;
    let person = Person { says_yes: manner.yes };
    let how = Applying { dry_run: manner.dry_run, force_conflicts: manner.force_conflicts };
    let applied = apply::apply(&cluster, plan, how, &person).await.map_err(|stop| stopped(&stop))?;
    let mut rollout = None;
    let mut findings = Findings::new();
    if let Some(follow) = applied.follow.filter(|_| manner.wait) {
        let end = apply::follow(&cluster, follow, &Pace::with_timeout(manner.timeout), &person).await;
        let (_, words) = ended(end)?;
        rollout = Some(words);
        let gathered = live::gather(&cluster, &Objects::default()).await.map_err(|error| failure(&error))?;
        findings = rules::check(&gathered.objects, &Circumstances { now: SystemClock.now(), served: gathered.served });
    }
    let document = Document { objects: &applied.objects, rollout: rollout.as_deref(), findings: &findings };
    let text = arguments.output.document(&document).unwrap_or_else(|| {
        let mut lines = applied.objects.clone();
        lines.extend(rollout.clone());
        lines.join("\n") + "\n" + &if findings.is_empty() { String::new() } else { output::summed_up("now", &findings) }
    });
    terminal::print(&text)?;
    Ok(if findings.has_errors() { Conclusion::No } else { Conclusion::Yes })
}

/// What the operators would not honor is not even tried: the API would take it.
async fn would_be_honored(cluster: &Cluster, objects: &Objects, plan: &Plan) -> Result<(), Failure> {
    let gathered = live::gather(cluster, objects).await.map_err(|error| failure(&error))?;
    let outcome = plan.outcome(gathered.objects);
    let findings = rules::check(&outcome, &Circumstances { now: SystemClock.now(), served: None });
    for finding in &findings {
        if finding.severity != Severity::Info {
            terminal::complain(&finding.to_string());
        }
    }
    if findings.has_errors() {
        return Err(Failure::Refused("nothing was changed: it would not be honored, for the reasons above".to_owned()));
    }
    Ok(())
}
