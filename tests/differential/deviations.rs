//! Where we differ from Kubernetes on purpose: the only place that excuses a disagreement.
//!
//! Every row has a name that `docs/authentication-configuration.md` explains, and is stricter, but for the few that say
//! otherwise.

use countersign::cel::Fault;
use serde_json::Value;

use crate::compare::Question;
use crate::oracle::{self, Load};
use crate::ours::{Finding, Outcome};
use crate::tokens::{self, Form, NOW, Token};
use crate::tree::Tree;

/// An error that only we have: a document that Kubernetes takes is refused.
pub(crate) fn stricter_load(finding: &Finding, text: &str, theirs: &Load) -> Option<&'static str> {
    let says = |part: &str| finding.message.contains(part);
    Some(match finding.code {
        "invalid_url" if says("has no host") || says("cannot exist") => "unusable-url",
        // Kubernetes does not look at the expression of a key that is there twice.
        // Nor for the e-mail rule if there is a prefix, too.
        "email_not_verified" if !theirs.loads => "more-at-once",
        "required" | "invalid_expression" if finding.path.ends_with(".valueExpression") && !theirs.loads => {
            "more-at-once"
        }
        "wrong_type" if says("is nothing") && (text.contains("null") || text.contains('~')) => "null-items",
        "invalid_expression" => return stricter_expression(&finding.message),
        "yaml" if says("unsupported tag") => "yaml-tags",
        "yaml" if says("escape") && text.contains("\\'") => "yaml-escapes",
        "yaml" if says("surrogate") && text.contains("\\ud83d") => "yaml-escapes",
        "yaml" if says("finite") && ["1e400", "+.nan"].iter().any(|word| text.contains(word)) => "yaml-words",
        "yaml" if says("boolean") && text.contains("!!bool yes") => "yaml-words",
        "yaml" if says("merge key not allowed") && text.contains("<<") => "merge-keys",
        "reserved_prefix" => "reserved-prefix",
        "similar_issuers" => "similar-issuers",
        "unusable_prefix" => "unusable-prefix",
        // Kubernetes does not look at the policy when there are no audiences.
        "invalid" if finding.path.ends_with(".audienceMatchPolicy") && !theirs.loads => "more-at-once",
        // Kubernetes reads the first and ignores the others.
        "yaml" if says("Documents {") && text.contains("---") => "one-document",
        // YAML allows no control characters, escaped ones excepted.
        "yaml" if text.contains(|c: char| c.is_control() && c != '\n') => "control-characters",
        _ => return None,
    })
}

