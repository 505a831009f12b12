//! What the keeper does with a provider that answers by a script and counts.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::clock::ManualClock;
use crate::login::session::testing::{NOW, key, names, settings, tokens};
use crate::login::tokens::Successor;

/// A provider that answers what it was told to, in order, and remembers what it was asked.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Result<Tokens, ProviderError>>>,
    asked: Mutex<Vec<String>>,
    is_interrupted: AtomicBool,
}

impl Script {
    fn answering(answers: impl IntoIterator<Item = Result<Tokens, ProviderError>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().collect()), ..Self::default() }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn next(&self, question: String) -> Result<Tokens, ProviderError> {
        self.asked.lock().unwrap().push(question);
        self.answers.lock().unwrap().pop_front().expect("nothing more was to be asked")
    }
}

impl Provider for Script {
    fn log_in(&self, _: &Settings) -> Result<Tokens, ProviderError> {
        self.next("login".to_owned())
    }

    fn refresh(&self, _: &Settings, refresh_token: &str) -> Result<Tokens, ProviderError> {
        self.next(format!("refresh {refresh_token}"))
    }

    fn revoke(&self, _: &Settings, tokens: &Tokens) -> Result<Ending, ProviderError> {
        self.next(format!("revoke {}", tokens.account.as_deref().unwrap_or_default())).map(|_| Ending::Revoked)
    }

    fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }
}

/// A store with a clock; each call is a run of the program.
struct Rig {
    folder: tempfile::TempDir,
    store: Store,
    clock: ManualClock,
    notices: RefCell<Vec<String>>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_folder(folder.path().join("sessions"));
        Self { folder, store, clock: ManualClock::at(NOW), notices: RefCell::default() }
    }

    /// A rig with a session of this account, whose tokens end in an hour.
    fn with(accounts: &[&str]) -> Self {
        let rig = Self::new();
        let mut record = Record::new(key());
        for account in accounts {
            record.put(Session::new(tokens(account, &format!("id-{account}"), in_an_hour(NOW)), "kubectl", NOW));
        }
        rig.store.write(&record, None).unwrap();
        rig
    }

    fn keeper<'a>(&'a self, provider: &'a Script, tell: &'a dyn Fn(Notice)) -> Keeper<'a> {
        Keeper { store: &self.store, provider, clock: &self.clock, tell }
    }

    fn run(&self, order: &Order<'_>, provider: &Script) -> Result<String, String> {
        let tell = |notice| {
            if let Notice::Warning(text) = notice {
                self.notices.borrow_mut().push(text);
            }
        };
        let credential = self.keeper(provider, &tell).credential(order);
        credential.map(|credential| credential.token.to_string()).map_err(|error| error.to_string())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn stored(&self) -> Record {
        self.store.read(&key()).unwrap().unwrap()
    }

    fn warnings(&self) -> Vec<String> {
        self.notices.take()
    }
}

fn in_an_hour(now: UnixTime) -> UnixTime {
    now.saturating_add(Duration::from_secs(3600))
}

/// Tokens that are good for an hour, whenever they are asked for in a test.
fn new_tokens(account: &str) -> Tokens {
    tokens(account, &format!("new-{account}"), in_an_hour(in_an_hour(NOW)))
}

fn order(settings: &Settings) -> Order<'_> {
    Order { settings, force_refresh: false, caller: None, cluster_takes: None }
}

fn kubectl(settings: &Settings, process: u32) -> Order<'_> {
    Order {
        settings,
        force_refresh: false,
        caller: Some(Caller { process, cluster: String::new() }),
        cluster_takes: None,
    }
}

fn alone() -> Settings {
    Settings { interactive: false, ..settings() }
}

fn refused() -> ProviderError {
    ProviderError { message: "invalid_grant".to_owned(), refused: true, successor: None }
}

fn unreachable() -> ProviderError {
    ProviderError { message: "no answer from https://idp.example.com".to_owned(), refused: false, successor: None }
}

#[test]
fn a_good_token_is_handed_out_and_nobody_is_asked() {
    let rig = Rig::with(&["me"]);
    let provider = Script::default();
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("id-me".to_owned()));
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("id-me".to_owned()));
    assert!(names(&rig.folder.path().join("sessions")).iter().all(|name| name.ends_with(".json")), "no lock was taken");
}

