//! TOML files that people write: parsing them into types, with the line of every mistake.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The most values of a text, tables and lists included. What people write has a thousand.
pub const MOST_VALUES: usize = 20_000;
/// The longest text or key, bytes.
pub const LONGEST_TEXT: usize = 4096;

/// Parses a TOML text.
///
/// # Errors
/// [`ParseError`] if the text is not TOML, does not have the shape of `T`, has more than `most` values or one that is longer
/// than [`LONGEST_TEXT`].
pub fn parse<T: DeserializeOwned>(text: &str, most: usize) -> Result<T, ParseError> {
    let wrong = |error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        ParseError { line: line(text, offset), message: error.message().to_string() }
    };
    let table = DeTable::parse(text).map_err(wrong)?;
    let mut values = Values { most, left: most };
    values.table(table.get_ref()).map_err(|(at, message)| ParseError { line: line(text, at), message })?;
    T::deserialize(toml::Deserializer::from(table)).map_err(wrong)
}

/// Counts the values of a text. The parser bounds how deep they are.
struct Values {
    most: usize,
    left: usize,
}

/// An offset, and what is too much there.
type TooMuch = (usize, String);

impl Values {
    fn table(&mut self, table: &DeTable<'_>) -> Result<(), TooMuch> {
        table.iter().try_for_each(|(key, value)| {
            text_fits(key.span().start, key.get_ref())?;
            self.value(value)
        })
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Result<(), TooMuch> {
        let at = value.span().start;
        let too_many = || (at, format!("there are more than {} values", self.most));
        self.left = self.left.checked_sub(1).ok_or_else(too_many)?;
        match value.get_ref() {
            DeValue::Table(table) => self.table(table),
            DeValue::Array(list) => list.iter().try_for_each(|value| self.value(value)),
            DeValue::String(text) => text_fits(at, text),
            _ => Ok(()),
        }
    }
}

fn text_fits(at: usize, text: &str) -> Result<(), TooMuch> {
    if text.len() <= LONGEST_TEXT {
        return Ok(());
    }
    Err((at, format!("a text is longer than {LONGEST_TEXT} bytes")))
}

/// The most mistakes that [`parse_all`] looks for.
const MOST: usize = 50;

/// Parses a TOML text as [`parse`] does, but goes on after a mistake, without its line.
///
/// # Errors
/// Every [`ParseError`] that can be found in this way, in the order of their lines.
pub fn parse_all<T: DeserializeOwned>(text: &str, most: usize) -> Result<T, Vec<ParseError>> {
    let mut all: Vec<ParseError> = Vec::new();
    let mut left = String::from(text);
    while all.len() < MOST {
        match parse::<T>(&left, most) {
            Ok(file) if all.is_empty() => return Ok(file),
            Ok(_) => break,
            // What is missing may have been in a line that was left out, and so may the rest of a table.
            Err(error)
                if !all.is_empty()
                    && (error.message.starts_with("missing field") || is_blank(&left, error.line)) =>
            {
                break;
            }
            Err(error) => {
                left = without_line(&left, error.line);
                all.push(error);
            }
        }
    }
    all.sort_by_key(|error| error.line);
    Err(all)
}

fn is_blank(text: &str, line: usize) -> bool {
    text.lines().nth(line.saturating_sub(1)).is_none_or(|line| line.trim().is_empty())
}

fn without_line(text: &str, line: usize) -> String {
    let lines = text.lines().enumerate().map(|(index, kept)| if index + 1 == line { "" } else { kept });
    lines.collect::<Vec<_>>().join("\n")
}

/// Reads the CBOR form of a file.
pub(crate) fn parse_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ParseError> {
    cbor4ii::serde::from_slice(bytes).map_err(|error| ParseError { line: 1, message: error.to_string() })
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
#[derive(Clone, Copy, Debug)]
pub struct Located<T> {
    /// The offset of the first byte of the value, from 0.
    pub at: usize,
    /// The value.
    pub value: T,
}

/// A binary form of a file has no positions: `at` is 0 there.
impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Ok(Self { at: 0, value: T::deserialize(deserializer)? });
        }
        let spanned = Spanned::deserialize(deserializer)?;
        Ok(Self { at: spanned.span().start, value: spanned.into_inner() })
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::string::String;
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
        let bulb: Bulb = parse(text, 100).unwrap();
        assert_eq!((bulb.name.at, bulb.name.value.as_str()), (7, "A"));
        assert_eq!(bulb.level.map(|level| (line(text, level.at), level.value)), Some((2, 127)));
        let parts: Vec<_> = bulb.part.iter().map(|part| (line(text, part.at), part.value.id)).collect();
        assert_eq!(parts, [(3, 7), (5, 8)]);
        assert_eq!(bulb.names.get("x").map(|x| (line(text, x.at), x.value)), Some((8, -1)));
    }

    #[test]
    fn a_text_has_so_many_values_and_no_more() {
        #[derive(Debug, Deserialize)]
        struct Ids {
            #[serde(default)]
            id: Vec<u16>,
            #[serde(default)]
            names: BTreeMap<String, String>,
        }
        let ids = |count: usize| format!("id = [\n{}]", "7,\n".repeat(count));
        // The list is a value too.
        assert_eq!(parse::<Ids>(&ids(99), 100).unwrap().id.len(), 99);
        let error = parse::<Ids>(&ids(100), 100).unwrap_err();
        assert_eq!((error.line, error.message.as_str()), (101, "there are more than 100 values"));
        let named = |key: usize, text: usize| {
            parse::<Ids>(&format!("[names]\n{} = '{}'", "k".repeat(key), "t".repeat(text)), 100)
        };
        assert_eq!(named(LONGEST_TEXT, LONGEST_TEXT).unwrap().names.len(), 1);
        for (key, text) in [(LONGEST_TEXT + 1, 1), (1, LONGEST_TEXT + 1)] {
            let error = named(key, text).unwrap_err();
            assert_eq!((error.line, error.message.as_str()), (2, "a text is longer than 4096 bytes"));
        }
    }

    #[test]
    fn several_errors_are_found_at_once() {
        let text = "name = 3\nlevel = 256\n[[part]]\nid = 'x'\n[names]\nx = -1\n";
        let errors = parse_all::<Bulb>(text, 100).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [1, 2, 4], "{errors:?}");
        // No mistake of its own: the name was in the line with the first one.
        assert_eq!(parse_all::<Bulb>("name = 3\n", 100).unwrap_err().len(), 1);
        assert!(parse_all::<Bulb>("name = 'A'\n", 100).is_ok());
        // An end that is missing is not found again at each line that was left out.
        let errors = parse_all::<Bulb>("name = '''\nabc\n", 100).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [2, 3], "{errors:?}");
        // Of a file that is nothing like it, the first mistakes are enough.
        let errors = parse_all::<Bulb>(&"name = 3\n".repeat(MOST + 9), 100).unwrap_err();
        assert_eq!(errors.len(), MOST, "{errors:?}");
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
            let error = parse::<Bulb>(text, 100).unwrap_err();
            assert_eq!(error.line, line, "{text:?}: {error}");
            assert!(error.message.starts_with(message), "{text:?}: {error}");
        }
    }
}