/// A token that Kubernetes takes is refused. Each row looks for what it speaks of: a wrong reason excuses nothing.
pub(crate) fn stricter_token(
    ours: &Outcome,
    token: &Token,
    theirs: &oracle::User,
    question: &Question,
) -> Option<&'static str> {
    let code = match ours {
        Outcome::Failed(fault) => return stricter_value(&question.document.text(), fault),
        Outcome::Refused(code) | Outcome::Undecided(code) | Outcome::Declined(code) => code,
        Outcome::Accepted(_) => return None,
    };
    let claims = &token.claims;
    let time = |name: &str| Time::of(claims, name);
    let names =
        || [&theirs.username, &theirs.uid].into_iter().chain(&theirs.groups).chain(theirs.extra.values().flatten());
    let rows = match *code {
        "duplicate_member" if has_other_spelling(claims) => "exact-names",
        "time_invalid" if ["exp", "nbf", "iat"].iter().any(|name| time(name) == Time::Odd) => "strict-times",
        "expired" if matches!(time("exp"), Time::At(at) if at.floor() == NOW as f64) => "expiry-second",
        "not_yet_valid_soon" if matches!(time("nbf"), Time::At(at) if at > NOW as f64) => "not-before",
        "issued_in_future" | "not_yet_valid_soon" if matches!(time("iat"), Time::At(at) if at > NOW as f64) => {
            "issued-in-future"
        }
        "claim_type" | "claim_mismatch"
            if claims.members().iter().any(|(name, value)| is_mistyped(name, value, question)) =>
        {
            "strict-types"
        }
        "malformed" if token.form == Form::Space => "compact-form",
        "malformed" if token.header.members().iter().any(|(name, value)| is_mistyped_header(name, value)) => {
            "strict-types"
        }
        "identity_invalid"
            if theirs.username.is_empty()
                || has_empty_name(question, claims)
                || names().any(|name| is_deceptive(name)) =>
        {
            "names"
        }
        "reserved_identity" if names().any(|name| looks_reserved(name)) => "reserved-names",
        "oversized" if is_large(claims) || is_large(&token.header) => "limits",
        "duplicate_member" if claims.has_duplicates() || token.header.has_duplicates() => "duplicate-members",
        "malformed" if claims.has_number_beyond_floats() || token.header.has_number_beyond_floats() => "number-range",
        "token_profile"
            if ["typ", "cty"].iter().any(|name| token.header.get(name).is_some()) || claims.get("events").is_some() =>
        {
            "foreign-tokens"
        }
        "critical_header" if ["crit", "b64"].iter().any(|name| token.header.get(name).is_some()) => "header-extensions",
        "embedded_key" if ["jwk", "jku", "x5u"].iter().any(|name| token.header.get(name).is_some()) => {
            "header-extensions"
        }
        "encrypted" if ["enc", "zip"].iter().any(|name| token.header.get(name).is_some()) => "header-extensions",
        "key_ambiguous" | "unknown_key" if token.header.get("kid").is_none_or(|kid| kid == &Tree::text("")) => {
            "key-without-name"
        }
        "unknown_key" if question.key_set == tokens::NAMED_TWICE => "key-without-name",
        "keys_unavailable" if question.key_set == tokens::FOR_OTHER_USES => "key-use",
        _ => return None,
    };
    Some(rows)
}

/// What a date is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Time {
    Absent,
    At(f64),
    Odd,
}

impl Time {
    fn of(claims: &Tree, name: &str) -> Self {
        match claims.get(name) {
            None => Self::Absent,
            Some(Tree::Word(word)) => match word.parse::<f64>() {
                Ok(seconds) if seconds.is_sign_positive() && seconds <= 253_402_300_799.0 => Self::At(seconds),
                _ => Self::Odd,
            },
            Some(_) => Self::Odd,
        }
    }
}

/// Go reads members of structs without regard to case.
fn has_other_spelling(claims: &Tree) -> bool {
    let known = ["iss", "sub", "aud", "exp", "nbf", "iat", "nonce", "at_hash", "_claim_names", "_claim_sources"];
    claims.members().iter().any(|(name, _)| known.iter().any(|known| name != known && name.eq_ignore_ascii_case(known)))
}

/// A claim that is read, and holds null where a text should be: that is an empty text to Go. `jti` may be anything.
fn is_mistyped(name: &str, value: &Tree, question: &Question) -> bool {
    let is_mapped =
        || question.document.tree.nodes().iter().any(|node| node.get("claim").and_then(Tree::as_text) == Some(name));
    match name {
        "jti" => !matches!(value, Tree::Text(_)),
        "sub" | "aud" => value == &Tree::null() || value.items().contains(&Tree::null()),
        _ => is_mapped() && (value == &Tree::null() || value.items().contains(&Tree::null())),
    }
}

fn is_mistyped_header(name: &str, value: &Tree) -> bool {
    matches!(name, "kid" | "typ" | "cty" | "alg") && !matches!(value, Tree::Text(_))
}

/// Whether there is nothing behind the user name's prefix.
fn has_empty_name(question: &Question, claims: &Tree) -> bool {
    let usernames =
        question.document.tree.nodes().into_iter().filter_map(|node| node.get("username")?.get("claim")?.as_text());
    usernames.into_iter().any(|claim| claims.get(claim) == Some(&Tree::text("")))
}

