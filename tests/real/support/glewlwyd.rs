//! Debian's glewlwyd over TLS: a provider in another language, by other people, with other habits.

use std::process::Command;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use super::countersign::Issuer;
use super::process::Process;
use super::rig::{Rig, free_port};
use super::wait::{SOON, eventually};
use super::{component, http};

const SCHEMA: &str = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3";
const CLIENT: (&str, &str) = ("svc", "not-a-secret-this-is-a-test");

/// A running glewlwyd with one OpenID plug-in and one client.
pub(crate) struct Glewlwyd {
    issuer: String,
    authority: String,
    client: reqwest::Client,
    _process: Process,
}

impl Glewlwyd {
    /// Starts it to sign with `algorithm`, `RS256` or `ES256`.
    pub(crate) async fn start(rig: &Rig, algorithm: &str) -> Self {
        let port = free_port();
        let url = format!("https://127.0.0.1:{port}");
        let client = http::client(&rig.servers, None);
        let mut process = launch(rig, port, &url);
        eventually("glewlwyd answers", SOON, async || {
            process.assert_running();
            client.get(format!("{url}/config")).send().await.map(drop).map_err(|error| format!("{error:?}"))
        })
        .await;
        let issuer = format!("{url}/api/oidc");
        configure(&client, &format!("{url}/api"), &issuer, algorithm).await;
        Self { issuer, authority: rig.servers.pem(), client, _process: process }
    }

    /// This provider as an entry of countersign's configuration.
    pub(crate) fn issuer(&self) -> Issuer {
        Issuer {
            url: self.issuer.clone(),
            authority: self.authority.clone(),
            audiences: vec!["https://cluster.test".to_owned()],
            prefix: String::new(),
        }
    }

    /// A token of its client for a resource: `https://cluster.test` or `https://elsewhere.test`.
    pub(crate) async fn token(&self, resource: &str) -> String {
        let body = http::form(&[("grant_type", "client_credentials"), ("scope", "api"), ("resource", resource)]);
        let request = self.client.post(format!("{}/token", self.issuer)).basic_auth(CLIENT.0, Some(CLIENT.1));
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no access token in {answer}")).to_owned()
    }
}

fn launch(rig: &Rig, port: u16, url: &str) -> Process {
    let database = rig.folder().join("glewlwyd.db");
    let schema = std::fs::File::open(SCHEMA).unwrap_or_else(|error| panic!("{SCHEMA}: {error}"));
    let status = Command::new(component("SQLITE3")).arg(&database).stdin(schema).status().unwrap();
    assert!(status.success(), "making glewlwyd's database");
    let tls = rig.servers.server("glewlwyd");
    let configuration = format!(
        r#"port = {port}
bind_address = "127.0.0.1"
external_url = "{url}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "INFO"
cookie_secure = 0
session_expiration = 3600
session_key = "GLEWLWYD_SESSION"
admin_session_authentication = "cookie"
profile_session_authentication = "cookie"
login_api_enabled = true
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "/usr/lib/glewlwyd/user"
client_module_path = "/usr/lib/glewlwyd/client"
user_auth_scheme_module_path = "/usr/lib/glewlwyd/scheme"
plugin_module_path = "/usr/lib/glewlwyd/plugin"
hash_algorithm = "SHA512"
use_secure_connection = true
secure_connection_key_file = "{key}"
secure_connection_pem_file = "{certificate}"
database = {{ type = "sqlite3"; path = "{database}"; }};
"#,
        key = tls.key.display(),
        certificate = tls.certificate.display(),
        database = database.display(),
    );
    let file = rig.folder().join("glewlwyd.conf");
    std::fs::write(&file, configuration).unwrap();
    Process::start("glewlwyd", rig.folder(), Command::new(component("GLEWLWYD")).arg("-c").arg(&file))
}

/// What an administrator would click together: a scope, the OpenID plug-in with its keys, a client.
async fn configure(client: &reqwest::Client, api: &str, issuer: &str, algorithm: &str) {
    let login = json!({"username": "admin", "password": "password"});
    let answer = call(client, Method::POST, &format!("{api}/auth/"), "", &login).await;
    let session = answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();

    let scope = json!({"name": "api", "display_name": "api", "password_required": false, "scheme": {}});
    call(client, Method::POST, &format!("{api}/scope/"), &session, &scope).await;

    let plugin = json!({"module": "oidc", "name": "oidc", "display_name": "OpenID", "parameters": {
        "iss": issuer,
        "jwks-private": private_keys(algorithm),
        "jwks-show": true,
        "jwt-type": match algorithm { "ES256" => "ecdsa", _ => "rsa" },
        "jwt-key-size": "256",
        "subject-type": "public",
        "access-token-duration": 600,
        "refresh-token-duration": 3600,
        "code-duration": 60,
        "refresh-token-rolling": true,
        "allow-non-oidc": true,
        "auth-type-client-enabled": true,
        "auth-type-code-enabled": false,
        "auth-type-password-enabled": false,
        "auth-type-device-enabled": false,
        "auth-type-refresh-enabled": false,
        "auth-type-token-enabled": false,
        "auth-type-implicit-enabled": false,
        "auth-type-none-enabled": false,
        "name-claim": "no",
        "email-claim": "no",
        "scope-claim": "no",
        "session-cookie-name": "GLEWLWYD_OIDC_SESSION",
        "session-cookie-expiration": 3600,
        "resource-allowed": true,
        "resource-scope": {"api": ["https://cluster.test", "https://elsewhere.test"]},
        "allowed-scope": ["openid", "api"],
        "claims": [],
    }});
    call(client, Method::POST, &format!("{api}/mod/plugin/"), &session, &plugin).await;

    let machine = json!({
        "client_id": CLIENT.0,
        "name": CLIENT.0,
        "client_secret": CLIENT.1,
        "confidential": true,
        "enabled": true,
        "authorization_type": ["client_credentials"],
        "scope": ["api"],
        "redirect_uri": ["http://127.0.0.1:1/unused"],
        "token_endpoint_auth_method": ["client_secret_basic"],
    });
    call(client, Method::POST, &format!("{api}/client/"), &session, &machine).await;
}

async fn call(client: &reqwest::Client, method: Method, url: &str, session: &str, body: &Value) -> reqwest::Response {
    let request = client.request(method, url).header(COOKIE, session).json(body);
    let answer = request.send().await.unwrap();
    let status = answer.status();
    if status.is_success() {
        return answer;
    }
    panic!("{url}: {status}: {}", answer.text().await.unwrap());
}

/// A key set with one new key, made by rnbyc, the key tool of glewlwyd's author.
fn private_keys(algorithm: &str) -> String {
    let kind = match algorithm {
        "ES256" => "EC256",
        "RS256" => "RSA2048",
        other => panic!("no key kind for {other}"),
    };
    let mut command = Command::new(component("RNBYC"));
    command.args(["--jwks", "--generate", kind, "--alg", algorithm, "--key-id", "glewlwyd", "--indent", "0"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "rnbyc: {}", String::from_utf8_lossy(&output.stderr));
    // It prints the public key too, which glewlwyd does not want to see among its private ones.
    let mut set: Value = serde_json::from_slice(&output.stdout).unwrap();
    set["keys"].as_array_mut().unwrap().retain(|key| key.get("d").is_some());
    set.to_string()
}
