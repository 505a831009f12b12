//! What is kept of a login: one record per [`SessionKey`], with the sessions of one or more accounts.
//!
//! Reading is a pure function over bytes that may be anything: a record that cannot be read counts as none, so that
//! nothing worse than a new login comes of it. When a token ends is judged here, by the provider's clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::SessionKey;
use super::store::Place;
use crate::clock::UnixTime;
use crate::login::settings::TokenKind;
use crate::login::tokens::{Successor, Tokens};

/// The only form of records so far. A later one is not read by this program, and not destroyed either.
const VERSION: u32 = 1;

/// What kubectl is told is this much before a token's end, so that a request that starts just in time still passes.
const SAFETY: Duration = Duration::from_secs(30);
/// A token is renewed this much before what kubectl is told, so that a command does not end on its first page.
const EARLY: Duration = Duration::from_secs(30);
/// How long a token is used whose end nobody told.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);
/// A clock that went back by more than this since the token came is not one to judge the token by.
const BACKWARD_TOLERANCE: Duration = Duration::from_secs(60);

/// All sessions of one login.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    version: u32,
    /// What the sessions are for; a record under a wrong name is found out by it.
    pub key: SessionKey,
    /// The account to use when none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_account: Option<String>,
    /// The secrets are in the system's keyring, and this is only the sign to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_keyring: bool,
    /// The sessions, one for each account.
    #[serde(default)]
    pub sessions: Vec<Session>,
}

/// One account's tokens.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    /// The account's name for people.
    pub account: String,
    /// The subject at the issuer.
    pub subject: Option<String>,
    /// When the tokens came, by this machine's clock, in seconds since 1970.
    pub obtained_at: u64,
    /// By how many seconds the provider's clock was ahead of this machine's.
    pub clock_offset_seconds: i64,
    id_token: Option<Zeroizing<String>>,
    access_token: Option<Zeroizing<String>>,
    refresh_token: Option<Zeroizing<String>>,
    id_token_expires_at: Option<u64>,
    access_token_expires_at: Option<u64>,
    /// Which of the two is sent. Records of earlier versions do not say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sends_access_token: bool,
}

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not JSON of our form.
    #[error("is damaged")]
    Damaged,
    /// Written by a later version.
    #[error("was written by a later version of countersign; update this one")]
    Later,
}

/// A token for kubectl.
pub struct Credential {
    /// The token.
    pub token: Zeroizing<String>,
    /// When kubectl has to ask again, by this machine's clock.
    pub expires_at: Option<UnixTime>,
}

/// How far a session's token carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Hand it out.
    Fresh,
    /// It is still good, but a new one is due.
    Due,
    /// It has ended, or there is none of the kind.
    Ended,
}

impl Record {
    /// A record without sessions.
    #[must_use]
    pub const fn new(key: SessionKey) -> Self {
        Self { version: VERSION, key, default_account: None, in_keyring: false, sessions: Vec::new() }
    }

    /// Reads a record.
    ///
    /// # Errors
    /// When the bytes are something else.
    pub fn parse(bytes: &[u8]) -> Result<Self, RecordError> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        match serde_json::from_slice::<Self>(bytes) {
            Ok(record) if record.version == VERSION => Ok(record),
            Ok(_) => Err(RecordError::Later),
            Err(_) => match serde_json::from_slice::<Version>(bytes) {
                Ok(Version { version }) if version > VERSION => Err(RecordError::Later),
                _ => Err(RecordError::Damaged),
            },
        }
    }

    /// This record as it is stored in a place.
    #[must_use]
    pub fn in_place(&self, place: Place) -> Self {
        Self { in_keyring: place == Place::Keyring, ..self.clone() }
    }

    /// The sign to a record in the keyring: all but the secrets.
    #[must_use]
    pub fn sign(&self) -> Self {
        let sessions = self.sessions.iter().cloned().map(Session::without_tokens).collect();
        Self { in_keyring: true, sessions, ..self.clone() }
    }

    /// The bytes to store.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        // Room for everything: a buffer that grows would leave copies of tokens behind.
        let tokens: usize = self.sessions.iter().map(Session::token_bytes).sum();
        let mut bytes = Zeroizing::new(Vec::with_capacity(tokens * 2 + 4096));
        serde_json::to_writer(&mut *bytes, self).expect("strings and numbers have a JSON form");
        bytes
    }

    /// The session of an account, by its name or its subject. Names are compared as people type them.
    #[must_use]
    pub fn session(&self, account: &str) -> Option<&Session> {
        self.sessions.iter().find(|session| session.is_of(account))
    }

    /// Puts a session in the place of the one of the same account, or beside the others.
    pub fn put(&mut self, session: Session) {
        match self.sessions.iter_mut().find(|old| old.account == session.account) {
            Some(old) => *old = session,
            None => self.sessions.push(session),
        }
    }

    /// Takes an account's session out.
    pub fn remove(&mut self, account: &str) -> Option<Session> {
        let position = self.sessions.iter().position(|session| session.is_of(account))?;
        let session = self.sessions.remove(position);
        self.default_account = self.default_account.take().filter(|default| *default != session.account);
        Some(session)
    }
}

