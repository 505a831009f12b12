//! The answer of the token endpoint, and every check that its tokens must pass before anyone sees them.
//!
//! ID tokens are judged by the service's own [`judge()`], for the audience `client_id`; then come the checks that only a
//! client can make: `nonce`, `azp`, `at_hash`. Access tokens that kubectl is to send are judged likewise if they are
//! JWTs. A refresh may bring no new ID token, and may repeat the login's nonce, which is not known any more.

use std::time::Duration;

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::{Context, FlowError};
use crate::authn::claims::VerifiedClaims;
use crate::authn::reason::Reason;
use crate::clock::UnixTime;
use crate::jose::{Algorithm, KeySet, Unparsable, UnverifiedToken};
use crate::login::provider::JsonAnswer;
use crate::login::settings::TokenKind;
use crate::login::tokens::{Successor, Tokens};
use crate::providers::oidc::{NoTrail, Policy, Refusal, TokenProfile, judge};

/// The clocks of a provider's machines differ a little among themselves.
const CLOCK_SKEW: Duration = Duration::from_secs(10);
/// The longest life of an access token that is believed, if the token does not say itself.
const MAX_EXPIRES_IN: u64 = 366 * 24 * 60 * 60;
const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
const GRANT_REMEDY: &str =
    "ask for the scope `openid`, or choose another grant or token with --grant-type or --oidc-use-access-token";

/// How tokens came about, as far as the checks depend on it.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// An authorization request with this nonce.
    AuthorizationCode { nonce: &'a str },
    /// A token exchange: the ID token is for the wanted audience, not for the client.
    Exchange,
    /// A request without a browser and without a nonce.
    Direct,
    /// A refresh, with the keys as they were just before it.
    Refresh { keys: &'a KeySet },
}

/// Reads an error answer, if it is one.
pub(super) fn check_status(answer: &JsonAnswer, issuer: &str) -> Result<(), FlowError> {
    let text = |name: &str| answer.members.get(name).and_then(Value::as_str);
    if answer.status.is_success() && !answer.members.contains_key("error") {
        return Ok(());
    }
    match text("error") {
        Some(code) => Err(FlowError::refused(issuer, code, text("error_description"))),
        None => Err(FlowError::not_usable(&answer.url, answer.status, true)),
    }
}

/// Turns an answer of the token endpoint into tokens that passed every check. A refresh token that came with others that did
/// not is in the error.
pub(super) async fn accept(
    context: &Context<'_>,
    mut answer: JsonAnswer,
    origin: Origin<'_>,
) -> Result<Tokens, FlowError> {
    check_status(&answer, context.issuer())?;
    let refresh_token = secret(&mut answer.members, "refresh_token");
    match (judged(context, answer, origin).await, origin, refresh_token) {
        (Ok(tokens), _, refresh_token) => Ok(Tokens { refresh_token, ..tokens }),
        (Err(cause), Origin::Refresh { .. }, Some(refresh_token)) => {
            Err(FlowError::AfterRotation { refresh_token: Successor(refresh_token), cause: Box::new(cause) })
        }
        (Err(error), _, _) => Err(error),
    }
}

/// All tokens of an answer but the refresh token.
async fn judged(context: &Context<'_>, mut answer: JsonAnswer, origin: Origin<'_>) -> Result<Tokens, FlowError> {
    let issuer = context.issuer();
    let malformed = || FlowError::not_usable(&answer.url, answer.status, true);
    if answer.members.get("token_type").is_some_and(|kind| !is_usable_type(kind)) {
        return Err(malformed());
    }
    let expires_in = answer.members.get("expires_in").map(seconds);
    let mut id_token = secret(&mut answer.members, "id_token");
    let mut access_token = secret(&mut answer.members, "access_token");
    // RFC 8693 section 2.2.1: the issued token is in `access_token` whatever its type.
    if answer.members.get("issued_token_type").and_then(Value::as_str) == Some(ID_TOKEN_TYPE) && id_token.is_none() {
        id_token = access_token.take();
    }
    let now = context.provider.now(context.clock);
    let mut tokens = Tokens {
        id_token: None,
        access_token: None,
        refresh_token: None,
        id_token_expires_at: None,
        access_token_expires_at: None,
        account: None,
        subject: None,
        clock_offset_seconds: context.provider.offset_seconds(),
    };
    let mut fetched = None;
    if let Some(token) = id_token {
        let keys = keys(context, origin, &mut fetched).await?;
        let claims = judge_id_token(context, &token, access_token.as_ref(), keys, origin, now)?;
        tokens.id_token_expires_at = Some(claims.not_after());
        tokens.take_person(claims.all());
        tokens.id_token = Some(token);
    } else if context.settings.token_kind == TokenKind::IdToken {
        let (token, by_refresh) = ("ID token", matches!(origin, Origin::Refresh { .. }));
        return Err(FlowError::NoToken { issuer: issuer.to_owned(), token, remedy: GRANT_REMEDY, by_refresh });
    }
    let Some(token) = access_token else {
        if context.settings.token_kind == TokenKind::AccessToken {
            let (token, by_refresh) = ("access token", false);
            return Err(FlowError::NoToken { issuer: issuer.to_owned(), token, remedy: GRANT_REMEDY, by_refresh });
        }
        return Ok(tokens);
    };
    tokens.access_token_expires_at =
        expires_in.flatten().map(|seconds| now.saturating_add(Duration::from_secs(seconds.min(MAX_EXPIRES_IN))));
    if context.settings.token_kind == TokenKind::AccessToken {
        let keys = keys(context, origin, &mut fetched).await?;
        if let Some(claims) = judge_access_token(context, &token, keys, now)? {
            tokens.access_token_expires_at = Some(claims.not_after());
            if tokens.subject.is_none() {
                tokens.take_person(claims.all());
            }
        }
    }
    tokens.access_token = Some(token);
    Ok(tokens)
}

/// The keys to judge an answer by: those that a refresh has, else the provider's, which are asked for once.
async fn keys<'a>(
    context: &Context<'_>,
    origin: Origin<'a>,
    fetched: &'a mut Option<KeySet>,
) -> Result<&'a KeySet, FlowError> {
    if let Origin::Refresh { keys } = origin {
        return Ok(keys);
    }
    match fetched {
        Some(keys) => Ok(keys),
        None => Ok(fetched.insert(context.provider.keys().await?)),
    }
}

