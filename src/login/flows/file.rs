//! Tokens, assertions and keys in files: read at each use, since whoever wrote them renews them.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::{Zeroize, Zeroizing};

use super::FlowError;

/// The longest file that is read, in bytes: an RSA-8192 key in PEM, or four of the largest tokens.
const MAX_BYTES: usize = 64 * 1024;

/// The file's text.
pub(super) fn text(file: &Path) -> Result<Zeroizing<String>, FlowError> {
    let failed = |why: String| FlowError::File { file: file.to_owned(), why };
    let read = || -> io::Result<Vec<u8>> {
        // One allocation, so that no copy stays behind.
        let mut bytes = Vec::with_capacity(MAX_BYTES + 1);
        File::open(file)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(|error| failed(format!("{error}; check the path and its permissions")))?;
    if bytes.len() > MAX_BYTES {
        return Err(failed(format!("it is longer than {MAX_BYTES} bytes; is it the right file?")));
    }
    String::from_utf8(bytes).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        failed("it is not text; is it the right file?".to_owned())
    })
}

/// The one token in a file, without the white space around it.
pub(super) fn token(file: &Path) -> Result<Zeroizing<String>, FlowError> {
    let text = text(file)?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_token {
        let why = "it holds no token on a line of its own; is it the right file?".to_owned();
        return Err(FlowError::File { file: file.to_owned(), why });
    }
    Ok(Zeroizing::new(token.to_owned()))
}

/// A file that a setting must name.
pub(super) fn named<'a>(
    file: Option<&'a std::path::PathBuf>,
    what: &'static str,
    remedy: &'static str,
) -> Result<&'a Path, FlowError> {
    file.map(std::path::PathBuf::as_path).ok_or_else(|| FlowError::Settings { what: what.to_owned(), remedy })
}
