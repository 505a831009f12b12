//! A token that somebody else renews in a file. There is no provider to ask, so only its end is looked at.

use super::{FlowError, file};
use crate::clock::Clock;
use crate::jose::UnverifiedToken;
use crate::login::exec_credential::unverified_expiry;
use crate::login::settings::{Settings, TokenKind};
use crate::login::tokens::Tokens;

pub(super) fn log_in(settings: &Settings, clock: &dyn Clock) -> Result<Tokens, FlowError> {
    let file = file::named(settings.token_file.as_ref(), "no token file is set", "name it with --token-file")?;
    let token = file::token(file)?;
    let mut tokens = Tokens {
        id_token: None,
        access_token: None,
        refresh_token: None,
        id_token_expires_at: None,
        access_token_expires_at: None,
        account: None,
        subject: None,
        clock_offset_seconds: 0,
    };
    let expiry = unverified_expiry(&token);
    if let Some(at) = expiry.filter(|expiry| *expiry <= clock.now()) {
        return Err(FlowError::Ended { file: file.to_owned(), at });
    }
    if let Ok(parsed) = UnverifiedToken::parse(&token) {
        tokens.take_person(parsed.unverified_claims());
    }
    // Whoever it is for is the cluster's to say; here it is whoever is wanted.
    tokens.account = settings.account.clone().or(tokens.account);
    match settings.token_kind {
        TokenKind::IdToken => (tokens.id_token, tokens.id_token_expires_at) = (Some(token), expiry),
        TokenKind::AccessToken => (tokens.access_token, tokens.access_token_expires_at) = (Some(token), expiry),
    }
    Ok(tokens)
}
