//! Tokens that must not get in, in tables: one row, one deviation, one reason.
//!
//! Every row is posted between two good tokens that must still pass, once to a service that says why it refuses, and once
//! to one that must not. No row may make the issuer hear of it.

mod claims;
mod form;
mod headers;
mod identities;
mod keys;

use std::fmt::Display;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use countersign::authn::Cause;
use countersign::clock::{Clock, SystemClock};
use countersign::dev::issuer::{Algorithm, Endpoint, Issuer, IssuerOptions, TokenBuilder};
use countersign::token::BearerToken;
use serde_json::json;

use crate::support::{Answer, Rig, Settings, accepted, refused, undecided};

/// A service that is attacked, and a good token that it knows already.
struct Gauntlet {
    rig: Rig,
    known: BearerToken,
    name: &'static str,
}

/// One attack: what it is called, the token, the reason code of its refusal.
struct Row {
    name: String,
    token: BearerToken,
    reason: &'static str,
}

fn row(name: impl Display, token: BearerToken, reason: &'static str) -> Row {
    Row { name: name.to_string(), token, reason }
}

impl Gauntlet {
    /// In front of an issuer with a key of each family.
    async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// The same with other settings, under which its usual tokens are still good.
    async fn start_with(deviate: impl FnOnce(&mut Settings)) -> Self {
        Self::before(issuer_of(&[Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa]).await, deviate).await
    }

    /// The same with a mapping by which its usual tokens are good for another name.
    async fn start_as(name: &'static str, deviate: impl FnOnce(&mut Settings)) -> Self {
        Self::before_as(issuer_of(&[Algorithm::Es256]).await, name, deviate).await
    }

    /// In front of a given issuer.
    async fn before(issuer: Issuer, deviate: impl FnOnce(&mut Settings)) -> Self {
        Self::before_as(issuer, "oidc:alice", deviate).await
    }

    async fn before_as(issuer: Issuer, name: &'static str, deviate: impl FnOnce(&mut Settings)) -> Self {
        let rig = Rig::launch(issuer, |settings| {
            settings.service["server"]["refusalReasons"] = true.into();
            deviate(settings);
        })
        .await;
        rig.until_ready().await;
        let known = rig.token().mint();
        let this = Self { rig, known, name };
        assert_eq!(this.answer(&this.known).await, accepted(this.name));
        this
    }

    fn token(&self) -> TokenBuilder {
        self.rig.token()
    }

    async fn answer(&self, token: &BearerToken) -> Answer {
        self.rig.caller.review(token).await
    }

    /// Every row is refused for its reason, and for no stated reason where none is to be given; nobody else suffers.
    async fn refuses(&mut self, rows: impl IntoIterator<Item = Row>) {
        let rows: Vec<Row> = rows.into_iter().collect();
        let heard = self.heard();
        for Row { name, token, reason } in &rows {
            assert_eq!(self.answer(token).await, undecided(reason), "{name}");
            assert_eq!(self.answer(&self.known).await, accepted(self.name), "a known token after {name}");
        }
        self.reasons(false);
        for Row { name, token, reason } in &rows {
            let is_definite = Cause::ALL.iter().all(|cause| cause.code() != *reason);
            let expected = if is_definite { refused() } else { undecided(reason) };
            assert_eq!(self.answer(token).await, expected, "{name}");
        }
        self.reasons(true);
        assert_eq!(self.answer(&self.token().mint()).await, accepted(self.name), "a new token after all");
        assert_eq!(self.heard(), heard, "the issuer heard of it");
    }

    /// Every token is accepted under this name.
    async fn accepts(&self, rows: impl IntoIterator<Item = (String, BearerToken)>, name: &str) {
        for (what, token) in rows {
            assert_eq!(self.answer(&token).await, accepted(name), "{what}");
        }
    }

    fn reasons(&mut self, on: bool) {
        self.rig.reconfigure(|settings| settings.service["server"]["refusalReasons"] = on.into());
    }

    /// What the issuer has heard so far: connections, and requests by endpoint.
    fn heard(&self) -> [u64; 4] {
        let requests = self.rig.issuer.requests();
        let requests = requests.borrow();
        let [discovery, keys, other] =
            [Endpoint::Discovery, Endpoint::Keys, Endpoint::Other].map(|at| requests.count(at));
        [requests.connections(), discovery, keys, other]
    }
}

/// An issuer with these keys; it signs with the first.
async fn issuer_of(algorithms: &[Algorithm]) -> Issuer {
    let options = IssuerOptions { algorithms: algorithms.to_vec(), ..IssuerOptions::default() };
    Issuer::start(options, SystemClock.now()).await.unwrap()
}

/// Sets a field of the issuer's own settings.
fn of_issuer(issuer: &str, field: &str, value: impl Into<serde_json::Value>, settings: &mut Settings) {
    let issuers = &mut settings.service["issuers"];
    if issuers.is_null() {
        *issuers = json!([{ "url": issuer }]);
    }
    issuers[0][field] = value.into();
}

fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The three parts of a token.
fn parts(token: &BearerToken) -> [String; 3] {
    let parts: Vec<String> = token.expose_secret().split('.').map(str::to_owned).collect();
    parts.try_into().unwrap()
}

/// The claims of a good token as the text that is signed.
fn claims_text(token: &TokenBuilder) -> String {
    let [_, payload, _] = parts(&token.mint());
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The header of a good token as text.
fn header_text(token: &TokenBuilder) -> String {
    let [header, _, _] = parts(&token.mint());
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}
