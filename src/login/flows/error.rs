//! Why a login did not work: one line each, with what happened, where, and what to do.
//!
//! Whatever a provider sent is cut and escaped by [`Excerpt`] on its way in here, so an error is always fit for a
//! terminal. No variant shows a token, a code or a secret; one carries a refresh token to whoever stores it.

use std::net::SocketAddr;
use std::path::PathBuf;

use reqwest::StatusCode;
use url::Url;

use crate::authn::reason::{Cause, Reason};
use crate::clock::UnixTime;
use crate::jose::Excerpt;
use crate::login::exec_credential::rfc3339;
use crate::login::tokens::Successor;
use crate::outbound::{OutboundError, chain};

/// A login, refresh or revocation that failed.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// A refresh spent its refresh token, and what came beside the new one cannot be used.
    #[error("{cause}")]
    AfterRotation {
        /// The new one, to be stored whatever else happens.
        refresh_token: Successor,
        /// What is wrong with the rest.
        cause: Box<Self>,
    },
    /// The provider's answer to the browser names another issuer, or none though it announced one (RFC 9207).
    #[error(
        "the answer to the login came in the name of {found} instead of {issuer}: it was not used; log in again, and \
         tell your administrator if it happens twice"
    )]
    AnswerIssuer {
        /// The configured issuer.
        issuer: String,
        /// What the answer said, cut and escaped.
        found: String,
    },
    /// The provider's clock and ours are days apart.
    #[error(
        "this machine's clock and that of {issuer} are {hours} hours apart; set this machine's clock (date and time \
         zone) and try again"
    )]
    Clock {
        /// The provider.
        issuer: String,
        /// By how much.
        hours: u64,
    },
    /// The token in a file has ended.
    #[error("{}: the token ended at {}; see that whoever writes the file still does", .file.display(), rfc3339(*.at))]
    Ended {
        /// The file.
        file: PathBuf,
        /// When the token ended.
        at: UnixTime,
    },
    /// The person ended the wait.
    #[error("the login was interrupted; run the command again to log in")]
    Interrupted,
    /// A private key cannot sign.
    #[error("the private key {file} cannot be used: {why}")]
    Key {
        /// The file.
        file: PathBuf,
        /// Why not, and what to do.
        why: &'static str,
    },
    /// The loopback redirect cannot be received.
    #[error(
        "cannot listen for the answer of the login on {addresses}: {why}; free one of these ports, or name another \
         that the provider allows with --listen-address"
    )]
    Listen {
        /// What was tried.
        addresses: String,
        /// What the system said.
        why: String,
    },
    /// The provider lacks an endpoint that the grant needs.
    #[error("{issuer} announces no {endpoint}, which this grant needs; choose another with --grant-type")]
    NoEndpoint {
        /// The provider.
        issuer: String,
        /// The member of its metadata.
        endpoint: &'static str,
    },
    /// The provider has no way to end a session.
    #[error(
        "{issuer} announces neither a revocation_endpoint nor an end_session_endpoint: it cannot end the session; use \
         `logout` without --everywhere"
    )]
    NoEnding {
        /// The provider.
        issuer: String,
    },
    /// Nobody can be asked.
    #[error(
        "logging in at {issuer} needs a person, and none can be asked here; run `countersign login` in a terminal \
         first, or use a grant for machines"
    )]
    NotInteractive {
        /// The provider.
        issuer: String,
    },
    /// The provider sent something that is not the wanted document.
    #[error("{url} answered {what}; {remedy}")]
    NotUsable {
        /// Which address.
        url: String,
        /// What came.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A token that the flow should yield did not come.
    #[error("{issuer} gave no {token}; {remedy}")]
    NoToken {
        /// The provider.
        issuer: String,
        /// Which one.
        token: &'static str,
        /// What to do.
        remedy: &'static str,
        /// Whether it was a refresh: only a new login can bring the token.
        by_refresh: bool,
    },
    /// No usable answer on the way.
    // Its causes come before the remedy, so none is left to be told by whoever walks the chain.
    #[error("{}; {}", chain(&**.0), remedy(.0))]
    Outbound(Box<OutboundError>),
    /// The provider said no, in the words of OAuth 2.0.
    #[error("{issuer} refused: {code}{}; {}", described(.description.as_ref()), refusal_remedy(.code))]
    Refused {
        /// The provider.
        issuer: String,
        /// The error code, cut and escaped.
        code: String,
        /// What it said about it, cut and escaped.
        description: Option<String>,
    },
    /// The settings cannot work.
    #[error("{what}; {remedy}")]
    Settings {
        /// What is wrong.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Nobody came back in time.
    #[error(
        "nobody finished the login within {seconds} seconds; run the command again, and finish the login in the \
         browser window that it opens"
    )]
    TimedOut {
        /// How long the wait was.
        seconds: u64,
    },
    /// A token that came fails the service's own checks.
    #[error("the {token} that {issuer} gave is not good: {} {remedy}", .reason.sentence())]
    Token {
        /// The provider.
        issuer: String,
        /// Which one.
        token: &'static str,
        /// The failed check.
        reason: Reason,
        /// What to do.
        remedy: &'static str,
    },
    /// An ID token fails a check that only a client can make.
    #[error(
        "the ID token that {issuer} gave does not belong to this login: {what}; log in again, and tell your administrator if it happens twice"
    )]
    TokenBinding {
        /// The provider.
        issuer: String,
        /// The failed check.
        what: &'static str,
    },
    /// A token could not be judged yet.
    #[error("the {token} that {issuer} gave cannot be used yet: {} Try again in a minute.", .cause.sentence())]
    Undecided {
        /// The provider.
        issuer: String,
        /// Which one.
        token: &'static str,
        /// What is missing.
        cause: Cause,
    },
    /// A file with a token or key cannot be read.
    #[error("cannot read {file}: {why}")]
    File {
        /// The file.
        file: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
}

