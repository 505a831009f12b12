//! A connection as a kubeconfig.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use url::Url;
use zeroize::Zeroizing;

use super::Connection;
use crate::token::BearerToken;

impl Connection {
    /// Writes the kubeconfig that leads back to this connection, with everything inline, under a single context.
    #[must_use]
    pub fn to_yaml(&self, name: &str) -> Zeroizing<String> {
        let encode = |bytes: &Vec<u8>| BASE64_STANDARD.encode(bytes);
        let file = Document {
            api_version: "v1",
            kind: "Config",
            clusters: [NamedCluster {
                name,
                cluster: ClusterOut {
                    server: self.server.as_str(),
                    certificate_authority_data: self.authority_pem.as_ref().map(encode),
                    tls_server_name: self.tls_server_name.as_deref(),
                    insecure_skip_tls_verify: self.insecure,
                    proxy_url: self.proxy.as_ref().map(Url::as_str),
                },
            }],
            users: [NamedUser {
                name,
                user: UserOut {
                    client_certificate_data: self.client.as_ref().map(|client| encode(&client.certificate_pem)),
                    client_key_data: self.client.as_ref().map(|client| encode(&client.private_key_pem)),
                    token: self.bearer.as_ref().map(BearerToken::expose_secret),
                },
            }],
            contexts: [NamedContext { name, context: ContextOut { cluster: name, user: name } }],
            current_context: name,
        };
        // One line for each value, however long: people compare and paste them.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        let yaml = serde_saphyr::to_string_with_options(&file, options);
        Zeroizing::new(yaml.expect("strings, flags and lists have a YAML form"))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'a str,
    kind: &'a str,
    clusters: [NamedCluster<'a>; 1],
    users: [NamedUser<'a>; 1],
    contexts: [NamedContext<'a>; 1],
    #[serde(rename = "current-context")]
    current_context: &'a str,
}

#[derive(Serialize)]
struct NamedCluster<'a> {
    name: &'a str,
    cluster: ClusterOut<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterOut<'a> {
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    insecure_skip_tls_verify: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    proxy_url: Option<&'a str>,
}

#[derive(Serialize)]
struct NamedUser<'a> {
    name: &'a str,
    user: UserOut<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct UserOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
}

#[derive(Serialize)]
struct NamedContext<'a> {
    name: &'a str,
    context: ContextOut<'a>,
}

#[derive(Serialize)]
struct ContextOut<'a> {
    cluster: &'a str,
    user: &'a str,
}
