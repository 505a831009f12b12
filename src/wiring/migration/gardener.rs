//! From Gardener's `OpenIDConnect` objects (authentication.gardener.cloud/v1alpha1), as its webhook authenticator reads
//! them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};
use thiserror::Error;

use super::super::openshift::objects::documents;
use super::{ALGORITHMS, Claim, DEFAULT_ALGORITHM, Issuer, Migration, claim_expression, lifetime_rule, text_literal};

const GROUP: &str = "authentication.gardener.cloud/";
const VERSION: &str = "authentication.gardener.cloud/v1alpha1";
const KIND: &str = "OpenIDConnect";

/// The fields that are carried over or said to be left behind.
const FIELDS: [&str; 13] = [
    "issuerURL",
    "clientID",
    "audiences",
    "usernameClaim",
    "usernamePrefix",
    "groupsClaim",
    "groupsPrefix",
    "supportedSigningAlgs",
    "requiredClaims",
    "extraClaims",
    "caBundle",
    "jwks",
    "maxTokenExpirationSeconds",
];

/// Why an object says no issuer.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{object}: {path}: {problem}")]
pub struct ObjectError {
    /// Its name.
    pub object: String,
    /// Which field.
    pub path: String,
    /// What is wrong.
    pub problem: String,
}

/// Reads texts, each with the name of where it is from: any number of YAML or JSON documents.
///
/// # Errors
/// When a text is not YAML or JSON, and as [`read`].
pub fn read_texts(texts: &[(String, String)]) -> Result<Migration, ObjectError> {
    let mut all = Vec::new();
    for (name, text) in texts {
        let failed = |problem| ObjectError { object: name.clone(), path: "the text".to_owned(), problem };
        all.extend(documents(text).map_err(failed)?);
    }
    read(all)
}

/// Reads objects; lists of them count as well. Objects of other kinds are left behind.
///
/// # Errors
/// When an object lacks something or has something that its own validation would not let pass.
pub fn read(documents: Vec<Value>) -> Result<Migration, ObjectError> {
    let mut migration = Migration::default();
    for object in documents.into_iter().flat_map(items) {
        let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
        let (kind, version) = (text("kind"), text("apiVersion"));
        if kind != KIND || !version.starts_with(GROUP) {
            migration.leave_behind(format!("{kind} ({version}): is no {KIND} of {VERSION}"));
            continue;
        }
        Reader::new(&object).read(&mut migration)?;
    }
    Ok(migration)
}

/// The objects of a list, or the object itself.
fn items(mut document: Value) -> Vec<Value> {
    let is_list = document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    if !is_list {
        return if document.is_null() { Vec::new() } else { vec![document] };
    }
    let version = document.get("apiVersion").cloned().unwrap_or_default();
    let Some(Value::Array(mut items)) = document.get_mut("items").map(Value::take) else { return Vec::new() };
    for fields in items.iter_mut().filter_map(Value::as_object_mut) {
        // The items of a typed list do not repeat what the list says.
        fields.entry("kind").or_insert_with(|| KIND.into());
        fields.entry("apiVersion").or_insert_with(|| version.clone());
    }
    items
}

struct Reader<'o> {
    name: &'o str,
    uid: Option<&'o str>,
    spec: Map<String, Value>,
}

impl<'o> Reader<'o> {
    fn new(object: &'o Value) -> Self {
        let metadata = |field: &str| object.get("metadata").and_then(|metadata| metadata.get(field)?.as_str());
        let spec = object.get("spec").and_then(Value::as_object).cloned().unwrap_or_default();
        Self { name: metadata("name").unwrap_or_default(), uid: metadata("uid"), spec }
    }

    fn read(&self, migration: &mut Migration) -> Result<(), ObjectError> {
        if self.name.is_empty() {
            return Err(self.error("metadata.name", "is missing; names get it as their prefix"));
        }
        let url = self.text("issuerURL")?.ok_or_else(|| self.error("spec.issuerURL", "is missing"))?;
        if let Some(other) = migration.issuers.iter().find(|issuer| issuer.url == url) {
            let line = format!(
                "{}: is left out: there is an object for the same issuer ({}), and an issuer can be configured once only",
                self.name, other.url
            );
            migration.leave_behind(line);
            return Ok(());
        }
        for field in self.spec.keys().filter(|field| !FIELDS.contains(&field.as_str())) {
            migration.leave_behind(format!("{}: spec.{field}: is not known here", self.name));
        }
        self.leave_keys(migration);
        let groups = Claim {
            name: self.text("groupsClaim")?.unwrap_or_else(|| "groups".to_owned()),
            prefix: self.prefix("groupsPrefix")?,
        };
        if groups.prefix.is_empty() {
            let line = format!(
                "{}: groups that start with system: are dropped there; here they refuse the token, unless \
                 issuers[].reservedIdentities lets them through",
                self.name
            );
            migration.leave_behind(line);
        }
        let issuer = Issuer {
            url,
            certificate_authority: self.authority()?,
            audiences: self.audiences()?,
            username: Claim {
                name: self.text("usernameClaim")?.unwrap_or_else(|| "sub".to_owned()),
                prefix: self.prefix("usernamePrefix")?,
            },
            groups: Some(groups),
            required: self.required_claims()?,
            rules: self.lifetime()?.map(lifetime_rule).into_iter().collect(),
            extra: self.extra()?,
            algorithms: self.algorithms()?,
        };
        if self.uid.is_none() {
            let line =
                format!("{}: has no uid here, so the attribute gardener.cloud/authenticator/uid is not set", self.name);
            migration.leave_behind(line);
        }
        migration.issuers.push(issuer);
        Ok(())
    }

