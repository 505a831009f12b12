//! Issuers of other authenticators, as Kubernetes' AuthenticationConfiguration and our settings say them.
//!
//! Two parts come of it, because Kubernetes' format has no field for some of what was configured: leaving that out would be
//! laxer than before. What cannot be said at all is named, one line each.

pub mod gardener;
pub mod oidc_flags;

use serde_json::{Map, Value, json};

use crate::config::duration;

/// What was carried over.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Migration {
    issuers: Vec<Issuer>,
    /// What was not, and why; one line each.
    pub left_behind: Vec<String>,
}

/// An issuer to be written down.
#[derive(Clone, Debug, Default, PartialEq)]
struct Issuer {
    url: String,
    certificate_authority: Option<String>,
    audiences: Vec<String>,
    username: Claim,
    groups: Option<Claim>,
    /// Claims and the values that they must have.
    required: Vec<(String, String)>,
    /// Rules by expression, each with its message.
    rules: Vec<(String, String)>,
    /// Attributes and the expressions for their values.
    extra: Vec<(String, String)>,
    algorithms: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Claim {
    name: String,
    prefix: String,
}

/// The algorithms that both know. With none said, both take RS256 alone.
const ALGORITHMS: [&str; 9] = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"];
const DEFAULT_ALGORITHM: &str = "RS256";

impl Migration {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Kubernetes' AuthenticationConfiguration.
    #[must_use]
    pub fn kubernetes(&self) -> Value {
        let jwt: Vec<Value> = self.issuers.iter().map(Issuer::jwt).collect();
        json!({"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration", "jwt": jwt})
    }

    /// What stands under `issuers` in countersign's own file beside it.
    #[must_use]
    pub fn settings(&self) -> Value {
        let settings = |issuer: &Issuer| json!({"url": issuer.url, "signingAlgorithms": issuer.algorithms});
        self.issuers.iter().map(settings).collect()
    }

    /// Both, as they stand in countersign's own file.
    #[must_use]
    pub fn countersign(&self) -> Value {
        json!({"authenticationConfiguration": self.kubernetes(), "issuers": self.settings()})
    }

    fn leave_behind(&mut self, line: String) {
        self.left_behind.push(line);
    }
}

impl Issuer {
    fn jwt(&self) -> Value {
        let mut issuer = object([("url", json!(self.url)), ("audiences", json!(self.audiences))]);
        if self.audiences.len() > 1 {
            issuer.insert("audienceMatchPolicy".to_owned(), json!("MatchAny"));
        }
        if let Some(pem) = &self.certificate_authority {
            issuer.insert("certificateAuthority".to_owned(), json!(pem));
        }
        let claim = |claim: &Claim| json!({"claim": claim.name, "prefix": claim.prefix});
        let mut mappings = object([("username", claim(&self.username))]);
        if let Some(groups) = &self.groups {
            mappings.insert("groups".to_owned(), claim(groups));
        }
        if !self.extra.is_empty() {
            let extra = |(key, value): &(String, String)| json!({"key": key, "valueExpression": value});
            mappings.insert("extra".to_owned(), self.extra.iter().map(extra).collect());
        }
        let mut jwt = object([("issuer", issuer.into()), ("claimMappings", mappings.into())]);
        let required = self.required.iter().map(|(claim, value)| json!({"claim": claim, "requiredValue": value}));
        let rules = self.rules.iter().map(|(rule, message)| json!({"expression": rule, "message": message}));
        let rules: Vec<Value> = required.chain(rules).collect();
        if !rules.is_empty() {
            jwt.insert("claimValidationRules".to_owned(), rules.into());
        }
        jwt.into()
    }
}

fn object<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The rule that a token must not be good for longer than so many seconds.
fn lifetime_rule(seconds: u64) -> (String, String) {
    let span = duration::format(std::time::Duration::from_secs(seconds));
    let rule = format!("claims.iat < claims.exp && claims.exp - claims.iat <= {seconds}.0");
    (rule, format!("the token is good for longer than {span}"))
}

/// An expression for a claim's value.
fn claim_expression(name: &str) -> String {
    let is_identifier = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if is_identifier && !RESERVED_WORDS.contains(&name) {
        format!("claims.{name}")
    } else {
        format!("claims[{}]", text_literal(name))
    }
}

/// Words that CEL keeps for itself, so that they cannot be selected as a field.
const RESERVED_WORDS: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A text as it stands in an expression.
fn text_literal(text: &str) -> String {
    let mut literal = String::from("'");
    for character in text.chars() {
        match character {
            '\'' | '\\' => literal.extend(['\\', character]),
            other if other.is_control() => literal.push_str(&format!("\\U{:08x}", u32::from(other))),
            other => literal.push(other),
        }
    }
    literal.push('\'');
    literal
}

#[cfg(test)]
mod tests;
