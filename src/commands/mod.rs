//! The command line: flags in, one call into the library, an exit code out.
//!
//! Data goes to standard output, everything else to standard error as one line with what, where and what to do. Exit
//! codes: 0 yes, 1 no (refused, problems found), 2 wrong use, 3 could not find out. No command prints a token but `get-token`,
//! whose output is for kubectl.

mod check;
mod dev;
mod doctor;
mod explain;
mod load;
mod openshift;
mod output;
mod question;
mod render;
mod review;
mod serve;
mod session;
mod terminal;
mod token;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use self::terminal::printable;
use crate::outbound;

/// What a command found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// Refused, or problems found.
    No,
    /// Accepted, or all is well.
    Yes,
}

/// Why a command could not find out. The message is one line for people.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// What was to be judged is not good, and it was said why: 1.
    Refused(String),
    /// The world did not let it: 3.
    Unknown(String),
    /// It was not asked properly: 2.
    WrongUse(String),
}

type Outcome = Result<Conclusion, Failure>;

impl Failure {
    /// A failure outside of the command line: the error with all its causes.
    pub(crate) fn unknown(error: &(dyn Error + 'static)) -> Self {
        Self::Unknown(chain(error))
    }

    /// A failure of what was asked for, for instance a file with wrong content.
    pub(crate) fn wrong_use(error: &(dyn Error + 'static)) -> Self {
        Self::WrongUse(chain(error))
    }

    const fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Unknown(_) => 3,
            Self::WrongUse(_) => 2,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Refused(message) | Self::Unknown(message) | Self::WrongUse(message) => message,
        }
    }
}

/// Kubernetes webhook token authenticator: a bearer token in, a verdict out.
#[derive(Parser)]
#[command(name = "countersign", version, propagate_version = false, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 yes, 1 no, 2 wrong use, 3 could not find out.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

// Only the flags of the command at hand are made: kubectl waits for `get-token`.
#[derive(Subcommand)]
#[command(defer = true)]
enum Command {
    Dev(dev::Arguments),
    Serve(serve::Arguments),
    Check(check::Arguments),
    Explain(explain::Arguments),
    Review(review::Arguments),
    Doctor(doctor::Arguments),
    Load(Box<load::Arguments>),
    GetToken(Box<session::get_token::Arguments>),
    #[command(name = "login")]
    LogIn(Box<session::log_in::Arguments>),
    #[command(name = "logout")]
    LogOut(Box<session::log_out::Arguments>),
    Whoami(session::whoami::Arguments),
    Render(render::Arguments),
    #[command(name = "openshift")]
    OpenShift(openshift::Arguments),
}

/// Runs the command that these arguments (the program's name first) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let outcome = match parse(&arguments) {
        Ok(Command::Dev(arguments)) => dev::run(&arguments),
        Ok(Command::Serve(arguments)) => serve::run(&arguments),
        Ok(Command::Check(arguments)) => check::run(&arguments),
        Ok(Command::Explain(arguments)) => explain::run(&arguments),
        Ok(Command::Review(arguments)) => review::run(&arguments),
        Ok(Command::Doctor(arguments)) => doctor::run(&arguments),
        Ok(Command::Load(arguments)) => load::run(&arguments),
        Ok(Command::GetToken(arguments)) => session::get_token::run(&arguments),
        Ok(Command::LogIn(arguments)) => session::log_in::run(&arguments),
        Ok(Command::LogOut(arguments)) => session::log_out::run(&arguments),
        Ok(Command::Whoami(arguments)) => session::whoami::run(&arguments),
        Ok(Command::Render(arguments)) => render::run(&arguments),
        Ok(Command::OpenShift(arguments)) => openshift::run(&arguments),
        Err(error) => return usage(&error, &arguments),
    };
    match outcome {
        Ok(Conclusion::Yes) => ExitCode::SUCCESS,
        Ok(Conclusion::No) => ExitCode::from(1),
        Err(failure) => {
            terminal::complain(&format!("countersign: {}", failure.message()));
            ExitCode::from(failure.code())
        }
    }
}

fn parse(arguments: &[OsString]) -> Result<Command, clap::Error> {
    let mut command = Cli::command();
    // kubectl finds plugins by their file name, and people call them with a space.
    if arguments.first().and_then(|path| Path::new(path).file_stem()).is_some_and(|name| name == "kubectl-countersign")
    {
        command = command.bin_name("kubectl countersign");
    }
    // Who asks for no command in particular wants to hear of all of them.
    if arguments.get(1).is_none_or(|first| command.find_subcommand(first).is_none()) {
        command.build();
    }
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(arguments)?)?.command)
}

/// Help, version or wrong use, in clap's words.
fn usage(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let text = usage_text(error, arguments);
    if error.use_stderr() {
        terminal::complain(text.trim_end());
        return ExitCode::from(2);
    }
    match terminal::print(&text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(failure.code()),
    }
}

/// clap quotes what it did not expect, which may be a token: long arguments are cut out of its text.
fn usage_text(error: &clap::Error, arguments: &[OsString]) -> String {
    const LONGEST_QUOTED: usize = 32;
    let mut text = error.render().to_string();
    for argument in arguments.iter().skip(1).map(|argument| argument.to_string_lossy()) {
        if argument.len() > LONGEST_QUOTED {
            text = text.replace(&*argument, &format!("… ({} bytes)", argument.len()));
        }
    }
    text
}

/// An error and its causes in one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    printable(&outbound::chain(error)).into_owned()
}

/// How to call this program again: as it was called, or by its whole path if that was a path.
fn program() -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    if called.components().count() == 1 {
        return shell_quoted(&called);
    }
    shell_quoted(&std::env::current_exe().unwrap_or(called))
}

/// A path as a shell takes it.
fn shell_quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "/._-+:@%,=".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// A runtime for commands that ask one question.
fn small_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| Failure::unknown(&error))
}

/// Runs a command's future to its end. A look-up that nobody waits for any more (resolvers cannot be interrupted) does not
/// hold the program up.
fn block_on<T>(future: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = small_runtime()?;
    let value = runtime.block_on(future);
    runtime.shutdown_background();
    Ok(value)
}

#[cfg(test)]
mod tests;
