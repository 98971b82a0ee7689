//! Removes addresses and names from recordings.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::Line;
use super::read::Recording;
use crate::error::{Error, Result};
use crate::radio::Address;
use crate::sanitise::json_safe;

/// Returns the lines with every address and name replaced, the same one always by the same: in
/// text, errors, advertisements and frames. A replaced name still contains Light or Bulb if the
/// original did, so that patterns match as before.
pub fn redact(recording: &Recording) -> Result<Vec<String>> {
    let failed = |error: serde_json::Error| Error::Internal(error.to_string());
    let values = recording.lines.iter().map(|(_, line)| serde_json::to_value(line));
    let mut values = values.collect::<Result<Vec<Value>, _>>().map_err(failed)?;
    let mut found = Identities::default();
    values.iter().for_each(|value| found.look(value, None));
    let replacements = found.replacements();
    values.iter_mut().for_each(|value| replace(value, TextKind::Fixed, &replacements));
    // Converting to lines restores the order of the fields.
    let lines = values.into_iter().map(|value| {
        serde_json::from_value::<Line>(value)
            .and_then(|line| serde_json::to_string(&line))
            .map(json_safe)
            .map_err(failed)
    });
    lines.collect()
}

/// Names shorter than this are not replaced within bytes: most matches would be accidental and
/// would break frames.
const SHORTEST: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TextKind {
    /// A keyword or a number of the format: may contain an address but no name.
    Fixed,
    Text,
    Bytes,
}

impl TextKind {
    fn of(key: &str, around: Self) -> Self {
        match key {
            "name" | "alias" | "device" | "address" | "error" => Self::Text,
            "hex" | "manufacturer" | "service_data" => Self::Bytes,
            "kind" => Self::Fixed,
            _ => around,
        }
    }
}

struct Replacement {
    old: String,
    by: String,
    /// The kind of text it applies to; all kinds if `None`.
    place: Option<TextKind>,
}

/// Addresses, names and identifiers, in order of appearance.
#[derive(Default)]
struct Identities {
    addresses: Vec<Address>,
    names: Vec<String>,
    /// Identifiers that are not addresses, such as the UUIDs of macOS.
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
            // In an error, the field `device` holds the name.
            (Some("name" | "alias"), _) if !text.is_empty() => add(&mut self.names, text.to_owned()),
            (Some("device"), Err(_)) if text.parse::<uuid::Uuid>().is_ok() => {
                add(&mut self.ids, text.to_owned())
            }
            _ => {}
        }
    }

    /// The replacements, longest first, so that no name is replaced inside a longer one.
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

/// An address that no device has: its first bits mark it as random and static.
fn substitute(index: usize) -> Address {
    let [.., high, low] = index.saturating_add(1).to_be_bytes();
    Address::new([0xC0, 0, 0, 0, high, low])
}

/// The ways to write an address: for people, in BlueZ paths, and as bytes in either order.
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

/// Replaces everything in one pass, so that replacements are not replaced again.
fn replaced(text: &str, place: TextKind, replacements: &[Replacement]) -> String {
    let fits = |one: &&Replacement| one.place.is_none_or(|own| own == place);
    let mut new = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        // A match at an odd position is not on a byte boundary.
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