#[test]
fn without_a_session_a_person_logs_in_and_the_session_is_kept() {
    let rig = Rig::new();
    let provider = Script::answering([Ok(new_tokens("me"))]);
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("new-me".to_owned()));
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("new-me".to_owned()));
    assert_eq!(provider.asked(), ["login"]);
}

#[test]
fn without_a_person_there_is_no_login() {
    let rig = Rig::new();
    let provider = Script::default();
    assert_eq!(
        rig.run(&order(&alone()), &provider),
        Err("nobody is logged in, and nobody can be asked here; log in with `countersign login` and the same flags \
             (https://idp.example.com)"
            .to_owned())
    );
    assert_eq!(provider.asked(), [""; 0]);
}

#[test]
fn a_clients_secret_does_not_turn_a_script_into_the_client() {
    let rig = Rig::new();
    let client = ClientAuthentication::Secret(zeroize::Zeroizing::new("secret".to_owned()));
    let provider = Script::default();
    assert!(rig.run(&order(&Settings { client: client.clone(), ..alone() }), &provider).is_err());
    let provider = Script::answering([Ok(new_tokens("client"))]);
    let asked_for = Settings { client, grant: Grant::ClientCredentials, ..alone() };
    assert_eq!(rig.run(&order(&asked_for), &provider), Ok("new-client".to_owned()));
}

#[test]
fn an_ended_token_is_refreshed_and_the_rotated_refresh_token_is_kept() {
    let rig = Rig::with(&["me"]);
    rig.pass(3600);
    let mut rotated = new_tokens("me");
    rotated.refresh_token = Some(zeroize::Zeroizing::new("rotated".to_owned()));
    let provider = Script::answering([Ok(rotated)]);
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("new-me".to_owned()));
    assert_eq!(provider.asked(), ["refresh refresh-me"]);
    assert_eq!(rig.stored().session("me").unwrap().refresh_token(), Some("rotated"));
}

#[test]
fn a_token_is_refreshed_early_and_used_while_the_provider_is_down() {
    let rig = Rig::with(&["me"]);
    rig.pass(3545);
    let provider = Script::answering([Err(unreachable()), Ok(new_tokens("me"))]);
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("id-me".to_owned()));
    assert_eq!(rig.warnings(), ["using the stored token while it lasts: no answer from https://idp.example.com"]);
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("new-me".to_owned()));
}

#[test]
fn a_provider_that_is_down_leaves_the_session_as_it_was() {
    let rig = Rig::with(&["me"]);
    let before = rig.stored().to_bytes();
    rig.pass(3600);
    let provider = Script::answering([Err(unreachable())]);
    assert_eq!(rig.run(&order(&settings()), &provider), Err("no answer from https://idp.example.com".to_owned()));
    assert_eq!(rig.stored().to_bytes(), before);
}

#[test]
fn a_refused_refresh_leads_to_a_login_when_somebody_is_there() {
    let rig = Rig::with(&["me"]);
    rig.pass(3600);
    let provider = Script::answering([Err(refused()), Ok(new_tokens("me"))]);
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("new-me".to_owned()));
    assert_eq!(provider.asked(), ["refresh refresh-me", "login"]);
}

#[test]
fn a_refused_refresh_is_not_tried_again_and_said_clearly_when_nobody_is_there() {
    let rig = Rig::with(&["me"]);
    rig.pass(3600);
    let provider = Script::answering([Err(refused())]);
    let error = rig.run(&order(&alone()), &provider).unwrap_err();
    assert!(error.starts_with("the provider has ended the session, and nobody can be asked here; log in"), "{error}");
    let error = rig.run(&order(&alone()), &provider).unwrap_err();
    assert!(error.starts_with("the session has ended, and nobody can be asked here; log in"), "{error}");
    assert_eq!(provider.asked(), ["refresh refresh-me"]);
}

