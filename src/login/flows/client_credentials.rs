//! Client credentials (RFC 6749 section 4.4): the client is the user.

use super::answer::Origin;
use super::form::Form;
use super::{Context, FlowError};
use crate::login::tokens::Tokens;

pub(super) async fn log_in(context: &Context<'_>) -> Result<Tokens, FlowError> {
    let form = context.with_scopes(Form::for_grant("client_credentials"));
    let form = form.with_all(context.audience()).with_all(context.extra());
    context.request_tokens(form, Origin::Direct).await
}
