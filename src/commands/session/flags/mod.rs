//! The flags of a login, in int128/kubelogin's names for what both have, and how they become [`Settings`].
//!
//! A stanza of kubelogin moves over by changing the command. So every flag of it is known here: supported, accepted where
//! what it asks for is done anyway, or refused with words where it would make a login less safe than it looks.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::ArgAction;
use url::Url;
use zeroize::Zeroizing;

use super::super::Failure;
use crate::login::exec_credential::LoginConfig;
use crate::login::session::store::{Store, default_folder};
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};

/// Where the client's secret may be, when it is in no file and no flag.
const SECRET_VARIABLE: &str = "COUNTERSIGN_CLIENT_SECRET";
/// Far more than certificates, secrets and keys take.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// `--grant-type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum GrantType {
    /// A browser where there is one, else the device flow; without a person, a workload's own credentials.
    #[default]
    Auto,
    /// Authorization code in the browser.
    Authcode,
    /// Refused: out-of-band codes.
    #[value(hide = true)]
    AuthcodeKeyboard,
    /// A code to type on another device.
    DeviceCode,
    /// The client's own credentials.
    ClientCredentials,
    /// A token of another provider or audience for one of this (--assertion-file).
    TokenExchange,
    /// A JWT as grant (--assertion-file).
    JwtBearer,
    /// A token that others keep fresh (--token-file).
    TokenFile,
    /// Refused: the user's password.
    #[value(hide = true)]
    Password,
}

/// `--token-cache-storage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum TokenCacheStorage {
    /// The best there is on this machine.
    #[default]
    Auto,
    /// Files that only the user can read.
    Disk,
    /// The system's keyring.
    Keyring,
    /// Nowhere.
    None,
}

/// The provider, the client, and how to log in.
#[derive(Clone, clap::Args)]
pub(crate) struct LoginFlags {
    /// The provider's issuer URL.
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_issuer_url: Option<String>,
    /// The client's id at the provider.
    #[arg(long, value_name = "ID")]
    pub(crate) oidc_client_id: Option<String>,
    /// The client's secret. Others on this machine can see it here: prefer --oidc-client-secret-file.
    #[arg(long, value_name = "SECRET", hide_short_help = true)]
    pub(crate) oidc_client_secret: Option<Zeroizing<String>>,
    /// A file with the client's secret [environment: COUNTERSIGN_CLIENT_SECRET, the secret itself].
    #[arg(long, value_name = "FILE", conflicts_with = "oidc_client_secret")]
    pub(crate) oidc_client_secret_file: Option<PathBuf>,
    /// A PEM file with the client's private key (private_key_jwt).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["oidc_client_secret", "oidc_client_secret_file"])]
    pub(crate) oidc_client_key_file: Option<PathBuf>,
    /// The key's id (kid) at the provider.
    #[arg(long, value_name = "KID", requires = "oidc_client_key_file")]
    pub(crate) oidc_client_key_id: Option<String>,
    /// A file with a token that proves the client (workload identity).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["oidc_client_secret", "oidc_client_secret_file", "oidc_client_key_file"])]
    pub(crate) client_assertion_file: Option<PathBuf>,
    /// A further scope to ask for; repeatable.
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub(crate) oidc_extra_scope: Vec<String>,
    /// The audience or resource that the token must be good for.
    #[arg(long, value_name = "AUDIENCE", alias = "token-exchange-audience")]
    pub(crate) audience: Option<String>,
    /// Send the access token instead of the ID token.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, action = ArgAction::Set, hide_possible_values = true)]
    pub(crate) oidc_use_access_token: bool,
    /// The account to use, when several are logged in.
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// How to get the first token.
    #[arg(long, visible_alias = "grant", value_enum, value_name = "GRANT")]
    pub(crate) grant_type: Option<GrantType>,
    /// The token to exchange, or to show as grant.
    #[arg(long, value_name = "FILE")]
    pub(crate) assertion_file: Option<PathBuf>,
    /// The token itself (with --grant-type token-file).
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Where the browser comes back to; several are tried in turn, port 0 is any free one.
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',', default_values = ["127.0.0.1:8000", "127.0.0.1:18000"])]
    pub(crate) listen_address: Vec<String>,
    /// The host in the redirect URL, as registered at the provider.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    pub(crate) oidc_redirect_url_hostname: String,
    /// Print the URL instead of opening a browser.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, action = ArgAction::Set, hide_possible_values = true)]
    pub(crate) skip_open_browser: bool,
    /// The program that opens a URL; no shell runs it.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) browser_command: Option<String>,
    /// How long to wait for a person.
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub(crate) authentication_timeout_sec: u64,
    /// A further parameter of the authorization request; repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    pub(crate) oidc_auth_request_extra_params: Vec<String>,
    /// A PEM file with the only authority to trust for the provider; repeatable.
    #[arg(long, value_name = "FILE")]
    pub(crate) certificate_authority: Vec<PathBuf>,
    /// The same as base64 of PEM; repeatable.
    #[arg(long, value_name = "BASE64")]
    pub(crate) certificate_authority_data: Vec<String>,
    #[command(flatten)]
    pub(crate) store: StoreFlags,
    #[command(flatten)]
    pub(crate) foreign: ForeignFlags,
}

