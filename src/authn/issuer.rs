//! One configured issuer: verify, then map.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use tokio::sync::Semaphore;

use super::{
    Accepted, Basis, Cause, Deadline, Decision, IssuerName, PackedUser, Reason, Rejected, Standing, Unavailable,
    UserInfo, VerifiedClaims,
};
use crate::clock::Clock;
use crate::jose::UnverifiedToken;
use crate::mapping::{Effort, Mapping, Unmapped};
use crate::providers::{Verified, Verifier};

/// A verifier of some kind and the mapping of its claims to a user.
pub struct Issuer {
    name: IssuerName,
    verifier: Arc<dyn Verifier>,
    mapping: Arc<Mapping>,
    /// Held while an expensive mapping runs.
    expensive: Arc<Semaphore>,
    /// That of the last good token: the next one's is probably the same.
    basis: ArcSwapOption<Basis>,
    clock: Arc<dyn Clock>,
}

impl Issuer {
    /// Joins a verifier and a mapping under the issuer's configured name.
    #[must_use]
    pub fn new(name: IssuerName, verifier: Arc<dyn Verifier>, mapping: Mapping, clock: Arc<dyn Clock>) -> Self {
        let expensive = Arc::new(Semaphore::new(1));
        Self { name, verifier, mapping: Arc::new(mapping), expensive, basis: ArcSwapOption::empty(), clock }
    }

    /// The configured name.
    #[must_use]
    pub fn name(&self) -> &IssuerName {
        &self.name
    }

    /// The verifier, for status and for `explain`.
    #[must_use]
    pub fn verifier(&self) -> &Arc<dyn Verifier> {
        &self.verifier
    }

    /// The mapping, for `explain`.
    #[must_use]
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The `iss` values that belong to this issuer.
    #[must_use]
    pub fn claimed_names(&self) -> Vec<String> {
        self.verifier.claimed_names()
    }

    /// Decides about a token that names this issuer.
    pub async fn authenticate(&self, token: UnverifiedToken<'_>, deadline: Deadline) -> Decision {
        let issuer = Some(self.name.clone());
        let verified = self.verifier.verify(token, self.clock.now(), deadline).await;
        let (claims, standing) = match verified {
            Verified::Claims(claims, standing) => (claims, standing),
            Verified::Reject(reason, standing) => return Decision::Reject(Rejected { reason, issuer, standing }),
            Verified::Unavailable(cause) => return Decision::Unavailable(Unavailable { cause, issuer }),
        };
        let claims = Arc::new(claims);
        let user = match self.mapping.user(&claims, Effort::brief()) {
            Err(Unmapped::TakesLonger) => self.map_apart(&claims, deadline).await,
            mapped => mapped,
        };
        match user {
            Ok(user) => Decision::Accept(Accepted {
                user: PackedUser::from(&user),
                not_after: claims.not_after(),
                basis: self.basis(claims.audiences(), standing),
            }),
            Err(Unmapped::Refused(reason, _)) => {
                Decision::Reject(Rejected { reason, issuer, standing: Some(standing) })
            }
            Err(Unmapped::TakesLonger) => Decision::Unavailable(Unavailable { cause: Cause::Deadline, issuer }),
        }
    }

    /// What a good token rests on; shared with the one before, if it is the same.
    fn basis(&self, audiences: &[String], standing: Standing) -> Arc<Basis> {
        let last = self.basis.load_full();
        if let Some(last) = last.filter(|last| last.audiences == audiences && last.standing == standing) {
            return last;
        }
        let basis = Arc::new(Basis { issuer: self.name.clone(), audiences: audiences.to_vec(), standing });
        self.basis.store(Some(Arc::clone(&basis)));
        basis
    }

    /// Maps on a thread that serves nobody, so that expensive expressions hold up no other review; one at a time, so that
    /// they do not take all cores either.
    async fn map_apart(&self, claims: &Arc<VerifiedClaims>, deadline: Deadline) -> Result<UserInfo, Unmapped> {
        let (mapping, claims) = (Arc::clone(&self.mapping), Arc::clone(claims));
        let apart = async {
            let turn = Arc::clone(&self.expensive).acquire_owned().await;
            let map = move || {
                let _turn = turn;
                mapping.user(&claims, Effort::Full)
            };
            tokio::task::spawn_blocking(map).await
        };
        match deadline.bound(apart).await {
            Some(Ok(mapped)) => mapped,
            // It panicked, which is as good as no result.
            Some(Err(_)) => Err(Reason::ExpressionFailed.into()),
            None => Err(Unmapped::TakesLonger),
        }
    }
}
