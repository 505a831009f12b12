//! The provider as a client meets it: its metadata, its keys, its clock, and questions to its endpoints.
//!
//! The metadata must be the configured issuer's own, checked by the service's code; every endpoint must be an https
//! address. Time comes from the provider's `Date` headers where they differ from this machine's clock: tokens are good
//! by the provider's clock, and a laptop that woke up with a wrong one can still log in.

use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::{Map, Value};
use url::Url;
use zeroize::Zeroizing;

use super::flows::{FlowError, Prompt};
use crate::clock::{Clock, UnixTime};
use crate::jose::json::{self, Limits as JsonLimits};
use crate::jose::{AlgorithmSet, KeySet};
use crate::outbound::{self, Outbound, Question};
use crate::providers::oidc::discovery::{self, DiscoveryError};

/// The longest key set that is read, in bytes: a hundred RSA-4096 keys with certificates fit.
const MAX_KEYS_BYTES: usize = 512 * 1024;
/// The longest answer of another endpoint, in bytes: three tokens of the largest size and room to spare.
const MAX_ANSWER_BYTES: usize = 128 * 1024;
/// Differences below this many seconds come from the resolution of `Date` and the way of the answer.
const NOTICEABLE: u64 = 3;
/// From here on, people are told.
const WORTH_SAYING: u64 = 60;
/// A day covers every wrong time zone. Beyond it, nothing that this machine says about time can be relied on.
const MAX_OFFSET: u64 = 24 * 60 * 60;

/// A provider whose metadata was read and found to be its own.
pub struct Provider {
    outbound: Outbound,
    /// What it says about itself.
    pub metadata: Metadata,
    offset: AtomicI64,
}

/// The part of a provider's metadata that logins use (OpenID Connect Discovery 1.0, RFC 8414, RFC 8628, RFC 9207).
#[derive(Clone, Debug)]
pub struct Metadata {
    /// The issuer: the configured URL, byte for byte.
    pub issuer: String,
    /// Where its keys are.
    pub keys: Url,
    /// Where people log in.
    pub authorization_endpoint: Option<Url>,
    /// Where tokens are handed out.
    pub token_endpoint: Option<Url>,
    /// Where device logins begin.
    pub device_authorization_endpoint: Option<Url>,
    /// Where tokens are revoked.
    pub revocation_endpoint: Option<Url>,
    /// Where people log out.
    pub end_session_endpoint: Option<Url>,
    /// How clients may prove themselves; empty when it does not say, which means `client_secret_basic`.
    pub client_authentication: Vec<String>,
    /// The algorithms for signed client assertions; empty when it does not say.
    pub assertion_algorithms: Vec<String>,
    /// The algorithms that its ID tokens are signed with.
    pub id_token_algorithms: AlgorithmSet,
    /// Whether its answers to the browser name it (RFC 9207).
    pub names_itself: bool,
}

/// An answer of an endpoint in JSON.
pub struct JsonAnswer {
    /// The address.
    pub url: Url,
    /// The status.
    pub status: reqwest::StatusCode,
    /// The members. Tokens among them are to be moved out, not copied.
    pub members: Map<String, Value>,
}

