//! What the YAML files look like, field by field, and nothing about what the fields mean.
//!
//! Every field is optional here, and unknown ones are errors: [`yaml`](super::yaml) reports those, and whoever turns
//! a section into its real type reports what is missing. Defaults are stated there too, not here.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct CountersignConfiguration {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) server: Option<Server>,
    pub(super) admin: Option<Admin>,
    pub(super) authentication_configuration_file: Option<String>,
    pub(super) authentication_configuration: Option<AuthenticationConfiguration>,
    pub(super) issuers: Option<Vec<IssuerSettings>>,
    pub(super) introspection: Option<Vec<Value>>,
    pub(super) cache: Option<Cache>,
    pub(super) reload: Option<Reload>,
    pub(super) state_directory: Option<String>,
    pub(super) log: Option<Log>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) address: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) callers: Option<Callers>,
    pub(super) api_audiences: Option<Vec<String>>,
    pub(super) refusal_reasons: Option<bool>,
    pub(super) drain: Option<Drain>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) certificate_file: Option<String>,
    pub(super) private_key_file: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Callers {
    pub(super) client_certificate_authority_file: Option<String>,
    pub(super) allowed_names: Option<Vec<String>>,
    pub(super) bearer_token_files: Option<Vec<String>>,
    pub(super) anonymous: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Drain {
    pub(super) lame_duck: Option<Scalar>,
    pub(super) timeout: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Admin {
    pub(super) address: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct IssuerSettings {
    pub(super) url: Option<String>,
    pub(super) signing_algorithms: Option<Vec<String>>,
    pub(super) clock_skew: Option<Scalar>,
    pub(super) reserved_identities: Option<WordOrNames>,
    pub(super) require_verified_email: Option<bool>,
    pub(super) token_profile: Option<String>,
    pub(super) keys: Option<Keys>,
    pub(super) proxy: Option<String>,
    pub(super) distributed_claims: Option<DistributedClaims>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Keys {
    pub(super) refresh_interval: Option<Scalar>,
    pub(super) max_staleness: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct DistributedClaims {
    pub(super) allowed_endpoints: Option<Vec<String>>,
    pub(super) allowed_issuers: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Cache {
    pub(super) max_size: Option<Scalar>,
    #[serde(rename = "acceptTTL")]
    pub(super) accept_ttl: Option<Scalar>,
    #[serde(rename = "rejectTTL")]
    pub(super) reject_ttl: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Reload {
    pub(super) grace: Option<Scalar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: Option<String>,
    pub(super) level: Option<String>,
}

/// Kubernetes' own file (`apiserver.config.k8s.io`): the three versions have the same fields.
#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AuthenticationConfiguration {
    pub(super) api_version: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) jwt: Option<Vec<JwtAuthenticator>>,
    pub(super) anonymous: Option<Anonymous>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct JwtAuthenticator {
    pub(super) issuer: Option<Issuer>,
    pub(super) claim_validation_rules: Option<Vec<ClaimValidationRule>>,
    pub(super) claim_mappings: Option<ClaimMappings>,
    pub(super) user_validation_rules: Option<Vec<UserValidationRule>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Issuer {
    pub(super) url: Option<String>,
    #[serde(rename = "discoveryURL")]
    pub(super) discovery_url: Option<String>,
    pub(super) certificate_authority: Option<String>,
    pub(super) audiences: Option<Vec<String>>,
    pub(super) audience_match_policy: Option<String>,
    pub(super) egress_selector_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimValidationRule {
    pub(super) claim: Option<String>,
    pub(super) required_value: Option<String>,
    pub(super) expression: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimMappings {
    pub(super) username: Option<PrefixedClaimOrExpression>,
    pub(super) groups: Option<PrefixedClaimOrExpression>,
    pub(super) uid: Option<ClaimOrExpression>,
    pub(super) extra: Option<Vec<ExtraMapping>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct PrefixedClaimOrExpression {
    pub(super) claim: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) expression: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ClaimOrExpression {
    pub(super) claim: Option<String>,
    pub(super) expression: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct ExtraMapping {
    pub(super) key: Option<String>,
    pub(super) value_expression: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct UserValidationRule {
    pub(super) expression: Option<String>,
    pub(super) message: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Anonymous {
    pub(super) enabled: Option<bool>,
    pub(super) conditions: Option<Vec<AnonymousCondition>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(remote = "Self", rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AnonymousCondition {
    /// Meant for the API server alone.
    #[serde(rename = "path")]
    pub(super) _path: Option<String>,
}

/// Makes a type readable from a mapping only. Serde's derived code would also take a list and fill the fields by
/// their order, so that `server: [0.0.0.0:8443]` would pass.
macro_rules! mappings_only {
    ($($name:ident)+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Mapping(PhantomData<$name>);

                impl<'de> Visitor<'de> for Mapping {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a mapping")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$name, A::Error> {
                        // With `remote = "Self"` the derived code is an inherent function of this name.
                        $name::deserialize(MapAccessDeserializer::new(map))
                    }
                }

                deserializer.deserialize_map(Mapping(PhantomData))
            }
        }
    )+};
}

mappings_only! {
    CountersignConfiguration Server Tls Callers Drain Admin IssuerSettings Keys DistributedClaims Cache Reload Log
    AuthenticationConfiguration JwtAuthenticator Issuer ClaimValidationRule ClaimMappings PrefixedClaimOrExpression
    ClaimOrExpression ExtraMapping UserValidationRule Anonymous AnonymousCondition
}

/// A duration or a size, not read yet: text, or a number as YAML sees it.
#[derive(Debug)]
pub(super) struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text such as 30s or 64Mi")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
                Ok(Scalar(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Scalar, E> {
                Ok(Scalar(number.to_string()))
            }
        }

        deserializer.deserialize_any(Text)
    }
}

/// One word, or a list of names.
#[derive(Debug)]
pub(super) enum WordOrNames {
    Word(String),
    Names(Vec<String>),
}

impl<'de> Deserialize<'de> for WordOrNames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = WordOrNames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the word `reject` or a list of names")
            }

            fn visit_str<E>(self, word: &str) -> Result<WordOrNames, E> {
                Ok(WordOrNames::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<WordOrNames, A::Error> {
                let mut list = Vec::new();
                while let Some(name) = names.next_element()? {
                    list.push(name);
                }
                Ok(WordOrNames::Names(list))
            }
        }

        deserializer.deserialize_any(Either)
    }
}
