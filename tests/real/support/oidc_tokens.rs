//! Getting tokens from oidc-provider: machine tokens with any claims, and the ID tokens of users.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use serde_json::{Value, json};

use super::http;

/// The resource whose tokens the tests use unless they are about something else; it is the token's audience too.
pub(crate) const RESOURCE: &str = "urn:api:es256";

const CLIENT: (&str, &str) = ("svc", "not-a-secret-this-is-a-test");

/// A client of the provider.
#[derive(Clone)]
pub(crate) struct Tokens {
    issuer: String,
    client: reqwest::Client,
}

impl Tokens {
    pub(crate) fn new(issuer: &str, client: reqwest::Client) -> Self {
        Self { issuer: issuer.to_owned(), client }
    }

    /// A token for `user`, in the group `dev`, that is fine in every way.
    pub(crate) async fn of(&self, user: &str) -> String {
        self.with(RESOURCE, json!({"sub": user, "groups": ["dev"]})).await
    }

    /// A token for a resource, signed as that resource's name says, with `claims` laid over the provider's own.
    pub(crate) async fn with(&self, resource: &str, claims: Value) -> String {
        let body = http::form(&[
            ("grant_type", "client_credentials"),
            ("resource", resource),
            ("payload", &claims.to_string()),
        ]);
        let request = self.client.post(format!("{}/token", self.issuer)).basic_auth(CLIENT.0, Some(CLIENT.1));
        token(request, body, "access_token").await
    }

    /// The ID token of a user who logs in: the code flow with PKCE, as the client `kubectl`.
    pub(crate) async fn id_token(&self, user: &str) -> String {
        const REDIRECT: &str = "http://127.0.0.1:1/callback";
        let verifier = "a-verifier-of-at-least-forty-three-characters";
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let query = http::form(&[
            ("client_id", "kubectl"),
            ("response_type", "code"),
            ("redirect_uri", REDIRECT),
            ("scope", "openid email groups"),
            ("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(digest)),
            ("code_challenge_method", "S256"),
            ("login_hint", user),
        ]);
        let url = url::Url::parse(&format!("{}/auth?{query}", self.issuer)).unwrap();
        let url = self.walk(url, REDIRECT).await;
        let (_, code) = url.query_pairs().find(|(name, _)| name == "code").unwrap();
        let body = http::form(&[
            ("grant_type", "authorization_code"),
            ("client_id", "kubectl"),
            ("redirect_uri", REDIRECT),
            ("code", &code),
            ("code_verifier", verifier),
        ]);
        token(self.client.post(format!("{}/token", self.issuer)), body, "id_token").await
    }

    /// Follows redirects with cookies, as a browser does, up to an address that starts with `end`.
    pub(crate) async fn walk(&self, mut url: url::Url, end: &str) -> url::Url {
        let mut cookies = BTreeMap::new();
        while !url.as_str().starts_with(end) {
            let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = self.client.get(url.clone()).header(COOKIE, jar.join("; ")).send().await.unwrap();
            keep_cookies(&answer, &mut cookies);
            let next = answer.headers().get(LOCATION).unwrap_or_else(|| panic!("{url}: {}", answer.status()));
            url = url.join(next.to_str().unwrap()).unwrap();
        }
        url
    }

    /// Approves a device's login, as a person does who opens its address: page by page, form by form. Returns the last page.
    pub(crate) async fn approve_device(&self, mut url: url::Url) -> String {
        let mut cookies = BTreeMap::new();
        let mut form = None;
        loop {
            let jar: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let request = match form.take() {
                Some(body) => {
                    self.client.post(url.clone()).body(body).header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                }
                None => self.client.get(url.clone()),
            };
            let answer = request.header(COOKIE, jar.join("; ")).send().await.unwrap();
            keep_cookies(&answer, &mut cookies);
            if let Some(next) = answer.headers().get(LOCATION) {
                url = url.join(next.to_str().unwrap()).unwrap();
                continue;
            }
            let page = answer.text().await.unwrap();
            let Some(action) = attribute(&page, "action") else { return page };
            url = url.join(action).unwrap();
            let mut fields: BTreeMap<&str, &str> = BTreeMap::new();
            for input in page.split("<input").skip(1).filter_map(|rest| rest.split('>').next()) {
                if let (Some(name), Some(value)) = (attribute(input, "name"), attribute(input, "value")) {
                    fields.insert(name, value);
                }
            }
            if page.contains("Confirm Device") {
                fields.insert("confirm", "yes");
            }
            form = Some(http::form(&fields.into_iter().collect::<Vec<_>>()));
        }
    }

    /// What the redirect of a login shows to the browser.
    pub(crate) async fn page(&self, url: url::Url) -> String {
        self.client.get(url).send().await.unwrap().text().await.unwrap()
    }
}

fn keep_cookies(answer: &reqwest::Response, cookies: &mut BTreeMap<String, String>) {
    for cookie in answer.headers().get_all(SET_COOKIE) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let (name, value) = pair.split_once('=').unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }
}

/// The value of the first attribute of a name in a piece of HTML.
fn attribute<'a>(html: &'a str, name: &str) -> Option<&'a str> {
    html.split_once(&format!(" {name}=\""))?.1.split('"').next()
}

async fn token(request: reqwest::RequestBuilder, body: String, name: &str) -> String {
    let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}
