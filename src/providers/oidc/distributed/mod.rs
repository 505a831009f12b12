//! Groups that are not in the token but at an address that the token names: fetched, verified, and put where they
//! would have been, before anything is mapped.
//!
//! What must hold: only a token that is good already makes us ask; nothing is asked that is not on the issuer's list, and
//! no issuer's keys are fetched that is not on it either; an address that does not answer is a "cannot tell", and what it
//! answers counts only if it is signed, for the same audiences, and in time. The verdict rests on both signers' keys, and
//! ends with the first of both tokens to expire.

mod endpoint;
mod source;

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use tokio::sync::Semaphore;

pub use endpoint::{AllowedEndpoint, Endpoint, EndpointError};
pub use source::{Source, source};

use super::signer::Signer;
use super::{Context, KeySettings, Policy, SetupError, TokenProfile};
use crate::authn::{Cause, Deadline, IssuerName, Reason, Standing, VerifiedClaims};
use crate::clock::Clock;
use crate::events::{ClaimsFetched, Event};
use crate::jose::{Excerpt, Unparsable, UnverifiedToken};
use crate::outbound::{Outbound, OutboundError, Question, chain};
use crate::providers::Verified;

/// How long a review waits for groups from elsewhere. With the wait for keys before it, it stays below what callers
/// wait for an answer.
pub(super) const CLAIM_WAIT: std::time::Duration = std::time::Duration::from_secs(5);

/// The longest answer, in bytes: as many groups as a token may have, with long names, and a certificate or two.
const MAX_BYTES: usize = 128 * 1024;

/// How many such questions an issuer's tokens may have us ask at a time. The others wait, so that a burst of logins does
/// not fall upon a directory all at once.
const AT_ONCE: usize = 32;

/// Which claim may be elsewhere, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The claim that groups are mapped from.
    pub claim: String,
    /// The addresses that may be asked.
    pub endpoints: Vec<AllowedEndpoint>,
    /// Issuers that may sign an answer, besides the token's own. Their keys are fetched as its are.
    pub issuers: Vec<String>,
}

/// Fetches one issuer's distributed claim.
pub(super) struct Distributed {
    settings: Settings,
    outbound: Outbound,
    others: Vec<Signer>,
    turns: Semaphore,
}

/// Why there is no claim.
struct Problem {
    verdict: Stop,
    /// What happened, without anything that the token or the answer says.
    text: String,
}

enum Stop {
    Reject(Reason),
    Undecided(Cause),
}

/// What came of looking for the claim elsewhere.
pub(super) struct Completed {
    /// The judgement, with the claim if it is good.
    pub(super) verified: Verified,
    /// What happened, for people; `None` when the token says nothing of an address.
    pub(super) facts: Option<String>,
}

