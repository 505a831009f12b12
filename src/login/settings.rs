//! What a login is about: the provider, the client, and how to get tokens. Made from flags, the environment and, with
//! `provideClusterInfo`, from the cluster's extension in the kubeconfig.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

/// How to get the first token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Whatever fits: a browser where there is one, else the device flow; without a person, client credentials.
    #[default]
    Auto,
    /// Authorization code with PKCE on a loopback redirect (RFC 6749 section 4.1, RFC 7636, RFC 8252).
    AuthorizationCode,
    /// Device authorization (RFC 8628).
    DeviceCode,
    /// Client credentials (RFC 6749 section 4.4).
    ClientCredentials,
    /// Token exchange (RFC 8693).
    TokenExchange,
    /// A JWT as authorization grant (RFC 7523 section 2.1).
    JwtBearer,
    /// No provider at all: the token is in a file.
    TokenFile,
}

/// Which token kubectl sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The ID token: what API servers expect with OpenID Connect.
    #[default]
    IdToken,
    /// The access token, when it is a JWT for the cluster's audience.
    AccessToken,
}

/// How the client proves who it is at the token endpoint.
#[derive(Clone, Default)]
pub enum ClientAuthentication {
    /// A public client.
    #[default]
    None,
    /// `client_secret_basic`, or `client_secret_post` where the provider offers only that.
    Secret(Zeroizing<String>),
    /// `private_key_jwt` (RFC 7523 section 2.2): a PEM file with the private key, and the key's `kid`.
    PrivateKey {
        /// The PEM file.
        file: PathBuf,
        /// The `kid` for the assertion's header.
        kid: Option<String>,
    },
    /// A token from a file as client assertion (workload identity).
    AssertionFile(PathBuf),
}

/// Everything that defines a login.
#[derive(Clone)]
pub struct Settings {
    /// The provider's issuer URL.
    pub issuer: String,
    /// The client's id.
    pub client_id: String,
    /// How the client proves itself.
    pub client: ClientAuthentication,
    /// Requested scopes; `openid` is added for ID tokens.
    pub scopes: Vec<String>,
    /// The audience (or RFC 8707 resource) that tokens are wanted for, if the provider needs one.
    pub audience: Option<String>,
    /// How to get the first token.
    pub grant: Grant,
    /// Which token is sent.
    pub token_kind: TokenKind,
    /// The account that is wanted, when several are stored; a hint for the provider too.
    pub account: Option<String>,
    /// PEM of the only authority trusted for the provider's HTTPS; the system's roots without it.
    pub certificate_authority: Option<String>,
    /// Where the loopback redirect listens; several are tried in turn; port 0 is any free one.
    pub listen: Vec<SocketAddr>,
    /// Host name in the redirect URL (`localhost` for providers that insist on it).
    pub redirect_host: Option<String>,
    /// The path in the redirect URL, for providers where one is registered; mostly empty.
    pub redirect_path: String,
    /// The command that opens a URL instead of the system's way; never run through a shell.
    pub browser: Option<String>,
    /// Never open a browser; print the URL.
    pub skip_browser: bool,
    /// How long to wait for a person.
    pub patience: Duration,
    /// Further parameters of the authorization request.
    pub extra_parameters: Vec<(String, String)>,
    /// The assertion for [`Grant::JwtBearer`] and the subject token for [`Grant::TokenExchange`].
    pub assertion_file: Option<PathBuf>,
    /// The token for [`Grant::TokenFile`].
    pub token_file: Option<PathBuf>,
    /// Whether a person can be asked: `spec.interactive` of kubectl, or a terminal.
    pub interactive: bool,
}