impl Session {
    /// A session from what a provider gave.
    #[must_use]
    pub fn new(tokens: Tokens, client_id: &str, now: UnixTime) -> Self {
        let account = tokens.account.or_else(|| tokens.subject.clone()).unwrap_or_else(|| client_id.to_owned());
        Self {
            account,
            subject: tokens.subject,
            obtained_at: now.seconds(),
            clock_offset_seconds: tokens.clock_offset_seconds,
            id_token: tokens.id_token,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            id_token_expires_at: tokens.id_token_expires_at.map(UnixTime::seconds),
            access_token_expires_at: tokens.access_token_expires_at.map(UnixTime::seconds),
            sends_access_token: false,
        }
    }

    /// This session, for a client that sends this kind of token.
    #[must_use]
    pub fn sending(self, kind: TokenKind) -> Self {
        Self { sends_access_token: kind == TokenKind::AccessToken, ..self }
    }

    /// The kind of token that is sent, as far as the session knows: for those who look at it without settings.
    #[must_use]
    pub const fn sent_kind(&self) -> TokenKind {
        if self.sends_access_token || (self.id_token.is_none() && self.access_token.is_some()) {
            TokenKind::AccessToken
        } else {
            TokenKind::IdToken
        }
    }

    /// This session after a refresh: what the provider did not give anew stays.
    #[must_use]
    pub fn refreshed(&self, tokens: Tokens, now: UnixTime) -> Self {
        let mut new = Self::new(tokens, "", now);
        new.account.clone_from(&self.account);
        new.sends_access_token = self.sends_access_token;
        new.subject = new.subject.or_else(|| self.subject.clone());
        new.refresh_token = new.refresh_token.or_else(|| self.refresh_token.clone());
        if new.id_token.is_none() {
            new.id_token.clone_from(&self.id_token);
            new.id_token_expires_at = self.id_token_expires_at;
        }
        if new.access_token.is_none() {
            new.access_token.clone_from(&self.access_token);
            new.access_token_expires_at = self.access_token_expires_at;
        }
        new
    }

    /// This session without its refresh token, after the provider refused that for good.
    #[must_use]
    pub fn without_refresh_token(mut self) -> Self {
        self.refresh_token = None;
        self
    }

    /// This session with the refresh token that came in the place of its own.
    #[must_use]
    pub fn with_successor(mut self, successor: Successor) -> Self {
        self.refresh_token = Some(successor.0);
        self
    }

    /// Whether its secrets are here, as against in a keyring that cannot be read.
    #[must_use]
    pub const fn has_tokens(&self) -> bool {
        self.id_token.is_some() || self.access_token.is_some()
    }

    /// This session without any secret.
    fn without_tokens(self) -> Self {
        Self { id_token: None, access_token: None, refresh_token: None, ..self }
    }

