//! Authorization code with PKCE on a loopback redirect (RFC 6749 section 4.1, RFC 7636, RFC 8252, RFC 9207, RFC 9700).
//!
//! Three values tie the answer to this login, each against another theft: `state` (an answer that somebody else's page
//! sends to our port), the PKCE verifier (a code that somebody else took from the redirect), `nonce` (a token that was
//! issued for another login). `iss` ties it to the provider that was asked.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use url::Url;
use zeroize::Zeroizing;

use super::answer::Origin;
use super::client::random;
use super::error::excerpt;
use super::form::Form;
use super::{Context, FlowError, bounded};
use crate::login::browser::loopback::{Landing, Loopback};
use crate::login::browser::page::Page;
use crate::login::tokens::Tokens;

/// Parameters that tie the answer to the request; nobody else sets them.
const OWN: [&str; 9] = [
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

pub(super) async fn log_in(context: &Context<'_>) -> Result<Tokens, FlowError> {
    let settings = context.settings;
    let (host, path) = (settings.redirect_host.as_deref(), &settings.redirect_path);
    let loopback = Loopback::bind(&settings.listen, host, path).await?;
    let request = Request {
        redirect_uri: loopback.redirect_uri(),
        state: random(),
        nonce: random(),
        verifier: Zeroizing::new(random()),
    };
    let url = request.url(context)?;
    if settings.skip_browser {
        context.prompt.say(&format!("To log in, open this address in a browser on this machine: {url}"));
    } else {
        context
            .prompt
            .say(&format!("Opening the login in your browser. If no window appears, open this address: {url}"));
        context.prompt.open(url.as_str());
    }
    let foreign =
        || context.prompt.say("An answer that belongs to another login was not used. Still waiting for this one.");
    let landing = bounded(settings, async { Ok(loopback.wait(&request.state, foreign).await) }).await?;
    let outcome = bounded(settings, redeem(context, &request, &landing)).await;
    let why = outcome.as_ref().err().map(ToString::to_string);
    let page = match (&outcome, &why) {
        (Ok(tokens), _) => Page::Done {
            account: tokens.account.as_deref(),
            cluster: context.prompt.cluster(),
            issuer: context.issuer(),
            client: &settings.client_id,
        },
        (Err(_), why) => Page::Failed { why: why.as_deref().unwrap_or_default() },
    };
    landing.finish(page).await;
    outcome
}

/// What this login sent out, to be found again in what comes back.
struct Request {
    redirect_uri: String,
    state: String,
    nonce: String,
    verifier: Zeroizing<String>,
}

impl Request {
    fn url(&self, context: &Context<'_>) -> Result<Url, FlowError> {
        let settings = context.settings;
        if let Some((name, _)) = context.extra().find(|(name, _)| OWN.contains(name)) {
            return Err(FlowError::Settings {
                what: format!("the parameter {name} of the login cannot be set"),
                remedy: "remove it from the extra parameters",
            });
        }
        let metadata = &context.provider.metadata;
        let endpoint = metadata.need(metadata.authorization_endpoint.as_ref(), "authorization_endpoint")?;
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(digest(&SHA256, self.verifier.as_bytes()));
        let mut url = endpoint.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", &context.scopes())
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(context.audience());
        let is_given = |wanted: &str| context.extra().any(|(name, _)| name == wanted);
        if let Some(account) = settings.account.as_deref().filter(|_| !is_given("login_hint")) {
            query.append_pair("login_hint", account);
        }
        // OpenID Connect Core 1.0 section 11: without it, providers ignore the wish for a refresh token.
        if settings.scopes.iter().any(|scope| scope == "offline_access") && !is_given("prompt") {
            query.append_pair("prompt", "consent");
        }
        query.extend_pairs(context.extra());
        drop(query);
        Ok(url)
    }
}

/// Checks the answer and turns its code into tokens.
async fn redeem(context: &Context<'_>, request: &Request, landing: &Landing) -> Result<Tokens, FlowError> {
    let issuer = context.issuer();
    let found = landing.parameter("iss");
    let is_missing = found.is_none() && context.provider.metadata.names_itself;
    if is_missing || found.is_some_and(|found| found != issuer) {
        let found = found.map_or_else(|| "nobody".to_owned(), excerpt);
        return Err(FlowError::AnswerIssuer { issuer: issuer.to_owned(), found });
    }
    if let Some(code) = landing.parameter("error") {
        return Err(FlowError::refused(issuer, code, landing.parameter("error_description")));
    }
    let Some(code) = landing.parameter("code") else {
        return Err(FlowError::refused(issuer, "invalid_request", Some("the answer has neither a code nor an error")));
    };
    let form = Form::for_grant("authorization_code")
        .with("code", code)
        .with("redirect_uri", &request.redirect_uri)
        .with("code_verifier", &request.verifier)
        .with_all(context.audience());
    context.request_tokens(form, Origin::AuthorizationCode { nonce: &request.nonce }).await
}
