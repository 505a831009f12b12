//! One token, step by step, for a person: the same checks by the same code as a review, without the cache.

use super::issuer::Issuer;
use super::router::Router;
use super::{Deadline, Reason, UserInfo, audiences};
use crate::cel::Failure;
use crate::clock::UnixTime;
use crate::jose::{Excerpt, Unparsable, UnverifiedToken};
use crate::mapping::{Condition, Effort, Rule, Source, Unmapped};
use crate::providers::{Explained, ExplainedStep, StepOutcome, Verified};
use crate::token::BearerToken;

/// A token explained: every step up to the one that ended it, and the verdict.
#[derive(Debug)]
pub struct Explanation {
    /// What was checked, in order.
    pub steps: Vec<ExplainedStep>,
    /// What a review would answer.
    pub outcome: StepOutcome,
    /// Who the token speaks for, if it is good.
    pub user: Option<UserInfo>,
    /// The audiences that a review would answer with.
    pub audiences: Vec<String>,
}

/// Walks a token through an issuer of `router`, for the requested audiences.
pub async fn explain(
    router: &Router,
    token: &BearerToken,
    requested: &[String],
    api_audiences: &[String],
    now: UnixTime,
    deadline: Deadline,
) -> Explanation {
    let mut walk = Walk::default();
    match walk.whole(router, token, requested, api_audiences, now, deadline).await {
        Ok((user, audiences)) => {
            Explanation { steps: walk.steps, outcome: StepOutcome::Passed, user: Some(user), audiences }
        }
        Err(outcome) => Explanation { steps: walk.steps, outcome, user: None, audiences: Vec::new() },
    }
}

#[derive(Default)]
struct Walk {
    steps: Vec<ExplainedStep>,
}

impl Walk {
    async fn whole(
        &mut self,
        router: &Router,
        token: &BearerToken,
        requested: &[String],
        api_audiences: &[String],
        now: UnixTime,
        deadline: Deadline,
    ) -> Result<(UserInfo, Vec<String>), StepOutcome> {
        let length = token.expose_secret().len();
        let token = self.step("form", format!("{length} bytes"), parse(token))?;
        let (claimed, issuer) = (token.unverified_issuer().map(str::to_owned), router.route(&token));
        let facts = match &claimed {
            Some(claimed) => format!("iss {}", Excerpt(claimed)),
            None => "iss is missing or not a string".to_owned(),
        };
        let issuer = self.step("route", facts, issuer.ok_or(Reason::UnknownIssuer))?;
        let Explained { steps, verified } = issuer.verifier().explain(token, now, deadline).await;
        self.steps.extend(steps);
        let claims = match verified {
            Verified::Claims(claims, _) => claims,
            Verified::Reject(reason, _) => return Err(StepOutcome::Rejected(reason)),
            Verified::Unavailable(cause) => return Err(StepOutcome::Undecided(cause)),
        };
        let user = self.map(issuer, claims.all())?;
        let facts = format!(
            "requested {requested:?}, the API server's {api_audiences:?}, the token's {:?}",
            claims.audiences()
        );
        let vouched =
            audiences::vouched(requested.to_vec(), api_audiences, claims.audiences()).ok_or(Reason::AudienceNotVouched);
        let vouched = self.step("requested audiences", facts, vouched)?;
        Ok((user, vouched))
    }

    fn map(
        &mut self,
        issuer: &Issuer,
        claims: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<UserInfo, StepOutcome> {
        let (mapping, effort) = (issuer.mapping(), &mut Effort::Full);
        let username = mapping.username(claims, effort);
        let username = self.part("user name", origin(Some(&mapping.username)), username)?;
        let groups = mapping.groups(claims, effort);
        let groups = self.part("groups", origin(mapping.groups.as_ref()), groups)?;
        let uid = mapping.uid(claims, effort);
        let uid = self.part("uid", origin(mapping.uid.as_ref()), uid)?;
        let extra = mapping.extra(claims, effort);
        let sources: String =
            mapping.extra.iter().map(|extra| format!(", {} by {}", extra.key, extra.value.source())).collect();
        let extra = self.part("extra", format!("the credential's id{sources}"), extra)?;
        for rule in &mapping.rules {
            let facts = match rule {
                Rule::Claim { claim, value } => format!("claim {claim:?} must be {value:?}"),
                Rule::Expression(condition) => demand(condition),
            };
            self.part("claim rule", facts, rule.check(claims, effort))?;
        }
        let user = UserInfo { username, uid, groups, extra };
        for rule in &mapping.user_rules {
            self.part("user rule", demand(rule), rule.check_user(&user, effort))?;
        }
        Ok(user)
    }

    /// Writes a part of the mapping down: where it comes from, and what it came to; nothing of what was refused.
    fn part<T: std::fmt::Debug>(
        &mut self,
        name: &'static str,
        origin: String,
        result: Result<T, Unmapped>,
    ) -> Result<T, StepOutcome> {
        match result {
            Ok(value) => {
                let shown = format!("{value:?}");
                let facts = if shown == "()" { origin } else { format!("{origin}: {shown}") };
                self.step(name, facts, Ok(value))
            }
            Err(Unmapped::Refused(reason, None)) => self.step(name, origin, Err(reason)),
            Err(Unmapped::Refused(reason, Some(Failure { fault, place }))) => {
                let result = self.step(name, format!("{origin}: {fault}"), Err(reason));
                if let Some(step) = self.steps.last_mut() {
                    step.place = place;
                }
                result
            }
            // Not with the effort that is made here.
            Err(Unmapped::TakesLonger) => self.step(name, origin, Err(Reason::ExpressionFailed)),
        }
    }

    /// Writes a step down and passes its value on.
    fn step<T>(&mut self, name: &'static str, facts: String, result: Result<T, Reason>) -> Result<T, StepOutcome> {
        let outcome = match &result {
            Ok(_) => StepOutcome::Passed,
            Err(reason) => StepOutcome::Rejected(*reason),
        };
        self.steps.push(ExplainedStep { name, outcome, facts, place: None });
        result.map_err(|_| outcome)
    }
}

fn parse(token: &BearerToken) -> Result<UnverifiedToken<'_>, Reason> {
    UnverifiedToken::parse(token.expose_secret()).map_err(|unparsable| match unparsable {
        Unparsable::Opaque => Reason::Malformed,
        Unparsable::Refused(reason) => reason,
    })
}

fn origin(source: Option<&Source>) -> String {
    match source {
        None => "not mapped".to_owned(),
        Some(Source::Claim(claim)) => format!("from claim {:?} with prefix {:?}", claim.name, claim.prefix),
        Some(Source::Expression(expression)) => format!("by {}", expression.source()),
    }
}

fn demand(condition: &Condition) -> String {
    let message = if condition.message.is_empty() { String::new() } else { format!(" ({})", condition.message) };
    format!("{} must be true{message}", condition.expression.source())
}
