//! What the API refuses: the CRD's schema with strict decoding, and the admission plugin's names.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::objects::Object;
use super::report::Report;
use super::secret::decode;
use crate::findings::FieldPath;

/// A part of the schema: the fields of an object, or what a value must be.
enum Schema {
    Any,
    Flag,
    List(&'static Self),
    Object {
        required: &'static [&'static str],
        fields: &'static [(&'static str, Self)],
    },
    String,
    /// Any fields, each of them text.
    Texts,
}

const REFERENCE: Schema = Schema::Object { required: &["name"], fields: &[("name", Schema::String)] };

const AUTHENTICATION: Schema = Schema::Object {
    required: &["spec"],
    fields: &[
        ("apiVersion", Schema::String),
        ("kind", Schema::String),
        ("metadata", Schema::Any),
        (
            "spec",
            Schema::Object {
                required: &[],
                fields: &[
                    ("type", Schema::String),
                    ("oauthMetadata", REFERENCE),
                    ("serviceAccountIssuer", Schema::String),
                    (
                        "webhookTokenAuthenticator",
                        Schema::Object { required: &["kubeConfig"], fields: &[("kubeConfig", REFERENCE)] },
                    ),
                    (
                        "webhookTokenAuthenticators",
                        Schema::List(&Schema::Object { required: &[], fields: &[("kubeConfig", REFERENCE)] }),
                    ),
                    // Their schema depends on feature gates; what matters of them is in `oidc`.
                    ("oidcProviders", Schema::List(&Schema::Any)),
                ],
            },
        ),
        (
            "status",
            Schema::Object {
                required: &[],
                fields: &[("integratedOAuthMetadata", REFERENCE), ("oidcClients", Schema::List(&Schema::Any))],
            },
        ),
    ],
};

const SECRET: Schema = Schema::Object {
    required: &["metadata"],
    fields: &[
        ("apiVersion", Schema::String),
        ("kind", Schema::String),
        ("metadata", METADATA),
        ("data", Schema::Texts),
        ("stringData", Schema::Texts),
        ("type", Schema::String),
        ("immutable", Schema::Flag),
    ],
};

const CONFIG_MAP: Schema = Schema::Object {
    required: &["metadata"],
    fields: &[
        ("apiVersion", Schema::String),
        ("kind", Schema::String),
        ("metadata", METADATA),
        ("data", Schema::Texts),
        ("binaryData", Schema::Texts),
        ("immutable", Schema::Flag),
    ],
};

/// What people write of it; what a server adds is not theirs to get wrong.
const METADATA: Schema = Schema::Object {
    required: &["name"],
    fields: &[
        ("name", Schema::String),
        ("namespace", Schema::String),
        ("labels", Schema::Texts),
        ("annotations", Schema::Texts),
        ("creationTimestamp", Schema::Any),
        ("deletionGracePeriodSeconds", Schema::Any),
        ("deletionTimestamp", Schema::Any),
        ("finalizers", Schema::Any),
        ("generateName", Schema::String),
        ("generation", Schema::Any),
        ("managedFields", Schema::Any),
        ("ownerReferences", Schema::Any),
        ("resourceVersion", Schema::String),
        ("selfLink", Schema::String),
        ("uid", Schema::String),
    ],
};

/// The keys that the API demands of a secret of some types.
const SECRET_TYPES: [(&str, &[&str]); 4] = [
    ("kubernetes.io/dockercfg", &[".dockercfg"]),
    ("kubernetes.io/dockerconfigjson", &[".dockerconfigjson"]),
    ("kubernetes.io/ssh-auth", &["ssh-privatekey"]),
    ("kubernetes.io/tls", &["tls.crt", "tls.key"]),
];

const TYPES: [&str; 4] = ["", "None", "IntegratedOAuth", "OIDC"];

pub(super) fn check(authentication: &Object, report: &mut Report) {
    fit(authentication.value(), &AUTHENTICATION, &FieldPath::root(), report);
    if let Some(kind) = authentication.at("/spec/type").as_str()
        && !TYPES.contains(&kind)
    {
        let known = TYPES.iter().find(|known| known.eq_ignore_ascii_case(kind) && !kind.is_empty());
        let remedy = known.map_or_else(
            || "write None to use a webhook of your own, or IntegratedOAuth".to_owned(),
            |known| format!("write {known}, in exactly this spelling"),
        );
        let message = format!(
            "the API refuses the type {kind:?}; it takes \"\", None, IntegratedOAuth and, where it is enabled, OIDC"
        );
        report.error("type_unsupported", "spec.type", message, remedy);
    }
    for (path, pointer) in [
        ("spec.oauthMetadata.name", "/spec/oauthMetadata/name"),
        ("spec.webhookTokenAuthenticator.kubeConfig.name", "/spec/webhookTokenAuthenticator/kubeConfig/name"),
        ("status.integratedOAuthMetadata.name", "/status/integratedOAuthMetadata/name"),
    ] {
        name(authentication.text(pointer), path, report);
    }
}