#[test]
fn a_refresh_that_brings_somebody_else_is_refused_and_neither_refresh_token_is_used_again() {
    let rig = Rig::with(&["me"]);
    rig.pass(3600);
    let provider = Script::answering([Ok(new_tokens("other"))]);
    let expected = "https://idp.example.com answered the refresh with another account's tokens; log in anew";
    assert_eq!(rig.run(&order(&alone()), &provider), Err(expected.to_owned()));
    let stored = rig.stored();
    let session = stored.session("me").unwrap();
    let id_token = session.credential(TokenKind::IdToken).unwrap().token.to_string();
    assert_eq!((stored.sessions.len(), id_token.as_str(), session.refresh_token()), (1, "id-me", None));
}

#[test]
fn a_rotated_refresh_token_outlives_what_came_with_it() {
    let rig = Rig::with(&["me"]);
    rig.pass(3600);
    let successor = Some(Successor(zeroize::Zeroizing::new("rotated".to_owned())));
    let provider = Script::answering([Err(ProviderError { successor, ..unreachable() }), Ok(new_tokens("me"))]);
    assert_eq!(rig.run(&order(&alone()), &provider), Err("no answer from https://idp.example.com".to_owned()));
    assert_eq!(rig.run(&order(&alone()), &provider), Ok("new-me".to_owned()));
    assert_eq!(provider.asked(), ["refresh refresh-me", "refresh rotated"]);
}

#[test]
fn k4_an_interrupted_refresh_is_stored_and_ends_the_run_without_a_token_or_a_login() {
    let interrupted = Err("the refresh was interrupted, and the session is kept; run the command again".to_owned());
    for (outcome, left) in
        [(Ok(new_tokens("other-me")), None), (Ok(new_tokens("me")), Some("refresh-me")), (Err(refused()), None)]
    {
        let rig = Rig::with(&["me"]);
        rig.pass(3545);
        let provider = Script::answering([outcome]);
        provider.is_interrupted.store(true, Ordering::Relaxed);
        assert_eq!(rig.run(&order(&settings()), &provider), interrupted);
        assert_eq!((rig.stored().session("me").unwrap().refresh_token(), rig.warnings()), (left, Vec::new()));
    }
}

#[test]
fn k3_after_a_401_kubectl_gets_one_refresh_and_then_advice() {
    let rig = Rig::with(&["me"]);
    rig.pass(60);
    let provider = Script::answering([Ok(new_tokens("me"))]);
    let settings = settings();
    assert_eq!(rig.run(&kubectl(&settings, 100), &provider), Ok("id-me".to_owned()));
    assert_eq!(rig.run(&kubectl(&settings, 100), &provider), Ok("new-me".to_owned()));
    assert_eq!(rig.warnings(), [""; 0]);
    assert_eq!(rig.run(&kubectl(&settings, 100), &provider), Ok("new-me".to_owned()));
    assert_eq!(
        rig.warnings(),
        ["the API server seems to refuse the token of me, which https://idp.example.com issued 0 s ago; ask its \
          administrator whether it trusts this issuer and client (kubectl), or log in anew with `countersign login`"]
    );
    assert_eq!(provider.asked(), ["refresh refresh-me"]);
}

