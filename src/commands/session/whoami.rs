//! `countersign whoami`: which sessions are stored, whose they are and when they end; and which user a cluster would see.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::super::output::Output;
use super::super::terminal::{self, Palette, printable};
use super::super::{Conclusion, Failure, Outcome, block_on, explain};
use super::context::ContextFlags;
use super::flags::StoreFlags;
use crate::clock::{Clock, SystemClock, UnixTime};
use crate::login::exec_credential::rfc3339;
use crate::login::session::{Record, Session, SessionKey, Standing};
use crate::login::settings::TokenKind;
use crate::providers::StepOutcome;
use crate::token::BearerToken;

/// Lists the stored sessions: provider, account, and when they end; with --context, those of that context's login.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    store: StoreFlags,
    #[command(flatten)]
    context: ContextFlags,
    /// A server's configuration: also say which user a cluster with it would see.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How to print the sessions.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// One session as it is shown.
struct Row<'a> {
    record: &'a Record,
    session: &'a Session,
    standing: Standing,
    until: UnixTime,
    seen_as: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let login = arguments.context.login()?;
    let store = match &login {
        Some(login) => arguments.store.clone().over(login.flags.store.clone()).open(true)?,
        None => arguments.store.open(true)?,
    };
    let mut records = store.all().map_err(|error| Failure::unknown(&error))?;
    if let Some(login) = &login {
        let key = SessionKey::of(&login.settings);
        records.retain(|record| record.key == key);
    }
    let now = SystemClock.now();
    let mut rows = Vec::new();
    for (record, session) in
        records.iter().flat_map(|record| record.sessions.iter().map(move |session| (record, session)))
    {
        // What a context sends may be another token than what was sent last.
        let kind = login.as_ref().map_or_else(|| session.sent_kind(), |login| login.settings.token_kind);
        let standing = session.standing(kind, now);
        let seen_as = match &arguments.config {
            Some(config) if standing != Standing::Ended => Some(seen_as(config, session, kind)?),
            _ => None,
        };
        rows.push(Row { record, session, standing, until: session.usable_until(kind), seen_as });
    }
    let document: Vec<Value> = rows.iter().map(Row::document).collect();
    let text = arguments.output.document(&json!({"sessions": document})).unwrap_or_else(|| {
        text(&rows, store.folder().map(crate::login::session::folder::Folder::path), Palette::of_stdout())
    });
    terminal::print(&text)?;
    Ok(if rows.is_empty() { Conclusion::No } else { Conclusion::Yes })
}

/// What the service with this configuration would make of the session's token.
fn seen_as(config: &Path, session: &Session, kind: TokenKind) -> Result<String, Failure> {
    let Some(credential) = session.credential(kind) else { return Ok(String::new()) };
    let token = BearerToken::from(credential.token.as_str());
    let explanation = block_on(explain::walk(config, &token, &[]))??;
    Ok(match (explanation.user, explanation.outcome) {
        (Some(user), _) if user.groups.is_empty() => user.username,
        (Some(user), _) => format!("{} (groups {})", user.username, user.groups.join(", ")),
        (None, StepOutcome::Rejected(reason)) => format!("nobody: {}", reason.sentence()),
        (None, StepOutcome::Undecided(cause)) => format!("cannot tell: {}", cause.sentence()),
        (None, StepOutcome::Passed) => "cannot tell".to_owned(),
    })
}

impl Row<'_> {
    fn document(&self) -> Value {
        let key = &self.record.key;
        json!({
            "issuer": key.issuer,
            "clientId": key.client_id,
            "scopes": key.scopes,
            "audience": key.audience,
            "grant": key.grant,
            "account": self.session.account,
            "subject": self.session.subject,
            "default": self.is_default(),
            "usable": self.standing != Standing::Ended,
            "renewable": self.session.refresh_token().is_some(),
            "expirationTimestamp": rfc3339(self.until),
            "clusterUser": self.seen_as,
            "storage": self.storage(),
        })
    }

    const fn storage(&self) -> &'static str {
        if self.record.in_keyring { "keyring" } else { "disk" }
    }

    const fn storage_in_words(&self) -> &'static str {
        if self.record.in_keyring { "the system's keyring" } else { "a file that only you can read" }
    }

    fn is_default(&self) -> bool {
        let sessions = &self.record.sessions;
        sessions.len() == 1 || self.record.default_account.as_deref() == Some(&self.session.account)
    }
}

fn text(rows: &[Row<'_>], folder: Option<&Path>, palette: Palette) -> String {
    let mut text = String::new();
    if rows.is_empty() {
        text += "nobody is logged in\n";
    }
    for row in rows {
        let key = &row.record.key;
        let _ = writeln!(text, "{} at {}", palette.bold(&printable(&row.session.account)), printable(&key.issuer));
        let mut detail = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(text, "  {name:<9}  {}", printable(value));
            }
        };
        detail("client", &key.client_id);
        detail("audience", key.audience.as_deref().unwrap_or_default());
        detail("scopes", &key.scopes.join(" "));
        detail("subject", row.session.subject.as_deref().filter(|sub| *sub != row.session.account).unwrap_or_default());
        let word = if row.standing == Standing::Ended { "ended" } else { "good until" };
        let renewal = if row.session.refresh_token().is_some() { "renewed by itself" } else { "then a new login" };
        match row.session.has_tokens() {
            true => detail("token", &format!("{word} {}, {renewal}", rfc3339(row.until))),
            false => detail("token", "cannot be read now: the system's keyring is locked or not there"),
        }
        detail("stored in", row.storage_in_words());
        detail("cluster", &row.seen_as.as_ref().map(|user| format!("sees {user}")).unwrap_or_default());
        if row.record.sessions.len() > 1 && row.is_default() {
            detail("", "used when no --account is given");
        }
    }
    if let Some(folder) = folder.filter(|_| !rows.is_empty()) {
        let _ =
            writeln!(text, "{}", palette.dim(&format!("sessions are in {}", printable(&folder.display().to_string()))));
    }
    text
}