impl FlowError {
    /// Whether the provider refused for good: the same request will be refused again, and a session that it was made
    /// for is over. Trouble on the way, and a client that is not let in, leave the session as it is.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Refused { code, .. } => is_final(code),
            Self::NoToken { by_refresh, .. } => *by_refresh,
            Self::AfterRotation { cause, .. } => cause.is_refusal(),
            _ => false,
        }
    }

    /// The refresh token that came with it, in the place of the one that was sent.
    #[must_use]
    pub const fn successor(&self) -> Option<&Successor> {
        match self {
            Self::AfterRotation { refresh_token, .. } => Some(refresh_token),
            _ => None,
        }
    }

    /// An error answer of the provider.
    pub(super) fn refused(issuer: &str, code: &str, description: Option<&str>) -> Self {
        let is_plain = code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
        let code = if is_plain { code.to_owned() } else { Excerpt(code).to_string() };
        Self::Refused { issuer: issuer.to_owned(), code, description: description.map(excerpt) }
    }

    /// An answer that is not the wanted document, by its status and media type.
    pub(in crate::login) fn not_usable(url: &Url, status: StatusCode, is_json: bool) -> Self {
        let (what, remedy) = match (status, is_json) {
            (StatusCode::OK, false) => (
                "something that is not JSON".to_owned(),
                "is there a sign-in page of this network in between? Open it in a browser, then try again",
            ),
            (StatusCode::OK, true) => {
                ("JSON that is not what the standard asks for".to_owned(), "tell your administrator")
            }
            (StatusCode::NOT_FOUND, _) => (status.to_string(), "check the issuer URL"),
            (StatusCode::TOO_MANY_REQUESTS, _) => (status.to_string(), "wait a minute, then try again"),
            (status, _) if status.is_server_error() => {
                (status.to_string(), "the provider is in trouble: try again later")
            }
            _ => (status.to_string(), "check the issuer URL and the network's proxy"),
        };
        Self::NotUsable { url: url.to_string(), what, remedy }
    }

    /// An address list in an error.
    pub(in crate::login) fn listen(addresses: &[SocketAddr], cause: &std::io::Error) -> Self {
        let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let why = match cause.kind() {
            std::io::ErrorKind::AddrInUse => "the port is taken".to_owned(),
            _ => cause.to_string(),
        };
        Self::Listen { addresses: addresses.join(", "), why }
    }
}

