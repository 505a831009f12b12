//! What the tests of this folder share.

use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::key::SessionKey;
use crate::clock::UnixTime;
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use crate::login::tokens::Tokens;

pub(crate) const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

pub(crate) fn settings() -> Settings {
    Settings {
        issuer: "https://idp.example.com".to_owned(),
        client_id: "kubectl".to_owned(),
        client: ClientAuthentication::None,
        scopes: vec!["openid".to_owned()],
        audience: None,
        grant: Grant::Auto,
        token_kind: TokenKind::IdToken,
        account: None,
        certificate_authority: None,
        listen: Vec::new(),
        redirect_host: None,
        redirect_path: String::new(),
        browser: None,
        skip_browser: false,
        patience: Duration::from_secs(180),
        extra_parameters: Vec::new(),
        assertion_file: None,
        token_file: None,
        interactive: true,
    }
}

pub(crate) fn key() -> SessionKey {
    SessionKey::of(&settings())
}

/// Tokens of an account; the ID token is `id`, and all end then.
pub(crate) fn tokens(account: &str, id: &str, expires_at: UnixTime) -> Tokens {
    Tokens {
        id_token: Some(Zeroizing::new(id.to_owned())),
        access_token: Some(Zeroizing::new(format!("access-{account}"))),
        refresh_token: Some(Zeroizing::new(format!("refresh-{account}"))),
        id_token_expires_at: Some(expires_at),
        access_token_expires_at: Some(expires_at),
        account: Some(account.to_owned()),
        subject: Some(format!("subject-{account}")),
        clock_offset_seconds: 0,
    }
}

/// The names in a folder, sorted.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