impl Tokens {
    /// Takes over who the claims are about.
    pub(super) fn take_person(&mut self, claims: &Map<String, Value>) {
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        self.subject = text("sub").map(str::to_owned);
        self.account = text("email").or_else(|| text("preferred_username")).or_else(|| text("sub")).map(str::to_owned);
    }
}

fn judge_id_token(
    context: &Context<'_>,
    token: &str,
    access_token: Option<&Zeroizing<String>>,
    keys: &KeySet,
    origin: Origin<'_>,
    now: UnixTime,
) -> Result<VerifiedClaims, FlowError> {
    let settings = context.settings;
    let audience = match (origin, &settings.audience) {
        (Origin::Exchange, Some(audience)) => vec![audience.clone(), settings.client_id.clone()],
        _ => vec![settings.client_id.clone()],
    };
    let policy = Policy {
        issuer: context.issuer().to_owned(),
        audiences: audience,
        algorithms: context.provider.metadata.id_token_algorithms,
        clock_skew: CLOCK_SKEW,
        profile: TokenProfile::IdToken,
    };
    const NAME: &str = "ID token";
    let parsed = UnverifiedToken::parse(token).map_err(|unparsable| unfit(context, NAME, &unparsable))?;
    let algorithm = parsed.header().unverified_algorithm();
    let claims = judge(parsed, keys, &policy, now, &mut NoTrail).map_err(|refusal| refused(context, NAME, &refusal))?;
    let unbound = |what| FlowError::TokenBinding { issuer: context.issuer().to_owned(), what };
    if let Origin::AuthorizationCode { nonce } = origin {
        match claims.get("nonce") {
            Some(Value::String(found)) if found == nonce => {}
            Some(_) => return Err(unbound("its `nonce` is another one")),
            None => return Err(unbound("it has no `nonce`")),
        }
    }
    if !matches!(origin, Origin::Exchange) {
        check_party(&claims, &settings.client_id).map_err(unbound)?;
    }
    if let (Some(Value::String(found)), Some(access_token)) = (claims.get("at_hash"), access_token) {
        // With an algorithm whose hash is not known here there is nothing to compare.
        if algorithm.is_some_and(|algorithm| *found != half_hash(algorithm, access_token)) {
            return Err(unbound("its `at_hash` is that of another access token"));
        }
    }
    Ok(claims)
}

