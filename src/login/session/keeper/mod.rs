//! From an order to a credential: the stored token while it is good, else one refresh or one login, whoever asks.
//!
//! What must hold: a refresh token is spent once, under the lock, and only when its successor can be stored; a provider
//! that cannot be reached costs nobody a token that is still good; an API server's 401 leads to one refresh at most and
//! to no browser window while the provider honours the session; nothing that fails changes the stored session, but for a
//! refresh token that is spent, whose successor is stored whatever came with it.

mod refresh;

use std::time::Duration;

use self::refresh::Refreshed;
use super::key::SessionKey;
use super::lock::{Failure, Lock};
use super::record::{Credential, Record, Session, Standing};
use super::runs;
use super::store::{Kept, Place, Store};
use crate::clock::{Clock, UnixTime};
use crate::login::outcome::{Ending, LoggedOut, LoginError, Meaning, ProviderError};
use crate::login::settings::{ClientAuthentication, Grant, Settings, TokenKind};
use crate::login::tokens::Tokens;

/// A token that came this recently is not renewed on demand: what is wrong with it would be wrong with the next.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// Longer than a login may take: who waits for one gets its result.
const LOCK_MARGIN: Duration = Duration::from_secs(30);
/// A clock that is off by this much deserves a word.
const CLOCK_WARNING_SECONDS: u64 = 120;

/// The way to the provider.
pub trait Provider {
    /// Gets the first tokens, asking a person if the grant needs one.
    ///
    /// # Errors
    /// What the provider, the person or the network had against it.
    fn log_in(&self, settings: &Settings) -> Result<Tokens, ProviderError>;

    /// Gets new tokens for a refresh token.
    ///
    /// # Errors
    /// `refused` when the refresh token is good for nothing any more.
    fn refresh(&self, settings: &Settings, refresh_token: &str) -> Result<Tokens, ProviderError>;

    /// Ends the session at the provider.
    ///
    /// # Errors
    /// When the provider did not do it.
    fn revoke(&self, settings: &Settings, tokens: &Tokens) -> Result<Ending, ProviderError>;

    /// Whether the run was told to end while it refreshed. Asked when what came of that is stored.
    fn is_interrupted(&self) -> bool {
        false
    }
}

/// Something to tell the person while it goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What is being done; for those who ask for it.
    Step(String),
    /// What they should know.
    Warning(String),
}

/// Who runs the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The process id of kubectl.
    pub process: u32,
    /// The cluster, if it was named.
    pub cluster: String,
}

/// Asks a cluster whether it takes a token; no answer means that it is not known.
pub type AsksCluster<'a> = &'a dyn Fn(&str) -> Option<bool>;

/// What is wanted.
pub struct Order<'a> {
    /// The login.
    pub settings: &'a Settings,
    /// Renew even what is still good.
    pub force_refresh: bool,
    /// kubectl, when it is kubectl that asks.
    pub caller: Option<Caller>,
    /// The way to the cluster, where it is named.
    pub cluster_takes: Option<AsksCluster<'a>>,
}

/// Keeps sessions, hands out their tokens.
pub struct Keeper<'a> {
    /// Where sessions are.
    pub store: &'a Store,
    /// Who gives new tokens.
    pub provider: &'a dyn Provider,
    /// Today.
    pub clock: &'a dyn Clock,
    /// Who listens.
    pub tell: &'a dyn Fn(Notice),
}

/// Why a new token is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// There is none that is good.
    Ended,
    /// There is one, but not for long.
    Due,
    /// kubectl asks again for the one it was just given.
    Refused,
    /// The user says so.
    Forced,
}

