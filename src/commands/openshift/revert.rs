//! `countersign openshift revert`: back to the integrated OAuth server, in the safe order.

use super::super::terminal;
use super::super::{Conclusion, Failure, Outcome, small_runtime};
use super::cluster::ClusterFlags;
use super::person::{Manner, Person, ended, stopped};
use crate::wiring::openshift::apply::{self, Pace, Reverting};

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
}

pub(super) fn run(arguments: &Arguments) -> Outcome {
    if arguments.delete_secret && !arguments.manner.wait {
        return Err(Failure::WrongUse(
            "--delete-secret needs --wait: a secret that a kube-apiserver still refers to must not be deleted"
                .to_owned(),
        ));
    }
    small_runtime()?.block_on(revert(arguments))
}

async fn revert(arguments: &Arguments) -> Outcome {
    let cluster = arguments.cluster.connect().await?;
    let manner = &arguments.manner;
    let person = Person { says_yes: manner.yes };
    let pace = Pace::with_timeout(manner.timeout);
    let how = Reverting { dry_run: manner.dry_run, force_conflicts: manner.force_conflicts };
    let reverted = apply::revert(&cluster, how, &person).await.map_err(|stop| stopped(&stop))?;
    terminal::print(&(reverted.objects.join("\n") + "\n"))?;
    if manner.dry_run {
        return Ok(Conclusion::Yes);
    }
    if let Some(follow) = reverted.follow.filter(|_| manner.wait) {
        terminal::complain("waiting for the authentication operator to restore its own webhook");
        if !reverted.leftovers.released(&cluster, &pace).await.map_err(|stop| stopped(&stop))? {
            return Err(Failure::Unknown(
                "the authentication operator has not restored its own webhook within --timeout; see \
                 clusteroperator/authentication, and run revert again"
                    .to_owned(),
            ));
        }
        let (_, words) = ended(apply::follow(&cluster, follow, &pace, &person).await)?;
        terminal::print(&(words + "\n"))?;
    }
    if arguments.delete_secret {
        let done = reverted.leftovers.delete(&cluster).await.map_err(|stop| stopped(&stop))?;
        let text = if done.is_empty() { "there is nothing to delete".to_owned() } else { done.join("\n") };
        terminal::print(&(text + "\n"))?;
    }
    Ok(Conclusion::Yes)
}
