//! A JWT as authorization grant (RFC 7523 section 2.1): a projected service account token, for instance, against a
//! token of a provider that trusts the cluster.

use super::answer::Origin;
use super::form::Form;
use super::{Context, FlowError, file};
use crate::login::tokens::Tokens;

pub(super) async fn log_in(context: &Context<'_>) -> Result<Tokens, FlowError> {
    let named = context.settings.assertion_file.as_ref();
    let named = file::named(named, "the grant jwt-bearer needs an assertion", "name its file with --assertion-file")?;
    let assertion = file::token(named)?;
    let form = context.with_scopes(Form::for_grant("urn:ietf:params:oauth:grant-type:jwt-bearer"));
    let form = form.with("assertion", &assertion).with_all(context.audience()).with_all(context.extra());
    context.request_tokens(form, Origin::Direct).await
}
