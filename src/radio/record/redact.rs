//! A recording without what tells whose it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::Line;
use super::read::Recording;
use crate::error::{Error, Result};
use crate::radio::Address;
use crate::sanitise::json_safe;

/// The lines of a recording with other addresses and names in them, the same for the same everywhere: in reports, errors, and
/// the bytes of advertisements and frames. A name keeps whether it has Light or Bulb in it, so that the same patterns match.
///
/// # Errors
/// [`Error::Internal`], which does not happen.
pub fn redact(recording: &Recording) -> Result<Vec<String>> {
    let failed = |error: serde_json::Error| Error::Internal(error.to_string());
    let values = recording.lines.iter().map(|(_, line)| serde_json::to_value(line));
    let mut values = values.collect::<Result<Vec<Value>, _>>().map_err(failed)?;
    let mut found = Identities::default();
    values.iter().for_each(|value| found.look(value, None));
    let replacements = found.replacements();
    values.iter_mut().for_each(|value| replace(value, TextKind::Fixed, &replacements));
    // As lines, so that their fields keep their order.
    let lines = values.into_iter().map(|value| {
        serde_json::from_value::<Line>(value)
            .and_then(|line| serde_json::to_string(&line))
            .map(json_safe)
            .map_err(failed)
    });
    lines.collect()
}

/// A name of fewer bytes is not looked for in bytes: most that look like it are none, and the frame would be no frame any more.
const SHORTEST: usize = 4;

/// What a text of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TextKind {
    /// A word of the format, or a number: an address may be in it, a name is not.
    Fixed,
    /// Words of somebody's.
    Text,
    /// Bytes in hex.
    Bytes,
}

impl TextKind {
    /// What is found under a key.
    fn of(key: &str, around: Self) -> Self {
        match key {
            "name" | "alias" | "device" | "address" | "error" => Self::Text,
            "hex" | "manufacturer" | "service_data" => Self::Bytes,
            "kind" => Self::Fixed,
            _ => around,
        }
    }
}

/// What is replaced, where, and by what.
struct Replacement {
    old: String,
    by: String,
    /// Everywhere if it is nowhere in particular.
    place: Option<TextKind>,
}

/// What tells whose it is, in the order of its appearance.
#[derive(Default)]
struct Identities {
    addresses: Vec<Address>,
    names: Vec<String>,
    /// Identifiers that are no addresses: macOS has UUIDs of its own.
    ids: Vec<String>,
}

impl Identities {
    fn look(&mut self, value: &Value, key: Option<&str>) {
        match value {
            Value::String(text) => self.text(text, key),
            Value::Array(values) => values.iter().for_each(|value| self.look(value, key)),
            Value::Object(fields) => fields.iter().for_each(|(key, value)| self.look(value, Some(key))),
            _ => {}
        }
    }

    fn text(&mut self, text: &str, key: Option<&str>) {
        match (key, text.parse::<Address>()) {
            (Some("address" | "device"), Ok(address)) => add(&mut self.addresses, address),
            // In an error it is what the bulb is called.
            (Some("name" | "alias"), _) if !text.is_empty() => add(&mut self.names, text.to_owned()),
            (Some("device"), Err(_)) if text.parse::<uuid::Uuid>().is_ok() => {
                add(&mut self.ids, text.to_owned())
            }
            _ => {}
        }
    }

    /// What is replaced by what, the longest first, so that no name is replaced within another.
    fn replacements(&self) -> Vec<Replacement> {
        let mut all: BTreeMap<(String, Option<TextKind>), String> = BTreeMap::new();
        for (index, address) in self.addresses.iter().enumerate() {
            let new = substitute(index);
            for form in FORMS {
                all.insert((form(*address), None), form(new));
            }
        }
        for (index, name) in self.names.iter().enumerate() {
            let lower = name.to_lowercase();
            let kind =
                [("light", "Light"), ("bulb", "Bulb")].into_iter().find(|(word, _)| lower.contains(word));
            let new = format!("{}-{}", kind.map_or("Device", |(_, kind)| kind), index + 1);
            if name.len() >= SHORTEST {
                all.insert((hex::encode(name), Some(TextKind::Bytes)), hex::encode(&new));
            }
            all.insert((name.clone(), Some(TextKind::Text)), new);
        }
        for (index, id) in self.ids.iter().enumerate() {
            let new = uuid::Uuid::from_u128(index as u128 + 1).to_string();
            all.insert((id.clone(), None), new);
        }
        let all = all.into_iter().map(|((old, place), by)| Replacement { old, by, place });
        let mut all: Vec<_> = all.collect();
        all.sort_by_key(|one| std::cmp::Reverse(one.old.len()));
        all
    }
}

fn add<T: PartialEq>(to: &mut Vec<T>, new: T) {
    if !to.contains(&new) {
        to.push(new);
    }
}

/// An address that nobody has: the first bits say that it is random and static.
fn substitute(index: usize) -> Address {
    let [.., high, low] = index.saturating_add(1).to_be_bytes();
    Address::new([0xC0, 0, 0, 0, high, low])
}

/// How an address is written: for people, in BlueZ's paths, and in bytes, either end first.
const FORMS: [fn(Address) -> String; 4] = [
    |address| address.to_string(),
    |address| address.to_string().replace(':', "_"),
    |address| hex::encode(address.bytes()),
    |address| {
        let mut bytes = address.bytes();
        bytes.reverse();
        hex::encode(bytes)
    },
];

fn replace(value: &mut Value, place: TextKind, replacements: &[Replacement]) {
    match value {
        Value::String(text) => *text = replaced(text, place, replacements),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, place, replacements)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(key, value)| replace(value, TextKind::of(key, place), replacements));
        }
        _ => {}
    }
}

/// The text with everything replaced, and nothing of what was put there replaced again.
fn replaced(text: &str, place: TextKind, replacements: &[Replacement]) -> String {
    let fits = |one: &&Replacement| one.place.is_none_or(|own| own == place);
    let mut new = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // Half a byte further on, hex is of other bytes.
        let between = place == TextKind::Bytes && (text.len() - rest.len()) % 2 == 1;
        let found = replacements.iter().filter(fits).find(|one| rest.starts_with(one.old.as_str()));
        if let Some(one) = found.filter(|_| !between) {
            new.push_str(&one.by);
            rest = rest.get(one.old.len()..).unwrap_or_default();
        } else {
            new.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    new
}
