//! The documents that people write: `Authentication`, secret and config map.

use serde_json::{Value, json};

use super::super::Circumstances;
use super::world::{GONE, MATERIAL, both, cut_off_before, found, now, objects, set, well};

const AUTH: &str = "authentication/spec";
const NAME: &str = "authentication/spec/webhookTokenAuthenticator/kubeConfig/name";
const CLUSTER: &str = "kubeconfig/clusters/0/cluster";
const USER: &str = "kubeconfig/users/0/user";

/// Changes to documents in which all is well, and what is found then.
type Row = (Vec<(String, Value)>, &'static str);

fn row(changes: &[(&str, &str, Value)], expected: &'static str) -> Row {
    let path = |base: &str, rest: &str| if rest.is_empty() { base.to_owned() } else { format!("{base}/{rest}") };
    (changes.iter().map(|(base, rest, value)| (path(base, rest), value.clone())).collect(), expected)
}

pub(super) fn rows() -> impl Iterator<Item = &'static str> {
    [
        authentication_rows(),
        reference_rows(),
        kubeconfig_rows(),
        material_rows(),
        server_rows(),
        metadata_rows(),
        oidc_rows(),
    ]
    .into_iter()
    .flatten()
    .map(|(_, expected)| expected)
}

fn hold(rows: Vec<Row>) {
    for (changes, expected) in rows {
        let mut world = well();
        for (path, value) in &changes {
            set(&mut world, path, value.clone());
        }
        assert_eq!(found(&objects(world), &now(), expected), expected, "{changes:?}");
    }
}

