//! Ending a session at the provider: revoking its tokens (RFC 7009), and where people log out in the browser.

use url::Url;

use super::form::Form;
use super::refresh::Silent;
use super::{Context, FlowError, answer};
use crate::clock::SystemClock;
use crate::login::outcome::Ending;
use crate::login::provider::Provider;
use crate::login::settings::Settings;
use crate::login::tokens::Tokens;

/// Revokes the refresh token, then the access token. Tokens that the provider does not know count as revoked. Where it revokes
/// none, [`end_session`] is what there is.
///
/// # Errors
///
/// When the provider has neither way to end a session, or refuses. A refusal for one token does not spare the other.
pub async fn revoke(settings: &Settings, tokens: &Tokens) -> Result<Ending, FlowError> {
    let clock = SystemClock;
    let provider = Provider::discover(&settings.issuer, settings.certificate_authority.as_deref(), &clock).await?;
    let context = Context { settings, provider: &provider, prompt: &Silent, clock: &clock };
    let metadata = &provider.metadata;
    let Some(url) = &metadata.revocation_endpoint else {
        return match metadata.end_session_endpoint {
            Some(_) => Ok(Ending::InBrowser),
            None => Err(FlowError::NoEnding { issuer: context.issuer().to_owned() }),
        };
    };
    let mut outcome = Ok(Ending::Revoked);
    for (token, hint) in [(&tokens.refresh_token, "refresh_token"), (&tokens.access_token, "access_token")] {
        let Some(token) = token else { continue };
        let form = Form::default().with("token", token).with("token_type_hint", hint);
        let answer = context.post(url, form).await;
        match answer.and_then(|answer| answer::check_status(&answer, context.issuer())) {
            Ok(()) => {}
            // RFC 7009 section 2.2.1: JWTs as access tokens may not be revocable. They end by themselves.
            Err(FlowError::Refused { code, .. }) if code == "unsupported_token_type" => {}
            Err(error) if outcome.is_ok() => outcome = Err(error),
            Err(_) => {}
        }
    }
    outcome
}

/// Where a person ends the session in the browser too (OpenID Connect RP-Initiated Logout 1.0), if the provider has such
/// a place. The ID token is not part of it: the address is seen by other processes when a browser is started with it.
///
/// # Errors
///
/// When the provider's metadata cannot be had.
pub async fn end_session(settings: &Settings) -> Result<Option<Url>, FlowError> {
    let authority = settings.certificate_authority.as_deref();
    let provider = Provider::discover(&settings.issuer, authority, &SystemClock).await?;
    let mut url = provider.metadata.end_session_endpoint;
    if let Some(url) = &mut url {
        url.query_pairs_mut().append_pair("client_id", &settings.client_id);
    }
    Ok(url)
}
