//! TOML files that people write: parsing them into types, with the line of every mistake.

use alloc::string::{String, ToString};
use core::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

/// Parses a TOML text.
///
/// # Errors
/// [`ParseError`] if the text is not TOML or does not have the shape of `T`.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, ParseError> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        ParseError { line: line(text, offset), message: error.message().to_string() }
    })
}

/// The line of a text that contains the byte at `offset`. Lines count from 1, offsets from 0.
#[must_use]
pub fn line(text: &str, offset: usize) -> usize {
    text.get(..offset).unwrap_or(text).matches('\n').count() + 1
}

/// A mistake in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line of the mistake, from 1.
    pub line: usize,
    /// The mistake, and what was expected instead.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl core::error::Error for ParseError {}

/// A value and its position in the text.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "Spanned<T>")]
pub struct Located<T> {
    /// The offset of the first byte of the value, from 0.
    pub at: usize,
    /// The value.
    pub value: T,
}

impl<T> From<Spanned<T>> for Located<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Self { at: spanned.span().start, value: spanned.into_inner() }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec::Vec;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bulb {
        name: Located<String>,
        level: Option<Located<u8>>,
        #[serde(default)]
        part: Vec<Located<Part>>,
        #[serde(default)]
        names: BTreeMap<String, Located<i64>>,
    }

    #[derive(Debug, Deserialize)]
    struct Part {
        id: u16,
    }

    #[test]
    fn values_have_their_positions() {
        let text = "name = 'A'\nlevel = 0x7f\n[[part]]\nid = 7\n[[part]]\nid = 8\n[names]\nx = -1\n";
        let bulb: Bulb = parse(text).unwrap();
        assert_eq!((bulb.name.at, bulb.name.value.as_str()), (7, "A"));
        assert_eq!(bulb.level.map(|level| (line(text, level.at), level.value)), Some((2, 127)));
        let parts: Vec<_> = bulb.part.iter().map(|part| (line(text, part.at), part.value.id)).collect();
        assert_eq!(parts, [(3, 7), (5, 8)]);
        assert_eq!(bulb.names.get("x").map(|x| (line(text, x.at), x.value)), Some((8, -1)));
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, message) in [
            ("name = 3", 1, "invalid type: integer `3`, expected a string"),
            ("name = 'A'\nlevel = 256", 2, "invalid value: integer `256`, expected u8"),
            ("name = 'A'\n[[part]]\nid = 1\n[[part]]\n", 4, "missing field `id`"),
            ("level = 1", 1, "missing field `name`"),
            ("name = 'A'\n\nsize = 1", 3, "unknown field `size`, expected one of"),
            ("name = 'A'\nname = 'B'", 2, "duplicate key"),
        ] {
            let error = parse::<Bulb>(text).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.message.starts_with(message), "{text:?}: {error}");
        }
    }
}
