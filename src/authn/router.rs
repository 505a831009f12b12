//! Finds the issuer that a token claims to come from, before anything else is done with it.
//!
//! The claim is unverified; it only chooses whose keys the token is judged with. It is compared byte for byte with the
//! configured URLs, so the token of an unknown issuer (an expired service-account token, say) costs neither a signature
//! nor any traffic. Called by the [`cache`](super::cache); calls the [`issuer`](super::issuer).

use std::collections::HashMap;
use std::sync::Arc;

use super::issuer::Issuer;
use super::{Authenticator, Deadline, Decision, Reason, Rejected};
use crate::jose::{Unparsable, UnverifiedToken};
use crate::token::BearerToken;

/// The configured issuers by the `iss` that they answer to.
pub struct Router {
    issuers: HashMap<String, Arc<Issuer>>,
}

impl Router {
    /// A router over issuers whose names are distinct (the configuration sees to that).
    #[must_use]
    pub fn new(issuers: impl IntoIterator<Item = Arc<Issuer>>) -> Self {
        let mut by_claim = HashMap::new();
        for issuer in issuers {
            for claim in issuer.claimed_names() {
                by_claim.insert(claim, Arc::clone(&issuer));
            }
        }
        Self { issuers: by_claim }
    }

    /// The issuer that a token names, if it is configured.
    #[must_use]
    pub fn route(&self, token: &UnverifiedToken<'_>) -> Option<&Arc<Issuer>> {
        self.issuers.get(token.unverified_issuer()?)
    }
}

impl Authenticator for Router {
    async fn authenticate(&self, token: &BearerToken, deadline: Deadline) -> Decision {
        let token = match UnverifiedToken::parse(token.expose_secret()) {
            Ok(token) => token,
            Err(Unparsable::Opaque) => return Decision::NotMine,
            Err(Unparsable::Refused(reason)) => return Decision::Reject(Rejected::unclaimed(reason)),
        };
        match self.route(&token) {
            Some(issuer) => issuer.authenticate(token, deadline).await,
            None => Decision::Reject(Rejected::unclaimed(Reason::UnknownIssuer)),
        }
    }
}
