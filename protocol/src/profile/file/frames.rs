//! The frames of `[commands]`: a template, a table, or a list of these.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::text::Time;
use super::Located;
use crate::gatt::WriteKind;

/// One frame, or several of which the first that can express a change is used.
#[derive(Clone, Debug)]
pub(crate) enum Frames {
    One(FrameTable),
    Several(Vec<Located<Frame>>),
}

impl Frames {
    /// The frames and their offsets in the text; `at` is the offset of a single one.
    pub(crate) fn iter(&self, at: usize) -> impl Iterator<Item = (usize, &FrameTable)> {
        let (one, several) = match self {
            Self::One(frame) => (Some((at, frame)), &[][..]),
            Self::Several(frames) => (None, frames.as_slice()),
        };
        one.into_iter().chain(several.iter().map(|frame| (frame.at, &frame.value.0)))
    }
}

/// An element of a list of frames.
#[derive(Clone, Debug)]
pub(crate) struct Frame(pub(crate) FrameTable);

/// A frame that sets the state.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FrameTable {
    /// The template of the frame
    pub(crate) frame: Option<String>,
    /// A named codec instead of a template: hue, govee-burst
    pub(crate) codec: Option<String>,
    /// The role to write to (control)
    pub(crate) to: Option<String>,
    /// The kind of write, if it differs from that of the role
    pub(crate) write: Option<WriteKind>,
    /// The time to wait afterwards
    pub(crate) delay: Time,
    /// It is written before the frames of other features
    pub(crate) first: bool,
    /// Bulbs take it, but it is not sent
    pub(crate) alias: bool,
    /// A frame to write first if the bulb is known to be in another mode than that of this frame
    pub(crate) before: Option<String>,
    /// The effect that this frame starts, where each effect has frames of its own
    pub(crate) only: Option<String>,
    /// Frames to write before it
    pub(crate) lead: Vec<String>,
    /// State that the frame sets without a field for it
    pub(crate) means: ImpliedStateDef,
}

/// State that a frame implies without a field for it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ImpliedStateDef {
    /// The light is on (true) or off (false)
    pub(crate) power: Option<bool>,
    /// The source of the light
    pub(crate) mode: Option<ModeDef>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum ModeDef {
    Color,
    White,
    Effect,
}

impl From<&str> for FrameTable {
    fn from(template: &str) -> Self {
        Self { frame: Some(template.into()), ..Self::default() }
    }
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneFrame;
        impl<'de> Visitor<'de> for OneFrame {
            type Value = Frame;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a frame (\"7E {red} {green} {blue} EF\"), or a table with `frame`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Frame, E> {
                Ok(Frame(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Frame, A::Error> {
                FrameTable::deserialize(MapAccessDeserializer::new(map)).map(Frame)
            }
        }
        deserializer.deserialize_any(OneFrame)
    }
}

impl<'de> Deserialize<'de> for Frames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;
        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Frames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a frame (\"7E {red} {green} {blue} EF\"), a table with `frame`, or a list of these",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Frames, E> {
                Ok(Frames::One(text.into()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Frames, A::Error> {
                FrameTable::deserialize(MapAccessDeserializer::new(map)).map(Frames::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Frames, A::Error> {
                let mut frames = Vec::new();
                while let Some(frame) = seq.next_element()? {
                    frames.push(frame);
                }
                Ok(Frames::Several(frames))
            }
        }
        deserializer.deserialize_any(OneOrSeveral)
    }
}