    /// The refresh token, if there is one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.refresh_token.as_ref().map(|token| token.as_str())
    }

    /// Whether an account's name or subject means this session.
    #[must_use]
    pub fn is_of(&self, account: &str) -> bool {
        self.account.eq_ignore_ascii_case(account) || self.subject.as_deref() == Some(account)
    }

    /// How far the token of a kind carries at `now` of this machine's clock.
    #[must_use]
    pub fn standing(&self, kind: TokenKind, now: UnixTime) -> Standing {
        let (token, _) = self.token(kind);
        let went_back = UnixTime::from_seconds(self.obtained_at).since(now) > BACKWARD_TOLERANCE;
        let until = self.usable_until(kind);
        let early = EARLY.min(self.lifetime(kind) / 8);
        match token {
            None => Standing::Ended,
            Some(_) if now >= until || went_back => Standing::Ended,
            Some(_) if now.saturating_add(early) >= until => Standing::Due,
            Some(_) => Standing::Fresh,
        }
    }

    /// The token of a kind for kubectl, whatever its standing; nothing if there is none.
    #[must_use]
    pub fn credential(&self, kind: TokenKind) -> Option<Credential> {
        let (token, expires_at) = self.token(kind);
        Some(Credential { token: token?.clone(), expires_at: expires_at.map(|_| self.usable_until(kind)) })
    }

    /// When the token of a kind ends by this machine's clock, as told to kubectl: before its real end.
    #[must_use]
    pub fn usable_until(&self, kind: TokenKind) -> UnixTime {
        self.end(kind).saturating_sub(SAFETY.min(self.lifetime(kind) / 4))
    }

    /// All tokens, for revocation.
    #[must_use]
    pub fn to_tokens(&self) -> Tokens {
        Tokens {
            id_token: self.id_token.clone(),
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            id_token_expires_at: self.id_token_expires_at.map(UnixTime::from_seconds),
            access_token_expires_at: self.access_token_expires_at.map(UnixTime::from_seconds),
            account: Some(self.account.clone()),
            subject: self.subject.clone(),
            clock_offset_seconds: self.clock_offset_seconds,
        }
    }

    fn token(&self, kind: TokenKind) -> (Option<&Zeroizing<String>>, Option<u64>) {
        match kind {
            TokenKind::IdToken => (self.id_token.as_ref(), self.id_token_expires_at),
            TokenKind::AccessToken => (self.access_token.as_ref(), self.access_token_expires_at),
        }
    }

    /// The token's end by this machine's clock.
    fn end(&self, kind: TokenKind) -> UnixTime {
        match self.token(kind).1 {
            Some(by_provider) => UnixTime::from_seconds(by_provider.saturating_add_signed(
                // Ahead there means earlier here.
                self.clock_offset_seconds.saturating_neg(),
            )),
            None => UnixTime::from_seconds(self.obtained_at).saturating_add(UNKNOWN_LIFETIME),
        }
    }

    fn lifetime(&self, kind: TokenKind) -> Duration {
        self.end(kind).since(UnixTime::from_seconds(self.obtained_at))
    }

    fn token_bytes(&self) -> usize {
        [&self.id_token, &self.access_token, &self.refresh_token].into_iter().flatten().map(|token| token.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::login::session::testing::{NOW, key, tokens};

    fn session(lifetime: u64) -> Session {
        Session::new(tokens("me", "id", NOW.saturating_add(Duration::from_secs(lifetime))), "kubectl", NOW)
    }

    fn after(seconds: u64) -> UnixTime {
        NOW.saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let mut record = Record::new(key());
        record.put(session(3600));
        record.default_account = Some("me".to_owned());
        let bytes = record.to_bytes();
        let back = Record::parse(&bytes).unwrap();
        assert_eq!(back.to_bytes(), bytes);
        assert_eq!(back.session("ME").and_then(Session::refresh_token), Some("refresh-me"));
    }

    #[test]
    fn bytes_that_are_no_record_are_told_from_those_of_a_later_version() {
        for bytes in [&b""[..], b"{", b"{}", b"{\"version\":1}", b"null", b"\xff\xfe"] {
            assert_eq!(Record::parse(bytes).err(), Some(RecordError::Damaged));
        }
        assert_eq!(Record::parse(b"{\"version\":2,\"new\":[]}").err(), Some(RecordError::Later));
        let mut record = Record::new(key());
        record.version = 2;
        assert_eq!(Record::parse(&record.to_bytes()).err(), Some(RecordError::Later));
    }

    #[test]
    fn k8_kubectl_is_told_an_end_thirty_seconds_before_the_real_one() {
        let credential = session(3600).credential(TokenKind::IdToken).unwrap();
        assert_eq!(credential.expires_at, Some(after(3570)));
        assert_eq!(session(40).credential(TokenKind::IdToken).unwrap().expires_at, Some(after(30)));
    }

    #[test]
    fn k8_the_end_is_told_by_this_machines_clock() {
        let mut behind = session(3600);
        // The provider's clock is ten minutes ahead: the token ends ten minutes earlier by ours.
        behind.clock_offset_seconds = 600;
        assert_eq!(behind.credential(TokenKind::IdToken).unwrap().expires_at, Some(after(2970)));
        assert_eq!(behind.standing(TokenKind::IdToken, after(2971)), Standing::Ended);
        behind.clock_offset_seconds = -600;
        assert_eq!(behind.standing(TokenKind::IdToken, after(4100)), Standing::Fresh);
    }

    #[test]
    fn a_token_is_renewed_before_it_ends() {
        let session = session(3600);
        assert_eq!(session.standing(TokenKind::IdToken, NOW), Standing::Fresh);
        assert_eq!(session.standing(TokenKind::IdToken, after(3539)), Standing::Fresh);
        assert_eq!(session.standing(TokenKind::IdToken, after(3540)), Standing::Due);
        assert_eq!(session.standing(TokenKind::IdToken, after(3569)), Standing::Due);
        assert_eq!(session.standing(TokenKind::IdToken, after(3570)), Standing::Ended);
    }

    #[test]
    fn a_short_token_is_used_for_most_of_its_life() {
        let session = session(16);
        assert_eq!(session.standing(TokenKind::IdToken, after(9)), Standing::Fresh);
        assert_eq!(session.standing(TokenKind::IdToken, after(10)), Standing::Due);
        assert_eq!(session.standing(TokenKind::IdToken, after(12)), Standing::Ended);
    }

    #[test]
    fn a_clock_that_went_back_does_not_lengthen_a_life() {
        let session = session(3600);
        assert_eq!(session.standing(TokenKind::IdToken, NOW.saturating_sub(Duration::from_secs(60))), Standing::Fresh);
        assert_eq!(session.standing(TokenKind::IdToken, NOW.saturating_sub(Duration::from_secs(61))), Standing::Ended);
    }

    #[test]
    fn a_token_without_an_end_is_used_for_some_minutes_and_kubectl_is_told_none() {
        let mut session = session(3600);
        session.id_token_expires_at = None;
        assert_eq!(session.credential(TokenKind::IdToken).unwrap().expires_at, None);
        assert_eq!(session.standing(TokenKind::IdToken, after(60)), Standing::Fresh);
        assert_eq!(session.standing(TokenKind::IdToken, after(290)), Standing::Ended);
    }

    #[test]
    fn what_a_refresh_does_not_bring_stays() {
        let old = session(10);
        let brought = Tokens {
            refresh_token: None,
            access_token: None,
            account: None,
            subject: None,
            ..tokens("other", "new", after(7200))
        };
        let new = old.refreshed(brought, after(100));
        assert_eq!((new.account.as_str(), new.subject.as_deref()), ("me", Some("subject-me")));
        assert_eq!(new.refresh_token(), Some("refresh-me"));
        assert_eq!(new.credential(TokenKind::IdToken).unwrap().token.as_str(), "new");
        assert_eq!(new.credential(TokenKind::AccessToken).unwrap().token.as_str(), "access-me");
    }

    #[test]
    fn a_session_knows_which_token_is_sent_and_an_earlier_versions_guesses() {
        let stored = |session: Session| {
            let mut record = Record::new(key());
            record.put(session);
            Record::parse(&record.to_bytes()).unwrap().sessions.remove(0)
        };
        let access = stored(session(10).sending(TokenKind::AccessToken));
        assert_eq!(access.sent_kind(), TokenKind::AccessToken);
        assert_eq!(access.refreshed(tokens("me", "new", after(60)), NOW).sent_kind(), TokenKind::AccessToken);
        assert_eq!(stored(access.sending(TokenKind::IdToken)).sent_kind(), TokenKind::IdToken);
        // Without the member, as an earlier version wrote it.
        let mut earlier = stored(session(10));
        assert_eq!(earlier.sent_kind(), TokenKind::IdToken);
        earlier.id_token = None;
        assert_eq!(earlier.sent_kind(), TokenKind::AccessToken);
    }

    #[test]
    fn removing_the_default_account_leaves_no_default() {
        let mut record = Record::new(key());
        record.put(session(3600));
        record.default_account = Some("me".to_owned());
        assert!(record.remove("subject-me").is_some());
        assert_eq!((record.sessions.len(), record.default_account), (0, None));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = Record::parse(&bytes);
        }

        #[test]
        fn no_times_make_the_judgement_panic(obtained in any::<u64>(), end in any::<Option<u64>>(), offset in any::<i64>(), now in any::<u64>()) {
            let mut session = session(1);
            (session.obtained_at, session.id_token_expires_at, session.clock_offset_seconds) = (obtained, end, offset);
            let _ = session.standing(TokenKind::IdToken, UnixTime::from_seconds(now));
            let _ = session.credential(TokenKind::IdToken);
        }
    }
}
