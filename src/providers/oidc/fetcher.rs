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
    /// Where the set in force came from.
    proven: Option<Origin>,
    /// Where the set that is being judged came from.
    tried: Option<Origin>,
}

/// Where a set came from, and its entity tag there.
struct Origin {
    address: Url,
    etag: Option<String>,
}

impl Fetcher {
    /// A fetcher that knows nothing yet.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    pub(super) fn new(settings: &KeySettings) -> Result<Self, SetupError> {
        let outbound = Outbound::through(settings.certificate_authority.as_deref(), settings.proxy.as_deref())?;
        Ok(Self { outbound, discovery: discovery::address(settings)?, proven: None, tried: None })
    }

    /// Discovery, then the keys; the keys alone when only they can have changed.
    pub(super) async fn fetch(&mut self, settings: &KeySettings, keys_only: bool) -> Result<Fetched, String> {
        let address = match &self.proven {
            Some(proven) if keys_only => proven.address.clone(),
            _ => self.discover(settings).await?,
        };
        // An entity tag means something at its own address only.
        let known = self.proven.as_ref().filter(|proven| proven.address == address);
        let known = known.and_then(|proven| proven.etag.clone());
        let fetched = self.outbound.get(&address, known.as_deref(), MAX_BYTES).await.map_err(|error| chain(&error))?;
        let etag = match &fetched {
            Fetched::Document { etag, .. } => etag.clone(),
            Fetched::NotModified { .. } => known,
        };
        self.tried = Some(Origin { address, etag });
        Ok(fetched)
    }

    async fn discover(&self, settings: &KeySettings) -> Result<Url, String> {
        let fetched = self.outbound.get(&self.discovery, None, discovery::MAX_BYTES).await;
        let document = match fetched.map_err(|error| chain(&error))? {
            Fetched::Document { body, .. } => body,
            Fetched::NotModified { .. } => return Err("the discovery document was not sent".to_owned()),
        };
        let address = discovery::keys_address(&document, &settings.issuer).map_err(|error| chain(&error))?;
        let proven = self.proven.as_ref().map(|proven| proven.address.origin());
        if let Some(proven) = proven.filter(|proven| *proven != address.origin()) {
            return Err(format!(
                "the keys moved from {} to {}: another host is not followed while running; if the provider announced \
                 it, restart countersign",
                proven.ascii_serialization(),
                address.origin().ascii_serialization(),
            ));
        }
        Ok(address)
    }

    /// The set that was fetched is in force: from now on its host is the one that keys come from.
    pub(super) fn settle(&mut self) {
        if let Some(tried) = self.tried.take() {
            self.proven = Some(tried);
        }
    }

    /// The set that was fetched was refused, or nothing was. The entity tag goes, too, so that whatever the provider
    /// says next about "not modified" confirms nothing.
    pub(super) fn forget(&mut self) {
        self.tried = None;
        if let Some(proven) = &mut self.proven {
            proven.etag = None;
        }
    }
}