/// Where sessions are kept.
#[derive(Clone, clap::Args)]
pub(crate) struct StoreFlags {
    /// The folder for sessions [default: $XDG_STATE_HOME/countersign or ~/.local/state/countersign].
    #[arg(long, value_name = "DIR")]
    pub(crate) token_cache_dir: Option<PathBuf>,
    /// Where sessions are kept.
    #[arg(long, value_enum, default_value_t, value_name = "STORAGE")]
    pub(crate) token_cache_storage: TokenCacheStorage,
    /// Explain each step on standard error, without secrets.
    #[arg(long, short = 'v', alias = "v", value_name = "LEVEL", num_args = 0..=1, default_missing_value = "1", default_value_t = 0, hide_default_value = true)]
    pub(crate) verbose: u8,
}

/// kubelogin's flags that have no effect of their own here.
#[derive(Clone, clap::Args)]
pub(crate) struct ForeignFlags {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    oidc_use_pkce: Option<bool>,
    #[arg(long, hide = true)]
    oidc_pkce_method: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    insecure_skip_tls_verify: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_renegotiation_once: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_renegotiation_freely: Option<bool>,
    #[arg(long, hide = true)]
    open_url_after_authentication: Option<String>,
    #[arg(long, hide = true)]
    oidc_redirect_url_authcode_keyboard: Option<String>,
    #[arg(long, hide = true)]
    local_server_cert: Option<PathBuf>,
    #[arg(long, hide = true)]
    local_server_key: Option<PathBuf>,
    #[arg(long, hide = true)]
    username: Option<Zeroizing<String>>,
    #[arg(long, hide = true)]
    password: Option<Zeroizing<String>>,
    #[arg(long, hide = true)]
    token_exchange_subject_token: Option<Zeroizing<String>>,
    #[arg(long, hide = true)]
    token_exchange_actor_token: Option<Zeroizing<String>>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_keyring: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_keyring: Option<bool>,
    /// The flags of its logging library.
    #[arg(long = "add_dir_header", aliases = ["alsologtostderr", "logtostderr", "one_output", "skip_headers", "skip_log_headers"],
        hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Append)]
    log_switches: Vec<bool>,
    #[arg(long = "log_backtrace_at", aliases = ["log_dir", "log_file", "log_file_max_size", "stderrthreshold", "vmodule"],
        hide = true, action = ArgAction::Append)]
    log_values: Vec<String>,
}

impl LoginFlags {
    /// The settings that flags and the cluster's extension make together; flags win.
    pub(crate) fn settings(&self, config: &LoginConfig, interactive: bool) -> Result<Settings, Failure> {
        self.foreign.refuse()?;
        let grant = self.grant(config)?;
        let from = |flag: &Option<String>, config: &Option<String>| flag.clone().or_else(|| config.clone());
        let token_file = self.token_file.as_deref().map(expand);
        let needs_provider = grant != Grant::TokenFile;
        if !needs_provider && token_file.is_none() {
            return Err(wrong("--token-file", "is missing; --grant-type token-file reads the token from it"));
        }
        let issuer = match from(&self.oidc_issuer_url, &config.issuer) {
            Some(issuer) => checked_issuer(issuer)?,
            None if needs_provider => return Err(missing("--oidc-issuer-url", "issuer", "the provider's issuer URL")),
            None => String::new(),
        };
        let client_id = match from(&self.oidc_client_id, &config.client_id) {
            Some(id) if !id.is_empty() => id,
            _ if needs_provider => {
                return Err(missing("--oidc-client-id", "clientId", "the client's id at the provider"));
            }
            _ => String::new(),
        };
        let scopes = match (&*self.oidc_extra_scope, &config.scopes) {
            ([], Some(scopes)) => scopes.clone(),
            (flags, _) => flags.to_vec(),
        };
        let uses_access_token = self.oidc_use_access_token || config.use_access_token == Some(true);
        Ok(Settings {
            issuer,
            client_id,
            client: self.client()?,
            scopes,
            audience: from(&self.audience, &config.audience),
            grant,
            token_kind: if uses_access_token { TokenKind::AccessToken } else { TokenKind::IdToken },
            account: from(&self.account, &config.account),
            certificate_authority: self.authority(config)?,
            listen: self.addresses()?,
            redirect_host: Some(self.oidc_redirect_url_hostname.clone()),
            browser: self.browser_command.clone(),
            skip_browser: self.skip_open_browser,
            patience: Duration::from_secs(self.authentication_timeout_sec.clamp(1, 3600)),
            extra_parameters: self.parameters()?,
            assertion_file: self.assertion_file.as_deref().map(expand),
            token_file,
            interactive,
        })
    }

