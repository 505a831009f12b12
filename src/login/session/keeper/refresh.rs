//! One refresh: the refresh token goes out, and whatever comes back is stored before anything else is done or said.

use super::{Keeper, LoginError, ProviderError, Record, Session, Settings, Standing, Tokens};

/// What came of it.
pub(super) enum Refreshed {
    /// A session with a token that is good.
    Good(Session),
    /// Nothing that is good; why only a login helps.
    Over(&'static str),
}

impl Keeper<'_> {
    /// Spends a session's refresh token. A signal to end waits until the outcome is stored.
    pub(super) fn refresh(
        &self,
        settings: &Settings,
        record: &mut Record,
        session: &Session,
        refresh_token: &str,
    ) -> Result<Refreshed, LoginError> {
        // Once spent, a refresh token is only worth its successor, so that one must have a place.
        let room = self.store.reserve(&record.key)?;
        self.step(|| format!("refreshing the session of {} at {}", session.account, settings.issuer));
        let outcome = self.provider.refresh(settings, refresh_token);
        let (now, brought) = (self.clock.now(), outcome.is_ok());
        let (left, result) = match outcome {
            Ok(tokens) if is_other_subject(session, &tokens) => {
                let message =
                    format!("{} answered the refresh with another account's tokens; log in anew", settings.issuer);
                let error = ProviderError { message, refused: true, successor: None };
                // Ours is spent, and what came for it leads to somebody else's tokens.
                (Some(session.clone().without_refresh_token()), Err(error.into()))
            }
            Ok(tokens) => {
                let new = session.refreshed(tokens, now).sending(settings.token_kind);
                let refreshed = match new.standing(settings.token_kind, now) {
                    Standing::Ended => Refreshed::Over("the provider's refresh brought no token that is still good"),
                    Standing::Due | Standing::Fresh => Refreshed::Good(new.clone()),
                };
                (Some(new), Ok(refreshed))
            }
            Err(error) if error.refused => {
                self.step(|| format!("the provider refused the refresh token: {error}"));
                let over = Refreshed::Over("the provider has ended the session");
                (Some(session.clone().without_refresh_token()), Ok(over))
            }
            Err(mut error) => {
                let left = error.successor.take().map(|successor| session.clone().with_successor(successor));
                (left, Err(error.into()))
            }
        };
        if let Some(left) = left {
            record.put(left.clone());
            self.save(record, room);
            if brought {
                self.warn_of_clock(&left);
            }
        }
        if self.provider.is_interrupted() {
            return Err(LoginError::Interrupted);
        }
        result
    }
}

fn is_other_subject(session: &Session, tokens: &Tokens) -> bool {
    matches!((&session.subject, &tokens.subject), (Some(old), Some(new)) if old != new)
}
