//! Issuers as the service uses them: Kubernetes' part and ours put together. The checks across issuers are in
//! [`overlaps`].

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use url::Url;

use super::authentication::Authenticator;
use super::file::WordOrNames;
use super::report::Report;
use super::{DistributedClaims, Issuer, Keys, TokenProfile, distributed_claims, file, overlaps, values};
use crate::findings::{FieldPath, Findings};
use crate::mapping::{Mapping, Reserved, Source};

/// The names under which algorithms can be asked for, and the name that each has in [`Issuer`].
const ALGORITHMS: [(&str, &str); 11] = [
    ("RS256", "RS256"),
    ("RS384", "RS384"),
    ("RS512", "RS512"),
    ("PS256", "PS256"),
    ("PS384", "PS384"),
    ("PS512", "PS512"),
    ("ES256", "ES256"),
    ("ES384", "ES384"),
    ("ES512", "ES512"),
    ("EdDSA", "EdDSA"),
    ("Ed25519", "EdDSA"),
];
const PROFILES: [(&str, TokenProfile); 3] =
    [("any", TokenProfile::Any), ("id_token", TokenProfile::IdToken), ("access_token", TokenProfile::AccessToken)];
/// Clocks that run apart further than this are broken, and every second of skew is a second of life for dead tokens.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);
const DEFAULT_MAX_STALENESS: Duration = Duration::from_secs(24 * 60 * 60);
/// A key that the issuer withdrew is trusted for no longer than this.
const MAX_REFRESH_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest outage of an issuer that is bridged with old keys.
const LONGEST_STALENESS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What Kubernetes' document says, with the findings about it, which are kept apart from those about the main file.
pub(super) struct Kubernetes {
    pub(super) authenticators: Vec<Authenticator>,
    /// Whether every entry could be read.
    pub(super) is_complete: bool,
    pub(super) report: Report,
}

/// Puts both parts together. `report` is about the file that the settings stand in.
pub(super) fn merge(
    kubernetes: Kubernetes,
    settings: Vec<file::IssuerSettings>,
    api_audiences: &[String],
    path: &FieldPath,
    report: &mut Report,
) -> (Vec<Issuer>, Findings) {
    let Kubernetes { authenticators, is_complete, report: mut kubernetes } = kubernetes;
    let mut by_url: BTreeMap<String, Settings> = BTreeMap::new();
    for (index, entry) in settings.into_iter().enumerate() {
        let path = path.index(index);
        let url_path = path.field("url");
        let url = entry.url.clone().unwrap_or_default();
        let authenticator = authenticators.iter().find(|authenticator| authenticator.url == url && !url.is_empty());
        let settings = Settings::read(entry, authenticator, &path, report);
        if url.is_empty() {
            report.missing(&url_path, "name the issuer by its URL");
        } else if authenticator.is_none() && is_complete {
            let message = format!("{url:?} is not an issuer of the AuthenticationConfiguration");
            report.error("unknown_issuer", &url_path, message, "write it exactly as in jwt[].issuer.url, or remove it");
        } else if by_url.insert(url, settings).is_some() {
            report.error("duplicate", &url_path, "an earlier entry has the same issuer", "put them together");
        }
    }

    let acknowledged: HashSet<String> = by_url.keys().cloned().collect();
    overlaps::check_similar_urls(&authenticators, &acknowledged, &mut kubernetes);
    overlaps::check_shared_names(&authenticators, &mut kubernetes);
    check_not_the_cluster(&authenticators, api_audiences, &mut kubernetes);
    let issuers = authenticators
        .into_iter()
        .map(|authenticator| {
            let settings = by_url.remove(&authenticator.url).unwrap_or_default();
            overlaps::check_prefixes(&authenticator, &settings.reserved, &mut kubernetes);
            explain_egress(&authenticator, &settings, &mut kubernetes);
            Issuer {
                url: authenticator.url,
                discovery_url: authenticator.discovery_url,
                certificate_authority: authenticator.certificate_authority,
                proxy: settings.proxy,
                audiences: authenticator.audiences,
                signing_algorithms: settings.signing_algorithms,
                clock_skew: settings.clock_skew,
                token_profile: settings.token_profile,
                keys: settings.keys,
                distributed_claims: settings.distributed_claims,
                mapping: Mapping {
                    reserved: settings.reserved,
                    require_verified_email: settings.require_verified_email,
                    ..authenticator.mapping
                },
            }
        })
        .collect();
    (issuers, kubernetes.into_findings())
}

