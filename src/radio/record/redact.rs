//! A recording without what tells whose it is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::line::Line;
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
    let mut found = Found::default();
    values.iter().for_each(|value| found.look(value, None));
    let replacements = found.replacements();
    values.iter_mut().for_each(|value| replace(value, &replacements));
    // As lines, so that their fields keep their order.
    let lines = values.into_iter().map(|value| {
        serde_json::from_value::<Line>(value)
            .and_then(|line| serde_json::to_string(&line))
            .map(json_safe)
            .map_err(failed)
    });
    lines.collect()
}

/// What tells whose it is, in the order of its appearance.
#[derive(Default)]
struct Found {
    addresses: Vec<Address>,
    names: Vec<String>,
    /// Identifiers that are no addresses: macOS has UUIDs of its own.
    ids: Vec<String>,
}

impl Found {
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
    fn replacements(&self) -> Vec<(String, String)> {
        let mut all: BTreeMap<String, String> = BTreeMap::new();
        for (index, address) in self.addresses.iter().enumerate() {
            let new = substitute(index);
            for form in FORMS {
                all.insert(form(*address), form(new));
            }
        }
        for (index, name) in self.names.iter().enumerate() {
            let lower = name.to_lowercase();
            let kind =
                [("light", "Light"), ("bulb", "Bulb")].into_iter().find(|(word, _)| lower.contains(word));
            let new = format!("{}-{}", kind.map_or("Device", |(_, kind)| kind), index + 1);
            all.insert(hex::encode(name), hex::encode(&new));
            all.insert(name.clone(), new);
        }
        for (index, id) in self.ids.iter().enumerate() {
            all.insert(id.clone(), uuid::Uuid::from_u128(index as u128 + 1).to_string());
        }
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(old, _)| std::cmp::Reverse(old.len()));
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

fn replace(value: &mut Value, replacements: &[(String, String)]) {
    match value {
        Value::String(text) => *text = replaced(text, replacements),
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, replacements)),
        Value::Object(fields) => fields.values_mut().for_each(|value| replace(value, replacements)),
        _ => {}
    }
}

/// The text with everything replaced, and nothing of what was put there replaced again.
fn replaced(text: &str, replacements: &[(String, String)]) -> String {
    let mut new = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = replacements.iter().find(|(old, _)| rest.starts_with(old.as_str()));
        if let Some((old, by)) = found {
            new.push_str(by);
            rest = rest.get(old.len()..).unwrap_or_default();
        } else {
            new.push(first);
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    new
}
