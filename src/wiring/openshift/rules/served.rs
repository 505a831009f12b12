//! The OAuth metadata as the cluster serves it: the only proof that it is in force.

use serde_json::Value;

use super::super::METADATA_KEY;
use super::super::objects::{Kind, Objects};
use super::report::Report;
use super::{Authentication, Type};

/// What the API server answers at `/.well-known/oauth-authorization-server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Served {
    /// The metadata.
    Document(String),
    /// Not for whoever asked.
    Forbidden,
    /// Nothing: 404.
    Nothing,
}

pub(super) fn check(authentication: &Authentication<'_>, objects: &Objects, served: &Served, report: &mut Report) {
    const PATH: &str = "spec.oauthMetadata.name";
    let name = authentication.metadata();
    if authentication.kind != Type::None || name.is_empty() {
        return;
    }
    let expected =
        objects.named(Kind::ConfigMap, name).map(|config_map| config_map.text(&format!("/data/{METADATA_KEY}")));
    let Some(expected) = expected.filter(|text| !text.is_empty()) else { return };
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    match served {
        Served::Document(text) if parsed(text) == parsed(expected) => {
            report.info("metadata_served", PATH, "the cluster serves the config map's metadata", "");
        }
        Served::Document(_) => report.warning(
            "metadata_served_differs",
            PATH,
            "the cluster serves other metadata than the config map has",
            "wait until all nodes have the latest revision; with OpenShift 4.19 to 4.22 take the newest release",
        ),
        Served::Forbidden => report.info(
            "metadata_served_unknown",
            PATH,
            "whether the metadata is served cannot be told: reading /.well-known is forbidden to you",
            "ask for the right to get the nonResourceURL /.well-known/*",
        ),
        Served::Nothing => report.warning(
            "metadata_not_served",
            PATH,
            "the cluster serves no metadata although a config map is named",
            "wait until all nodes have the latest revision; with OpenShift 4.19 to 4.22 take the newest release",
        ),
    }
}