impl Provider {
    /// Fetches the metadata of an issuer.
    ///
    /// # Errors
    ///
    /// When it cannot be fetched, or is not this issuer's.
    pub async fn discover(
        issuer: &str,
        certificate_authority: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Self, FlowError> {
        let url = metadata_address(issuer)?;
        let outbound = Outbound::with_limits(certificate_authority, outbound::Limits::PERSON)?;
        let asked_at = clock.now();
        let answer = outbound.ask(&url, Question::Document, discovery::MAX_BYTES).await?;
        if answer.status != reqwest::StatusCode::OK {
            return Err(FlowError::not_usable(&url, answer.status, answer.is_json));
        }
        let metadata = Metadata::read(&answer.body, issuer, &url, answer.is_json)?;
        let provider = Self { outbound, metadata, offset: AtomicI64::new(0) };
        provider.compare_clocks(asked_at, clock.now(), answer.date)?;
        Ok(provider)
    }

    /// Says so if the clocks differ much.
    pub fn mention_clock(&self, prompt: &dyn Prompt) {
        let offset = self.offset_seconds();
        if offset.unsigned_abs() >= WORTH_SAYING {
            let direction = if offset > 0 { "behind" } else { "ahead of" };
            prompt.say(&format!(
                "This machine's clock is {} seconds {direction} that of {}: the provider's is used. Set this machine's clock.",
                offset.unsigned_abs(),
                self.metadata.issuer,
            ));
        }
    }

    /// By how many seconds the provider's clock is ahead of this machine's.
    #[must_use]
    pub fn offset_seconds(&self) -> i64 {
        self.offset.load(Ordering::Relaxed)
    }

    /// The time by the provider's clock.
    pub fn now(&self, clock: &dyn Clock) -> UnixTime {
        let (now, offset) = (clock.now(), self.offset_seconds());
        let span = std::time::Duration::from_secs(offset.unsigned_abs());
        if offset >= 0 { now.saturating_add(span) } else { now.saturating_sub(span) }
    }

    /// The provider's keys as they are now.
    ///
    /// # Errors
    ///
    /// When they cannot be fetched or are not usable.
    pub async fn keys(&self) -> Result<KeySet, FlowError> {
        let url = &self.metadata.keys;
        let answer = self.outbound.ask(url, Question::Document, MAX_KEYS_BYTES).await?;
        if answer.status != reqwest::StatusCode::OK {
            return Err(FlowError::not_usable(url, answer.status, answer.is_json));
        }
        KeySet::parse(&answer.body).map_err(|error| FlowError::NotUsable {
            url: url.to_string(),
            what: format!("a key set that cannot be used: {}", outbound::chain(&error)),
            remedy: "tell your administrator",
        })
    }

    /// Posts a form and reads the answer as JSON, whatever its status.
    ///
    /// # Errors
    ///
    /// When there is no answer or it is not JSON.
    pub async fn post(
        &self,
        url: &Url,
        body: Zeroizing<String>,
        authorization: Option<&reqwest::header::HeaderValue>,
        clock: &dyn Clock,
    ) -> Result<JsonAnswer, FlowError> {
        let asked_at = clock.now();
        let answer = self.outbound.ask(url, Question::Form { body, authorization }, MAX_ANSWER_BYTES).await?;
        // The clocks were near each other when the metadata came. What says otherwise now is not worth the answer, which may
        // hold the only good refresh token of a session.
        let _ = self.compare_clocks(asked_at, clock.now(), answer.date);
        // Revocation endpoints answer with an empty body.
        if answer.body.is_empty() && answer.status == reqwest::StatusCode::OK {
            return Ok(JsonAnswer { url: url.clone(), status: answer.status, members: Map::new() });
        }
        match json::object(&answer.body, &JsonLimits::STANDARD) {
            Ok(members) => Ok(JsonAnswer { url: url.clone(), status: answer.status, members }),
            Err(_) => Err(FlowError::not_usable(url, answer.status, answer.is_json)),
        }
    }

    /// Takes over the provider's clock, if it differs from this machine's by more than the measurement can be off.
    fn compare_clocks(&self, before: UnixTime, after: UnixTime, date: Option<UnixTime>) -> Result<(), FlowError> {
        let Some(date) = date else { return Ok(()) };
        let (ahead, behind) = (date.since(after).as_secs(), before.since(date).as_secs());
        let difference = ahead.max(behind);
        if difference > MAX_OFFSET {
            return Err(FlowError::Clock { issuer: self.metadata.issuer.clone(), hours: difference / 3600 });
        }
        let signed = i64::try_from(difference).unwrap_or_default();
        let offset = match difference {
            0..NOTICEABLE => 0,
            _ if ahead > 0 => signed,
            _ => -signed,
        };
        self.offset.store(offset, Ordering::Relaxed);
        Ok(())
    }
}

impl Metadata {
    fn read(document: &[u8], issuer: &str, url: &Url, is_json: bool) -> Result<Self, FlowError> {
        let not_usable = |what: String, remedy| FlowError::NotUsable { url: url.to_string(), what, remedy };
        let keys = discovery::keys_address(document, issuer).map_err(|error| match error {
            DiscoveryError::Json(_) => FlowError::not_usable(url, reqwest::StatusCode::OK, is_json),
            DiscoveryError::Issuer { found, configured } => {
                let found = found.map_or_else(|| "no issuer".to_owned(), |found| super::flows::excerpt(&found));
                not_usable(
                    format!("for {found} instead of {configured:?}"),
                    "use the issuer URL exactly as the provider writes it",
                )
            }
            DiscoveryError::KeysAddress => not_usable(error.to_string(), "tell your administrator"),
        })?;
        let members = json::object(document, &JsonLimits::STANDARD)
            .map_err(|_| FlowError::not_usable(url, reqwest::StatusCode::OK, is_json))?;
        let endpoint = |name: &'static str| match members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                let address = value.as_str().and_then(|text| Url::parse(text).ok());
                let address = address.filter(|address| address.scheme() == "https" && address.fragment().is_none());
                let wrong =
                    || not_usable(format!("with a `{name}` that is no https address"), "tell your administrator");
                address.ok_or_else(wrong).map(Some)
            }
        };
        let list = |name: &str| {
            let items = members.get(name).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        // Names that we do not know are algorithms that we could not verify; a list of only such changes nothing.
        let known = list("id_token_signing_alg_values_supported");
        let known = known.iter().filter(|name| crate::jose::Algorithm::from_name(name).is_some());
        Ok(Self {
            issuer: issuer.to_owned(),
            keys,
            authorization_endpoint: endpoint("authorization_endpoint")?,
            token_endpoint: endpoint("token_endpoint")?,
            device_authorization_endpoint: endpoint("device_authorization_endpoint")?,
            revocation_endpoint: endpoint("revocation_endpoint")?,
            end_session_endpoint: endpoint("end_session_endpoint")?,
            client_authentication: list("token_endpoint_auth_methods_supported"),
            assertion_algorithms: list("token_endpoint_auth_signing_alg_values_supported"),
            id_token_algorithms: AlgorithmSet::from_names(known).unwrap_or_default(),
            names_itself: members.get("authorization_response_iss_parameter_supported") == Some(&Value::Bool(true)),
        })
    }