impl From<OutboundError> for FlowError {
    fn from(error: OutboundError) -> Self {
        Self::Outbound(Box::new(error))
    }
}

/// Foreign text, cut and escaped.
pub(in crate::login) fn excerpt(text: &str) -> String {
    Excerpt(text).to_string()
}

fn described(description: Option<&String>) -> String {
    description.map(|description| format!(" ({description})")).unwrap_or_default()
}

/// Error codes after which the same refresh token or request cannot succeed.
fn is_final(code: &str) -> bool {
    matches!(
        code,
        "access_denied"
            | "consent_required"
            | "expired_token"
            | "interaction_required"
            | "invalid_grant"
            | "invalid_scope"
            | "invalid_target"
            | "login_required"
            | "unauthorized_client"
            | "unsupported_grant_type"
    )
}

fn refusal_remedy(code: &str) -> &'static str {
    match code {
        "access_denied" => "the login was cancelled, or your account may not use this client: ask your administrator",
        "expired_token" => "the code was not entered in time: run the command again",
        "invalid_client" => "check the client id and how the client proves itself (secret, key or assertion)",
        "invalid_grant" => "the session is over, or its code or assertion was used before: log in again",
        "invalid_scope" => "ask for scopes that the provider knows for this client",
        "invalid_target" => "check the audience: the provider knows no such resource for this client",
        "invalid_request" => "check the client id, the redirect address and the extra parameters",
        "redirect_uri_mismatch" => {
            "register the redirect address at the provider, or choose another with --listen-address"
        }
        "temporarily_unavailable" | "server_error" => "the provider is in trouble: try again later",
        "unauthorized_client" | "unsupported_grant_type" | "unsupported_response_type" => {
            "have this grant allowed for the client at the provider, or choose another with --grant-type"
        }
        _ => "ask your administrator what the provider means",
    }
}

fn remedy(error: &OutboundError) -> &'static str {
    match error {
        OutboundError::Authority(_) => "give a PEM file with --certificate-authority",
        OutboundError::BodyTooLong { .. } | OutboundError::Encoded { .. } => "check the issuer URL",
        OutboundError::Client(_) => "report this as a bug",
        OutboundError::Forbidden { .. } | OutboundError::Scheme { .. } => "use an issuer with an https address",
        OutboundError::Request { cause, .. } => {
            let text = chain(cause);
            if text.contains("certificate") {
                "its certificate is not trusted here: give the authority with --certificate-authority, and check this \
                 machine's clock"
            } else if cause.is_timeout() {
                "the provider is slow or out of reach: check the network and try again"
            } else {
                "check the network, the proxy settings and the issuer URL, then try again"
            }
        }
        OutboundError::Roots => "give the provider's authority with --certificate-authority",
        OutboundError::Status { status, .. } if status.is_redirection() => {
            "redirects are not followed: use the issuer URL that the provider names itself, or sign in to this network \
             first"
        }
        OutboundError::Status { .. } => "try again later",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k2_what_a_provider_says_cannot_drive_the_terminal() {
        let error = FlowError::refused("https://idp.example", "bad\x1b[2Jcode", Some("<b>\r\n\u{202e}evil"));
        assert_eq!(
            error.to_string(),
            r#"https://idp.example refused: "bad\u{1b}[2Jcode" ("<b>\r\n\u{202e}evil"); ask your administrator what the provider means"#
        );
    }

    #[test]
    fn a_dead_refresh_token_is_a_refusal_and_trouble_is_not() {
        for code in ["invalid_grant", "access_denied", "expired_token"] {
            assert!(FlowError::refused("https://idp.example", code, None).is_refusal(), "{code}");
        }
        for code in ["invalid_client", "server_error", "temporarily_unavailable", "invalid_request"] {
            assert!(!FlowError::refused("https://idp.example", code, None).is_refusal(), "{code}");
        }
        let url = Url::parse("https://idp.example/token").unwrap();
        assert!(!FlowError::not_usable(&url, StatusCode::BAD_GATEWAY, false).is_refusal());
    }
}
