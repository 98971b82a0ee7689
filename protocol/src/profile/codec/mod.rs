//! Named codecs, for frames that templates cannot describe.

mod aes;
mod govee_burst;
mod hue;
mod lednetwf;

use alloc::vec::Vec;

use super::abilities::{Abilities, DecodedValues, Field, MissingValue, Reading, ValuesToEncode};
use super::frame::{Mismatch, MismatchKind};
use super::key::Key;
use super::light::{Feature, Features, Mode};
use super::template::{Template, Token};

/// The format of a frame: a template or a named codec.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Template(Template),
    /// Philips Hue's combined characteristic: tag, length, value.
    Hue,
    /// The first packet of a Govee status.
    GoveeBurst,
}

impl Body {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "hue" => Some(Self::Hue),
            "govee-burst" => Some(Self::GoveeBurst),
            _ => None,
        }
    }

    pub(crate) fn features(&self) -> Features {
        match self {
            Self::Template(template) => template.features(),
            Self::Hue => Feature::ALL.into_iter().filter(|feature| *feature != Feature::White).collect(),
            Self::GoveeBurst => Features::NONE.with(Feature::Power).with(Feature::Brightness),
        }
    }

    pub(crate) fn needs(&self) -> Features {
        match self {
            Self::Template(template) => template
                .fields()
                .filter(|(_, has_default)| !has_default)
                .map(|(field, _)| field.feature())
                .collect(),
            // Each part is optional.
            Self::Hue | Self::GoveeBurst => Features::NONE,
        }
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        match self {
            Self::Template(template) => template.mode(),
            Self::Hue | Self::GoveeBurst => None,
        }
    }

    pub(crate) fn fixed_bits(&self) -> u32 {
        match self {
            Self::Template(template) => template.fixed_bits(),
            Self::Hue | Self::GoveeBurst => 0,
        }
    }

    /// Returns true if it carries the hue of a colour without its strength.
    pub(crate) fn chromatic(&self) -> bool {
        let chromatic = |field: Field| matches!(field, Field::Hue | Field::Saturation | Field::X | Field::Y);
        match self {
            Self::Template(template) => template.fields().any(|(field, _)| chromatic(field)),
            Self::Hue => true,
            Self::GoveeBurst => false,
        }
    }

    pub(crate) fn carries_address(&self) -> bool {
        matches!(self, Self::Template(template) if template.tokens.contains(&Token::Address))
    }

    pub(crate) fn write(
        &self,
        abilities: &Abilities,
        values: &ValuesToEncode<'_>,
    ) -> Result<Vec<u8>, MissingValue> {
        match self {
            Self::Template(template) => template.write(abilities, values),
            Self::Hue => hue::write(abilities, values),
            Self::GoveeBurst => govee_burst::write(abilities, values),
        }
    }

    /// The first byte of the frame, if it is fixed.
    pub(crate) fn first_byte(&self) -> Option<u8> {
        match self {
            Self::Template(template) => template.first_byte(),
            Self::Hue => None,
            Self::GoveeBurst => Some(govee_burst::FIRST),
        }
    }

    /// The length of the frame, if its end can be found without reading its values.
    pub(crate) fn length(&self) -> Option<usize> {
        match self {
            Self::Template(template) if template.delimited() => Some(template.min_len),
            _ => None,
        }
    }

    pub(crate) fn read(
        &self,
        frame: &[u8],
        abilities: &Abilities,
        reading: Reading,
    ) -> Result<DecodedValues, Mismatch> {
        match self {
            Self::Template(template) => template.read(frame, abilities, reading),
            Self::Hue => hue::read(frame, abilities, reading)
                .map_err(|(at, reason)| Mismatch { at, kind: MismatchKind::Codec(reason) }),
            Self::GoveeBurst => govee_burst::read(frame, abilities, reading),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// Zengge LEDnetWF: a header of eight bytes; replies may be hex text within JSON.
    LedNetWf,
    /// AES-128 in ECB mode. Without the key, the family is not driven.
    Aes128(Option<Key>),
}

impl Wrapper {
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "lednetwf" => Some(Self::LedNetWf),
            "aes-128-ecb" => Some(Self::Aes128(None)),
            _ => None,
        }
    }

    pub(crate) fn wrap_command(self, payload: &[u8], wants_answer: bool, sequence: u8) -> Vec<u8> {
        match self {
            Self::LedNetWf => lednetwf::wrap_command(payload, wants_answer, sequence),
            Self::Aes128(key) => encrypted(payload, key),
        }
    }

    pub(crate) fn wrap_status(self, payload: &[u8], sequence: u8) -> Vec<u8> {
        match self {
            Self::LedNetWf => lednetwf::wrap_status(payload, sequence),
            Self::Aes128(key) => encrypted(payload, key),
        }
    }

    pub(crate) fn unwrap(self, frame: &[u8]) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::LedNetWf => lednetwf::unwrap(frame),
            Self::Aes128(Some(key)) => aes::decrypt(frame, key),
            Self::Aes128(None) => Err("the frame is encrypted, and the key is not known"),
        }
    }
}

/// Without the key there is nothing to send: a frame that is not encrypted never leaves.
fn encrypted(payload: &[u8], key: Option<Key>) -> Vec<u8> {
    key.map_or_else(Vec::new, |key| aes::encrypt(payload, key))
}
