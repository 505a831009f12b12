//! The key sources that are running, for the next configuration to take over.

use std::sync::{Arc, Mutex, Weak};

use super::{KeySource, lock};
use crate::providers::oidc::{Context, KeySettings, SetupError};

/// The key sources that are running.
#[derive(Default)]
pub struct KeySources(Mutex<Vec<Weak<KeySource>>>);

impl KeySources {
    /// The running source with the same settings, or a new one. It begins with the keys of a source that it replaces: for
    /// good if that asks in the same place, or for the context's grace if it asks elsewhere.
    ///
    /// # Errors
    ///
    /// When the settings cannot work.
    pub fn take_over_or_start(&self, settings: KeySettings, context: &Context) -> Result<Arc<KeySource>, SetupError> {
        let mut running = lock(&self.0);
        running.retain(|source| source.strong_count() > 0);
        let sources: Vec<_> = running.iter().filter_map(Weak::upgrade).collect();
        if let Some(source) = sources.iter().find(|source| source.settings == settings) {
            return Ok(Arc::clone(source));
        }
        // The newest of them: an older one may be alive for a review that has not ended.
        let newest = |fits: &dyn Fn(&KeySource) -> bool| sources.iter().rev().find(|source| fits(source));
        let before = newest(&|source| source.has_keys_of_the_place(&settings));
        let lender = newest(&|source| source.settings.are_for_the_same_tokens_as(&settings));
        let source =
            KeySource::start(settings, context, before.map(|source| &**source), lender.map(|source| &**source))?;
        running.push(Arc::downgrade(&source));
        Ok(source)
    }
}