impl Distributed {
    /// Sets it up, and begins to fetch the other issuers' keys.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    pub(super) fn start(
        settings: Settings,
        own: &Policy,
        keys: &KeySettings,
        context: &Context,
    ) -> Result<Self, SetupError> {
        let outbound = Outbound::through(keys.certificate_authority.as_deref(), keys.proxy.as_deref())?;
        let other = |issuer: &String| {
            let policy = Policy { issuer: issuer.clone(), ..own.clone() };
            let keys = keys.for_claims_by(issuer);
            Ok(Signer { policy: of_answers(policy), keys: context.sources.take_over_or_start(keys, context)? })
        };
        let others = settings.issuers.iter().map(other).collect::<Result<_, SetupError>>()?;
        Ok(Self { settings, outbound, others, turns: Semaphore::new(AT_ONCE) })
    }

    /// Adds the claim to those of a token that is good, if the token says that it is elsewhere.
    pub(super) async fn complete(
        &self,
        claims: VerifiedClaims,
        standing: Standing,
        own: &Signer,
        deadline: Deadline,
        context: &super::Oidc,
    ) -> Completed {
        let source = match source(claims.all(), &self.settings.claim) {
            Ok(Some(source)) => source,
            Ok(None) => return Completed { verified: Verified::Claims(claims, standing), facts: None },
            Err(reason) => {
                let facts = "there is `_claim_names` but no `_claim_sources`".to_owned();
                return Completed { verified: Verified::Reject(reason, Some(standing)), facts: Some(facts) };
            }
        };
        let place = Excerpt(source.endpoint.split('?').next().unwrap_or_default()).to_string();
        let subject = claims.get("sub").and_then(|subject| subject.as_str());
        let fetched = match deadline.bound(self.fetch(source, own, subject, deadline, &*context.clock)).await {
            Some(fetched) => fetched,
            None => Err(Problem::undecided("there was no answer in time")),
        };
        let (verified, facts) = match fetched {
            Ok((answer, answers_standing)) => match claims.joined(&self.settings.claim, answer) {
                Some(claims) => {
                    context.record_claims(ClaimsFetched::Done);
                    (Verified::Claims(claims, standing.and(answers_standing)), format!("from {place}: verified"))
                }
                None => {
                    let problem = "the answer is good and lacks the claim".to_owned();
                    context.record_claims(ClaimsFetched::Refused { problem: &problem });
                    let standing = standing.and(answers_standing);
                    (Verified::Reject(Reason::DistributedClaim, Some(standing)), format!("from {place}: {problem}"))
                }
            },
            Err(Problem { verdict, text }) => {
                let facts = format!("from {place}: {text}");
                let problem = text.as_str();
                match verdict {
                    Stop::Reject(reason) => {
                        context.record_claims(ClaimsFetched::Refused { problem });
                        (Verified::Reject(reason, Some(standing)), facts)
                    }
                    Stop::Undecided(cause) => {
                        context.record_claims(ClaimsFetched::Failed { problem });
                        (Verified::Unavailable(cause), facts)
                    }
                }
            }
        };
        Completed { verified, facts: Some(facts) }
    }

    async fn fetch(
        &self,
        source: Source<'_>,
        own: &Signer,
        subject: Option<&str>,
        deadline: Deadline,
        clock: &dyn Clock,
    ) -> Result<(VerifiedClaims, Standing), Problem> {
        let allowed = |endpoint: &Endpoint| self.settings.endpoints.iter().any(|entry| entry.covers(endpoint));
        let endpoint = Endpoint::parse(source.endpoint).ok().filter(allowed).ok_or_else(|| Problem {
            verdict: Stop::Reject(Reason::DistributedEndpoint),
            text: "the address is not one of distributedClaims.allowedEndpoints".to_owned(),
        })?;
        let answer = self.ask(&endpoint, source.access_token).await?;
        let token = UnverifiedToken::parse_within(&answer, MAX_BYTES).map_err(|unparsable| match unparsable {
            // A page of a proxy or of a server in trouble looks like this, so it is no word of the issuer's.
            Unparsable::Opaque => Problem::undecided("the answer is not a signed token"),
            Unparsable::Refused(reason) => Problem::refused(&format!("the answer is not good: {}", reason.code())),
        })?;
        let issuer = token.unverified_issuer().unwrap_or_default();
        let is_own = super::issuer_claim_matches(&own.policy.issuer, issuer);
        let own_answers;
        let signer = if is_own {
            own_answers = Signer { policy: of_answers(own.policy.clone()), keys: std::sync::Arc::clone(&own.keys) };
            &own_answers
        } else {
            let named = |signer: &&Signer| super::issuer_claim_matches(&signer.policy.issuer, issuer);
            self.others.iter().find(named).ok_or_else(|| {
                Problem::refused(
                    "the answer's issuer is neither the token's nor one of distributedClaims.allowedIssuers",
                )
            })?
        };
        let mut unmeasured = super::signer::Spent::default();
        match signer.verify(token, clock.now(), deadline.at_most(super::KEY_WAIT), clock, &mut unmeasured).await {
            Verified::Claims(claims, standing) => {
                let other = claims.get("sub").and_then(|other| other.as_str());
                if is_own && other.is_some() && other != subject {
                    return Err(Problem::refused("the answer is about another subject"));
                }
                Ok((claims, standing))
            }
            Verified::Reject(reason, _) => Err(Problem::refused(&format!("the answer is not good: {}", reason.code()))),
            Verified::Unavailable(cause) => {
                Err(Problem::undecided(&format!("the answer cannot be judged now: {}", cause.code())))
            }
        }
    }

    /// Asks, and returns what was answered if it can be a signed token.
    async fn ask(&self, endpoint: &Endpoint, access_token: Option<&str>) -> Result<String, Problem> {
        let authorization = access_token.map(bearer).transpose()?;
        let _turn = self.turns.acquire().await;
        let question = Question::Signed { authorization: authorization.as_ref() };
        let answer = self.outbound.ask(endpoint.url(), question, MAX_BYTES).await.map_err(|error| match error {
            OutboundError::BodyTooLong { .. } => Problem::refused("the answer is too long"),
            error => Problem::undecided(&without_address(&error)),
        })?;
        match answer.status {
            status if status.is_success() => {}
            // A word about this token's groups or its access token, and not about how the server feels.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                return Err(Problem::refused(&format!("the server answered {}", answer.status)));
            }
            status => return Err(Problem::undecided(&format!("the server answered {status}"))),
        }
        let text =
            std::str::from_utf8(&answer.body).map_err(|_| Problem::undecided("the answer is not a signed token"))?;
        Ok(text.trim_ascii().to_owned())
    }
}

impl Problem {
    fn refused(text: &str) -> Self {
        Self { verdict: Stop::Reject(Reason::DistributedClaim), text: text.to_owned() }
    }

    fn undecided(text: &str) -> Self {
        Self { verdict: Stop::Undecided(Cause::DistributedClaim), text: text.to_owned() }
    }
}

/// An answer is a token of no special kind: what tokens of the issuer must be besides concerns those that log in.
fn of_answers(policy: Policy) -> Policy {
    Policy { profile: TokenProfile::Any, ..policy }
}

fn bearer(access_token: &str) -> Result<HeaderValue, Problem> {
    let mut value = HeaderValue::try_from(zeroize::Zeroizing::new(format!("Bearer {access_token}")).as_str())
        .map_err(|_| Problem::refused("the access token for the address does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What went wrong, less the address: it stands in the token and may name the user, or worse.
fn without_address(error: &OutboundError) -> String {
    match error {
        OutboundError::Encoded { .. } => "the answer is compressed, though asked not to be".to_owned(),
        OutboundError::Forbidden { .. } => "it is a link-local address, which is never contacted".to_owned(),
        OutboundError::Request { cause, .. } => format!("no answer: {}", chain(cause)),
        OutboundError::Status { status, .. } => format!("the server answered {status}"),
        other => chain(other),
    }
}

impl super::Oidc {
    fn record_claims(&self, result: ClaimsFetched<'_>) {
        let issuer: &IssuerName = &self.name;
        self.events.record(Event::ClaimsFetched { issuer, result });
    }
}
