//! The webhook's URL, as a kube-apiserver sees it: a static pod in the host's network, with the node's resolver.

use rustls_pki_types::ServerName;
use url::{Host, Url};

use super::kubeconfig::Cluster;
use super::report::Report;
use crate::wiring::address;

/// OpenShift's default range for service addresses.
const SERVICES: [u8; 2] = [172, 30];

pub(super) fn check(text: &str, cluster: &Cluster, cluster_path: &str, report: &mut Report) {
    let path = format!("{cluster_path}.server");
    proxy(cluster, cluster_path, report);
    server_name(cluster, cluster_path, report);
    let Some(url) = parse(text) else {
        report.error(
            "server_invalid",
            path,
            "no kube-apiserver starts with this file because the server is not a URL that it can use",
            "write https://HOST:PORT/authenticate",
        );
        return;
    };
    if !text.contains("://") {
        let message = "without a scheme the API server guesses http or https by the rest of the file";
        report.warning("server_without_scheme", path.clone(), message, "write https:// in front");
    }
    if url.query().is_some() || url.fragment().is_some() {
        let message = "the API server drops the query and the fragment of the URL";
        report.warning("server_query_dropped", path.clone(), message, "put what tells clusters apart into the path");
    }
    if !url.username().is_empty() || url.password().is_some() {
        let message = "the URL has a user name or password, which shows in logs";
        report.warning("server_user_info", path.clone(), message, "take it out; use a client certificate or a token");
    }
    if url.scheme() == "http" {
        let message = "the users' tokens go over the network in the clear, and whoever answers can be any user";
        report.error("server_plain_http", path.clone(), message, "use https");
    }
    if let Some(host) = url.host() {
        reachability(&host, cluster, path, report);
    }
}

/// As the API server's library: without a scheme there may be no path.
fn parse(text: &str) -> Option<Url> {
    let url = if text.contains("://") {
        address::parse(text)?
    } else {
        address::parse(&format!("https://{text}")).filter(|url| url.path() == "/")?
    };
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

fn reachability(host: &Host<&str>, cluster: &Cluster, path: String, report: &mut Report) {
    const RECIPE: &str =
        "give the Service a fixed clusterIP, write that address, and set tls-server-name to NAME.NAMESPACE.svc";
    match host {
        Host::Domain("localhost") => loopback(path, report),
        Host::Domain(name) => domain(name, path, report),
        Host::Ipv4(address) if address.is_loopback() => loopback(path, report),
        Host::Ipv6(address) if address.is_loopback() => loopback(path, report),
        Host::Ipv4(address) if address.is_unspecified() => nowhere(path, report),
        Host::Ipv6(address) if address.is_unspecified() => nowhere(path, report),
        Host::Ipv4(address) if address.octets().starts_with(&SERVICES) => {
            let message = "the address looks like that of a Service, which control-plane nodes reach";
            report.info(
                "server_cluster_address",
                path.clone(),
                message,
                "keep two replicas that do not need tokens to start",
            );
            if cluster.tls_server_name.is_none() {
                let message = "the webhook's certificate must name this address because there is no tls-server-name";
                report.warning("server_name_missing", path, message, RECIPE);
            }
        }
        Host::Ipv4(_) | Host::Ipv6(_) => {
            let message = "every control-plane node must reach this address; a proxy of the cluster is used unless noProxy has it";
            report.info("server_address", path, message, "");
        }
    }
}

fn domain(name: &str, path: String, report: &mut Report) {
    const RECIPE: &str =
        "give the Service a fixed clusterIP, write that address, and set tls-server-name to NAME.NAMESPACE.svc";
    let name = name.trim_end_matches('.');
    if name.ends_with(".svc") || name.ends_with(".svc.cluster.local") {
        let message = "the webhook cannot be reached because kube-apiserver runs in the host's network and resolves names as \
                       the node does, without service names";
        report.error("server_service_name", path, message, RECIPE);
    } else if !name.contains('.') {
        let message = "a name without dots depends on the search domains of each control-plane node";
        report.warning("server_short_name", path, message, "write the full name, or an address");
    } else if name.contains(".apps.") {
        let message =
            "the address is that of a route: it needs routers, which need the API, which needs the webhook for users";
        report.warning("server_route", path, message, RECIPE);
    } else {
        let message =
            "the name is resolved by each control-plane node; a proxy of the cluster is used unless noProxy has it";
        report.info(
            "server_external_name",
            path,
            message,
            "see that it does not depend on DNS that runs in this cluster",
        );
    }
}

fn loopback(path: String, report: &mut Report) {
    let message = "loopback is each control-plane node itself, so every one of them needs its own instance";
    report.info("server_loopback", path, message, "run a DaemonSet with hostNetwork on the control-plane nodes");
}

fn nowhere(path: String, report: &mut Report) {
    report.error(
        "server_invalid",
        path,
        "the webhook cannot be reached because this address is none",
        "write the webhook's address",
    );
}

fn server_name(cluster: &Cluster, cluster_path: &str, report: &mut Report) {
    let Some(name) = cluster.tls_server_name.as_deref().filter(|name| !name.is_empty()) else { return };
    if ServerName::try_from(name).is_err() {
        let message = "no certificate has this name, so every handshake fails";
        let remedy = "write the DNS name or address that is in the webhook's certificate, without scheme and port";
        report.error("server_name_invalid", format!("{cluster_path}.tls-server-name"), message, remedy);
    }
}

fn proxy(cluster: &Cluster, cluster_path: &str, report: &mut Report) {
    let Some(text) = cluster.proxy_url.as_deref().filter(|text| !text.is_empty()) else { return };
    let path = format!("{cluster_path}.proxy-url");
    let is_usable =
        address::parse(text).is_some_and(|url| matches!(url.scheme(), "http" | "https" | "socks5") && url.has_host());
    if is_usable {
        let message = "reviews go through this proxy, and logins end when it does";
        report.warning("server_proxy", path, message, "connect directly if you can");
    } else {
        let message = "no kube-apiserver starts with this file because proxy-url is not a proxy's URL";
        report.error("server_proxy_invalid", path, message, "write http://HOST:PORT, or remove it");
    }
}