/// One entry of `issuers`, read.
struct Settings {
    signing_algorithms: Option<Vec<String>>,
    clock_skew: Duration,
    reserved: Reserved,
    require_verified_email: bool,
    token_profile: TokenProfile,
    keys: Keys,
    proxy: Option<String>,
    distributed_claims: DistributedClaims,
}

impl Default for Settings {
    /// What holds for an issuer without an entry.
    fn default() -> Self {
        Self {
            signing_algorithms: None,
            clock_skew: Duration::ZERO,
            reserved: Reserved::Reject,
            require_verified_email: false,
            token_profile: TokenProfile::Any,
            keys: Keys { refresh_interval: DEFAULT_REFRESH_INTERVAL, max_staleness: DEFAULT_MAX_STALENESS },
            proxy: None,
            distributed_claims: DistributedClaims::default(),
        }
    }
}

impl Settings {
    fn read(
        entry: file::IssuerSettings,
        authenticator: Option<&Authenticator>,
        path: &FieldPath,
        report: &mut Report,
    ) -> Self {
        let default = Self::default();
        let require_verified_email = entry.require_verified_email.unwrap_or(default.require_verified_email);
        let username = authenticator.map(|authenticator| &authenticator.mapping.username);
        let is_address =
            username.and_then(Source::as_claim).is_some_and(|claim| matches!(claim.name.as_str(), "" | "email"));
        if require_verified_email && username.is_some() && !is_address {
            let message = "has no effect: this issuer's user names do not come from the claim `email`";
            report.warning("no_effect", &path.field("requireVerifiedEmail"), message, "remove it");
        }
        let skew = Duration::ZERO..=MAX_CLOCK_SKEW;
        let identities = path.field("reservedIdentities");
        Self {
            signing_algorithms: algorithms(entry.signing_algorithms, &path.field("signingAlgorithms"), report),
            clock_skew: values::duration(entry.clock_skew, default.clock_skew, skew, &path.field("clockSkew"), report),
            reserved: reserved_identities(entry.reserved_identities, &identities, report),
            require_verified_email,
            token_profile: values::choice(
                entry.token_profile,
                default.token_profile,
                &PROFILES,
                &path.field("tokenProfile"),
                report,
            ),
            keys: keys(entry.keys.unwrap_or_default(), &default.keys, &path.field("keys"), report),
            proxy: entry.proxy.and_then(|address| proxy(address, &path.field("proxy"), report)),
            distributed_claims: distributed_claims::read(
                entry.distributed_claims.unwrap_or_default(),
                authenticator,
                &path.field("distributedClaims"),
                report,
            ),
        }
    }
}

/// The API server refuses to have its own service-account issuers configured as others' issuers. It calls itself by their
/// names unless it is told otherwise, so those are known here.
fn check_not_the_cluster(authenticators: &[Authenticator], api_audiences: &[String], report: &mut Report) {
    for Authenticator { url, path, .. } in authenticators.iter().filter(|entry| api_audiences.contains(&entry.url)) {
        let message = format!("{url:?} is the API server itself (server.apiAudiences), which judges its own tokens");
        let remedy = "remove it; if it is another cluster's, leave it out of server.apiAudiences";
        report.error("disallowed_issuer", &path.field("issuer").field("url"), message, remedy);
    }
}

/// The API server reaches issuers by its egress selector; here that is the issuer's proxy.
fn explain_egress(authenticator: &Authenticator, settings: &Settings, report: &mut Report) {
    if authenticator.has_egress && settings.proxy.is_none() {
        let message =
            "has no effect: countersign makes its own connections, through a proxy if the environment names one";
        let remedy = "set issuers[].proxy if the issuer can only be reached through one; or remove it";
        let path = authenticator.path.field("issuer").field("egressSelectorType");
        report.warning("egress_ignored", &path, message, remedy);
    }
}