    /// The token endpoint, which every grant needs.
    ///
    /// # Errors
    ///
    /// When the provider announces none.
    pub fn token_endpoint(&self) -> Result<&Url, FlowError> {
        self.need(self.token_endpoint.as_ref(), "token_endpoint")
    }

    /// An endpoint that a grant cannot do without.
    ///
    /// # Errors
    ///
    /// When the provider announces none.
    pub fn need<'a>(&self, endpoint: Option<&'a Url>, name: &'static str) -> Result<&'a Url, FlowError> {
        endpoint.ok_or_else(|| FlowError::NoEndpoint { issuer: self.issuer.clone(), endpoint: name })
    }
}

/// Where an issuer's metadata is. An issuer is an https URL without query and fragment.
fn metadata_address(issuer: &str) -> Result<Url, FlowError> {
    let wrong = || FlowError::Settings {
        what: format!("the issuer {} is not an https URL without query and fragment", super::flows::excerpt(issuer)),
        remedy: "give the provider's issuer URL with --oidc-issuer-url",
    };
    let url = Url::parse(issuer).map_err(|_| wrong())?;
    if url.scheme() != "https" || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(wrong());
    }
    let base = issuer.strip_suffix('/').unwrap_or(issuer);
    Url::parse(&format!("{base}/.well-known/openid-configuration")).map_err(|_| wrong())
}
