//! The flags of a login, in int128/kubelogin's names for what both have, and how they become [`Settings`].
//!
//! A stanza of kubelogin moves over by changing the command. So every flag of it is known here: supported, accepted where
//! what it asks for is done anyway, or refused with words where it would make a login less safe than it looks.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use clap::ArgAction;
use url::Url;
use zeroize::Zeroizing;

use super::super::Failure;
use crate::login::exec_credential::LoginConfig;
use crate::login::session::SecretService;
use crate::login::session::store::{Storage, Store, default_folder};
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};

/// Where the client's secret may be, when it is in no file and no flag.
const SECRET_VARIABLE: &str = "COUNTERSIGN_CLIENT_SECRET";
/// Far more than certificates, secrets and keys take.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where kubelogin listens, so that its redirects are registered already.
pub(crate) const DEFAULT_ADDRESSES: [&str; 2] = ["127.0.0.1:8000", "127.0.0.1:18000"];
pub(crate) const DEFAULT_HOST: &str = "localhost";
/// In seconds.
pub(crate) const DEFAULT_PATIENCE: u64 = 180;

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
    /// The keyring where one is open, else disk.
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
    #[arg(long, value_name = "IP:PORT", value_delimiter = ',', default_values = DEFAULT_ADDRESSES)]
    pub(crate) listen_address: Vec<String>,
    /// The host in the redirect URL, as registered at the provider.
    #[arg(long, value_name = "HOST", default_value = DEFAULT_HOST)]
    pub(crate) oidc_redirect_url_hostname: String,
    /// The redirect URL as registered at the provider, on this machine; instead of the two flags above.
    #[arg(long, value_name = "URL")]
    pub(crate) oidc_redirect_url: Option<String>,
    /// Print the URL instead of opening a browser.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false", hide_default_value = true, action = ArgAction::Set, hide_possible_values = true)]
    pub(crate) skip_open_browser: bool,
    /// The program that opens a URL; no shell runs it.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) browser_command: Option<String>,
    /// How long to wait for a person.
    #[arg(long, value_name = "SECONDS", default_value_t = DEFAULT_PATIENCE)]
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
    /// kubelogin's old names for the storage.
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    force_keyring: Option<bool>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_keyring: Option<bool>,
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
    #[arg(long, hide = true)]
    oidc_request_header: Vec<Zeroizing<String>>,
    /// The flags of its logging library.
    #[arg(long = "add_dir_header", aliases = ["alsologtostderr", "legacy_stderr_threshold_behavior", "logtostderr", "one_output", "skip_headers", "skip_log_headers"],
        hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Append)]
    log_switches: Vec<bool>,
    #[arg(long = "log_backtrace_at", aliases = ["alsologtostderrthreshold", "log_dir", "log_file", "log_file_max_size", "stderrthreshold", "vmodule"],
        hide = true, action = ArgAction::Append)]
    log_values: Vec<String>,
}