fn authentication_rows() -> Vec<Row> {
    vec![
        row(&[], ""),
        row(
            &[("authentication", "metadata/name", json!("main"))],
            "error authentication_name metadata.name, info authentication_not_given",
        ),
        row(
            &[("authentication", "apiVersion", json!("config.openshift.io/v1beta1"))],
            "error kind_unknown apiVersion, info authentication_not_given",
        ),
        row(
            &[("authentication", "apiVersion", json!(GONE))],
            "error kind_unknown apiVersion, info authentication_not_given",
        ),
        row(
            &[("authentication", "kind", json!("authentication"))],
            "error kind_unknown kind, info authentication_not_given",
        ),
        row(
            &[("secret", "kind", json!("secret"))],
            "error kind_unknown kind, warning secret_not_given spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(
            &[("config_map", "apiVersion", json!("v2"))],
            "error kind_unknown apiVersion, warning metadata_not_given spec.oauthMetadata.name",
        ),
        row(&[("authentication 2", "", json!({"apiVersion": "apps/v1", "kind": "Deployment"}))], ""),
        row(
            &[("authentication", "apiVersion", json!("operator.openshift.io/v1"))],
            "warning other_authentication apiVersion, info authentication_not_given",
        ),
        row(&[("authentication", "spec", json!(GONE))], "error field_missing spec"),
        row(&[("authentication", "spec", json!({}))], "info integrated spec.type"),
        row(&[(AUTH, "audiences", json!([]))], "error unknown_field spec.audiences"),
        row(
            &[(AUTH, "webhookTokenAuthenticator/kubeConfig/namespace", json!("x"))],
            "error unknown_field spec.webhookTokenAuthenticator.kubeConfig.namespace",
        ),
        row(&[("authentication", "status", json!({"conditions": []}))], "error unknown_field status.conditions"),
        row(&[(AUTH, "type", json!(5))], "error wrong_type spec.type"),
        row(
            &[(AUTH, "webhookTokenAuthenticator", json!("hook"))],
            "error wrong_type spec.webhookTokenAuthenticator, warning webhook_unset spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(&[(AUTH, "webhookTokenAuthenticators", json!({}))], "error wrong_type spec.webhookTokenAuthenticators"),
        row(
            &[(AUTH, "webhookTokenAuthenticator", json!({}))],
            "error field_missing spec.webhookTokenAuthenticator.kubeConfig, warning webhook_unset spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(
            &[(AUTH, "webhookTokenAuthenticator/kubeConfig", json!({}))],
            "error field_missing spec.webhookTokenAuthenticator.kubeConfig.name, warning webhook_unset spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(
            &[(AUTH, "oauthMetadata", json!({}))],
            "error field_missing spec.oauthMetadata.name, info metadata_none spec.oauthMetadata.name",
        ),
        row(
            &[("authentication", "status", json!({"integratedOAuthMetadata": {}}))],
            "error field_missing status.integratedOAuthMetadata.name",
        ),
        row(
            &[(AUTH, "webhookTokenAuthenticators", json!([{"kubeConfig": {}}]))],
            "error field_missing spec.webhookTokenAuthenticators[0].kubeConfig.name, warning deprecated_list spec.webhookTokenAuthenticators",
        ),
        row(&[(AUTH, "type", json!("none"))], "error type_unsupported spec.type"),
        row(&[(AUTH, "type", json!("Webhook"))], "error type_unsupported spec.type"),
        row(
            &[(AUTH, "type", json!("IntegratedOAuth"))],
            "error webhook_overwritten spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(&[(AUTH, "type", json!(""))], "error webhook_overwritten spec.webhookTokenAuthenticator.kubeConfig.name"),
        row(&[(AUTH, "type", json!(GONE))], "error webhook_overwritten spec.webhookTokenAuthenticator.kubeConfig.name"),
        row(
            &[(AUTH, "type", json!("IntegratedOAuth")), (NAME, "", json!("webhook-authentication-integrated-oauth"))],
            "",
        ),
        row(
            &[(NAME, "", json!("webhook-authentication-integrated-oauth"))],
            "warning webhook_integrated_kept spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(&[(NAME, "", json!(""))], "warning webhook_unset spec.webhookTokenAuthenticator.kubeConfig.name"),
        row(
            &[(AUTH, "webhookTokenAuthenticator", json!(GONE))],
            "warning webhook_unset spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(
            &[
                (AUTH, "webhookTokenAuthenticator", json!(GONE)),
                (AUTH, "webhookTokenAuthenticators", json!([{"kubeConfig": {"name": "hook"}}])),
            ],
            "error deprecated_list spec.webhookTokenAuthenticators",
        ),
        row(
            &[(AUTH, "webhookTokenAuthenticators", json!([{"kubeConfig": {"name": "hook"}}]))],
            "warning deprecated_list spec.webhookTokenAuthenticators",
        ),
        row(&[(AUTH, "webhookTokenAuthenticators", json!([]))], ""),
        row(
            &[("authentication", "status/integratedOAuthMetadata/name", json!("oauth-openshift"))],
            "info integrated_metadata_unused status.integratedOAuthMetadata.name",
        ),
        row(
            &[("authentication", "status/integratedOAuthMetadata/name", json!("OAuth_OpenShift"))],
            "error name_invalid status.integratedOAuthMetadata.name",
        ),
        row(
            &[
                (AUTH, "type", json!("IntegratedOAuth")),
                (AUTH, "webhookTokenAuthenticator", json!(GONE)),
                ("authentication", "status/integratedOAuthMetadata/name", json!("oauth-openshift")),
            ],
            "warning metadata_overrides_integrated spec.oauthMetadata.name",
        ),
    ]
}

fn reference_rows() -> Vec<Row> {
    vec![
        row(
            &[(NAME, "", json!("Hook"))],
            "error name_invalid spec.webhookTokenAuthenticator.kubeConfig.name, warning secret_not_given spec.webhookTokenAuthenticator.kubeConfig.name",
        ),
        row(&[(NAME, "", json!("hook-2"))], "warning secret_not_given spec.webhookTokenAuthenticator.kubeConfig.name"),
        row(&[("secret", "", json!(null))], "warning secret_not_given spec.webhookTokenAuthenticator.kubeConfig.name"),
        row(
            &[("secret", "metadata/namespace", json!("default"))],
            "error secret_namespace secret/hook:metadata.namespace",
        ),
        row(
            &[("secret", "metadata/namespace", json!(GONE))],
            "warning secret_without_namespace secret/hook:metadata.namespace",
        ),
        row(
            &[("secret", "data", json!(null)), ("secret", "stringData/kubeconfig", json!("x"))],
            "error secret_key_missing secret/hook:data.kubeConfig",
        ),
        row(&[("secret", "data/kubeConfig", json!(""))], "error secret_key_empty secret/hook:data.kubeConfig"),
        row(
            &[("secret", "data/kubeConfig", json!("apiVersion: v1"))],
            "error secret_not_base64 secret/hook:data.kubeConfig",
        ),
        row(&[("secret", "data/kubeConfig", json!(7))], "error wrong_type secret/hook:data.kubeConfig"),
        row(&[("secret", "data/kubeConfig", json!("//4="))], "error kubeconfig_unreadable secret/hook:data.kubeConfig"),
        row(
            &[("secret", "stringData/kubeConfig", json!("just a text"))],
            "error kubeconfig_unreadable secret/hook:stringData.kubeConfig",
        ),
        row(&[("secret", "datta", json!({}))], "error unknown_field secret/hook:datta"),
        row(&[("secret", "metadata/label", json!({}))], "error unknown_field secret/hook:metadata.label"),
        row(&[("secret", "metadata/labels", json!({"a": true}))], "error wrong_type secret/hook:metadata.labels.a"),
        row(&[("secret", "immutable", json!("yes"))], "error wrong_type secret/hook:immutable"),
        row(&[("secret", "immutable", json!(true))], ""),
        row(&[("secret", "data/more", json!(5))], "error wrong_type secret/hook:data.more"),
        row(&[("secret", "type", json!("Opaque"))], ""),
        row(&[("secret", "type", json!("kubernetes.io/tls"))], "error secret_type secret/hook:type"),
        row(
            &[
                ("secret", "type", json!("kubernetes.io/tls")),
                ("secret", "stringData", json!({"tls.crt": "", "tls.key": ""})),
            ],
            "",
        ),
        row(
            &[("secret", "metadata/name", json!("Hook")), (NAME, "", json!("Hook"))],
            "error name_invalid spec.webhookTokenAuthenticator.kubeConfig.name, error name_invalid secret/Hook:metadata.name",
        ),
        row(&[("config_map", "datta", json!({}))], "error unknown_field configmap/meta:datta"),
        row(&[("config_map", "data/more", json!(5))], "error wrong_type configmap/meta:data.more"),
        row(&[("secret again", "", well()["secret"].clone())], "error secret_duplicate secret/hook:metadata.name"),
        row(
            &[("metadata again", "", well()["config_map"].clone())],
            "error metadata_duplicate configmap/meta:metadata.name",
        ),
        row(
            &[("kubeconfig", "extensions", json!("x".repeat(1024 * 1024)))],
            "error secret_too_large secret/hook:data.kubeConfig",
        ),
        row(
            &[("secret", "stringData/kubeConfig", json!("kind: Secret"))],
            "error kubeconfig_unreadable secret/hook:stringData.kubeConfig",
        ),
    ]
}

fn kubeconfig_rows() -> Vec<Row> {
    let other = json!({"name": "other", "cluster": {"server": "https://other/"}});
    let token = |extra: Value| {
        let mut user = json!({"token": "caller"});
        user.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        user
    };
    vec![
        row(&[("kubeconfig", "", json!("a: [b"))], "error kubeconfig_unreadable secret/hook:data.kubeConfig"),
        row(&[("kubeconfig", "", json!(format!("{}\n---\n", well()["kubeconfig"])))], ""),
        row(&[("kubeconfig", "", json!(format!("{}\n---\nkind: Other\n", well()["kubeconfig"])))], ""),
        row(
            &[("kubeconfig", "", json!(well()["kubeconfig"].to_string().replacen('{', "{\"kind\":\"Other\",", 1)))],
            "warning kubeconfig_duplicate_field secret/hook:data.kubeConfig",
        ),
        row(&[("kubeconfig", "", json!("a:\n\tb: 1\n"))], "error kubeconfig_unreadable secret/hook:data.kubeConfig"),
        row(&[("kubeconfig", "kind", json!("Secret"))], "error kubeconfig_unreadable secret/hook:data.kubeConfig"),
        row(&[("kubeconfig", "apiVersion", json!(GONE)), ("kubeconfig", "kind", json!(GONE))], ""),
        row(&[(CLUSTER, "server", json!(8443))], "error kubeconfig_unreadable kubeconfig:clusters[0].cluster.server"),
        row(
            &[(USER, "client-key-data", json!("%%%"))],
            "error kubeconfig_unreadable kubeconfig:users[0].user.client-key-data",
        ),
        row(
            &[("kubeconfig", "clusters", json!([]))],
            "error kubeconfig_clusters kubeconfig:clusters, error kubeconfig_context_cluster kubeconfig:contexts[0].context.cluster",
        ),
        row(&[("kubeconfig", "clusters/1", other)], "error kubeconfig_clusters kubeconfig:clusters"),
        row(
            &[("kubeconfig", "users/1", json!({"name": "it"}))],
            "error kubeconfig_unreadable kubeconfig:users, error kubeconfig_users kubeconfig:users",
        ),
        row(
            &[("kubeconfig", "users", json!(GONE))],
            "error kubeconfig_users kubeconfig:users, error kubeconfig_context_user kubeconfig:contexts[0].context.user",
        ),
        row(
            &[("kubeconfig", "contexts/1", json!({"name": "b", "context": {}}))],
            "error kubeconfig_contexts kubeconfig:contexts",
        ),
        row(
            &[("kubeconfig", "contexts", json!([]))],
            "error kubeconfig_current_context kubeconfig:current-context, error kubeconfig_contexts kubeconfig:contexts",
        ),
        row(
            &[("kubeconfig", "current-context", json!(GONE))],
            "error kubeconfig_current_context kubeconfig:current-context",
        ),
        row(
            &[("kubeconfig", "current-context", json!("that"))],
            "error kubeconfig_current_context kubeconfig:current-context",
        ),
        row(
            &[("kubeconfig", "contexts/0/context/user", json!("me"))],
            "error kubeconfig_context_user kubeconfig:contexts[0].context.user",
        ),
        row(
            &[("kubeconfig", "contexts/0/context/cluster", json!("hook"))],
            "error kubeconfig_context_cluster kubeconfig:contexts[0].context.cluster",
        ),
        row(&[(CLUSTER, "server", json!(""))], "error kubeconfig_server_missing kubeconfig:clusters[0].cluster.server"),
        row(
            &[(CLUSTER, "certificate-authority", json!("ca.crt"))],
            "error kubeconfig_file kubeconfig:clusters[0].cluster.certificate-authority",
        ),
        row(&[(USER, "", json!({}))], "error kubeconfig_no_credentials kubeconfig:users[0].user"),
        row(&[(USER, "", json!(null))], "error kubeconfig_no_credentials kubeconfig:users[0].user"),
        row(&[(USER, "", token(json!({})))], ""),
        row(
            &[(USER, "", token(json!({"tokenFile": "token"})))],
            "error kubeconfig_file kubeconfig:users[0].user.tokenFile",
        ),
        row(
            &[(USER, "", json!({"tokenFile": "token"}))],
            "error kubeconfig_file kubeconfig:users[0].user.tokenFile, error kubeconfig_no_credentials kubeconfig:users[0].user",
        ),
        row(
            &[(USER, "client-certificate", json!("me.crt"))],
            "error kubeconfig_file kubeconfig:users[0].user.client-certificate",
        ),
        row(&[(USER, "client-key", json!("me.key"))], "error kubeconfig_file kubeconfig:users[0].user.client-key"),
        row(&[(USER, "exec", json!({"command": "x"}))], "error kubeconfig_plugin kubeconfig:users[0].user.exec"),
        row(
            &[(USER, "", json!({"auth-provider": {"name": "oidc"}}))],
            "error kubeconfig_plugin kubeconfig:users[0].user.auth-provider, error kubeconfig_no_credentials kubeconfig:users[0].user",
        ),
        row(
            &[(USER, "", json!({"username": "me"}))],
            "error kubeconfig_password_missing kubeconfig:users[0].user.password",
        ),
        row(
            &[(USER, "", json!({"username": "me", "password": "p"}))],
            "warning kubeconfig_password kubeconfig:users[0].user.password",
        ),
        row(
            &[(USER, "", token(json!({"username": "me", "password": "p"})))],
            "error kubeconfig_two_mechanisms kubeconfig:users[0].user.token, warning kubeconfig_password kubeconfig:users[0].user.password",
        ),
        row(
            &[(USER, "", token(json!({"password": "p"})))],
            "error kubeconfig_two_mechanisms kubeconfig:users[0].user.token",
        ),
        row(
            &[(USER, "", token(json!({"as-groups": ["x"]})))],
            "error kubeconfig_impersonation kubeconfig:users[0].user",
        ),
        row(&[(USER, "", token(json!({"as": "me", "as-groups": ["x"]})))], ""),
        row(&[(USER, "", json!({"token": "abc\n"}))], "error kubeconfig_token kubeconfig:users[0].user.token"),
        row(
            &[(USER, "client-key-data", json!(GONE))],
            "error kubeconfig_key_missing kubeconfig:users[0].user.client-key-data",
        ),
        row(
            &[(USER, "client-certificate-data", json!(GONE))],
            "error kubeconfig_no_credentials kubeconfig:users[0].user",
        ),
    ]
}

fn material_rows() -> Vec<Row> {
    let m = &*MATERIAL;
    let authority = |pem: String| (CLUSTER, "certificate-authority-data", json!(pem));
    let pair = |(certificate, key): &(String, String)| {
        (USER, "", json!({"client-certificate-data": certificate, "client-key-data": key}))
    };
    vec![
        row(
            &[authority("bm8gUEVN".to_owned())],
            "error authority_not_pem kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(both(&m.authority, &m.client.1))],
            "warning authority_with_key kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(&[authority(cut_off_before(&m.authority))], ""),
        row(
            &[authority(m.future_authority.clone())],
            "error authority_not_yet_valid kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(both(&m.future_authority, &m.authority))],
            "warning authority_not_yet_valid kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(both(&m.future_authority, &m.old_authority))],
            "warning authority_expired kubeconfig:clusters[0].cluster.certificate-authority-data, error authority_not_yet_valid kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[pair(&m.authority_pair)],
            "warning client_certificate_is_authority kubeconfig:users[0].user.client-certificate-data",
        ),
        row(
            &[authority(m.old_authority.clone())],
            "error authority_expired kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(both(&m.old_authority, &m.authority))],
            "warning authority_expired kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(m.dying_authority.clone())],
            "warning authority_expires_soon kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[authority(m.serving.0.clone())],
            "warning authority_is_none kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[(CLUSTER, "certificate-authority-data", json!(GONE))],
            "warning authority_of_the_node kubeconfig:clusters[0].cluster.certificate-authority-data",
        ),
        row(
            &[(CLUSTER, "insecure-skip-tls-verify", json!(true))],
            "error authority_with_insecure kubeconfig:clusters[0].cluster.insecure-skip-tls-verify",
        ),
        row(&[(CLUSTER, "insecure-skip-tls-verify", json!(false))], ""),
        row(
            &[(CLUSTER, "insecure-skip-tls-verify", json!(true)), (CLUSTER, "certificate-authority-data", json!(GONE))],
            "error insecure kubeconfig:clusters[0].cluster.insecure-skip-tls-verify",
        ),
        row(&[pair(&m.expired)], "error client_certificate_expired kubeconfig:users[0].user.client-certificate-data"),
        row(
            &[pair(&m.dying)],
            "warning client_certificate_expires_soon kubeconfig:users[0].user.client-certificate-data",
        ),
        row(
            &[pair(&m.future)],
            "error client_certificate_not_yet_valid kubeconfig:users[0].user.client-certificate-data",
        ),
        row(&[pair(&m.serving)], "error client_certificate_usage kubeconfig:users[0].user.client-certificate-data"),
        row(
            &[(USER, "client-key-data", json!(m.other_key))],
            "error client_key_mismatch kubeconfig:users[0].user.client-key-data",
        ),
        row(
            &[(USER, "client-key-data", json!(m.authority))],
            "error client_key_not_pem kubeconfig:users[0].user.client-key-data",
        ),
        row(
            &[(USER, "client-certificate-data", json!(m.client.1))],
            "error client_certificate_not_pem kubeconfig:users[0].user.client-certificate-data",
        ),
    ]
}

fn server_rows() -> Vec<Row> {
    let server = |url: &str| (CLUSTER, "server", json!(url));
    vec![
        row(&[server("ftp://hook/")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("https://ho st/")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("hook.example.com/authenticate")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server(" https://192.0.2.7/a")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("https://192.0.2.7/a\n")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("https://192.0.2.7/%zz")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("https:///a")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("https://0x7f.1/a")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(
            &[(CLUSTER, "tls-server-name", json!("https://x.svc"))],
            "error server_name_invalid kubeconfig:clusters[0].cluster.tls-server-name",
        ),
        row(&[(CLUSTER, "tls-server-name", json!("192.0.2.7"))], ""),
        row(&[server("https://0.0.0.0/")], "error server_invalid kubeconfig:clusters[0].cluster.server"),
        row(&[server("hook.example.com:8443")], "warning server_without_scheme kubeconfig:clusters[0].cluster.server"),
        row(
            &[server("https://hook.example.com/a?cluster=one")],
            "warning server_query_dropped kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://me:p@hook.example.com/")],
            "warning server_user_info kubeconfig:clusters[0].cluster.server",
        ),
        row(&[server("http://hook.example.com/")], "error server_plain_http kubeconfig:clusters[0].cluster.server"),
        row(
            &[server("https://countersign.countersign.svc:443/authenticate")],
            "error server_service_name kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://countersign.countersign.svc.cluster.local./authenticate")],
            "error server_service_name kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://auth.svc.corp.example.com/authenticate")],
            "info server_external_name kubeconfig:clusters[0].cluster.server",
        ),
        row(&[server("https://hook/")], "warning server_short_name kubeconfig:clusters[0].cluster.server"),
        row(
            &[server("https://hook.apps.ocp.example.com/")],
            "warning server_route kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://hook.example.com/authenticate")],
            "info server_external_name kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://192.0.2.7:8443/authenticate")],
            "info server_address kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://localhost:8443/authenticate")],
            "info server_loopback kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[server("https://127.0.0.1:8443/authenticate")],
            "info server_loopback kubeconfig:clusters[0].cluster.server",
        ),
        row(&[server("https://[::1]:8443/authenticate")], "info server_loopback kubeconfig:clusters[0].cluster.server"),
        row(&[], "info server_cluster_address kubeconfig:clusters[0].cluster.server"),
        row(
            &[(CLUSTER, "tls-server-name", json!(GONE))],
            "warning server_name_missing kubeconfig:clusters[0].cluster.server",
        ),
        row(
            &[(CLUSTER, "proxy-url", json!("http://proxy:3128"))],
            "warning server_proxy kubeconfig:clusters[0].cluster.proxy-url",
        ),
        row(
            &[(CLUSTER, "proxy-url", json!("proxy:3128"))],
            "error server_proxy_invalid kubeconfig:clusters[0].cluster.proxy-url",
        ),
    ]
}

