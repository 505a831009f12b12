//! The only wiring file: a configuration becomes issuers, a chain, listeners; a changed one takes their place.
//!
//! Everything that a reload can change is in one [`Front`], built in full before it is put in force. What a change leaves
//! alone is taken over: key sources of unchanged issuers, and the cache when nothing that it rests on changed.

pub mod reload;
mod status;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::authn::cache::{self, Cache, Totals};
use crate::authn::issuer::Issuer;
use crate::authn::router::Router;
use crate::authn::{Authn, IssuerName};
use crate::callers::{self, Callers};
use crate::clock::Clock;
use crate::config::{self, Config, Loaded};
use crate::events::Events;
use crate::findings::Findings;
use crate::http::{Front, Gateway};
use crate::jose::AlgorithmSet;
use crate::limits::Limits;
use crate::mapping::Source;
use crate::metrics::Metrics;
use crate::providers::{self, Kind, oidc};
use crate::review::Reviewer;
use crate::server::tls::{self, TlsError};
use crate::server::{self, Stage};
use crate::shutdown::{self, Drain, Signals};
use crate::telemetry::Telemetry;

use reload::Reloader;
use status::Overview;

/// Why the service cannot start, or a changed configuration cannot be put in force.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listener's address.
    #[error("listening on {setting} {address}")]
    Bind {
        /// Which setting.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        cause: io::Error,
    },
    /// The configuration has errors; all of them are in the findings.
    #[error("the configuration has errors")]
    Configuration(Findings),
    /// An issuer.
    #[error(transparent)]
    Issuer(#[from] oidc::BuildError),
    /// A metric.
    #[error("registering metrics")]
    Metrics(#[from] prometheus::Error),
    /// No random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] aws_lc_rs::error::Unspecified),
    /// The authority of the callers.
    #[error(transparent)]
    Callers(#[from] callers::AuthorityError),
    /// TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What outlives a configuration.
#[derive(Clone)]
pub(crate) struct Shared {
    clock: Arc<dyn Clock>,
    telemetry: Arc<Telemetry>,
    sources: Arc<oidc::KeySources>,
    totals: Arc<Totals>,
}

/// A configuration as it is in force: what it said, and the parts that it became.
pub(crate) struct InForce {
    config: Config,
    authn: Arc<Authn>,
    issuers: Vec<Arc<Issuer>>,
    callers: Arc<Callers>,
}

/// The running service.
pub struct Running {
    /// Where reviews are answered.
    pub review_address: SocketAddr,
    /// Where metrics and health are shown.
    pub admin_address: SocketAddr,
    drain: Drain,
    stage: watch::Sender<Stage>,
    reviews: JoinHandle<()>,
    admin: JoinHandle<()>,
    reloading: JoinHandle<()>,
    reloader: Arc<Reloader>,
}

/// Starts the service that a loaded configuration describes.
///
/// # Errors
///
/// When the configuration has errors or something it needs is not to be had. Never because a provider is unreachable.
pub async fn start(path: &Path, loaded: Loaded, clock: Arc<dyn Clock>, limits: Limits) -> Result<Running, StartError> {
    let Loaded { config, findings, files } = loaded;
    let Some(config) = config else { return Err(StartError::Configuration(findings)) };
    let telemetry = Arc::new(Telemetry::new(Arc::new(Metrics::new()?), Arc::clone(&clock)));
    let shared = Shared {
        clock: Arc::clone(&clock),
        telemetry: Arc::clone(&telemetry),
        sources: Arc::default(),
        totals: Arc::default(),
    };
    let drain = Drain { lame_duck: config.server.drain.lame_duck, timeout: config.server.drain.timeout };
    let review_listener = listen("server.address", config.server.address).await?;
    let admin_listener = listen("admin.address", config.admin.address).await?;
    let addresses = (local(&review_listener, config.server.address), local(&admin_listener, config.admin.address));
    let (front, in_force) = shared.assemble(config, None)?;
    let wanted = limits.connections;
    let limits = limits.within_open_files();
    if limits.connections < wanted {
        let connections = limits.connections;
        tracing::warn!(connections, wanted, "the limit of open files allows only so many connections; raise it");
    }
    let events: Arc<dyn Events> = Arc::clone(&telemetry) as _;
    let gateway = Arc::new(Gateway::new(front, limits, Arc::clone(&events)));
    let reloader = Arc::new(Reloader::new(path, files, shared.clone(), in_force, Arc::clone(&gateway)));
    let stage = watch::Sender::new(Stage::Serving);
    let overview = Overview::new(shared, Arc::clone(&gateway), Arc::clone(&reloader), stage.subscribe());
    Ok(Running {
        review_address: addresses.0,
        admin_address: addresses.1,
        drain,
        reviews: tokio::spawn(server::serve(review_listener, gateway, limits, events, stage.subscribe())),
        admin: tokio::spawn(server::admin::serve(admin_listener, Arc::new(overview), stage.subscribe())),
        reloading: tokio::spawn(Arc::clone(&reloader).follow()),
        reloader,
        stage,
    })
}

impl Running {
    /// Follows configuration changes; for tests and for SIGHUP.
    #[must_use]
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.reloader
    }

    /// Serves until SIGTERM or SIGINT, then stops in order. Returns whether everything in flight was finished.
    pub async fn until_signal(self, mut signals: Signals) -> bool {
        signals.next().await;
        tracing::info!("stopping");
        self.stop(async move { signals.next().await }).await
    }

    /// Stops in order; at once when `hurry` resolves.
    pub async fn stop(self, hurry: impl Future<Output = ()>) -> bool {
        let finished = shutdown::stop(&self.stage, self.reviews, self.drain, hurry).await;
        self.reloading.abort();
        let _ = self.admin.await;
        finished
    }
}

impl Shared {
    /// Builds everything that a configuration describes, taking over from the one before what it leaves alone.
    fn assemble(&self, config: Config, before: Option<&InForce>) -> Result<(Front, InForce), StartError> {
        let callers = match before {
            Some(before) if before.config.server.callers == config.server.callers => Arc::clone(&before.callers),
            _ => Arc::new(Callers::new(&caller_settings(&config.server.callers), Arc::clone(&self.clock))?),
        };
        let pair = &config.server.tls;
        let tls = tls::server_config(&pair.certificate_chain, pair.private_key.expose_secret(), callers.verifier())?;
        let (authn, issuers) = match before {
            Some(before) if is_same_judgement(&before.config, &config) => {
                (Arc::clone(&before.authn), before.issuers.clone())
            }
            _ => self.authn(&config)?,
        };
        let reviewer = Arc::new(Reviewer::new(Arc::clone(&authn), config.server.refusal_reasons));
        let front = Front { tls, callers: Arc::clone(&callers), reviewer };
        Ok((front, InForce { config, authn, issuers, callers }))
    }

    /// The chain with an empty cache: an entry that was judged under another configuration cannot be met in it.
    fn authn(&self, config: &Config) -> Result<(Arc<Authn>, Vec<Arc<Issuer>>), StartError> {
        if let Some(path) = &config.state_directory {
            // Without it only a restart during an outage suffers; not starting would be the outage.
            if let Err(error) = make_private(path) {
                let path = path.display();
                tracing::warn!(%path, %error, "stateDirectory cannot be used: keys are not kept over a restart");
            }
        }
        let issuers = self.issuers(config)?;
        let limits = cache::Limits {
            max_size: config.cache.max_size,
            accept_ttl: config.cache.accept_ttl,
            reject_ttl: config.cache.reject_ttl,
        };
        let router = Router::new(issuers.iter().cloned());
        let cache = Cache::new(router, limits, Arc::clone(&self.clock), Arc::clone(&self.totals))?;
        let audiences = config.server.api_audiences.clone();
        let authn = Authn::new(cache, audiences, Arc::clone(&self.clock), Arc::clone(&self.telemetry) as _);
        Ok((Arc::new(authn), issuers))
    }

    fn issuers(&self, config: &Config) -> Result<Vec<Arc<Issuer>>, StartError> {
        let context = oidc::Context {
            clock: Arc::clone(&self.clock),
            events: Arc::clone(&self.telemetry) as _,
            sources: Arc::clone(&self.sources),
            grace: config.reload.grace,
        };
        config.issuers.iter().map(|issuer| Ok(build_issuer(issuer, config, &context)?)).collect()
    }
}

/// One issuer of a configuration, its keys being fetched in the background.
///
/// # Errors
///
/// When its settings cannot work.
pub fn build_issuer(
    issuer: &config::Issuer,
    config: &Config,
    context: &oidc::Context,
) -> Result<Arc<Issuer>, oidc::BuildError> {
    let settings = oidc::Settings {
        policy: policy(issuer),
        keys: oidc::KeySettings {
            issuer: issuer.url.clone(),
            discovery_url: issuer.discovery_url.clone(),
            certificate_authority: issuer.certificate_authority.clone(),
            proxy: issuer.proxy.clone(),
            refresh_interval: issuer.keys.refresh_interval,
            max_staleness: issuer.keys.max_staleness,
            state_directory: config.state_directory.clone(),
            on_behalf_of: None,
        },
        distributed: issuer.mapping.groups.as_ref().and_then(Source::as_claim).map(|groups| {
            oidc::distributed::Settings {
                claim: groups.name.clone(),
                endpoints: issuer.distributed_claims.allowed_endpoints.clone(),
                issuers: issuer.distributed_claims.allowed_issuers.clone(),
            }
        }),
    };
    let verifier = providers::build(Kind::Oidc(settings), context)?;
    let name = IssuerName::new(&issuer.url);
    Ok(Arc::new(Issuer::new(name, verifier, issuer.mapping.clone(), Arc::clone(&context.clock))))
}

/// What a configured issuer's tokens must be.
#[must_use]
pub fn policy(issuer: &config::Issuer) -> oidc::Policy {
    let algorithms = issuer.signing_algorithms.as_ref().map_or_else(AlgorithmSet::default, |names| {
        AlgorithmSet::from_names(names).expect("the configuration has checked the names")
    });
    oidc::Policy {
        issuer: issuer.url.clone(),
        audiences: issuer.audiences.clone(),
        algorithms,
        clock_skew: issuer.clock_skew,
        profile: match issuer.token_profile {
            config::TokenProfile::AccessToken => oidc::TokenProfile::AccessToken,
            config::TokenProfile::Any => oidc::TokenProfile::Any,
            config::TokenProfile::IdToken => oidc::TokenProfile::IdToken,
        },
    }
}

/// Whether two configurations judge every token alike, so that the cache may go on.
fn is_same_judgement(before: &Config, after: &Config) -> bool {
    before.issuers == after.issuers
        && before.cache == after.cache
        && before.state_directory == after.state_directory
        && before.server.api_audiences == after.server.api_audiences
}

/// How callers are known, as the configuration says.
pub(crate) fn caller_settings(callers: &config::Callers) -> callers::Settings<'_> {
    callers::Settings {
        authority: callers.client_ca.as_deref(),
        allowed_names: &callers.allowed_names,
        bearer_tokens: callers.bearer_tokens.iter().map(config::Secret::expose_secret).collect(),
        anonymous: callers.anonymous,
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|cause| StartError::Bind { setting, address, cause })
}

fn local(listener: &TcpListener, configured: SocketAddr) -> SocketAddr {
    listener.local_addr().unwrap_or(configured)
}

/// The state directory, made if it is not there, for the service alone.
fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
