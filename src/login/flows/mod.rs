//! Getting tokens from a provider: one file per grant, and what they share.
//!
//! [`log_in`] → discovery ([`provider`](super::provider)) → a grant → `answer`, which judges every token before
//! anyone sees it. What must hold: nothing is asked of a person unless one is there; every wait ends; what a provider
//! sends is escaped before it is shown; no error and no line for people holds a token, a code or a secret.
//!
//! # The wanted audience
//!
//! `audience` is sent as the parameter of that name (Auth0, Keycloak's token exchange) in every request for tokens and,
//! when it is an absolute URI, as `resource` too (RFC 8707; oidc-provider, glewlwyd). Providers ignore the one that
//! they do not know; for one that refuses instead (Entra ID), leave the audience out and name the resource by scope.

mod answer;
mod authorization_code;
mod client;
mod client_credentials;
mod device_code;
mod error;
mod file;
mod form;
mod jwt_bearer;
mod refresh;
mod revocation;
mod token_exchange;
mod token_file;

use url::Url;

use self::answer::Origin;
pub use self::error::FlowError;
pub(in crate::login) use self::error::excerpt;
use self::form::Form;
use super::browser;
use super::provider::{JsonAnswer, Provider};
use super::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use super::tokens::Tokens;
use crate::clock::Clock;

pub use self::refresh::{refresh, refresh_unless};
pub use self::revocation::{end_session, revoke};

/// The way to the person who logs in. Nothing of it may go to standard output, which belongs to the credential.
pub trait Prompt: Send + Sync {
    /// Shows a line.
    fn say(&self, line: &str);

    /// Opens a URL, as [`browser::open`] does; if that fails, the person has it on the screen.
    fn open(&self, url: &str);

    /// What the person logs in for, to be named on the result page.
    fn cluster(&self) -> Option<&str> {
        None
    }
}

/// Gets the first tokens of a session, by the grant that the settings name or that fits.
///
/// # Errors
///
/// When there are none, or they fail a check.
pub async fn log_in(settings: &Settings, prompt: &dyn Prompt, clock: &dyn Clock) -> Result<Tokens, FlowError> {
    tokio::select! {
        // Listened for first: whoever reads the first line may already press Ctrl-C.
        biased;
        Ok(()) = tokio::signal::ctrl_c() => Err(FlowError::Interrupted),
        result = log_in_by_grant(settings, prompt, clock) => result,
    }
}

async fn log_in_by_grant(settings: &Settings, prompt: &dyn Prompt, clock: &dyn Clock) -> Result<Tokens, FlowError> {
    if settings.grant == Grant::TokenFile {
        return token_file::log_in(settings, clock);
    }
    let needs_person = matches!(settings.grant, Grant::AuthorizationCode | Grant::DeviceCode);
    if needs_person && !settings.interactive {
        return Err(FlowError::NotInteractive { issuer: settings.issuer.clone() });
    }
    let provider = Provider::discover(&settings.issuer, settings.certificate_authority.as_deref(), clock).await?;
    provider.mention_clock(prompt);
    let context = Context { settings, provider: &provider, prompt, clock };
    match settings.grant {
        Grant::Auto => match fitting_grant(&context, browser::is_likely())? {
            Grant::ClientCredentials => client_credentials::log_in(&context).await,
            Grant::DeviceCode => device_code::log_in(&context, tokio::time::sleep).await,
            _ => authorization_code::log_in(&context).await,
        },
        Grant::AuthorizationCode => authorization_code::log_in(&context).await,
        Grant::DeviceCode => device_code::log_in(&context, tokio::time::sleep).await,
        Grant::ClientCredentials => client_credentials::log_in(&context).await,
        Grant::TokenExchange => token_exchange::log_in(&context).await,
        Grant::JwtBearer => jwt_bearer::log_in(&context).await,
        Grant::TokenFile => token_file::log_in(settings, clock),
    }
}

/// What [`Grant::Auto`] means here: a browser where there is one, else a code to be entered on another device; without
/// a person, the client itself if it can prove who it is.
fn fitting_grant(context: &Context<'_>, has_browser: bool) -> Result<Grant, FlowError> {
    let (settings, metadata) = (context.settings, &context.provider.metadata);
    if !settings.interactive {
        return match settings.client {
            ClientAuthentication::None => Err(FlowError::NotInteractive { issuer: settings.issuer.clone() }),
            _ => Ok(Grant::ClientCredentials),
        };
    }
    let can_use_browser = has_browser || settings.browser.is_some() || settings.skip_browser;
    let has_device = metadata.device_authorization_endpoint.is_some();
    match (metadata.authorization_endpoint.is_some(), has_device) {
        (false, true) => Ok(Grant::DeviceCode),
        (true, true) if !can_use_browser => Ok(Grant::DeviceCode),
        _ => Ok(Grant::AuthorizationCode),
    }
}

/// What every grant works with.
struct Context<'a> {
    settings: &'a Settings,
    provider: &'a Provider,
    prompt: &'a dyn Prompt,
    clock: &'a dyn Clock,
}

impl<'a> Context<'a> {
    fn issuer(&self) -> &'a str {
        &self.provider.metadata.issuer
    }

    /// The scopes to ask for; `openid` first where an ID token is wanted.
    fn scopes(&self) -> String {
        let openid = Some("openid").filter(|_| self.settings.token_kind == TokenKind::IdToken);
        let others = self.settings.scopes.iter().map(String::as_str).filter(|scope| openid != Some(scope));
        openid.into_iter().chain(others).collect::<Vec<_>>().join(" ")
    }

    fn with_scopes(&self, form: Form) -> Form {
        let scopes = self.scopes();
        if scopes.is_empty() { form } else { form.with("scope", &scopes) }
    }

    /// `audience`, and `resource` when it is one.
    fn audience(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let audience = self.settings.audience.as_deref();
        let resource = audience.filter(|audience| is_resource(audience));
        audience.map(|audience| ("audience", audience)).into_iter().chain(resource.map(|uri| ("resource", uri)))
    }

    /// Parameters of the authorization request; grants without one send them to the token endpoint.
    fn extra(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.settings.extra_parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Posts a form with the client's proof.
    async fn post(&self, url: &Url, form: Form) -> Result<JsonAnswer, FlowError> {
        let now = self.provider.now(self.clock);
        let (form, authorization) = client::authenticate(self.settings, &self.provider.metadata, now, form)?;
        self.provider.post(url, form.encoded(), authorization.as_ref(), self.clock).await
    }

    /// Asks the token endpoint and judges what it gives.
    async fn request_tokens(&self, form: Form, origin: Origin<'_>) -> Result<Tokens, FlowError> {
        let answer = self.post(self.provider.metadata.token_endpoint()?, form).await?;
        answer::accept(self, answer, origin).await
    }
}

/// RFC 8707 section 2: an absolute URI without a fragment.
fn is_resource(audience: &str) -> bool {
    Url::parse(audience).is_ok_and(|url| url.fragment().is_none())
}

/// Ends a wait for a person: by Ctrl-C, or when patience is over.
async fn bounded<T>(settings: &Settings, wait: impl Future<Output = Result<T, FlowError>>) -> Result<T, FlowError> {
    tokio::select! {
        result = wait => result,
        Ok(()) = tokio::signal::ctrl_c() => Err(FlowError::Interrupted),
        () = tokio::time::sleep(settings.patience) => {
            Err(FlowError::TimedOut { seconds: settings.patience.as_secs() })
        }
    }
}

#[cfg(test)]
mod tests;
