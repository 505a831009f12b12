//! `countersign get-token`: what kubectl runs. While the stored token is good, nothing is set up but this.

use std::io::IsTerminal;

use super::super::{Conclusion, Failure, Outcome, block_on, terminal};
use super::flags::LoginFlags;
use super::{choose, failure, say, with_keeper};
use crate::login::cluster;
use crate::login::exec_credential::{self, Request};
use crate::login::outcome::LoginError;
use crate::login::session::runs;
use crate::login::session::{AsksCluster, Caller, Credential, Order, Store};
use crate::login::settings::Settings;

/// Prints an ExecCredential for kubectl: the stored token, or a new one.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    login: LoginFlags,
    /// Renew the token even if it is still good.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, action = clap::ArgAction::Set, hide_possible_values = true)]
    force_refresh: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let flags = &arguments.login;
    let verbose = flags.store.verbose > 0;
    let asked = asked()?;
    let request = asked.clone().unwrap_or_else(|| by_hand(std::io::stdin().is_terminal()));
    let cluster = request.cluster.unwrap_or_default();
    let settings = flags.settings(&cluster.login, request.interactive)?;
    let store = flags.store.open(request.interactive)?;
    if verbose {
        say(&asked_by(asked.as_ref()));
        flags.foreign.remarks().iter().for_each(|remark| say(remark));
    }
    let caller =
        asked.as_ref().and_then(|_| runs::parent()).map(|process| Caller { process, cluster: cluster.server.clone() });
    let takes = |token: &str| block_on(cluster::takes(&cluster, token)).ok()?;
    let cluster_takes: Option<AsksCluster<'_>> = if cluster.server.is_empty() { None } else { Some(&takes) };
    let order = Order { settings: &settings, force_refresh: arguments.force_refresh, caller, cluster_takes };
    let credential = credential(&store, order, verbose)?;
    let answer = exec_credential::answer(request.version, &credential.token, credential.expires_at)
        .map_err(|error| Failure::unknown(&error))?;
    terminal::print(&answer)?;
    Ok(Conclusion::Yes)
}

/// What kubectl says, if it is kubectl that runs this.
fn asked() -> Result<Option<Request>, Failure> {
    let Some(text) = std::env::var_os(exec_credential::ENVIRONMENT) else { return Ok(None) };
    // What is no text is no JSON either.
    let request = Request::parse(text.to_str().unwrap_or_default()).map_err(|error| Failure::wrong_use(&error))?;
    Ok(Some(request))
}

/// Who asks, for those who want explanations.
fn asked_by(asked: Option<&Request>) -> String {
    let Some(request) = asked else { return "run by hand; answering in client.authentication.k8s.io/v1".to_owned() };
    let person = if request.interactive { "a person can be asked" } else { "nobody can be asked" };
    let server = request.cluster.as_ref().map_or("a cluster that it does not name", |cluster| &cluster.server);
    format!("run by a Kubernetes client for {server}, in {}; {person}", request.version.name())
}

fn by_hand(interactive: bool) -> Request {
    Request { interactive, ..Request::default() }
}

fn credential(store: &Store, order: Order<'_>, verbose: bool) -> Result<Credential, Failure> {
    let settings = order.settings;
    let cluster = order.caller.as_ref().map(|caller| caller.cluster.clone()).filter(|server| !server.is_empty());
    match with_keeper(store, settings, cluster.clone(), verbose, |keeper| keeper.credential(&order)) {
        Err(LoginError::Ambiguous { accounts }) if settings.interactive => {
            let Some(account) = choose(&accounts) else { return Err(failure(&LoginError::Ambiguous { accounts })) };
            let settings = Settings { account: Some(account.clone()), ..settings.clone() };
            let order = Order { settings: &settings, ..order };
            let credential = with_keeper(store, &settings, cluster, verbose, |keeper| {
                keeper.set_default_account(&settings, &account)?;
                keeper.credential(&order)
            });
            credential.map_err(|error| failure(&error))
        }
        result => result.map_err(|error| failure(&error)),
    }
}
