//! The configuration: from files to values that cannot be wrong.
//!
//! [`Config::load`] reads the configuration file and every file that it names, once, and reports all problems in one
//! go, each with its field and a remedy. A [`Config`] exists only if nothing was refused, and holds the content of the
//! files, so that what is built from it comes from one reading: certificate, key and issuers never mix two versions.
//!
//! The way of a setting: bytes → `yaml` → `file` (what the text looks like) → a section's own module (what it means;
//! defaults are stated there) → the types here. `authentication` holds Kubernetes' rules for its own file, `issuers`
//! puts our settings to it, `overlaps` holds the rules across issuers. Operators read `docs/configuration.md`.

mod authentication;
pub(crate) mod certificates;
mod distributed_claims;
pub mod duration;
mod file;
mod files;
mod issuers;
mod load;
mod overlaps;
mod report;
mod secret;
mod server;
pub mod size;
mod tree;
mod values;
mod words;
mod yaml;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub(crate) use authentication::GoUrl;
pub use files::FileStamp;
pub use load::Loaded;
pub use secret::Secret;

use crate::mapping::Mapping;

use crate::providers::oidc::distributed::AllowedEndpoint;

/// Everything that the service is told. See `docs/configuration.md` for what each setting means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The review listener.
    pub server: Server,
    /// The listener for metrics and probes.
    pub admin: Admin,
    /// One per entry of `jwt`, in the file's order.
    pub issuers: Vec<Issuer>,
    /// The memory of verdicts.
    pub cache: Cache,
    /// How a changed configuration takes the place of the one before.
    pub reload: Reload,
    /// Where the last good keys are kept over restarts.
    pub state_directory: Option<PathBuf>,
    /// How to log.
    pub log: Log,
}

/// The review listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where to listen; port 0 takes any free one.
    pub address: SocketAddr,
    /// The server's own certificate.
    pub tls: Tls,
    /// Who may post reviews.
    pub callers: Callers,
    /// Requested audiences that every accepted token is good for: the API server's own names.
    pub api_audiences: Vec<String>,
    /// Whether definite refusals carry their reason in `status.error`. The API server then remembers no refusal.
    pub refusal_reasons: bool,
    /// How the service ends.
    pub drain: Drain,
}

/// The server's certificate chain and its key: they belong together, and the leaf is within its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// PEM, the leaf first.
    pub certificate_chain: Vec<u8>,
    /// PEM.
    pub private_key: Secret,
}

/// Who may post reviews. At least one of the three ways is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callers {
    /// PEM of the authorities for client certificates.
    pub client_ca: Option<Vec<u8>>,
    /// The only client names that are let in; empty lets in every client of the authorities.
    pub allowed_names: Vec<String>,
    /// Tokens that let their bearer in; all different, each at least 16 bytes of printable ASCII.
    pub bearer_tokens: Vec<Secret>,
    /// Whether anybody may.
    pub anonymous: bool,
}

/// How the service ends after the signal to do so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long it serves on while it calls itself not ready.
    pub lame_duck: Duration,
    /// How long it then waits for what is in flight.
    pub timeout: Duration,
}

/// The listener for metrics and probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Where to listen.
    pub address: SocketAddr,
}

/// One issuer of tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Compared with `iss` byte for byte; unique.
    pub url: String,
    /// The address of the discovery document, if it is not below `url`.
    pub discovery_url: Option<String>,
    /// PEM of the only authorities trusted for the issuer's HTTPS; without it, the system's.
    pub certificate_authority: Option<String>,
    /// The proxy for everything that is fetched on this issuer's behalf; without it, the environment's.
    pub proxy: Option<String>,
    /// A token must have one of these in its `aud`. Never empty.
    pub audiences: Vec<String>,
    /// The algorithms that tokens may be signed with, each once; `None` for the default set.
    pub signing_algorithms: Option<Vec<String>>,
    /// How far the issuer's clock may be off.
    pub clock_skew: Duration,
    /// The kind of tokens that are taken.
    pub token_profile: TokenProfile,
    /// How keys are kept fresh.
    pub keys: Keys,
    /// Where groups may be that are not in the token.
    pub distributed_claims: DistributedClaims,
    /// How claims become a user.
    pub mapping: Mapping,
}

/// The kind of tokens that an issuer's are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenProfile {
    /// Access tokens by RFC 9068.
    AccessToken,
    /// Either, as long as it is not a kind made for something else.
    Any,
    /// ID tokens of OpenID Connect.
    IdToken,
}

/// How an issuer's keys are kept fresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// How often they are asked for.
    pub refresh_interval: Duration,
    /// How long the last good ones are used when asking fails.
    pub max_staleness: Duration,
}

/// Where groups may be that are not in the token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DistributedClaims {
    /// The addresses that may be asked, each once; nothing else is.
    pub allowed_endpoints: Vec<AllowedEndpoint>,
    /// The issuers that may sign an answer besides the token's own, each once.
    pub allowed_issuers: Vec<String>,
}

/// The memory of verdicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// How much memory it may take, in bytes.
    pub max_size: u64,
    /// How long an accepted token is remembered, at most to its `exp`; zero for not at all.
    pub accept_ttl: Duration,
    /// How long a refused token is remembered; zero for not at all.
    pub reject_ttl: Duration,
}

/// How a changed configuration takes the place of the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// How long an issuer whose keys are to come from another place may go on with those that it has; zero for not at all.
    pub grace: Duration,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// What a line looks like.
    pub format: LogFormat,
    /// The least important events that are logged.
    pub level: tracing::Level,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line, for machines.
    Json,
    /// For people.
    Text,
}
