//! Our answers, in process: the same configuration, judgement and mapping that the service uses, without its network.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use countersign::app;
use countersign::cel::Fault;
use countersign::clock::UnixTime;
use countersign::config::Config;
use countersign::findings::Severity;
use countersign::jose::{KeySet, Unparsable, UnverifiedToken};
use countersign::mapping::{Effort, Mapping, Source, Unmapped};
use countersign::providers::oidc::{NoTrail, Policy, Refusal, distributed, issuer_claim_matches, judge};
use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::oracle::User;
use crate::tokens::NOW;

const MAIN: &str = "
apiVersion: countersign.dev/v1alpha1
kind: CountersignConfiguration
server:
  address: 127.0.0.1:0
  tls: {certificateFile: tls.crt, privateKeyFile: tls.key}
  callers: {anonymous: true}
authenticationConfigurationFile: authentication.yaml
";

/// A folder that configurations are loaded from.
pub(crate) struct Folder(TempDir);

/// An error of a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) path: String,
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

/// What became of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted(User),
    /// Not a signed token, or of an unknown issuer.
    Declined(&'static str),
    /// Because an expression failed.
    Failed(Fault),
    /// With the code of the reason.
    Refused(&'static str),
    Undecided(&'static str),
}

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["countersign.example".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2026, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2028, 1, 1);
        folder.write("tls.crt", &parameters.self_signed(&key).unwrap().pem());
        folder.write("tls.key", &key.serialize_pem());
        folder.write("countersign.yaml", MAIN);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        use std::os::unix::fs::PermissionsExt;
        fs::write(self.path(name), content).unwrap();
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// The configuration, if it is taken, and all errors.
    pub(crate) fn load(&self, document: &str) -> (Option<Config>, Vec<Finding>) {
        fs::write(self.path("authentication.yaml"), document).unwrap();
        let loaded = Config::load(&self.path("countersign.yaml"), now());
        let errors = loaded.findings.iter().filter(|finding| finding.severity == Severity::Error);
        let errors = errors.map(|finding| Finding {
            path: finding.path.clone(),
            code: finding.code,
            message: finding.message.clone(),
        });
        (loaded.config, errors.collect())
    }
}

/// The issuers of a configuration, ready to judge.
pub(crate) struct Issuers(Vec<(Policy, Mapping, Option<KeySet>)>);

impl Issuers {
    pub(crate) fn new(config: &Config, key_sets: &BTreeMap<String, String>) -> Self {
        let issuers = config.issuers.iter().map(|issuer| {
            let keys = key_sets.get(&issuer.url).map_or("{\"keys\":[]}", String::as_str);
            (app::policy(issuer), issuer.mapping.clone(), KeySet::parse(keys.as_bytes()).ok())
        });
        Self(issuers.collect())
    }

    pub(crate) fn judge(&self, token: &str) -> Outcome {
        let token = match UnverifiedToken::parse(token) {
            Ok(token) => token,
            Err(Unparsable::Opaque) => return Outcome::Declined("opaque"),
            Err(Unparsable::Refused(reason)) => return Outcome::Refused(reason.code()),
        };
        let claim = token.unverified_issuer().unwrap_or_default().to_owned();
        let Some((policy, mapping, keys)) =
            self.0.iter().find(|(policy, ..)| issuer_claim_matches(&policy.issuer, &claim))
        else {
            return Outcome::Declined("unknown_issuer");
        };
        let Some(keys) = keys else { return Outcome::Undecided("keys_unavailable") };
        let claims = match judge(token, keys, policy, now(), &mut NoTrail) {
            Ok(claims) => claims,
            Err(Refusal::KeyNotInSet(_)) => return Outcome::Refused("unknown_key"),
            Err(Refusal::Reject(reason)) => return Outcome::Refused(reason.code()),
            Err(Refusal::Undecided(cause)) => return Outcome::Undecided(cause.code()),
        };
        // Nothing is fetched here: no token names an endpoint.
        let groups = mapping.groups.as_ref().and_then(Source::as_claim);
        if let Some(Err(reason)) = groups.map(|groups| distributed::source(claims.all(), &groups.name)) {
            return Outcome::Refused(reason.code());
        }
        let result = mapping.user(&claims, Effort::Full);
        // Whether the service tries briefly first makes no difference to what it says in the end.
        let brief = mapping.user(&claims, Effort::brief());
        assert!(brief == Err(Unmapped::TakesLonger) || brief == result, "{brief:?} briefly, {result:?} in full");
        match result {
            Ok(user) => Outcome::Accepted(User {
                username: user.username,
                uid: user.uid,
                groups: user.groups,
                extra: user.extra,
            }),
            Err(Unmapped::Refused(_, Some(failure))) => Outcome::Failed(failure.fault),
            Err(Unmapped::Refused(reason, None)) => Outcome::Refused(reason.code()),
            Err(Unmapped::TakesLonger) => panic!("the full effort is not enough"),
        }
    }
}

fn now() -> UnixTime {
    UnixTime::from_seconds(u64::try_from(NOW).unwrap())
}