/// The address of an HTTP proxy: nothing but a scheme, a host and a port.
fn proxy(address: String, path: &FieldPath, report: &mut Report) -> Option<String> {
    let remedy = "write http://host:port";
    let url = Url::parse(&address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let problem = match &url {
        None => "is not the address of an HTTP proxy",
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            "must not have a user name or password: configuration files are read by many"
        }
        Some(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => {
            "must be a host and a port, and nothing after them"
        }
        Some(_) => return Some(address),
    };
    report.error("invalid_url", path, problem, remedy);
    None
}

fn algorithms(names: Option<Vec<String>>, path: &FieldPath, report: &mut Report) -> Option<Vec<String>> {
    let names = names?;
    if names.is_empty() {
        let message = "is an empty list, with which no token could be good";
        report.error("empty_list", path, message, "name the algorithms, or remove the field for the default");
    }
    let mut chosen: Vec<String> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = path.index(index);
        let Some((_, algorithm)) = ALGORITHMS.iter().find(|(known, _)| known == name) else {
            let remedy = if name.starts_with("HS") || name.eq_ignore_ascii_case("none") {
                "remove it: tokens must be signed with a key that only the issuer has".to_owned()
            } else {
                format!("choose from {}", ALGORITHMS.map(|(known, _)| known).join(", "))
            };
            report.error("unknown_algorithm", &path, format!("{name:?} is not an algorithm for tokens here"), remedy);
            continue;
        };
        if chosen.iter().any(|earlier| earlier == algorithm) {
            report.error("duplicate", &path, format!("{name:?} is in the list already"), "keep one of them");
            continue;
        }
        chosen.push((*algorithm).to_owned());
    }
    Some(chosen)
}

fn reserved_identities(value: Option<WordOrNames>, path: &FieldPath, report: &mut Report) -> Reserved {
    let names = match value {
        None => return Reserved::Reject,
        Some(WordOrNames::Word(word)) => {
            if word != "reject" {
                let remedy = "write reject, or a list of the exact names that are let through";
                report.error("invalid", path, format!("{word:?} is not one of its values"), remedy);
            }
            return Reserved::Reject;
        }
        Some(WordOrNames::Names(names)) => names,
    };
    values::distinct_names(&names, path, report);
    for (index, name) in names.iter().enumerate().filter(|(_, name)| !name.is_empty()) {
        let path = path.index(index);
        if !name.starts_with("system:") {
            let message = format!("{name:?} is not a reserved name; only names that start with system: are");
            report.error("invalid", &path, message, "write the exact name of a user or group, without patterns");
        } else if name == "system:masters" {
            let message = "whoever this issuer puts into system:masters may do everything, past all authorization";
            report.warning("unlimited_rights", &path, message, "bind cluster-admin to a group of your own instead");
        }
    }
    Reserved::Allow(names)
}

fn keys(section: file::Keys, default: &Keys, path: &FieldPath, report: &mut Report) -> Keys {
    let staleness_path = path.field("maxStaleness");
    let says_staleness = section.max_staleness.is_some();
    let interval = Duration::from_secs(1)..=MAX_REFRESH_INTERVAL;
    let refresh_interval = values::duration(
        section.refresh_interval,
        default.refresh_interval,
        interval,
        &path.field("refreshInterval"),
        report,
    );
    let staleness = Duration::from_secs(1)..=LONGEST_STALENESS;
    let max_staleness =
        values::duration(section.max_staleness, default.max_staleness, staleness, &staleness_path, report);
    if says_staleness && max_staleness < refresh_interval {
        let message = "is shorter than keys.refreshInterval, so keys would go stale between two refreshes";
        report.error("out_of_range", &staleness_path, message, "make it several times as long");
    }
    Keys { refresh_interval, max_staleness }
}
