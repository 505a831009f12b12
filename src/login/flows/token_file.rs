//! A token that somebody else renews in a file. There is no provider to ask, so only its end is looked at.

use serde_json::Value;

use super::{FlowError, file};
use crate::clock::{Clock, UnixTime};
use crate::jose::UnverifiedToken;
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
    let mut expiry = None;
    if let Ok(parsed) = UnverifiedToken::parse(&token) {
        let claims = parsed.unverified_claims();
        expiry = claims.get("exp").and_then(Value::as_f64).map(|seconds| UnixTime::from_seconds(seconds as u64));
        tokens.take_person(claims);
    }
    if expiry.is_some_and(|expiry| expiry <= clock.now()) {
        let why = "its token has expired; check what renews it, and this machine's clock".to_owned();
        return Err(FlowError::File { file: file.to_owned(), why });
    }
    match settings.token_kind {
        TokenKind::IdToken => (tokens.id_token, tokens.id_token_expires_at) = (Some(token), expiry),
        TokenKind::AccessToken => (tokens.access_token, tokens.access_token_expires_at) = (Some(token), expiry),
    }
    Ok(tokens)
}
