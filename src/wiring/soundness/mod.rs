//! Judges a webhook's connection before anything is sent: what kube-apiserver would not start with, what it would refuse
//! later, and what it would quietly do otherwise than it looks.
//!
//! Used by whatever writes a kubeconfig (`render`) and whatever reads one (`doctor`).

mod certificates;

use rustls_pki_types::ServerName;
use url::{Host, Url};

use self::certificates::Role;
use super::kubeconfig::Connection;
use super::reviewer::{ReviewerError, client_config};
use crate::clock::UnixTime;
use crate::findings::{Finding, Findings, Severity};
use crate::outbound;

/// Where the two halves of a connection are in their kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The server and whom to trust there.
    pub cluster: String,
    /// What to show there.
    pub user: String,
}

impl Default for Places {
    /// In a kubeconfig with a single cluster and a single user, as ours are.
    fn default() -> Self {
        Self { cluster: "clusters[0].cluster".to_owned(), user: "users[0].user".to_owned() }
    }
}

impl Places {
    /// The path of a field of the cluster.
    #[must_use]
    pub fn cluster_field(&self, field: &str) -> String {
        format!("{}.{field}", self.cluster)
    }
}

/// Everything there is to say about a connection without using it.
#[must_use]
pub fn examine(connection: &Connection, places: &Places, now: UnixTime) -> Findings {
    let mut notes = Notes { places, findings: Findings::new() };
    address(&connection.server, &mut notes);
    trust(connection, now, &mut notes);
    caller(connection, now, &mut notes);
    notes.findings
}

/// Findings on their way.
struct Notes<'a> {
    places: &'a Places,
    findings: Findings,
}

impl Notes<'_> {
    fn cluster(&mut self, field: &str, severity: Severity, code: &'static str, message: impl Into<String>, fix: &str) {
        self.push(self.places.cluster_field(field), severity, code, message.into(), fix);
    }

    fn user(&mut self, field: &str, severity: Severity, code: &'static str, message: impl Into<String>, fix: &str) {
        let path = if field.is_empty() { self.places.user.clone() } else { format!("{}.{field}", self.places.user) };
        self.push(path, severity, code, message.into(), fix);
    }

    fn push(&mut self, path: String, severity: Severity, code: &'static str, message: String, fix: &str) {
        let remedy = fix.to_owned();
        self.findings.push(Finding { code, severity, path, message, remedy });
    }
}

fn address(server: &Url, notes: &mut Notes<'_>) {
    if server.scheme() == "http" {
        let message = "every bearer token of the cluster would cross the network unencrypted";
        notes.cluster("server", Severity::Error, "plain_http", message, "use https://");
    }
    if server.query().is_some() || server.fragment().is_some() {
        let message = "kube-apiserver drops what follows the URL's path (`?` or `#`) and posts without it";
        notes.cluster("server", Severity::Warning, "url_query_dropped", message, "put into the path what must arrive");
    }
    match server.host() {
        Some(Host::Domain(name)) if is_cluster_name(name) => {
            let message = format!(
                "{name} is a name of the cluster's own DNS, which an API server in the host's network does not ask"
            );
            let fix = "use the Service's clusterIP in the URL, and tls-server-name for the name in the certificate";
            notes.cluster("server", Severity::Warning, "cluster_dns_name", message, fix);
        }
        _ if outbound::is_loopback(server) => {
            let message = "a loopback address is another machine's on every machine";
            let fix = "run an instance beside every API server, in the host's network";
            notes.cluster("server", Severity::Info, "loopback_address", message, fix);
        }
        _ => {}
    }
}

/// Whether only the cluster's DNS knows a name: `NAME.NAMESPACE.svc`, with or without what follows.
fn is_cluster_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.ends_with(".svc") || name.ends_with(".cluster.local")
}

fn trust(connection: &Connection, now: UnixTime, notes: &mut Notes<'_>) {
    if connection.server.scheme() != "https" {
        return;
    }
    if connection.insecure {
        let message = "whoever sits between API server and webhook can read every token and be anybody in the cluster";
        let fix = "remove it, and give certificate-authority-data";
        return notes.cluster("insecure-skip-tls-verify", Severity::Error, "insecure_skip_tls_verify", message, fix);
    }
    if let Some(name) = &connection.tls_server_name
        && ServerName::try_from(name.as_str()).is_err()
    {
        let message = format!("{name:?} is no name that a certificate can have, so every handshake fails");
        let fix = "give the DNS name or address that is in the webhook's certificate, without scheme and port";
        notes.cluster("tls-server-name", Severity::Error, "server_name_invalid", message, fix);
    }
    let Some(pem) = &connection.authority_pem else {
        let message = "any authority that the API server's machine trusts could vouch for a false webhook";
        let fix = "give certificate-authority-data with the webhook's own authority";
        return notes.cluster("certificate-authority-data", Severity::Info, "system_trust", message, fix);
    };
    certificates::examine(pem, Role::Authority, now, notes);
}

fn caller(connection: &Connection, now: UnixTime, notes: &mut Notes<'_>) {
    match &connection.client {
        Some(client) => {
            certificates::examine(&client.certificate_pem, Role::Caller, now, notes);
            if let Err(error @ ReviewerError::ClientCertificate { .. }) = client_config(connection) {
                let message = format!("kube-apiserver would not start: {}", outbound::chain(&error));
                let fix = "give the certificate (the leaf first) and the unencrypted key that were issued together";
                notes.user("client-key-data", Severity::Error, "unusable_client_certificate", message, fix);
            }
        }
        None if connection.bearer.is_none() => {
            let message = "the API server shows the webhook nothing that says who it is";
            let fix = "give a client certificate or a token; `countersign render pki` makes certificates";
            notes.user("", Severity::Warning, "no_caller_credential", message, fix);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests;