#[test]
fn k3_a_cluster_that_takes_the_token_is_no_reason_to_renew_it() {
    let rig = Rig::with(&["me"]);
    rig.pass(60);
    let (settings, provider) = (settings(), Script::default());
    let takes = |_: &str| Some(true);
    for _ in 0..5 {
        let order = Order { cluster_takes: Some(&takes), ..kubectl(&settings, 7) };
        assert_eq!(rig.run(&order, &provider), Ok("id-me".to_owned()));
    }
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn k3_a_cluster_that_refuses_the_token_is_said_to_do_so() {
    let rig = Rig::with(&["me"]);
    let (settings, provider) = (settings(), Script::default());
    let refuses = |_: &str| Some(false);
    for _ in 0..2 {
        let order = Order { cluster_takes: Some(&refuses), ..kubectl(&settings, 7) };
        assert_eq!(
            rig.run(&order, &provider),
            Ok("id-me".to_owned()),
            "it came a moment ago: another would be no better"
        );
    }
    let warnings = rig.warnings();
    assert!(warnings.len() == 1 && warnings[0].starts_with("the API server refuses the token of me, "), "{warnings:?}");
}

#[test]
fn k3_a_script_of_many_kubectls_is_no_storm() {
    let rig = Rig::with(&["me"]);
    rig.pass(60);
    let provider = Script::default();
    for process in 1..200 {
        assert_eq!(rig.run(&kubectl(&settings(), process), &provider), Ok("id-me".to_owned()));
    }
    assert_eq!(rig.warnings(), [""; 0]);
}

#[test]
fn k3_a_401_opens_no_browser_when_there_is_no_refresh_token() {
    let rig = Rig::with(&["me"]);
    let mut record = rig.stored();
    record.put(record.sessions[0].clone().without_refresh_token());
    rig.store.write(&record, None).unwrap();
    rig.pass(60);
    let provider = Script::default();
    for _ in 0..3 {
        assert_eq!(rig.run(&kubectl(&settings(), 100), &provider), Ok("id-me".to_owned()));
    }
    assert_eq!(rig.warnings().len(), 2);
}

#[test]
fn k3_a_forced_refresh_within_ten_seconds_brings_the_same_token() {
    let rig = Rig::with(&["me"]);
    let provider = Script::answering([Ok(new_tokens("me"))]);
    let settings = settings();
    let forced = Order { force_refresh: true, ..order(&settings) };
    assert_eq!(rig.run(&forced, &provider), Ok("id-me".to_owned()));
    rig.pass(10);
    assert_eq!(rig.run(&forced, &provider), Ok("new-me".to_owned()));
    assert_eq!(rig.run(&forced, &provider), Ok("new-me".to_owned()));
    assert_eq!(provider.asked(), ["refresh refresh-me"]);
}

#[test]
fn k3_a_window_that_was_closed_does_not_open_again_for_the_same_command() {
    let rig = Rig::new();
    let closed = ProviderError { message: "the login was not finished".to_owned(), refused: true, successor: None };
    let provider = Script::answering([Err(closed), Ok(new_tokens("me"))]);
    assert_eq!(rig.run(&kubectl(&settings(), 100), &provider), Err("the login was not finished".to_owned()));
    assert_eq!(
        rig.run(&kubectl(&settings(), 100), &provider),
        Err("the login was not finished (not tried again: a run just before failed so)".to_owned())
    );
    assert_eq!(rig.run(&kubectl(&settings(), 101), &provider), Ok("new-me".to_owned()));
}

#[test]
fn several_accounts_need_a_choice() {
    let rig = Rig::with(&["alice", "bob"]);
    let provider = Script::default();
    let expected = "several accounts are logged in (alice, bob); choose one with --account";
    assert_eq!(rig.run(&order(&settings()), &provider), Err(expected.to_owned()));
    let bob = Settings { account: Some("bob".to_owned()), ..settings() };
    assert_eq!(rig.run(&order(&bob), &provider), Ok("id-bob".to_owned()));
    rig.keeper(&provider, &|_| ()).set_default_account(&settings(), "alice").unwrap();
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("id-alice".to_owned()));
}

#[test]
fn k6_somebody_elses_login_is_not_taken_for_the_account_that_was_asked_for() {
    let rig = Rig::new();
    let provider = Script::answering([Ok(new_tokens("alice"))]);
    let bob = Settings { account: Some("bob".to_owned()), ..settings() };
    let error = rig.run(&order(&bob), &provider).unwrap_err();
    assert!(error.starts_with("logged in as alice, but --account asks for bob; "), "{error}");
    assert!(rig.store.read(&key()).unwrap().is_none());
}

#[test]
fn who_logged_in_last_without_a_wish_is_the_default() {
    let rig = Rig::with(&["alice"]);
    let provider = Script::answering([Ok(new_tokens("bob"))]);
    rig.keeper(&provider, &|_| ()).log_in(&settings()).unwrap();
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("new-bob".to_owned()));
    assert_eq!(rig.stored().sessions.len(), 2);
}

#[test]
fn a_session_that_the_provider_did_not_end_stays_stored() {
    let rig = Rig::with(&["alice", "bob"]);
    let provider = Script::answering([Err(unreachable()), Ok(new_tokens("")), Ok(new_tokens(""))]);
    let keeper = rig.keeper(&provider, &|_| ());
    assert!(keeper.log_out(&settings(), true).is_err());
    assert_eq!(rig.stored().sessions.len(), 2);
    let revoked = |account: &str| LoggedOut { account: account.to_owned(), at_provider: Some(Ending::Revoked) };
    assert_eq!(keeper.log_out(&settings(), true).unwrap(), [revoked("alice"), revoked("bob")]);
    assert!(rig.store.read(&key()).unwrap().is_none());
    assert_eq!(provider.asked(), ["revoke alice", "revoke alice", "revoke bob"]);
}