/// OpenID Connect Core 1.0 section 3.1.3.7, 4 and 5: the party that an ID token was issued to must be this client.
fn check_party(claims: &VerifiedClaims, client_id: &str) -> Result<(), &'static str> {
    let is_for_several = claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) if party == client_id => Ok(()),
        Some(_) => Err("its `azp` is another client"),
        None if is_for_several => Err("it has several audiences and no `azp`"),
        None => Ok(()),
    }
}

/// Judges the access token that kubectl is to send, if it is a JWT. Without a wanted audience any is taken, since only
/// the cluster knows which ones it accepts.
fn judge_access_token(
    context: &Context<'_>,
    token: &str,
    keys: &KeySet,
    now: UnixTime,
) -> Result<Option<VerifiedClaims>, FlowError> {
    const NAME: &str = "access token";
    let parsed = match UnverifiedToken::parse(token) {
        Ok(parsed) => parsed,
        Err(Unparsable::Opaque) => return Ok(None),
        Err(unparsable) => return Err(unfit(context, NAME, &unparsable)),
    };
    let audiences = match (&context.settings.audience, parsed.unverified_claims().get("aud")) {
        (Some(wanted), _) => vec![wanted.clone()],
        (None, Some(Value::String(only))) => vec![only.clone()],
        (None, Some(Value::Array(several))) => several.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        (None, _) => Vec::new(),
    };
    let policy = Policy {
        issuer: context.issuer().to_owned(),
        audiences,
        // Metadata says nothing about the algorithms of access tokens.
        algorithms: crate::jose::AlgorithmSet::default(),
        clock_skew: CLOCK_SKEW,
        profile: TokenProfile::Any,
    };
    match judge(parsed, keys, &policy, now, &mut NoTrail) {
        Ok(claims) => Ok(Some(claims)),
        Err(refusal) => Err(refused(context, NAME, &refusal)),
    }
}

fn unfit(context: &Context<'_>, token: &'static str, unparsable: &Unparsable) -> FlowError {
    let reason = match unparsable {
        Unparsable::Opaque => Reason::Malformed,
        Unparsable::Refused(reason) => *reason,
    };
    bad_token(context, token, reason)
}

fn refused(context: &Context<'_>, token: &'static str, refusal: &Refusal<'_>) -> FlowError {
    match refusal {
        Refusal::KeyNotInSet(_) => bad_token(context, token, Reason::UnknownKey),
        Refusal::Reject(reason) => bad_token(context, token, *reason),
        Refusal::Undecided(cause) => FlowError::Undecided { issuer: context.issuer().to_owned(), token, cause: *cause },
    }
}

fn bad_token(context: &Context<'_>, token: &'static str, reason: Reason) -> FlowError {
    let remedy = match reason {
        Reason::AudienceMismatch => "Check the client id and the audience.",
        Reason::Expired | Reason::IssuedInFuture | Reason::NotYetValid => {
            "Check the clocks of this machine and of the provider."
        }
        Reason::UnknownIssuer => "Check the issuer URL.",
        _ => "Tell the provider's administrator.",
    };
    FlowError::Token { issuer: context.issuer().to_owned(), token, reason, remedy }
}

/// OpenID Connect Core 1.0 section 3.1.3.6: the left half of the hash that belongs to the token's signature algorithm.
fn half_hash(algorithm: Algorithm, token: &str) -> String {
    let name = algorithm.name();
    let hash = match name.get(name.len().saturating_sub(3)..) {
        Some("256") => &SHA256,
        Some("384") => &SHA384,
        _ => &SHA512,
    };
    let hash = digest::digest(hash, token.as_bytes());
    let (half, _) = hash.as_ref().split_at(hash.as_ref().len() / 2);
    BASE64_URL_SAFE_NO_PAD.encode(half)
}

/// RFC 6749 section 7.1, and `N_A` of RFC 8693 for tokens that are no access tokens.
fn is_usable_type(kind: &Value) -> bool {
    kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer") || kind.eq_ignore_ascii_case("N_A"))
}

/// Seconds as a number, or as a string, which some providers send.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// Moves a token out of an answer. One that could not be sent in a header is none.
fn secret(members: &mut Map<String, Value>, name: &str) -> Option<Zeroizing<String>> {
    match members.remove(name) {
        Some(Value::String(text)) => {
            let text = Zeroizing::new(text);
            let is_fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
            is_fit.then_some(text)
        }
        _ => None,
    }
}
