//! Values of GATT that profiles and radios share: UUIDs, properties, and the two kinds of write.

use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use uuid::Uuid;

/// Returns the UUID of a 16-bit number: `0000xxxx-0000-1000-8000-00805f9b34fb` (Bluetooth Core 5.4, Vol 3, Part B, 2.5.1).
#[must_use]
pub const fn uuid16(short: u16) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_1000_8000_0080_5f9b_34fb | (short as u128) << 96)
}

/// Returns the 16-bit number of a UUID, if it has one.
#[must_use]
pub fn short_of(uuid: Uuid) -> Option<u16> {
    let short = u16::try_from(uuid.as_u128() >> 96).ok()?;
    (uuid16(short) == uuid).then_some(short)
}

/// Formats a UUID as people write it: `fff0` where it has a 16-bit number, in full otherwise.
#[must_use]
pub fn uuid_text(uuid: Uuid) -> String {
    short_of(uuid).map_or_else(|| uuid.to_string(), |short| format!("{short:04x}"))
}

/// Parses a UUID as people write it: 4 hex digits, with or without 0x, or all 32, with or without dashes.
#[must_use]
pub fn parse_uuid(text: &str) -> Option<Uuid> {
    let short = text.strip_prefix("0x").unwrap_or(text);
    if short.len() == 4 && short.chars().all(|c| c.is_ascii_hexdigit()) {
        return u16::from_str_radix(short, 16).ok().map(uuid16);
    }
    text.parse().ok()
}

/// The kinds of write to a characteristic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum WriteKind {
    /// A write request: the bulb answers, with an error if it refuses.
    Request,
    /// A write command: no answer.
    Command,
}

impl WriteKind {
    /// Returns its name: `request` or `command`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Command => "command",
        }
    }
}

/// The properties of a characteristic, as the bits of its declaration (Bluetooth Core 5.4, Vol 3, Part G, 3.3.1.1).
/// In files, a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Properties(u8);

impl Properties {
    /// Can be read.
    pub const READ: Self = Self(0x02);
    /// Can be written without an answer.
    pub const WRITE_WITHOUT_RESPONSE: Self = Self(0x04);
    /// Can be written with an answer.
    pub const WRITE: Self = Self(0x08);
    /// Sends notifications.
    pub const NOTIFY: Self = Self(0x10);
    /// Sends indications.
    pub const INDICATE: Self = Self(0x20);

    const ALL: [Self; 5] =
        [Self::READ, Self::WRITE, Self::WRITE_WITHOUT_RESPONSE, Self::NOTIFY, Self::INDICATE];
    /// The names of [`ALL`](Self::ALL), in the same order.
    pub const NAMES: &[&str] = &["read", "write", "write-without-response", "notify", "indicate"];

    /// Takes the byte of a characteristic declaration. Bits that have no constant here are ignored.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 0x3e)
    }

    /// Returns the byte of a characteristic declaration.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Returns the property of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::each().find_map(|(own, property)| (own == name).then_some(property))
    }

    /// Lists the names of the properties in this set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::each().filter_map(move |(name, property)| self.any_of(property).then_some(name))
    }

    fn each() -> impl Iterator<Item = (&'static str, Self)> {
        Self::NAMES.iter().copied().zip(Self::ALL)
    }

    /// Returns true if it has any of the others.
    #[must_use]
    pub const fn any_of(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Returns both together.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns this set without the others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Returns true if it can be read.
    #[must_use]
    pub const fn readable(self) -> bool {
        self.any_of(Self::READ)
    }

    /// Returns true if it can be written at all.
    #[must_use]
    pub const fn writable(self) -> bool {
        self.any_of(Self::WRITE.or(Self::WRITE_WITHOUT_RESPONSE))
    }

    /// Returns true if it can be written in this way.
    #[must_use]
    pub const fn allows(self, kind: WriteKind) -> bool {
        self.any_of(match kind {
            WriteKind::Request => Self::WRITE,
            WriteKind::Command => Self::WRITE_WITHOUT_RESPONSE,
        })
    }

    /// Returns true if it can be subscribed to.
    #[must_use]
    pub const fn notifies(self) -> bool {
        self.any_of(Self::NOTIFY.or(Self::INDICATE))
    }
}

