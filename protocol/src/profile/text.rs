//! Values that profile files write as text: UUIDs, characteristics, properties, durations, patterns of bytes.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use serde::{Deserialize, Deserializer, de};

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

/// The start of advertised data: bytes, and the mask of the bits to compare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pattern(pub(crate) Vec<(u8, u8)>);

impl Pattern {
    pub(crate) fn bits(&self) -> usize {
        self.0.iter().map(|(_, mask)| usize::try_from(mask.count_ones()).unwrap_or(0)).sum()
    }

    pub(crate) fn matches(&self, data: &[u8]) -> bool {
        data.len() >= self.0.len()
            && self.0.iter().zip(data).all(|((value, mask), byte)| byte & mask == value & mask)
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let one = |word: &str| {
            if word == "??" {
                return Some((0, 0));
            }
            let (value, mask) = word.split_once('/').unwrap_or((word, "FF"));
            Some((byte(value)?, byte(mask)?))
        };
        text.split_whitespace()
            .map(|word| {
                one(word).ok_or_else(|| {
                    format!("`{word}` is not a byte of data: write 7E, 75/7F with a mask, or ?? for any byte")
                })
            })
            .collect::<Result<_, _>>()
            .map(Self)
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

from_text!(UuidText, CharacteristicPath, OneOf, Time, Pattern, Hex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        let pattern: Pattern = "75/7F ?? 01".parse().unwrap();
        assert!(pattern.matches(&[0xF5, 9, 1, 4]));
        assert!(!pattern.matches(&[0x75, 9]));
        assert!(!pattern.matches(&[0x72, 9, 1]));
        assert!("7".parse::<Pattern>().is_err());
    }
}
