//! What the issuer would answer at this moment: its keys, and every endpoint's switches.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::faults::{Fault, Reply, json_response};
use super::keys::SigningKey;
use super::requests::Endpoint;
use crate::dev::https::Body;

/// The issuer's state, changed only through the methods of [`Issuer`](super::Issuer).
pub(super) struct State {
    pub(super) keys: Vec<Arc<SigningKey>>,
    /// A key set to be served byte for byte instead of the keys.
    pub(super) published: Option<Bytes>,
    /// What is answered to a question for claims that are not in a token.
    pub(super) claims: Option<Bytes>,
    url: String,
    claims_switches: Switches,
    discovery: Switches,
    jwks: Switches,
}

/// How one endpoint behaves.
#[derive(Default)]
pub(super) struct Switches {
    pub(super) fault: Option<Fault>,
    pub(super) headers: HeaderMap,
    pub(super) etag: bool,
}

impl State {
    pub(super) fn new(url: String, keys: Vec<Arc<SigningKey>>) -> Self {
        Self {
            keys,
            published: None,
            claims: None,
            url,
            claims_switches: Switches::default(),
            discovery: Switches::default(),
            jwks: Switches::default(),
        }
    }

    /// The switches of an endpoint; requests to other paths have none.
    pub(super) fn switches(&mut self, endpoint: Endpoint) -> Option<&mut Switches> {
        match endpoint {
            Endpoint::Claims => Some(&mut self.claims_switches),
            Endpoint::Discovery => Some(&mut self.discovery),
            Endpoint::Keys => Some(&mut self.jwks),
            Endpoint::Other => None,
        }
    }

    /// The answer to a request with these headers.
    pub(super) fn answer(&self, endpoint: Endpoint, request: &HeaderMap) -> Reply {
        let (document, switches) = match endpoint {
            Endpoint::Claims => match &self.claims {
                Some(claims) => (claims.clone(), &self.claims_switches),
                None => return Reply::Now(not_found()),
            },
            Endpoint::Discovery => (self.discovery_document(), &self.discovery),
            Endpoint::Keys => (self.key_set(), &self.jwks),
            Endpoint::Other => return Reply::Now(not_found()),
        };
        match &switches.fault {
            Some(fault) => with_headers(fault.apply(&document), &switches.headers),
            None => Reply::Now(switches.healthy(document, request)),
        }
    }

    /// Whether answers of an endpoint are held after their first half.
    pub(super) fn is_stalled(&self, endpoint: Endpoint) -> bool {
        let fault = match endpoint {
            Endpoint::Claims => &self.claims_switches.fault,
            Endpoint::Discovery => &self.discovery.fault,
            Endpoint::Keys => &self.jwks.fault,
            Endpoint::Other => &None,
        };
        *fault == Some(Fault::Stall)
    }

    fn discovery_document(&self) -> Bytes {
        let url = &self.url;
        let algorithms: Vec<&str> = self.keys.iter().map(|key| key.algorithm().name()).collect();
        let document = json!({
            "issuer": url,
            "jwks_uri": format!("{}/jwks", url.trim_end_matches('/')),
            "authorization_endpoint": format!("{}/authorize", url.trim_end_matches('/')),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": algorithms,
        });
        document.to_string().into()
    }

    fn key_set(&self) -> Bytes {
        self.published.clone().unwrap_or_else(|| {
            let keys: Vec<Value> = self.keys.iter().map(|key| key.jwk()).collect();
            json!({ "keys": keys }).to_string().into()
        })
    }
}

impl Switches {
    fn healthy(&self, document: Bytes, request: &HeaderMap) -> Response<Body> {
        let etag = self.etag.then(|| etag(&document));
        let known = etag.is_some() && request.get(header::IF_NONE_MATCH) == etag.as_ref();
        let mut response = json_response(if known { Bytes::new() } else { document });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        response.headers_mut().extend(self.headers.clone());
        if let Some(etag) = etag {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

fn with_headers(reply: Reply, headers: &HeaderMap) -> Reply {
    let add = |mut response: Response<Body>| {
        response.headers_mut().extend(headers.clone());
        response
    };
    match reply {
        Reply::Now(response) => Reply::Now(add(response)),
        Reply::After(pause, response) => Reply::After(pause, add(response)),
        unsent => unsent,
    }
}

fn etag(document: &[u8]) -> HeaderValue {
    let hash = digest::digest(&digest::SHA256, document);
    let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(hash.as_ref()));
    HeaderValue::try_from(tag).expect("base64 is fit for a header")
}

fn not_found() -> Response<Body> {
    let mut response = json_response(Bytes::from_static(b"{\"error\":\"not_found\"}"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