    fn grant(&self, config: &LoginConfig) -> Result<Grant, Failure> {
        let grant = match (self.grant_type, &config.grant) {
            (Some(grant), _) => grant,
            (None, Some(name)) => clap::ValueEnum::from_str(name, false).map_err(|_| {
                wrong("spec.cluster.config.grant", "is not a grant; `countersign get-token --help` lists them")
            })?,
            (None, None) if self.token_file.is_some() => GrantType::TokenFile,
            (None, None) => GrantType::Auto,
        };
        let grant = match grant {
            GrantType::Auto => Grant::Auto,
            GrantType::Authcode => Grant::AuthorizationCode,
            GrantType::DeviceCode => Grant::DeviceCode,
            GrantType::ClientCredentials => Grant::ClientCredentials,
            GrantType::TokenExchange => Grant::TokenExchange,
            GrantType::JwtBearer => Grant::JwtBearer,
            GrantType::TokenFile => Grant::TokenFile,
            GrantType::AuthcodeKeyboard => {
                return Err(wrong(
                    "--grant-type authcode-keyboard",
                    "is not supported: providers have withdrawn out-of-band codes; use --grant-type device-code, or \
                     authcode with --skip-open-browser",
                ));
            }
            GrantType::Password => return Err(password("--grant-type password")),
        };
        if matches!(grant, Grant::TokenExchange | Grant::JwtBearer) && self.assertion_file.is_none() {
            return Err(wrong("--assertion-file", "is missing; this grant shows the token in it to the provider"));
        }
        Ok(grant)
    }

    fn client(&self) -> Result<ClientAuthentication, Failure> {
        if let Some(secret) = &self.oidc_client_secret {
            return Ok(if secret.is_empty() {
                ClientAuthentication::None
            } else {
                ClientAuthentication::Secret(secret.clone())
            });
        }
        if let Some(file) = &self.oidc_client_key_file {
            return Ok(ClientAuthentication::PrivateKey { file: expand(file), kid: self.oidc_client_key_id.clone() });
        }
        if let Some(file) = &self.client_assertion_file {
            return Ok(ClientAuthentication::AssertionFile(expand(file)));
        }
        let secret = match &self.oidc_client_secret_file {
            Some(file) => Zeroizing::new(read("--oidc-client-secret-file", file)?.trim().to_owned()),
            None => Zeroizing::new(std::env::var(SECRET_VARIABLE).unwrap_or_default()),
        };
        Ok(if secret.is_empty() { ClientAuthentication::None } else { ClientAuthentication::Secret(secret) })
    }

    fn authority(&self, config: &LoginConfig) -> Result<Option<String>, Failure> {
        let mut pem = String::new();
        for file in &self.certificate_authority {
            pem += &read("--certificate-authority", file)?;
            pem.push('\n');
        }
        let from_flags = self.certificate_authority_data.iter();
        let none_yet = self.certificate_authority.is_empty() && self.certificate_authority_data.is_empty();
        let from_config = config.certificate_authority_data.iter().filter(|_| none_yet);
        for data in from_flags.chain(from_config) {
            let compact: String = data.split_ascii_whitespace().collect();
            let bytes = BASE64_STANDARD.decode(compact).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            pem += &bytes
                .ok_or_else(|| wrong("--certificate-authority-data", "is not base64 of PEM; use `base64 -w0`"))?;
            pem.push('\n');
        }
        Ok(if pem.is_empty() { None } else { Some(pem) })
    }

    fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let parse = |text: &String| {
            text.replace("localhost:", "127.0.0.1:")
                .parse()
                .map_err(|_| wrong("--listen-address", "must be IP:PORT, such as 127.0.0.1:8000"))
        };
        self.listen_address.iter().map(parse).collect()
    }

    fn parameters(&self) -> Result<Vec<(String, String)>, Failure> {
        let parse = |text: &String| {
            let (name, value) =
                text.split_once('=').ok_or_else(|| wrong("--oidc-auth-request-extra-params", "must be NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        self.oidc_auth_request_extra_params.iter().map(parse).collect()
    }
}

impl StoreFlags {
    /// The store that these flags choose.
    pub(crate) fn open(&self) -> Result<Store, Failure> {
        match self.token_cache_storage {
            TokenCacheStorage::None => return Ok(Store::nowhere()),
            TokenCacheStorage::Keyring => {
                return Err(wrong(
                    "--token-cache-storage keyring",
                    "is not available in this build; use disk, whose files only you can read",
                ));
            }
            TokenCacheStorage::Auto | TokenCacheStorage::Disk => {}
        }
        let folder = match &self.token_cache_dir {
            Some(folder) => expand(folder),
            None => default_folder(|name| std::env::var_os(name)).map_err(|error| Failure::wrong_use(&error))?,
        };
        Ok(Store::in_folder(folder))
    }
}

impl ForeignFlags {
    /// What cannot be had here, with the reason. Values are not repeated.
    fn refuse(&self) -> Result<(), Failure> {
        let is_on = |flag: Option<bool>| flag == Some(true);
        if is_on(self.insecure_skip_tls_verify) {
            let why = "is not supported: whoever sits between would get your session; give the provider's authority with \
                       --certificate-authority";
            return Err(wrong("--insecure-skip-tls-verify", why));
        }
        if self.oidc_pkce_method.as_deref().is_some_and(|method| !matches!(method, "auto" | "S256")) {
            let why = "must be auto or S256: every login is bound to its code verifier; leave the flag out";
            return Err(wrong("--oidc-pkce-method", why));
        }
        if self.username.is_some() || self.password.is_some() {
            return Err(password("--username and --password"));
        }
        if self.local_server_cert.is_some() || self.local_server_key.is_some() {
            let why = "are not supported: the redirect stays on this machine (RFC 8252); register http://localhost:8000 at \
                       the provider, or use --grant-type device-code";
            return Err(wrong("--local-server-cert and --local-server-key", why));
        }
        if self.token_exchange_subject_token.is_some() || self.token_exchange_actor_token.is_some() {
            let why = "are not supported: others on this machine can see tokens in arguments; use --assertion-file";
            return Err(wrong("--token-exchange-subject-token and --token-exchange-actor-token", why));
        }
        if is_on(self.force_keyring) {
            return Err(wrong("--force-keyring", "is not available in this build; leave it out"));
        }
        Ok(())
    }

    /// What is accepted without effect, with the reason; for those who ask for explanations.
    pub(crate) fn remarks(&self) -> Vec<&'static str> {
        let mut remarks = Vec::new();
        if self.oidc_use_pkce.is_some() || self.oidc_pkce_method.is_some() {
            remarks.push("PKCE with S256 is always used; its flags change nothing");
        }
        if self.tls_renegotiation_once.is_some() || self.tls_renegotiation_freely.is_some() {
            remarks.push("TLS renegotiation does not exist here; its flags change nothing");
        }
        if self.open_url_after_authentication.is_some() {
            remarks.push("--open-url-after-authentication changes nothing: the result page stays on this machine");
        }
        if self.oidc_redirect_url_authcode_keyboard.is_some() {
            remarks.push("--oidc-redirect-url-authcode-keyboard changes nothing: there is no such flow here");
        }
        if !self.log_switches.is_empty() || !self.log_values.is_empty() {
            remarks.push("flags of kubelogin's logging change nothing; -v explains each step");
        }
        remarks
    }
}

/// The home folder for a `~` at the start, as the shell would have done had it seen the flag.
pub(crate) fn expand(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), std::env::var_os("HOME")) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_owned(),
    }
}

/// An issuer is an https URL without user, query and fragment (OpenID Connect Discovery, section 4).
fn checked_issuer(issuer: String) -> Result<String, Failure> {
    let is_good = Url::parse(&issuer).is_ok_and(|url| {
        url.scheme() == "https"
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    });
    if is_good {
        return Ok(issuer);
    }
    Err(wrong("--oidc-issuer-url", "must be an https URL as the provider writes it, such as https://idp.example.com"))
}

fn read(flag: &str, path: &Path) -> Result<Zeroizing<String>, Failure> {
    use std::io::Read as _;
    let path = expand(path);
    let mut text = Zeroizing::new(String::new());
    let failed = |what: &str| Failure::WrongUse(format!("{flag}: {}: {what}", path.display()));
    let file = fs::File::open(&path).map_err(|error| failed(&format!("cannot be read: {error}")))?;
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(|error| failed(&format!("cannot be read: {error}")))?;
    if text.trim().is_empty() { Err(failed("is empty")) } else { Ok(text) }
}

fn wrong(flag: &str, why: &str) -> Failure {
    Failure::WrongUse(format!("{flag}: {why}"))
}

fn missing(flag: &str, key: &str, what: &str) -> Failure {
    Failure::WrongUse(format!(
        "{flag} is missing: give {what}, or `{key}` in the cluster's extension with provideClusterInfo: true"
    ))
}

fn password(flag: &str) -> Failure {
    wrong(
        flag,
        "not supported: a password belongs to the provider's own page; use --grant-type authcode or device-code, and \
         client-credentials for programs",
    )
}

#[cfg(test)]
mod tests;
