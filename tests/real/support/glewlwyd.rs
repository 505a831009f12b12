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
/// The person that it knows.
const PERSON: (&str, &str) = ("alice", "not-a-secret-this-is-alice");
const CLIENT: (&str, &str) = ("svc", "not-a-secret-this-is-a-test");

/// A running glewlwyd with one OpenID plug-in and one client.
pub(crate) struct Glewlwyd {
    issuer: String,
    authority: String,
    client: reqwest::Client,
    api: String,
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
        let (api, issuer) = (format!("{url}/api"), format!("{url}/api/oidc"));
        configure(&client, &api, &issuer, algorithm).await;
        Self { issuer, authority: rig.servers.pem(), client, api, _process: process }
    }

    /// The same with a person, and with `kubectl`, a public client for this redirect address.
    pub(crate) async fn start_with_people(rig: &Rig, redirect: &str) -> Self {
        let glewlwyd = Self::start(rig, "ES256").await;
        let session = log_in(&glewlwyd.client, &glewlwyd.api, ("admin", "password")).await;
        let person = json!({"username": PERSON.0, "name": "Alice", "email": "alice@example.test", "password": PERSON.1,
            "enabled": true, "scope": ["openid", "g_profile"]});
        call(&glewlwyd.client, Method::POST, &format!("{}/user/", glewlwyd.api), &session, &person).await;
        let client = json!({
            "client_id": "kubectl",
            "name": "kubectl",
            "confidential": false,
            "enabled": true,
            "authorization_type": ["code", "refresh_token", "device_authorization"],
            "scope": ["openid"],
            "redirect_uri": [redirect],
            "token_endpoint_auth_method": ["none"],
        });
        call(&glewlwyd.client, Method::POST, &format!("{}/client/", glewlwyd.api), &session, &client).await;
        glewlwyd
    }

    /// Opens an authorization request as the person, who is logged in and consents; returns the page at the end.
    pub(crate) async fn browse(&self, mut url: url::Url) -> String {
        let session = self.consenting_person().await;
        url.query_pairs_mut().append_pair("g_continue", "");
        let answer = self.client.get(url).header(COOKIE, session).send().await.unwrap();
        let next = answer.headers().get(reqwest::header::LOCATION).unwrap_or_else(|| panic!("{}", answer.status()));
        self.client.get(next.to_str().unwrap()).send().await.unwrap().text().await.unwrap()
    }

    /// Opens a device's address as the person.
    pub(crate) async fn approve_device(&self, mut url: url::Url) {
        let session = self.consenting_person().await;
        url.query_pairs_mut().append_pair("g_continue", "");
        let answer = self.client.get(url).header(COOKIE, session).send().await.unwrap();
        assert!(answer.status().is_redirection() || answer.status().is_success(), "{}", answer.status());
    }

    async fn consenting_person(&self) -> String {
        let session = log_in(&self.client, &self.api, PERSON).await;
        let grant = json!({"scope": "openid"});
        call(&self.client, Method::PUT, &format!("{}/auth/grant/kubectl", self.api), &session, &grant).await;
        session
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
    let session = log_in(client, api, ("admin", "password")).await;

    let scope = json!({"name": "api", "display_name": "api", "password_required": false, "scheme": {}});
    call(client, Method::POST, &format!("{api}/scope/"), &session, &scope).await;
    let scope = json!({"name": "openid", "display_name": "openid", "password_required": false, "scheme": {}});
    call(client, Method::PUT, &format!("{api}/scope/openid"), &session, &scope).await;

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
        "auth-type-code-enabled": true,
        "auth-type-password-enabled": false,
        "auth-type-device-enabled": true,
        "auth-type-refresh-enabled": true,
        "auth-type-token-enabled": false,
        "auth-type-implicit-enabled": false,
        "auth-type-none-enabled": false,
        "name-claim": "no",
        "email-claim": "no",
        "scope-claim": "no",
        "session-cookie-name": "GLEWLWYD_OIDC_SESSION",
        "session-cookie-expiration": 3600,
        "pkce-allowed": true,
        "pkce-method-plain-allowed": false,
        "device-authorization-expiration": 120,
        "device-authorization-interval": 1,
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

/// Logs in to glewlwyd itself; returns the cookie.
async fn log_in(client: &reqwest::Client, api: &str, (name, password): (&str, &str)) -> String {
    let login = json!({"username": name, "password": password});
    let answer = call(client, Method::POST, &format!("{api}/auth/"), "", &login).await;
    answer.headers()[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned()
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
