//! `countersign render pki`: the certificates between API server and webhook, for whoever has no authority of their own.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::output::Output;
use super::super::{Failure, Outcome, terminal};
use super::refusal::{Refusal, concluded};
use super::webhook::advise;
use crate::clock::{Clock, SystemClock};
use crate::outbound;
use crate::wiring::pki::folder::{self, Contents, Days, Deed, Entry, FolderError, Order, date};

/// Makes an authority for this one purpose, a certificate for the webhook, and one for each of its callers.
///
/// What is in the folder is kept; what is missing is made. With --renew, everything but the authority is made anew: nobody
/// has to be told to trust anything else.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder; it is made if it is not there.
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
    /// A DNS name or IP address under which API servers reach the webhook; repeatable.
    #[arg(long = "server-name", value_name = "NAME")]
    server_names: Vec<String>,
    /// A caller's name: the common name of its client certificate, for server.callers.allowedNames; repeatable.
    #[arg(long = "caller", value_name = "NAME", default_value = "kube-apiserver")]
    callers: Vec<String>,
    /// Make new certificates and keys for the server and the named callers.
    #[arg(long)]
    renew: bool,
    /// The authority's common name [default: countersign authority].
    #[arg(long, value_name = "NAME")]
    authority_name: Option<String>,
    /// For how many days a new authority is good [default: 3650].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    authority_days: Option<u32>,
    /// For how many days the webhook's certificate is good [default: 365]. The webhook takes up a new one without a restart.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    server_days: Option<u32>,
    /// For how many days callers' certificates are good [default: 1825]. API servers take up a new one with a restart only.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36500))]
    caller_days: Option<u32>,
    /// How to print what was done.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    concluded(fill(arguments).map_err(Refusal::from), arguments.output)
}

fn fill(arguments: &Arguments) -> Result<(), Failure> {
    let order = Order {
        server_names: arguments.server_names.iter().map(|name| canonical(name)).collect(),
        callers: arguments.callers.clone(),
        authority_name: arguments.authority_name.clone(),
        days: Days {
            authority: arguments.authority_days,
            server: arguments.server_days,
            caller: arguments.caller_days,
        },
        renew: arguments.renew,
    };
    let contents = folder::fill(&arguments.directory, &order, SystemClock.now()).map_err(|error| match error {
        FolderError::Unusable { .. } | FolderError::Write(_) => Failure::Unknown(outbound::chain(&error)),
        FolderError::NoServerName => Failure::WrongUse(format!("{error} (--server-name)")),
        _ => Failure::WrongUse(outbound::chain(&error)),
    })?;
    let text = arguments.output.document(&document(&contents)).unwrap_or_else(|| text(&contents));
    terminal::print(&text)?;
    if arguments.output == Output::Text {
        advise(&contents.advice);
        terminal::complain(&next(&arguments.directory, &contents));
    }
    Ok(())
}

/// IP addresses are compared as certificates hold them.
fn canonical(name: &str) -> String {
    name.parse::<IpAddr>().map_or_else(|_| name.to_owned(), |address| address.to_string())
}

fn entries(contents: &Contents) -> impl Iterator<Item = (&'static str, &Entry)> {
    [("authority", &contents.authority), ("server", &contents.server)]
        .into_iter()
        .chain(contents.callers.iter().map(|entry| ("caller", entry)))
}

const fn deed(deed: Deed) -> &'static str {
    match deed {
        Deed::Kept => "kept",
        Deed::Made => "made",
        Deed::Renewed => "renewed",
    }
}

fn document(contents: &Contents) -> Value {
    let one = |(role, entry): (&str, &Entry)| {
        json!({
            "role": role,
            "action": deed(entry.deed),
            "certificate": entry.certificate,
            "privateKey": entry.key,
            "names": entry.names,
            "notAfter": date(entry.not_after),
        })
    };
    let certificates: Vec<_> = entries(contents).map(one).collect();
    json!({ "certificates": certificates, "findings": contents.advice.iter().collect::<Vec<_>>() })
}

fn text(contents: &Contents) -> String {
    let mut text = String::new();
    for (role, entry) in entries(contents) {
        let (certificate, names) = (entry.certificate.display(), entry.names.join(", "));
        let (deed, until) = (deed(entry.deed), date(entry.not_after));
        let _ = writeln!(text, "{deed:<7}  {certificate}  {role}: {names}, until {until}");
    }
    text
}

fn next(directory: &Path, contents: &Contents) -> String {
    let directory = super::super::shell_quoted(directory);
    // All of them: whoever takes this over would lock out those that are left out.
    let ordered = contents.callers.iter().flat_map(|entry| &entry.names);
    let callers: Vec<&str> = ordered.chain(&contents.other_callers).map(String::as_str).collect();
    let mut text = format!(
        "in the webhook's configuration:
  server:
    tls: {{certificateFile: {directory}/tls.crt, privateKeyFile: {directory}/tls.key}}
    callers: {{clientCertificateAuthorityFile: {directory}/ca.crt, allowedNames: [{}]}}
for the API server: countersign render kubeconfig --server https://HOST:PORT --pki {directory}
keep {directory}/ca.key away from the webhook and from API servers: only this command needs it",
        callers.join(", ")
    );
    let ends = |entry: &Entry| entry.deed != Deed::Kept && entry.not_after == contents.authority.not_after;
    if entries(contents).skip(1).any(|(_, entry)| ends(entry)) {
        text.push_str("\nthe authority ends as soon as a certificate under it: plan for a new one in another folder");
    }
    text
}
