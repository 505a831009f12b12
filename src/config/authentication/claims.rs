//! `jwt[].claimValidationRules`, `claimMappings` and `userValidationRules`: what a token must say, and who that makes
//! its bearer.

use std::collections::HashSet;
use std::sync::Arc;

use super::{extra, given};
use crate::cel::{self, CompileError, Environment, Program};
use crate::config::file;
use crate::config::report::Report;
use crate::findings::FieldPath;
use crate::mapping::{Claim, Condition, Extra, Mapping, Reserved, Rule, Source};

/// Reads the three sections of the entry at `path`. What our own settings add is set to what holds without them.
pub(super) fn mapping(
    path: &FieldPath,
    mappings: Option<file::ClaimMappings>,
    rules: Option<Vec<file::ClaimValidationRule>>,
    user_rules: Option<Vec<file::UserValidationRule>>,
    report: &mut Report,
) -> Mapping {
    let rules = validation_rules(rules.unwrap_or_default(), &path.field("claimValidationRules"), report);
    let mappings_path = path.field("claimMappings");
    let mappings = mappings.unwrap_or_default();
    let username_path = mappings_path.field("username");
    let username = mappings.username.unwrap_or_default();
    let is_empty = |text: &Option<String>| text.as_deref().is_none_or(str::is_empty);
    if is_empty(&username.claim) && is_empty(&username.expression) {
        report.missing(&username_path, "set claim and prefix, such as claim: sub and prefix: \"idp:\"");
    }
    let username = prefixed_claim(username, &username_path, report);
    let mapping = Mapping {
        groups: mappings.groups.and_then(|groups| prefixed_claim(groups, &mappings_path.field("groups"), report)),
        uid: mappings.uid.and_then(|uid| uid_source(uid, &mappings_path.field("uid"), report)),
        extra: extra_attributes(mappings.extra.unwrap_or_default(), &mappings_path.field("extra"), report),
        user_rules: user_conditions(user_rules.unwrap_or_default(), &path.field("userValidationRules"), report),
        // An absent one was reported.
        username: username.unwrap_or_else(|| Source::claim("", "")),
        rules,
        reserved: Reserved::default(),
        require_verified_email: false,
    };
    check_email(&mapping, &username_path.field("expression"), report);
    mapping
}

fn validation_rules(rules: Vec<file::ClaimValidationRule>, path: &FieldPath, report: &mut Report) -> Vec<Rule> {
    let (mut claims, mut expressions) = (HashSet::new(), HashSet::new());
    let mut kept = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let path = path.index(index);
        match (given(rule.claim), given(rule.expression)) {
            (Some(_), Some(_)) => both(&path, report),
            (None, None) => report.missing(&path, "set claim and requiredValue, or an expression"),
            (Some(claim), None) => {
                if given(rule.message).is_some() {
                    let message = "goes with an expression, not with a claim";
                    report.error("invalid", &path.field("message"), message, "remove it");
                }
                if !claims.insert(claim.clone()) {
                    let message = "an earlier rule has the same claim, and both values cannot be there";
                    report.error("duplicate", &path.field("claim"), message, "keep one of the rules");
                }
                kept.push(Rule::Claim { claim, value: rule.required_value.unwrap_or_default() });
            }
            (None, Some(expression)) => {
                if given(rule.required_value).is_some() {
                    let message = "goes with a claim, not with an expression";
                    report.error("invalid", &path.field("requiredValue"), message, "remove it");
                }
                let path = path.field("expression");
                if !expressions.insert(expression.clone()) {
                    report.error("duplicate", &path, "an earlier rule is the same", "keep one of them");
                }
                let message = rule.message.unwrap_or_default();
                let expression = compiled(cel::compile_rule(&expression, Environment::Claims), &path, report);
                kept.extend(expression.map(|expression| Rule::Expression(Condition { expression, message })));
            }
        }
    }
    kept
}

fn user_conditions(rules: Vec<file::UserValidationRule>, path: &FieldPath, report: &mut Report) -> Vec<Condition> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for (index, rule) in rules.into_iter().enumerate() {
        let path = path.index(index).field("expression");
        let Some(expression) = given(rule.expression) else {
            report.missing(&path, "write an expression or remove the rule");
            continue;
        };
        if !seen.insert(expression.clone()) {
            report.error("duplicate", &path, "an earlier rule is the same", "keep one of them");
        }
        let message = rule.message.unwrap_or_default();
        let expression = compiled(cel::compile_rule(&expression, Environment::User), &path, report);
        kept.extend(expression.map(|expression| Condition { expression, message }));
    }
    kept
}

