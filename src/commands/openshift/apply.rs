//! `countersign openshift apply`: puts a webhook in force and follows the rollout.

use super::super::output::Output;
use super::super::terminal::complain;
use super::super::{Conclusion, Failure, Outcome, block_on};
use super::cluster::{ClusterFlags, failure};
use super::documents::Documents;
use super::person::{Manner, Person, ended, stopped, unfollowed, watched};
use super::report::Report;
use crate::clock::{Clock, SystemClock};
use crate::findings::Severity;
use crate::wiring::openshift::apply::{self, Applying, Operator, Pace, Plan, Question};
use crate::wiring::openshift::cluster::Cluster;
use crate::wiring::openshift::live;
use crate::wiring::openshift::objects::{Kind, Objects};
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

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut report = Report::default();
    let outcome = read_and_apply(arguments, &mut report);
    report.print(arguments.output, &outcome)?;
    outcome
}

fn read_and_apply(arguments: &Arguments, report: &mut Report) -> Outcome {
    if !arguments.documents.is_given() {
        return Err(Failure::WrongUse("there is nothing to apply: give documents with -f".to_owned()));
    }
    let objects = arguments.documents.read()?;
    let plan = Plan::new(&objects).map_err(|error| Failure::wrong_use(&error))?;
    block_on(apply(arguments, &objects, &plan, report))?
}

pub(super) async fn apply(arguments: &Arguments, objects: &Objects, plan: &Plan, report: &mut Report) -> Outcome {
    let cluster = arguments.cluster.connect()?;
    let manner = &arguments.manner;
    let person = Person::at_the_terminal(manner.yes);
    would_be_honored(&cluster, objects, plan, &person, report).await?;
    let how = Applying { dry_run: manner.dry_run, force_conflicts: manner.force_conflicts };
    let applied = apply::apply(&cluster, plan, how, &person).await.map_err(|stop| stopped(&stop, report))?;
    report.objects = applied.objects;
    if !manner.wait || manner.dry_run {
        return Ok(Conclusion::Yes);
    }
    if let Some(follow) = applied.follow {
        let pace = Pace::with_timeout(manner.timeout);
        let end = watched(apply::follow(&cluster, follow, &pace, &person), applied.has_changed).await?;
        report.rollout = Some(ended(end)?);
    } else if applied.has_changed {
        return Err(unfollowed());
    }
    let gathered = live::gather(&cluster, &Objects::default()).await.map_err(|error| failure(&error, &cluster))?;
    report.findings =
        rules::check(&gathered.objects, &Circumstances { now: SystemClock.now(), served: gathered.served });
    Ok(if report.findings.has_errors() { Conclusion::No } else { Conclusion::Yes })
}

/// What the operators would not honor is not even tried: the API would take it. The report keeps what is wrong then. What may
/// not be read may be wrong, and is asked about.
pub(super) async fn would_be_honored(
    cluster: &Cluster,
    objects: &Objects,
    plan: &Plan,
    person: &dyn Operator,
    report: &mut Report,
) -> Result<(), Failure> {
    let gathered = live::gather(cluster, objects).await.map_err(|error| failure(&error, cluster))?;
    let needed = [(Kind::Secret, Some(plan.secret_name())), (Kind::ConfigMap, plan.metadata_name())];
    for (kind, name) in needed.into_iter().filter_map(|(kind, name)| Some((kind, name?))) {
        let unread = gathered.unread.iter().find(|finding| finding.path == live::path(kind, name));
        let Some(unread) = unread.filter(|_| objects.named(kind, name).is_none()) else { continue };
        let label = format!("{}/{name}", kind.name().to_lowercase());
        let risk =
            format!("{label} is referred to and cannot be judged ({}): API servers may not start", unread.message);
        if !person.agrees(&Question::Risk(risk.clone())) {
            return Err(Failure::Refused(format!(
                "stopped, because {risk}; --yes goes on all the same; nothing was changed"
            )));
        }
    }
    let outcome = plan.outcome(gathered.objects);
    let findings = rules::check(&outcome, &Circumstances { now: SystemClock.now(), served: None });
    if findings.has_errors() {
        report.findings = findings;
        return Err(Failure::Refused(
            "nothing was changed: it would not be honored; the findings say why, and what to mend".to_owned(),
        ));
    }
    findings
        .iter()
        .filter(|finding| finding.severity != Severity::Info)
        .for_each(|finding| complain(&finding.to_string()));
    Ok(())
}
