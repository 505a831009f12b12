//! The only place that writes to standard output and standard error.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use super::Failure;

/// Writes data to standard output. A reader that has gone away (`| head`) has seen enough, which is no failure.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&mut io::stdout().lock(), text)
}

/// Writes a line for people to standard error. If that fails, there is nobody to tell.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn write(to: &mut impl Write, text: &str) -> Result<(), Failure> {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Unknown(format!("standard output cannot be written: {error}")))
        }
        _ => Ok(()),
    }
}

/// Text from elsewhere, made fit for one line of a terminal: what could drive it, break the line or turn the reading
/// direction is shown as an escape.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unfit) {
        return Cow::Borrowed(text);
    }
    let mut fit = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_unfit(character) { fit.extend(character.escape_default()) } else { fit.push(character) }
    }
    Cow::Owned(fit)
}

fn is_unfit(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Colours, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    is_on: bool,
}

impl Palette {
    /// Colours if standard output is a terminal that takes them and <https://no-color.org> does not say otherwise.
    pub(crate) fn of_stdout() -> Self {
        let says = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let is_dumb = says("TERM").is_none_or(|terminal| terminal == "dumb");
        Self { is_on: io::stdout().is_terminal() && !is_dumb && says("NO_COLOR").is_none() }
    }

    /// No colours.
    #[cfg(test)]
    pub(crate) const fn plain() -> Self {
        Self { is_on: false }
    }

    /// For headings and names.
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// For what only explains.
    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// For a yes.
    pub(crate) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// For a no.
    pub(crate) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    /// For what could not be found out, and for warnings.
    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails in one way.
    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert_eq!(write(&mut Broken(io::ErrorKind::BrokenPipe), "text"), Ok(()));
    }

    #[test]
    fn a_full_disk_is_a_failure() {
        let failure = write(&mut Broken(io::ErrorKind::StorageFull), "text").unwrap_err();
        assert_eq!(failure, Failure::Unknown("standard output cannot be written: no storage space".to_owned()));
    }

    #[test]
    fn j2_foreign_text_cannot_drive_the_terminal() {
        assert_eq!(printable("plain – ünï"), "plain – ünï");
        assert_eq!(printable("a\x1b[31mb\r\nc\u{202e}d\u{200b}"), "a\\u{1b}[31mb\\r\\nc\\u{202e}d\\u{200b}");
    }

    #[test]
    fn colours_surround_the_text_and_end_with_it() {
        assert_eq!(Palette { is_on: true }.green("yes"), "\x1b[32myes\x1b[0m");
        assert_eq!(Palette::plain().green("yes"), "yes");
    }
}
