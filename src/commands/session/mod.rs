//! The commands of a user: `get-token`, `login`, `logout`, `whoami`. Flags become settings, [`Keeper`] does the work.
//!
//! Standard output is for what was asked for: the credential alone in `get-token`. Everything said meanwhile goes to
//! standard error.

pub(super) mod context;
pub(super) mod flags;
pub(super) mod get_token;
pub(super) mod log_in;
pub(super) mod log_out;
mod provider;
pub(super) mod whoami;

use std::io::{self, BufRead};

use self::provider::Flows;
use super::terminal::{self, printable};
use super::{Failure, chain};
use crate::clock::SystemClock;
use crate::login::outcome::{LoginError, Meaning};
use crate::login::session::{Keeper, Notice, Store};
use crate::login::settings::Settings;

/// Does something with sessions, with the real provider, clock and terminal.
fn with_keeper<T>(
    store: &Store,
    settings: &Settings,
    cluster: Option<String>,
    verbose: bool,
    work: impl FnOnce(&Keeper<'_>) -> Result<T, LoginError>,
) -> Result<T, LoginError> {
    let tell = |notice| match notice {
        Notice::Warning(text) => say(&text),
        Notice::Step(text) if verbose => say(&text),
        Notice::Step(_) => {}
    };
    let provider = Flows::new(settings, cluster, verbose);
    work(&Keeper { store, provider: &provider, clock: &SystemClock, tell: &tell })
}

/// A line to whoever is there.
fn say(text: &str) {
    terminal::complain(&format!("countersign: {}", printable(text)));
}

fn failure(error: &LoginError) -> Failure {
    let message = chain(error);
    match error.meaning() {
        Meaning::No => Failure::Refused(message),
        Meaning::Unknown => Failure::Unknown(message),
        Meaning::WrongUse => Failure::WrongUse(message),
    }
}

/// Asks which account is meant. Nothing, when there is no answer that means one.
fn choose(accounts: &[String]) -> Option<String> {
    terminal::complain("Several accounts are logged in:");
    for (number, account) in accounts.iter().enumerate() {
        terminal::complain(&format!("  {}  {}", number + 1, printable(account)));
    }
    terminal::complain(&format!("Which one? [1-{}]", accounts.len()));
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).ok()?;
    chosen(accounts, &line).map(str::to_owned)
}

/// The account that an answer means: by its number in the list, or by name.
fn chosen<'a>(accounts: &'a [String], answer: &str) -> Option<&'a str> {
    let answer = answer.trim();
    let by_number = answer.parse::<usize>().ok().and_then(|number| accounts.get(number.checked_sub(1)?));
    by_number.or_else(|| accounts.iter().find(|account| *account == answer)).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_chosen_by_number_or_name() {
        let accounts = ["alice".to_owned(), "2".to_owned()];
        let choose = |answer| chosen(&accounts, answer);
        assert_eq!([choose("1\n"), choose(" alice "), choose("2")], [Some("alice"), Some("alice"), Some("2")]);
        assert_eq!([choose(""), choose("0"), choose("3"), choose("bob")], [None; 4]);
    }
}
