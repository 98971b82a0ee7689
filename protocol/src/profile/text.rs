//! Values that profile files write as text: UUIDs, characteristics, properties, durations, patterns of bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::models::NamePattern;
use super::template::byte;
use crate::gatt::{Properties, Uuid, parse_uuid, uuid_text};
use crate::text::parse_duration;

/// A UUID in any form that [`parse_uuid`] accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UuidText(pub(crate) Uuid);

impl FromStr for UuidText {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uuid = parse_uuid(text);
        uuid.map(Self).ok_or_else(|| format!("`{text}` is not a UUID: write 4 hex digits (fff0) or all 32"))
    }
}

/// The place of a characteristic in a GATT table. Its text is `fff0/fff1`, or `*/fff1` for any service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacteristicPath {
    /// The service; `None` for any.
    pub service: Option<Uuid>,
    /// The characteristic.
    pub characteristic: Uuid,
}

impl FromStr for CharacteristicPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, characteristic) = text.split_once('/').ok_or_else(|| {
            format!("`{text}` is not a characteristic: write SERVICE/CHARACTERISTIC (fff0/fff1), or */fff1 for any service")
        })?;
        let uuid = |text: &str| text.parse().map(|UuidText(uuid)| uuid);
        let service = if service == "*" { None } else { Some(uuid(service)?) };
        Ok(Self { service, characteristic: uuid(characteristic)? })
    }
}

impl fmt::Display for CharacteristicPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.service {
            Some(service) => write!(f, "{}/{}", uuid_text(service), uuid_text(self.characteristic)),
            None => write!(f, "*/{}", uuid_text(self.characteristic)),
        }
    }
}

/// Properties of which a role needs at least one: `read`, `write|write-without-response`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OneOf(pub(crate) Properties);

impl FromStr for OneOf {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| {
            Properties::named(word.trim()).ok_or_else(|| {
                let names = Properties::NAMES.join(", ");
                format!("`{word}` is not a property: write one of {names}, or a|b for either")
            })
        };
        text.split('|').map(one).collect::<Result<_, _>>().map(Self)
    }
}

/// A duration: `200ms`, `1s`, `2m`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Time(pub(crate) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = parse_duration(text);
        time.map(Self).ok_or_else(|| format!("`{text}` is not a duration: write 200ms, 1s or 2m"))
    }
}

/// The start or the end of advertised data: bytes, and the mask of the bits to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern {
    bytes: Vec<DataByte>,
    /// It is the end of the data, not the beginning.
    at_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DataByte {
    Fixed { value: u8, mask: u8 },
    Model,
    Revision,
}

/// The parts that a pattern reads from data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DataMatch {
    /// The bytes of the model, as hex digits.
    pub(crate) model: Option<String>,
    /// The bytes of the revision, as numbers with dots between them.
    pub(crate) revision: Option<String>,
}

impl Pattern {
    pub(crate) fn bits(&self) -> usize {
        let bits = |byte: &DataByte| match byte {
            DataByte::Fixed { mask, .. } => mask.count_ones(),
            DataByte::Model => 8,
            DataByte::Revision => 0,
        };
        self.bytes.iter().map(|byte| usize::try_from(bits(byte)).unwrap_or(0)).sum()
    }

    pub(crate) fn reads_model(&self) -> bool {
        self.bytes.contains(&DataByte::Model)
    }

    pub(crate) fn reads_revision(&self) -> bool {
        self.bytes.contains(&DataByte::Revision)
    }

    pub(crate) fn matches(&self, data: &[u8]) -> Option<DataMatch> {
        let start = data.len().checked_sub(self.bytes.len())?;
        let data = data.get(if self.at_end { start } else { 0 }..)?;
        let mut read = DataMatch::default();
        for (wanted, byte) in self.bytes.iter().zip(data) {
            match wanted {
                DataByte::Fixed { value, mask } if byte & mask == value & mask => {}
                DataByte::Fixed { .. } => return None,
                DataByte::Model => read.model.get_or_insert_default().push_str(&format!("{byte:02X}")),
                DataByte::Revision => {
                    let dot = if read.revision.is_some() { "." } else { "" };
                    read.revision.get_or_insert_default().push_str(&format!("{dot}{byte}"));
                }
            }
        }
        Some(read)
    }