fn is_deceptive(name: &str) -> bool {
    let is_seen = |c: char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    name.trim() != name || !name.chars().all(is_seen)
}

fn looks_reserved(name: &str) -> bool {
    name.to_lowercase().starts_with("system:")
}

fn is_large(tree: &Tree) -> bool {
    let is_long = |node: &&Tree| {
        node.items().len() > 500 || node.members().len() > 256 || node.as_text().is_some_and(|text| text.len() > 1000)
    };
    tree.depth() > 32 || tree.json().len() > 12 * 1024 || tree.nodes().iter().any(is_long)
}

/// A token that Kubernetes refuses is taken.
pub(crate) fn laxer_token(error: &str, token: &Token, question: &Question) -> Option<&'static str> {
    let algorithm = token.header.get("alg").and_then(Tree::as_text);
    if algorithm == Some("EdDSA") && error.contains("unsupported algorithm") {
        return Some("eddsa");
    }
    let is_native = |node: &&Tree| {
        let expression = |name| node.get(name).and_then(Tree::as_text);
        let expressions = node.get("groups").and_then(|groups| groups.get("expression")?.as_text());
        expressions
            .into_iter()
            .chain(expression("valueExpression"))
            .any(|text| text.contains(".split(") || text.contains(".findAll("))
    };
    if error.contains("must return a string or a list of strings")
        && question.document.tree.nodes().iter().any(is_native)
    {
        return Some("native-lists");
    }
    if question.key_set == tokens::WITH_UNKNOWN_KIND && error.contains("failed to verify signature") {
        return Some("unknown-keys");
    }
    None
}

/// Whether Kubernetes' own code ends with a panic: a `?` before an item or value that has no type.
pub(crate) fn panics(fault: &str) -> bool {
    fault.contains("panic: runtime error: index out of range [0] with length 0")
}

/// An expression that only Kubernetes compiles.
pub(crate) fn stricter_expression(error: &str) -> Option<&'static str> {
    Some(match error {
        _ if error.contains("unsupported syntax: '`'") => "quoted-names",
        _ if error.contains("objects cannot be made") => "objects",
        _ => return None,
    })
}

/// An evaluation that only ends well with Kubernetes.
pub(crate) fn stricter_value(expression: &str, fault: &Fault) -> Option<&'static str> {
    let has = |part: &str| expression.contains(part);
    Some(match fault {
        Fault::Invalid("a quantity that is too large, or has too many digits") => "quantities",
        Fault::Invalid("claims as a whole cannot be gone over, only what is in them") => "claims-object",
        Fault::Invalid("NaN has no order") => "sorting",
        Fault::Invalid("not a key that a map can have" | "a map has the same key twice") => "map-keys",
        Fault::Overflow if has("timestamp('9999-12-31") => "end-of-time",
        Fault::Overflow if has("quantity(") || has("semver(") => "quantities",
        _ => return None,
    })
}

/// An evaluation that gives another value.
pub(crate) fn other_value(expression: &str, ours: &Value, theirs: &Value) -> Option<&'static str> {
    (expression.contains(".validate(") && differ_in_words(ours, theirs)).then_some("validation-texts")
}

/// The same in another order.
pub(crate) fn reordered(expression: &str) -> Option<&'static str> {
    (expression.contains(".map(") || expression.contains(".transformList(")).then_some("map-order")
}

/// Whether two values are the same but for texts that are empty in neither.
fn differ_in_words(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::String(ours), Value::String(theirs)) => !ours.is_empty() && !theirs.is_empty(),
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| differ_in_words(ours, theirs))
        }
        (Value::Object(ours), Value::Object(theirs)) if ours.get("type") == theirs.get("type") => {
            ours.len() == theirs.len()
                && ours.iter().all(|(name, ours)| theirs.get(name).is_some_and(|theirs| differ_in_words(ours, theirs)))
        }
        (ours, theirs) => ours == theirs,
    }
}