impl LoginFlags {
    /// These flags where they say something, else those of `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        fn list<T>(own: Vec<T>, base: Vec<T>) -> Vec<T> {
            if own.is_empty() { base } else { own }
        }
        // What proves the client is one thing in several flags.
        let has_proof = self.oidc_client_secret.is_some()
            || self.oidc_client_secret_file.is_some()
            || self.oidc_client_key_file.is_some()
            || self.client_assertion_file.is_some();
        let proof = if has_proof { self.clone() } else { base.clone() };
        let has_address = self.listen_address != DEFAULT_ADDRESSES || self.oidc_redirect_url.is_some();
        let is_default_host = self.oidc_redirect_url_hostname == DEFAULT_HOST;
        Self {
            oidc_issuer_url: self.oidc_issuer_url.or(base.oidc_issuer_url),
            oidc_client_id: self.oidc_client_id.or(base.oidc_client_id),
            oidc_client_secret: proof.oidc_client_secret,
            oidc_client_secret_file: proof.oidc_client_secret_file,
            oidc_client_key_file: proof.oidc_client_key_file,
            oidc_client_key_id: proof.oidc_client_key_id,
            client_assertion_file: proof.client_assertion_file,
            oidc_extra_scope: list(self.oidc_extra_scope, base.oidc_extra_scope),
            audience: self.audience.or(base.audience),
            oidc_use_access_token: self.oidc_use_access_token || base.oidc_use_access_token,
            account: self.account.or(base.account),
            grant_type: self.grant_type.or(base.grant_type),
            assertion_file: self.assertion_file.or(base.assertion_file),
            token_file: self.token_file.or(base.token_file),
            listen_address: if has_address { self.listen_address } else { base.listen_address },
            oidc_redirect_url_hostname: if is_default_host {
                base.oidc_redirect_url_hostname
            } else {
                self.oidc_redirect_url_hostname
            },
            oidc_redirect_url: if has_address { self.oidc_redirect_url } else { base.oidc_redirect_url },
            skip_open_browser: self.skip_open_browser || base.skip_open_browser,
            // A program to run is not for a file to name that somebody may have been sent.
            browser_command: self.browser_command,
            authentication_timeout_sec: if self.authentication_timeout_sec == DEFAULT_PATIENCE {
                base.authentication_timeout_sec
            } else {
                self.authentication_timeout_sec
            },
            oidc_auth_request_extra_params: list(
                self.oidc_auth_request_extra_params,
                base.oidc_auth_request_extra_params,
            ),
            certificate_authority: list(self.certificate_authority, base.certificate_authority),
            certificate_authority_data: list(self.certificate_authority_data, base.certificate_authority_data),
            store: self.store.over(base.store),
            foreign: base.foreign,
        }
    }

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
        let (listen, redirect_host, redirect_path) = self.redirect()?;
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
            listen,
            redirect_host: Some(redirect_host),
            redirect_path,
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

    /// Where to listen for the browser, and host and path of the redirect URL.
    fn redirect(&self) -> Result<(Vec<SocketAddr>, String, String), Failure> {
        let Some(text) = &self.oidc_redirect_url else {
            return Ok((self.addresses()?, self.oidc_redirect_url_hostname.clone(), String::new()));
        };
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.query().is_none());
        let parts = url.as_ref().and_then(|url| {
            let is_ours = matches!(url.host_str()?, "localhost" | "127.0.0.1" | "[::1]");
            is_ours.then_some((url.host_str()?, url.port_or_known_default()?))
        });
        let Some((host, port)) = parts else {
            let why = "must be an http URL of this machine, such as http://localhost:8000/callback (RFC 8252): elsewhere \
                       others could take the login's answer";
            return Err(wrong("--oidc-redirect-url", why));
        };
        let address = if host == "[::1]" { Ipv6Addr::LOCALHOST.into() } else { IpAddr::from(Ipv4Addr::LOCALHOST) };
        // Byte for byte as it is registered: the parsed form has a slash where the text may have none.
        let path = text.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest.split_at(at).1));
        Ok((vec![SocketAddr::new(address, port)], host.to_owned(), path.unwrap_or_default().to_owned()))
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
    /// These flags where they say something, else those of `base`.
    pub(crate) fn over(self, base: Self) -> Self {
        let is_default = self.token_cache_storage == TokenCacheStorage::Auto;
        Self {
            token_cache_dir: self.token_cache_dir.or(base.token_cache_dir),
            token_cache_storage: if is_default { base.token_cache_storage } else { self.token_cache_storage },
            force_keyring: self.force_keyring.or(base.force_keyring).filter(|_| is_default),
            no_keyring: self.no_keyring.or(base.no_keyring).filter(|_| is_default),
            verbose: self.verbose.max(base.verbose),
        }
    }

    /// The store that these flags choose. Where a person is there, the keyring may ask for its pass phrase.
    pub(crate) fn open(&self, interactive: bool) -> Result<Store, Failure> {
        let storage = match self.token_cache_storage {
            _ if self.force_keyring == Some(true) => Storage::Keyring,
            _ if self.no_keyring == Some(true) => Storage::Disk,
            TokenCacheStorage::None => return Ok(Store::nowhere()),
            TokenCacheStorage::Auto => Storage::Auto,
            TokenCacheStorage::Disk => Storage::Disk,
            TokenCacheStorage::Keyring => Storage::Keyring,
        };
        let folder = match &self.token_cache_dir {
            Some(folder) => expand(folder),
            None => default_folder(|name| std::env::var_os(name)).map_err(|error| Failure::wrong_use(&error))?,
        };
        let vault = Arc::new(SecretService::new(&folder, interactive));
        Ok(Store::with_vault(folder, vault, storage))
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
        if !self.oidc_request_header.is_empty() {
            let why = "is not supported: no provider needs headers beyond those of the standards";
            return Err(wrong("--oidc-request-header", why));
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
