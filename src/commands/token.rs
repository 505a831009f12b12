//! Where the token to look at comes from: an argument, standard input or a file. Never from the environment, which
//! crash reports and process lists show.

use std::io::{self, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{Failure, chain};
use crate::token::BearerToken;
use crate::wiring::file;

/// Far more than any token has; keeps `-` from swallowing a disk.
const MAX_BYTES: u64 = 1024 * 1024;

/// The flags that name a token.
#[derive(clap::Args)]
pub(crate) struct TokenSource {
    /// The token; `-` reads it from standard input, which keeps it out of the shell's history.
    #[arg(value_name = "TOKEN")]
    token: Option<String>,
    /// The file to read the token from. A pipe, as `<(command)` makes it, has 30s to come to its end.
    #[arg(long, value_name = "FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
}

impl TokenSource {
    /// Reads the token, if one is named.
    pub(crate) fn read_if_given(&self) -> Result<Option<BearerToken>, Failure> {
        let is_given = self.token.is_some() || self.token_file.is_some();
        is_given.then(|| self.read()).transpose()
    }

    /// Reads the token, without the white space around it.
    pub(crate) fn read(&self) -> Result<BearerToken, Failure> {
        match (&self.token, &self.token_file) {
            (Some(token), _) if token != "-" => token_in(token, "the argument"),
            (Some(_), _) => read_from(io::stdin().lock(), "standard input"),
            (None, Some(path)) => {
                let name = path.display().to_string();
                let content = file::read(path, MAX_BYTES).map_err(|error| unreadable(&error, &name))?;
                read_from(content.as_slice(), &name)
            }
            (None, None) => Err(Failure::WrongUse(
                "no token: give it as an argument, `-` (standard input) or --token-file".to_owned(),
            )),
        }
    }
}

fn read_from(reader: impl Read, name: &str) -> Result<BearerToken, Failure> {
    let mut text = Zeroizing::new(String::new());
    match reader.take(MAX_BYTES + 1).read_to_string(&mut text) {
        Ok(length) if length as u64 > MAX_BYTES => {
            Err(Failure::WrongUse(format!("{name}: larger than 1 MiB; a token is a few kilobytes")))
        }
        Ok(_) => token_in(&text, name),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Failure::WrongUse(format!("{name}: not text; give the token itself, not an archive or a key")))
        }
        Err(error) => Err(unreadable(&error, name)),
    }
}

fn token_in(text: &str, name: &str) -> Result<BearerToken, Failure> {
    match text.trim() {
        "" => Err(Failure::WrongUse(format!("{name}: the token is empty"))),
        token => Ok(BearerToken::from(token)),
    }
}

fn unreadable(error: &io::Error, name: &str) -> Failure {
    Failure::WrongUse(format!("{name}: cannot be read: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<String, Failure> {
        read_from(bytes, "input").map(|token| token.expose_secret().to_owned())
    }

    #[test]
    fn white_space_around_a_token_is_dropped() {
        assert_eq!(read(b"\n  a.b.c \r\n"), Ok("a.b.c".to_owned()));
    }

    #[test]
    fn what_is_no_token_is_wrong_use() {
        let wrong = |message: &str| Err(Failure::WrongUse(message.to_owned()));
        assert_eq!(read(b" \n"), wrong("input: the token is empty"));
        assert_eq!(read(b"\xff\xfe"), wrong("input: not text; give the token itself, not an archive or a key"));
        assert_eq!(read(&vec![b'a'; 1024 * 1024 + 1]), wrong("input: larger than 1 MiB; a token is a few kilobytes"));
    }

    #[test]
    fn a_token_must_be_given_somehow() {
        let failure = TokenSource { token: None, token_file: None }.read().unwrap_err();
        assert_eq!(
            failure,
            Failure::WrongUse("no token: give it as an argument, `-` (standard input) or --token-file".to_owned())
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let source = TokenSource { token: None, token_file: Some("absent.jwt".into()) };
        let message = "absent.jwt: cannot be read: No such file or directory (os error 2)".to_owned();
        assert_eq!(source.read().unwrap_err(), Failure::WrongUse(message));
    }
}