impl Keeper<'_> {
    /// A token that is good now.
    ///
    /// # Errors
    /// Says why there is none. The stored session is as it was.
    pub fn credential(&self, order: &Order<'_>) -> Result<Credential, LoginError> {
        let settings = order.settings;
        if settings.grant == Grant::TokenFile || self.store.folder().is_none() {
            return self.without_store(settings);
        }
        let key = SessionKey::of(settings);
        let record = self.store.read(&key)?;
        let session = record.as_ref().map(|record| choose(record, settings)).transpose()?.flatten();
        let Some(session) = session else {
            self.step(|| format!("no session at {} for this login", settings.issuer));
            return self.renew(order, &key, None, Cause::Ended);
        };
        match self.judge(order, &key, session) {
            None => handed_out(session, settings),
            Some(cause) => self.renew(order, &key, Some(session), cause),
        }
    }

    /// Logs in, whatever is stored, and stores what comes of it. Says where, too.
    ///
    /// # Errors
    /// Says why not. The stored session is as it was.
    pub fn log_in(&self, settings: &Settings) -> Result<(Session, Kept), LoginError> {
        let key = SessionKey::of(settings);
        let _lock = self.lock(&key, settings, &mut false)?;
        let room = self.store.reserve(&key)?;
        let session = self.new_session(settings)?;
        let mut record = self.store.read(&key)?.unwrap_or_else(|| Record::new(key));
        put(&mut record, session.clone(), settings);
        let kept = self.store.write(&record, room)?;
        self.say_where(&kept);
        Ok((session, kept))
    }

    /// Forgets the sessions of a login: the account's if one is named, else all. With `everywhere`, they end at the
    /// provider first. Returns whose they were.
    ///
    /// # Errors
    /// When the provider did not end one, which then stays stored, or the store cannot be written.
    pub fn log_out(&self, settings: &Settings, everywhere: bool) -> Result<Vec<LoggedOut>, LoginError> {
        let key = SessionKey::of(settings);
        let _lock = self.lock(&key, settings, &mut false)?;
        let Some(mut record) = self.store.read(&key)? else { return Ok(Vec::new()) };
        let accounts: Vec<String> = match &settings.account {
            Some(account) => record.session(account).map(|session| session.account.clone()).into_iter().collect(),
            None => record.sessions.iter().map(|session| session.account.clone()).collect(),
        };
        let mut done = Vec::new();
        for account in accounts {
            let session = record.session(&account).filter(|_| everywhere);
            let at_provider =
                session.map(|session| self.provider.revoke(settings, &session.to_tokens())).transpose()?;
            record.remove(&account);
            if record.sessions.is_empty() {
                self.store.remove(&key)?
            } else {
                self.store.write(&record, None).map(drop)?
            }
            done.push(LoggedOut { account, at_provider });
        }
        Ok(done)
    }

    /// Remembers the account to use when none is asked for.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn set_default_account(&self, settings: &Settings, account: &str) -> Result<(), LoginError> {
        let key = SessionKey::of(settings);
        let _lock = self.lock(&key, settings, &mut false)?;
        let Some(mut record) = self.store.read(&key)? else { return Ok(()) };
        record.default_account = Some(account.to_owned());
        Ok(self.store.write(&record, None).map(drop)?)
    }

    /// Why the session's token is not simply handed out; nothing if it is.
    fn judge(&self, order: &Order<'_>, key: &SessionKey, session: &Session) -> Option<Cause> {
        let (settings, now) = (order.settings, self.clock.now());
        match session.standing(settings.token_kind, now) {
            Standing::Ended => return Some(Cause::Ended),
            // Without a refresh token the rest of its life is all there is; a person is not asked before its end.
            Standing::Due if session.refresh_token().is_some() || !needs_person(settings) => return Some(Cause::Due),
            Standing::Due | Standing::Fresh => {}
        }
        let is_new = now.since(UnixTime::from_seconds(session.obtained_at)) < RENEWAL_PAUSE;
        if order.force_refresh {
            return (!is_new).then_some(Cause::Forced);
        }
        let times = self.count(order, key, session, now);
        if times < 2 {
            return None;
        }
        let is_taken = order.cluster_takes.zip(session.credential(settings.token_kind));
        let is_taken = is_taken.and_then(|(takes, credential)| takes(&credential.token));
        if is_taken == Some(true) {
            // A client that starts the plugin for each of its requests, and no refusal.
            self.step(|| "the cluster takes the token".to_owned());
            return None;
        }
        if times == 2 && !is_new && (session.refresh_token().is_some() || !needs_person(settings)) {
            return Some(Cause::Refused);
        }
        self.advise(settings, session, is_taken == Some(false));
        None
    }

    /// Renews under the lock, unless another run has just done it.
    fn renew(
        &self,
        order: &Order<'_>,
        key: &SessionKey,
        seen: Option<&Session>,
        cause: Cause,
    ) -> Result<Credential, LoginError> {
        let settings = order.settings;
        let began = self.clock.now();
        let mut waited = false;
        let mut lock = self.lock(key, settings, &mut waited)?;
        let record = self.store.read(key)?.unwrap_or_else(|| Record::new(key.clone()));
        let session = choose(&record, settings)?;
        let now = self.clock.now();
        if let Some(session) = session
            && session.standing(settings.token_kind, now) == Standing::Fresh
            && seen.is_none_or(|seen| !same_token(seen, session, settings.token_kind))
        {
            self.step(|| "another run has renewed the session meanwhile".to_owned());
            let _ = self.count(order, key, session, now);
            return handed_out(session, settings);
        }
        let asked_by = order.caller.as_ref().map(|caller| caller.process);
        if let Some(failure) = lock.as_mut().and_then(Lock::last_failure)
            && failure.concerns(waited.then_some(began), asked_by, now)
        {
            let error = LoginError::JustFailed { message: failure.message, refused: failure.refused };
            return self.despite(error, settings, session, cause);
        }
        let renewed = self.renew_locked(settings, record.clone(), session, cause);
        match renewed {
            Ok(new) => {
                Self::leave_word(lock.as_mut(), None);
                let _ = self.count(order, key, &new, self.clock.now());
                handed_out(&new, settings)
            }
            // Nothing was found out that others should know, and nobody waits for a token.
            Err(LoginError::Interrupted) => Err(LoginError::Interrupted),
            Err(error) => {
                let (at, message) = (self.clock.now().seconds(), chain(&error));
                let refused = error.meaning() == Meaning::No;
                // Where nobody was asked, nothing was tried.
                if !matches!(error, LoginError::NeedsPerson { .. }) {
                    Self::leave_word(lock.as_mut(), Some(&Failure { at, asked_by, message, refused }));
                }
                self.despite(error, settings, session, cause)
            }
        }
    }

    fn renew_locked(
        &self,
        settings: &Settings,
        mut record: Record,
        session: Option<&Session>,
        cause: Cause,
    ) -> Result<Session, LoginError> {
        let mut why = if session.is_some() { "the session has ended" } else { "nobody is logged in" };
        if let Some(session) = session
            && let Some(refresh_token) = session.refresh_token()
        {
            match self.refresh(settings, &mut record, session, refresh_token)? {
                Refreshed::Good(new) => return Ok(new),
                Refreshed::Over(reason) => why = reason,
            }
        }
        if needs_person(settings) && (!settings.interactive || cause == Cause::Due) {
            return Err(LoginError::NeedsPerson { issuer: settings.issuer.clone(), why });
        }
        self.step(|| format!("{why}; logging in at {}", settings.issuer));
        let room = match self.store.reserve(&record.key) {
            Ok(room) => room,
            // A login is a person's work; it counts for this run even if it cannot be kept.
            Err(error) => {
                (self.tell)(Notice::Warning(format!("this login will not be kept: {}", chain(&error))));
                return self.new_session(settings);
            }
        };
        let new = self.new_session(settings)?;
        put(&mut record, new.clone(), settings);
        self.save(&record, room);
        Ok(new)
    }

    /// What a failure to renew means: nothing, as long as the old token is good.
    fn despite(
        &self,
        error: LoginError,
        settings: &Settings,
        session: Option<&Session>,
        cause: Cause,
    ) -> Result<Credential, LoginError> {
        let is_good =
            session.filter(|session| session.standing(settings.token_kind, self.clock.now()) != Standing::Ended);
        match (is_good, cause) {
            (Some(session), Cause::Due | Cause::Refused) => {
                (self.tell)(Notice::Warning(format!("using the stored token while it lasts: {}", chain(&error))));
                if cause == Cause::Refused {
                    self.advise(settings, session, false);
                }
                handed_out(session, settings)
            }
            _ => Err(error),
        }
    }

    fn new_session(&self, settings: &Settings) -> Result<Session, LoginError> {
        let tokens = self.provider.log_in(settings)?;
        let session = Session::new(tokens, &settings.client_id, self.clock.now()).sending(settings.token_kind);
        self.warn_of_clock(&session);
        match &settings.account {
            Some(wanted) if !session.is_of(wanted) => {
                return Err(LoginError::WrongAccount { wanted: wanted.clone(), got: session.account });
            }
            _ => {}
        }
        handed_out(&session, settings)?;
        Ok(session)
    }

    /// For grants whose tokens are somebody else's to keep, and stores that keep nothing.
    fn without_store(&self, settings: &Settings) -> Result<Credential, LoginError> {
        if needs_person(settings) && !settings.interactive {
            let why = "nothing is stored (--token-cache-storage none)";
            return Err(LoginError::NeedsPerson { issuer: settings.issuer.clone(), why });
        }
        let session = self.new_session(settings)?;
        handed_out(&session, settings)
    }

    fn save(&self, record: &Record, room: Option<super::folder::Reservation>) {
        match self.store.write(record, room) {
            Ok(kept) => self.say_where(&kept),
            Err(error) => {
                let message = format!("the session could not be stored and has to be made again: {}", chain(&error));
                (self.tell)(Notice::Warning(message));
            }
        }
    }

    fn say_where(&self, kept: &Kept) {
        if let Some(error) = &kept.instead {
            (self.tell)(Notice::Warning(format!("the session is kept in a file, not in the keyring: {error}")));
        }
        self.step(|| match kept.place {
            Some(Place::Keyring) => "the session is kept in the system's keyring".to_owned(),
            Some(Place::Disk) => "the session is kept in a file that only you can read".to_owned(),
            None => "the session is not kept".to_owned(),
        });
    }

    fn lock(&self, key: &SessionKey, settings: &Settings, waited: &mut bool) -> Result<Option<Lock>, LoginError> {
        let Some(folder) = self.store.folder() else { return Ok(None) };
        let name = key.file_stem() + ".lock";
        let lock = Lock::take(folder, &name, settings.patience + LOCK_MARGIN, || {
            *waited = true;
            (self.tell)(Notice::Warning("waiting for another run that is logging in".to_owned()));
        })?;
        Ok(Some(lock))
    }

    fn leave_word(lock: Option<&mut Lock>, failure: Option<&Failure>) {
        if let Some(lock) = lock {
            lock.leave_word(failure);
        }
    }

    fn count(&self, order: &Order<'_>, key: &SessionKey, session: &Session, now: UnixTime) -> u32 {
        match (&order.caller, self.store.folder()) {
            (Some(caller), Some(folder)) => {
                let name = key.file_stem() + ".runs";
                runs::count(folder, &name, caller.process, &caller.cluster, session.obtained_at, now)
            }
            _ => 1,
        }
    }

    fn advise(&self, settings: &Settings, session: &Session, is_certain: bool) {
        let age = self.clock.now().since(UnixTime::from_seconds(session.obtained_at)).as_secs();
        (self.tell)(Notice::Warning(format!(
            "the API server {refuses} the token of {account}, which {issuer} issued {age} s ago; ask its \
             administrator whether it trusts this issuer and client ({client}), or log in anew with `countersign login`",
            refuses = if is_certain { "refuses" } else { "seems to refuse" },
            account = session.account,
            issuer = settings.issuer,
            client = settings.client_id,
        )));
    }

    fn warn_of_clock(&self, session: &Session) {
        let offset = session.clock_offset_seconds;
        if offset.unsigned_abs() > CLOCK_WARNING_SECONDS {
            let direction = if offset > 0 { "behind" } else { "ahead of" };
            let message =
                format!("this machine's clock is {} s {direction} the provider's; set it", offset.unsigned_abs());
            (self.tell)(Notice::Warning(message));
        }
    }

    fn step(&self, words: impl FnOnce() -> String) {
        (self.tell)(Notice::Step(words()));
    }
}