    fn leave_keys(&self, migration: &mut Migration) {
        let jwks = |field: &str| self.spec.get("jwks").and_then(|jwks| jwks.get(field));
        if jwks("keys").and_then(Value::as_str).is_some_and(|keys| !keys.is_empty()) {
            let line = format!(
                "{}: spec.jwks.keys: keys are fetched from the issuer instead, by discovery; it has to be reachable",
                self.name
            );
            migration.leave_behind(line);
        }
        if jwks("distributedClaims") == Some(&Value::Bool(true)) {
            let line = format!(
                "{}: spec.jwks.distributedClaims: list the addresses under issuers[].distributedClaims.allowedEndpoints",
                self.name
            );
            migration.leave_behind(line);
        }
    }

    fn audiences(&self) -> Result<Vec<String>, ObjectError> {
        let audiences = self.list("audiences")?;
        match (self.text("clientID")?, audiences.is_empty()) {
            (Some(client), true) => Ok(vec![client]),
            (None, false) => Ok(audiences),
            (Some(_), false) => Err(self.error("spec.clientID", "cannot be there together with audiences")),
            (None, true) => Err(self.error("spec.audiences", "is missing, and so is clientID")),
        }
    }

    /// Without a prefix, and with an empty one, names begin with the object's own.
    fn prefix(&self, field: &str) -> Result<String, ObjectError> {
        Ok(match self.text(field)?.as_deref() {
            None => format!("{}/", self.name),
            Some("-") => String::new(),
            Some(prefix) => prefix.to_owned(),
        })
    }

    fn authority(&self) -> Result<Option<String>, ObjectError> {
        let Some(encoded) = self.text("caBundle")? else { return Ok(None) };
        let compact: String = encoded.split_ascii_whitespace().collect();
        let bytes = BASE64_STANDARD.decode(compact).ok();
        let pem = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        pem.map(Some).ok_or_else(|| self.error("spec.caBundle", "is not the base64 of PEM certificates"))
    }

    fn required_claims(&self) -> Result<Vec<(String, String)>, ObjectError> {
        let wrong = || self.error("spec.requiredClaims", "is not a mapping from claims to values");
        match self.spec.get("requiredClaims") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Object(claims)) => claims
                .iter()
                .map(|(claim, value)| Ok((claim.clone(), value.as_str().ok_or_else(wrong)?.to_owned())))
                .collect(),
            Some(_) => Err(wrong()),
        }
    }

    fn lifetime(&self) -> Result<Option<u64>, ObjectError> {
        let field = "maxTokenExpirationSeconds";
        match self.spec.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .filter(|seconds| *seconds > 0)
                .map(Some)
                .ok_or_else(|| self.error(&format!("spec.{field}"), "is not a positive number of seconds")),
        }
    }

    /// What Gardener's authenticator adds to each user, and the claims that it copies. One that a token lacks refuses the
    /// token there, and so it does here: selecting it is an error.
    fn extra(&self) -> Result<Vec<(String, String)>, ObjectError> {
        let mut extra = vec![("gardener.cloud/authenticator/name".to_owned(), text_literal(self.name))];
        extra.extend(self.uid.map(|uid| ("gardener.cloud/authenticator/uid".to_owned(), text_literal(uid))));
        for claim in self.list("extraClaims")? {
            extra.push((format!("gardener.cloud/user/{}", claim.to_lowercase()), claim_expression(&claim)));
        }
        Ok(extra)
    }

    fn algorithms(&self) -> Result<Vec<String>, ObjectError> {
        let mut chosen: Vec<String> = Vec::new();
        for name in self.list("supportedSigningAlgs")? {
            if !ALGORITHMS.contains(&name.as_str()) {
                let problem = format!("{name:?} is not an algorithm that Gardener takes");
                return Err(self.error("spec.supportedSigningAlgs", &problem));
            }
            if !chosen.contains(&name) {
                chosen.push(name);
            }
        }
        if chosen.is_empty() {
            chosen.push(DEFAULT_ALGORITHM.to_owned());
        }
        Ok(chosen)
    }

    /// A text that is there and not empty.
    fn text(&self, field: &str) -> Result<Option<String>, ObjectError> {
        match self.spec.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone()).filter(|text| !text.is_empty())),
            Some(_) => Err(self.error(&format!("spec.{field}"), "is not a text")),
        }
    }

    fn list(&self, field: &str) -> Result<Vec<String>, ObjectError> {
        let wrong = || self.error(&format!("spec.{field}"), "is not a list of texts");
        match self.spec.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }

    fn error(&self, path: &str, problem: &str) -> ObjectError {
        let object = if self.name.is_empty() { format!("an {KIND}") } else { self.name.to_owned() };
        ObjectError { object, path: path.to_owned(), problem: problem.to_owned() }
    }
}