impl FromIterator<Self> for Properties {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        all.into_iter().fold(Self::default(), Self::or)
    }
}

/// The names with commas between them; `none` where it has none.
impl fmt::Display for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("none");
        }
        for (index, name) in self.names().enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name(Properties);

        impl<'de> Deserialize<'de> for Name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = String::deserialize(deserializer)?;
                let found = Properties::named(&name);
                found.map(Self).ok_or_else(|| de::Error::unknown_variant(&name, Properties::NAMES))
            }
        }

        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Properties;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of properties")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Properties, A::Error> {
                let mut all = Properties::default();
                while let Some(Name(property)) = names.next_element()? {
                    all = all.or(property);
                }
                Ok(all)
            }
        }

        deserializer.deserialize_seq(Names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_numbers_stand_for_whole_uuids() {
        assert_eq!(uuid16(0xFFF0).to_string(), "0000fff0-0000-1000-8000-00805f9b34fb");
        assert_eq!(short_of(uuid16(0x180F)), Some(0x180F));
        assert_eq!(uuid_text(uuid16(0xFFF1)), "fff1");
    }

    #[test]
    fn a_uuid_that_merely_contains_fff0_is_another() {
        let other = Uuid::from_u128(0xfff0_0000_0000_1000_8000_0080_5f9b_34fb_u128);
        assert_eq!(short_of(other), None);
        let vendor = Uuid::from_u128(0x0000_fff0_0000_1000_8000_0080_5f9b_34fc);
        assert_eq!(short_of(vendor), None);
    }

    #[test]
    fn uuids_are_read_as_people_write_them() {
        let text = "00010203-0405-0607-0809-0a0b0c0d2b11";
        assert_eq!(uuid_text(parse_uuid(text).unwrap()), text);
        assert_eq!(parse_uuid("000102030405060708090a0b0c0d2b11"), parse_uuid(text));
        for short in ["FFF0", "fff0", "0xfff0"] {
            assert_eq!(parse_uuid(short), Some(uuid16(0xFFF0)));
        }
        for text in ["", "fff", "+ff0", "0000fff0-0000-1000-8000-00805f9b34f"] {
            assert_eq!(parse_uuid(text), None, "{text}");
        }
    }

    #[test]
    fn properties_are_the_bits_of_the_declaration() {
        let all = Properties::from_bits(0xFF);
        assert_eq!(all.to_string(), "read, write, write-without-response, notify, indicate");
        assert_eq!(all.bits(), 0x3e);
        assert_eq!(Properties::from_bits(0x81).to_string(), "none");
        assert_eq!(Properties::from_bits(0x12), Properties::READ.or(Properties::NOTIFY));
        assert_eq!(all.without(Properties::INDICATE.or(Properties::WRITE)), Properties::from_bits(0x16));
        let command = Properties::WRITE_WITHOUT_RESPONSE;
        assert!(
            command.writable() && command.allows(WriteKind::Command) && !command.allows(WriteKind::Request)
        );
        assert!(Properties::INDICATE.notifies() && !command.notifies() && !command.readable());
        assert!(Properties::READ.readable() && !Properties::READ.writable() && Properties::WRITE.writable());
        // The same property twice is that property.
        assert_eq!(command.or(command), command);
    }

    #[test]
    fn kinds_of_write_have_the_same_name_in_files_and_messages() {
        for (kind, name) in [(WriteKind::Request, "request"), (WriteKind::Command, "command")] {
            assert_eq!((kind.name(), serde_json::to_value(kind).unwrap().as_str()), (name, Some(name)));
        }
    }

    #[test]
    fn properties_are_written_as_a_list_of_names() {
        let text = r#"["read","write-without-response"]"#;
        let properties: Properties = serde_json::from_str(text).unwrap();
        assert_eq!(properties, Properties::READ.or(Properties::WRITE_WITHOUT_RESPONSE));
        assert_eq!(serde_json::to_string(&properties).unwrap(), text);
        let error = serde_json::from_str::<Properties>(r#"["broadcast"]"#).unwrap_err().to_string();
        assert!(error.starts_with("unknown variant `broadcast`, expected one of `read`"), "{error}");
        let error = serde_json::from_str::<Properties>("\"read\"").unwrap_err().to_string();
        assert!(error.ends_with("expected a list of properties at line 1 column 6"), "{error}");
    }
}
