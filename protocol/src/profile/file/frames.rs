//! Frames that are written: a template alone, a table, or a list of these.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::super::text::Time;
use super::Located;
use crate::gatt::WriteKind;

/// One frame, or several of which the first that fits is taken.
#[derive(Clone, Debug)]
pub(crate) struct Frames(pub(crate) Vec<Located<FrameDef>>);

/// A frame that is written: the template alone, or a table with more about it.
#[derive(Clone, Debug)]
pub(crate) struct FrameDef(pub(crate) Box<FrameTable>);

/// A frame that is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FrameTable {
    /// The template
    pub(crate) frame: Option<String>,
    /// A named codec in place of a template: hue
    pub(crate) codec: Option<String>,
    /// The role that it is written to (control)
    pub(crate) to: Option<String>,
    /// How it is written, if not as its role says
    pub(crate) write: Option<WriteKind>,
    /// How long to wait after it
    pub(crate) delay: Time,
    /// What it does besides
    pub(crate) means: MeansDef,
}

/// What a frame says without a field for it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MeansDef {
    /// The lamp is on, or off
    pub(crate) power: Option<bool>,
    /// What the lamp shines with
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

impl<'de> Deserialize<'de> for FrameDef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrTable;
        impl<'de> Visitor<'de> for TextOrTable {
            type Value = FrameDef;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a frame (\"7E {red} {green} {blue} EF\"), or a table with `frame` in it")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FrameDef, E> {
                Ok(FrameDef(Box::new(FrameTable { frame: Some(text.into()), ..FrameTable::default() })))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FrameDef, A::Error> {
                FrameTable::deserialize(MapAccessDeserializer::new(map))
                    .map(|table| FrameDef(Box::new(table)))
            }
        }
        deserializer.deserialize_any(TextOrTable)
    }
}

impl<'de> Deserialize<'de> for Frames {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Frames;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a frame (\"7E {red} {green} {blue} EF\"), a table with `frame` in it, or a list of these")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Frames, E> {
                let table = FrameTable { frame: Some(text.into()), ..FrameTable::default() };
                Ok(Frames(alloc::vec![Located { at: usize::MAX, value: FrameDef(Box::new(table)) }]))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Frames, A::Error> {
                let table = FrameTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Frames(alloc::vec![Located { at: usize::MAX, value: FrameDef(Box::new(table)) }]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Frames, A::Error> {
                let mut frames = Vec::new();
                while let Some(frame) = seq.next_element()? {
                    frames.push(frame);
                }
                Ok(Frames(frames))
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}