fn prefixed_claim(mapping: file::PrefixedClaimOrExpression, path: &FieldPath, report: &mut Report) -> Option<Source> {
    let prefix_path = path.field("prefix");
    match (given(mapping.claim), given(mapping.expression), mapping.prefix) {
        (Some(name), None, Some(prefix)) => return Some(Source::Claim(Claim { name, prefix })),
        (Some(_), None, None) => report.missing(&prefix_path, "write a prefix of the issuer's own, or \"\" for none"),
        (Some(_), Some(_), _) => both(path, report),
        (None, Some(expression), prefix) => {
            if prefix.is_some() {
                let message = "goes with a claim; an expression makes the whole name";
                report.error("invalid", &prefix_path, message, "remove it, and put the prefix into the expression");
            }
            return source(&expression, path, report);
        }
        (None, None, Some(_)) if !report.is_incomplete(path) => {
            report.info("prefix_ignored", &prefix_path, "has no effect without a claim");
        }
        (None, None, _) => {}
    }
    None
}

fn uid_source(mapping: file::ClaimOrExpression, path: &FieldPath, report: &mut Report) -> Option<Source> {
    match (given(mapping.claim), given(mapping.expression)) {
        (Some(_), Some(_)) => both(path, report),
        (None, Some(expression)) => return source(&expression, path, report),
        (claim, None) => return claim.map(|claim| Source::claim(&claim, "")),
    }
    None
}

fn source(expression: &str, path: &FieldPath, report: &mut Report) -> Option<Source> {
    compiled(cel::compile(expression, Environment::Claims), &path.field("expression"), report).map(Source::Expression)
}

fn extra_attributes(mappings: Vec<file::ExtraMapping>, path: &FieldPath, report: &mut Report) -> Vec<Extra> {
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for (index, mapping) in mappings.into_iter().enumerate() {
        let path = path.index(index);
        let key_path = path.field("key");
        let key = given(mapping.key);
        match &key {
            None => report.missing(&key_path, "write a key such as example.org/department"),
            Some(key) => {
                extra::check_key(key, &key_path, report);
                if !seen.insert(key.clone()) {
                    report.error("duplicate", &key_path, "an earlier entry has the same key", "keep one of them");
                }
            }
        }
        let path = path.field("valueExpression");
        match given(mapping.value_expression) {
            None => report.missing(&path, "write an expression or remove the entry"),
            Some(expression) => {
                let value = compiled(cel::compile(&expression, Environment::Claims), &path, report);
                kept.extend(key.zip(value).map(|(key, value)| Extra { key, value }));
            }
        }
    }
    kept
}

/// An address as user name must be a verified one: whoever maps `claims.email` has to look at `claims.email_verified`,
/// too, where a false one can refuse the token.
fn check_email(mapping: &Mapping, path: &FieldPath, report: &mut Report) {
    let Source::Expression(username) = &mapping.username else { return };
    let rules = mapping.rules.iter().filter_map(|rule| match rule {
        Rule::Expression(condition) => Some(&condition.expression),
        Rule::Claim { .. } => None,
    });
    let extra = mapping.extra.iter().map(|extra| &extra.value);
    let mut lookers = rules.chain(extra).chain([username]);
    if username.mentions("email") && !lookers.any(|expression| expression.mentions("email_verified")) {
        let message = "uses claims.email, and nothing looks at claims.email_verified";
        let remedy = "add the claimValidationRule claims.?email_verified.orValue(true) == true";
        report.error("email_not_verified", path, message, remedy);
    }
}

fn compiled(result: Result<Program, CompileError>, path: &FieldPath, report: &mut Report) -> Option<Arc<Program>> {
    match result {
        Ok(program) => Some(Arc::new(program)),
        Err(error) => {
            let has_mark = error.problems.iter().any(|problem| problem.at.is_some());
            let remedy = if has_mark { "correct it where the mark is" } else { "write another expression" };
            report.error("invalid_expression", path, error.to_string(), remedy);
            None
        }
    }
}

fn both(path: &FieldPath, report: &mut Report) {
    report.error("mutually_exclusive", path, "claim and expression cannot both be set", "keep one of them");
}
