//! The browser of whoever logs in: opening it, hearing from it, and the page that it shows at the end.
//!
//! It is started without a shell, with one argument that is an https URL, and with its standard streams closed: what it
//! prints must not end up in the credential. `loopback` receives its answer, `page` is what it shows.

pub(super) mod loopback;
pub(super) mod page;

use std::ffi::OsString;
use std::io;
use std::process::{Command, Stdio};

use url::Url;

/// A browser that could not be started.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none for a browser.
    #[error("the address to open is not an https address")]
    Address,
    /// None of the programs is there.
    #[error("no browser could be started ({tried}); open the address by hand, or log in with --grant-type device-code")]
    Missing {
        /// The programs that were tried.
        tried: String,
        /// What the system said about the last one.
        #[source]
        cause: io::Error,
    },
}

/// Opens an https URL with a program, or in the system's way without one. It does not wait for the browser to end.
///
/// # Errors
///
/// When no program could be started.
pub fn open(url: &str, program: Option<&str>) -> Result<(), OpenError> {
    // The parsed form starts with the scheme, so no program takes it for an option, and has no white space.
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "https").ok_or(OpenError::Address)?;
    let candidates: &[(&str, &[&str])] = match program {
        Some(_) => &[],
        None => SYSTEM,
    };
    let given = program.map(|program| (program, [].as_slice()));
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    let mut tried = Vec::new();
    for (program, arguments) in given.into_iter().chain(candidates.iter().copied()) {
        match start(program, arguments, &url) {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
        tried.push(program);
    }
    Err(OpenError::Missing { tried: tried.join(", "), cause: last })
}

/// Whether a browser that is started here is likely to be seen by who logs in.
#[must_use]
pub fn is_likely() -> bool {
    is_likely_with(cfg!(target_os = "linux"), |name| std::env::var_os(name).filter(|value| !value.is_empty()))
}

fn is_likely_with(is_linux: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let has = |name: &str| variable(name).is_some();
    // Elsewhere the desktop is always there, unless somebody came in over the network.
    let has_display = has("DISPLAY") || has("WAYLAND_DISPLAY") || has("WSL_DISTRO_NAME");
    if is_linux { has_display } else { has_display || !(has("SSH_CONNECTION") || has("SSH_TTY")) }
}

#[cfg(target_os = "macos")]
const SYSTEM: &[(&str, &[&str])] = &[("open", &[])];
#[cfg(windows)]
const SYSTEM: &[(&str, &[&str])] = &[("rundll32", &["url.dll,FileProtocolHandler"])];
#[cfg(not(any(target_os = "macos", windows)))]
const SYSTEM: &[(&str, &[&str])] =
    &[("xdg-open", &[]), ("wslview", &[]), ("x-www-browser", &[]), ("sensible-browser", &[])];

fn start(program: &str, arguments: &[&str], url: &Url) -> io::Result<()> {
    let mut child = Command::new(program)
        .args(arguments)
        .arg(url.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // Whoever starts a process has to take note of its end; nobody waits for this thread.
    std::thread::spawn(move || child.wait());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn likely(is_linux: bool, set: &[&str]) -> bool {
        is_likely_with(is_linux, |name| set.contains(&name).then(|| "x".into()))
    }

    #[test]
    fn a_display_means_a_browser_and_ssh_alone_does_not() {
        assert!(likely(true, &["DISPLAY"]) && likely(true, &["WAYLAND_DISPLAY", "SSH_CONNECTION"]));
        assert!(!likely(true, &[]) && !likely(true, &["SSH_CONNECTION"]));
        assert!(likely(false, &[]) && !likely(false, &["SSH_CONNECTION"]));
    }

    #[test]
    fn k7_only_https_addresses_reach_a_program() {
        for address in ["file:///etc/passwd", "--version", "http://idp.example", "javascript:alert(1)"] {
            assert!(matches!(open(address, Some("/nonexistent")), Err(OpenError::Address)), "{address}");
        }
    }

    #[test]
    fn k7_a_browser_command_is_a_program_and_no_shell_line() {
        let error = open("https://idp.example", Some("true; echo")).unwrap_err();
        assert!(matches!(&error, OpenError::Missing { tried, .. } if tried == "true; echo"), "{error:?}");
    }
}
