//! Reads files whole, up to a limit.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use crate::error::{Error, Result};

/// The longest file that people write, bytes: a configuration, a profile, a script, a rig. The longest of our own has a
/// hundredth of it.
pub(crate) const LONGEST_TEXT: u64 = 1 << 20;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The folder of what bulbctl keeps between commands.
pub(crate) fn state_folder() -> Option<PathBuf> {
    let base = etcetera::choose_base_strategy().ok()?;
    Some(base.state_dir().unwrap_or_else(|| base.data_dir()).join("bulbctl"))
}

/// Reads a text without its byte order mark.
///
/// # Errors
/// [`Error::FileUnreadable`], also for a text that is longer than `longest`, or not in UTF-8.
pub(crate) fn text(path: &Path, longest: u64) -> Result<String> {
    try_text(path, longest).map_err(|error| unreadable(path, &error))
}

/// As [`text`], with the error of the system.
pub(crate) fn try_text(path: &Path, longest: u64) -> io::Result<String> {
    text_of(File::open(path)?, longest)
}

/// Reads the rest of anything as text.
pub(crate) fn text_of(from: impl Read, longest: u64) -> io::Result<String> {
    let text = String::from_utf8(bytes_of(from, longest)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not text in UTF-8"))?;
    Ok(match text.strip_prefix(BYTE_ORDER_MARK) {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

/// Reads the rest of anything.
pub(crate) fn bytes_of(from: impl Read, longest: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more tells that it is too long.
    from.take(longest.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= longest) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {longest} bytes")))
    }
}

/// Writes the whole file or nothing, so that readers never see a part of it. Pipes and devices are written to and never replaced.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return fs::write(path, content);
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(temporary);
    let written = fs::write(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // The error matters more than a failure to remove the temporary file.
        let _ = fs::remove_file(&temporary);
    }
    written
}

pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::FileUnreadable { path: path.display().to_string(), detail: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_limit_and_perhaps_a_byte_order_mark() {
        assert_eq!(text_of(&b"\xef\xbb\xbfa = 1"[..], 8).unwrap(), "a = 1");
        assert_eq!(text_of(&b"12345678"[..], 8).unwrap(), "12345678");
        let long = text_of(io::repeat(b'x'), 8).unwrap_err();
        assert_eq!(long.to_string(), "it is longer than 8 bytes");
        assert_eq!(text_of(&b"\xff"[..], 8).unwrap_err().to_string(), "it is not text in UTF-8");
    }
}