    /// Builds data with this model (`?` gives 0) and revision; `None` if the pattern cannot have them.
    pub(crate) fn example(&self, model: &str, revision: Option<&str>) -> Option<Vec<u8>> {
        let mut digits = model.replace('?', "0");
        let mut numbers = revision.unwrap_or_default().split('.');
        let mut data = Vec::new();
        for wanted in &self.bytes {
            data.push(match wanted {
                DataByte::Fixed { value, .. } => *value,
                DataByte::Revision => numbers.next().and_then(|number| number.parse().ok()).unwrap_or(0),
                DataByte::Model => {
                    let rest = digits.split_off(digits.len().min(2));
                    let value = byte(&digits)?;
                    digits = rest;
                    value
                }
            });
        }
        (!self.reads_model() || digits.is_empty()).then_some(data)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| {
            let (value, mask) = match word {
                "{model}" => return Some(DataByte::Model),
                "{revision}" => return Some(DataByte::Revision),
                "??" => return Some(DataByte::Fixed { value: 0, mask: 0 }),
                word => word.split_once('/').unwrap_or((word, "FF")),
            };
            Some(DataByte::Fixed { value: byte(value)?, mask: byte(mask)? })
        };
        let (bytes, at_end) = match text.trim_start().strip_prefix("...") {
            Some(end) => (end, true),
            None => (text, false),
        };
        let bytes = bytes.split_whitespace().map(|word| {
            one(word).ok_or_else(|| {
                format!(
                    "`{word}` is not a byte of data: write 7E, 75/7F with a mask, ?? for any byte, {{model}} or {{revision}}; \
                     ... goes before the last bytes of the data"
                )
            })
        });
        Ok(Self { bytes: bytes.collect::<Result<_, _>>()?, at_end })
    }
}

/// Bytes in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hex(pub(crate) Vec<u8>);

impl FromStr for Hex {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.split_whitespace().map(|word| {
            byte(word).ok_or_else(|| format!("`{word}` is not a byte: write two hex digits (7E)"))
        });
        bytes.collect::<Result<_, _>>().map(Self)
    }
}

/// Bytes of a frame: `7E`, `7E?` or `??`, as in a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FrameBytes(pub(crate) Vec<String>);

impl FromStr for FrameBytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split_whitespace().map(|word| {
            let fits = word == "??" || byte(word.strip_suffix('?').unwrap_or(word)).is_some();
            let wrong = || format!("`{word}` is not a byte: write two hex digits (7E), 7E? or ??");
            fits.then(|| word.into()).ok_or_else(wrong)
        });
        words.collect::<Result<_, _>>().map(Self)
    }
}

macro_rules! from_text {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> alloc::borrow::Cow<'static, str> {
                alloc::borrow::Cow::Borrowed(stringify!($type))
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string" })
            }
        }
    )*};
}

from_text!(UuidText, CharacteristicPath, OneOf, Time, Pattern, NamePattern, Hex, FrameBytes);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let pattern: Pattern = "75/7F ?? 01".parse().unwrap();
        assert!(pattern.matches(&[0xF5, 9, 1, 4]).is_some());
        assert!(pattern.matches(&[0x75, 9]).is_none());
        assert!(pattern.matches(&[0x72, 9, 1]).is_none());
        let read = |pattern: &str, data: &[u8]| {
            let read = pattern.parse::<Pattern>().unwrap().matches(data)?;
            Some((read.model.unwrap_or_default(), read.revision.unwrap_or_default()))
        };
        let some = |model: &str, revision: &str| Some((model.into(), revision.into()));
        assert_eq!(read("?? {model} {model}", &[1, 0, 0x33, 4]), some("0033", ""));
        assert_eq!(read("EC 00 {revision} {revision}", &[0xEC, 0, 10, 1, 1]), some("", "10.1"));
        assert_eq!(read("... {model} ??", &[1, 2, 0xA1, 9]), some("A1", ""));
        assert_eq!(read("... {model} ??", &[9]), None);
        assert!("7".parse::<Pattern>().is_err());
        // The bits that it fixes; a model has a byte, and a revision may be any.
        let bits = |pattern: &str| pattern.parse::<Pattern>().unwrap().bits();
        assert_eq!(["", "??", "EC 00", "75/7F ?? 01", "{model} 01 {revision}"].map(bits), [0, 0, 16, 15, 16]);
    }
}