fn metadata_rows() -> Vec<Row> {
    let member = |name: &'static str, value: Value| ("metadata", name, value);
    vec![
        row(&[(AUTH, "oauthMetadata/name", json!("other"))], "warning metadata_not_given spec.oauthMetadata.name"),
        row(
            &[(AUTH, "oauthMetadata/name", json!("../x"))],
            "error name_invalid spec.oauthMetadata.name, warning metadata_not_given spec.oauthMetadata.name",
        ),
        row(&[(AUTH, "oauthMetadata/name", json!(""))], "info metadata_none spec.oauthMetadata.name"),
        row(&[("config_map", "", json!(null))], "warning metadata_not_given spec.oauthMetadata.name"),
        row(
            &[("config_map", "metadata/namespace", json!("openshift-config-managed"))],
            "error metadata_namespace configmap/meta:metadata.namespace",
        ),
        row(
            &[("config_map", "metadata/namespace", json!(GONE))],
            "warning metadata_without_namespace configmap/meta:metadata.namespace",
        ),
        row(&[("metadata", "", json!(null))], "error metadata_key_missing configmap/meta:data.oauthMetadata"),
        row(
            &[("metadata", "", json!(null)), ("config_map", "binaryData/oauthMetadata", json!("e30="))],
            "error metadata_key_missing configmap/meta:data.oauthMetadata",
        ),
        row(&[("metadata", "", json!("{'issuer'}"))], "error metadata_not_json configmap/meta:data.oauthMetadata"),
        row(&[("metadata", "", json!([]))], "error metadata_not_json configmap/meta:data.oauthMetadata"),
        row(
            &[member("issuer", json!(["https://idp"]))],
            "error metadata_wrong_type configmap/meta:data.oauthMetadata.issuer",
        ),
        row(
            &[member("scopes_supported", json!("openid"))],
            "error metadata_wrong_type configmap/meta:data.oauthMetadata.scopes_supported",
        ),
        row(&[member("scopes_supported", json!(null))], ""),
        row(&[member("issuer", json!(GONE))], "error metadata_url configmap/meta:data.oauthMetadata.issuer"),
        row(
            &[member("authorization_endpoint", json!("/authorize"))],
            "error metadata_url configmap/meta:data.oauthMetadata.authorization_endpoint",
        ),
        row(
            &[member("token_endpoint", json!("https:///token"))],
            "error metadata_url configmap/meta:data.oauthMetadata.token_endpoint",
        ),
        row(
            &[member("issuer", json!(" https://idp.example.com"))],
            "error metadata_url configmap/meta:data.oauthMetadata.issuer",
        ),
        row(&[member("ISSUER", json!(5))], "error metadata_wrong_type configmap/meta:data.oauthMetadata.issuer"),
        row(
            &[member("token_endpoint", json!("urn:token"))],
            "error metadata_url configmap/meta:data.oauthMetadata.token_endpoint",
        ),
        row(
            &[member("token_endpoint", json!("http://idp.example.com/token"))],
            "warning metadata_not_https configmap/meta:data.oauthMetadata.token_endpoint",
        ),
        row(
            &[member("issuer", json!("https://idp.example.com/?realm=a"))],
            "warning metadata_issuer configmap/meta:data.oauthMetadata.issuer",
        ),
        row(
            &[member("response_types_supported", json!(["token"]))],
            "warning metadata_response_types configmap/meta:data.oauthMetadata.response_types_supported",
        ),
        row(
            &[member("grant_types_supported", json!(GONE))],
            "info metadata_grant_types configmap/meta:data.oauthMetadata.grant_types_supported",
        ),
        row(
            &[member("code_challenge_methods_supported", json!(["plain"]))],
            "warning metadata_without_pkce configmap/meta:data.oauthMetadata.code_challenge_methods_supported",
        ),
        row(
            &[member("userinfo_endpoint", json!("https://idp.example.com/me"))],
            "info metadata_foreign_member configmap/meta:data.oauthMetadata.userinfo_endpoint",
        ),
        row(
            &[member("issuer", json!("https://kubernetes.default.svc"))],
            "error issuer_of_service_accounts configmap/meta:data.oauthMetadata.issuer",
        ),
    ]
}

