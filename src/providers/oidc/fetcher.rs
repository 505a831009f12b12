//! Fetching one issuer's keys: discovery, then the set, each only if need be.
//!
//! Owned by the one task that keeps a [`KeySource`](super::KeySource) fresh.

use url::Url;

use super::{KeySettings, SetupError, discovery};
use crate::outbound::{Fetched, Outbound, chain};

/// The longest key set that is read, in bytes: a hundred RSA-4096 keys with certificates fit.
const MAX_BYTES: usize = 512 * 1024;

/// What the owner task alone knows: addresses and entity tags.
pub(super) struct Fetcher {
    outbound: Outbound,
    discovery: Url,
    known: Option<Url>,
    etag: Option<Etag>,
}

/// The entity tag of the set in force, or of one that is being judged.
enum Etag {
    Settled(String),
    Tried(Option<String>),
}

impl Fetcher {
    /// A fetcher that knows nothing yet.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    pub(super) fn new(settings: &KeySettings) -> Result<Self, SetupError> {
        let outbound = Outbound::new(settings.certificate_authority.as_deref())?;
        Ok(Self { outbound, discovery: discovery::address(settings)?, known: None, etag: None })
    }

    /// Discovery, then the keys; the keys alone when only they can have changed. A failed attempt forgets the entity
    /// tag, so that a set that was refused is never confirmed by a "not modified".
    pub(super) async fn fetch(&mut self, settings: &KeySettings, keys_only: bool) -> Result<Fetched, String> {
        let address = match &self.known {
            Some(address) if keys_only => address.clone(),
            _ => self.discover(settings).await?,
        };
        let etag = match &self.etag {
            Some(Etag::Settled(tag)) => Some(tag.as_str()),
            _ => None,
        };
        let fetched = self.outbound.get(&address, etag, MAX_BYTES).await.map_err(|error| chain(&error))?;
        if let Fetched::Document { etag, .. } = &fetched {
            self.etag = Some(Etag::Tried(etag.clone()));
        }
        Ok(fetched)
    }

    async fn discover(&mut self, settings: &KeySettings) -> Result<Url, String> {
        let fetched = self.outbound.get(&self.discovery, None, discovery::MAX_BYTES).await;
        let document = match fetched.map_err(|error| chain(&error))? {
            Fetched::Document { body, .. } => body,
            Fetched::NotModified { .. } => return Err("the discovery document was not sent".to_owned()),
        };
        let address = discovery::keys_address(&document, &settings.issuer).map_err(|error| chain(&error))?;
        if let Some(known) = self.known.as_ref().filter(|known| known.origin() != address.origin()) {
            return Err(format!(
                "the keys moved from {} to {}: another host is not followed while running; if the provider announced \
                 it, restart countersign",
                known.origin().ascii_serialization(),
                address.origin().ascii_serialization(),
            ));
        }
        self.known = Some(address.clone());
        Ok(address)
    }

    /// The set that was fetched is in force.
    pub(super) fn settle(&mut self) {
        if let Some(Etag::Tried(tag)) = self.etag.take_if(|etag| matches!(etag, Etag::Tried(_))) {
            self.etag = tag.map(Etag::Settled);
        }
    }

    /// The set that was fetched was refused, or nothing was.
    pub(super) fn forget(&mut self) {
        self.etag = None;
    }
}