/// The session that settings mean; nothing if it has to be made.
fn choose<'a>(record: &'a Record, settings: &Settings) -> Result<Option<&'a Session>, LoginError> {
    if let Some(account) = settings.account.as_deref().or(record.default_account.as_deref()) {
        return Ok(record.session(account));
    }
    match record.sessions.as_slice() {
        [] => Ok(None),
        [session] => Ok(Some(session)),
        several => {
            Err(LoginError::Ambiguous { accounts: several.iter().map(|session| session.account.clone()).collect() })
        }
    }
}

/// A login without a wish for an account is from now on what is meant without one.
fn put(record: &mut Record, session: Session, settings: &Settings) {
    if settings.account.is_none() {
        record.default_account = Some(session.account.clone());
    }
    record.put(session);
}

fn handed_out(session: &Session, settings: &Settings) -> Result<Credential, LoginError> {
    session.credential(settings.token_kind).ok_or_else(|| {
        let (kind, remedy) = match settings.token_kind {
            TokenKind::IdToken => ("ID token", "allow the client the scope openid, or use --oidc-use-access-token"),
            TokenKind::AccessToken => ("access token", "leave --oidc-use-access-token out"),
        };
        LoginError::NoToken { issuer: settings.issuer.clone(), kind, remedy }
    })
}

/// Whether getting new tokens takes a person.
///
/// A client's secret does not make a run without a person a client's own login: confidential clients have one for their
/// users' logins too, and a script must not become another identity than its user. A key or an assertion is a workload's.
fn needs_person(settings: &Settings) -> bool {
    match settings.grant {
        Grant::AuthorizationCode | Grant::DeviceCode => true,
        Grant::Auto => {
            let is_workload = matches!(
                settings.client,
                ClientAuthentication::PrivateKey { .. } | ClientAuthentication::AssertionFile(_)
            );
            settings.interactive || !is_workload
        }
        Grant::ClientCredentials | Grant::JwtBearer | Grant::TokenExchange | Grant::TokenFile => false,
    }
}

fn same_token(one: &Session, other: &Session, kind: TokenKind) -> bool {
    match (one.credential(kind), other.credential(kind)) {
        (Some(one), Some(other)) => one.token == other.token,
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    crate::outbound::chain(error)
}

#[cfg(test)]
mod tests;
