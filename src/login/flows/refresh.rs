//! Refreshing (RFC 6749 section 6, OpenID Connect Core 1.0 section 12).
//!
//! A provider that rotates takes a refresh token once, so whoever calls this holds the session's lock and stores what
//! comes back before anything else. That the new ID token is for the same subject is for the caller, who has the old.

use super::answer::Origin;
use super::form::Form;
use super::{Context, FlowError, Prompt};
use crate::clock::Clock;
use crate::login::provider::Provider;
use crate::login::settings::Settings;
use crate::login::tokens::Tokens;

/// Gets new tokens for a refresh token. Without a new one in the answer, the old one stays good.
///
/// # Errors
///
/// When there are none, or they fail a check; [`FlowError::is_refusal`] tells when only a login helps, and
/// [`FlowError::successor`] is to be stored even so.
pub async fn refresh(settings: &Settings, refresh_token: &str, clock: &dyn Clock) -> Result<Tokens, FlowError> {
    refresh_unless(settings, refresh_token, clock, std::future::pending()).await
}

/// The same, unless `stop` comes first. Once the refresh token is on its way it is too late to stop.
///
/// # Errors
///
/// As [`refresh`], and [`FlowError::Interrupted`].
pub async fn refresh_unless(
    settings: &Settings,
    refresh_token: &str,
    clock: &dyn Clock,
    stop: impl Future<Output = ()>,
) -> Result<Tokens, FlowError> {
    // Everything that can be had before is: from the next request on, what fails costs a refresh token.
    let prepare = async {
        let provider = Provider::discover(&settings.issuer, settings.certificate_authority.as_deref(), clock).await?;
        let keys = provider.keys().await?;
        Ok::<_, FlowError>((provider, keys))
    };
    let (provider, keys) = tokio::select! {
        biased;
        () = stop => return Err(FlowError::Interrupted),
        prepared = prepare => prepared?,
    };
    let context = Context { settings, provider: &provider, prompt: &Silent, clock };
    // No scopes: the session keeps those that it was granted.
    let form = Form::for_grant("refresh_token").with("refresh_token", refresh_token).with_all(context.audience());
    let mut tokens = context.request_tokens(form, Origin::Refresh { keys: &keys }).await?;
    if tokens.refresh_token.is_none() {
        tokens.refresh_token = Some(zeroize::Zeroizing::new(refresh_token.to_owned()));
    }
    Ok(tokens)
}

/// Nobody is there.
pub(super) struct Silent;

impl Prompt for Silent {
    fn say(&self, _: &str) {}

    fn open(&self, _: &str) {}
}
