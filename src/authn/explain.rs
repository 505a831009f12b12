//! One token, step by step, for a person: the same checks by the same code as a review, without the cache.

use super::issuer::Issuer;
use super::router::Router;
use super::{Deadline, Reason, UserInfo, audiences};
use crate::clock::UnixTime;
use crate::jose::{Excerpt, Unparsable, UnverifiedToken};
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
            audiences::vouched(requested, api_audiences, claims.audiences()).ok_or(Reason::AudienceNotVouched);
        let vouched = self.step("requested audiences", facts, vouched)?;
        Ok((user, vouched.into_iter().map(str::to_owned).collect()))
    }

    fn map(
        &mut self,
        issuer: &Issuer,
        claims: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<UserInfo, StepOutcome> {
        let mapping = issuer.mapping();
        let from = |claim: &str, prefix: &str| format!("from claim {claim:?} with prefix {prefix:?}");
        let username = mapping.username(claims);
        let facts = from(&mapping.username.name, &mapping.username.prefix) + &named(&username);
        let username = self.step("user name", facts, username)?;
        let groups = mapping.groups(claims);
        let facts = match &mapping.groups {
            Some(claim) => from(&claim.name, &claim.prefix) + &named(&groups),
            None => "not mapped".to_owned(),
        };
        let groups = self.step("groups", facts, groups)?;
        let uid = mapping.uid(claims);
        let facts = match &mapping.uid {
            Some(claim) => from(claim, "") + &named(&uid),
            None => "not mapped".to_owned(),
        };
        let uid = self.step("uid", facts, uid)?;
        let extra = crate::mapping::Mapping::extra(claims);
        let extra = self.step("extra", format!("the credential's id{}", named(&extra)), extra)?;
        for rule in &mapping.rules {
            let facts = format!("claim {:?} must be {:?}", rule.claim, rule.value);
            self.step("claim rule", facts, rule.check(claims))?;
        }
        Ok(UserInfo { username, uid, groups, extra })
    }

    /// Writes a step down and passes its value on.
    fn step<T>(&mut self, name: &'static str, facts: String, result: Result<T, Reason>) -> Result<T, StepOutcome> {
        let outcome = match &result {
            Ok(_) => StepOutcome::Passed,
            Err(reason) => StepOutcome::Rejected(*reason),
        };
        self.steps.push(ExplainedStep { name, outcome, facts });
        result.map_err(|_| outcome)
    }
}

fn parse(token: &BearerToken) -> Result<UnverifiedToken<'_>, Reason> {
    UnverifiedToken::parse(token.expose_secret()).map_err(|unparsable| match unparsable {
        Unparsable::Opaque => Reason::Malformed,
        Unparsable::Refused(reason) => reason,
    })
}

/// What a part of the mapping came to; nothing of what was refused.
fn named<T: std::fmt::Debug>(result: &Result<T, Reason>) -> String {
    result.as_ref().map_or_else(|_| String::new(), |value| format!(": {value:?}"))
}
