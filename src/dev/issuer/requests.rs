//! What the issuer was asked: counted, so that a test can wait for "the second request for keys" instead of a while.

use http::HeaderMap;

/// A path of the issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/claims` and everything below it: claims that are not in a token.
    Claims,
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/jwks`
    Keys,
    /// Any other path: answered with 404.
    Other,
}

/// The requests so far.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    connections: u64,
    claims: Seen,
    discovery: Seen,
    keys: Seen,
    other: Seen,
}

/// The requests to one endpoint.
#[derive(Clone, Debug, Default)]
struct Seen {
    count: u64,
    last: HeaderMap,
}

impl Requests {
    /// How many requests an endpoint has had. One that is still waiting for its answer counts.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> u64 {
        self.seen(endpoint).count
    }

    /// The headers of an endpoint's last request; empty if there was none.
    #[must_use]
    pub fn last_headers(&self, endpoint: Endpoint) -> &HeaderMap {
        &self.seen(endpoint).last
    }

    /// How many TCP connections were accepted.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    pub(super) fn add_connection(&mut self) {
        self.connections += 1;
    }

    pub(super) fn add(&mut self, endpoint: Endpoint, headers: &HeaderMap) {
        let seen = match endpoint {
            Endpoint::Claims => &mut self.claims,
            Endpoint::Discovery => &mut self.discovery,
            Endpoint::Keys => &mut self.keys,
            Endpoint::Other => &mut self.other,
        };
        seen.count += 1;
        seen.last.clone_from(headers);
    }

    fn seen(&self, endpoint: Endpoint) -> &Seen {
        match endpoint {
            Endpoint::Claims => &self.claims,
            Endpoint::Discovery => &self.discovery,
            Endpoint::Keys => &self.keys,
            Endpoint::Other => &self.other,
        }
    }
}
