//! `countersign render authentication-configuration`: issuers of other authenticators, written down for countersign.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::path::Path;

use clap::ValueEnum;
use serde_json::Value;

use super::super::output::Output;
use super::super::{Conclusion, Failure, Outcome, terminal};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::findings::Findings;
use crate::wiring::file;
use crate::wiring::migration::{Migration, gardener, oidc_flags};

/// Prints Kubernetes' AuthenticationConfiguration for issuers that another authenticator has.
///
/// With --from oidc-flags, kube-apiserver's flags follow after `--`; all of them will do. With --from gardener, its
/// OpenIDConnect objects are in files, as `kubectl get openidconnects -o yaml` prints them.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to read.
    #[arg(long, value_enum)]
    from: Origin,
    /// Whose file to print: kube-apiserver's format, with a comment for what it has no field for, or the two parts as
    /// they stand in countersign's own file.
    #[arg(long = "for", value_enum, default_value_t)]
    reader: Reader,
    /// A file with objects; - is standard input. May be repeated.
    #[arg(long = "filename", short = 'f', value_name = "FILE")]
    files: Vec<String>,
    /// How to print it. As JSON there are no comments.
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
    /// kube-apiserver's flags.
    #[arg(last = true, value_name = "FLAG")]
    flags: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Origin {
    /// kube-apiserver's --oidc-* flags.
    OidcFlags,
    /// Gardener's OpenIDConnect objects.
    Gardener,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Reader {
    /// kube-apiserver, and countersign by authenticationConfigurationFile.
    #[default]
    Kubernetes,
    /// countersign alone.
    Countersign,
}

/// The longest text that is read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let migration = arguments.migration()?;
    if migration.is_empty() {
        return Err(Failure::Refused("there is no issuer in what was given".to_owned()));
    }
    for line in &migration.left_behind {
        terminal::complain(&format!("not carried over: {}", terminal::printable(line)));
    }
    let findings = Config::check_issuers(&migration.countersign(), SystemClock.now());
    terminal::print(&text(&migration, arguments.reader, arguments.output))?;
    if arguments.reader == Reader::Kubernetes {
        terminal::complain(&fieldless(&migration, arguments.output));
    }
    complain(&findings);
    Ok(if findings.has_errors() { Conclusion::No } else { Conclusion::Yes })
}

impl Arguments {
    fn migration(&self) -> Result<Migration, Failure> {
        match self.from {
            Origin::OidcFlags if !self.files.is_empty() => {
                Err(Failure::WrongUse("-f: goes with --from gardener; give kube-apiserver's flags after --".to_owned()))
            }
            Origin::OidcFlags => oidc_flags::read(&self.flags, read).map_err(|error| Failure::wrong_use(&error)),
            Origin::Gardener if !self.flags.is_empty() => {
                Err(Failure::WrongUse("flags after --: go with --from oidc-flags; give files with -f".to_owned()))
            }
            Origin::Gardener if self.files.is_empty() => {
                Err(Failure::WrongUse("-f: name the files with the objects, or - for standard input".to_owned()))
            }
            Origin::Gardener => {
                let mut texts = Vec::new();
                for file in &self.files {
                    let failed = |error: String| Failure::WrongUse(terminal::printable(&error).into_owned());
                    texts.push((file.clone(), read(file).map_err(failed)?));
                }
                gardener::read_texts(&texts).map_err(|error| Failure::wrong_use(&error))
            }
        }
    }
}

/// A file's text, or what is wrong with it.
fn read(name: &str) -> Result<String, String> {
    let failed = |error: io::Error| format!("{name}: {error}");
    let mut text = String::new();
    if name != "-" {
        let bytes = file::read(Path::new(name), MAX_BYTES).map_err(failed)?;
        bytes.as_slice().read_to_string(&mut text).map_err(failed)?;
        return Ok(text);
    }
    let length = io::stdin().take(MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if length as u64 > MAX_BYTES {
        return Err(format!("{name}: is larger than 16 MiB"));
    }
    Ok(text)
}

fn text(migration: &Migration, reader: Reader, output: Output) -> String {
    let document = match reader {
        Reader::Countersign => migration.countersign(),
        Reader::Kubernetes => migration.kubernetes(),
    };
    if output == Output::Json {
        return output.document(&document).unwrap_or_default();
    }
    let mut text = String::new();
    for line in &migration.left_behind {
        comment(&mut text, &format!("Not carried over: {}", terminal::printable(line)));
    }
    if reader == Reader::Kubernetes {
        comment(&mut text, "What this format has no field for, to be put into countersign's own file:");
        let settings = serde_json::json!({"issuers": migration.settings()});
        yaml(&settings).lines().for_each(|line| comment(&mut text, line));
    }
    text + &yaml(&document)
}

/// Writing to a string cannot fail.
fn comment(text: &mut String, line: &str) {
    let _ = writeln!(text, "# {line}");
}

fn yaml(document: &Value) -> String {
    serde_saphyr::to_string(document).unwrap_or_default()
}

/// What Kubernetes' format has no field for. JSON has no comments, so it is said here.
fn fieldless(migration: &Migration, output: Output) -> String {
    let line = "signing algorithms have no field in this format: put what";
    if output == Output::Json {
        let settings = serde_json::json!({"issuers": migration.settings()});
        return format!("{line} follows into countersign's own file\n{}", yaml(&settings).trim_end());
    }
    format!("{line} the comment says into countersign's own file")
}

/// What `check` would say of it, on standard error.
fn complain(findings: &Findings) {
    for line in findings.to_string().lines() {
        terminal::complain(line);
    }
}

#[cfg(test)]
mod tests;