#[test]
fn one_account_can_log_out_alone() {
    let rig = Rig::with(&["alice", "bob"]);
    let provider = Script::default();
    let bob = Settings { account: Some("bob".to_owned()), ..settings() };
    let expected = LoggedOut { account: "bob".to_owned(), at_provider: None };
    assert_eq!(rig.keeper(&provider, &|_| ()).log_out(&bob, false).unwrap(), [expected]);
    assert_eq!(rig.run(&order(&settings()), &provider), Ok("id-alice".to_owned()));
}

#[test]
fn a_provider_without_the_wanted_token_is_an_error_that_says_so() {
    let rig = Rig::new();
    let provider = Script::answering([Ok(Tokens { id_token: None, ..new_tokens("me") })]);
    assert_eq!(
        rig.run(&order(&settings()), &provider),
        Err("https://idp.example.com gave no ID token; allow the client the scope openid, or use --oidc-use-access-token"
            .to_owned())
    );
}

#[test]
fn a_session_remembers_which_token_was_sent_last() {
    let rig = Rig::new();
    let provider = Script::answering([Ok(new_tokens("me")), Ok(new_tokens("me"))]);
    let sends_access_token = Settings { token_kind: TokenKind::AccessToken, ..settings() };
    rig.run(&order(&sends_access_token), &provider).unwrap();
    assert_eq!(rig.stored().session("me").unwrap().sent_kind(), TokenKind::AccessToken);
    rig.pass(7200);
    rig.run(&order(&alone()), &provider).unwrap_err();
    assert_eq!(rig.stored().session("me").unwrap().sent_kind(), TokenKind::IdToken);
}

#[test]
fn a_clock_that_is_wrong_deserves_a_word() {
    let rig = Rig::new();
    let provider = Script::answering([Ok(Tokens { clock_offset_seconds: -600, ..new_tokens("me") })]);
    rig.run(&order(&settings()), &provider).unwrap();
    assert_eq!(rig.warnings(), ["this machine's clock is 600 s ahead of the provider's; set it"]);
}

#[cfg(unix)]
mod disk {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn k4_a_refresh_token_is_not_spent_when_its_successor_has_no_place() {
        let rig = Rig::with(&["me"]);
        rig.pass(3600);
        // Something in the way of the new file, as a full disk or a read-only home would be.
        let folder = rig.folder.path().join("sessions");
        fs::create_dir(folder.join(format!(".{}.json.new", key().file_stem()))).unwrap();
        let before = rig.stored().to_bytes();
        let provider = Script::default();
        let error = rig.run(&order(&settings()), &provider).unwrap_err();
        assert!(error.contains("cannot be written; see that the folder is yours and the disk has room"), "{error}");
        assert_eq!((rig.stored().to_bytes(), provider.asked().len()), (before, 0));
    }

    #[test]
    fn a_login_that_cannot_be_kept_still_counts_for_this_run() {
        let rig = Rig::with(&["me"]);
        let mut record = rig.stored();
        record.put(record.sessions[0].clone().without_refresh_token());
        rig.store.write(&record, None).unwrap();
        rig.pass(3600);
        let folder = rig.folder.path().join("sessions");
        fs::create_dir(folder.join(format!(".{}.json.new", key().file_stem()))).unwrap();
        let provider = Script::answering([Ok(new_tokens("me"))]);
        assert_eq!(rig.run(&order(&settings()), &provider), Ok("new-me".to_owned()));
        assert!(rig.warnings()[0].starts_with("this login will not be kept: "));
    }

    #[test]
    fn k1_a_link_in_the_stores_place_is_an_error_and_not_followed() {
        let rig = Rig::new();
        symlink(rig.folder.path(), rig.folder.path().join("sessions")).unwrap();
        let error = rig.run(&order(&settings()), &Script::default()).unwrap_err();
        assert!(
            error.ends_with("is a symbolic link; remove it, or choose another folder with --token-cache-dir"),
            "{error}"
        );
    }
}

mod processes;
