//! What templates cannot say: a handful of codecs that profile files refer to by name.

mod hue;
mod lednetwf;

use alloc::vec::Vec;

use super::can::{Can, Field, Lack, Reading, Source};
use super::frame::{Mismatch, Why};
use super::light::{Item, Items, Mode};
use super::template::Template;

/// What a frame is made by: a template, or a codec with a name.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Template(Template),
    /// Philips Hue's combined characteristic: tag, length, value.
    Hue,
}

impl Body {
    /// The codecs that `codec` of a command or a report can name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        (name == "hue").then_some(Self::Hue)
    }

    pub(crate) fn items(&self) -> Items {
        match self {
            Self::Template(template) => template.items(),
            Self::Hue => {
                [Item::Power, Item::Brightness, Item::Color, Item::Kelvin, Item::Effect, Item::Speed]
                    .into_iter()
                    .collect()
            }
        }
    }

    /// The fields that it cannot be built without.
    pub(crate) fn needs(&self) -> Items {
        match self {
            Self::Template(template) => template
                .fields()
                .filter(|(_, has_default)| !has_default)
                .map(|(field, _)| field.item())
                .collect(),
            // Every part may be left out, but not all of them.
            Self::Hue => Items::NONE,
        }
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        match self {
            Self::Template(template) => template.mode(),
            Self::Hue => None,
        }
    }

    pub(crate) fn fixed_bits(&self) -> u32 {
        match self {
            Self::Template(template) => template.fixed_bits(),
            Self::Hue => 0,
        }
    }

    /// Whether it carries a colour's kind alone, not how strong it is.
    pub(crate) fn chromatic(&self) -> bool {
        match self {
            Self::Template(template) => template
                .fields()
                .any(|(field, _)| matches!(field, Field::Hue | Field::Saturation | Field::X | Field::Y)),
            Self::Hue => true,
        }
    }

    pub(crate) fn write(&self, can: &Can, from: &Source<'_>) -> Result<Vec<u8>, Lack> {
        match self {
            Self::Template(template) => template.write(can, from),
            Self::Hue => hue::write(can, from),
        }
    }

    pub(crate) fn read(&self, frame: &[u8], can: &Can) -> Result<Reading, Mismatch> {
        match self {
            Self::Template(template) => template.read(frame, can),
            Self::Hue => hue::read(frame, can).map_err(|(at, why)| Mismatch { at, why: Why::Codec(why) }),
        }
    }
}

/// A codec around every frame of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapper {
    /// Zengge LEDnetWF: a header of eight bytes; replies may be hex text within JSON.
    LedNetWf,
}

impl Wrapper {
    /// The codecs that `codec` of a profile can name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        (name == "lednetwf").then_some(Self::LedNetWf)
    }

    /// Wraps what is written; `asks` where an answer is wanted.
    pub(crate) fn wrap_command(self, payload: &[u8], asks: bool, sequence: u8) -> Vec<u8> {
        match self {
            Self::LedNetWf => lednetwf::wrap_command(payload, asks, sequence),
        }
    }

    /// Wraps what the bulb sends.
    pub(crate) fn wrap_report(self, payload: &[u8], sequence: u8) -> Vec<u8> {
        match self {
            Self::LedNetWf => lednetwf::wrap_report(payload, sequence),
        }
    }

    /// Unwraps either.
    ///
    /// # Errors
    /// What is wrong with the wrapping.
    pub(crate) fn unwrap(self, frame: &[u8]) -> Result<Vec<u8>, &'static str> {
        match self {
            Self::LedNetWf => lednetwf::unwrap(frame),
        }
    }
}
