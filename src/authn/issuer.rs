//! One configured issuer: verify, then map.

use std::sync::Arc;

use super::{Accepted, Deadline, Decision, IssuerName, Rejected, Unavailable};
use crate::clock::Clock;
use crate::jose::UnverifiedToken;
use crate::mapping::Mapping;
use crate::providers::{Verified, Verifier};

/// A verifier of some kind and the mapping of its claims to a user.
pub struct Issuer {
    name: IssuerName,
    verifier: Arc<dyn Verifier>,
    mapping: Mapping,
    clock: Arc<dyn Clock>,
}

impl Issuer {
    /// Joins a verifier and a mapping under the issuer's configured name.
    #[must_use]
    pub fn new(name: IssuerName, verifier: Arc<dyn Verifier>, mapping: Mapping, clock: Arc<dyn Clock>) -> Self {
        Self { name, verifier, mapping, clock }
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
        match self.mapping.user(&claims) {
            Ok(user) => Decision::Accept(Arc::new(Accepted {
                user,
                audiences: claims.audiences().to_vec(),
                not_after: claims.not_after(),
                issuer: self.name.clone(),
                standing,
            })),
            Err(reason) => Decision::Reject(Rejected { reason, issuer, standing: Some(standing) }),
        }
    }
}
