//! What tells one login from another: provider, client, scopes, audience, authority and grant. The account comes on top:
//! one login may have sessions of several accounts, side by side in one record.
//!
//! The key's hash names the record; the record also holds the key itself, which is compared. So no accident and no
//! kubeconfig made on purpose can bring one cluster's session to another's provider.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::login::settings::{Grant, Settings};

/// One login, whoever's. Nothing in it is secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionKey {
    /// The provider's issuer URL.
    pub issuer: String,
    /// The client's id.
    pub client_id: String,
    /// The scopes, sorted: their order means nothing to a provider.
    pub scopes: Vec<String>,
    /// The audience that was asked for.
    pub audience: Option<String>,
    /// Hash of the authority's PEM, if it is not the system's roots.
    pub certificate_authority: Option<String>,
    /// How tokens were got.
    pub grant: String,
    /// Whose assertion was shown, for grants that need one: the file's name.
    pub assertion: Option<String>,
    /// Further parameters of the request, sorted: some choose an organisation or a tenant.
    pub parameters: Vec<(String, String)>,
}

impl SessionKey {
    /// The key of a login.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let mut scopes = settings.scopes.clone();
        scopes.sort_unstable();
        scopes.dedup();
        let mut parameters = settings.extra_parameters.clone();
        parameters.sort_unstable();
        Self {
            issuer: settings.issuer.clone(),
            client_id: settings.client_id.clone(),
            scopes,
            audience: settings.audience.clone(),
            certificate_authority: settings.certificate_authority.as_ref().map(|pem| hash(pem.as_bytes())),
            grant: grant(settings.grant).to_owned(),
            assertion: settings.assertion_file.as_ref().map(|path| path.to_string_lossy().into_owned()),
            parameters,
        }
    }

    /// The name of its files: 32 hexadecimal digits, good on every file system.
    #[must_use]
    pub fn file_stem(&self) -> String {
        // As JSON, so that no two lists of parts have the same text.
        let text = serde_json::to_vec(self).unwrap_or_default();
        hash(&text)
    }
}

/// Interactive ways to the same person's tokens share a session; the others are identities of their own.
const fn grant(grant: Grant) -> &'static str {
    match grant {
        Grant::Auto | Grant::AuthorizationCode | Grant::DeviceCode => "user",
        Grant::ClientCredentials => "client-credentials",
        Grant::TokenExchange => "token-exchange",
        Grant::JwtBearer => "jwt-bearer",
        Grant::TokenFile => "token-file",
    }
}

fn hash(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(32);
    for byte in digest(&SHA256, bytes).as_ref().iter().take(16) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::session::testing::settings;

    #[test]
    fn k6_every_part_of_a_login_makes_another_key() {
        let base = settings();
        let mut others = vec![base.clone(); 8];
        others[0].issuer += "/";
        others[1].client_id += "2";
        others[2].scopes.push("groups".to_owned());
        others[3].audience = Some("kube".to_owned());
        others[4].certificate_authority = Some("pem".to_owned());
        others[5].grant = Grant::ClientCredentials;
        others[6].assertion_file = Some("token".into());
        others[7].extra_parameters.push(("organization".to_owned(), "a".to_owned()));
        let mut stems: Vec<String> = others.iter().map(|other| SessionKey::of(other).file_stem()).collect();
        stems.push(SessionKey::of(&base).file_stem());
        stems.sort();
        stems.dedup();
        assert_eq!(stems.len(), 9);
    }

    #[test]
    fn what_does_not_change_the_login_does_not_change_the_key() {
        let base = settings();
        let mut other = base.clone();
        other.scopes = vec!["email".to_owned(), "openid".to_owned(), "email".to_owned()];
        other.skip_browser = true;
        other.interactive = !base.interactive;
        other.account = Some("me".to_owned());
        other.grant = Grant::DeviceCode;
        let mut base = base;
        base.scopes = vec!["openid".to_owned(), "email".to_owned()];
        assert_eq!(SessionKey::of(&base), SessionKey::of(&other));
    }

    #[test]
    fn k6_parts_cannot_be_moved_across_their_borders() {
        let mut one = settings();
        one.scopes = vec!["a b".to_owned()];
        let mut two = settings();
        two.scopes = vec!["a".to_owned(), "b".to_owned()];
        assert_ne!(SessionKey::of(&one).file_stem(), SessionKey::of(&two).file_stem());
    }
}
