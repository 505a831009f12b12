//! Token exchange (RFC 8693): a token that is at hand against one for this cluster's audience.
//!
//! The subject token counts as a JWT if it looks like one, else as an access token; `subject_token_type` among the extra
//! parameters says otherwise, for providers that want it (Dex, Keycloak).

use super::answer::Origin;
use super::form::Form;
use super::{Context, FlowError, file};
use crate::login::settings::TokenKind;
use crate::login::tokens::Tokens;

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

pub(super) async fn log_in(context: &Context<'_>) -> Result<Tokens, FlowError> {
    let named = context.settings.assertion_file.as_ref();
    let named =
        file::named(named, "the grant token-exchange needs a subject token", "name its file with --assertion-file")?;
    let subject = file::token(named)?;
    let looks_like_jwt = subject.bytes().filter(|byte| *byte == b'.').count() == 2;
    let defaults = [
        ("subject_token_type", if looks_like_jwt { JWT } else { ACCESS_TOKEN }),
        (
            "requested_token_type",
            match context.settings.token_kind {
                TokenKind::AccessToken => ACCESS_TOKEN,
                TokenKind::IdToken => ID_TOKEN,
            },
        ),
    ];
    let is_given = |name: &str| context.extra().any(|(given, _)| given == name);
    let form = context.with_scopes(Form::for_grant("urn:ietf:params:oauth:grant-type:token-exchange"));
    let form = form
        .with("subject_token", &subject)
        .with_all(defaults.into_iter().filter(|(name, _)| !is_given(name)))
        .with_all(context.audience())
        .with_all(context.extra());
    context.request_tokens(form, Origin::Exchange).await
}
