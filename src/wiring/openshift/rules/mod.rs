//! What is checked, in the order in which a person would look: the platform, the `Authentication`, what it refers to, what
//! the operators say.
//!
//! Each rule reports under a code of [`codes`]. Severity: an error means that the webhook is not honored, that the API
//! refuses the object, that a kube-apiserver would not start, or that tokens are open to others.

mod authentication;
pub mod codes;
mod issuer;
mod kubeconfig;
mod material;
mod metadata;
mod oidc;
mod operators;
mod platform;
mod report;
mod schema;
mod secret;
mod served;
mod server;

use serde_json::Value;

use self::report::Report;
use super::AUTHENTICATION;
use super::objects::{Kind, Object, Objects, Other};
use crate::clock::UnixTime;
use crate::findings::{Finding, Findings, Severity};

pub use self::operators::{degraded, failure, has_rolled_out_since, unrest};
pub use self::schema::is_name;
pub use self::secret::kubeconfig_text;
pub use self::served::Served;

/// What is not in any object.
#[derive(Clone, Debug, Default)]
pub struct Circumstances {
    /// The time that certificates are held against.
    pub now: UnixTime,
    /// What the API server answers at the metadata's well-known address, if it was asked.
    pub served: Option<Served>,
}

/// Judges objects.
#[must_use]
pub fn check(objects: &Objects, circumstances: &Circumstances) -> Findings {
    let mut report = Report::default();
    platform::check(objects, &mut report);
    names(objects, &mut report);
    if let Some(object) = objects.authentication() {
        schema::check(object, &mut report);
        let authentication = Authentication::of(object);
        authentication::check(&authentication, &mut report);
        oidc::check(&authentication, &mut report);
        issuer::check(&authentication, objects, circumstances.now, &mut report);
        if let Some(name) = authentication.webhook_in_question() {
            secret::check_reference(name, objects, circumstances.now, &mut report);
        }
        metadata::check(&authentication, objects, &mut report);
        if let Some(served) = &circumstances.served {
            served::check(&authentication, objects, served, &mut report);
        }
        operators::check(Some(&authentication), objects, &mut report);
    } else {
        without_authentication(objects, circumstances.now, &mut report);
        operators::check(None, objects, &mut report);
    }
    report.into_findings()
}

/// What operators say of a cluster as it is, for somebody who is about to change it: none of it is an error of the change.
#[must_use]
pub fn before_a_change(objects: &Objects) -> Findings {
    let mut report = Report::default();
    operators::check(None, objects, &mut report);
    report
        .into_findings()
        .iter()
        .map(|finding| Finding { severity: finding.severity.max(Severity::Warning), ..finding.clone() })
        .fold(Findings::new(), |mut findings, finding| {
            findings.push(finding);
            findings
        })
}

/// Says that something in a cluster could not be read, so that nothing can be said about it.
#[must_use]
pub fn not_readable(path: &str, why: &str) -> Finding {
    Finding {
        code: "not_readable",
        severity: Severity::Warning,
        path: path.to_owned(),
        message: format!("it was not looked at because it cannot be read: {why}"),
        remedy: "ask for the right to get it; the page on OpenShift has the whole list".to_owned(),
    }
}

/// There is something to be said about each part also without the whole.
fn without_authentication(objects: &Objects, now: UnixTime, report: &mut Report) {
    if objects.is_complete {
        report.error(
            "authentication_missing",
            "metadata.name",
            "no webhook is honored in this way because there is no Authentication named cluster: this is no OpenShift cluster",
            "give an OpenShift cluster's kubeconfig; elsewhere use countersign render PLATFORM",
        );
    } else {
        report.info("authentication_not_given", "", "there is no Authentication among the documents", "");
    }
    for secret in objects.of(Kind::Secret).filter(|secret| secret::looks_like_a_webhook(secret)) {
        secret::check(secret, now, report);
    }
    for config_map in objects.of(Kind::ConfigMap).filter(|config_map| metadata::looks_like_metadata(config_map)) {
        metadata::check_config_map(config_map, report);
    }
}

fn names(objects: &Objects, report: &mut Report) {
    for other in objects.of(Kind::Authentication).filter(|object| object.name() != AUTHENTICATION) {
        report.error(
            "authentication_name",
            "metadata.name",
            format!(
                "the Authentication {:?} is not honored because operators look at the one named cluster alone",
                other.name()
            ),
            "name it cluster; any other name is refused when it is created",
        );
    }
    if objects.of(Kind::Authentication).filter(|object| object.name() == AUTHENTICATION).count() > 1 {
        report.error(
            "authentication_duplicate",
            "metadata.name",
            "the Authentication cluster is there more than once, and only the first was looked at",
            "keep one of them",
        );
    }
    for (kind, code) in [(Kind::Secret, "secret_duplicate"), (Kind::ConfigMap, "metadata_duplicate")] {
        let mut seen = Vec::new();
        for object in objects.of(kind) {
            let place = (object.namespace(), object.name());
            if seen.contains(&place) {
                let path = format!("{}/{}:metadata.name", kind.name().to_lowercase(), object.name());
                let message = "it is there more than once: the first was looked at, and applying leaves the last";
                report.error(code, path, message, "keep one of them");
            }
            seen.push(place);
        }
    }
    for other in &objects.others {
        strange(other, report);
    }
}

/// An object that is none of those that are looked at, and perhaps was meant to be one.
fn strange(other: &Other, report: &mut Report) {
    let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.name().eq_ignore_ascii_case(&other.kind)) else { return };
    let group = |version: &str| version.rsplit_once('/').map_or("", |(group, _)| group).to_owned();
    let is_same_group = group(&other.api_version) == group(kind.api_version());
    if is_same_group || other.api_version.is_empty() {
        let (name, version) = (kind.name(), kind.api_version());
        let (path, remedy) = if other.kind == name {
            ("apiVersion", format!("write {version}"))
        } else {
            ("kind", format!("write {name}, in exactly this spelling, of {version}"))
        };
        let message = format!("{other} was not looked at because the API has no such kind and refuses it");
        report.error("kind_unknown", path, message, remedy);
    } else if kind == Kind::Authentication {
        report.warning(
            "other_authentication",
            "apiVersion",
            format!("{other} was not looked at because it is another API's"),
            "the one that refers to a webhook is of config.openshift.io/v1",
        );
    }
}

/// The type of an `Authentication`, as operators read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Integrated,
    None,
    Oidc,
    Unknown,
}

/// What the rules ask of an `Authentication`.
struct Authentication<'a> {
    object: &'a Object,
    kind: Type,
}

impl<'a> Authentication<'a> {
    fn of(object: &'a Object) -> Self {
        let kind = match object.at("/spec/type") {
            Value::Null => Type::Integrated,
            value => match value.as_str() {
                Some("" | "IntegratedOAuth") => Type::Integrated,
                Some("None") => Type::None,
                Some("OIDC") => Type::Oidc,
                _ => Type::Unknown,
            },
        };
        Self { object, kind }
    }

    /// The webhook's secret; empty when none is named, which is what an empty name means to operators, too.
    fn webhook(&self) -> &'a str {
        self.object.text("/spec/webhookTokenAuthenticator/kubeConfig/name")
    }

    /// The secret that is worth looking at: one that people made.
    fn webhook_in_question(&self) -> Option<&'a str> {
        Some(self.webhook()).filter(|name| !name.is_empty() && *name != super::INTEGRATED_SECRET)
    }

    fn metadata(&self) -> &'a str {
        self.object.text("/spec/oauthMetadata/name")
    }
}

#[cfg(test)]
mod tests;