fn provider() -> Value {
    json!([{
        "name": "idp",
        "issuer": {"issuerURL": "https://idp.example.com", "audiences": ["openshift"]},
        "claimMappings": {"username": {"claim": "sub", "prefixPolicy": "NoPrefix"}},
    }])
}

fn oidc_rows() -> Vec<Row> {
    let with = |path: &str, value: Value| {
        let mut providers = provider();
        if !path.is_empty() {
            set(&mut providers, path, value);
        }
        vec![
            ("authentication/spec/type".to_owned(), json!("OIDC")),
            ("authentication/spec/webhookTokenAuthenticator".to_owned(), json!(GONE)),
            ("authentication/spec/oauthMetadata".to_owned(), json!(GONE)),
            ("authentication/spec/oidcProviders".to_owned(), providers),
        ]
    };
    let invalid = |path: &str, value: Value, expected: &'static str| (with(path, value), expected);
    vec![
        invalid("", json!(null), "info oidc_in_place_of_webhook spec.oidcProviders"),
        row(
            &[(AUTH, "type", json!("OIDC"))],
            "error webhook_with_oidc spec.webhookTokenAuthenticator.kubeConfig.name, error oidc_without_provider spec.oidcProviders, warning metadata_ignored spec.oauthMetadata.name",
        ),
        row(&[(AUTH, "oidcProviders", provider())], "warning oidc_not_in_force spec.oidcProviders"),
        invalid("1", provider()[0].clone(), "error oidc_invalid spec.oidcProviders"),
        invalid("0/name", json!(""), "error oidc_invalid spec.oidcProviders[0].name"),
        invalid("0/issuer/issuerURL", json!(GONE), "error oidc_invalid spec.oidcProviders[0].issuer.issuerURL"),
        invalid(
            "0/issuer/issuerURL",
            json!("http://idp.example.com"),
            "error oidc_invalid spec.oidcProviders[0].issuer.issuerURL",
        ),
        invalid(
            "0/issuer/issuerURL",
            json!("https://idp.example.com?a=b"),
            "error oidc_invalid spec.oidcProviders[0].issuer.issuerURL",
        ),
        invalid(
            "0/issuer/issuerURL",
            json!("https://me@idp.example.com"),
            "error oidc_invalid spec.oidcProviders[0].issuer.issuerURL",
        ),
        invalid(
            "0/issuer/issuerURL",
            json!(format!("https://idp.example.com/{}", "a".repeat(490))),
            "error oidc_invalid spec.oidcProviders[0].issuer.issuerURL",
        ),
        invalid(
            "0/issuer/issuerURL",
            json!("https://kubernetes.default.svc"),
            "error issuer_of_service_accounts spec.oidcProviders[0].issuer.issuerURL",
        ),
        invalid(
            "0/issuer/discoveryURL",
            json!("https://idp.example.com"),
            "error oidc_invalid spec.oidcProviders[0].issuer.discoveryURL",
        ),
        invalid("0/issuer/discoveryURL", json!("https://idp.internal/.well-known/openid-configuration"), ""),
        invalid("0/issuer/audiences", json!([]), "error oidc_invalid spec.oidcProviders[0].issuer.audiences"),
        invalid(
            "0/issuer/audiences",
            json!(vec!["a"; 11]),
            "error oidc_invalid spec.oidcProviders[0].issuer.audiences",
        ),
        invalid("0/claimMappings", json!(GONE), "error oidc_invalid spec.oidcProviders[0].claimMappings.username"),
        invalid(
            "0/claimMappings/username/claim",
            json!("a".repeat(257)),
            "error oidc_invalid spec.oidcProviders[0].claimMappings.username.claim",
        ),
        invalid(
            "0/claimMappings/username/prefixPolicy",
            json!("Prefix"),
            "error oidc_invalid spec.oidcProviders[0].claimMappings.username.prefix",
        ),
        invalid(
            "0/claimMappings/username/prefix",
            json!({"prefixString": "a:"}),
            "error oidc_invalid spec.oidcProviders[0].claimMappings.username.prefix",
        ),
        invalid("0/claimMappings/extra", json!([{"key": "example.com/team"}]), ""),
        invalid(
            "0/claimMappings/extra",
            json!([{"key": "team"}]),
            "error oidc_invalid spec.oidcProviders[0].claimMappings.extra[0].key",
        ),
        invalid(
            "0/claimMappings/extra",
            json!([{"key": "authorization.openshift.io/scopes"}]),
            "error oidc_invalid spec.oidcProviders[0].claimMappings.extra[0].key",
        ),
        invalid("0/oidcClients", json!(vec![json!({}); 21]), "error oidc_invalid spec.oidcProviders[0].oidcClients"),
    ]
}

