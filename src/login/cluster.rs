//! Asking the cluster itself whether it takes a token: what kubectl does not say when it runs the plugin again.
//!
//! Only where the cluster is named, and only to the server that kubectl sends the token to anyway: with the same authority,
//! name and proxy, and never where the connection is not verified. Nothing that goes wrong here is an error: then it is
//! not known.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use url::Url;

use super::exec_credential::Cluster;
use crate::wiring::kubeconfig::Connection;
use crate::wiring::reviewer::Reviewer;

/// A cluster that is there answers well within it; kubectl waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// Every authenticated user may create one (the role `system:basic-user`).
const PATH: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const REVIEW: &str = r#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;

/// Whether the cluster knows the bearer of a token; nothing if that could not be found out.
pub async fn takes(cluster: &Cluster, token: &str) -> Option<bool> {
    let connection = connection(cluster)?;
    let mut url = connection.server.clone();
    url.set_path(&format!("{}{PATH}", url.path().trim_end_matches('/')));
    let client = Reviewer::client(&connection, &mut url).ok()?;
    let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
    bearer.set_sensitive(true);
    let request = client.post(url).header(AUTHORIZATION, bearer).header(ACCEPT, "application/json");
    let answer = request.header(CONTENT_TYPE, "application/json").body(REVIEW).timeout(PATIENCE).send().await.ok()?;
    match answer.status() {
        StatusCode::UNAUTHORIZED => Some(false),
        // Somebody who may not is somebody all the same.
        StatusCode::FORBIDDEN => Some(true),
        status if status.is_success() => Some(true),
        _ => None,
    }
}

fn connection(cluster: &Cluster) -> Option<Connection> {
    let server = Url::parse(&cluster.server).ok().filter(|url| url.scheme() == "https")?;
    if cluster.insecure {
        return None;
    }
    let proxy = match &cluster.proxy {
        Some(proxy) => Some(Url::parse(proxy).ok()?),
        None => None,
    };
    let authority_pem = cluster.certificate_authority.as_ref().map(|pem| pem.as_bytes().to_owned());
    let tls_server_name = cluster.tls_server_name.clone();
    Some(Connection { tls_server_name, proxy, ..Connection::to(server, authority_pem) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn k5_a_token_goes_to_nobody_whose_certificate_is_not_verified() {
        let cluster = |server: &str| Cluster { server: server.to_owned(), ..Cluster::default() };
        assert!(connection(&cluster("https://127.0.0.1:6443")).is_some());
        for server in ["http://127.0.0.1:6443", "", "127.0.0.1:6443"] {
            assert!(connection(&cluster(server)).is_none(), "{server}");
        }
        assert!(connection(&Cluster { insecure: true, ..cluster("https://127.0.0.1:6443") }).is_none());
        assert_eq!(takes(&cluster("https://127.0.0.1:1"), "a.b.c").await, None, "nobody is there");
    }
}