/// A secret as the API takes it; `place` is what its fields' paths begin with.
pub(super) fn check_secret(secret: &Object, place: &str, report: &mut Report) {
    check_plain(secret, &SECRET, place, report);
    for (key, value) in secret.at("/data").as_object().into_iter().flatten() {
        if value.as_str().is_some_and(|text| decode(text).is_none()) {
            let message = "the API refuses the secret because this is not base64";
            let remedy = "encode the file with base64 -w0, or use stringData";
            report.error("secret_not_base64", format!("{place}data.{key}"), message, remedy);
        }
    }
    let kind = secret.text("/type");
    let demanded = SECRET_TYPES.iter().find(|(known, _)| *known == kind).map_or(&[][..], |(_, keys)| *keys);
    let has = |key: &str| ["/data", "/stringData"].into_iter().any(|field| secret.at(field).get(key).is_some());
    let missing: Vec<&str> = demanded.iter().copied().filter(|key| !has(key)).collect();
    if !missing.is_empty() {
        let message = format!("the API refuses the secret because its type demands {}", missing.join(" and "));
        report.error("secret_type", format!("{place}type"), message, "leave the type out, or write Opaque");
    }
}

/// A config map as the API takes it.
pub(super) fn check_config_map(config_map: &Object, place: &str, report: &mut Report) {
    check_plain(config_map, &CONFIG_MAP, place, report);
}

fn check_plain(object: &Object, schema: &Schema, place: &str, report: &mut Report) {
    let mut own = Report::default();
    fit(object.value(), schema, &FieldPath::root(), &mut own);
    name(object.name(), "metadata.name", &mut own);
    report.adopt(own, place);
}

fn name(name: &str, path: &str, report: &mut Report) {
    if !name.is_empty() && !is_name(name) {
        let message = format!("the API refuses {name:?} because it is not a name that an object can have");
        report.error("name_invalid", path, message, "use lower-case letters, digits, `-` and `.`, at most 253 in all");
    }
}

fn fit(value: &Value, schema: &Schema, path: &FieldPath, report: &mut Report) {
    match (schema, value) {
        // An absent field and a null one are the same to the API server.
        (Schema::Any, _) | (_, Value::Null) | (Schema::Flag, Value::Bool(_)) | (Schema::String, Value::String(_)) => {}
        (Schema::Texts, Value::Object(map)) => {
            for (name, value) in map {
                fit(value, &Schema::String, &path.field(name), report);
            }
        }
        (Schema::List(items), Value::Array(values)) => {
            for (index, value) in values.iter().enumerate() {
                fit(value, items, &path.index(index), report);
            }
        }
        (Schema::Object { required, fields }, Value::Object(map)) => fit_fields(map, required, fields, path, report),
        (Schema::String, _) => wrong_type("text", path, report),
        (Schema::List(_), _) => wrong_type("a list", path, report),
        (Schema::Flag, _) => wrong_type("true or false", path, report),
        (Schema::Object { .. } | Schema::Texts, _) => wrong_type("a mapping of fields", path, report),
    }
}

fn fit_fields(
    map: &Map<String, Value>,
    required: &[&str],
    fields: &[(&str, Schema)],
    path: &FieldPath,
    report: &mut Report,
) {
    for name in required {
        if map.get(*name).is_none_or(Value::is_null) {
            let message = format!("the API refuses the object because {name} is missing here");
            report.error(
                "field_missing",
                path.field(name).to_string(),
                message,
                "add it; to leave the part out, remove all of it",
            );
        }
    }
    for (name, value) in map {
        match fields.iter().find(|(known, _)| known == name) {
            Some((_, schema)) => fit(value, schema, &path.field(name), report),
            None => unknown_field(name, fields, path, report),
        }
    }
}

fn unknown_field(name: &str, fields: &[(&str, Schema)], path: &FieldPath, report: &mut Report) {
    let known: BTreeSet<&str> = fields.iter().map(|(known, _)| *known).collect();
    let known: Vec<&str> = known.into_iter().collect();
    report.error(
        "unknown_field",
        path.field(name).to_string(),
        "there is no such field: strict validation refuses the object, and without it the field is dropped silently",
        format!("check the spelling; here is room for {}", known.join(", ")),
    );
}

fn wrong_type(expected: &str, path: &FieldPath, report: &mut Report) {
    let message = format!("the API refuses the object because this must be {expected}");
    report.error(
        "wrong_type",
        path.to_string(),
        message,
        "write what is expected; text that looks like a number needs quotes",
    );
}

/// Whether it is a DNS subdomain (RFC 1123), as names of secrets and config maps are.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        is_edge(label.bytes().next())
            && is_edge(label.bytes().next_back())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
