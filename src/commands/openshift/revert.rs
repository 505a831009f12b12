//! `countersign openshift revert`: back to the integrated OAuth server, in the safe order.

use super::super::output::Output;
use super::super::terminal;
use super::super::{Conclusion, Failure, Outcome, block_on};
use super::cluster::ClusterFlags;
use super::person::{Manner, Person, ended, stopped, unfollowed, watched};
use super::report::Report;
use crate::wiring::openshift::apply::{self, End, Pace, Reverting, Stop};

/// Goes back to the integrated OAuth server: the Authentication first, and what it referred to last, if at all.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    manner: Manner,
    /// When no API server needs them any more, delete the webhook's secret and config map that countersign made.
    #[arg(long)]
    delete_secret: bool,
    /// How to print what was done.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    let mut report = Report::default();
    let outcome = if arguments.delete_secret && !arguments.manner.wait {
        Err(Failure::WrongUse(
            "--delete-secret needs --wait: a secret that a kube-apiserver still refers to must not be deleted"
                .to_owned(),
        ))
    } else {
        block_on(revert(arguments, &mut report)).flatten()
    };
    report.print(arguments.output, &outcome)?;
    outcome
}

async fn revert(arguments: &Arguments, report: &mut Report) -> Outcome {
    let cluster = arguments.cluster.connect()?;
    let manner = &arguments.manner;
    let person = Person::at_the_terminal(manner.yes);
    let pace = Pace::with_timeout(manner.timeout);
    let how = Reverting { dry_run: manner.dry_run, force_conflicts: manner.force_conflicts };
    let reverted = apply::revert(&cluster, how, &person).await.map_err(|stop| stopped(&stop, report))?;
    report.objects = reverted.objects;
    if manner.dry_run {
        return Ok(Conclusion::Yes);
    }
    if arguments.delete_secret && !reverted.has_changed {
        let gone = reverted.leftovers.are_gone(&cluster).await.map_err(|stop| later(stop, report))?;
        if let Some(line) = gone {
            report.objects.push(line);
            return Ok(Conclusion::Yes);
        }
    }
    let mut is_rolled_out = false;
    if manner.wait {
        if reverted.has_changed {
            terminal::complain("waiting for the authentication operator to restore its own webhook");
        }
        let released = watched(reverted.leftovers.released(&cluster, &pace), reverted.has_changed).await?;
        if !released.map_err(|stop| later(stop, report))? {
            return Err(Failure::Unknown(
                "the authentication operator has not restored its own webhook within --timeout; see \
                 clusteroperator/authentication, and run revert again; the webhook is in force until then"
                    .to_owned(),
            ));
        }
        if let Some(follow) = reverted.follow {
            let end = watched(apply::follow(&cluster, follow, &pace, &person), reverted.has_changed).await?;
            is_rolled_out = reverted.has_changed && matches!(end, End::Done(_));
            report.rollout = Some(ended(end)?);
        } else if reverted.has_changed {
            return Err(unfollowed());
        }
    }
    if arguments.delete_secret {
        let deleted = reverted.leftovers.delete(&cluster, is_rolled_out).await;
        let deleted = deleted.map_err(|stop| later(stop, report))?;
        report.objects.extend(deleted);
    }
    Ok(Conclusion::Yes)
}

/// Something that stops after the change was made.
fn later(stop: Stop, report: &mut Report) -> Failure {
    stopped(&stop.after(&report.objects, "run revert again to go on"), report)
}