#[test]
fn the_authentication_is_held_against_schema_admission_and_operators() {
    hold(authentication_rows());
}

#[test]
fn the_reference_leads_to_a_secret_that_operators_take() {
    hold(reference_rows());
}

#[test]
fn the_kubeconfig_is_one_that_the_operator_and_the_api_server_load() {
    hold(kubeconfig_rows());
}

#[test]
fn certificates_and_keys_are_fit_for_the_api_server() {
    hold(material_rows());
}

#[test]
fn the_server_can_be_reached_from_the_hosts_network() {
    hold(server_rows());
}

#[test]
fn the_metadata_is_what_the_api_server_starts_with() {
    hold(metadata_rows());
}

#[test]
fn providers_of_the_type_oidc_are_reported() {
    hold(oidc_rows());
}

#[test]
fn no_finding_repeats_what_a_secret_holds() {
    for change in [
        (CLUSTER, "server", json!("https://me:sec-ret@ho st/")),
        (USER, "token", json!(["sec-ret"])),
        (USER, "client-key-data", json!("sec-ret!")),
        (USER, "", json!({"username": "sec-ret"})),
        ("kubeconfig", "", json!("users: [sec-ret")),
        ("secret", "data/kubeConfig", json!("sec-ret")),
    ] {
        let mut world = well();
        set(&mut world, format!("{}/{}", change.0, change.1).trim_end_matches('/'), change.2);
        let findings = super::super::check(&objects(world), &Circumstances::default());
        assert!(findings.has_errors() && !findings.to_string().contains("sec-ret"), "{findings}");
    }
}
